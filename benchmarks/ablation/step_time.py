"""How long an epoch of a fit takes, measured for several configurations in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from benchmarks.ablation.runs import Place, Run
from benchmarks.parts import first_part
from nvcodec.api.checks import settled
from nvcodec.config.job import Job
from nvcodec.encoder.fit.events import ignore
from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.footage.read import read_videos
from nvcodec.encoder.parts.part import Part
from nvcodec.errors import InterruptedEncodeError

_ROUNDS = 12
_SCHEDULE_STEPS = 1_000_000
"""Long enough that a few steps move no schedule."""
_LEARNING_RATE = 1e-6


def rounds_of_epochs(runs: Sequence[Run], place: Place, should_stop: Callable[[], bool]) -> list[list[float]]:
    """Time the configurations of one clip, one after the other, again and again.

    Returns:
        Seconds per epoch: one list for each round, with one number for each run.

    Raises:
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    torch.set_num_threads(place.threads)
    # the time of the process is blind to what else runs, but adds up threads and does not see a GPU
    clock = time.process_time if place.device == "cpu" and place.threads == 1 else time.perf_counter
    rounds = []
    try:
        parts = _parts(runs, place, should_stop)
        for _ in range(1 + _ROUNDS):
            if should_stop():
                raise StopRequested
            rounds.append([_steps_per_epoch(part) * step_seconds(part, clock) for part in parts])
    except StopRequested:
        raise InterruptedEncodeError("stopped while steps were timed; nothing is lost but the timing") from None
    return rounds[1:]  # the first also compiles and warms up


def step_seconds(part: Part, clock: Callable[[], float]) -> float:
    """Mean time of a step over the whole schedule, from a few steps of each stretch of it."""
    until = min(max(part.plan.settings.loss.auxiliary_until, 0.0), 1.0)
    stretches = [(until / 2, until), ((1 + until) / 2, 1 - until)]  # the training-only losses end in between
    return sum(share * _steps_at(part, progress, clock) for progress, share in stretches if share > 0)


def _steps_at(part: Part, progress: float, clock: Callable[[], float]) -> float:
    fit, count = part.fit, part.plan.settings.fit.rate_every  # of which one evaluates the rate
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


def _steps_per_epoch(part: Part) -> float:
    return len(part.fit.clip) / part.fit.config.batch


def _parts(runs: Sequence[Run], place: Place, should_stop: Callable[[], bool]) -> list[Part]:
    """The first part of each run, as its encode would set it up, but with a fit that moves hardly anything.

    What short fits decide is decided at the length that the reference has.
    """
    jobs, parts = [], []
    for run in runs:
        options = replace(replace(run, time_ratio=1.0).options, device=place.device, threads=place.threads)
        jobs.append(Job((str(place.source),), "", settled(options, ignore)))
    videos = read_videos(jobs[0])  # which do not differ between configurations
    for job in jobs:
        part = first_part(job, videos, should_stop)
        part.fit.config = replace(part.fit.config, learning_rate=_LEARNING_RATE)
        parts.append(part)
    return parts
