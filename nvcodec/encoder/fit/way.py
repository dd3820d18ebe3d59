"""How a training step is run on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nvcodec.models.base import VideoField


@dataclass(frozen=True)
class Way:
    """In bf16 where that is safe; by torch.compile; as one CUDA graph."""

    bf16: bool
    compiled: bool
    recorded: bool


def usual_way(field: VideoField, device: torch.device) -> Way:
    """What an encode does with a field on a device."""
    on_cuda = device.type == "cuda"
    return Way(on_cuda, on_cuda, False)
