"""Steps as CUDA graphs: what a step launches is recorded once and then replayed by a single call."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch

_WARM_UP = 3
"""Steps of a kind before it is recorded: libraries set themselves up, and the optimiser its state."""


class Recorder:
    """Runs steps: as they are, which is the reference, or by replaying what they did.

    A step may be recorded if all it reads lies in the same place every time, and nothing in it waits for the device.
    Steps that do other things are of other kinds, each with a recording of its own.

    Args:
        recording: Whether to record at all.
        on_failure: Told why a step could not be recorded; it and all others are then run as they are.
    """

    can_record = True
    """False once it has failed anywhere: torch keeps something of a recording that broke off."""

    def __init__(self, recording: bool, on_failure: Callable[[Exception], None]) -> None:
        self.recording, self.on_failure = recording and Recorder.can_record, on_failure
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._runs: dict[Hashable, int] = {}

    def run(self, kind: Hashable, step: Callable[[], None]) -> None:
        """Take a step of some kind."""
        if not self.recording:
            step()
            return
        if kind not in self._graphs and not self._recorded(kind, step):
            return
        self._graphs[kind].replay()

    def _recorded(self, kind: Hashable, step: Callable[[], None]) -> bool:
        """Whether there is a recording now; else the step has been taken."""
        self._runs[kind] = self._runs.get(kind, 0) + 1
        if self._runs[kind] <= _WARM_UP:
            with _beside():
                step()
            return False
        graph = torch.cuda.CUDAGraph()
        # what a step leaves behind lies outside of it, so recordings may share their memory
        pool = next(iter(self._graphs.values())).pool() if self._graphs else None
        stream = torch.cuda.current_stream()
        try:
            # other threads may go on with the device meanwhile
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                step()
        except Exception as error:  # whatever cannot be recorded can still be run
            torch.cuda.set_stream(stream)  # a recording that breaks off stays on its own, where nobody waits for it
            self.recording = Recorder.can_record = False
            self._graphs.clear()
            self.on_failure(error)
            step()
            return False
        self._graphs[kind] = graph
        return True


@contextmanager
def _beside() -> Iterator[None]:
    """Another stream, as recording wants what is warmed up; it begins and ends with that of everybody."""
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        yield
    current.wait_stream(side)
