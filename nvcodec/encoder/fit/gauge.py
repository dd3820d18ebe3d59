"""What the host wants to know of a running fit, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch import Tensor

_About = TypeVar("_About")
_Found = TypeVar("_Found")


class Gauge(Generic[_About]):
    """A few numbers, read from time to time: on a CPU at once, on a GPU one reading late.

    By then the device has long left them behind, so nobody waits; and the host is never more than two readings ahead
    of what is really done, so that a plan in seconds ends on time.
    """

    def __init__(self, device: torch.device) -> None:
        self.late = device.type == "cuda"
        self._copied: tuple[Tensor, torch.cuda.Event, _About] | None = None

    def exchange(self, numbers: Tensor, about: _About) -> tuple[list[float], _About] | None:
        """Give what is there now for what can be read by now.

        Args:
            numbers: float32 [n], on the device.
            about: What the host knows of them.

        Returns:
            Numbers and what is known of them; None: nothing yet.
        """
        if not self.late:
            return numbers.tolist(), about
        read = self._read()
        copy = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
        copy.copy_(numbers, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._copied = copy, event, about
        return read

    def forget(self) -> None:
        """Drop what was given and not read: it speaks of a state that is gone."""
        self._copied = None

    def _read(self) -> tuple[list[float], _About] | None:
        if self._copied is None:
            return None
        copy, event, about = self._copied
        event.synchronize()
        return copy.tolist(), about


class Clerk:
    """Does sums on the host: on a CPU at once, so that every run gives the same; beside a GPU meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self._pool = ThreadPoolExecutor(1, "nvc-clerk") if device.type == "cuda" else None
        self._pending: Callable[[], None] | None = None

    def hand(self, work: Callable[[], _Found], then: Callable[[_Found], None]) -> None:
        """Have something worked out, by a function that only looks at what nobody changes, and then used.

        What was handed over before is used first. Errors of the work are raised when it is used.
        """
        if self._pool is None:
            then(work())
            return
        self.collect()
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()

        def behind() -> _Found:
            torch.cuda.current_stream().wait_event(ready)  # that of this thread, which knows nothing of the others
            return work()

        future: Future[_Found] = self._pool.submit(behind)
        self._pending = lambda: then(future.result())

    def collect(self) -> None:
        """Use what is worked out; waits for it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending()
