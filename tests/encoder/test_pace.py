"""Plans in time: a network that can be fitted, and what is said where there is none. No test measures a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.config.target import TargetKind
from nvcodec.encoder import encode as encode_module
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Notice, Step
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.parts.segment import SegmentPart
from nvcodec.encoder.plan import models, pace
from nvcodec.encoder.plan.pace import least_steps, smallest_size, suited, time_for, time_to_gain, useful_parameters
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.encoder.report import Measured, said_of_pictures
from nvcodec.errors import InterruptedEncodeError, UsageError
from nvcodec.metrics.measure import Measurement
from nvcodec.models import registry
from nvcodec.types import ChromaFormat, VideoFormat

JobMaker = Callable[..., Job]
_RUNG = 1.25


@dataclass(frozen=True)
class _Machine:
    """Steps take so long for a picture, and so long for each parameter."""

    step_s: float
    parameter_s: float
    seconds: float

    def attempt(self, parameters: int) -> _Tried:
        return _Tried(parameters, self.seconds / (self.step_s + parameters * self.parameter_s))


@dataclass(frozen=True)
class _Tried:
    parameters: int
    steps: float


_MACHINES = st.builds(_Machine, st.floats(1e-4, 10), st.floats(1e-10, 1e-4), st.floats(1, 1e5))
_SIZES = st.integers(1, 30_000_000)


@given(_MACHINES, _SIZES, st.integers(1, 100_000))
def test_no_network_is_larger_than_its_steps_can_fit(machine: _Machine, wanted: int, smallest: int) -> None:
    tried = suited(wanted, smallest, machine.attempt)
    assert tried.parameters <= max(wanted, 1)
    assert tried.parameters <= max(smallest, _RUNG * useful_parameters(tried.steps) + 1)
    if wanted > smallest and tried.parameters < wanted:  # nor needlessly small
        larger = machine.attempt(min(wanted, math.ceil(tried.parameters * _RUNG**2) + 2))
        assert larger.parameters > useful_parameters(larger.steps)


@given(_MACHINES, _SIZES, _SIZES, st.floats(1, 100))
def test_more_bits_or_more_time_never_make_it_smaller(machine: _Machine, one: int, other: int, more: float) -> None:
    few, many = sorted((one, other))
    smaller, larger = (suited(wanted, 1000, machine.attempt).parameters for wanted in (few, many))
    assert larger * _RUNG + 1 >= smaller
    patient = replace(machine, seconds=more * machine.seconds)
    assert suited(many, 1000, patient.attempt).parameters * _RUNG + 1 >= larger


@given(st.floats(1, 1e5), st.floats(0, 1e5), st.floats(0.01, 1))
def test_what_comes_behind_a_fit_is_over_in_time(seconds: float, behind_s: float, share: float) -> None:
    fit_s = Deadline(seconds, time.monotonic()).for_fit(behind_s, share)
    assert fit_s > 0
    assert fit_s / share + behind_s <= max(seconds, behind_s + 1.0 + 1e-6)


@given(st.floats(1, 1e5), st.floats(0, 1e5))
def test_what_ends_a_little_late_is_not_too_late(seconds: float, behind_s: float) -> None:
    late = Deadline(seconds, time.monotonic()).is_late(behind_s)
    assert late or behind_s <= 1.1 * seconds + 6
    assert not late or behind_s >= 1.1 * seconds - 1


@given(st.floats(0.5, 1e6))
def test_a_time_is_told_as_it_is_asked_for(seconds: float) -> None:
    told = time_for(seconds)
    value = int(told[:-1]) * {"s": 1, "m": 60, "h": 3600}[told[-1]]
    assert seconds <= value <= 1.3 * seconds + 3601 * (told[-1] == "h") + 60


def test_a_missed_quality_takes_longer_the_further_it_is() -> None:
    assert time_to_gain(30, 0) == 30
    assert 30 < (time_to_gain(30, 1) or 0) < (time_to_gain(30, 4) or 0)
    assert time_to_gain(30, 25) is None


@pytest.mark.parametrize("name", ["msnerv", "tenerv", "qsnerv"])
@pytest.mark.parametrize("preset", ["draft", "medium"])
def test_without_a_time_the_preset_s_steps_bound_the_network(name: str, preset: str) -> None:
    video, frames, sizes = VideoFormat(352, 288, Fraction(30)), 21, []
    for bpp in (0.05, 1.0, 24.0):
        plan = make_plan([(video, frames)], EncodeOptions(model=name, preset=preset, bpp=bpp))
        assert plan.network is not None
        specs = plan.network.tensor_specs(plan.geometry(plan.spans[0], video))  # type: ignore[arg-type, union-attr]
        sizes.append(sum(spec.size for spec in specs))
        assert sizes[-1] <= 1.1 * useful_parameters(plan.steps[0])
    assert sizes == sorted(sizes)


def _job(tiny_job: JobMaker, **options: object) -> Job:
    """A job in whose network nothing is given."""
    job = tiny_job(**{"max_time_s": 2.0, **options})
    return replace(job, options=replace(job.options, settings={}, epochs=None))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Machine:
    """What steps take here, as far as plans know; a fit has half a second."""
    pretended = _Pretended()
    monkeypatch.setattr(SegmentPart, "probe", lambda part, *_asked: pretended.step_s * part.parameters)
    monkeypatch.setattr(SegmentPart, "time_for_fit", lambda _part, _deadline: 0.5)
    monkeypatch.setattr(SegmentPart, "crowding", 1.0)
    monkeypatch.setattr(Deadline, "is_late", lambda _deadline, _behind_s: False)
    return pretended  # type: ignore[return-value]


@dataclass
class _Pretended:
    step_s: float = 1e-8
    """For each parameter."""


def _forecast(job: Job, work_dir: Path | None = None) -> tuple[Forecast, list[str]]:
    """What is said before the fit of a job, which is stopped then."""
    events: list[Event] = []
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=work_dir, overwrite=True, on_event=events.append,
               should_stop=lambda: any(isinstance(event, Forecast) for event in events))  # fmt: skip
    forecast = next(event for event in events if isinstance(event, Forecast))
    return forecast, [event.message for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("model", ["msnerv", "tenerv", "qsnerv"])
def test_bits_that_time_cannot_use_do_not_change_the_network(
    tiny_job: JobMaker, machine: _Pretended, model: str
) -> None:
    machine.step_s = 4e-8
    plans = [_forecast(_job(tiny_job, value=size, model=model)) for size in (2_000, 20_000, 200_000)]
    sizes = [forecast.parameters for forecast, _ in plans]
    assert sizes[0] <= _RUNG * sizes[1] and sizes[1] <= _RUNG * sizes[2]
    assert "will not all be used" in " ".join(plans[2][1])
    machine.step_s = 3e-7
    slow = [_forecast(_job(tiny_job, value=size, model=model))[0].parameters for size in (20_000, 200_000)]
    assert slow[0] == slow[1] < sizes[1]


def test_too_short_a_time_is_said_before_the_first_step_with_one_that_would_do(
    tiny_job: JobMaker, machine: _Pretended
) -> None:
    machine.step_s = 3e-6
    events: list[Event] = []
    encode(_job(tiny_job, value=20_000), on_event=events.append)
    said = [
        index for index, event in enumerate(events) if isinstance(event, Notice) and "is short for" in event.message
    ]
    first = next(index for index, event in enumerate(events) if isinstance(event, Step))
    assert said and said[0] < first
    assert "max_time=" in str(events[said[0]])


def test_a_time_that_shows_nothing_is_refused_with_one_that_would_do(
    tiny_job: JobMaker, machine: _Pretended, tmp_path: Path
) -> None:
    machine.step_s, told = 1e-3, list[Event]()
    with pytest.raises(UsageError, match="2 s is too short for 8 frames of 64x48") as caught:
        encode(_job(tiny_job, value=20_000), on_event=told.append)
    assert "max_time=" in caught.value.hint
    assert told == [Notice("measuring what this machine can do in the time")], "at once, and nothing else"
    assert not list(tmp_path.glob("*.nvc*"))


def test_a_preset_that_has_no_time_to_learn_gives_way(
    tiny_job: JobMaker, machine: _Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_LEAST_STEPS", 50)
    machine.step_s = 4e-7
    monkeypatch.setattr(
        SegmentPart, "probe", lambda part, *_asked: machine.step_s * part.parameters * (4 / part.network.shuffle) ** 3
    )
    _, said = _forecast(_job(tiny_job, value=200_000, preset="medium"))
    assert 'preset="medium" has no time to learn here' in " ".join(said)
    machine.step_s = 1e-12
    _, said = _forecast(_job(tiny_job, value=200_000, preset="medium"))
    assert "no time to learn" not in " ".join(said)


def test_parameters_that_were_asked_for_stay_and_are_warned_of(tiny_job: JobMaker, machine: _Pretended) -> None:
    machine.step_s = 0.5 / 320 / 90_000
    forecast, said = _forecast(_job(tiny_job, value=200_000, parameters=90_000))
    assert 80_000 < forecast.parameters < 100_000
    assert "cannot be fitted" in " ".join(said)


@pytest.mark.parametrize("segment", [None, 4])
def test_a_resumed_encode_has_the_network_that_was_chosen(
    tiny_job: JobMaker, machine: _Pretended, tmp_path: Path, segment: int | None
) -> None:
    machine.step_s = 3e-7
    job, folder = _job(tiny_job, value=200_000, segment=segment), tmp_path / "work"
    begun, _ = _forecast(job, folder)
    machine.step_s = 1e-9  # the machine has become quicker
    other, _ = _forecast(job)
    result = encode(job, work_dir=folder)
    assert begun.parameters < other.parameters
    assert result.parameters == begun.parameters * (1 if segment is None else 2)


def test_every_preset_s_plans_begin_with_the_quickest() -> None:
    for name, row in models.ROWS.items():
        assert registry.by_name(name)
        assert next(iter(row.presets)) == "draft"
        assert [shape.name for shape in pace.quickest_first(row.presets, "fast")] == ["draft", "faster", "fast"]


def test_what_is_watchable_takes_passes_and_steps() -> None:
    assert least_steps(8) < least_steps(1000) and least_steps(1000, batch=2) < least_steps(1000)
    assert smallest_size(48, 64) < smallest_size(720, 1280)


@pytest.mark.parametrize(
    ("likeness", "said"), [(0.2, "next to nothing"), (0.6, "little more than shapes"), (0.8, None)]
)
@pytest.mark.parametrize(("size", "lacking"), [(95, "more bits"), (50, "more time")])
def test_pictures_that_show_little_are_said_to(likeness: float, said: str | None, size: int, lacking: str) -> None:
    quality = Measurement([{"yuv_611": 20.0, "ms_ssim_y": likeness}])
    found = said_of_pictures(Measured(cast("Any", None), (quality,), 1.0), size, 100)
    assert (found is None) if said is None else (found is not None and said in found and lacking in found)


def test_a_fit_of_a_moment_is_said_to_show_nothing(tiny_job: JobMaker) -> None:
    told: list[Event] = []
    encode(tiny_job(value=3000, epochs=0.25), on_event=told.append)
    assert "the pictures show next to nothing" in str(told[-1])


@pytest.mark.parametrize(("long_s", "keyed"), [(0.0, True), (1e9, True), (0.0, False)])
def test_a_long_forecast_names_what_is_quicker(
    tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch, long_s: float, keyed: bool
) -> None:
    monkeypatch.setattr(encode_module, "LONG_S", long_s)
    video = VideoFormat(64, 48, Fraction(25), chroma=ChromaFormat.YUV420 if keyed else ChromaFormat.YUV444)
    _, said = _forecast(_job(tiny_job, preset="medium", max_time_s=None, video=video))
    (line,) = [line for line in said if line.startswith("Quicker: ")] or [""]
    assert ('preset="draft" takes about ' in line and 'max_time="30m"' in line) == (long_s == 0)
    assert ('model="dnerv"' in line) == (long_s == 0 and keyed)


def test_a_quality_out_of_reach_costs_no_quality(tiny_job: JobMaker) -> None:
    """At the same steps of the same network it is as if bits had no price."""
    given = {"epochs": 12.0, "parameters": 5000}
    free, reached = (
        encode(tiny_job(kind, value, output=f"{value}.nvc", **given)).psnr["yuv_611"]
        for kind, value in ((TargetKind.SIZE, 100_000), (TargetKind.PSNR, 60))
    )
    assert reached > free - 0.3
