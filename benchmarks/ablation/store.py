"""The folder of a study: results, what is under way, and whether both are what the study asks for now. No torch.

    <run>.json   the result (schema nvc-encode/1 or nvc-encode-archive/1), what it was asked ("run") and made by
                 ("code"); then the run is done
    <run>.nvc    the file
    <run>.work/  an encode under way: run.json, what it is, and beside it the codec's own resume files

Files are written under another name and renamed, so that a process may be killed at any moment.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.ablation.runs import PLACE_KEYS, Place, Run, code_digest
from nvcodec.encoder.resume.work_folder import job_in
from nvcodec.errors import InputError, UsageError


@dataclass(frozen=True)
class Store:
    """OUT/<study>."""

    folder: Path

    def record(self, run: Run, place: Place | None) -> dict[str, Any] | None:
        """The result of a run; None when it is not done.

        Args:
            run: Which.
            place: Where it would run; None = wherever it did.

        Raises:
            InputError: The file is damaged.
            UsageError: It is the result of other settings.
        """
        path = self.path(run, ".json")
        if not path.exists():
            return None
        record = read_json(path)
        check_identity(identity(run, place), record.get("run", {}), path)
        return record

    def check_started(self, run: Run, place: Place) -> None:
        """Refuse to go on with a run that began with other settings.

        Raises:
            UsageError: It did.
        """
        path = self._work(run) / "run.json"
        if path.exists():
            check_identity(identity(run, place), read_json(path), path.parent)

    def begin(self, run: Run, place: Place) -> bool:
        """Prepare the folder of a run's encode; whether there is one to go on with."""
        work = self._work(run)
        try:
            job = job_in(work) if (work / "run.json").exists() else None
        except InputError:
            job = None  # killed before the first state was saved, or after the result was written
        if job is None:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            write_json(work / "run.json", identity(run, place))
            return False
        # clips and results may have moved since; whether they are the same is checked by content
        job = replace(job, inputs=(str(place.source),), output=str(self.path(run, ".nvc")))
        job.save(work / "job.tmp")
        os.replace(work / "job.tmp", work / "job.json")
        return True

    def finish(self, run: Run, place: Place, result: dict[str, Any], timing: dict[str, Any]) -> None:
        """Keep the result of a run."""
        record = {**result, "code": code_digest(), "run": identity(run, place), "timing": timing}
        write_json(self.path(run, ".json"), record)
        self.tidy(run)

    def tidy(self, run: Run) -> None:
        """Forget how a run that is done came about."""
        shutil.rmtree(self._work(run), ignore_errors=True)

    def path(self, run: Run, suffix: str) -> Path:
        """A file of a run."""
        return self.folder / f"{run.name}{suffix}"

    def _work(self, run: Run) -> Path:
        return self.path(run, ".work")


def identity(run: Run, place: Place | None) -> dict[str, Any]:
    """All that is known of what shapes a run's file."""
    return {**run.identity(), **(place.identity() if place else {})}


def check_identity(ours: dict[str, Any], theirs: dict[str, Any], path: Path) -> None:
    """Refuse what was made with other settings.

    Args:
        ours: The settings to find; others may be there too.
        theirs: Those that ``path`` was made with.
        path: For the message.

    Raises:
        UsageError: Names the first setting that differs.
    """
    for key in sorted(ours.keys() | {key for key in theirs if key not in PLACE_KEYS and key != "epochs"}):
        if ours.get(key) != theirs.get(key):
            raise UsageError(
                f"{path} was made with {key} = {theirs.get(key)}, not {ours.get(key)}",
                "Delete it to run it again, put the study back as it was, or write to another folder with -o",
            )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours.

    Raises:
        InputError: The file holds none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
        reason = "no object"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise InputError(f"{path} is damaged ({reason})", "Delete it to make it again")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file; who reads it finds the old one or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # several processes may fill one folder
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
