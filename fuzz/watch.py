"""One input after another in a process of its own, watched from outside: what kills it, hangs it or bloats it is kept.

The watched process leaves each input where the watcher sees it before it is read. Signals and limits are the kernel's,
so that libraries in C are held by them too.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import resource
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from fuzz.mutate import MOST_BYTES
from fuzz.targets import Target, refusal

SLOW_S = 2.0
"""CPU seconds that an input may take."""
HUNG_S, STUCK_S = 10.0, 120.0
"""CPU seconds after which the kernel ends it, and seconds without any progress after which the watcher does."""
MOST_MEMORY = 512 << 20
"""Bytes that an input may take on top of what the process had before the first one."""
_MOST_ADDRESSES = 8 << 30
"""Bytes of addresses on top; beyond, allocations fail instead of taking the machine with them."""
_KEPT_PER_KIND = 3
SNAPSHOT_S = 0.5
"""Seconds between two of them: when a process ends, outcomes since the last one are lost."""
_COUNTS = struct.Struct("<QQ")


@dataclass
class Tally:
    """What became of the inputs of a target; tallies can be added."""

    inputs: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    fell: Counter[str] = field(default_factory=Counter)
    """Kind of fall -> how often."""
    cpu_s: float = 0.0
    slowest_s: float = 0.0
    most_bytes: int = 0
    """Peak of memory over what the process had before the first input."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "refused": dict(self.refused), "fell": dict(self.fell)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Tally:
        """Inverse of :meth:`to_json`."""
        return cls(**{**values, "refused": Counter(values["refused"]), "fell": Counter(values["fell"])})

    def add(self, other: Tally) -> None:
        """Take in another one."""
        self.inputs, self.accepted = self.inputs + other.inputs, self.accepted + other.accepted
        self.refused.update(other.refused)
        self.fell.update(other.fell)
        self.cpu_s += other.cpu_s
        self.slowest_s, self.most_bytes = (
            max(self.slowest_s, other.slowest_s),
            max(self.most_bytes, other.most_bytes),
        )


class Bench:
    """Where inputs are tried, and what came of it; shared between the watched process and its watcher.

    Args:
        target: What reads them.
        falls: Folder for inputs that fell.
    """

    def __init__(self, target: Target, falls: Path) -> None:
        self.target, self.falls, self.tally = target, falls, Tally()
        self.outcome = ""
        """Of the last input: a few words without its numbers."""
        self._input = mmap.mmap(-1, _COUNTS.size + MOST_BYTES)
        self._snapshot = mmap.mmap(-1, 1 << 20)
        self._snapped = 0.0
        self._resting = 0

    def begin(self) -> None:
        """In the watched process, before the first input."""
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._resting = _peak_bytes()
        with suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + _MOST_ADDRESSES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def try_input(self, data: bytes) -> None:
        """Read an input and note what came of it."""
        data = data[:MOST_BYTES]
        self._input[: _COUNTS.size] = _COUNTS.pack(self.tally.inputs + 1, len(data))
        self._input[_COUNTS.size : _COUNTS.size + len(data)] = data
        signal.setitimer(signal.ITIMER_PROF, HUNG_S)
        started = time.process_time()
        fall = self._read(data)
        taken = time.process_time() - started
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.tally.inputs += 1
        self.tally.cpu_s += taken
        self.tally.slowest_s = max(self.tally.slowest_s, taken)
        peak = _peak_bytes() - self._resting
        if fall is None and taken > SLOW_S:
            fall = "slow", f"{taken:.1f} s of CPU time"
        if fall is None and peak > MOST_MEMORY >= self.tally.most_bytes:
            fall = "memory", f"{peak:,} bytes on top of what the process had"
        self.tally.most_bytes = max(self.tally.most_bytes, peak)
        if fall is not None:
            self.tally.fell[fall[0]] += 1
            self.outcome = fall[0]
            keep_fall(self.falls, self.target.name, data, *fall)
        if time.monotonic() - self._snapped > SNAPSHOT_S:
            self.snap()

    def _read(self, data: bytes) -> tuple[str, str] | None:
        """What an input did that no input may do: in a word or two, and in full."""
        try:
            self.target.run(data)
        except BaseException as error:
            try:
                known = refusal(error)
            except AssertionError as unclean:
                return f"{type(error).__name__} {unclean}", traceback.format_exc()
            if isinstance(known, self.target.refusals):
                self.tally.refused[type(known).__name__] += 1
                self.outcome = re.sub(r"\d[\d,.]*|'[^']*'", "#", known.message)[-80:]
                return None
            return _name(error), traceback.format_exc()
        self.tally.accepted += 1
        self.outcome = "accepted"
        return None

    def snap(self) -> None:
        """Show the watcher how things are."""
        self._snapped = time.monotonic()
        text = json.dumps(self.tally.to_json()).encode()
        self._snapshot[: 8 + len(text)] = struct.pack("<Q", len(text)) + text

    def seen(self) -> Tally:
        """In the watcher: what came of the inputs so far, those since the last snapshot without their outcome."""
        (length,) = struct.unpack("<Q", self._snapshot[:8])
        tally = Tally.from_json(json.loads(self._snapshot[8 : 8 + length])) if length else Tally()
        tally.inputs = max(tally.inputs, self.begun)
        return tally

    @property
    def begun(self) -> int:
        """Inputs that were at least begun."""
        return int(_COUNTS.unpack(self._input[: _COUNTS.size])[0])

    @property
    def last(self) -> bytes:
        """The input that was begun last."""
        (_, length) = _COUNTS.unpack(self._input[: _COUNTS.size])
        return self._input[_COUNTS.size : _COUNTS.size + length]

    def clear(self) -> None:
        """For the next watched process."""
        self._input[: _COUNTS.size] = _COUNTS.pack(0, 0)
        self._snapshot[:8] = bytes(8)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _name(error: BaseException) -> str:
    """Kind and place of an error that got out: the last of our own lines it went through."""
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}nvcodec{os.sep}" in frame.filename
    ]
    at = f" in {Path(ours[-1].filename).name}:{ours[-1].name}" if ours else ""
    return f"{type(error).__name__}{at}"


