"""A base and its enhancement layers fitted at once (QS-NeRV, Table 9): a file like any other, made in another way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.ablation.runs import Place, Run
from nvcodec.api.checks import settled
from nvcodec.config.job import Job
from nvcodec.config.target import TargetKind
from nvcodec.container import BaseSegment, SegmentDigest, appended
from nvcodec.decoder.check import sample
from nvcodec.decoder.render import render
from nvcodec.decoder.session import Session
from nvcodec.encoder.file import NewFile
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import EventHandler, ignore
from nvcodec.encoder.fit.fit import Fit, StopRequested
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.read import SourceVideo, read_videos
from nvcodec.encoder.parts.layer import new_pack
from nvcodec.encoder.parts.part import Chunks, Fitted
from nvcodec.encoder.plan.layer import layer_settings, plan_layer
from nvcodec.encoder.plan.plan import Plan, make_plan
from nvcodec.encoder.report import encode_result, measured
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import InterruptedEncodeError
from nvcodec.models import pack_registry
from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, PyramidField, VideoField
from nvcodec.models.config import FieldConfig
from nvcodec.models.een import EEN
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import IntegerTensor, TensorSpec, digest

_ROOM_FOR_IDS = 1 << 20


class Live:
    """A base as layers see it while it learns with them: what it has just drawn."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.drawing: Drawing | None = None

    def draw(self, base: VideoField, frames: Tensor) -> None:
        """Draw frames and their neighbours."""
        last = base.geometry.frames - 1
        near = sorted({min(max(frame + way, 0), last) for frame in frames.tolist() for way in (-1, 0, 1)})
        self.rows = {frame: row for row, frame in enumerate(near)}
        self.drawing = base(torch.tensor(near, device=next(base.parameters()).device))

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        """See :class:`nvcodec.models.een.Below`."""
        assert self.drawing is not None
        return [level[self._rows(frames)] for level in self.drawing.features]

    def planes(self, frames: Tensor) -> PlaneTensors:
        """See :class:`nvcodec.models.een.Below`."""
        assert self.drawing is not None
        return tuple(plane[self._rows(frames)] for plane in self.drawing.planes)

    def _rows(self, frames: Tensor) -> list[int]:
        return [self.rows[frame] for frame in frames.tolist()]


class Jointly(VideoField):
    """A base and layers as one field, whose tensors are all of theirs."""

    def __init__(self, base: PyramidField, packs: Sequence[EEN], live: Live) -> None:
        super().__init__()
        self.base, self.packs, self.live = base, nn.ModuleList(packs), live
        self.geometry, self.scale, self.interleaved = base.geometry, base.scale, base.interleaved
        self.fields: dict[str, VideoField] = {"base": base}
        self.fields |= {f"packs.{number}": pack for number, pack in enumerate(packs)}
        self.specs = [
            replace(spec, id=number * _ROOM_FOR_IDS + spec.id, name=f"{name}.{spec.name}")
            for number, (name, field) in enumerate(self.fields.items())
            for spec in field.specs
        ]
        self.branched = [f"{name}.{conv}" for name, field in self.fields.items() for conv in field.branched]

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """See :class:`VideoField`."""
        assert window is None
        self.live.draw(self.base, frames)
        planes = self.live.planes(frames)
        for pack in self.packs:
            assert isinstance(pack, EEN)
            planes = tuple(under + own for under, own in zip(planes, pack.residual(frames), strict=True))
        return Drawing(planes, [])

    def draw_anew(self, on: bool) -> None:
        """See :class:`VideoField`."""
        self.base.draw_anew(on)

    def tensors_of(self, part: str, tensors: Sequence[IntegerTensor]) -> list[IntegerTensor]:
        """Those of the base or of a layer, under their own names."""
        own: dict[str, TensorSpec] = {f"{part}.{spec.name}": spec for spec in self.fields[part].specs}
        return [replace(each, spec=own[each.spec.name]) for each in tensors if each.spec.name in own]


