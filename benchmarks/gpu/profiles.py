"""Where the time goes: kernels of a step and of drawing, and where a step waits for its device."""

from __future__ import annotations

import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import nvcodec
from benchmarks.gpu.bench import DONE, Bench, Record, Task
from benchmarks.gpu.decode_speed import DecodeSpeed
from benchmarks.gpu.fits import SUBJECTS, noise_fit
from benchmarks.gpu.fused_layer import measured
from benchmarks.gpu.train_speed import WARM_UP_STEPS, WAYS
from nvcodec.decoder.reader import VideoReader

_ROWS = 25
_STEPS = 8
_FRAMES = 8
_PACKAGE = Path(nvcodec.__file__).resolve().parent


@dataclass(frozen=True)
class StepProfile(Task):
    """The encoder's step under the profiler, two of eight with a rate."""

    subject: str
    way: str

    @property
    def least_s(self) -> float:
        return 15.0

    @property
    def expected_s(self) -> float:
        return 18.0

    def run(self, bench: Bench) -> Record:
        made = noise_fit(SUBJECTS[self.subject], bench, WAYS[self.way])
        made.probe()
        made.steps(WARM_UP_STEPS)
        with _profiled(bench) as found:
            made.steps(_STEPS)
        return _told(found, bench, "step", _STEPS)


@dataclass(frozen=True)
class DecodeProfile(Task):
    """Drawing under the profiler, from integers to code values in memory."""

    speed: DecodeSpeed

    @property
    def least_s(self) -> float:
        return 15.0

    @property
    def expected_s(self) -> float:
        return 15.0

    def run(self, bench: Bench) -> Record:
        frames = 2 if bench.tiny else _FRAMES
        reader = VideoReader(self.speed.file(bench.tiny, frames), device=bench.device, batch=self.speed.batch)
        list(reader.frames())
        with _profiled(bench) as found:
            list(reader.frames())
        return _told(found, bench, "frame", frames)


@dataclass(frozen=True)
class FusedLayers(Task):
    """The decoder's kernel for a layer: how far it is from float64, and how long it takes, beside torch."""

    @property
    def least_s(self) -> float:
        return 10.0

    @property
    def expected_s(self) -> float:
        return 18.0

    def blocked(self, bench: Bench) -> str | None:
        return None if bench.on_cuda else "needs CUDA"

    def run(self, bench: Bench) -> Record:
        rows = measured(self.expected_s, few=True).rows
        return {"status": DONE, "line": f"{len(rows)} measurements", "table": "\n".join(rows)}


@dataclass(frozen=True)
class Waits(Task):
    """Steps with the mode in which CUDA tells of everything that waits for the device, and who asked for it."""

    subject: str
    way: str

    @property
    def least_s(self) -> float:
        return 10.0

    @property
    def expected_s(self) -> float:
        return 12.0

    def run(self, bench: Bench) -> Record:
        made = noise_fit(SUBJECTS[self.subject], bench, WAYS[self.way])
        made.probe()
        made.steps(WARM_UP_STEPS)
        with heard_waits(bench.on_cuda) as waits:
            made.steps(_STEPS)
        bench.say("".join(f"  {count:4d}  {place}\n" for place, count in waits.most_common()))
        return {
            "status": DONE,
            "line": f"{sum(waits.values()) / _STEPS:.1f} waits a step, at {len(waits)} places",
            "steps": _STEPS,
            "waits": dict(waits.most_common()),
        }


@contextmanager
def heard_waits(on_cuda: bool) -> Iterator[Counter[str]]:
    """Count what CUDA warns of, by the line of the package that asked for it."""
    places: Counter[str] = Counter()

    def hear(message: Any, *_: Any, **__: Any) -> None:
        if "synchroniz" in str(message):
            stack = [frame for frame in traceback.extract_stack()[:-1] if frame.filename != warnings.__file__]
            ours = [frame for frame in stack if Path(frame.filename).is_relative_to(_PACKAGE)]
            frame = (ours or stack)[-1]
            name = Path(frame.filename).relative_to(_PACKAGE.parent) if ours else frame.filename
            places[f"{name}:{frame.lineno} {frame.name}: {frame.line}"] += 1

    before = torch.cuda.get_sync_debug_mode() if on_cuda else 0
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        if on_cuda:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            if on_cuda:
                torch.cuda.set_sync_debug_mode(before)


@dataclass
class _Found:
    profiler: Any = None
    seconds: float = 0.0


@contextmanager
def _profiled(bench: Bench) -> Iterator[_Found]:
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.on_cuda else [])]
    found, began = _Found(), time.perf_counter()
    with profile(activities=kinds) as profiler:
        yield found
        if bench.on_cuda:
            torch.cuda.synchronize()
        found.seconds = time.perf_counter() - began
    found.profiler = profiler


def _told(found: _Found, bench: Bench, what: str, count: int) -> Record:
    """The most expensive kernels as text, and how busy the device was."""
    averages = found.profiler.key_averages()
    side = "device" if bench.on_cuda else "cpu"
    text = averages.table(sort_by=f"self_{side}_time_total", row_limit=_ROWS, max_name_column_width=70)
    counted = [event for event in averages if not bench.on_cuda or event.device_type.name == "CUDA"]
    busy_s = sum(getattr(event, f"self_{side}_time_total") for event in counted) / 1e6
    bench.say(text)
    wall_ms, kernels_ms = (1000 * seconds / count for seconds in (found.seconds, busy_s))
    return {
        "status": DONE,
        "line": f"{wall_ms:.1f} ms a {what} under the profiler, kernels {kernels_ms:.1f} ms",
        "wall_s": found.seconds,
        "kernels_s": busy_s,
        "count": count,
        "table": text,
    }
