"""Numbers that many parameters share: handed out to all of them, and summed up over all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Segments:
    """A partition of P elements into segments.

    Indexing would do the same, but its gradient is a scatter: on a GPU a sort of all elements, and then one addition
    after another for those that meet. Here the elements of a segment are brought side by side once, and summed where
    they lie, always in the same order.

    Args:
        segment_of: The segment of each element, int64 [P] in CPU memory; some may be empty.
        count: Segments.
        device: Where the elements are.
    """

    def __init__(self, segment_of: Tensor, count: int, device: torch.device) -> None:
        lengths = torch.bincount(segment_of, minlength=count)
        self.index = segment_of.to(device)
        """int64 [P]."""
        is_sorted = bool((segment_of[1:] >= segment_of[:-1]).all())
        self._order = None if is_sorted else torch.argsort(segment_of, stable=True).to(device)
        self._lengths = lengths.to(device)

    def spread(self, values: Tensor) -> Tensor:
        """The value of its segment for each element: float32 [segments] -> [P]."""
        spread: Tensor = _Spread.apply(values, self)  # type: ignore[no-untyped-call]
        return spread

    def sums(self, elements: Tensor) -> Tensor:
        """The sum over each segment: float32 [P] -> [segments]."""
        sums: Tensor = _Sums.apply(elements, self)  # type: ignore[no-untyped-call]
        return sums

    @torch.no_grad()
    def reduced(self, elements: Tensor, by: str) -> Tensor:
        """``sum``, ``max`` or another of :func:`torch.segment_reduce` over each segment; without a gradient."""
        beside = elements if self._order is None else elements[self._order]
        # unsafe: it need not read the lengths to find out that they add up
        reduced: Tensor = torch.segment_reduce(beside, by, lengths=self._lengths, unsafe=True)
        return reduced


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        return values[segments.index]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.segments.reduced(gradient, "sum"), None


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, elements: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        return segments.reduced(elements, "sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.segments.index], None
