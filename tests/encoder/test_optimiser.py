"""Muon and Adam on one vector."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvcodec.config.fit import FitConfig, Optimiser
from nvcodec.encoder.fit.optimiser import FieldOptimiser, orthogonalised
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.quant.tensors import Role
from nvcodec.types import ChromaFormat

CONFIG = MSNeRVConfig((2, 2), (16, 12), (1, 1), (2, 2), (GridLevel(2, 1, 4),), shuffle=4, local_levels=1)


def _flat() -> FlatField:
    torch.manual_seed(0)
    return FlatField(MSNeRV(CONFIG, FieldGeometry(8, 48, 64, ChromaFormat.YUV420)))


def _optimiser(flat: FlatField) -> tuple[FieldOptimiser, Tensor]:
    log2_steps = torch.full((flat.n_steps,), -7.0, requires_grad=True)
    return FieldOptimiser(flat, log2_steps, [], FitConfig()), log2_steps


def _step(flat: FlatField, optimiser: FieldOptimiser, log2_steps: Tensor, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    flat.vector.grad = torch.randn(flat.vector.shape, generator=random)
    log2_steps.grad = torch.randn(log2_steps.shape, generator=random)
    optimiser.set_rate(1e-3)
    optimiser.step()


@pytest.mark.parametrize("shape", [(1, 8, 24), (3, 16, 40), (2, 9, 500)])
def test_singular_values_become_equal_and_vectors_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-4
    left, values, right = torch.linalg.svd(orthogonalised(matrices), full_matrices=False)
    assert values.min() > 0.6 and values.max() < 1.3
    expected, _, turned = torch.linalg.svd(matrices, full_matrices=False)
    torch.testing.assert_close(left @ right, expected @ turned, atol=0.02, rtol=0)


def test_nothing_moves_without_a_gradient() -> None:
    assert not orthogonalised(torch.zeros(2, 8, 12)).any()


def test_every_parameter_moves_about_as_far() -> None:
    flat = _flat()
    optimiser, log2_steps = _optimiser(flat)
    before = flat.vector.detach().clone()
    for seed in range(3):
        _step(flat, optimiser, log2_steps, seed)
    moved = flat.split((flat.vector.detach() - before).abs())
    for spec in flat.specs:
        assert 1e-4 < float(moved[spec.name].mean()) < 1e-2, spec


def test_a_matrix_moves_along_all_its_directions() -> None:
    flat = _flat()
    optimiser, log2_steps = _optimiser(flat)
    before = flat.vector.detach().clone()
    _step(flat, optimiser, log2_steps, 0)
    moved = flat.split(flat.vector.detach() - before)
    spec = next(s for s in flat.specs if s.role is Role.WEIGHT and len(s.shape) == 2 and min(s.shape) >= 8)
    values = torch.linalg.svdvals(moved[spec.name])
    assert values.max() < 2 * values.min()


def test_a_saved_state_continues_exactly() -> None:
    flat, twin = _flat(), _flat()
    optimiser, log2_steps = _optimiser(flat)
    for seed in range(3):
        _step(flat, optimiser, log2_steps, seed)
    restored, twin_steps = _optimiser(twin)
    with torch.no_grad():
        twin.vector.copy_(flat.vector)
        twin_steps.copy_(log2_steps)
    restored.load({name: value.clone() for name, value in optimiser.state().items()})
    for one, opt, steps in ((flat, optimiser, log2_steps), (twin, restored, twin_steps)):
        _step(one, opt, steps, 7)
    assert torch.equal(flat.vector, twin.vector) and torch.equal(log2_steps, twin_steps)


def test_what_was_learned_can_be_dropped() -> None:
    flat = _flat()
    optimiser, log2_steps = _optimiser(flat)
    _step(flat, optimiser, log2_steps, 0)
    optimiser.forget()
    before = flat.vector.detach().clone()
    flat.vector.grad, log2_steps.grad = torch.zeros_like(flat.vector), torch.zeros_like(log2_steps)
    optimiser.set_rate(1e-3)
    optimiser.step()
    assert torch.equal(flat.vector, before)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_is_adam(decay: float) -> None:
    """Every element by the equations of Kingma and Ba (algorithm 1), and Loshchilov and Hutter (algorithm 2)."""
    beta1, beta2, rate, small = 0.8, 0.95, 1e-2, 1e-8
    flat = _flat()
    log2_steps = torch.full((flat.n_steps,), -7.0, requires_grad=True)
    kind = Optimiser.ADAMW if decay else Optimiser.ADAM
    config = FitConfig(optimiser=kind, betas=(beta1, beta2), weight_decay=decay, step_rate_factor=3.0)
    optimiser = FieldOptimiser(flat, log2_steps, [], config)
    expected, mean, square = flat.vector.detach().double(), 0.0, 0.0
    expected_steps, mean_steps, square_steps = log2_steps.detach().double(), 0.0, 0.0
    for turn in range(1, 4):
        random = torch.Generator().manual_seed(turn)
        flat.vector.grad = torch.randn(flat.vector.shape, generator=random)
        log2_steps.grad = torch.randn(log2_steps.shape, generator=random)
        slope, slope_steps = flat.vector.grad.double(), log2_steps.grad.double()
        optimiser.set_rate(rate)
        optimiser.step()
        mean, square = beta1 * mean + (1 - beta1) * slope, beta2 * square + (1 - beta2) * slope**2
        step = mean / (1 - beta1**turn) / ((square / (1 - beta2**turn)) ** 0.5 + small)
        expected = expected - rate * decay * expected - rate * step
        mean_steps = beta1 * mean_steps + (1 - beta1) * slope_steps
        square_steps = beta2 * square_steps + (1 - beta2) * slope_steps**2
        step = mean_steps / (1 - beta1**turn) / ((square_steps / (1 - beta2**turn)) ** 0.5 + small)
        expected_steps = expected_steps - 3 * rate * step  # which no decay pulls towards 0
    torch.testing.assert_close(flat.vector.detach().double(), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(log2_steps.detach().double(), expected_steps, atol=1e-5, rtol=1e-5)
