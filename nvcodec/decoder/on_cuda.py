"""What drawing does on CUDA alone: copies that nobody waits for, and batches recorded as CUDA graphs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]

_IDLE_BEFORE = 4
"""A recording takes about as long as a few batches: it is made once the device has waited for as many."""
_SHARE_OF_MEMORY = 4

_log = logging.getLogger(__name__)


class Recording(NamedTuple):
    """What was recorded, to be called instead of the function."""

    replay: Function
    pool: Any
    """Where its memory lies."""


class OnCuda:
    """The device, as far as it differs from a CPU. Tests put something like it in its place.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def affordable_bytes(self) -> int:
        """Memory that drawing may take: a quarter of what is free, or kept by torch for nothing in particular."""
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return (free + kept) // _SHARE_OF_MEMORY

    def improved(self, field: nn.Module, pictures: int) -> bool:
        """Count pictures that a field is to draw; whether it has got quicker ways to draw for them just now."""
        from nvcodec.decoder.kernels.fuse import fused_in_time

        return fused_in_time(field, pictures)

    @property
    def idle(self) -> bool:
        """Whether all that the device was told to do is done."""
        return bool(torch.cuda.current_stream(self.device).query())

    def room(self, count: int, dtype: torch.dtype) -> Tensor:
        """Memory of the host that the device can write by itself, [count]."""
        return torch.empty(count, dtype=dtype, pin_memory=True)

    def send(self, values: Tensor, room: Tensor) -> Callable[[], object]:
        """Begin to copy values from the device to a room of as many.

        Returns:
            What waits until they are there. Whoever comes later on the device comes behind the copy, so that
            ``values`` may be overwritten.
        """
        room.copy_(values, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(self.device))
        return arrived.synchronize

    def record(self, function: Function, given: Tensor, beside: Sequence[Recording]) -> Recording:
        """A function as one CUDA graph. It returns the same memory whenever it is called.

        Args:
            function: Has run before, asks the host nothing, and depends on what it is given alone.
            given: What it is recorded with; later calls are given tensors of that shape and dtype.
            beside: Recordings that it may share memory with: none of them returns what is looked at once it is called.

        Raises:
            RuntimeError: It cannot be recorded.
        """
        place, graph = given.clone(), torch.cuda.CUDAGraph()
        pool = beside[0].pool if beside else None
        with torch.cuda.device(self.device):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            # thread_local: what other threads ask of the device meanwhile is not recorded, nor forbidden
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                result = function(place)

        def replay(given: Tensor) -> Tensor:
            place.copy_(given)
            graph.replay()
            return result

        return Recording(replay, graph.pool())


def on_cuda(device: torch.device) -> OnCuda | None:
    """What is to be done otherwise on a device; None: nothing, for it is none of CUDA's."""
    return OnCuda(device) if device.type == "cuda" else None


class Repeated:
    """A function that is called with few shapes again and again: as it stands, or as a recording of each.

    What is recorded costs the host one call. That helps where the device is done before the host has told it what comes
    next: with small pictures. A device that is busy does not notice, and nothing is recorded for it.

    Args:
        function: See :meth:`OnCuda.record`.
        cuda: What records it.
    """

    def __init__(self, function: Function, cuda: OnCuda) -> None:
        self._function, self._cuda = function, cuda
        self._idle: Counter[int] = Counter()
        """Calls with each shape that found the device idle."""
        self._recordings: dict[int, Recording] = {}
        self.refusal: str | None = None
        """Why there is no recording although there should be one; it is logged, and all goes on as before."""

    def __call__(self, given: Tensor) -> Tensor:
        """What the function returns for one of the shapes, which differ in length; valid until the next call."""
        count = len(given)
        if count not in self._recordings and self.refusal is None:
            self._idle[count] += self._cuda.idle
            if self._idle[count] > _IDLE_BEFORE:
                self._record(given)
        recorded = self._recordings.get(count)
        return recorded.replay(given) if recorded is not None else self._function(given)

    def _record(self, given: Tensor) -> None:
        try:
            recorded = self._cuda.record(self._function, given, list(self._recordings.values()))
        except RuntimeError as error:
            self.refusal = str(error)
            _log.info("drawing cannot be recorded as a CUDA graph and goes on without: %s", error)
        else:
            self._recordings[len(given)] = recorded
