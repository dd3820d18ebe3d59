"""One sitting: the tasks that are left, until the time is over."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from benchmarks.gpu.bench import DONE, FAILED, SKIPPED, TIMEOUT, UNFINISHED, WRONG, Bench, Record, Task
from benchmarks.gpu.cache import bring_home
from benchmarks.gpu.pack import pack
from nvcodec.errors import NvcError

SCHEMA = "nvc-gpu/1"
RESERVE_S = 20.0
"""Kept back of the sitting: to stop what runs, and to pack."""
_LAST_RESORT_S = 8.0
"""So long before the end results are packed, whatever a task is doing."""
_NAME_COLUMNS = 46


_RINGS_AGAIN_S = 5.0
"""Until a task that has caught its end is interrupted once more."""
_GRACE_S = 5.0
"""What a task that watches the deadline itself may take for stopping."""


class TimeIsUp(BaseException):
    """Out of a task that takes too long. What catches every error must not catch this one."""


class BrokenDeviceError(Exception):
    """The GPU answers this process no more: what comes next needs a new one."""


def sit(tasks: Sequence[Task], bench: Bench, out: Path, *, retry: bool) -> None:
    """Run tasks in turn, pack after each, and leave out those that are done or for which time is too short.

    Args:
        tasks: In the order of their importance.
        bench: Where, and until when.
        out: Gets the packed results and ``summary.txt``.
        retry: Run what failed before once more.

    Raises:
        BrokenDeviceError: A task broke the GPU for this process.
    """
    torch.set_num_threads(bench.threads)
    with _last_resort(tasks, bench, out) as running:
        for task in tasks:
            status = load(bench, task).get("status")
            if status == DONE or (status in WRONG and not retry):
                continue
            if reason := task.blocked(bench):
                _save(bench, task, {"status": SKIPPED, "line": reason}, 0.0)
                continue
            if bench.deadline.left_s() < (0.0 if bench.tiny else task.least_s):
                continue
            bench.say(f"{task.name} ({bench.deadline.left_s():.0f} s left)")
            began = time.monotonic()
            running.add(task)
            record = _attempt(task, bench)
            _save(bench, task, record, time.monotonic() - began)
            bench.say(f"  {record['status']}: {record['line']} ({time.monotonic() - began:.1f} s)")
            if "traceback" in record:
                bench.say(record["traceback"])
            running.clear()
            hand_over(tasks, bench, out)
            if record["status"] in WRONG and _is_broken(bench):
                raise BrokenDeviceError
        _close(tasks, bench, out)


def hand_over(tasks: Sequence[Task], bench: Bench, out: Path) -> None:
    """Pack what there is into ``out``."""
    left_out = pack(bench.results, out)
    note = f"\nnot packed, for lack of room: {', '.join(left_out)}\n" if left_out else ""
    temporary = out / ".summary.txt"
    temporary.write_text(table(tasks, bench) + note, encoding="utf-8")
    os.replace(temporary, out / "summary.txt")


def _close(tasks: Sequence[Task], bench: Bench, out: Path) -> None:
    """Results first; then the compiler's cache, which may be large."""
    hand_over(tasks, bench, out)
    if bench.compiler is not None and (left_out := bring_home(out, bench.compiler)):
        bench.say(f"{len(left_out)} folders of the compiler's cache were left out, for lack of room")


def table(tasks: Sequence[Task], bench: Bench) -> str:
    """A line for each task that has been begun, and how many have not."""
    lines, waiting = [], 0
    for task in tasks:
        record = load(bench, task)
        if not record:
            waiting += 1
            continue
        status = "" if record["status"] == DONE else f"[{record['status']}] "
        lines.append(f"{task.name:<{_NAME_COLUMNS}}  {status}{record['line']}")
    lines.append(f"{waiting} of {len(tasks)} tasks not begun")
    return "\n".join(lines) + "\n"


def load(bench: Bench, task: Task) -> Record:
    """The record of a task; empty when it has not been begun."""
    path = bench.results / f"{task.name}.json"
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def failures(tasks: Sequence[Task], bench: Bench) -> int:
    """How many tasks failed, or took too long."""
    return sum(load(bench, task).get("status") in WRONG for task in tasks)


def _save(bench: Bench, task: Task, record: Record, seconds: float) -> None:
    about = {"schema": SCHEMA, "task": task.name, "device": bench.device, "tiny": bench.tiny, "seconds": seconds}
    temporary = bench.results / f".{task.name}.tmp"
    temporary.write_text(json.dumps({**about, **record}, indent=1), encoding="utf-8")
    os.replace(temporary, bench.results / f"{task.name}.json")


def _attempt(task: Task, bench: Bench) -> Record:
    """The record of a task, or of how it failed: the others are run all the same."""
    limit_s = min(task.limit_s, max(bench.deadline.left_s(), 0.0) + _GRACE_S)
    try:
        _tidy(bench)
        with _alarm(limit_s):
            return task.run(bench)
    except TimeIsUp:
        status = UNFINISHED if _has_state(bench, task) else TIMEOUT
        return {"status": status, "line": f"given up after {limit_s:.0f} s", "traceback": traceback.format_exc()}
    except NvcError as error:
        hint = {"hint": error.hint} if error.hint else {}
        return {"status": FAILED, "line": error.message, **hint, "traceback": traceback.format_exc()}
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return {"status": FAILED, "line": f"{type(error).__name__}: {first[:120]}", "traceback": traceback.format_exc()}


def _has_state(bench: Bench, task: Task) -> bool:
    """Whether another sitting can go on with it."""
    return (bench.work(task.name) / "job.json").exists()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer. A call into the device that does not return is not interrupted."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _RINGS_AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _tidy(bench: Bench) -> None:
    """Leave nothing of the task before: neither compiled code nor memory."""
    torch._dynamo.reset()
    gc.collect()
    if bench.on_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _is_broken(bench: Bench) -> bool:
    """Whether an earlier kernel's error comes back for ever."""
    if not bench.on_cuda:
        return False
    try:
        torch.zeros(1, device=bench.device).add_(1).cpu()
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


@contextmanager
def _last_resort(tasks: Sequence[Task], bench: Bench, out: Path) -> Iterator[set[Task]]:
    """End the program in time even if a task does not return; yields what is to be kept up to date: the running one."""

    def end() -> None:
        where = "".join(traceback.format_stack(sys._current_frames().get(main)))
        for task in tasks:
            if load(bench, task):
                continue
            if _has_state(bench, task):
                _save(bench, task, {"status": UNFINISHED, "line": "cut off; its state is saved"}, 0.0)
            elif task in running:
                _save(bench, task, {"status": TIMEOUT, "line": "cut off", "traceback": where}, 0.0)
        bench.say(f"the time is over:\n{where}")
        _close(tasks, bench, out)
        print(table(tasks, bench), flush=True)
        os._exit(1 if failures(tasks, bench) else 0)

    main, running = threading.get_ident(), set[Task]()
    timer = threading.Timer(max(bench.deadline.left_s() + RESERVE_S - _LAST_RESORT_S, 0.0), end)
    timer.daemon = True
    timer.start()
    try:
        yield running
    finally:
        timer.cancel()
