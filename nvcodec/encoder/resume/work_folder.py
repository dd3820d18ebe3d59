"""Which encode a folder of resume files belongs to. No torch."""

from __future__ import annotations

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
    ours, theirs = (flatten(one.to_dict()) for one in (job, job_in(folder)))
    different = [key for key in (*ours, *theirs) if str(ours.get(key)) != str(theirs.get(key))]
    if different:
        key = different[0]
        raise UsageError(
            f"{folder} holds an interrupted encode with {key} = {theirs.get(key)}, not {ours.get(key)}",
            f"Go on with it:  nvc encode --resume {folder}   (or delete it, or give another --work-dir)",
        )
