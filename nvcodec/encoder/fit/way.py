"""How a step is run on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nvcodec.models.base import VideoField


@dataclass(frozen=True)
class Way:
    """How a step is run; all of them take the same step, up to rounding."""

    bf16: bool = False
    """Networks draw in bfloat16, but for what must not: heads, interpolation, warping, losses and rates."""
    compiled: bool = False
    """Networks are translated by torch.compile, before the clock starts. No fit does so by itself: on an H200
    it took 75 s, for steps that were a quarter quicker than recorded ones; and recorded as well, they went astray."""
    recorded: bool = False
    """A step is recorded as a CUDA graph and replayed: one call instead of a thousand."""


def usual_way(field: VideoField, device: torch.device) -> Way:
    """The way that fits go on a device: on a CPU, the plain one."""
    if device.type != "cuda":
        return Way()
    return Way(torch.cuda.is_bf16_supported(), recorded=field.capturable)
