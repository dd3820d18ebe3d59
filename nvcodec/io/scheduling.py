"""Keeping a library from making itself more important than all else on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def usual_priority() -> Iterator[None]:
    """Give threads the scheduling back that they, or the one that started them, had before.

    When SVT-AV1 is opened it asks for real-time scheduling of its own threads and of the one that calls it, which keeps
    it ever after. It gets that where the user is root, as in most containers, and then nothing else gets a core.
    """
    if not (hasattr(os, "sched_setscheduler") and _THREADS.is_dir()):
        yield
        return
    own, before = os.sched_getscheduler(0), dict(_policies())
    try:
        yield
    finally:
        for thread, policy in _policies():
            wanted = before.get(thread, own)
            if policy != wanted and wanted not in (os.SCHED_FIFO, os.SCHED_RR):
                with suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, wanted, os.sched_param(0))


def _policies() -> list[tuple[int, int]]:
    """Every thread of this process, and how it is scheduled."""
    found = []
    for path in _THREADS.iterdir():
        with suppress(OSError):  # it has ended
            found.append((int(path.name), os.sched_getscheduler(int(path.name))))
    return found
