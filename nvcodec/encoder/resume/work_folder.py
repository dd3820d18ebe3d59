"""Which encode a folder of resume files belongs to, and who is at work in it. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions, described
from nvcodec.config.settings import flatten
from nvcodec.errors import OutputError, UsageError
from nvcodec.io.replace import locked

JOB = "job.json"
ROOM = "room.npz"
"""As large as a state, so that one can be saved on a disk that has filled up."""
_LOCK = "lock"
_WORDS = {"inputs": "of", "output": "to", "base": "for"}


def job_in(folder: Path) -> Job:
    """The interrupted encode that a folder holds.

    Raises:
        InputError: It holds none, or its job is damaged.
    """
    return Job.load(folder / JOB)


def check_work_dir(folder: Path, job: Job) -> None:
    """Refuse to mix an encode with the remains of another one.

    Raises:
        UsageError: The folder belongs to another encode, is used by one just now, is none, or cannot be written.
    """
    if not folder.exists():
        return
    with in_use(folder):
        pass
    if not (folder / JOB).exists():
        return
    kept = job_in(folder)
    # as JSON has them, where a tuple is a list
    ours, theirs = (flatten(json.loads(json.dumps(one.to_dict()))) for one in (job, kept))
    if different := [key for key in (*ours, *theirs) if ours.get(key) != theirs.get(key)]:
        old, new = (values.get(different[0]) for values in (theirs, ours))
        raise UsageError(
            f"{folder} holds an interrupted encode {_difference(different[0], old, new)}",
            f"Go on with it:  {kept.resume_command(folder)}   (or delete it, or give another --work-dir)",
        )


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Be the only one at work in a folder, which is made; it is left again with what others can go on from, or not.

    Raises:
        UsageError: Another process is at work in it, it is no folder, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give --work-dir a folder, or a name that does not exist yet")
    busy = UsageError(f"{folder} is being used by another nvc", "Wait until it has ended, or give another --work-dir")
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.callback(_leave, folder)
            held.enter_context(locked(folder / _LOCK, busy))
            held.callback(_give_up_room, folder)
        except OSError as error:
            raise cannot_write(folder, error) from None
        yield


def cannot_write(folder: Path, error: OSError) -> OutputError:
    """What to say of a folder that nothing can be saved in."""
    return OutputError(
        f"cannot write to the work folder {folder}: {error.strerror}", "Make room, or give another --work-dir"
    )


def _give_up_room(folder: Path) -> None:
    with suppress(OSError):
        (folder / ROOM).unlink(missing_ok=True)


def _leave(folder: Path) -> None:
    with suppress(OSError):  # something is in it
        folder.rmdir()


def _difference(key: str, old: object, new: object) -> str:
    """In what two jobs differ, as they are asked for: ``with --bpp 0.1, not 0.2``."""
    if key in _WORDS:
        return f"{_WORDS[key]} {_shown(old)}, not {_shown(new)}"
    known = described(EncodeOptions)
    option = known[key].flags[-1] if key in known else f"--set {key.removeprefix('settings.')}"
    joint = " " if key in known else "="
    if isinstance(old, bool) or isinstance(new, bool):
        return f"{'with' if old else 'without'} {option}"
    if old is None:
        return f"without {option}, which is {_shown(new)} now"
    return f"with {option}{joint}{_shown(old)}, not {'without it' if new is None else _shown(new)}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