def encode_jointly(
    run: Run, place: Place, output: Path, on_event: EventHandler, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Encode a run at once, into a file with layers; the result as JSON (schema ``nvc-encode/1``).

    Raises:
        InterruptedEncodeError: ``should_stop`` returned true; nothing is kept.
    """
    started, row = time.monotonic(), run.configuration
    options = settled(replace(run.options, device=place.device, threads=place.threads), ignore)
    torch.set_num_threads(place.threads)
    job = Job((str(place.source),), str(output), options)
    videos = read_videos(job)
    plan = make_plan([(video.source.format, len(video.source)) for video in videos], options)
    more = [row.layer_options(run.clip, number, options) for number in range(1, len(row.layers) + 1)]
    torch.manual_seed(options.seed)
    field = _network(plan, videos[0], [(round(each.parameters or 1), layer_settings(each).layer) for each in more])
    flat = FlatField(field.to(place.device))
    goal = Goal(None, None, plan.crf)
    assert job.target.kind is TargetKind.CRF or plan.settings.fit.fixed_bits
    clip = videos[0].seen(plan.domain).to(torch.device(place.device))
    fit = Fit(
        Painter(flat, [], on_event), clip, plan.settings.fit, plan.settings.loss, goal.weight(), Budget(plan.steps[0])
    )
    try:
        fit.run(on_event, should_stop)
    except StopRequested:
        raise InterruptedEncodeError("stopped; a joint fit begins anew", "Give the same command again") from None
    tensors = goal.land(fit)
    return _written(job, plan, videos, field, tensors, fit.budget.done_steps, started)


def _network(plan: Plan, video: SourceVideo, layers: Sequence[tuple[int, Any]]) -> Jointly:
    assert isinstance(plan.network, FieldConfig)
    geometry = plan.geometry(plan.spans[0], video.source.format)
    pyramid = plan.network.pyramid(geometry)
    assert pyramid is not None
    base, live = plan.model.build(plan.network, geometry), Live()
    assert isinstance(base, PyramidField)
    configs = [plan_layer(pyramid, geometry, parameters, layer) for parameters, layer in layers]
    return Jointly(base, [pack_registry.build(config, geometry, pyramid, live) for config in configs], live)


def _written(
    job: Job,
    plan: Plan,
    videos: Sequence[SourceVideo],
    field: Jointly,
    tensors: list[IntegerTensor],
    steps: int,
    started: float,
) -> dict[str, Any]:
    """The file of what was fitted, and its numbers."""
    (span,), (video,) = plan.spans, videos
    own, base, network = field.tensors_of("base", tensors), field.base, plan.network
    assert isinstance(network, FieldConfig)
    load_integers(base, own)
    samples = sample(
        lambda frame: next(render(base, [frame], video.source.format, 1)), video.source.format, span.frames
    )
    payload = encode_tensors(own)
    segment = BaseSegment(span.stream, span.first, span.frames, payload, field.geometry.gops)
    chunks = Chunks((segment,), digests=(SegmentDigest(span.ordinal, digest(own), samples),))
    fitted = [Fitted(network, own, payload, steps, None, 0.0, chunks, {})]
    file = NewFile(job, plan, videos, True)
    session = file.draft(fitted)
    found = measured(session, videos, job.options.device)
    file.complete(fitted, found.psnr_db(plan))
    path, parameters = Path(job.output), sum(tensor.spec.size for tensor in tensors)
    for name, pack in list(field.fields.items())[1:]:
        assert isinstance(pack, EEN) and isinstance(pack.config, EENConfig)
        data, added = path.read_bytes(), field.tensors_of(name, tensors)
        layer = new_pack(Session(data), 0, pack.config, added, encode_tensors(added), 0.0)
        path.write_bytes(data + appended(data, [layer]))
    found = measured(Session(path.read_bytes()), videos, job.options.device)
    size = path.stat().st_size
    plain = encode_result(job, plan, videos, fitted, found, size, time.monotonic() - started).to_json()
    return {**plain, "parameters": parameters, "layers": len(field.fields)}
