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
from nvcodec.encoder.fit.events import EventHandler
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.parts.part import Chunks, Context, Fitted, Part, Room, measuring_s, packing_s
from nvcodec.encoder.plan.memory import available_bytes, fit_bytes, tile_cells
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.previews.preview import MOST_FRAMES, make_previews, planned_previews, room_bytes, size_bytes
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.entropy.payload import decode_tensors, encode_tensors
from nvcodec.models.base import PyramidField
from nvcodec.models.config import FieldConfig
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import Planes

_PROBE_STEPS = 3
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
        free = available_bytes(str(self.context.device)) // settings.fit.batch
        cells = tile_cells(self.network, geometry, TILE_MARGIN_CELLS, free)
        windows = tiles(cells, self.network.base_size(geometry))
        painter = Painter(flat, windows, self.context.on_event, settings.loss.fill)
        self._memory_bytes = fit_bytes(self.network, geometry, clip.nbytes, cells, TILE_MARGIN_CELLS)
        self.both = self.room(self.network, _NONE)
        self.goal = Goal(None if self.both is None else self.both - self.reserved_bytes, self._psnr_db(), plan.crf)
        kind = ROWS[plan.model.name].companion
        companion = new_companion(kind, field) if kind and settings.fit.companion_until else None
        budget = Budget(plan.steps[self.index])
        self.fit = Fit(painter, clip, settings.fit, settings.loss, self.goal.weight(), budget, settings.gop, companion)

    @property
    def memory_bytes(self) -> int:
        """See :class:`Part`."""
        return self._memory_bytes

    def probe(self) -> float:
        """See :class:`Part`."""
        return self.fit.probe(_PROBE_STEPS)

    def closing_s(self) -> float:
        """Previews take further frames to learn from, and further packing."""
        usual = super().closing_s()
        if not self.shapes:
            return usual
        samples = sum(min(MOST_FRAMES, span.frames) * self._samples(span) for span in self.plan.spans)
        return usual + 4 * measuring_s(self.clip) * samples + packing_s(self.parameters)

    def run(self, on_event: EventHandler, should_stop: Callable[[], bool]) -> Fitted:
        """See :class:`Part`."""
        self.fit.run(on_event, should_stop)
        tensors = self.goal.land(self.fit)
        if (
            self.both is not None and self.shapes
        ):  # now that heads can be found, it shows how much they leave to the rest
            found, _ = self._heads(tensors)
            room = max(1, self.both - math.ceil(_HEADS_VARY * size_bytes(found)))
            tensors = replace(self.goal, room=room).land(self.fit)
        return self._fitted(tensors)

    def finished(self, state: State) -> Fitted:
        """See :class:`Part`."""
        self.choose(None, lambda: False)
        with fit_state.matching():
            payload, gops = state["payload"].tobytes(), tuple(state["gops"].tolist())
            self.budget.done_steps, self.budget.done_seconds = int(state["steps"]), float(state["seconds"])
        self.fit.grouping.split(gops)
        return self._fitted(decode_tensors(payload, self.fit.flat.specs))

    def _fitted(self, tensors: list[IntegerTensor]) -> Fitted:
        load_integers(self.field, tensors)
        payload, gops, span = encode_tensors(tensors), self.field.geometry.gops, self.span

        def drawn(frame: int) -> Planes:
            return next(render(self.field, [frame], self.clip.format, 1))

        heads, left_out = self._heads(tensors, len(payload))
        if self.job.options.preview and not self.shapes:
            left_out = ["no preview: this network draws its pictures in its last block"]
        samples = sample(drawn, self.clip.format, span.frames)
        chunks = Chunks(
            segments=(BaseSegment(span.stream, span.first, span.frames, payload, gops),),
            digests=(SegmentDigest(span.ordinal, digest(tensors), samples),),
            previews=tuple(heads),
        )
        return Fitted(
            self.network,
            tensors,
            payload,
            self.budget.done_steps,
            self.fit.estimate(tensors),
            self.budget.done_seconds,
            chunks,
            {
                "payload": np.frombuffer(payload, np.uint8),
                "gops": np.array(gops),
                "steps": np.int64(self.budget.done_steps),
                "seconds": np.float64(self.budget.elapsed),
            },
            tuple(left_out),
        )

    def _heads(self, tensors: list[IntegerTensor], taken: int | None = None) -> tuple[list[PreviewHead], list[str]]:
        """The previews of what the network draws with some integers, and why others are left out."""
        if taken is None:
            load_integers(self.field, tensors)
            taken = len(encode_tensors(tensors))
        left = None if self.both is None else self.both - taken
        return make_previews(self.field, self.shapes, self.clip.format, self.span.ordinal, left)

    def _psnr_db(self) -> float | None:
        target = self.job.target
        return target.value + self.clip.exempt_db if target.kind is TargetKind.PSNR else None
