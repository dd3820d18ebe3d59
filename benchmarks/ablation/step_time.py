"""How long a step of a fit takes, measured for several configurations in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.ablation.runs import Place, Run
from benchmarks.ablation.study import TARGETS, Clip
from nvcodec.config.fit import EncodeConfig
from nvcodec.config.job import Job
from nvcodec.config.settings import apply
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.encoder.fit.events import ignore
from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.footage.clip import Clip as Frames
from nvcodec.encoder.parts.segment import SegmentFit
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.encoder.plan.presets import default_preset
from nvcodec.errors import InterruptedEncodeError
from nvcodec.io.source import open_source
from nvcodec.types import Domain

_ROUNDS = 12
_SCHEDULE_STEPS = 1_000_000
"""Long enough that a few steps move no schedule."""


def rounds_of_steps(runs: Sequence[Run], place: Place, should_stop: Callable[[], bool]) -> list[list[float]]:
    """Time the configurations of one clip, one after the other, again and again.

    Returns:
        Seconds per step: one list for each round, with one number for each run.

    Raises:
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    torch.set_num_threads(place.threads)
    frames = _load(runs[0].clip, place.source)
    fits = [_fit(run, frames, place) for run in runs]
    # the time of the process is blind to what else runs, but adds up threads and does not see a GPU
    clock = time.process_time if place.device == "cpu" and place.threads == 1 else time.perf_counter
    rounds = []
    for _ in range(1 + _ROUNDS):
        if should_stop():
            raise InterruptedEncodeError("stopped while steps were timed; nothing is lost but the timing")
        rounds.append([step_seconds(fit, clock) for fit in fits])
    return rounds[1:]  # the first also compiles and warms up


def step_seconds(segment: SegmentFit, clock: Callable[[], float]) -> float:
    """Mean time of a step over the whole schedule, from a few steps of each part of it."""
    until = min(max(segment.job.config.loss.auxiliary_until, 0.0), 1.0)
    parts = [(until / 2, until), ((1 + until) / 2, 1 - until)]  # the training-only losses end in between
    return sum(share * _steps_at(segment, progress, clock) for progress, share in parts if share > 0)


def _steps_at(segment: SegmentFit, progress: float, clock: Callable[[], float]) -> float:
    fit, count = segment.fit, segment.job.config.fit.rate_every  # of which one evaluates the rate
    fit.budget.steps, fit.budget.done_steps = _SCHEDULE_STEPS, round(progress * _SCHEDULE_STEPS)
    fit.rated_at = progress
    fit.calibrated = fit.judged = _SCHEDULE_STEPS  # never: they come a few times in a fit only
    times: list[float] = []

    def stop() -> bool:
        times.append(clock())
        return len(times) > count

    with suppress(StopRequested):
        fit.run(ignore, stop)
    return (times[-1] - times[0]) / count


def _load(clip: Clip, source: Path) -> Frames:
    with open_source(source, seek=clip.options.get("seek", 0), frames=clip.frames) as video:
        frames = Frames.load(video, video.format, video.frame_count)
    domain = clip.options.get("domain")
    return frames if domain is None else frames.converted(Domain[domain.upper()])


def _fit(run: Run, frames: Frames, place: Place) -> SegmentFit:
    """The fit of a run's first segment, as an encode would set it up, but one that moves hardly anything."""
    wanted = run.arguments()
    kinds = (RateTarget(TargetKind(key.removeprefix("target_")), wanted[key]) for key in TARGETS if key in wanted)
    target = next(kinds, RateTarget())
    config = replace(
        apply(EncodeConfig(), {**wanted["settings"], "fit.learning_rate": 1e-6}, run.configuration.model),
        preset=wanted.get("preset") or default_preset(place.device),
        domain=Domain[wanted["domain"].upper()] if "domain" in wanted else None,
        parameters=wanted.get("parameters"),
        segment=wanted.get("segment"),
        threads=place.threads,
        device=place.device,
    )
    plan = make_plan(frames.format, len(frames), target, config, run.configuration.model)
    first, count = plan.segments[0]
    size = target.file_bytes(frames.format, len(frames))
    room = None if size is None else max(1, size * count // len(frames))
    job = Job("", "", target=target, config=config, model=run.configuration.model)
    return SegmentFit(job, plan, 0, frames.part(first, count).to(torch.device(place.device)), room, ignore)
