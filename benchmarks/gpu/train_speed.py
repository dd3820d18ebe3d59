"""Training steps per second, for each way to run a step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from benchmarks.gpu.bench import DONE, Bench, Record, Task
from benchmarks.gpu.fits import SUBJECTS, NoiseFit, noise_fit, state_of
from nvcodec.encoder.fit.way import Way

WARM_UP_STEPS = 24
"""After the probe: steps of each kind are recorded when three of them were taken, and one in four sees the rate."""
_TINY_STEPS = 3
_COMPILING_S = {"640p": 8.0, "1080p": 12.0}
"""At most half of it where another way has compiled the same before."""

WAYS: dict[str, Way | None] = {
    "eager": Way(bf16=False, compiled=False, recorded=False),
    "eager-bf16": Way(bf16=True, compiled=False, recorded=False),
    "compile": Way(bf16=False, compiled=True, recorded=False),
    "compile-bf16": Way(bf16=True, compiled=True, recorded=False),
    "graph-bf16": Way(bf16=True, compiled=False, recorded=True),
    "graph-compile-bf16": Way(bf16=True, compiled=True, recorded=True),
    "encoder": None,
}
"""The last one is what an encode takes by itself."""


@dataclass(frozen=True)
class TrainSpeed(Task):
    """The encoder's step in the middle of a fit, of one network in one way; the clip is noise."""

    subject: str
    way: str
    steps: int = 60

    @property
    def least_s(self) -> float:
        return self.expected_s

    @property
    def expected_s(self) -> float:
        way = WAYS[self.way]
        if way is None:
            return 5.0 + _COMPILING_S[self.subject] / 2
        return 5.0 + (_COMPILING_S[self.subject] if way.compiled else 0.0)

    @property
    def limit_s(self) -> float:
        return 15 + 2.5 * self.expected_s

    def blocked(self, bench: Bench) -> str | None:
        way = WAYS[self.way]
        return "needs CUDA" if way is not None and way.recorded and not bench.on_cuda else None

    def run(self, bench: Bench) -> Record:
        began = time.perf_counter()
        made = noise_fit(SUBJECTS[self.subject], bench, WAYS[self.way])
        built_s = time.perf_counter() - began
        probe_s = made.probe()
        count = _TINY_STEPS if bench.tiny else self.steps
        rate = count / _stretch_s(made, count)
        line = f"{rate:.2f} steps/s, made ready in {probe_s:.1f} s"
        memory = torch.cuda.max_memory_allocated() if bench.on_cuda else None
        if memory is not None:
            line += f", {memory / 2**30:.2f} GiB"
        state = state_of(made)
        if not state["finite"]:
            line += "; the parameters are no numbers any more"
        if made.errors:
            line += f"; {made.notices[-1]}"
        field = made.fit.flat.field
        return {
            "status": DONE,
            "line": line,
            "steps_per_s": rate,
            "steps": count,
            "built_s": built_s,
            "probe_s": probe_s,
            **state,
            "peak_memory_bytes": memory,
            "parameters": made.fit.flat.vector.numel(),
            "size": [field.geometry.width, field.geometry.height],
        }


def _stretch_s(made: NoiseFit, count: int) -> float:
    """Seconds of so many steps after the warm-up; waits for the device at the two ends alone."""
    ends: list[float] = []

    def before(step: int) -> bool:
        if step in (WARM_UP_STEPS, WARM_UP_STEPS + count):
            made.wait()
            ends.append(time.perf_counter())
        return len(ends) == 2

    made.run(before)
    return ends[1] - ends[0]
