"""What must not be rounded to bfloat16, whatever autocast would make of it."""

from __future__ import annotations

import torch
from torch import Tensor


def in_float32(like: Tensor) -> torch.autocast:
    """A block in which autocast is off on a tensor's device: what goes in as float32 stays float32.

    bfloat16 has eight bits: places in a picture above 256 and code values near white would move in steps that are
    seen. Tensors from outside of the block go in :func:`widened`.
    """
    return torch.autocast(like.device.type, enabled=False)


def widened(x: Tensor) -> Tensor:
    """What autocast has made bfloat16 as float32; all else, as without autocast everything, as it is."""
    return x.float() if x.dtype is torch.bfloat16 else x
