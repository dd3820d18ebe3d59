"""The loop: one field, one clip, one schedule. No files, no printing; progress goes out as events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nvcodec.config.fit import FitConfig, GopConfig, LossConfig, Rounding
from nvcodec.encoder.fit.branches import Branches
from nvcodec.encoder.fit.companion import Companion, Guide
from nvcodec.encoder.fit.draw import Painter, said
from nvcodec.encoder.fit.events import EventHandler, Notice, Step
from nvcodec.encoder.fit.flat_planes import FlatPlanes
from nvcodec.encoder.fit.gauge import Clerk, Gauge
from nvcodec.encoder.fit.grouping import Grouping
from nvcodec.encoder.fit.guard import SAVED_EVERY, Guard
from nvcodec.encoder.fit.kept import Best, Kept
from nvcodec.encoder.fit.loss import Distortion
from nvcodec.encoder.fit.optimiser import FieldOptimiser
from nvcodec.encoder.fit.order import FrameOrder
from nvcodec.encoder.fit.quantiser import Quantiser
from nvcodec.encoder.fit.rate import RateWeight, Reading
from nvcodec.encoder.fit.recorder import Recorder
from nvcodec.encoder.fit.schedule import Budget, learning_rate, rate_ramp, stage_at
from nvcodec.encoder.fit.step import NEVER, Kind, Stepper
from nvcodec.encoder.footage.clip import Footage
from nvcodec.errors import UsageError
from nvcodec.models.base import CellWindow
from nvcodec.quant.tensors import IntegerTensor

_CALIBRATIONS = 40
"""How often over a fit real bits are compared with estimated ones, at most."""
_JUDGED_FROM, _JUDGEMENTS = 0.8, 8
"""Keep-best: from this progress on, that many times at most."""
_LOOKS_SPACING = 10
"""Steps from one calibration or judgement to the next, at least: a short fit is for steps, not for looking at it."""
_EVENT_SPACING_S = 0.5
_GUARDED_EVERY = 10
"""Steps between looks for a collapse."""


class StopRequested(Exception):
    """Raised out of the loop when the caller asked it to stop; the fit's state stays valid."""


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
        self.painter, self.flat = painter, painter.flat
        flat, device = self.flat, self.flat.vector.device
        self.peak = max(map(clip.peak, range(len(clip))))
        self.flat_planes = FlatPlanes(flat, clip.levels, self.peak)
        self.quantiser = Quantiser(flat, config.first_step_log2)
        self.distortion = Distortion(loss, flat.field).to(device)
        self.guide = Guide(companion, flat, clip, config.companion_until, config.companion_weight)
        self.branches = Branches(flat, config.branches)
        heads, guides = [*self.distortion.parameters(), *self.branches.parameters()], self.guide.parameters()
        self.optimiser = FieldOptimiser(flat, self.quantiser.log2_steps, heads, config, guides)
        self.grouping = Grouping(flat, self.optimiser, gop)
        self.stepper = Stepper(
            painter, clip, self.quantiser, self.distortion, self.guide, self.branches, self.grouping, self.flat_planes,
            self.optimiser, clip_norm=config.clip_norm, noting=rate.sees_quality,
        )  # fmt: skip
        self.recorder = Recorder(painter.way.recorded, self._not_recorded)
        self.order = FrameOrder(len(clip), config.batch, device)
        self._drawn = torch.zeros(config.batch, dtype=torch.int64, device=device)
        """Frames of the step that is taken: always in the same place."""
        self._rates: Gauge[float] = Gauge(device)
        """What the field costs, and how good it is; with the progress then."""
        self._errors: Gauge[Kept | None] = Gauge(device)
        """Mean error of the frames; with the state then, if it was kept."""
        self.clerk = Clerk(device)
        self.real_per_estimated = 1.0
        """Real bits per estimated bit, at the last calibration."""
        self.decoding_loss_db = 0.0
        """What clamping and rounding to code values cost, at the last judgement."""
        self.estimated_bits: float | None = None
        self.best: Best | None = None
        self.calibrated = self.judged = 0
        self.guard = Guard(self.peak)
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
            last = 1 - self._judged_from
            judges = progress >= self._judged_from + self.judged * last / self._looks(_JUDGEMENTS, last)
            if calibrates or judges or self.budget.done_steps % _GUARDED_EVERY == 0:
                self._watch(on_event)
            if calibrates:
                self._calibrate(progress)
            if judges:
                self._judge()
            if self.budget.elapsed - self._last_event >= _EVENT_SPACING_S:
                self._report(progress, on_event)
        if self.flat_planes.are_all:
            on_event(Notice("the picture is of one colour and never changes: it is exact without a fit"))
            self.frame_errors.copy_(self.painter.errors(self.flat.vector, self.clip, range(len(self.clip))))
            self.guide.active = False
        self.grouping.update(1.0)  # a schedule of a step or two never came to it
        self.guide.update(1.0)  # which may be when it is to let go
        self._fix(1.0)
        self._judge()
        self.clerk.collect()
        self._report(1.0, on_event)

    def probe(self, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
        """Seconds per step, measured without moving anything (and without using up random numbers).

        What is to be compiled is compiled here, before any clock starts.
        """
        random = torch.get_rng_state()
        frames = torch.zeros(self.config.batch, dtype=torch.int64, device=self.painter.frames_device)
        if self.painter.way.compiled:
            self._compile(frames)
        times = []
        for _ in range(steps + 1):
            began = clock()
            self.stepper.rehearse(frames)
            self.painter.wait()
            times.append(clock() - began)
        torch.set_rng_state(random)
        return 1.2 * min(times[1:])  # the optimiser and the rate come on top

    def retreat(self, tiles: list[CellWindow]) -> None:
        """Train on windows, for there is too little memory for more."""
        self.optimiser.clear()
        self.painter.use(tiles)
        self.recorder.recording = self.painter.way.recorded

    def _compile(self, frames: Tensor) -> None:
        """Have the network compiled as most of the fit will see it; if that fails, do without."""
        self.painter.compile()
        try:
            with self.grouping.as_later():
                self.stepper.rehearse(frames)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any failure of the compiler: its toolchain may be missing
            self.optimiser.clear()
            self.painter.do_not_compile(error)

    def _step(self, progress: float) -> None:
        config, stepper = self.config, self.stepper
        self.grouping.update(progress)
        self.guide.update(progress)
        rounding = stage_at(progress, config.schedule).rounding
        self._fix(progress)
        steps = self.budget.done_steps
        rated = progress >= config.rate_from and not config.fixed_bits and steps % config.rate_every == 0
        fade = self.distortion.fade(progress)
        self.optimiser.set_rate(learning_rate(progress, config) * self.learning_rate_factor)
        stepper.dials.fade.fill_(fade)
        stepper.dials.guidance.fill_(self.guide.weight(progress))
        kind = Kind(rounding, rated, fade > 0, self.guide.active, self.grouping.is_apart)
        frames, places = self.order.take()
        self._drawn.copy_(places)
        drawn = self._drawn if self.flat.field.capturable else frames

        def weigh() -> None:
            self._weigh(progress)

        weigh_now = rated and not self._rates.late
        self.recorder.run(kind, lambda: stepper.take(kind, drawn, self._drawn, weigh if weigh_now else None))
        if rated and not weigh_now:
            weigh()
        self.budget.done_steps += 1

    def _fix(self, progress: float) -> None:
        """Give values their fixed number of bits, where they are to have one and its time has come."""
        if self.config.fixed_bits and progress >= self.config.fixed_from:
            self.quantiser.fix(self.flat.vector, self.config.fixed_bits)

    @property
    def _judged_from(self) -> float:
        """Progress from which the best state is looked for: not before its values are as they will be."""
        return max(_JUDGED_FROM, self.config.fixed_from) if self.config.fixed_bits else _JUDGED_FROM

    def _watch(self, on_event: EventHandler) -> None:
        """Look for a collapse, and keep a state to go back to from time to time."""
        state = self._state() if self.budget.done_steps % SAVED_EVERY == 0 else None
        if (found := self._errors.exchange(self.stepper.mean_error.view(1), state)) is not None:
            (error,), state = found
            self._guard(error, state, on_event)

    def _weigh(self, progress: float) -> None:
        """Set the price of a bit by what the field costs, and how good it is, as far as that can be read by now."""
        stepper = self.stepper
        shown = self.clip.shown_db if self.rate.sees_quality else None
        with torch.no_grad():
            psnr_db = stepper.psnr_db
            numbers = torch.stack([stepper.bits, psnr_db, psnr_db if shown is None else shown])
        if (found := self._rates.exchange(numbers, progress)) is not None:
            (bits, drawn, seen), then = found
            self._steer(bits, drawn if math.isnan(seen) else seen, then)
        stepper.dials.price.fill_(self._price)

    @property
    def _price(self) -> float:
        """Of a bit in a step that sees the rate: it stands for those that do not."""
        return self.rate.value * self.config.rate_every / self.clip.pixels

    def _steer(self, model_bits: float, psnr_db: float, progress: float) -> None:
        """Set the weight of the rate for the next few steps."""
        if not math.isfinite(model_bits + psnr_db):  # the fit has just collapsed
            return
        self.estimated_bits = model_bits * self.real_per_estimated
        self.rate.update(
            Reading(
                self.estimated_bits,
                psnr_db - self.decoding_loss_db,
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
    def frame_errors(self) -> Tensor:
        """Error of every frame when it was last drawn, float32 [frames]; -1: it was not."""
        return self.stepper.frame_errors

    @property
    def psnr_db(self) -> float:
        """Mean PSNR of the frames as they were last drawn. Waits for the device."""
        return float(self.stepper.psnr_db)

    def _not_recorded(self, error: Exception) -> None:
        self.optimiser.clear()
        self.painter.on_event(Notice(f"steps cannot be recorded as a CUDA graph, and are slower: {said(error)}"))

    def _guard(self, error: float, state: Kept | None, on_event: EventHandler) -> None:
        """Go back to the last good state, with half the learning rate, where the fit has collapsed.

        Args:
            error: Mean error of the frames.
            state: What it was then, if that was kept.
            on_event: Hears of it.
        """
        good = self.guard.look(error, state)
        if self.guard.safe is None and not math.isfinite(error):
            raise UsageError(
                f"the fit diverged within {self.budget.done_steps} steps "
                f"at learning rate {self.config.learning_rate:g}",
                "Lower it:  --set fit.learning_rate=2e-3",
            )
        if good is None:
            return
        with torch.no_grad():
            self.flat.vector.copy_(good.vector)
            self.quantiser.log2_steps.copy_(good.log2_steps)
        self.optimiser.forget()
        self._rates.forget()
        self._errors.forget()
        self.guide.active = False  # the rows of the good state are in the vector; the companion went bad with the rest
        self.frame_errors.fill_(NEVER)
        self.learning_rate_factor *= 0.5
        on_event(
            Notice(
                f"the fit collapsed at step {self.budget.done_steps}; "
                "went back to the last good state at half the learning rate"
            )
        )

    def _calibrate(self, progress: float) -> None:
        """Learn how real bits differ from estimated ones."""
        self.calibrated = int(progress * self._looks(_CALIBRATIONS, 1))
        if self.estimated_bits is None:
            return
        state = self._state()
        with torch.no_grad():
            model_bits = self.quantiser.bits(self.flat.vector)

        def compare() -> float:
            return state.real_bits(self.flat) / max(float(model_bits.cpu()), 1.0)

        def learn(ratio: float) -> None:
            self.real_per_estimated = ratio

        self.clerk.hand(compare, learn)

    def _looks(self, most: int, share: float) -> int:
        """How many looks at the fit a share of the schedule allows."""
        return min(most, max(1, int(share * self.budget.expected_steps / _LOOKS_SPACING)))

    def _judge(self) -> None:
        """Keep the best: compare the hard-rounded state with the best one so far, at today's price of a bit."""
        self.judged += 1
        self.guide.refresh()
        frames, state, price = self.clip.typical(), self._state(), self.rate.value / self.clip.pixels
        with torch.no_grad():
            vector = self.quantiser.apply(self.flat.vector, Rounding.HARD)
            errors = self.painter.errors(vector, self.clip, frames)
            in_training = self.frame_errors[frames.start : frames.stop : frames.step]
            known = in_training != NEVER
            loss_db = (10 * torch.log10(errors / in_training)).masked_fill(~known, 0).sum() / known.sum()
            found = torch.stack([errors.mean(), loss_db])

        def measured() -> tuple[float, float, float]:
            error, loss = found.cpu().tolist()
            return error, loss, state.real_bits(self.flat)

        def keep(measured: tuple[float, float, float]) -> None:
            error, loss, bits = measured
            if not math.isnan(loss):
                self.decoding_loss_db = loss
            if self.best is None or error + price * bits <= self.best.error + price * self.best.bits:
                self.best = Best(*state, error, bits)

        self.clerk.hand(measured, keep)

    def _state(self) -> Kept:
        return Kept(self.flat.vector.detach().clone(), self.quantiser.log2_steps.detach().clone())

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
