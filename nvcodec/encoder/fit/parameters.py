"""A field's coded parameters as one vector, so that a fit handles hundreds of tensors with a handful of operations."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvcodec.encoder.fit.segments import Segments
from nvcodec.models.base import VideoField
from nvcodec.models.gops import GroupedField
from nvcodec.quant.steps import dequantise, step_values
from nvcodec.quant.tensors import MAX_STEP_CODE, IntegerTensor, TensorSpec

CODES_PER_OCTAVE = 8
"""Step codes from a step to one twice as large."""
MAX_OFFSET = 24
"""Largest offset of a step code that a fit uses: three octaves."""


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
        self.heirs = field.heirs() if isinstance(field, GroupedField) else {}
        """Parameters that a group of pictures has for itself, by name, and those that all share in their place."""
        self.sizes = [spec.size for spec in self.specs]
        self.starts = [0, *accumulate(self.sizes)][:-1]
        """Where each tensor begins in the vector."""
        self.vector = torch.cat([named[spec.name].detach().reshape(-1) for spec in self.specs]).requires_grad_()
        for parameter in named.values():
            parameter.requires_grad_(False)
        device = self.vector.device
        tensor_of = torch.repeat_interleave(torch.arange(len(self.specs)), torch.tensor(self.sizes))
        self.by_tensor = Segments(tensor_of, len(self.specs), device)
        """Elements by the tensor they belong to."""
        self.n_steps = sum(spec.n_steps for spec in self.specs)
        steps, offsets, is_offset, start = [], [], [], 0
        for spec in self.specs:
            steps.append(_position(spec, spec.step_axis) + start)
            if spec.offset_axis is None:
                offsets.append(torch.full((spec.size,), self.n_steps))
            else:
                offsets.append(_position(spec, spec.offset_axis) + start + spec.n_first_steps)
            is_offset += [code >= spec.n_first_steps for code in range(spec.n_steps)]
            start += spec.n_steps
        self.step_of = torch.cat(steps)
        """int64 [P] in CPU memory: which step code an element uses."""
        self.offset_of = torch.cat(offsets)
        """int64 [P] in CPU memory: which step code is its offset; ``n_steps`` where it has none."""
        self.by_step = Segments(self.step_of, self.n_steps, device)
        self.by_offset = Segments(self.offset_of, self.n_steps + 1, device)
        """Elements by these; the last segment has no offset."""
        self.is_offset = torch.tensor(is_offset, device=device)
        """bool [n_steps]: which step codes are offsets."""
        self.coarsest = torch.where(self.is_offset, MAX_OFFSET, MAX_STEP_CODE - MAX_OFFSET)
        """int64 [n_steps]: the largest that each step code may become."""

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of a parameter vector, float32 [P], under the names of the field's parameters."""
        parts = torch.split(vector, self.sizes)
        return {spec.name: part.view(spec.shape) for spec, part in zip(self.specs, parts, strict=True)}

    def places(self, name: str) -> slice:
        """Where a tensor lies in the vector."""
        index = [spec.name for spec in self.specs].index(name)
        return slice(self.starts[index], self.starts[index] + self.sizes[index])

    @torch.no_grad()
    def settle(self) -> None:
        """Give the field's own parameters, which a fit does not touch, the values of the vector."""
        named = dict(self.field.named_parameters())
        for name, values in self.split(self.vector).items():
            named[name].copy_(values)

    def steps(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Step of every parameter, float32 [P], from all step codes, int [n_steps], in the order of the tensors."""
        padded = np.append(codes, 0)
        return step_values(padded[self.step_of.numpy()] + padded[self.offset_of.numpy()])

    def vector_of(self, tensors: list[IntegerTensor]) -> Tensor:
        """The parameter vector float32 [P] that a decoder would get from integers."""
        flat = np.concatenate([dequantise(tensor).reshape(-1) for tensor in tensors])
        return torch.from_numpy(flat).to(self.vector.device)


def _position(spec: TensorSpec, axis: int | None) -> Tensor:
    """Where along an axis each element of a tensor lies, int64 [size]; 0 where there is no axis."""
    if axis is None:
        return torch.zeros(spec.size, dtype=torch.int64)
    shape = [-1 if i == axis else 1 for i in range(len(spec.shape))]
    return torch.arange(spec.shape[axis]).view(shape).expand(spec.shape).reshape(-1)
