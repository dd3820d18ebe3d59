"""Results to a few files of limited size, and back: some machines hand back no more.

``results.tar.gz.00``, ``.01``, ... are the parts of one archive:  cat results.tar.gz.* | tar xz
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
import zlib
from contextlib import suppress
from pathlib import Path

from nvcodec.errors import InputError

PART_BYTES = 15 << 20
"""Size of a part."""
TOTAL_BYTES = 47 << 20
"""Size of all parts together; with the compiler's cache, less than 64 MiB."""
_NAME = "results.tar.gz"
_LEVEL = 1
"""There is little to gain: nearly all of it is floats and range-coded bytes."""
_OVERHEAD_BYTES = 2048
"""Header and padding of a file in the archive, not compressed; and what deflate adds to what it cannot compress."""
_packing = threading.Lock()


class _Parts(io.RawIOBase):
    """A file written as parts under temporary names."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.paths = folder, [folder / f".{_NAME}.00"]
        self._file = self.paths[0].open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        view = memoryview(data)
        while view:
            room = PART_BYTES - self._file.tell()
            if room == 0:
                self._file.close()
                self.paths.append(self.folder / f".{_NAME}.{len(self.paths):02d}")
                self._file = self.paths[-1].open("wb")
                continue
            self._file.write(view[:room])
            view = view[room:]
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def pack(folder: Path, out: Path) -> list[str]:
    """Write a folder of results as parts into ``out``, in place of those that are there.

    Records first, then the state of what is unfinished, then bitstreams, the newest first: what does not fit is left
    out (an interrupted fit of three million parameters is), and what comes behind it goes along all the same.

    Returns:
        Names of the files left out.
    """
    with _packing:
        out.mkdir(parents=True, exist_ok=True)
        left_out, taken = [], 0
        with (
            _Parts(out) as parts,
            gzip.GzipFile(_NAME, "wb", _LEVEL, parts, mtime=0) as squeezed,
            tarfile.open(fileobj=squeezed, mode="w") as archive,
        ):
            for together in _ordered(folder):
                names = [path.relative_to(folder).as_posix() for path in together]
                size = sum(int(_size(path) * 1.001) + _OVERHEAD_BYTES for path in together)
                if taken + size > TOTAL_BYTES:
                    left_out += names
                    continue
                taken += size
                for path, name in zip(together, names, strict=True):
                    with suppress(FileNotFoundError):  # an encode that runs on may just have finished with it
                        archive.add(path, name)
        for old in sorted(out.glob(f"{_NAME}.*"))[len(parts.paths) :]:
            old.unlink()
        for path in parts.paths:
            os.replace(path, path.with_name(path.name[1:]))
        return left_out


def unpack(out: Path, folder: Path) -> None:
    """Undo :func:`pack`.

    Raises:
        InputError: There are no results, or a part is missing or damaged.
    """
    parts = sorted(out.glob(f"{_NAME}.*"))
    if not parts:
        raise InputError(f"{out} holds no {_NAME}.00", "Give the folder with the files of an earlier sitting")
    data = b"".join(part.read_bytes() for part in parts)
    try:
        whole = gzip.decompress(data)  # all of it first: tarfile does not look at the checksum
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise InputError(
            f"the results in {out} are damaged ({error})", "Are all parts there, of one sitting?"
        ) from None


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _ordered(folder: Path) -> list[list[Path]]:
    """What is packed, in this order; what is in a list is of use together only."""
    records = sorted(folder.glob("*.json"))
    states = [
        sorted(path for path in work.rglob("*") if path.is_file() and ".tmp" not in path.name)
        for work in sorted(folder.glob("work/*"))
    ]
    coded = sorted(folder.glob("*.nvc"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [*([path] for path in records), *filter(None, states), *([path] for path in coded)]
