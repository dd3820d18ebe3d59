"""The optimiser of a fit: Muon for matrices, Adam for all else, both on the flat parameter vector."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from nvcodec.encoder.config import FitConfig
from nvcodec.encoder.parameters import FlatField
from nvcodec.quant.tensors import Role, TensorSpec

_SMALLEST_SIDE = 8
"""Kernels with fewer rows or columns than this have too little of a spectrum to be evened out."""
_MOMENTUM = 0.95
_ITERATIONS = 3
"""Five, as is usual, gave the same PSNR within 0.1 dB on two clips and took 6 % longer."""
_QUINTIC = 3.4445, -4.7750, 2.0315
"""Odd polynomial that drives singular values of 0..1 to about 1 in a few iterations."""
_UPDATE_RMS = 0.2
"""Root mean square of an update at learning rate 1, like that of Adam, so that both can share one."""

_GUIDE_RATE = 0.125
"""Learning rate of a companion in units of the field's."""


class FieldOptimiser:
    """Moves a field's parameters, its quantiser's steps and the heads that only training knows.

    Kernels of convolutions and linear layers, as matrices [outputs, rest], are moved by their momentum with all
    singular values made equal (Muon: Jordan et al., 2024; scaled as by Liu et al., "Muon is scalable for LLM training",
    2025, section 2.2); grids, vectors and depthwise kernels by Adam. At equal steps that is worth 1 to 2 dB here.

    Args:
        flat: The field.
        log2_steps: Steps of its quantiser, float32 [steps].
        heads: Other parameters.
        config: Learning rates.
        guides: Parameters of a companion.
    """

    def __init__(
        self,
        flat: FlatField,
        log2_steps: Tensor,
        heads: Iterable[Tensor],
        config: FitConfig,
        guides: Iterable[Tensor] = (),
    ) -> None:
        self.vector = flat.vector
        self._matrices = [index.to(flat.vector.device) for index in _matrices(flat.specs)]
        self._by_adam = torch.ones_like(flat.vector, requires_grad=False)
        for index in self._matrices:
            self._by_adam[index] = 0
        self._momentum = torch.zeros_like(flat.vector, requires_grad=False)
        groups = [([flat.vector], 1.0), ([log2_steps], config.step_rate_factor), (list(heads), 1.0)]
        groups = [group for group in [*groups, (list(guides), _GUIDE_RATE)] if group[0]]
        self._factors = [factor for _, factor in groups]
        self._trained = [parameter for group, _ in groups for parameter in group]
        self._adam = torch.optim.Adam(
            [{"params": group} for group, _ in groups], lr=config.learning_rate, betas=(0.9, 0.99), fused=True
        )

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move everything that has a gradient, and clear the gradients."""
        for group, factor in zip(self._adam.param_groups, self._factors, strict=True):
            group["lr"] = learning_rate * factor
        gradient = self.vector.grad
        assert gradient is not None
        self._momentum.lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(self._momentum, _MOMENTUM)
        for index in self._matrices:
            update = orthogonalised(ahead[index])
            scale = _UPDATE_RMS * math.sqrt(index.shape[-1])
            self.vector[index] -= learning_rate * scale * update
        gradient *= self._by_adam  # which leaves where it is what never had a gradient
        self._adam.step()
        self._adam.zero_grad()

    def forget(self) -> None:
        """Drop what was learned of the gradients: the parameters have jumped."""
        self._momentum.zero_()
        for moments in self._adam.state.values():
            moments["exp_avg"].zero_()
            moments["exp_avg_sq"].zero_()

    def state(self) -> dict[str, Tensor]:
        """Everything learned, by name."""
        tensors = {"momentum": self._momentum}
        for index, trained in enumerate(self._trained):
            moments = self._adam.state.get(trained, {})
            tensors.update({f"adam.{index}.{name}": value for name, value in moments.items()})
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Continue from :meth:`state`.

        Raises:
            KeyError, RuntimeError: The tensors belong to another field.
        """
        self._momentum.copy_(tensors["momentum"])
        # Adam creates its state in a step, so it takes one that moves nothing
        for group in self._adam.param_groups:
            group["lr"] = 0.0
        for trained in self._trained:
            trained.grad = torch.zeros_like(trained)
        self._adam.step()
        self._adam.zero_grad()
        for index, trained in enumerate(self._trained):
            if f"adam.{index}.step" not in tensors:  # it had no gradient yet
                del self._adam.state[trained]
                continue
            for name, value in self._adam.state[trained].items():
                value.copy_(tensors[f"adam.{index}.{name}"])


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors and all singular values near 1.

    Args:
        matrices: float32 [N, rows, columns], rows <= columns.

    Returns:
        The same shape; singular values between about 0.7 and 1.2 wherever they were not far below the others.
    """
    a, b, c = _QUINTIC
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-12)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _matrices(specs: Iterable[TensorSpec]) -> list[Tensor]:
    """Where matrices lie in the parameter vector: int64 [N, rows, columns] for each shape, the longer side last."""
    found, at = defaultdict(list), 0
    for spec in specs:
        if spec.role is Role.WEIGHT and len(spec.shape) >= 2:
            index = torch.arange(at, at + spec.size).view(spec.shape[0], -1)
            index = index if index.shape[0] <= index.shape[1] else index.T
            if index.shape[0] >= _SMALLEST_SIDE:
                found[index.shape].append(index)
        at += spec.size
    return [torch.stack(group) for group in found.values()]
