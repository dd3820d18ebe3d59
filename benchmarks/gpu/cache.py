"""What the compiler has made, carried from sitting to sitting: kernels take minutes to compile, and seconds to load."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

NAME = "compile_cache.tar.gz"
LIMIT_BYTES = 15 << 20
"""Size of the archive."""
HOME = Path(tempfile.gettempdir()) / "nvc-gpu-compiler"
"""Always in the same place: a process that goes on for another finds it."""
_FOLDERS = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
_LEVEL = 6
_OVERHEAD_BYTES = 2048
"""Header and padding of a file in the archive."""
_SLACK_BYTES = 1 << 19
"""What the packer has taken and not yet written."""


def use(home: Path) -> None:
    """Have the compiler keep all it makes in a folder. To be called before torch is imported."""
    for variable, name in _FOLDERS.items():
        (home / name).mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(home / name)


def take_along(places: Sequence[Path], home: Path) -> str | None:
    """Unpack what was left in the first folder that holds a cache; what to say of it, None where none does.

    An archive that is damaged costs compiling again, and nothing else.
    """
    packed = next((place / NAME for place in places if (place / NAME).exists()), None)
    if packed is None:
        return None
    try:
        with tarfile.open(packed, "r:gz") as archive:
            archive.extractall(home, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        shutil.rmtree(home, ignore_errors=True)  # half of it may be worse than nothing
        use(home)
        return f"{packed} is damaged ({error}): kernels are compiled again"
    return f"the compiler's cache {packed}, {packed.stat().st_size / 2**20:.1f} MiB"


def bring_home(out: Path, home: Path) -> list[str]:
    """Pack the cache into a folder, in place of what is there; what came last first, while there is room.

    A folder that holds files goes along as a whole or not at all: a kernel without one of its files is an error, where
    a kernel that is missing is compiled.

    Returns:
        Names of the folders left out.
    """
    folders = [path for path in home.rglob("*") if path.is_dir() and any(each.is_file() for each in path.iterdir())]
    if not folders:
        return []
    left_out, temporary = [], out / f".{NAME}"
    with temporary.open("wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL) as archive:
        for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
            files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != ".lock"]
            worst = sum(path.stat().st_size + _OVERHEAD_BYTES for path in files)
            if file.tell() + worst + _SLACK_BYTES > LIMIT_BYTES:
                left_out.append(folder.relative_to(home).as_posix())
                continue
            for path in files:
                with suppress(FileNotFoundError):
                    archive.add(path, path.relative_to(home).as_posix())
    os.replace(temporary, out / NAME)
    return left_out
