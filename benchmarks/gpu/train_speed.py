"""Training steps per second, for each way to run a step."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.gpu.bench import DONE, Bench, Record, Task
from nvcodec.config.fit import FitConfig, LossConfig, Rounding, Stage
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.fit.fit import Fit, StopRequested
from nvcodec.encoder.fit.loss import picture_error
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.quantiser import Quantiser
from nvcodec.encoder.fit.rate import TargetWeight
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.plan.presets import PRESETS, plan_network
from nvcodec.models import registry
from nvcodec.models.base import PlaneTensors
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat, VideoFormat

_FRAMES = 32
_TINY_STEPS = 3
_LEARNING_RATE = 1e-3
_WARM_UP_STEPS = 5
"""After the first step, in which a compiler works."""
_CAPTURE_STEPS = 3
"""Steps on a side stream before a step may be captured."""


@dataclass(frozen=True)
class Way:
    """A way to run a step."""

    bf16: bool = False
    compiled: str | None = None
    """Mode of torch.compile; None = not compiled."""
    captured: bool = False
    """The whole step, optimiser included, is one CUDA graph."""
    encoder: bool = False
    """The encoder's own loop, rate and bookkeeping included."""

    @property
    def needs_cuda(self) -> bool:
        """Whether there is nothing to measure without a GPU."""
        return self.captured or self.compiled == "reduce-overhead"


WAYS = {
    "eager": Way(),
    "eager-bf16": Way(bf16=True),
    "compile": Way(compiled="default"),
    "compile-bf16": Way(bf16=True, compiled="default"),
    "reduce-overhead-bf16": Way(bf16=True, compiled="reduce-overhead"),
    "graph-bf16": Way(bf16=True, captured=True),
    "graph-compile-bf16": Way(bf16=True, compiled="default", captured=True),
    "encoder": Way(encoder=True),
}


@dataclass(frozen=True)
class TrainSpeed(Task):
    """One network, one picture size, one way; the clip is noise."""

    preset: str
    parameters: int
    width: int
    height: int
    way: str
    steps: int = 25

    @property
    def least_s(self) -> float:
        return 60.0 if WAYS[self.way].compiled or WAYS[self.way].encoder else 15.0

    @property
    def expected_s(self) -> float:
        return 50.0 if WAYS[self.way].compiled or WAYS[self.way].encoder else 10.0

    def blocked(self, bench: Bench) -> str | None:
        return "needs CUDA" if WAYS[self.way].needs_cuda and not bench.on_cuda else None

    def run(self, bench: Bench) -> Record:
        step = _Step(self, bench)
        way = WAYS[self.way]
        count = _TINY_STEPS if bench.tiny else self.steps
        numbers = _encoder_loop(step, count) if way.encoder else _time(step, count)
        rate = numbers["steps_per_s"]
        line = f"{rate:.2f} steps/s, first step {numbers['first_step_s']:.1f} s"
        memory = torch.cuda.max_memory_allocated() if bench.on_cuda else None
        if memory is not None:
            line += f", {memory / 2**30:.2f} GiB"
        return {
            "status": DONE,
            "line": line,
            **numbers,
            "peak_memory_bytes": memory,
            "parameters": step.flat.vector.numel(),
            "size": [step.geometry.width, step.geometry.height],
        }


