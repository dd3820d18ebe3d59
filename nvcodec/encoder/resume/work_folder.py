"""Which encode a folder of resume files belongs to. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from nvcodec.config.job import Job
from nvcodec.config.settings import flatten
from nvcodec.errors import UsageError

_JOB = "job.json"


def job_in(folder: Path) -> Job:
    """The interrupted encode that a folder holds.

    Raises:
        InputError: It holds none, or its job is damaged.
    """
    return Job.load(folder / _JOB)


def check_work_dir(folder: Path, job: Job) -> None:
    """Refuse to mix an encode with the remains of another one.

    Raises:
        UsageError: The folder belongs to another encode, or is none.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give --work-dir a folder, or a name that does not exist yet")
    if not (folder / _JOB).exists():
        return
    kept = job_in(folder)
    # as JSON has them, where a tuple is a list
    ours, theirs = (flatten(json.loads(json.dumps(one.to_dict()))) for one in (job, kept))
    if different := [key for key in (*ours, *theirs) if ours.get(key) != theirs.get(key)]:
        old, new = (_shown(values.get(different[0])) for values in (theirs, ours))
        raise UsageError(
            f"{folder} holds an interrupted encode with {different[0]} = {old}, not {new}",
            f"Go on with it:  {kept.resume_command(folder)}   (or delete it, or give another --work-dir)",
        )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