def keep_fall(falls: Path, target: str, data: bytes, kind: str, text: str) -> None:
    """Save an input that fell, with how to see it fall again; of each kind only a few."""
    slug = re.sub(r"\W+", "-", f"{target}-{kind}").strip("-").lower()[:80]
    falls.mkdir(parents=True, exist_ok=True)
    if len(list(falls.glob(f"{slug}-????????.bin"))) >= _KEPT_PER_KIND:
        return
    path = falls / f"{slug}-{sha256(data).hexdigest()[:8]}.bin"
    path.write_bytes(data)
    again = f"python -m fuzz.run --target {target} --input {path}"
    path.with_suffix(".txt").write_text(f"{again}\n\n{kind}\n{text}\n", encoding="utf-8", errors="backslashreplace")


class Watched:
    """Work in a process of its own, and again in another one whenever an input ends that.

    Args:
        bench: What ``work`` tries inputs on.
        work: Told how many inputs were tried before; comes back when there have been enough.
    """

    def __init__(self, bench: Bench, work: Callable[[int], None]) -> None:
        self.bench, self.work, self.total = bench, work, Tally()
        self._process = self._begun = 0
        self._since = 0.0
        self._start()

    def is_over(self) -> bool:
        """Look after the process; whether there have been enough inputs, and ``total`` is what came of them."""
        done, status = os.waitpid(self._process, os.WNOHANG)
        if not done:
            if self.bench.begun != self._begun:
                self._begun, self._since = self.bench.begun, time.monotonic()
            elif time.monotonic() - self._since > STUCK_S:
                os.kill(self._process, signal.SIGKILL)
            return False
        self.total.add(self.bench.seen())
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return True
        kind = _death(code)
        self.total.fell[kind] += 1
        keep_fall(self.bench.falls, self.bench.target.name, self.bench.last, kind, "The process ended.")
        if self.bench.begun == 0:
            return True  # it is not the inputs
        self._start()
        return False

    def _start(self) -> None:
        self.bench.clear()
        self._begun, self._since = 0, time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            self._work()

    def _work(self) -> NoReturn:
        status = 1
        try:
            self.work(self.total.inputs)
            self.bench.snap()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)


def _death(status: int) -> str:
    if status == -signal.SIGPROF:
        return "hang"
    if status == -signal.SIGKILL:
        return "killed: stuck, or out of memory"
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
