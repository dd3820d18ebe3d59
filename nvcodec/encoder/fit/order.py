"""In which order a fit sees the frames."""

from __future__ import annotations

import torch
from torch import Tensor


class FrameOrder:
    """Every frame once an epoch, each epoch in an order of its own; the order lies on the device ahead of its time.

    Args:
        count: Frames, or what takes their place.
        batch: How many a step sees.
        device: Where fits read them.
    """

    def __init__(self, count: int, batch: int, device: torch.device) -> None:
        self.count, self.batch, self.device = count, batch, device
        self.waiting = []

    @property
    def waiting(self) -> list[int]:
        """Frames that the steps to come will see, as far as that is settled; for resume files."""
        return self._order[self._next :].tolist()

    @waiting.setter
    def waiting(self, frames: list[int]) -> None:
        self._order, self._next = torch.tensor(frames, dtype=torch.int64), 0
        self._there = self._order.to(self.device, non_blocking=True)

    def take(self) -> tuple[Tensor, Tensor]:
        """Frames of the next step, int64 [batch]: in CPU memory, and on the device."""
        while len(self._order) - self._next < self.batch:
            self.waiting = [*self.waiting, *torch.randperm(self.count).tolist()]
        chosen = slice(self._next, self._next + self.batch)
        self._next += self.batch
        return self._order[chosen], self._there[chosen]
