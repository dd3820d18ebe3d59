"""One segment, one network: the part of the models that draw every frame for itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import final

import numpy as np
import torch

from nvcodec.config.target import TargetKind
from nvcodec.container import BaseSegment, KeyFrames, PreviewHead, SegmentDigest
from nvcodec.decoder.check import SAMPLED_FRAMES, sample
from nvcodec.decoder.render import render
from nvcodec.encoder.fit.companion import new_companion
from nvcodec.encoder.fit.draw import TILE_MARGIN_CELLS, Painter, tiles
from nvcodec.encoder.fit.events import Notice
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import MOST_LOOKS_AT_PICTURES, load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget, Deadline
from nvcodec.encoder.parts.attempts import Attempts
from nvcodec.encoder.parts.in_time import begin_measuring
from nvcodec.encoder.parts.part import USUAL_CLOSING_S, Chunks, Context, Part, Room, stored_network
from nvcodec.encoder.plan.memory import activation_bytes, available_bytes, fit_bytes, tile_cells
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.plan.sizing import schedule_steps
from nvcodec.encoder.previews.preview import (
    learned_frames,
    learning_s,
    make_previews,
    planned_previews,
    room_bytes,
    size_bytes,
)
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import UsageError
from nvcodec.models.base import PyramidField
from nvcodec.models.config import FieldConfig
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import Planes

_HEADS_VARY = 1.02
"""Heads of the network as it is rounded in the end take about what they took before, but not to the byte."""
_MARGIN = 1.15
"""What comes behind a fit takes so much longer than its parts."""
_MOST_BITS = 8
"""Bits that a parameter has use for."""
_NONE: Mapping[int, KeyFrames] = {}


@final
class SegmentPart(Part):
    """See :class:`nvcodec.encoder.parts.part.Part`."""

    network: FieldConfig

    def __init__(self, context: Context, index: int, room: Room) -> None:
        super().__init__(context, index, room)
        (self.span,), (clip,) = self.spans, self.clips
        self.clip = clip.to(context.device)

    def choose(self, state: State | None, should_stop: Callable[[], bool]) -> None:
        """The network, which is in the plan unless time leads to a smaller one."""
        if state is not None:
            with fit_state.matching():
                network = self.plan.model.config(state["network"].tobytes(), state["choices"].tobytes())
            self.begin(replace(self.plan, network=network))
        elif self.context.deadline is None or self.index > 0:
            self.begin(self.plan)
        else:
            self._begin_in_time(self.context.deadline, should_stop)

    def begin(self, plan: Plan) -> None:
        """Build the fit of a plan."""
        self.seed()
        self.plan, settings, clip = plan, plan.settings, self.clip
        assert isinstance(plan.network, FieldConfig)
        self.network = plan.network
        self.shapes = planned_previews(plan, clip.format) if self.job.options.preview else []
        self.reserved_bytes = sum(map(room_bytes, self.shapes))
        geometry = plan.geometry(self.span, clip.format)
        field = plan.model.build(self.network, geometry).to(self.context.device)
        assert isinstance(field, PyramidField)
        self.field, flat = field, FlatField(field)
        self._free = available_bytes(str(self.context.device)) // settings.fit.batch
        self._cells = tile_cells(self.network, geometry, TILE_MARGIN_CELLS, self._free)
        windows = tiles(self._cells, self.network.base_size(geometry))
        painter = Painter(flat, windows, self.context.on_event, settings.loss.fill)
        self.both = self._room(flat.vector.numel())
        self.goal = Goal(None if self.both is None else self.both - self.reserved_bytes, self._psnr_db(), plan.crf)
        kind = ROWS[plan.model.name].companion
        companion = new_companion(kind, field) if kind and settings.fit.companion_until else None
        budget = Budget(plan.steps[self.index])
        self.fit = Fit(painter, clip, settings.fit, settings.loss, self.goal.weight(), budget, settings.gop, companion)

    def _begin_in_time(self, deadline: Deadline, should_stop: Callable[[], bool]) -> None:
        """Build the fit of a network that can be fitted by then: tried on this machine, a few steps of each."""
        begin_measuring(self)
        attempts = Attempts(self, deadline, should_stop)
        # a GPU would compile each of them, which takes longer than it gains
        options, on_cuda = self.job.options, self.context.device.type == "cuda"
        as_planned = options.parameters is not None or options.recipe is not None or on_cuda
        tried = attempts.planned() if as_planned else attempts.best()
        self.warnings = attempts.said_of(tried)
        self.begin(tried.plan)

    def _room(self, parameters: int) -> int | None:
        """Bytes for parameters and previews: what a network that time has made small has no use for is left."""
        room, options = self.room(self.network, _NONE), self.job.options
        if room is None or self.context.deadline is None or options.parameters is not None:
            return room
        return min(room, self.reserved_bytes + parameters * _MOST_BITS // 8)

    @property
    def memory_bytes(self) -> int:
        """See :class:`Part`."""
        geometry = self.field.geometry
        return fit_bytes(self.network, geometry, self.clip.nbytes, self._cells, TILE_MARGIN_CELLS)

    def _with_less_memory(self) -> None:
        """See :class:`Part`: half of it, in smaller tiles, as often as that helps."""
        geometry, before = self.field.geometry, self._cells
        while self._cells == before and self._free:
            self._free //= 2
            self._cells = tile_cells(self.network, geometry, TILE_MARGIN_CELLS, self._free)
        if self._cells == before or self._cells is None:
            super()._with_less_memory()
        self.fit.retreat(tiles(self._cells, self.network.base_size(geometry)))
        self.context.on_event(Notice("memory is short: pictures are drawn in tiles, which is slower"))

    def closing_s(self) -> float:
        """See :class:`Part`; drawing is counted frame by frame, of this part and all later ones."""
        spans = [span for part in self.plan.parts[self.index :] for span in part]
        fitted, judged = sum(span.frames for span in spans), len(self.clip.typical())
        drawn = sum(map(len, self.context.clips)) + len(spans) * (judged + 2 * SAMPLED_FRAMES)
        packing_s, previews_s = self.packing_s(), 0.0
        if self.goal.psnr_db is not None:
            drawn += MOST_LOOKS_AT_PICTURES * fitted
        if self.shapes:
            times = 1 if self.both is None else 2
            drawn += times * sum(len(learned_frames(self.plan.geometry(span, self.clip.format))) for span in spans)
            packing_s *= times
            previews_s = times * sum(map(learning_s, self.shapes))
        spent_s = drawn * self._drawing_s() + self.measuring_s + len(spans) * (packing_s + previews_s)
        return USUAL_CLOSING_S + _MARGIN * self.crowding * spent_s

    def _drawing_s(self) -> float:
        """Seconds that drawing a frame takes."""
        times = []
        with suppress(torch.OutOfMemoryError):  # the probe of the fit sees to that
            for _ in range(3):  # the first time also warms up
                began = self.clock()
                self.fit.painter.errors(self.fit.flat.vector, self.clip, [0])
                self.fit.painter.wait()
                times.append(self.clock() - began)
        return min(times, default=0.0)

    def quick_s(self, step_s: float) -> float | None:
        """See :class:`Part`; a step takes as long as what it keeps is large, roughly."""
        plan, video = self.plan, self.clip.format
        (quick, *_) = ROWS[plan.model.name].presets.values()
        try:
            other = plan.resized(video, quick, plan.parameters_for_bits(quick))
        except UsageError:  # settings that only suit the blocks of this preset
            return None
        assert isinstance(other.network, FieldConfig)
        sizes = [activation_bytes(each, plan.geometry(self.span, video)) for each in (other.network, self.network)]
        steps = sum(schedule_steps(quick, plan.settings.fit.batch, span.frames, None) for span in plan.spans)
        return step_s * sizes[0] / sizes[1] * steps

    def integers(self) -> list[IntegerTensor]:
        """See :class:`Part`."""
        tensors = self.goal.land(self.fit)
        if self.both is not None and self.shapes:  # now that heads can be found, it shows what they leave to the rest
            load_integers(self.field, tensors)
            found, _ = self._heads(len(encode_tensors(tensors)))
            room = max(1, self.both - math.ceil(_HEADS_VARY * size_bytes(found)))
            tensors = replace(self.goal, room=room).land(self.fit)
        return tensors

    def state(self) -> State:
        """The network too, which may be that of another machine's time."""
        return {**super().state(), **stored_network(self.network)}

    def kept(self) -> State:
        """The network, and where groups of pictures begin."""
        return {**stored_network(self.network), "gops": np.array(self.field.geometry.gops)}

    def restore(self, state: State) -> None:
        """See :class:`Part`."""
        self.fit.grouping.split(tuple(state["gops"].tolist()))

    def chunks(self, tensors: list[IntegerTensor], payload: bytes) -> Chunks:
        """See :class:`Part`."""
        load_integers(self.field, tensors)
        span, video = self.span, self.clip.format

        def drawn(frame: int) -> Planes:
            return next(render(self.field, [frame], video, 1))

        heads, left_out = self._heads(len(payload))
        if self.job.options.preview and not self.shapes:
            left_out = ["no preview: this network draws its pictures in its last block"]
        base = BaseSegment(span.stream, span.first, span.frames, payload, self.field.geometry.gops)
        checked = SegmentDigest(span.ordinal, digest(tensors), sample(drawn, video, span.frames))
        return Chunks((base,), digests=(checked,), previews=tuple(heads), problems=tuple(left_out))

    def _heads(self, taken: int) -> tuple[list[PreviewHead], list[str]]:
        """The previews of what the network draws now, and why others are left out; its parameters take ``taken``."""
        left = None if self.both is None else self.both - taken
        return make_previews(self.field, self.shapes, self.clip, self.span.ordinal, left)

    def _psnr_db(self) -> float | None:
        target = self.job.target
        return target.value + self.clip.exempt_db if target.kind is TargetKind.PSNR else None
