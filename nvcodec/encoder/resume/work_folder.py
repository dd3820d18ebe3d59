"""Which encode a folder of resume files belongs to. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nvcodec.config.archive_job import ArchiveJob
from nvcodec.config.job import Job
from nvcodec.config.job_values import load_job
from nvcodec.config.settings import flatten
from nvcodec.errors import UsageError

_JOB = "job.json"


def job_in(folder: Path) -> Job | ArchiveJob:
    """The interrupted encode that a folder holds, of one video or of an archive.

    Raises:
        InputError: It holds none, or its job is damaged.
    """
    return load_job(folder / _JOB, _job_of)


def check_work_dir(folder: Path, job: Job | ArchiveJob) -> None:
    """Refuse to mix an encode with the remains of another one.

    Raises:
        UsageError: The folder belongs to another encode, or is none.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give --work-dir a folder, or a name that does not exist yet")
    if not (folder / _JOB).exists():
        return
    other = job_in(folder)
    if type(other) is not type(job):
        kind = "an archive" if isinstance(other, ArchiveJob) else "a single video"
        difference = f"an interrupted encode of {kind} (model {other.model}), not this one"
    else:
        ours, theirs = (_flat(one.to_dict()) for one in (job, other))
        different = [key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]
        if not different:
            return
        key = different[0]
        difference = f"an interrupted encode with {key} = {theirs.get(key)}, not {ours.get(key)}"
    raise UsageError(
        f"{folder} holds {difference}",
        f"Go on with it:  nvc encode --resume {folder}   (or delete it, or give another --work-dir)",
    )


def _job_of(plain: dict[str, object]) -> Job | ArchiveJob:
    return ArchiveJob.from_dict(plain) if "sources" in plain else Job.from_dict(plain)


def _flat(tables: Mapping[str, object]) -> dict[str, str]:
    # to text, since a tuple comes back from JSON as a list
    return {key: str(value).replace("(", "[").replace(")", "]") for key, value in flatten(tables).items()}
