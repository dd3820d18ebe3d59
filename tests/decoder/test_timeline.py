"""Numbers of frames to seconds and back: whatever the rate, a frame is found at the time that it says."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.decoder.timeline import Timeline
from nvcodec.errors import UsageError
from nvcodec.types import Timestamps

RATES = st.one_of(
    st.sampled_from([Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(120)]),
    st.fractions(Fraction(1, 100), 1000, max_denominator=100_000),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(RATES, st.integers(1, 10**7), st.data())
def test_a_frame_is_found_when_it_appears_and_not_before(fps: Fraction, frames: int, data: st.DataObject) -> None:
    timeline = Timeline(frames, fps)
    index = data.draw(st.integers(0, frames - 1))
    start = timeline.start(index)
    assert start is not None and timeline.index_at(start) == index
    assert timeline.index_at(Fraction(index) / fps) == index
    if index:
        assert timeline.index_at(math.nextafter(start, 0)) == index - 1
    assert timeline.length(index) is not None
    assert timeline.index_at(start + 0.9 * timeline.length(index)) == index


@settings(derandomize=True, deadline=None, max_examples=200)
@given(RATES, st.lists(st.integers(1, 5000), min_size=1, max_size=50), st.data())
def test_frames_of_uneven_length_are_found_too(per_second: Fraction, ticks: list[int], data: st.DataObject) -> None:
    timestamps = Timestamps(1 / per_second, tuple(ticks))
    frames = data.draw(st.integers(1, len(ticks)))
    index = data.draw(st.integers(0, frames - 1))
    timeline = Timeline(frames, None, timestamps)
    start, length = timeline.start(index), timeline.length(index)
    assert start == float(sum(ticks[:index]) / per_second) and length == float(ticks[index] / per_second)
    assert timeline.index_at(start) == timeline.index_at(start + 0.9 * length) == index
    if index:
        assert timeline.index_at(math.nextafter(start, 0)) == index - 1
    assert timeline.seconds == float(sum(ticks[:frames]) / per_second)
    with pytest.raises(ValueError, match="is not in"):
        timeline.index_at(timeline.seconds)


def test_the_end_is_not_in_the_video() -> None:
    timeline = Timeline(3, Fraction(25))
    assert timeline.seconds == 0.12 and timeline.length(1) == 0.04
    assert timeline.index_at(0) == timeline.index_at(np.float32(0)) == 0
    assert timeline.index_at(math.nextafter(0.12, 0)) == 2
    for wrong in (0.12, -1e-9, 7, float("nan"), float("inf"), -float("inf"), 10**400, Fraction(10) ** 400):
        with pytest.raises(ValueError, match=rf"{wrong} s is not in 0 <= seconds < 0\.12"):
            timeline.index_at(wrong)


def test_without_a_rate_there_are_no_times() -> None:
    timeline = Timeline(3, None)
    assert timeline.seconds is timeline.length(1) is timeline.start(2) is None
    with pytest.raises(UsageError, match="no frame rate") as caught:
        timeline.index_at(0)
    assert "get_frame_at" in caught.value.hint


def test_numbers_are_those_of_a_list() -> None:
    timeline, items = Timeline(5, None), list(range(5))
    assert [timeline.index(index) for index in range(-5, 5)] == [items[index] for index in range(-5, 5)]
    assert timeline.index(np.int64(-1)) == timeline.index(np.uint8(4)) == timeline.index(torch.tensor(4)) == 4
    for wrong in (5, -6, 10**30):
        with pytest.raises(IndexError, match=rf"frame {wrong} is not in 0\.\.4"):
            timeline.index(wrong)
    for nonsense in (1.0, "1", None, [1]):
        with pytest.raises(TypeError, match="integer"):
            timeline.index(nonsense)  # type: ignore[arg-type]
