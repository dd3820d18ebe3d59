"""The optimisers of a fit, on the flat parameter vector: Muon for matrices and Adam for all else, or Adam for all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from nvcodec.config.fit import FitConfig, Optimiser
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.quant.tensors import Role

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
"""Learning rate of a companion, which Adam moves, in units of the field's that Muon does."""
_HEIR_RATE = 0.25
"""Learning rate of what groups of pictures have for themselves, in units of what they share. A full rate costs half a
decibel on a clip that does not change, a twentieth gains nothing where it does."""


class _Matrices(NamedTuple):
    """Parameters that are matrices of one shape."""

    places: Tensor
    """Where they lie in the parameter vector, int64 [N, rows, columns], the longer side last."""
    of_heirs: bool
    """Whether only some of the frames use each."""


class FieldOptimiser:
    """Moves a field's parameters, its quantiser's steps and the heads that only training knows.

    Kernels of convolutions and linear layers, as matrices [outputs, rest], are moved by their momentum with all
    singular values made equal (Muon: Jordan et al., 2024; scaled as by Liu et al., "Muon is scalable for LLM training",
    2025, section 2.2); grids and vectors by Adam. At equal steps that is worth 1 to 2 dB here. Kernels of depthwise
    convolutions are matrices like others, [channels, taps]. What a group of pictures has for itself moves slower, and
    only in steps that saw a frame of it: momentum without news would carry it off.

    With ``adam`` or ``adamw`` there are no matrices: everything is moved as their papers say, at one learning rate but
    for the quantiser's steps.

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
        by_muon = config.optimiser is Optimiser.MUON
        self._matrices = _matrices(flat) if by_muon else []
        self._by_adam = torch.ones_like(flat.vector, requires_grad=False)
        for matrices in self._matrices:
            self._by_adam[matrices.places] = 0
        self._momentum = torch.zeros_like(flat.vector, requires_grad=False)
        decay = config.weight_decay if config.optimiser is Optimiser.ADAMW else 0.0
        groups = [([flat.vector], 1.0), ([log2_steps], config.step_rate_factor), (list(heads), 1.0)]
        groups = [group for group in [*groups, (list(guides), _GUIDE_RATE if by_muon else 1.0)] if group[0]]
        device, recorded = flat.vector.device, flat.vector.device.type == "cuda"
        self._rate = torch.zeros((), device=device)
        """Learning rate, where a recorded step reads it; each group has its multiple of it."""
        self._rates = [(torch.zeros((), device=device), factor) for _, factor in groups]
        self._trained = [parameter for group, _ in groups for parameter in group]
        self._adam = (torch.optim.AdamW if decay else torch.optim.Adam)(
            [
                {"params": group, "lr": rate, "weight_decay": 0.0 if group[0] is log2_steps else decay}
                for (group, _), (rate, _) in zip(groups, self._rates, strict=True)
            ],
            betas=(config.betas[0], config.betas[1]), fused=True, capturable=recorded,
        )  # fmt: skip

    def set_rate(self, learning_rate: float) -> None:
        """The learning rate of the steps to come."""
        self._rate.fill_(learning_rate)
        for rate, factor in self._rates:
            rate.fill_(learning_rate * factor)

    @torch.no_grad()
    def step(self) -> None:
        """Move everything that has a gradient, and clear the gradients."""
        gradient = self.vector.grad
        assert gradient is not None
        self._momentum.lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(self._momentum, _MOMENTUM)
        for places, of_heirs in self._matrices:
            update = orthogonalised(ahead[places])
            scale = self._rate * (_UPDATE_RMS * math.sqrt(places.shape[-1]))
            if of_heirs:
                seen = gradient[places].abs().amax(dim=(1, 2), keepdim=True) > 0
                update *= _HEIR_RATE * seen
            self.vector[places] -= scale * update
        gradient *= self._by_adam  # which leaves where it is what never had a gradient
        self._adam.step()
        self.clear()

    def clear(self) -> None:
        """Clear the gradients."""
        self._adam.zero_grad()

    @torch.no_grad()
    def hand_on(self, heirs: slice, parent: slice) -> None:
        """Let parameters that begin as copies of others begin with what was learned of those others' gradients.

        Args:
            heirs: Places in the vector, any number of copies one after another.
            parent: Those they are copies of.
        """
        moments = self._adam.state.get(self.vector)
        if moments is None:  # not a single step was taken
            return
        for learned in (self._momentum, moments["exp_avg"], moments["exp_avg_sq"]):
            learned[heirs].view(-1, parent.stop - parent.start).copy_(learned[parent])

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
        self.set_rate(0.0)
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


def _matrices(flat: FlatField) -> list[_Matrices]:
    """The matrices of a field, by shape."""
    found: dict[tuple[bool, torch.Size], list[Tensor]] = defaultdict(list)
    for spec, start in zip(flat.specs, flat.starts, strict=True):
        if spec.role is not Role.WEIGHT or len(spec.shape) < 2:
            continue
        of_heirs = spec.name in flat.heirs
        places = torch.arange(start, start + spec.size, device=flat.vector.device)
        for index in places.view(*spec.shape[:2], -1) if of_heirs else [places.view(spec.shape[0], -1)]:
            index = index if index.shape[0] <= index.shape[1] else index.T
            if index.shape[0] >= _SMALLEST_SIDE:
                found[of_heirs, index.shape].append(index)
    return [_Matrices(torch.stack(group), of_heirs) for (of_heirs, _), group in found.items()]
