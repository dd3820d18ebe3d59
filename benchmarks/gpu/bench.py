"""What a task is, and what it is given."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""The outcome of a task as JSON: ``status``, ``line`` (a summary for people) and the task's own numbers."""

DONE, UNFINISHED, FAILED, SKIPPED, TIMEOUT = "done", "unfinished", "failed", "skipped", "timeout"
WRONG = (FAILED, TIMEOUT)
"""What is run again by ``--retry`` alone, and makes the exit code 1."""


class Deadline:
    """When a sitting has to end.

    Args:
        seconds: From now.
        clock: Seconds from any origin.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self._end - self._clock()


@dataclass(frozen=True)
class Bench:
    """The machine, the clips, and where results go."""

    device: str
    """``cpu`` or ``cuda``."""
    results: Path
    """``<task>.json`` and ``<task>.nvc``, and the resume files of unfinished encodes in ``work/<task>``."""
    scratch: Path
    """A folder for what is not kept."""
    deadline: Deadline
    clips: Path | None = None
    """Where clips lie."""
    tiny: bool = False
    """Same tasks, sizes for a CPU and a test."""
    eager: bool = False
    """Encode without torch.compile."""
    compiler: Path | None = None
    """What the compiler keeps, to be brought home."""
    say: Callable[[str], None] = partial(print, flush=True)

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU of NVIDIA."""
        return self.device.startswith("cuda")

    @property
    def threads(self) -> int:
        """CPU threads: on a CPU one, which always gives the same bytes; beside a GPU enough for the measuring."""
        return min(8, os.cpu_count() or 1) if self.on_cuda else 1

    def work(self, task: str) -> Path:
        """The folder of a task that may go on in another sitting."""
        return self.results / "work" / task


@dataclass(frozen=True)
class Task(ABC):
    """One measurement."""

    name: str
    """Of letters, digits, ``.`` and ``-``; names its files."""

    @property
    @abstractmethod
    def least_s(self) -> float:
        """With less time left it is not begun."""

    @property
    @abstractmethod
    def expected_s(self) -> float:
        """How long it should take on a fast GPU."""

    @property
    def limit_s(self) -> float:
        """When it is given up."""
        return 5 + 2 * self.expected_s

    def blocked(self, bench: Bench) -> str | None:
        """Why it cannot run here; None when it can."""
        return None

    @abstractmethod
    def run(self, bench: Bench) -> Record:
        """Measure. The record has at least ``status`` and ``line``."""
