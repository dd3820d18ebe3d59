"""The context model of grids: when it is chosen, what it saves, exact costs, and the order of the elements.

That it decodes, against a decoder in plain Python, is in test_payload_reference.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from nvcodec.entropy.coder import BitCounter, RangeReader, RangeWriter
from nvcodec.entropy.lattice import lattice, steps, sums_everywhere, sums_of_step
from nvcodec.entropy.models import cost_bits, read_symbols, write_symbols
from nvcodec.entropy.params import CodingParams, ModelId
from nvcodec.entropy.search import choose
from nvcodec.errors import BitstreamError

Symbols = npt.NDArray[np.int32]


def _grid(shape: tuple[int, int, int, int], scale: float, memory: float, mean: float = 0.0) -> Symbols:
    """A grid whose slices resemble the ones before, more in some places than in others."""
    rng = np.random.default_rng(shape[0])
    noise = rng.normal(0, 1, shape) * np.exp(rng.normal(0, 0.7, (1, *shape[1:3], 1)))
    for before, after in zip(noise[:-1], noise[1:], strict=True):
        after *= np.sqrt(1 - memory**2)
        after += memory * before
    symbols: Symbols = np.rint(mean + scale * noise).astype(np.int32)
    return symbols


def _gaussian_or_counted(symbols: Symbols) -> float:
    """Bits without contexts."""
    return choose(symbols.ravel()).bits


@pytest.mark.parametrize(
    ("shape", "scale", "memory", "mean", "saved"),
    [
        ((24, 12, 20, 4), 0.3, 0.6, 0.0, 0.05),
        ((12, 12, 20, 8), 2.0, 0.8, 5.0, 0.15),
        ((2, 18, 22, 12), 20.0, 0.95, 0.0, 0.08),
        ((40, 2, 2, 8), 3.0, 0.9, -2.3, 0.2),
    ],
)
def test_grids_that_change_slowly_cost_less(
    shape: tuple[int, int, int, int], scale: float, memory: float, mean: float, saved: float
) -> None:
    symbols = _grid(shape, scale, memory, mean)
    choice = choose(symbols)
    assert choice.model_id is ModelId.CONTEXT
    assert choice.bits < (1 - saved) * _gaussian_or_counted(symbols)
    writer = RangeWriter()
    write_symbols(writer, symbols, choice)
    data = writer.finish()
    assert abs(8 * len(data) - choice.bits) <= 64
    reader = RangeReader(data)
    found = read_symbols(reader, shape, choice)
    reader.finish()
    assert found.dtype == np.int32 and found.flags.c_contiguous
    assert np.array_equal(found, symbols)


@pytest.mark.parametrize("shape", [(24, 40, 3, 3), (60, 12, 3, 3), (7, 16, 9, 2), (1, 1, 1, 1), (300, 1, 1, 1)])
def test_where_nothing_is_alike_nothing_is_lost(shape: tuple[int, ...]) -> None:
    symbols = np.rint(np.random.default_rng(1).normal(0, 9, shape)).astype(np.int32)
    choice = choose(symbols)
    assert choice.model_id is not ModelId.CONTEXT
    assert choice == choose(symbols.ravel())


@pytest.mark.parametrize("values", [(0, 9000), (-32767, 32767)])
def test_too_large_tables_are_not_tried(values: tuple[int, int]) -> None:
    symbols = np.repeat(np.random.default_rng(2).choice(values, (1, 9, 9, 4)), 6, axis=0).astype(np.int32)
    assert choose(symbols).model_id is not ModelId.CONTEXT


def test_a_single_slice_is_enough() -> None:
    """Alike along its columns only."""
    symbols = np.ascontiguousarray(_grid((40, 1, 30, 2), 3.0, 0.9).swapaxes(0, 1))
    choice = choose(symbols)
    assert choice.model_id is ModelId.CONTEXT
    assert choice.bits < 0.97 * _gaussian_or_counted(symbols)


@pytest.mark.parametrize(("shape", "scale"), [((9, 40, 60, 16), 0.05), ((16, 20, 20, 3), 60.0), ((3, 5, 4, 2), 1.0)])
def test_costs_are_exact(shape: tuple[int, int, int, int], scale: float) -> None:
    """Also with counts that are halved (many symbols of one class), and with tables too large for one sweep."""
    symbols = _grid(shape, scale, 0.9)
    params = CodingParams(ModelId.CONTEXT, -2048, 2047, 0, 5, 3, 1)
    counter = BitCounter()
    write_symbols(counter, symbols, params)
    assert cost_bits(symbols, params) == pytest.approx(counter.bits, rel=1e-9)


def test_symbols_beyond_the_range_are_damage() -> None:
    params = CodingParams(ModelId.CONTEXT, 0, 1, 32767, 20)
    writer = RangeWriter()
    write_symbols(writer, np.array([32767, 32768], dtype=np.int32).reshape(1, 1, 2, 1), params)
    with pytest.raises(BitstreamError, match="out of -32767..32767"):
        read_symbols(RangeReader(writer.finish()), (1, 1, 2, 1), params)


def test_random_data_is_refused_or_read_but_never_harms(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        shape = tuple(rng.integers(1, 9, 4).tolist())
        mean, scale, temporal, spatial = (int(rng.integers(size)) for size in (32768, 64, 5, 5))
        params = CodingParams(ModelId.CONTEXT, -int(rng.integers(2000)), 2000, mean, scale, temporal, spatial)
        reader = RangeReader(rng.bytes(4 * int(rng.integers(200))))
        try:
            symbols = read_symbols(reader, shape, params)
            assert symbols.shape == shape and np.abs(symbols).max() <= 32767
        except BitstreamError as error:
            assert error.message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (9, 5, 8), (17, 1, 2), (6, 4, 1), (64, 3, 3)])
def test_every_element_is_coded_once_and_after_its_neighbours(shape: tuple[int, int, int]) -> None:
    order = np.full((1, *shape), -1, dtype=np.int32)
    known = lattice(*shape)
    for number, step in enumerate(steps(*shape)):
        assert order[step.part].size > 0
        assert (order[step.part] == -1).all()
        in_time, in_slice = sums_of_step((order >= 0).astype(np.int32), step)
        assert np.array_equal(in_time, np.broadcast_to(known.in_time[step.times], in_time.shape[1:])[None])
        assert np.array_equal(in_slice, np.broadcast_to(known.in_slice[step.places], in_slice.shape[1:])[None])
        order[step.part] = number
    assert (order >= 0).all()
    values = np.random.default_rng(4).integers(-9, 9, (2, *shape), dtype=np.int32)
    everywhere = sums_everywhere(values)
    for step in steps(*shape):
        for whole, part in zip(everywhere, sums_of_step(values, step), strict=True):
            assert np.array_equal(whole[step.part], part)


def test_few_steps_whatever_the_shape() -> None:
    assert len(steps(1, 1, 1)) == 1
    assert len(steps(24, 12, 20)) == 42
    assert len(steps(1 << 20, 4, 4)) == 147


def test_better_parameters_than_those_chosen_are_hard_to_find() -> None:
    symbols = _grid((9, 10, 12, 3), 2.0, 0.8)
    choice = choose(symbols)
    best = min(
        cost_bits(symbols, replace(choice, temporal=temporal, spatial=spatial, scale_index=scale_index))
        for temporal in range(5)
        for spatial in range(3)
        for scale_index in range(choice.scale_index - 4, choice.scale_index + 5, 2)
    )
    assert choice.bits <= 1.01 * best
