"""What a compiler makes of a step: the same numbers as without it, and nothing left to compile inside the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from benchmarks.gpu.bench import DONE, FAILED, Bench, Record, Task
from benchmarks.gpu.fits import SUBJECTS, NoiseFit, compiled_counts, noise_fit, state_of
from benchmarks.gpu.train_speed import WAYS
from nvcodec.encoder.fit.loss import picture_error

_LOSS_TOLERANCE, _GRADIENT_TOLERANCE = 0.01, 0.05
"""Of bf16, whose sums come in another order."""
_SCHEDULE_STEPS = 80
"""Of which groups of pictures are together for a tenth."""
_TINY_SCHEDULE_STEPS = 12
_STALLED = 20.0
"""A step that takes so many times the median has had something to compile."""


@dataclass(frozen=True)
class _Compiling(Task):
    """What waits for a compiler."""

    subject: str

    @property
    def least_s(self) -> float:
        return 20.0

    @property
    def limit_s(self) -> float:
        return 110.0


@dataclass(frozen=True)
class CompiledStep(_Compiling):
    """Loss and gradient of the first step, compiled and not; then how quick it is."""

    @property
    def expected_s(self) -> float:
        return 40.0

    def run(self, bench: Bench) -> Record:
        eager, compiled = (
            noise_fit(SUBJECTS[self.subject], bench, WAYS[way]) for way in ("eager-bf16", "compile-bf16")
        )
        probe_s = compiled.probe()
        first, expected = _first(compiled), _first(eager)
        counts = compiled_counts()
        off = [abs(first[name] / expected[name] - 1) for name in ("loss", "gradient_norm")]
        fine = off[0] <= _LOSS_TOLERANCE and off[1] <= _GRADIENT_TOLERANCE
        line = (
            f"compiled in {probe_s:.1f} s; loss {off[0]:.2%} and norm of the gradient {off[1]:.2%} "
            f"from those without; {counts['graphs']} graphs"
        )
        numbers = {"probe_s": probe_s, "compiled": first, "eager": expected, "dynamo": counts}
        return {"status": DONE if fine else FAILED, "line": line, **numbers, **state_of(compiled)}


def _first(made: NoiseFit) -> Record:
    """The first step of a fit whose weights are those of the other."""
    fit = made.fit
    frames = torch.zeros(fit.config.batch, dtype=torch.int64, device=fit.painter.frames_device)
    vector = fit.flat.vector.detach().clone().requires_grad_()
    (planes, _), targets, _ = fit.painter.train(vector, fit.clip, frames)
    loss = picture_error(planes, targets, fit.flat.field.geometry.chroma).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert vector.grad is not None
    return {"loss": float(loss.detach()), "gradient_norm": float(vector.grad.norm())}


@dataclass(frozen=True)
class GroupsApart(_Compiling):
    """A schedule in which groups of pictures go apart: nothing may be compiled once its clock runs."""

    @property
    def expected_s(self) -> float:
        return 45.0

    def run(self, bench: Bench) -> Record:
        count = _TINY_SCHEDULE_STEPS if bench.tiny else _SCHEDULE_STEPS
        subject = replace(SUBJECTS[self.subject], model="tenerv")
        made = noise_fit(subject, bench, WAYS["compile-bf16"], steps=count, middle=False)
        probe_s = made.probe()
        before, times = compiled_counts(), list[float]()

        def note(step: int) -> bool:
            made.wait()
            times.append(time.perf_counter())
            return False

        made.run(note)
        counts = compiled_counts()
        steps = [after - earlier for earlier, after in zip(times, times[1:], strict=False)]
        median, slowest = sorted(steps)[len(steps) // 2], max(steps)
        compiled_late = counts["graphs"] != before["graphs"]
        stalled = slowest > _STALLED * median and slowest > 1.0
        line = (
            f"made ready in {probe_s:.1f} s; slowest step {slowest:.2f} s (number {steps.index(slowest)}), "
            f"median {1000 * median:.1f} ms; {counts['graphs'] - before['graphs']} graphs compiled inside the clock"
        )
        numbers = {"probe_s": probe_s, "step_s": steps, "dynamo": counts}
        return {"status": FAILED if compiled_late or stalled else DONE, "line": line, **numbers, **state_of(made)}
