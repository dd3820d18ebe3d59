"""Resume files: one folder per encode with the job, the finished parts and the state of the running fit.

Arrays are stored as .npz without pickles; every file is written under another name, all the way to the disk, and
renamed, so that a crash or a full disk leaves the file before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from nvcodec.config.job import Job
from nvcodec.encoder.resume.work_folder import JOB, ROOM, cannot_write
from nvcodec.errors import InputError, quoted
from nvcodec.io.output import create, part_of

State = dict[str, npt.NDArray[np.generic]]

_DIGEST, _STATE = "source.sha256", "state.npz"
_FILES = tuple(
    str(form) for name in (JOB, ROOM, _DIGEST, _STATE, "part-?????.npz") for form in (name, part_of(Path(name)))
)
"""Everything a folder may hold that is ours; the user may have named one with other files in it."""
_NPZ_BYTES = 400
"""What a file of arrays takes for each of them, beside its numbers."""


class Checkpoint:
    """The folder of one encode.

    Args:
        folder: Created when something is first saved.
        job: What is being encoded.
        source_digest: SHA-256 of the frames of everything it is encoded from, hexadecimal.
    """

    def __init__(self, folder: Path, job: Job, source_digest: str) -> None:
        self.folder, self.job, self.source_digest = folder, job, source_digest

    @property
    def command(self) -> str:
        """How to go on, on the command line."""
        return self.job.resume_command(self.folder)

    def verify(self) -> str | None:
        """Refuse to continue with another source than the one the fit saw.

        Returns:
            What there is to say of it, if anything.

        Raises:
            InputError: The source has changed since.
        """
        try:
            digest = (self.folder / _DIGEST).read_text("ascii", "replace")
        except OSError:
            return None
        if not re.fullmatch("[0-9a-f]{64}", digest):  # written on a full disk, by an earlier version
            (self.folder / _DIGEST).unlink(missing_ok=True)
            return f"{self.folder / _DIGEST} is damaged; the source is taken to be what this encode began with"
        if digest != self.source_digest:
            raise InputError(
                f"{self.job.origin} has changed since this encode began",
                f"Delete {quoted(self.folder)} and start again",
            )
        return None

    @property
    def holds_state(self) -> bool:
        """Whether something was saved that can be gone on from."""
        return (self.folder / JOB).exists()

    def reserve(self, state: State) -> None:
        """Take the room that a state needs, before any work, so that the disk may fill up meanwhile.

        Raises:
            OutputError: There is none.
        """
        try:
            if not (self.folder / _STATE).exists():
                _write(self.folder / ROOM, lambda file: np.savez(file, **state))  # type: ignore[arg-type]
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def save_state(self, part: int, state: State) -> None:
        """Keep the state of a running fit.

        Raises:
            OSError: The system does not take it; the last one that was saved is still there.
        """
        self._save(self.folder / _STATE, {"part": np.int64(part), **state})
        with suppress(OSError):
            (self.folder / ROOM).unlink(missing_ok=True)  # a state keeps as much

    def load_state(self, part: int) -> State | None:
        """The state of a part's fit; None when there is none.

        Raises:
            InputError: The file is damaged.
        """
        state = self._load(self.folder / _STATE, f"Delete {quoted(self.folder)} and start again")
        return state if state is not None and int(state.pop("part")) == part else None

    def save_part(self, part: int, state: State) -> None:
        """Keep a finished part.

        Raises:
            OSError: The system does not take it; the last state of its fit is still there.
        """
        self._save(self._part_path(part), {"part": np.int64(part), **state}, instead=self.folder / _STATE)

    def load_part(self, part: int) -> State | None:
        """A part that was finished before.

        Raises:
            InputError: The file is damaged.
        """
        path = self._part_path(part)
        return self._load(path, f"Delete {quoted(path)}: it is fitted again")

    def remove(self) -> None:
        """The encode is done: delete its files, and the folder unless something else is in it."""
        for pattern in _FILES:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _part_path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.npz"

    def _save(self, path: Path, state: State, instead: Path | None = None) -> None:
        """Write arrays; where there is no space, in the room taken for them, or of a larger file that they replace."""
        needed = sum(value.nbytes + _NPZ_BYTES for value in state.values())
        given_up = [self.folder / ROOM]
        if instead is not None and instead.exists() and instead.stat().st_size > needed:
            given_up.append(instead)
        while True:
            try:
                self._prepare()
                _write(path, lambda file: np.savez(file, **state))  # type: ignore[arg-type]
                break
            except OSError:
                given_up = [file for file in given_up if file.exists()]
                if not given_up:
                    raise
                given_up.pop(0).unlink()

    def _load(self, path: Path, remedy: str) -> State | None:
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
            int(state["part"])
            return state
        except Exception as error:  # of zipfile, zlib, numpy and the tokeniser that it reads headers with
            raise InputError(f"{path} is damaged ({error})", remedy) from None

    def _prepare(self) -> None:
        if not self.holds_state:
            self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / _DIGEST).exists():
            _write(self.folder / _DIGEST, lambda file: file.write(self.source_digest.encode()))
        if not self.holds_state:  # last: where it is, the digest is too
            _write(self.folder / JOB, lambda file: file.write(self.job.to_json().encode()))


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file, all or nothing, all the way to the disk.

    Raises:
        OSError: The system does not take it; what was there is as it was.
    """
    part = part_of(path)
    try:
        with create(part) as file:
            write(file)
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
