"""A field and frame indices to code values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from nvcodec.decoder.on_cuda import Repeated, on_cuda
from nvcodec.models.base import PlaneTensors, VideoField
from nvcodec.types import Planes, Time, VideoFormat

_BATCH_BYTES = 1 << 30
_LARGEST_BATCH = 16


def default_batch(drawing_bytes: int, device: str = "cpu") -> int:
    """Frames per forward pass that keep memory moderate: at most 16, and one where that takes more.

    Args:
        drawing_bytes: What one frame takes.
        device: Where it is drawn. The share of a GPU is a quarter of what is free there, that of a CPU a gibibyte.
    """
    cuda = on_cuda(torch.device(device))
    affordable = _BATCH_BYTES if cuda is None else cuda.affordable_bytes
    return max(1, min(_LARGEST_BATCH, affordable // drawing_bytes))


def render(field: VideoField, frames: Sequence[Time], video: VideoFormat, batch: int) -> Iterator[Planes]:
    """Draw frames one after another, in the order given.

    Args:
        field: A field with decoded parameters.
        frames: Indices within the segment, or times between frames.
        video: Format of the planes drawn.
        batch: Frames per forward pass; has no influence on the integers decoded, and on pictures only by rounding.

    Yields:
        Code values, rounded to the nearest integer (halves to even) and clamped to the format's range.
    """
    drawer = _drawer_of(field)
    parts = (frames[start : start + batch] for start in range(0, len(frames), batch))
    for pictures in drawer.in_turn(drawer.begin(field, part, video) for part in parts):
        yield from pictures


def render_clip(field: VideoField, frames: Sequence[Time], video: VideoFormat) -> Iterator[Planes]:
    """Draw what lies within one clip, in the order given; see :meth:`Drawer.begin_clip`."""
    yield from _drawer_of(field).begin_clip(field, frames, video)


class Drawer:
    """Draws on one device, and brings the pictures home: batch after batch, each of which is begun before it is due.

    On CUDA a batch travels, and the next one is drawn, while the host does something else; elsewhere a batch that was
    begun is finished. Whoever begins batches takes turns with others, but what was begun may be looked at by anyone.

    Args:
        device: Where fields draw.
        precision: See :func:`code_values`.
    """

    def __init__(self, device: torch.device | str, precision: str = "float32") -> None:
        self.device, self.precision = torch.device(device), precision
        self._cuda = on_cuda(self.device)
        self._rooms: list[Tensor] = []
        """Pinned memory where no batch is."""
        self._repeated: tuple[VideoField, VideoFormat, Repeated] | None = None

    def in_turn(self, begun: Iterable[Iterator[Planes]]) -> Iterator[Iterator[Planes]]:
        """Batches in their order, each when those that are to be under way behind it were begun.

        On CUDA that is one, elsewhere none: the first picture waits for no second batch. A failure to begin one comes
        when the batches in front of it were handed out.

        Args:
            begun: Begins a batch whenever it is asked for the next one.
        """
        ahead = 0 if self._cuda is None else 1
        waiting: deque[Iterator[Planes]] = deque()
        try:
            for pictures in begun:
                waiting.append(pictures)
                del pictures  # it goes as soon as it was looked at
                if len(waiting) > ahead:
                    yield waiting.popleft()
        except Exception:
            while waiting:
                yield waiting.popleft()
            raise
        while waiting:
            yield waiting.popleft()

    @torch.inference_mode()
    def begin(self, field: VideoField, times: Sequence[Time], video: VideoFormat) -> Iterator[Planes]:
        """Draw a batch at once; see :func:`render`.

        Returns:
            Its pictures. The first one waits until the batch is there; each has memory of its own.
        """
        kind = int if all(time % 1 == 0 for time in times) else float
        values = self._code_values(field, torch.tensor([kind(time) for time in times]), video)
        if self._cuda is None:
            return _pictures(values.cpu(), video)
        room = self._room(values)
        here = room[: values.numel()].view(values.shape)
        arrived = self._cuda.send(values, here)

        def landed() -> Iterator[Planes]:
            arrived()
            yield from _pictures(here, video)
            self._rooms.append(room)  # one that nobody finished is let go of: torch knows when it is written no more

        return landed()

    def begin_clip(self, field: VideoField, times: Sequence[Time], video: VideoFormat) -> Iterator[Planes]:
        """Draw what lies within one clip, in the order given; see :meth:`begin`.

        A clip is drawn whole, whichever of its frames are asked for, and once more for each lateness (what is left of a
        time behind its frame): these come one after another, and wait for their turn as code values.
        """
        passes: dict[Time, list[Time]] = {}
        for time in sorted(set(times)):
            passes.setdefault(time % 1, []).append(time)
        begun = [(late, self.begin(field, late, video)) for late in passes.values()]

        def sorted_out() -> Iterator[Planes]:
            drawn: dict[Time, Planes] = {}
            for late, pictures in begun:
                drawn.update(zip(late, pictures, strict=True))
            for time in times:
                yield tuple([plane.copy() for plane in drawn[time]])  # nobody's picture is another's

        return sorted_out()

    def _code_values(self, field: VideoField, frames: Tensor, video: VideoFormat) -> Tensor:
        """See :func:`code_values`; what is recorded is valid until the next batch."""
        if not field.capturable:
            return code_values(field, frames, video, self.precision)
        frames = frames.to(self.device, non_blocking=True)
        if self._cuda is None:
            return code_values(field, frames, video, self.precision)
        if self._cuda.improved(field, len(frames)):
            self._repeated = None
        if frames.is_floating_point():
            return code_values(field, frames, video, self.precision)
        if self._repeated is None or self._repeated[:2] != (field, video):
            self._repeated = None  # first, so that recordings of two fields are never there at once
            self._repeated = (
                field,
                video,
                Repeated(lambda frames: code_values(field, frames, video, self.precision), self._cuda),
            )
        return self._repeated[2](frames)

    def _room(self, values: Tensor) -> Tensor:
        """Pinned memory for a batch: what an earlier one has left, if that is large enough."""
        assert self._cuda is not None
        while self._rooms:
            room = self._rooms.pop()
            if room.numel() >= values.numel() and room.dtype is values.dtype:
                return room
        return self._cuda.room(values.numel(), values.dtype)


def code_values(field: VideoField, frames: Tensor, video: VideoFormat, precision: str = "float32") -> Tensor:
    """Draw frames on the field's device.

    Args:
        field: A field with decoded parameters.
        frames: int64 or float32 [B], in memory of the host unless the field is capturable.
        video: Format of the planes drawn.
        precision: ``float32``; or ``bfloat16``, in which networks draw but for what must not be rounded so far.

    Returns:
        Code values [B, samples], the planes of a picture one after another: uint8, or int16 beyond 8 bit, which holds
        them and, unlike uint16, is known to every torch device.
    """
    device = next(field.parameters()).device
    with full_float32(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        planes: PlaneTensors = field(frames).planes
    places = _places(video)
    dtype = torch.uint8 if video.bit_depth == 8 else torch.int16
    values = torch.empty((len(frames), places[-1].stop), dtype=dtype, device=planes[0].device)
    for plane, place in zip(planes, places, strict=True):
        # a hostile network may draw what is no number; files promise code values all the same
        rounded = (plane.float() * video.peak).round_().clamp_(0, video.peak).nan_to_num_()
        values[:, place].view(plane.shape).copy_(rounded)
    return values


def _pictures(values: Tensor, video: VideoFormat) -> Iterator[Planes]:
    """Pictures of code values as :func:`code_values` has them, in memory of the host; each is a copy."""
    rows: npt.NDArray[Any] = values.numpy().view(video.dtype)
    layout = list(zip(_places(video), video.plane_shapes, strict=True))
    for row in rows:
        own = row.copy()
        yield tuple([own[place].reshape(shape) for place, shape in layout])  # of a list: others leave memory behind


def _places(video: VideoFormat) -> list[slice]:
    """Where each plane lies among the samples of a picture."""
    sizes = [prod(shape) for shape in video.plane_shapes]
    return [slice(start, stop) for start, stop in pairwise(accumulate(sizes, initial=0))]


def _drawer_of(field: VideoField) -> Drawer:
    return Drawer(next(field.parameters()).device)


@contextmanager
def full_float32() -> Iterator[None]:
    """Keep CUDA from dropping 13 bits of the mantissa (TF32) in convolutions, as it does by itself, and in products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
