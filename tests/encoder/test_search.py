"""Flat parameters, quantisation as the fit sees it, and the search for integers of the right size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nvcodec.config.fit import Rounding
from nvcodec.encoder.fit.pack import Search, integers, load_integers, real_bits
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.quantiser import Quantiser
from nvcodec.entropy.payload import decode_tensors, encode_tensors
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.quant.tensors import MAX_SYMBOL, digest
from nvcodec.types import ChromaFormat

CONFIG = MSNeRVConfig((2, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2),), shuffle=4)


@pytest.fixture
def flat() -> FlatField:
    torch.manual_seed(0)
    flat = FlatField(MSNeRV(CONFIG, FieldGeometry(8, 48, 64, ChromaFormat.YUV420)))
    with torch.no_grad():
        flat.vector += 0.1 * torch.randn_like(flat.vector)
    return flat


def test_every_parameter_has_its_place_and_its_step(flat: FlatField) -> None:
    numbers = torch.arange(flat.vector.numel(), dtype=torch.float32)
    parts, step_of, offset_of = flat.split(numbers), flat.step_of, flat.offset_of
    at = step_at = 0
    for index, spec in enumerate(flat.specs):
        assert parts[spec.name].shape == spec.shape
        assert parts[spec.name].flatten().tolist() == list(range(at, at + spec.size))
        owned = step_of[at : at + spec.size].view(spec.shape)
        for place in np.ndindex(*spec.shape):
            assert owned[place] == step_at + (0 if spec.step_axis is None else place[spec.step_axis])
            if spec.offset_axis is None:
                assert offset_of[at : at + spec.size].view(spec.shape)[place] == flat.n_steps
            else:
                offset = offset_of[at : at + spec.size].view(spec.shape)[place]
                assert offset == step_at + spec.n_first_steps + place[spec.offset_axis] and flat.is_offset[offset]
        assert (flat.by_tensor.index[at : at + spec.size] == index).all()
        at, step_at = at + spec.size, step_at + spec.n_steps
    assert at == len(numbers) and step_at == flat.n_steps


@pytest.mark.parametrize("log2_step", [-7.0, -3.3, 0.51])
def test_the_fit_sees_what_a_decoder_will_have(flat: FlatField, log2_step: float) -> None:
    quantiser = Quantiser(flat, log2_step)
    with torch.no_grad():
        quantiser.log2_steps += torch.randn(flat.n_steps)
        quantiser.clamp()
        seen = quantiser.apply(flat.vector, Rounding.HARD)
    tensors = integers(flat, flat.vector, quantiser.codes())
    decoded = flat.vector_of(decode_tensors(encode_tensors(tensors), flat.specs))
    # the steps here and the frozen ones of the file may differ in the last bit
    torch.testing.assert_close(seen, decoded, rtol=2e-7, atol=0)
    load_integers(flat.field, tensors)
    named = dict(flat.field.named_parameters())
    assert all(torch.equal(named[name], part) for name, part in flat.split(decoded).items())


def test_steps_of_zeros_cost_nothing_and_change_nothing(flat: FlatField) -> None:
    codes = torch.where(flat.is_offset, torch.randint(-8, 8, (flat.n_steps,)), torch.randint(-48, -24, (flat.n_steps,)))
    expected = flat.vector.detach().clone()
    for name, part in flat.split(expected).items():
        if part.dim() == 4 and name.endswith(".weight"):
            part[1::2] = 0
        elif part.dim() == 2:
            part.zero_()
    tensors = integers(flat, expected, codes)
    steps = flat.steps(codes.numpy())
    rounded = torch.from_numpy(np.rint(expected.numpy() / steps.astype(np.float64)).astype(np.float32) * steps)
    assert torch.equal(flat.vector_of(tensors), rounded)
    zero = [tensor for tensor in tensors if not tensor.symbols.any()]
    assert zero and all(len(set(tensor.step_codes[: tensor.spec.n_first_steps])) == 1 for tensor in zero)
    busy = next(tensor for tensor in tensors if tensor.spec.name == "stem.weight")
    assert (busy.step_codes[1:8:2] == busy.step_codes[0:8:2]).all()


def test_rounding_stays_within_half_a_step_and_none_changes_nothing(flat: FlatField) -> None:
    quantiser = Quantiser(flat, -3.0)
    difference = quantiser.apply(flat.vector, Rounding.HARD) - flat.vector
    assert 0.06 < float(difference.detach().abs().max()) <= 0.0625 + 1e-6
    assert quantiser.apply(flat.vector, Rounding.NONE) is flat.vector


def test_rounding_passes_gradients_to_values_and_steps(flat: FlatField) -> None:
    quantiser = Quantiser(flat, -3.0)
    quantiser.apply(flat.vector, Rounding.HARD).sum().backward()
    assert flat.vector.grad is not None and torch.allclose(flat.vector.grad, torch.ones(()))
    assert quantiser.log2_steps.grad is not None and quantiser.log2_steps.grad.abs().max() > 0


def test_estimated_bits_track_real_ones(flat: FlatField) -> None:
    with torch.no_grad():
        for spec, part in zip(flat.specs, torch.split(flat.vector, flat.sizes), strict=True):
            part.copy_(torch.randn(spec.size))
    quantiser = Quantiser(flat, -2.0)
    bits = quantiser.bits(flat.vector)
    bits.backward()
    assert quantiser.log2_steps.grad is not None and torch.isfinite(quantiser.log2_steps.grad).all()
    assert quantiser.log2_steps.grad.sum() < 0  # coarser steps are cheaper
    assert flat.vector.grad is not None and torch.isfinite(flat.vector.grad).all()
    real = real_bits(flat, flat.vector, quantiser.codes())
    assert bits.item() == pytest.approx(real, rel=0.08)
    assert real == pytest.approx(8 * len(encode_tensors(integers(flat, flat.vector, quantiser.codes()))), abs=32)


def test_a_tensor_of_zeros_has_a_finite_rate(flat: FlatField) -> None:
    quantiser = Quantiser(flat, 4.0)
    with torch.no_grad():
        flat.vector.zero_()
    quantiser.bits(flat.vector).backward()
    assert flat.vector.grad is not None and torch.isfinite(flat.vector.grad).all()
    assert torch.isfinite(quantiser.log2_steps.grad).all()  # type: ignore[arg-type]


def _size(search: Search, room: int) -> int:
    return len(encode_tensors(search.largest(room)))


def test_search_fills_any_room(flat: FlatField) -> None:
    search = Search(flat, flat.vector, torch.where(flat.is_offset, 0.0, -5.0))
    full = len(encode_tensors(search.candidate(0, 0.0)))
    sizes = []
    for share in (0.2, 0.35, 0.5, 0.75, 1.0, 1.3):
        room = int(share * full)
        sizes.append(_size(search, room))
        assert 0.95 * room <= sizes[-1] <= room
    assert sizes == sorted(sizes)


def test_room_without_end_makes_no_symbol_clip(flat: FlatField) -> None:
    search = Search(flat, flat.vector, torch.where(flat.is_offset, 0.0, -7.0))
    tensors = search.largest(10**9)
    assert max(int(np.abs(tensor.symbols).max()) for tensor in tensors) <= MAX_SYMBOL
    torch.testing.assert_close(flat.vector_of(tensors), flat.vector.detach(), rtol=0, atol=1e-3)


def test_no_room_gives_a_small_file_that_is_not_nothing(flat: FlatField) -> None:
    search = Search(flat, flat.vector, torch.where(flat.is_offset, 0.0, -5.0))
    tensors = search.largest(0)
    assert 0 < len(encode_tensors(tensors)) < 400
    assert any(tensor.symbols.any() for tensor in tensors)


def test_coarsest_that_is_good_enough(flat: FlatField) -> None:
    search = Search(flat, flat.vector, torch.where(flat.is_offset, 0.0, -6.0))

    def closer_than(limit: float) -> Callable[[list[object]], bool]:
        return lambda tensors: (flat.vector_of(tensors) - flat.vector).square().mean().sqrt().item() < limit  # type: ignore[arg-type]

    fitted = search.candidate(0, 0.0)
    least = (flat.vector_of(fitted) - flat.vector).square().mean().sqrt().item()
    sizes = [len(encode_tensors(fitted))]
    for share in (1.005, 1.02, 1.05):
        tensors = search.smallest(closer_than(share * least))  # type: ignore[arg-type]
        error = (flat.vector_of(tensors) - flat.vector).square().mean().sqrt().item()
        assert (share - 0.015) * least < error < share * least
        sizes.append(len(encode_tensors(tensors)))
    assert sizes == sorted(sizes, reverse=True)


def test_fitted_state_where_nothing_is_good_enough(flat: FlatField) -> None:
    search = Search(flat, flat.vector, torch.where(flat.is_offset, 0.0, -6.0))
    assert digest(search.smallest(lambda tensors: False)) == digest(search.candidate(0, 0.0))


def test_dead_zone_only_moves_towards_zero(flat: FlatField) -> None:
    codes = torch.where(flat.is_offset, 0.0, -32)
    plain, leaning = (flat.vector_of(integers(flat, flat.vector, codes, zone)) for zone in (0.0, 0.3))
    assert (leaning.abs() <= plain.abs()).all() and (leaning * plain >= 0).all()
    assert ((flat.vector.detach() - leaning).abs() <= 0.8 / 16 + 1e-6).all()
