"""The loop: what it keeps, and what it goes back to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nvcodec.config.fit import FitConfig, LossConfig, Rounding, Stage
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, Notice, Step
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.rate import ConstantWeight
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat, Planes, VideoFormat

MakeFit = Callable[..., Fit]
CONFIG = MSNeRVConfig((2, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2),), shuffle=4, local_levels=1)


@pytest.fixture
def make_fit(moving: Callable[[VideoFormat, int], list[Planes]]) -> MakeFit:
    def make(steps: int, **config: object) -> Fit:
        torch.manual_seed(0)
        video = VideoFormat(64, 48)
        field = MSNeRV(CONFIG, FieldGeometry(8, 48, 64, ChromaFormat.YUV420))
        painter = Painter(FlatField(field), [], lambda event: None)
        settings = replace(FitConfig(), **config)  # type: ignore[arg-type]
        clip = Clip.load(moving(video, 8), video, 8)
        return Fit(painter, clip, settings, LossConfig(), ConstantWeight(1e-4), Budget(steps))

    return make


def test_a_collapse_is_rolled_back(make_fit: MakeFit) -> None:
    fit, events, corrupted = make_fit(140), [], []

    def corrupt() -> bool:
        if fit.budget.done_steps == 110 and not corrupted:
            corrupted.append(fit.guard.safe)
            with torch.no_grad():
                fit.flat.vector.mul_(50)
        return False

    fit.run(events.append, corrupt)
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert len(notices) == 1 and "collapsed" in notices[0]
    assert fit.learning_rate_factor == 0.5
    assert fit.best is not None and fit.guard.safe is not None
    assert fit.best.error < 1.5 * fit.guard.safe.error


def test_numbers_that_are_none_are_rolled_back(make_fit: MakeFit) -> None:
    fit, events = make_fit(130), []

    def corrupt() -> bool:
        if fit.budget.done_steps == 105 and fit.learning_rate_factor == 1:
            with torch.no_grad():
                fit.flat.vector[::7] = torch.nan
        return False

    fit.run(events.append, corrupt)
    assert any(isinstance(event, Notice) for event in events)
    assert torch.isfinite(fit.flat.vector).all() and torch.isfinite(fit.quantiser.log2_steps).all()
    assert fit.best is not None and torch.isfinite(fit.best.vector).all()


def test_the_best_state_is_kept_not_the_last(make_fit: MakeFit) -> None:
    fit = make_fit(60)
    kept: list[float] = []

    def spoil_the_end() -> bool:
        if fit.budget.done_steps == 57 and fit.best is not None:
            kept.append(fit.best.error)
            with torch.no_grad():
                fit.flat.vector.add_(0.5 * torch.randn_like(fit.flat.vector))
        return False

    fit.run(lambda event: None, spoil_the_end)
    assert fit.best is not None and kept and fit.best.error == kept[0]
    last = fit.painter.errors(fit.quantiser.apply(fit.flat.vector, Rounding.HARD), fit.clip, range(8))
    assert last.mean().item() > fit.best.error


def test_stages_and_steps_are_reported(make_fit: MakeFit) -> None:
    stages = (Stage("first", 0.5, Rounding.HARD), Stage("second", 1.0, Rounding.HARD))
    fit, events = make_fit(20, stages=stages, batch=2), list[Event]()
    fit.run(events.append)
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[0].stage == "first" and steps[-1].stage == "second"
    assert steps[-1].progress == 1 and steps[-1].epoch == 5 and steps[-1].eta_s == 0
    assert steps[-1].estimated_bpp is not None and steps[-1].best_psnr_db > 5
    assert fit.budget.done_steps == 20


def test_every_frame_is_seen_once_an_epoch(make_fit: MakeFit) -> None:
    fit = make_fit(1, batch=2)
    for _ in range(3):
        seen = torch.cat([fit.order.take()[0] for _ in range(4)])
        assert sorted(seen.tolist()) == list(range(8))


def test_probing_moves_nothing(make_fit: MakeFit) -> None:
    fit = make_fit(10)
    before, random = fit.flat.vector.detach().clone(), torch.get_rng_state()
    assert fit.probe(2) > 0
    assert torch.equal(fit.flat.vector, before) and torch.equal(torch.get_rng_state(), random)
    assert fit.budget.done_steps == 0 and not any(value.any() for value in fit.optimiser.state().values())


def test_the_running_psnr_is_that_of_the_decoded_clip(make_fit: MakeFit) -> None:
    fit = make_fit(400)
    fit.run(lambda event: None)
    decoded = fit.painter.psnr_db(fit.quantiser.apply(fit.flat.vector, Rounding.HARD), fit.clip)
    assert fit.psnr_db - fit.decoding_loss_db == pytest.approx(decoded, abs=0.1)


def test_fixed_bits_are_the_usual_quantiser(make_fit: MakeFit) -> None:
    fit = make_fit(30, fixed_bits=6)
    fit.run(lambda event: None)
    assert fit.best is not None and fit.estimated_bits is None
    codes = fit.quantiser.codes().numpy()
    symbols = fit.best.vector.detach().numpy() / fit.flat.steps(codes)
    rows = np.zeros(fit.flat.n_steps)
    np.maximum.at(rows, fit.flat.step_of.numpy(), abs(symbols))
    assert 28 < np.median(rows[~fit.flat.is_offset.numpy()]) < 36 and not codes[fit.flat.is_offset.numpy()].any()


@pytest.mark.parametrize("begins", [0.5, 0.9, 1.0])
def test_bits_are_fixed_when_they_are_to_be(make_fit: MakeFit, begins: float) -> None:
    """Until then values move freely; the state that is kept is one of those behind."""
    fit = make_fit(20, fixed_bits=6, fixed_from=begins)
    seen: list[bool] = []
    take = fit.stepper.take

    def taken(kind: Any, *rest: object) -> None:
        seen.append(kind.rounding is Rounding.HARD)
        take(kind, *rest)

    fit.stepper.take = taken  # type: ignore[assignment]
    fit.run(lambda event: None)
    assert seen == [step >= 20 * begins for step in range(20)]
    assert fit.best is not None and torch.equal(fit.best.log2_steps, fit.quantiser.log2_steps)
    assert not fit.quantiser.log2_steps.requires_grad
