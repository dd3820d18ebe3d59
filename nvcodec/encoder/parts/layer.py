"""One more layer on one segment: an enhancement network that draws from what is finished below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import numpy as np
import torch

from nvcodec.config.target import TargetKind
from nvcodec.container import PackModelId, PackSegment
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.decoder.session import Session
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.parts.part import Chunks, Context, Part, Room
from nvcodec.encoder.plan.memory import available_bytes
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.models import pack_registry
from nvcodec.models.een import EEN
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import IntegerTensor, digest

_PROGRAM_BYTES = 400_000_000


def new_pack(
    session: Session, ordinal: int, network: EENConfig, tensors: list[IntegerTensor], payload: bytes, psnr_db: float
) -> PackSegment:
    """The pack of one more layer on a segment of a bitstream; ``psnr_db`` is what the pictures are worth with it."""
    layer = session.container.layers + 1
    return PackSegment(
        segment=ordinal,
        layer=layer,
        parent=session.container.layer_id(ordinal, layer - 1),
        model_id=PackModelId.EEN,
        config=network.to_bytes(),
        integers=digest(tensors),
        psnr_mdb=max(0, round(1000 * psnr_db)),
        payload=payload,
    )


@final
class LayerPart(Part):
    """See :class:`nvcodec.encoder.parts.part.Part`. The bitstream below is ``context.base``."""

    network: EENConfig

    def __init__(self, context: Context, index: int, room: Room) -> None:
        super().__init__(context, index, room)
        assert context.base is not None
        self.base, self.session = context.base, context.base.session
        (self.span,), (clip,) = self.spans, self.clips
        self.clip = clip.to(context.device)
        self.layer = self.session.container.layers + 1
        pyramid = self.session.pyramid(self.session.container.segments[self.span.ordinal])
        assert pyramid is not None
        self.pyramid = pyramid

    @property
    def title(self) -> str:
        """See :class:`Part`."""
        return f"layer {self.layer} on {self.session.model.name}"

    def choose(self, state: State | None, should_stop: Callable[[], bool]) -> None:
        """Everything is in the plan."""
        self.seed()
        plan, settings = self.plan, self.plan.settings
        assert isinstance(plan.network, EENConfig)
        self.network = plan.network
        flat, target = FlatField(self._fresh()), self.job.target
        psnr_db = target.value if target.kind is TargetKind.PSNR else None
        self.goal = Goal(self.room(self.network, {}), psnr_db, plan.crf)
        config = replace(settings.fit, batch=min(settings.fit.batch, self.span.frames))
        painter, budget = Painter(flat, [], self.context.on_event), Budget(plan.steps[self.index])
        self.fit = Fit(painter, self.clip, config, settings.loss, self.goal.weight(), budget)

    @property
    def memory_bytes(self) -> int:
        """See :class:`Part`."""
        return _PROGRAM_BYTES + sum(clip.nbytes + len(clip) * self.pyramid.nbytes for clip in self.context.clips)

    def chunks(self, tensors: list[IntegerTensor], payload: bytes) -> Chunks:
        """See :class:`Part`."""
        psnr_db = self.fit.painter.psnr_db(self.fit.flat.vector_of(tensors), self.clip)
        return Chunks(packs=(new_pack(self.session, self.span.ordinal, self.network, tensors, payload, psnr_db),))

    def state(self) -> State:
        """See :class:`Part`."""
        groups = [[int(enhanced), *frames] for enhanced, frames in self.below.history()]
        lengths = np.array([len(group) for group in groups], np.int64)
        return {**super().state(), "below": np.array(sum(groups, []), np.int64), "below.lengths": lengths}

    def load(self, state: State) -> None:
        """See :class:`Part`."""
        with fit_state.matching():
            groups = np.split(state["below"], np.cumsum(state["below.lengths"])[:-1])
            self.below.repeat((bool(group[0]), group[1:].tolist()) for group in groups)
        super().load(state)

    def _fresh(self) -> EEN:
        """A network that changes nothing yet: with the trunk of the layer below where that has the same shape."""
        device, ordinal = self.base.device, self.span.ordinal
        geometry = self.session.geometry(self.session.container.segments[ordinal])
        self.below = below = FinishedLayers(self.session.field(ordinal, device), available_bytes(device) // 2)
        finished = [self.session.field(ordinal, device, layer) for layer in range(1, self.layer)]
        for pack in finished:
            assert isinstance(pack, EEN)
            below.add(pack)
        network = pack_registry.build(self.network, geometry, self.pyramid, below)
        if finished and finished[-1].config == self.network:
            trunk = {name: value for name, value in finished[-1].state_dict().items() if not name.startswith("head.")}
            network.load_state_dict(trunk, strict=False)
        return network.to(torch.device(device))
