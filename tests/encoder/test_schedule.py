"""Budgets, learning rates, ramps and the weight of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from nvcodec.config.fit import FitConfig, Rounding, Stage
from nvcodec.config.keywords import RecipeName
from nvcodec.config.options import EncodeOptions
from nvcodec.config.recipe import RECIPES, recipe
from nvcodec.encoder.fit.rate import ConstantWeight, QualityWeight, RateWeight, Reading, TargetWeight
from nvcodec.encoder.fit.schedule import Budget, geometric, learning_rate, rate_ramp, stage_at
from nvcodec.encoder.plan.models import settings_for


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_of_steps() -> None:
    clock = _Clock()
    budget = Budget(40, clock=clock)
    assert budget.progress == 0 and budget.remaining_s == math.inf
    budget.done_steps, clock.now = 10, 105
    assert budget.progress == 0.25 and budget.remaining_s == pytest.approx(15)
    budget.done_steps = 50
    assert budget.progress == 1 and budget.remaining_s == 0


def test_a_budget_of_seconds_counts_earlier_runs() -> None:
    clock = _Clock()
    budget = Budget(10, 60, done_seconds=15, clock=clock)
    clock.now = 115
    assert budget.elapsed == 30 and budget.progress == 0.5
    clock.now = 1000
    assert budget.progress == 1


def test_learning_rate_rises_then_falls() -> None:
    config = FitConfig(learning_rate=1.0, warmup=0.1, final_learning_rate=0.05)
    rates = [learning_rate(step / 200, config) for step in range(201)]
    top = rates.index(max(rates))
    assert rates[0] < 0.02 and 0.9 < max(rates) <= 1 and 0.09 <= top / 200 <= 0.11
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)
    assert learning_rate(0, FitConfig(learning_rate=1.0, warmup=0)) == pytest.approx(1)


def test_rate_ramp() -> None:
    config = FitConfig(rate_from=0.2, rate_reached=0.6)
    assert [rate_ramp(p, config) for p in (0, 0.2, 0.4, 0.6, 1)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert rate_ramp(0, FitConfig(rate_from=0.5, rate_reached=0.5)) == 1


def test_stages_in_order() -> None:
    stages = (Stage("a", 0.3, Rounding.NONE), Stage("b", 0.6, Rounding.HARD), Stage("c", 1, Rounding.HARD))
    assert [stage_at(p, stages).name for p in (0, 0.29, 0.3, 0.6, 1)] == ["a", "a", "b", "c", "c"]


def _reading(bits: float = 1e6, psnr_db: float = 30.0, ramp: float = 1.0, learning: float = 0.0) -> Reading:
    return Reading(bits, psnr_db, ramp, learning, elapsed=1 / 1000)


def test_constant_weight_ends_at_its_value() -> None:
    weight = ConstantWeight(1e-3)
    weight.update(_reading(ramp=0.0))
    early = weight.value
    weight.update(_reading(ramp=0.5))
    assert early < weight.value < 1e-3
    weight.update(_reading(ramp=1.0))
    assert weight.value == pytest.approx(1e-3)


@pytest.mark.parametrize("target", [2e3, 1e4, 2e5])
def test_feedback_finds_the_multiplier_of_a_size(target: float) -> None:
    weight, bits = TargetWeight(target), 1e6
    for step in range(1000):
        # a network whose rate follows the multiplier by a power law, with some delay
        wanted = 1e3 * weight.value**-0.5
        bits = geometric(bits, min(max(wanted, 1e2), 1e6), 0.03)
        weight.update(_reading(bits, ramp=min(step / 400, 1)))
    assert bits == pytest.approx(target, rel=0.01)


@pytest.mark.parametrize(("target", "surplus"), [(24.0, 2.0), (33.0, 0.0), (45.0, -2.0)])
def test_feedback_finds_the_multiplier_of_a_quality(target: float, surplus: float) -> None:
    weight, psnr_db = QualityWeight(target), 10.0
    for step in range(1000):
        learning = 0.5 + 0.5 * math.cos(math.pi * step / 1000)
        # a network that loses a decibel when the multiplier rises by a factor of e, and gains as it learns slower
        relative = max(weight.value, 1e-12) / (5 * 10 ** (-target / 10))
        wanted = target + surplus - math.log(relative) - 2 * learning
        psnr_db += 0.05 * (wanted - psnr_db)
        weight.update(_reading(psnr_db=psnr_db, ramp=min(step / 400, 1), learning=learning))
    assert psnr_db == pytest.approx(target, abs=0.1)


@pytest.mark.parametrize("make", [lambda: TargetWeight(1e4), lambda: QualityWeight(35.0)])
def test_feedback_survives_nonsense_and_can_be_saved(make: Callable[[], RateWeight]) -> None:
    weight = make()
    for extreme in (_reading(0.0, -10.0), _reading(1e12, 100.0), _reading(0.0, -10.0)):
        for _ in range(5000):
            weight.update(extreme)
        assert 0 < weight.value < 100
    other = make()
    other.load(weight.state())
    for each in (weight, other):
        each.update(_reading(3e4, 31.0, 0.7, 0.2))
    assert other.value == weight.value
    fresh = make()
    fresh.load(make().state())
    fresh.update(_reading())
    weight = make()
    weight.update(_reading())
    assert fresh.value == weight.value


@pytest.mark.parametrize("name", RECIPES)
def test_learning_rates_of_recipes_epoch_by_epoch(name: RecipeName) -> None:
    """As papers and the code that came with them have it, written out for each epoch."""
    config, epochs = settings_for(EncodeOptions(recipe=name)).fit, round(recipe(name).epochs)
    for epoch in range(0, epochs + 1, 3):
        if name in ("msnerv", "hinerv", "tenerv"):  # 30 epochs up from a hundredth, down in 300; then 30 at a tenth
            if epoch < 300:
                falling = 0.01 + 0.99 * (1 + math.cos(math.pi * epoch / 300)) / 2
                expected = 2e-3 * (0.01 + 0.99 * min(epoch / 30, 1)) * falling
            else:
                expected = 2e-4 * (0.01 + 0.99 * (1 + math.cos(math.pi * (epoch - 300) / 30)) / 2)
        elif name in ("hnerv", "qsnerv"):  # a tenth of them up from a tenth, then down to nothing
            peak = {"hnerv": 1e-3, "qsnerv": 5e-4}[name]
            rising = 0.1 + 0.9 * epoch / 30
            expected = peak * (rising if epoch < 30 else (1 + math.cos(math.pi * (epoch - 30) / 270)) / 2)
        else:  # 80 of 400 up from a tenth
            rising = 0.1 + 0.9 * epoch / 80
            expected = 5e-4 * (rising if epoch < 80 else (1 + math.cos(math.pi * (epoch - 80) / 320)) / 2)
        assert learning_rate(epoch / epochs, config) == pytest.approx(expected, abs=0.015 * config.learning_rate)
    if name in ("hnerv", "qsnerv", "dnerv"):
        assert max(learning_rate(step / 3000, config) for step in range(3001)) > 0.999 * config.learning_rate
