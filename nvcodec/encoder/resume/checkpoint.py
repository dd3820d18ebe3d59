"""Resume files: one folder per encode with the job, the finished segments and the state of the running fit.

Arrays are stored as .npz without pickles; every file is written under another name and renamed, so that a crash leaves
the file before it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from nvcodec.container.segments import BaseSegment
from nvcodec.errors import BitstreamError, InputError

State = dict[str, npt.NDArray[np.generic]]

_FILES = ("job.json", "job.tmp", "source.sha256", "state.npz", "state.tmp.npz", "segment.tmp", "segment-?????")
"""Everything a folder may hold that is ours; the user may have named one with other files in it."""


class SavableJob(Protocol):
    """What is being encoded: one video, or an archive."""

    @property
    def origin(self) -> str:
        """What it is encoded from, as messages call it."""

    def save(self, path: Path) -> None:
        """Write the job as JSON."""


class Checkpoint:
    """The folder of one encode.

    Args:
        folder: Created when something is first saved.
        job: What is being encoded.
        source_digest: SHA-256 of the frames of everything it is encoded from, hexadecimal.
    """

    def __init__(self, folder: Path, job: SavableJob, source_digest: str) -> None:
        self.folder, self.job, self.source_digest = folder, job, source_digest

    @property
    def command(self) -> str:
        """How to go on, on the command line."""
        return f"nvc encode --resume {self.folder}"

    def verify(self) -> None:
        """Refuse to continue with another source than the one the fit saw.

        Raises:
            InputError: The source has changed since.
        """
        path = self.folder / "source.sha256"
        if path.exists() and path.read_text() != self.source_digest:
            raise InputError(
                f"{self.job.origin} has changed since this encode began",
                f"Delete {self.folder} and start again",
            )

    def save_state(self, segment: int, state: State) -> None:
        """Keep the state of a running fit."""
        self._prepare()
        temporary = self.folder / "state.tmp.npz"
        np.savez(temporary, segment=np.int64(segment), **state)  # type: ignore[arg-type]
        os.replace(temporary, self.folder / "state.npz")

    def load_state(self, segment: int) -> State | None:
        """The state of a segment's fit; None when there is none.

        Raises:
            InputError: The file is damaged.
        """
        path = self.folder / "state.npz"
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
            owner = int(state.pop("segment"))
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise InputError(f"{path} is damaged ({error})", f"Delete {self.folder} and start again") from None
        return state if owner == segment else None

    def save_segment(self, ordinal: int, segment: BaseSegment) -> None:
        """Keep a finished segment."""
        self._prepare()
        temporary = self.folder / "segment.tmp"
        temporary.write_bytes(segment.to_bytes())
        os.replace(temporary, self._segment_path(ordinal))

    def load_segment(self, ordinal: int) -> BaseSegment | None:
        """A segment that was finished before.

        Raises:
            InputError: The file is damaged.
        """
        path = self._segment_path(ordinal)
        try:
            return BaseSegment.from_bytes(path.read_bytes()) if path.exists() else None
        except BitstreamError as error:
            raise InputError(f"{path} is damaged: it {error.message}", f"Delete {path}: it is fitted again") from None

    def remove(self) -> None:
        """The encode is done: delete its files, and the folder unless something else is in it."""
        for pattern in _FILES:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _segment_path(self, segment: int) -> Path:
        return self.folder / f"segment-{segment:05d}"

    def _prepare(self) -> None:
        if not (self.folder / "job.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "source.sha256").write_text(self.source_digest)
            temporary = self.folder / "job.tmp"
            self.job.save(temporary)
            os.replace(temporary, self.folder / "job.json")  # last: where it is, the digest is too
