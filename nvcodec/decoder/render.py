"""A field and frame indices to code values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from nvcodec.models.base import PlaneTensors, VideoField
from nvcodec.types import Planes, Time, VideoFormat

_BATCH_BYTES = 1 << 30
_LARGEST_BATCH = 16


def default_batch(drawing_bytes: int) -> int:
    """Frames per forward pass that keep memory moderate: a gibibyte, or one frame where that takes more."""
    return max(1, min(_LARGEST_BATCH, _BATCH_BYTES // drawing_bytes))


@torch.inference_mode()
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
    device = next(field.parameters()).device
    for start in range(0, len(frames), batch):
        drawn = frames[start : start + batch]
        kind = int if all(time % 1 == 0 for time in drawn) else float
        times = torch.tensor([kind(time) for time in drawn], device=device)
        planes = [
            # a hostile network may draw what is no number; files promise code values all the same
            (plane.float() * video.peak).round().clamp(0, video.peak).nan_to_num().cpu().numpy().astype(video.dtype)
            for plane in _draw(field, times)
        ]
        for index in range(len(drawn)):
            yield tuple([plane[index] for plane in planes])  # of a list: others leave Python larger memory behind


def render_clip(field: VideoField, frames: Sequence[Time], video: VideoFormat) -> Iterator[Planes]:
    """Draw what lies within one clip, in the order given; see :func:`render`.

    A clip is drawn whole, whichever of its frames are asked for, and once more for each lateness (what is left of a
    time behind its frame): these come one after another, and wait for their turn as code values.
    """
    passes: dict[Time, list[Time]] = {}
    for time in sorted(set(frames)):
        passes.setdefault(time % 1, []).append(time)
    drawn: dict[Time, Planes] = {}
    for times in passes.values():
        drawn.update(zip(times, render(field, times, video, len(times)), strict=True))
    for time in frames:
        first, second, third = (plane.copy() for plane in drawn[time])  # nobody's picture is another's
        yield first, second, third


def _draw(field: VideoField, frames: Tensor) -> PlaneTensors:
    with full_float32():
        planes: PlaneTensors = field(frames).planes
    return planes


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
