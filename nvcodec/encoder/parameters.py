"""A field's coded parameters as one vector, so that a fit handles hundreds of tensors with a handful of operations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nvcodec.models.base import VideoField
from nvcodec.quant.steps import dequantise
from nvcodec.quant.tensors import IntegerTensor


class FlatField:
    """A field whose parameters live in one flat vector.

    Optimiser, quantiser, rate, gradient clipping, roll-back and checkpoints all work on ``vector``; the field only ever
    sees views of it (or of its quantised twin).
    """

    def __init__(self, field: VideoField) -> None:
        self.field = field
        self.specs = list(field.specs)
        named = dict(field.named_parameters())
        assert set(named) == {spec.name for spec in self.specs}
        self.sizes = [spec.size for spec in self.specs]
        self.vector = torch.cat([named[spec.name].detach().reshape(-1) for spec in self.specs]).requires_grad_()
        for parameter in named.values():
            parameter.requires_grad_(False)
        device = self.vector.device
        counts = torch.tensor(self.sizes, device=device)
        self.tensor_of = torch.repeat_interleave(torch.arange(len(self.specs), device=device), counts)
        """int64 [P]: which tensor an element belongs to."""
        steps, start = [], 0
        for spec in self.specs:
            index = torch.zeros(spec.shape, dtype=torch.int64)
            if spec.step_axis is not None:
                shape = [1] * len(spec.shape)
                shape[spec.step_axis] = -1
                index = index + torch.arange(spec.n_steps).view(shape)
            steps.append(index.reshape(-1) + start)
            start += spec.n_steps
        self.n_steps = start
        self.step_of = torch.cat(steps).to(device)
        """int64 [P]: which quantiser step an element uses."""

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of a parameter vector, float32 [P], under the names of the field's parameters."""
        parts = torch.split(vector, self.sizes)
        return {spec.name: part.view(spec.shape) for spec, part in zip(self.specs, parts, strict=True)}

    def vector_of(self, tensors: list[IntegerTensor]) -> Tensor:
        """The parameter vector float32 [P] that a decoder would get from integers."""
        flat = np.concatenate([dequantise(tensor).reshape(-1) for tensor in tensors])
        return torch.from_numpy(flat).to(self.vector.device)