class _Step:
    """A training step as the encoder takes it, without the rate: quantise, draw, compare, learn. Never waits."""

    def __init__(self, task: TrainSpeed, bench: Bench) -> None:
        torch.manual_seed(0)
        self.bench, self.way = bench, WAYS[task.way]
        width, height = (96, 64) if bench.tiny else (task.width, task.height)
        self.geometry = FieldGeometry(_FRAMES, height, width, ChromaFormat.YUV420)
        preset, parameters = ("draft", task.parameters // 200) if bench.tiny else (task.preset, task.parameters)
        self.network = plan_network(PRESETS[preset], self.geometry, parameters)
        device = torch.device(bench.device)
        self.flat = FlatField(registry.by_name("msnerv").build(self.network, self.geometry).to(device))
        self.quantiser = Quantiser(self.flat, FitConfig().first_step_log2)
        self.optimiser = torch.optim.Adam(
            [self.flat.vector, self.quantiser.log2_steps],
            lr=_LEARNING_RATE, betas=(0.9, 0.99), fused=True, capturable=self.way.captured and bench.on_cuda,
        )  # fmt: skip
        video = VideoFormat(width, height)
        noise = [torch.randint(0, 256, (_FRAMES, *shape), dtype=torch.uint8) for shape in video.plane_shapes]
        self.clip = Clip(video, (noise[0], noise[1], noise[2])).to(device)
        self.frames = torch.zeros(1, dtype=torch.int64, device=device)
        """The frame to learn from, always in the same place: a captured step reads it there."""
        self._draw: Callable[[Tensor, Tensor], PlaneTensors] = self._eager
        if self.way.compiled:
            # without a GPU only the tracing is of interest: no compiler is needed for it
            backend = {"mode": self.way.compiled} if bench.on_cuda else {"backend": "aot_eager"}
            self._draw = torch.compile(self._eager, **backend)  # type: ignore[call-overload]

    def __call__(self) -> Tensor:
        """Take a step; the loss, on the device."""
        vector = self.quantiser.apply(self.flat.vector, Rounding.HARD)
        with self._autocast():
            planes = self._draw(vector, self.frames)
        drawn = tuple(plane.float() for plane in planes)
        error = picture_error(drawn, self.clip.targets(self.frames), self.geometry.chroma).mean()
        error.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([self.flat.vector], 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return error.detach()

    def captured(self) -> Callable[[], Tensor]:
        """The step as one CUDA graph."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_CAPTURE_STEPS):
                self()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self()

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay

    def wait(self) -> None:
        """Until the device is done."""
        if self.bench.on_cuda:
            torch.cuda.synchronize()

    def _eager(self, vector: Tensor, frames: Tensor) -> PlaneTensors:
        planes: PlaneTensors = functional_call(self.flat.field, self.flat.split(vector), (frames,)).planes
        return planes

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast(self.bench.device.split(":")[0], torch.bfloat16) if self.way.bf16 else (
            contextlib.nullcontext()
        )  # fmt: skip


def _time(step: _Step, count: int) -> Record:
    """Median of steps timed one by one, and the mean of as many that nobody waits for."""
    began = time.perf_counter()
    first_loss = float(step())
    first_s = time.perf_counter() - began
    run = step.captured() if step.way.captured else step
    for index in range(_WARM_UP_STEPS):
        step.frames.fill_(index)
        run()
    times = []
    for index in range(count):
        step.frames.fill_(index % _FRAMES)
        step.wait()
        began = time.perf_counter()
        run()
        step.wait()
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    for index in range(count):
        step.frames.fill_(index % _FRAMES)
        loss = run()
    step.wait()
    queued_s = (time.perf_counter() - began) / count
    return {
        "steps_per_s": 1 / statistics.median(times),
        "queued_steps_per_s": 1 / queued_s,
        "step_s": times,
        "first_step_s": first_s,
        "first_loss": first_loss,
        "last_loss": float(loss),
    }


def _encoder_loop(step: _Step, count: int) -> Record:
    """What :class:`Fit` does in the middle of its schedule: the mean, for every fourth step has a rate term."""
    notices: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.message)

    config = FitConfig(rate_from=0.0, stages=(Stage("round", 1.0, Rounding.HARD),))
    rate = TargetWeight(6.0 * step.flat.vector.numel())
    fit = Fit(Painter(step.flat, [], hear), step.clip, config, LossConfig(), rate, Budget(1_000_000))
    began = time.perf_counter()
    fit.probe(1)
    first_s = time.perf_counter() - began
    at: list[float] = []

    def asked() -> bool:
        if len(at) in (_WARM_UP_STEPS, _WARM_UP_STEPS + count):
            step.wait()
        at.append(time.perf_counter())
        return len(at) > _WARM_UP_STEPS + count

    with contextlib.suppress(StopRequested):
        fit.run(hear, asked)
    return {
        "steps_per_s": count / (at[-1] - at[_WARM_UP_STEPS]),
        "step_s": [
            after - before for before, after in zip(at[_WARM_UP_STEPS:], at[_WARM_UP_STEPS + 1 :], strict=False)
        ],
        "first_step_s": first_s,
        "notices": notices,
    }
