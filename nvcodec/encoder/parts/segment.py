"""One segment, one network: the part of the models that draw every frame for itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import final

import numpy as np

from nvcodec.config.target import TargetKind
from nvcodec.container import BaseSegment, KeyFrames, PreviewHead, SegmentDigest
from nvcodec.decoder.check import sample
from nvcodec.decoder.render import render
from nvcodec.encoder.fit.companion import new_companion
from nvcodec.encoder.fit.draw import TILE_MARGIN_CELLS, Painter, tiles
from nvcodec.encoder.fit.events import Notice
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.parts.part import Chunks, Context, Part, Room, measuring_s, packing_s
from nvcodec.encoder.plan.memory import available_bytes, fit_bytes, tile_cells
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.previews.preview import MOST_FRAMES, make_previews, planned_previews, room_bytes, size_bytes
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.entropy.payload import encode_tensors
from nvcodec.models.base import PyramidField
from nvcodec.models.config import FieldConfig
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import Planes

_HEADS_VARY = 1.02
"""Heads of the network as it is rounded in the end take about what they took before, but not to the byte."""
_NONE: Mapping[int, KeyFrames] = {}


@final
class SegmentPart(Part):
    """See :class:`nvcodec.encoder.parts.part.Part`."""

    network: FieldConfig

    def __init__(self, context: Context, index: int, room: Room) -> None:
        super().__init__(context, index, room)
        (self.span,), (clip,) = self.spans, self.clips
        self.clip = clip.to(context.device)
        self.shapes = planned_previews(self.plan, clip.format) if self.job.options.preview else []
        self.reserved_bytes = sum(map(room_bytes, self.shapes))

    def choose(self, state: State | None, should_stop: Callable[[], bool]) -> None:
        """Everything is in the plan."""
        self.seed()
        plan, settings, clip = self.plan, self.plan.settings, self.clip
        assert isinstance(plan.network, FieldConfig)
        self.network = plan.network
        geometry = plan.geometry(self.span, clip.format)
        field = plan.model.build(self.network, geometry).to(self.context.device)
        assert isinstance(field, PyramidField)
        self.field, flat = field, FlatField(field)
        self._free = available_bytes(str(self.context.device)) // settings.fit.batch
        self._cells = tile_cells(self.network, geometry, TILE_MARGIN_CELLS, self._free)
        windows = tiles(self._cells, self.network.base_size(geometry))
        painter = Painter(flat, windows, self.context.on_event, settings.loss.fill)
        self.both = self.room(self.network, _NONE)
        self.goal = Goal(None if self.both is None else self.both - self.reserved_bytes, self._psnr_db(), plan.crf)
        kind = ROWS[plan.model.name].companion
        companion = new_companion(kind, field) if kind and settings.fit.companion_until else None
        budget = Budget(plan.steps[self.index])
        self.fit = Fit(painter, clip, settings.fit, settings.loss, self.goal.weight(), budget, settings.gop, companion)

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
        """Previews take further frames to learn from and to be judged by, and further packing."""
        usual = super().closing_s()
        if not self.shapes:
            return usual
        samples = sum(min(MOST_FRAMES, span.frames) * self._samples(span) for span in self.plan.spans)
        return usual + 5 * measuring_s(self.clip) * samples + packing_s(self.parameters)

    def integers(self) -> list[IntegerTensor]:
        """See :class:`Part`."""
        tensors = self.goal.land(self.fit)
        if self.both is not None and self.shapes:  # now that heads can be found, it shows what they leave to the rest
            load_integers(self.field, tensors)
            found, _ = self._heads(len(encode_tensors(tensors)))
            room = max(1, self.both - math.ceil(_HEADS_VARY * size_bytes(found)))
            tensors = replace(self.goal, room=room).land(self.fit)
        return tensors

    def kept(self) -> State:
        """Where groups of pictures begin."""
        return {"gops": np.array(self.field.geometry.gops)}

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
