"""Resume files: one folder per encode with the job, the finished parts and the state of the running fit.

Arrays are stored as .npz without pickles; every file is written under another name and renamed, so that a crash leaves
the file before it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from nvcodec.config.job import Job
from nvcodec.errors import InputError

State = dict[str, npt.NDArray[np.generic]]

_FILES = ("job.json", "job.tmp", "source.sha256", "state.npz", "state.tmp.npz", "part.tmp.npz", "part-?????.npz")
"""Everything a folder may hold that is ours; the user may have named one with other files in it."""


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

    def save_state(self, part: int, state: State) -> None:
        """Keep the state of a running fit."""
        self._save(self.folder / "state.npz", {"part": np.int64(part), **state})

    def load_state(self, part: int) -> State | None:
        """The state of a part's fit; None when there is none.

        Raises:
            InputError: The file is damaged.
        """
        state = self._load(self.folder / "state.npz", f"Delete {self.folder} and start again")
        return state if state is not None and int(state.pop("part")) == part else None

    def save_part(self, part: int, state: State) -> None:
        """Keep a finished part."""
        self._save(self._part_path(part), {"part": np.int64(part), **state})

    def load_part(self, part: int) -> State | None:
        """A part that was finished before.

        Raises:
            InputError: The file is damaged.
        """
        path = self._part_path(part)
        return self._load(path, f"Delete {path}: it is fitted again")

    def remove(self) -> None:
        """The encode is done: delete its files, and the folder unless something else is in it."""
        for pattern in _FILES:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _part_path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.npz"

    def _save(self, path: Path, state: State) -> None:
        self._prepare()
        temporary = path.with_name(f"{path.name.split('-')[0].split('.')[0]}.tmp.npz")
        np.savez(temporary, **state)  # type: ignore[arg-type]
        os.replace(temporary, path)

    def _load(self, path: Path, remedy: str) -> State | None:
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
            int(state["part"])
            return state
        except (OSError, ValueError, EOFError, KeyError, BadZipFile, TypeError) as error:
            raise InputError(f"{path} is damaged ({error})", remedy) from None

    def _prepare(self) -> None:
        if not (self.folder / "job.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "source.sha256").write_text(self.source_digest)
            temporary = self.folder / "job.tmp"
            self.job.save(temporary)
            os.replace(temporary, self.folder / "job.json")  # last: where it is, the digest is too
