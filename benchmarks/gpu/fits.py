"""The encoder's own fits of noise: what is timed, profiled and compared is the step that an encode takes."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from benchmarks.gpu.bench import FAILED, Bench, Record
from nvcodec.config.fit import Rounding, Stage
from nvcodec.config.keywords import DomainName, ModelName, PresetName
from nvcodec.config.options import EncodeOptions
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.fit.fit import Fit, StopRequested
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.rate import TargetWeight
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.fit.way import Way
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.models.config import FieldConfig
from nvcodec.types import VideoFormat

BITS_PER_PARAMETER = 6
"""Of Bunny the papers give no rate; HiNeRV and MSNeRV quantise weights to 6 bits."""
_PROBE_STEPS = 3
_ENDLESS = 1_000_000


@dataclass(frozen=True)
class Subject:
    """A network and the size of what it draws."""

    preset: PresetName
    parameters: int
    width: int
    height: int
    frames: int
    domain: DomainName
    model: ModelName = "msnerv"


SUBJECTS = {
    "640p": Subject("medium", 1_500_000, 1280, 640, 132, "rgb"),
    "1080p": Subject("medium", 3_000_000, 1920, 1080, 32, "yuv420"),
}
"""The first is the network of the two-minute encode of Bunny: kernels that are compiled for one serve the other."""
_TINY = {"preset": "draft", "width": 96, "height": 64, "frames": 16}
_TINY_SHARE = 300


@dataclass
class NoiseFit:
    """A fit that has not begun."""

    fit: Fit
    bench: Bench
    notices: list[str] = field(default_factory=list)
    """What it has said."""
    errors: list[str] = field(default_factory=list)
    """Tracebacks of what it went on without."""

    def hear(self, event: Event) -> None:
        """Take note of notices, and of the whole of the errors that they tell in a line."""
        if isinstance(event, Notice):
            self.notices.append(event.message)
            self.bench.say(f"  {event.message}")
            if sys.exc_info()[0] is not None:
                self.errors.append(traceback.format_exc())
                self.bench.say(self.errors[-1])

    def probe(self) -> float:
        """Compile, record, warm up; how many seconds that took."""
        began = time.perf_counter()
        self.fit.probe(_PROBE_STEPS)
        self.wait()
        return time.perf_counter() - began

    def run(self, before: Callable[[int], bool]) -> None:
        """Take steps until ``before``, which is asked in front of each with its number, says so."""
        steps = iter(range(_ENDLESS))
        with suppress(StopRequested):
            self.fit.run(self.hear, lambda: before(next(steps)))
        self.wait()

    def steps(self, count: int) -> float:
        """Seconds that some steps took, one after another; nobody waits for any but the last."""
        began = time.perf_counter()
        self.run(lambda step: step == count)
        return time.perf_counter() - began

    def wait(self) -> None:
        """Until the device is done."""
        if self.bench.on_cuda:
            torch.cuda.synchronize()


def noise_fit(
    subject: Subject, bench: Bench, way: Way | None, *, steps: int = _ENDLESS, middle: bool = True
) -> NoiseFit:
    """A fit as an encode with a size to keep sets it up.

    Args:
        subject: What is fitted.
        bench: Where; sizes are others if it is tiny.
        way: How its steps are run; None = as an encode would.
        steps: Length of its schedule.
        middle: Be in the middle of the schedule all the time, where weights are rounded and every fourth step looks at
            the rate. Else run through it from its beginning.
    """
    if bench.tiny:
        subject = replace(subject, **_TINY, parameters=subject.parameters // _TINY_SHARE)  # type: ignore[arg-type]
    torch.manual_seed(0)
    stored = VideoFormat(subject.width, subject.height)
    samples = subject.width * subject.height * subject.frames
    options = EncodeOptions(
        model=subject.model,
        preset=subject.preset,
        parameters=subject.parameters,
        bpp=BITS_PER_PARAMETER * subject.parameters / samples,
        domain=subject.domain,
    )
    plan = make_plan([(stored, subject.frames)], options)
    drawn = replace(stored, chroma=plan.domain.drawn(stored.chroma))
    network, device = plan.network, torch.device(bench.device)
    assert isinstance(network, FieldConfig)
    noise = [
        torch.randint(0, 256, (subject.frames, *shape), dtype=torch.uint8, device=device)
        for shape in drawn.plane_shapes
    ]
    (span,), settings = plan.parts[0], plan.settings
    flat = FlatField(plan.model.build(network, plan.geometry(span, stored)).to(device))
    config = settings.fit
    if middle:
        # fine steps: others would round the small numbers a network begins with to zeros, whose norms explode
        stages = (Stage("round", 1.0, Rounding.HARD),)
        config = replace(config, rate_from=0.0, first_step_log2=-14.0, stages=stages)
    heard: list[Event] = []
    painter = Painter(flat, [], heard.append, way=way)
    rate = TargetWeight(8.0 * plan.size)
    fit = Fit(painter, Clip(drawn, tuple(noise)), config, settings.loss, rate, Budget(steps), settings.gop)
    made = NoiseFit(fit, bench)
    painter.on_event = made.hear
    for event in heard:
        made.hear(event)
    return made


def state_of(made: NoiseFit) -> Record:
    """What a fit has come to, for the record: one that went wrong, or on without what it was to have, has failed."""
    fit, finite = made.fit, bool(torch.isfinite(made.fit.flat.vector).all())
    state: Record = {
        "way": {**asdict(fit.painter.way), "recorded": fit.recorder.recording},
        "psnr_db": fit.psnr_db,
        "finite": finite,
        "notices": made.notices,
    }
    if made.errors:
        return {**state, "status": FAILED, "traceback": "\n".join(made.errors)}
    return state if finite else {**state, "status": FAILED}


def compiled_counts() -> dict[str, Any]:
    """What dynamo has counted so far: graphs, breaks, and how often it gave up."""
    from torch._dynamo.utils import counters

    return {
        "graphs": counters["stats"]["unique_graphs"],
        "graph_breaks": dict(counters["graph_break"]),
        "unimplemented": dict(counters["unimplemented"]),
    }
