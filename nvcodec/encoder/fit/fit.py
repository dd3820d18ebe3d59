"""The loop: one field, one clip, one schedule. No files, no printing; progress goes out as events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nvcodec.config.fit import FitConfig, GopConfig, LossConfig, Rounding
from nvcodec.encoder.fit.companion import Companion, Guide
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import EventHandler, Notice, Step
from nvcodec.encoder.fit.flat_planes import FlatPlanes
from nvcodec.encoder.fit.grouping import Grouping
from nvcodec.encoder.fit.loss import Distortion, picture_error
from nvcodec.encoder.fit.optimiser import FieldOptimiser
from nvcodec.encoder.fit.pack import real_bits
from nvcodec.encoder.fit.quantiser import Quantiser
from nvcodec.encoder.fit.rate import RateWeight, Reading
from nvcodec.encoder.fit.schedule import Budget, learning_rate, rate_ramp, stage_at
from nvcodec.encoder.footage.clip import Footage
from nvcodec.errors import UsageError
from nvcodec.models.geometry import FieldGeometry
from nvcodec.quant.tensors import IntegerTensor

_CALIBRATIONS = 40
"""How often over a fit real bits are compared with estimated ones, at most."""
_JUDGED_FROM, _JUDGEMENTS = 0.8, 8
"""Keep-best: from this progress on, that many times at most."""
_LOOKS_SPACING = 10
"""Steps from one calibration or judgement to the next, at least: a short fit is for steps, not for looking at it."""
_EVENT_SPACING_S = 0.5
_GUARDED_EVERY, _SAVED_EVERY = 10, 100
"""Steps between looks for a collapse, and between states to go back to."""
_COLLAPSE_RATIO = 4.0
"""An error this many times the best (6 dB) is a collapse."""
_INVISIBLE = 1 / 12
"""Mean square of what rounding to code values hides: less than that is as good as none."""
_NEVER = -1.0
"""The error of a frame that was not drawn yet."""


class StopRequested(Exception):
    """Raised out of the loop when the caller asked it to stop; the fit's state stays valid."""


@dataclass
class Best:
    """The best hard-rounded state seen so far."""

    vector: Tensor
    log2_steps: Tensor
    error: float
    bits: float


