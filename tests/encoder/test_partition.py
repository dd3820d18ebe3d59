"""Where groups of pictures begin, decided from numbers alone."""

from __future__ import annotations

from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.config.fit import GopConfig, Partition
from nvcodec.encoder.plan.partition import divergence, exact, greedy, group_count, partition, uniform

EXACT, GREEDY = GopConfig(Partition.EXACT, 4), GopConfig(Partition.GREEDY, 4)


def _lengths(starts: tuple[int, ...], frames: int) -> list[int]:
    return [end - start for start, end in zip(starts, (*starts[1:], frames), strict=True)]


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    """Divergences with many ties, a number of groups and a shortest length that can be had."""
    count, shortest = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    frames = draw(st.integers(max(count * shortest, 2), 17))
    values = draw(st.lists(st.integers(0, 4), min_size=frames, max_size=frames))
    return np.array(values) / 4, count, shortest


@given(problems())
def test_exact_finds_the_largest_sum_and_the_earliest_boundaries(problem: tuple[np.ndarray, int, int]) -> None:
    values, count, shortest = problem
    allowed = [
        starts
        for chosen in combinations(range(1, len(values)), count - 1)
        if min(_lengths(starts := (0, *chosen), len(values))) >= shortest
    ]
    largest = max(values[list(starts[1:])].sum() for starts in allowed)
    best = [starts for starts in allowed if values[list(starts[1:])].sum() == largest]
    assert exact(values, count, shortest) == min(best, key=lambda starts: starts[::-1])


@given(problems())
def test_greedy_keeps_to_the_shortest_length_or_gives_up(problem: tuple[np.ndarray, int, int]) -> None:
    values, count, shortest = problem
    starts = greedy(values, count, shortest)
    if starts is not None:
        assert starts[0] == 0 and len(starts) == count and min(_lengths(starts, len(values))) >= shortest
    if shortest == 1:  # nothing to mend: the largest divergences
        assert starts is not None
        assert sorted(values[list(starts[1:])]) == sorted(np.sort(values[1:])[len(values) - count :])


def _algorithm_1(divergences: list[float], groups: int, shortest: int) -> list[int] | None:
    """The lines of TeNeRV's Algorithm 1; None where line 11 has no candidate left to take."""
    frames = len(divergences)
    candidates = sorted(range(1, frames), key=lambda frame: -divergences[frame])  # 1
    boundaries = set(candidates[: groups - 1])  # 2
    pointer = groups - 1  # 3, counted from 0
    while True:  # 4
        edges = sorted(boundaries | {0, frames})  # 5
        pairs = [(u, v) for u, v in zip(edges[:-1], edges[1:], strict=True) if v - u < shortest]  # 6
        if not pairs:  # 7
            return sorted(boundaries)  # 8
        inside = [frame for frame in pairs[0] if frame in boundaries]
        if not inside or pointer == len(candidates):
            return None
        weakest = min(inside, key=lambda frame: divergences[frame])  # 10
        boundaries = (boundaries - {weakest}) | {candidates[pointer]}  # 11
        pointer += 1  # 12


@given(problems(), st.randoms(use_true_random=False))
def test_greedy_is_algorithm_1(problem: tuple[np.ndarray, int, int], random: Random) -> None:
    values, count, shortest = problem
    values = np.array(random.sample(range(1, 1000), len(values))) / 1000  # the paper says nothing of equal ones
    expected = _algorithm_1(values.tolist(), count, shortest)
    found = greedy(values, count, shortest)
    assert found == (None if expected is None else (0, *expected))


def test_greedy_replaces_the_weaker_of_two_that_are_too_close() -> None:
    values = np.zeros(20)
    values[[6, 7, 13]] = 0.9, 0.8, 0.3
    assert greedy(values, 3, 4) == (0, 6, 13)
    values[[6, 7]] = 0.8, 0.8  # of equals, the earlier frame stays
    assert greedy(values, 3, 4) == (0, 6, 13)


def test_greedy_mends_what_begins_or_ends_too_soon() -> None:
    values = np.linspace(0.2, 0.1, 20)
    values[[2, 18]] = 0.9, 0.8
    starts = greedy(values, 3, 5)
    assert starts is not None and min(_lengths(starts, 20)) >= 5


def test_greedy_gives_up_when_candidates_run_out_and_the_exact_partition_takes_over() -> None:
    values = np.array([0, 0.1, 0.2, 0.9, 0.3, 0.8, 0.2, 0.1])
    assert greedy(values, 4, 2) is None  # frames 2, 4 and 6 are the only way
    config = GopConfig(Partition.GREEDY, 4, min_length=2)
    assert partition(values, 4, config) == exact(values, 4, 2) == (0, 2, 4, 6)


def test_divergence_is_the_cosine_distance() -> None:
    features = np.array([[1, 0], [2, 0], [0, 3], [0, -1], [1, -1]], np.float32)
    np.testing.assert_allclose(divergence(features)[1:], [0, 1, 2, 1 - 0.5**0.5], atol=1e-7)


def test_divergence_of_frames_without_features_is_a_number() -> None:
    values = divergence(np.zeros((5, 3), np.float32))
    assert np.isfinite(values).all() and set(values[1:]) == {1.0}


def test_rounding_of_other_machines_changes_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    features[20:30] = features[19]  # equal divergences, which noise would put in some order
    noisy = features * (1 + np.random.default_rng(1).normal(size=features.shape) * 1e-8)
    assert partition(divergence(features), 5, EXACT) == partition(divergence(noisy), 5, EXACT)


@pytest.mark.parametrize("level", [0.0, 1e-7, 0.5])
@pytest.mark.parametrize("config", [EXACT, GREEDY])
def test_a_clip_that_changes_evenly_is_cut_evenly(level: float, config: GopConfig) -> None:
    values = np.full(60, level)
    values[0] = 0
    assert partition(values, 4, config) == (0, 15, 30, 45)


def test_uniform_groups_are_equal_within_a_frame() -> None:
    for frames in range(1, 40):
        for count in range(1, frames + 1):
            assert max(_lengths(uniform(frames, count), frames)) - min(_lengths(uniform(frames, count), frames)) <= 1


def test_groups_of_a_fixed_length() -> None:
    config = GopConfig(Partition.FIXED, length=8)
    assert group_count(20, config) == 3
    assert partition(np.zeros(20), 3, config) == (0, 8, 16)


@pytest.mark.parametrize(
    ("frames", "count", "min_length", "expected"),
    [
        (600, 5, 0, 5),
        (39, 5, 0, 4),  # 8 frames at least
        (7, 5, 0, 1),
        (1, 5, 0, 1),
        (60, 5, 20, 3),  # as many as have the length asked for
        (60, 5, 61, 1),
        (6, 5, 1, 5),
    ],
)
def test_short_clips_have_fewer_groups(frames: int, count: int, min_length: int, expected: int) -> None:
    config = GopConfig(Partition.EXACT, count, min_length)
    assert group_count(frames, config) == expected
    values = np.random.default_rng(0).random(frames)
    for kind in (Partition.EXACT, Partition.GREEDY, Partition.UNIFORM):
        starts = partition(values, expected, GopConfig(kind, count, min_length))
        assert len(starts) == expected and starts[0] == 0
        if expected > 1 and kind is not Partition.UNIFORM:
            assert min(_lengths(starts, frames)) >= (min_length or 8)
