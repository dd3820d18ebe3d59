"""One segment: build the field, fit it, turn it into integers of the right size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nvcodec.config.job import Job
from nvcodec.config.target import TargetKind
from nvcodec.container import BaseSegment
from nvcodec.decoder.check import sample
from nvcodec.decoder.render import render
from nvcodec.encoder.fit.companion import companion_of
from nvcodec.encoder.fit.draw import TILE_MARGIN_CELLS, Painter, tiles
from nvcodec.encoder.fit.events import EventHandler
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.plan.memory import available_bytes, fit_bytes, tile_cells
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.entropy.payload import decode_tensors, encode_tensors
from nvcodec.models import registry
from nvcodec.models.base import VideoField
from nvcodec.quant.tensors import IntegerTensor
from nvcodec.types import Planes, VideoFormat

_PROBE_STEPS = 3


@dataclass(frozen=True)
class FittedSegment:
    """A segment ready to be written."""

    field: VideoField
    """Holds the parameters exactly as a decoder will have them."""
    tensors: list[IntegerTensor]
    payload: bytes
    """The tensors as coded."""
    steps: int
    estimated_bits: float | None
    """What the fit believes the payload to cost; None when the rate was not part of it."""
    earlier_s: float
    """Seconds of fitting before the encode was resumed."""

    @property
    def gops(self) -> tuple[int, ...]:
        """First frame of each group of pictures."""
        return self.field.geometry.gops

    @property
    def parameters(self) -> int:
        """Coded parameters."""
        return sum(tensor.spec.size for tensor in self.tensors)

    def samples(self, video: VideoFormat) -> tuple[int, ...]:
        """The picture samples of the segment's digest."""

        def drawn(frame: int) -> Planes:
            return next(render(self.field, [frame], video, 1))

        return sample(drawn, video, self.field.geometry.frames)


class SegmentFit:
    """The fit of one segment and what follows it.

    Args:
        job: What was asked for.
        plan: The network.
        index: Which segment of the plan.
        clip: The segment's frames, on the device that fits.
        room: Largest payload in bytes; None when quality decides.
        on_event: Hears of fallbacks.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        index: int,
        clip: Clip,
        room: int | None,
        on_event: EventHandler,
    ) -> None:
        self.job, self.clip = job, clip
        psnr_db = job.target.value + clip.exempt_db if job.target.kind is TargetKind.PSNR else None
        self.goal = Goal(room, psnr_db, plan.crf)
        geometry = plan.geometry(index, clip.format)
        self.field = registry.by_name(job.model).build(plan.network, geometry).to(clip.planes[0].device)
        self.flat = FlatField(self.field)
        free = available_bytes(str(clip.planes[0].device)) // job.config.fit.batch
        cells = tile_cells(plan.network, geometry, TILE_MARGIN_CELLS, free)
        painter = Painter(self.flat, tiles(cells, plan.network.base_size(geometry)), on_event, job.config.loss.fill)
        self.memory_bytes = fit_bytes(plan.network, geometry, clip.nbytes, cells, TILE_MARGIN_CELLS)
        self.parameters = self.flat.vector.numel()
        budget = Budget(plan.steps[index])
        config = job.config.fit
        companion = companion_of(job.model, self.field) if config.companion_until else None
        self.fit = Fit(painter, clip, config, job.config.loss, self.goal.weight(), budget, plan.gop, companion)

    def end_after(self, seconds: float | None) -> None:
        """Plan the fit in seconds instead of the plan's steps; None leaves it."""
        self.fit.budget.seconds = seconds

    @property
    def steps_done(self) -> int:
        """Steps taken so far."""
        return self.fit.budget.done_steps

    def probe(self) -> float:
        """Seconds per step, measured without moving the fit."""
        return self.fit.probe(_PROBE_STEPS)

    def state(self) -> State:
        """What a resume file must hold."""
        return fit_state.save(self.fit)

    def load(self, state: State) -> None:
        """Continue from :meth:`state`.

        Raises:
            InputError: The state belongs to another network, as planned by another version.
        """
        fit_state.load(self.fit, state)

    def run(self, on_event: EventHandler, should_stop: Callable[[], bool]) -> FittedSegment:
        """Fit to the end, then find the integers.

        Raises:
            StopRequested: ``should_stop`` returned true.
        """
        self.fit.run(on_event, should_stop)
        return self._fitted(self.goal.land(self.fit))

    def landed(self, room: int) -> FittedSegment:
        """The segment with a payload of at most ``room`` bytes, from where the fit ended."""
        return self._fitted(replace(self.goal, room=room).land(self.fit))

    def finished(self, segment: BaseSegment) -> FittedSegment:
        """The segment as an earlier run left it."""
        self.fit.grouping.split(segment.gops)
        return self._fitted(decode_tensors(segment.payload, self.flat.specs))

    def _fitted(self, tensors: list[IntegerTensor]) -> FittedSegment:
        load_integers(self.field, tensors)
        return FittedSegment(
            self.field,
            tensors,
            encode_tensors(tensors),
            self.steps_done,
            self.fit.estimate(tensors),
            self.fit.budget.done_seconds,
        )
