"""Bjontegaard deltas: what must hold for any curves, a published value, and a second opinion."""

from __future__ import annotations

import sys
import warnings

import bjontegaard
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nvcodec.errors import InputError, UsageError
from nvcodec.metrics.bdrate import Delta, bd_psnr, bd_rate

RATES = [686.76, 309.58, 157.11, 85.95]
QUALITIES = [40.28, 37.18, 34.24, 31.42]


@st.composite
def curves(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Rates over up to three decades and qualities of 20 to 50 dB, both rising."""
    count = draw(st.integers(2, 7))
    rise = st.floats(0.01, 1.0)
    decades = np.cumsum(draw(st.lists(rise, min_size=count, max_size=count)))
    gains = np.cumsum(draw(st.lists(st.floats(0.05, 5.0), min_size=count, max_size=count)))
    return list(10 ** (decades - draw(st.floats(1, 3)))), list(draw(st.floats(20, 30)) + gains)


@given(curves())
@settings(derandomize=True, deadline=None)
def test_a_curve_against_itself_is_zero(curve):
    rate, quality = bd_rate(*curve, *curve), bd_psnr(*curve, *curve)
    assert rate.value == quality.value == 0 and rate.overlap == quality.overlap == 1
    assert rate.points == len(curve[0])


@given(curves(), st.floats(0.2, 5.0))
@settings(derandomize=True, deadline=None)
def test_a_constant_factor_of_bytes_is_found_exactly(curve, factor):
    rates, qualities = curve
    delta = bd_rate(rates, qualities, [factor * rate for rate in rates], qualities)
    assert delta.value == pytest.approx(100 * (factor - 1), abs=1e-9 * max(1, 100 * factor))
    assert delta.overlap == 1


def test_ninety_percent_of_the_bytes_is_minus_ten_percent():
    fewer = [0.9 * rate for rate in RATES]
    assert abs(bd_rate(RATES, QUALITIES, fewer, QUALITIES).value + 10) < 1e-9


@given(curves(), st.floats(-3.0, 3.0))
@settings(derandomize=True, deadline=None)
def test_a_constant_gain_is_found_exactly(curve, gain):
    rates, qualities = curve
    delta = bd_psnr(rates, qualities, rates, [quality + gain for quality in qualities])
    assert delta.value == pytest.approx(gain, abs=1e-9)


@given(curves(), curves(), st.randoms())
@settings(derandomize=True, deadline=None)
def test_the_order_of_points_does_not_matter_and_swapping_sides_undoes(anchor, curve, random):
    try:
        there = bd_rate(*anchor, *curve)
    except InputError:
        assume(False)
    shuffled = list(zip(*curve, strict=True))
    random.shuffle(shuffled)
    assert bd_rate(*anchor, *zip(*shuffled, strict=True)) == there
    back = bd_rate(*curve, *anchor)
    assert (1 + there.value / 100) * (1 + back.value / 100) == pytest.approx(1)
    assert back.overlap == there.overlap


@given(curves(), curves())
@settings(derandomize=True, deadline=None)
@pytest.mark.parametrize("name", ["bd_rate", "bd_psnr"])
def test_agrees_with_the_package_where_that_has_an_answer(name, anchor, curve):
    ours, theirs = {"bd_rate": bd_rate, "bd_psnr": bd_psnr}[name], getattr(bjontegaard, name)
    sides = [np.array(side) for side in (*anchor, *curve)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(*sides, method="pchip", require_matching_points=False)
    try:
        found = ours(*anchor, *curve).value
    except InputError:
        assert np.isnan(expected)
    else:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_published_value():
    """The example of VCEG-M33's follow-ups, as PCHIP has it."""
    anchor = ([9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851])
    curve = ([9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987])
    assert bd_rate(*anchor, *curve).value == pytest.approx(-4.4175, abs=5e-5)


def test_overlap_is_the_common_part_of_both_ranges():
    delta = bd_rate([1, 2, 4], [30, 32, 34], [1, 2, 4], [33, 35, 38])
    assert delta.overlap == pytest.approx((34 - 33) / (38 - 30)) and delta.points == 3
    assert isinstance(delta, Delta)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        (([1], [30], [1, 2], [30, 32]), ["the anchor has 1 of the 2 points"]),
        (([1, 2], [30, 32], [], []), ["the curve has 0 of the 2 points"]),
        (([1, 2, 4], [30, 32, 31.5], [1, 2], [30, 32]), ["the anchor does not rise", "32 at rate 2", "31.5 at rate 4"]),
        (([1, 2], [30, 32], [3, 1, 3], [33, 30, 34]), ["the curve does not rise", "33 at rate 3", "34 at rate 3"]),
        (([1, 2], [30, 32], [1, 2], [30, 30]), ["the curve does not rise", "30 at rate 1"]),
        (([1, 2], [30, 32], [1, 2], [32, 34]), ["no range of quality", "30 to 32", "32 to 34"]),
        (([0, 2], [30, 32], [1, 2], [30, 32]), ["a point that is none: 30 at rate 0"]),
        (([1, 2], [30, float("nan")], [1, 2], [30, 32]), ["a point that is none: nan"]),
        (([1, float("inf")], [30, 31], [1, 2], [30, 32]), ["a point that is none: 31 at rate inf"]),
    ],
)
def test_refuses_what_has_no_answer(sides, words):
    with pytest.raises(InputError) as error:
        bd_rate(*sides)
    assert all(word in error.value.message for word in words)


def test_quality_needs_a_common_range_of_rates():
    with pytest.raises(InputError, match="no range of rate: the anchor has 1 to 2, the curve 4 to 8"):
        bd_psnr([1, 2], [30, 32], [4, 8], [30, 32])
    assert bd_rate([1, 2], [30, 32], [4, 8], [30, 32]).value == pytest.approx(300)


def test_without_scipy_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.interpolate", None)
    with pytest.raises(UsageError, match="scipy") as error:
        bd_rate(RATES, QUALITIES, RATES, QUALITIES)
    assert "[bench]" in error.value.hint
