"""One step of a fit: what the device does in it. Nothing in here waits for the device, so a step can be recorded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nvcodec.config.fit import Rounding
from nvcodec.encoder.fit.branches import Branches
from nvcodec.encoder.fit.companion import Guide
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.flat_planes import FlatPlanes
from nvcodec.encoder.fit.grouping import Grouping
from nvcodec.encoder.fit.loss import Distortion, picture_error
from nvcodec.encoder.fit.optimiser import FieldOptimiser
from nvcodec.encoder.fit.quantiser import Quantiser
from nvcodec.encoder.footage.clip import Footage

NEVER = -1.0
"""The error of a frame that was not drawn yet."""


class Kind(NamedTuple):
    """What a step does; steps of one kind do the same, with other numbers."""

    rounding: Rounding
    rated: bool
    """Whether it sees the rate."""
    fading: bool
    """Whether auxiliary terms of the loss still count."""
    guided: bool
    """Whether a companion decides the per-frame values."""
    apart: bool
    """Whether groups of pictures have parameters of their own."""


class Dials(NamedTuple):
    """Numbers that change from step to step, 0-d float32 on the device: a recorded step reads them there."""

    price: Tensor
    """What a bit costs, in units of the distortion."""
    fade: Tensor
    """Weight of auxiliary terms of the loss."""
    guidance: Tensor
    """Weight of the companion's own loss."""


class Stepper:
    """Draw, compare, learn.

    Args:
        painter: Draws the field to fit; the field's vector is trained in place.
        clip: The source.
        quantiser, distortion, guide, branches, grouping, flat_planes, optimiser: The parts of a step.
        clip_norm: Largest norm of the gradient.
        noting: Whether the source hears of every step, see :class:`Footage`.
    """

    def __init__(
        self,
        painter: Painter,
        clip: Footage,
        quantiser: Quantiser,
        distortion: Distortion,
        guide: Guide,
        branches: Branches,
        grouping: Grouping,
        flat_planes: FlatPlanes,
        optimiser: FieldOptimiser,
        *,
        clip_norm: float,
        noting: bool,
    ) -> None:
        self.painter, self.clip, self.quantiser, self.distortion = painter, clip, quantiser, distortion
        self.guide, self.branches, self.grouping = guide, branches, grouping
        self.flat_planes, self.optimiser = flat_planes, optimiser
        self._clipped = [painter.flat.vector, *branches.parameters()]
        self.flat, self.clip_norm, self.noting = painter.flat, clip_norm, noting
        device = self.flat.vector.device
        self.dials = Dials(*(torch.zeros((), device=device) for _ in Dials._fields))
        self.bits = torch.full((), math.nan, device=device)
        """Bits that the field costs by the fit's own model, in the last step that saw the rate."""
        self.frame_errors = torch.full((len(clip),), NEVER, device=device)
        """Error of every frame when it was last drawn."""

    def take(self, kind: Kind, frames: Tensor, places: Tensor, weigh: Callable[[], None] | None = None) -> None:
        """Take a step.

        Args:
            kind: What it does.
            frames: What to draw, int64 [B]: on the device for a field that can be captured, else in CPU memory.
            places: The same on the device.
            weigh: Called when it is known what the field costs: who need not fear to wait sets the price then.
        """
        vector = self.flat.vector
        floats, penalty = self.guide.place(places) if kind.guided else (vector, None)
        floats = self.branches.place(floats)
        rounded = self.quantiser.apply(floats, kind.rounding)
        (planes, features), targets = self.painter.train(rounded, self.clip, frames, compiled=kind.apart)
        fade = self.dials.fade if kind.fading else None
        loss = self.distortion(planes, targets, features, fade)
        if penalty is not None:
            loss = loss + self.dials.guidance * penalty
        if kind.rated:
            bits = self.quantiser.bits(floats)
            self.bits.copy_(bits.detach())
            if weigh is not None:
                weigh()
            loss = loss + self.dials.price * bits
        loss.backward()
        self.guide.hold()
        self.grouping.hold()
        self.flat_planes.hold()
        torch.nn.utils.clip_grad_norm_(self._clipped, self.clip_norm)
        self.optimiser.step()
        self.branches.fold()
        self.quantiser.clamp()
        with torch.no_grad():
            errors = picture_error(planes, targets, self.flat.field.geometry.chroma)
            if self.noting:
                self.clip.note(int(frames[0]), planes, targets)
            self.frame_errors[places] = errors.view(len(places), -1).mean(dim=1)

    def rehearse(self, frames: Tensor) -> None:
        """Go through the expensive half of a step, and move nothing."""
        floats = self.flat.vector
        vector = self.quantiser.apply(floats, Rounding.HARD)
        (planes, features), targets = self.painter.train(vector, self.clip, frames)
        self.distortion(planes, targets, features, None).backward()
        for moved in (floats, self.quantiser.log2_steps, *self.distortion.parameters()):
            moved.grad = None

    @property
    def mean_error(self) -> Tensor:
        """Mean error of the frames as they were last drawn, a scalar; not a number if one is."""
        return self._mean_over_frames(self.frame_errors)

    @property
    def psnr_db(self) -> Tensor:
        """Mean PSNR of the frames as they were last drawn, a scalar."""
        return self._mean_over_frames(-10 * torch.log10(self.frame_errors.clamp_min(1e-10)))

    def _mean_over_frames(self, values: Tensor) -> Tensor:
        drawn = self.frame_errors != NEVER
        return values.masked_fill(~drawn, 0).sum() / drawn.sum()