class Fit:
    """A fit that can be run, stopped, saved and continued.

    Args:
        painter: Draws the field to fit; the field's vector is trained in place.
        clip: The source, in the field's coding domain, on the field's device.
        config: Optimiser and schedule.
        loss: Distortion.
        rate: Weight of the rate.
        budget: How long.
        gop: How frames are grouped, where the field has groups; None leaves its groups as they are.
        companion: Fills the per-frame values in the first part of the schedule; thrown away with the fit.
    """

    def __init__(
        self,
        painter: Painter,
        clip: Footage,
        config: FitConfig,
        loss: LossConfig,
        rate: RateWeight,
        budget: Budget,
        gop: GopConfig | None = None,
        companion: Companion | None = None,
    ) -> None:
        self.clip, self.config, self.rate, self.budget = clip, config, rate, budget
        self.flat = flat = painter.flat
        self.peak = max(map(clip.peak, range(len(clip))))
        self.flat_planes = FlatPlanes(flat, clip.levels, self.peak)
        self.quantiser = Quantiser(flat, config.first_step_log2)
        self.painter = painter
        self.distortion = Distortion(loss, flat.field).to(flat.vector.device)
        self.guide = Guide(companion, flat, clip, config.companion_until)
        heads, guides = self.distortion.parameters(), self.guide.parameters()
        self.optimiser = FieldOptimiser(flat, self.quantiser.log2_steps, heads, config, guides)
        self.grouping = Grouping(flat, self.optimiser, gop)
        self.queue: list[int] = []
        self.frame_errors = torch.full((len(clip),), _NEVER, device=flat.vector.device)
        """Error of every frame when it was last drawn."""
        self.real_per_estimated = 1.0
        """Real bits per estimated bit, at the last calibration."""
        self.decoding_loss_db = 0.0
        """What clamping and rounding to code values cost, at the last judgement."""
        self.estimated_bits: float | None = None
        self.best: Best | None = None
        self.calibrated = self.judged = 0
        self.safe: tuple[float, Tensor, Tensor] | None = None
        self.learning_rate_factor = 1.0
        self.rated_at = config.rate_from
        self._last_event = -math.inf

    def run(self, on_event: EventHandler, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Fit to the end of the budget; the result is in :attr:`best`.

        Raises:
            StopRequested: ``should_stop`` returned true between two steps.
            UsageError: The fit diverged before there was a state to go back to.
        """
        self.budget.start()
        while not self.flat_planes.are_all and (progress := self.budget.progress) < 1:
            if should_stop():
                raise StopRequested
            self._step(progress)
            calibrates = progress >= (self.calibrated + 1) / self._looks(_CALIBRATIONS, 1)
            last = 1 - _JUDGED_FROM
            judges = progress >= _JUDGED_FROM + self.judged * last / self._looks(_JUDGEMENTS, last)
            if calibrates or judges or self.budget.done_steps % _GUARDED_EVERY == 0:
                self._guard(on_event)
            if calibrates:
                self._calibrate(progress)
            if judges:
                self._judge()
            if self.budget.elapsed - self._last_event >= _EVENT_SPACING_S:
                self._report(progress, on_event)
        if self.flat_planes.are_all:
            on_event(Notice("the picture is of one colour and never changes: it is exact without a fit"))
            self.frame_errors = self.painter.errors(self.flat.vector, self.clip, range(len(self.clip)))
        self.grouping.update(1.0)  # a schedule of a step or two never came to it
        self._judge()
        self._report(1.0, on_event)

    def probe(self, steps: int) -> float:
        """Seconds per step, measured without moving anything (and without using up random numbers)."""
        random = torch.get_rng_state()
        frames = torch.zeros(self.config.batch, dtype=torch.int64, device=self.flat.vector.device)
        times = []
        for _ in range(steps + 1):
            began = time.perf_counter()
            vector = self.quantiser.apply(self.flat.vector, Rounding.HARD)
            (planes, features), targets = self.painter.train(vector, self.clip, frames)
            self.distortion(planes, targets, features, 0.0).backward()
            for moved in (self.flat.vector, self.quantiser.log2_steps, *self.distortion.parameters()):
                moved.grad = None
            if self.painter.on_cuda:  # which has only been told what to do
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        torch.set_rng_state(random)
        return 1.2 * min(times[1:])  # the optimiser and the rate come on top

    def _step(self, progress: float) -> None:
        config, flat = self.config, self.flat
        self.grouping.update(progress)
        frames = self._next_frames()
        rounding = stage_at(progress, config.schedule).rounding
        if config.fixed_bits and rounding is Rounding.HARD:
            self.quantiser.fix(flat.vector, config.fixed_bits)
        floats, penalty = self.guide.place(frames, progress)
        vector = self.quantiser.apply(floats, rounding)
        (planes, features), targets = self.painter.train(vector, self.clip, frames)
        loss = self.distortion(planes, targets, features, progress) + penalty
        if progress >= config.rate_from and not config.fixed_bits and self.budget.done_steps % config.rate_every == 0:
            bits = self.quantiser.bits(floats)
            self._steer(bits.item(), progress)
            loss = loss + (self.rate.value * config.rate_every / self.clip.pixels) * bits
        loss.backward()
        self.guide.hold()
        self.grouping.hold()
        self.flat_planes.hold()
        torch.nn.utils.clip_grad_norm_([flat.vector], config.clip_norm)
        self.optimiser.step(learning_rate(progress, config) * self.learning_rate_factor)
        self.quantiser.clamp()
        self.budget.done_steps += 1
        with torch.no_grad():
            errors = picture_error(planes, targets, self.geometry.chroma)
            if self.rate.sees_quality:
                self.clip.note(int(frames[0]), planes, targets)
            self.frame_errors[frames] = errors.view(len(frames), -1).mean(dim=1)

    def _steer(self, model_bits: float, progress: float) -> None:
        """Set the weight of the rate for this step and the next few."""
        psnr_db = self.psnr_db
        shown_db = self.clip.shown_db if self.rate.sees_quality else None
        if not math.isfinite(model_bits + psnr_db):  # the fit has just collapsed
            return
        self.estimated_bits = model_bits * self.real_per_estimated
        self.rate.update(
            Reading(
                self.estimated_bits,
                (psnr_db if shown_db is None else shown_db) - self.decoding_loss_db,
                rate_ramp(progress, self.config),
                learning_rate(progress, self.config) / self.config.learning_rate,
                progress - self.rated_at,
            )
        )
        self.rated_at = progress

    @torch.no_grad()
    def estimate(self, tensors: list[IntegerTensor]) -> float | None:
        """Bits that the finished fit believes integers to cost; None when the rate was not part of it."""
        if self.estimated_bits is None:
            return None
        codes = torch.from_numpy(np.concatenate([tensor.step_codes for tensor in tensors]))
        self.quantiser.set_codes(codes)
        return self.quantiser.bits(self.flat.vector_of(tensors)).item() * self.real_per_estimated

    @property
    def geometry(self) -> FieldGeometry:
        """What is drawn; its groups of pictures may change on the way."""
        return self.flat.field.geometry

    @property
    def psnr_db(self) -> float:
        """Mean PSNR of the frames as they were last drawn."""
        return self._mean_over_frames(-10 * torch.log10(self.frame_errors.clamp_min(1e-10)))

    def _mean_over_frames(self, values: Tensor) -> float:
        """Mean of one value per frame, float32 [frames], over the frames that were drawn; not a number if one is."""
        drawn = self.frame_errors != _NEVER
        return float(torch.where(drawn, values, 0).sum() / drawn.sum())

    def _next_frames(self) -> Tensor:
        """Frames of one step, int64 [batch], from a new permutation every epoch."""
        while len(self.queue) < self.config.batch:
            self.queue += torch.randperm(len(self.clip)).tolist()
        taken, self.queue = self.queue[: self.config.batch], self.queue[self.config.batch :]
        return torch.tensor(taken, device=self.flat.vector.device)

    def _guard(self, on_event: EventHandler) -> None:
        """Collapse detection: go back to the last good state, with half the learning rate.

        Networks of this family sometimes lose all they learned within a few steps; waiting does not help.
        """
        error, steps = self._mean_over_frames(self.frame_errors), self.budget.done_steps
        if steps % _SAVED_EVERY == 0 and (self.safe is None or error < 1.5 * self.safe[0]) and math.isfinite(error):
            self.safe = error, self.flat.vector.detach().clone(), self.quantiser.log2_steps.detach().clone()
        if self.safe is None:
            if not math.isfinite(error):
                raise UsageError(
                    f"the fit diverged within {steps} steps at learning rate {self.config.learning_rate:g}",
                    "Lower it:  --set fit.learning_rate=2e-3",
                )
            return
        if error < _COLLAPSE_RATIO * max(self.safe[0], _INVISIBLE / self.peak**2):  # false for what is not a number
            return
        _, vector, log2_steps = self.safe
        with torch.no_grad():
            self.flat.vector.copy_(vector)
            self.quantiser.log2_steps.copy_(log2_steps)
        self.optimiser.forget()
        self.guide.active = False  # the rows of the good state are in the vector; the companion went bad with the rest
        self.frame_errors.fill_(_NEVER)
        self.learning_rate_factor *= 0.5
        on_event(
            Notice(f"the fit collapsed at step {steps}; went back to the last good state at half the learning rate")
        )

    def _calibrate(self, progress: float) -> None:
        """Learn how real bits differ from estimated ones."""
        self.calibrated = int(progress * self._looks(_CALIBRATIONS, 1))
        if self.estimated_bits is not None:
            with torch.no_grad():
                model_bits = self.quantiser.bits(self.flat.vector).item()
            real = real_bits(self.flat, self.flat.vector, self.quantiser.codes())
            self.real_per_estimated = real / max(model_bits, 1.0)

    def _looks(self, most: int, share: float) -> int:
        """How many looks at the fit a share of the schedule allows."""
        return min(most, max(1, int(share * self.budget.expected_steps / _LOOKS_SPACING)))

    def _judge(self) -> None:
        """Keep the best: compare the hard-rounded state with the best one so far, at today's price of a bit."""
        self.judged += 1
        frames = self.clip.typical()
        with torch.no_grad():
            vector = self.quantiser.apply(self.flat.vector, Rounding.HARD)
            errors = self.painter.errors(vector, self.clip, frames)
            in_training = self.frame_errors[list(frames)]
            known = in_training != _NEVER
            if known.any():
                self.decoding_loss_db = float((10 * torch.log10(errors / in_training))[known].mean())
        error, bits = errors.mean().item(), real_bits(self.flat, self.flat.vector, self.quantiser.codes())
        price = self.rate.value / self.clip.pixels
        if self.best is None or error + price * bits <= self.best.error + price * self.best.bits:
            self.best = Best(self.flat.vector.detach().clone(), self.quantiser.log2_steps.detach().clone(), error, bits)

    def _report(self, progress: float, on_event: EventHandler) -> None:
        budget, frames = self.budget, len(self.clip)
        self._last_event = budget.elapsed
        epoch = budget.done_steps * self.config.batch / frames
        on_event(
            Step(
                stage=stage_at(progress, self.config.schedule).name,
                progress=progress,
                epoch=epoch,
                epochs=epoch / progress if progress > 0 else 0.0,
                psnr_db=self.psnr_db,
                best_psnr_db=-10 * math.log10(max(self.best.error, 1e-10)) if self.best else self.psnr_db,
                estimated_bpp=None if self.estimated_bits is None else self.estimated_bits / self.clip.pixels,
                steps_per_s=budget.done_steps / max(budget.elapsed, 1e-9),
                eta_s=budget.remaining_s,
            )
        )
