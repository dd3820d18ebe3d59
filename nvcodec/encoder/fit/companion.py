"""Networks that only the encoder has: they fill a field's per-frame tensors from the frames, and are thrown away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.footage.clip import Footage
from nvcodec.models.base import PlaneTensors, VideoField


class Rows(NamedTuple):
    """What a companion makes of a batch of frames."""

    values: dict[str, Tensor]
    """Rows [B, ...] of the field's tensors, whose first axis is time, by name."""
    penalty: Tensor
    """An auxiliary loss, a scalar, not yet weighed."""


class Companion(nn.Module, ABC):
    """Sees the frames that a field is to draw. Built from the field, but trains none of its parameters."""

    @abstractmethod
    def forward(self, targets: PlaneTensors, parameters: Mapping[str, Tensor]) -> Rows:
        """Rows for a batch of frames.

        Args:
            targets: The frames' planes, float32 [B, rows, columns], units of the largest code value.
            parameters: The field's parameters by name.
        """


def new_companion(kind: str, field: VideoField) -> Companion:
    """A fresh companion for a field, on its device; ``kind`` is its ``module:class``."""
    module, _, name = kind.partition(":")
    companion: Companion = getattr(import_module(module), name)(field)
    return companion.to(next(field.parameters()).device)


class Guide:
    """Lets a companion decide a field's per-frame values in the first part of a schedule; then they are trained freely.

    Args:
        companion: None leaves everything to the field.
        flat: The field.
        clip: The source.
        until: Progress at which the companion is dropped; 1: with the fit, and what it makes then is the file's.
        penalty_weight: Of the companion's own loss.
    """

    def __init__(
        self, companion: Companion | None, flat: FlatField, clip: Footage, until: float, penalty_weight: float
    ) -> None:
        self.companion, self.flat, self.clip, self.until = companion, flat, clip, until
        self.penalty_weight = penalty_weight
        self.active = companion is not None and until > 0
        self._places: dict[str, Tensor] = {}
        """Where a frame's row lies in the parameter vector, int64 [T, row], by name of the tensor."""

    def parameters(self) -> Iterable[Tensor]:
        """What is trained with the field."""
        return [] if self.companion is None else self.companion.parameters()

    def update(self, progress: float) -> None:
        """Let go when it is time."""
        if self.active and progress >= self.until:
            self.refresh()
            self.active = False

    def weight(self, progress: float) -> float:
        """Of the companion's own loss: constant where it is kept to the end, else fading until it is dropped."""
        if not self.active:
            return 0.0
        return self.penalty_weight * (1 - progress / self.until if self.until < 1 else 1)

    def place(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The parameter vector with the companion's rows for some frames in it, and the companion's own loss.

        Gradients of these rows reach the companion, not the vector. Values stay in the vector, so that whoever looks
        at it sees them.
        """
        rows = self._rows(frames)
        places = torch.cat([self._places[name][frames].reshape(-1) for name in rows.values])
        values = torch.cat([value.reshape(-1) for value in rows.values.values()])
        with torch.no_grad():
            self.flat.vector[places] = values
        return self.flat.vector.index_put((places,), values), rows.penalty

    def hold(self) -> None:
        """Forget the gradient, from the rate, of rows that are the companion's."""
        gradient = self.flat.vector.grad
        if self.active and gradient is not None:
            for places in self._places.values():
                gradient.index_fill_(0, places.view(-1), 0)

    def _rows(self, frames: Tensor) -> Rows:
        assert self.companion is not None
        rows: Rows = self.companion(self.clip.targets(frames), self.flat.split(self.flat.vector.clone()))
        if not self._places:
            starts = dict(zip([spec.name for spec in self.flat.specs], self.flat.starts, strict=True))
            for name, value in rows.values.items():
                count = len(self.clip) * value[0].numel()
                places = torch.arange(starts[name], starts[name] + count, device=frames.device)
                self._places[name] = places.view(len(self.clip), -1)
        return rows

    @torch.no_grad()
    def refresh(self) -> None:
        """Have the companion, if it is at work, write every row of the vector as it would now."""
        if not self.active:
            return
        for chosen in torch.arange(len(self.clip), device=self.flat.vector.device).view(-1, 1):
            for name, value in self._rows(chosen).values.items():
                self.flat.vector[self._places[name][chosen]] = value.reshape(1, -1)
