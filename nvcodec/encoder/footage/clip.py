"""The video being encoded, in memory as code values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvcodec.color import yuv_to_rgb
from nvcodec.errors import InputError
from nvcodec.models.base import PlaneTensors
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

_ROOM = 16
"""Frames of a video that does not say how many it has, to begin with."""


class Footage(Protocol):
    """What a fit draws against: frames, or what takes their place."""

    def __len__(self) -> int:
        """How many there are."""

    @property
    def pixels(self) -> int:
        """Luma samples of all together."""

    @property
    def nbytes(self) -> int:
        """Memory of the code values."""

    def peak(self, frame: int, /) -> int:
        """The largest code value of one."""

    @property
    def levels(self) -> tuple[float | None, ...]:
        """What is to be drawn everywhere in a plane that never changes, units of the largest code value; else None."""

    def typical(self) -> range:
        """A few that stand for all: one or two dozen pictures, spread evenly."""

    def note(self, frame: int, drawn: PlaneTensors, targets: PlaneTensors, /) -> None:
        """Hear how one was drawn in a step, float32 [pictures, rows, columns] each."""

    @property
    def noted(self) -> Tensor:
        """All that was heard, for resume files; written in place by who goes on."""

    @property
    def shown_db(self) -> Tensor | None:
        """Mean PSNR of all pictures as a decoder would show them now; None: that of the errors of each one drawn.

        float32 [] on the device, where nobody has waited for it; not a number while nothing is known.
        """

    def targets(self, frames: Tensor, /) -> PlaneTensors:
        """Planes of some of them, int64 [B], as float32 [B, rows, columns] in units of the largest code value.

        The tensor that says which is the one the field is given: see :attr:`VideoField.capturable`.
        """

    def hidden_in(self, frames: Tensor, /) -> PlaneTensors | None:
        """Where their samples are masked, bool, in the shapes of the targets; None: nowhere."""


@dataclass(frozen=True)
class Clip:
    """Frames of one stream in the coding domain.

    Code values stay integers (a quarter of the memory of floats) until a frame is drawn against.
    """

    format: VideoFormat
    """Format of the planes: that of the source, or RGB in the domain ``rgb``."""
    planes: PlaneTensors
    """uint8 (8 bit) or int16 (10 and 12 bit) [T, rows, columns], code values."""
    hidden: PlaneTensors | None = None
    """Where samples are masked, bool [T or 1, rows, columns]; None: nowhere."""
    stored: Clip | None = None
    """The same in the source's own domain, where that is another."""

    @classmethod
    def load(cls, source: Iterable[Planes], format: VideoFormat, frames: int | None) -> Clip:
        """Read a video into memory.

        Args:
            source: Its pictures, planes of ``format``.
            format: Their format.
            frames: Their number, so that memory is taken once; None when unknown. There may be more, or fewer.

        Raises:
            InputError: There is no picture.
        """
        arrays, count = _empty(format, frames or _ROOM), 0
        for planes in source:
            if count == len(arrays[0]):
                arrays = [np.concatenate([array, np.empty_like(array)]) for array in arrays]
            for array, plane in zip(arrays, planes, strict=True):
                array[count] = plane
            count += 1
        if count == 0:
            raise InputError("the video holds no frame")
        if frames is None or count > frames:
            arrays = [array[:count].copy() for array in arrays]  # room that was not needed is given back
        return cls(format, tuple(torch.from_numpy(array[:count]) for array in arrays))

    def __len__(self) -> int:
        return len(self.planes[0])

    @property
    def nbytes(self) -> int:
        """Memory of the code values, and of what is hidden of them."""
        return sum(plane.nbytes for plane in (*self.planes, *(self.hidden or ())))

    @property
    def pixels(self) -> int:
        """Luma samples of all frames."""
        return len(self) * self.format.width * self.format.height

    @property
    def exempt_db(self) -> float:
        """How much better pictures score whose hidden samples count as exact, than their other samples alone."""
        if self.hidden is None:
            return 0.0
        gains = [-10 * torch.log10((~plane).float().mean(dim=(1, 2)).clamp_min(1e-6)).mean() for plane in self.hidden]
        if self.format.chroma is ChromaFormat.RGB or len(gains) == 1:
            return float(gains[0])
        return sum(weight * float(gain) for weight, gain in zip((6 / 8, 1 / 8, 1 / 8), gains, strict=True))

    @property
    def levels(self) -> tuple[float | None, ...]:
        """See :class:`Footage`; what is hidden may be anything."""
        values = [self.only_value(plane) for plane in range(len(self.planes))]
        return tuple(None if value is None else value / self.format.peak for value in values)

    @property
    def is_flat(self) -> bool:
        """Whether it is one colour all the time."""
        return None not in self.levels

    def only_value(self, plane: int) -> int | None:
        """The code value that all samples of a plane have in all frames, but for hidden ones; None: they differ."""
        samples = self.planes[plane]
        if self.hidden is not None:
            samples = samples[~self.hidden[plane].expand_as(samples)]
        if not samples.numel():
            return None
        low, high = samples.aminmax()
        return int(low) if low == high else None

    def typical(self) -> range:
        """A dozen frames, or nearly two, spread evenly."""
        return range(0, len(self), max(1, len(self) // 12))

    def peak(self, _frame: int) -> int:
        """The largest code value of a frame."""
        return self.format.peak

    def note(self, _frame: int, _drawn: PlaneTensors, _targets: PlaneTensors) -> None:
        """A frame is one picture, shown as it is drawn."""

    @property
    def noted(self) -> Tensor:
        """Nothing."""
        return torch.empty(0)

    @property
    def shown_db(self) -> None:
        """That of the errors of each frame."""

    def to(self, device: torch.device) -> Clip:
        """The same clip with its code values on ``device``."""
        hidden = None if self.hidden is None else tuple(plane.to(device) for plane in self.hidden)
        return Clip(self.format, tuple(plane.to(device) for plane in self.planes), hidden)

    def part(self, first_frame: int, frames: int) -> Clip:
        """A range of frames; shares memory."""
        chosen = slice(first_frame, first_frame + frames)
        hidden = self.hidden
        if hidden is not None and len(hidden[0]) > 1:
            hidden = tuple(plane[chosen] for plane in hidden)
        stored = self.stored and self.stored.part(first_frame, frames)
        return Clip(self.format, tuple(plane[chosen] for plane in self.planes), hidden, stored)

    def targets(self, frames: Tensor) -> PlaneTensors:
        """Planes of the frames int64 [B] as float32 [B, rows, columns] in units of the largest code value."""
        scale, chosen = 1 / self.format.peak, self._chosen(frames)
        return tuple(plane[chosen] * scale for plane in self.planes)

    def hidden_in(self, frames: Tensor) -> PlaneTensors | None:
        """Where samples of the frames int64 [B] are masked, bool [B, rows, columns]; None: nowhere."""
        if self.hidden is None:
            return None
        chosen = self._chosen(frames)
        return tuple(plane[chosen] if len(plane) > 1 else plane.expand(len(frames), -1, -1) for plane in self.hidden)

    def _chosen(self, frames: Tensor) -> Tensor:
        """Frames, int64 [B] on the CPU or where the planes are, where the planes are."""
        return frames.to(self.planes[0].device, non_blocking=True)

    def frame(self, index: int) -> Planes:
        """One frame as numpy planes of code values."""
        return tuple(self.format.code_values(plane[index].cpu().numpy()) for plane in self.planes)

    def frames(self) -> Iterator[Planes]:
        """All frames as numpy planes."""
        return (self.frame(index) for index in range(len(self)))

    def converted(self, domain: Domain) -> Clip:
        """The clip in a coding domain; itself when it already is."""
        drawn = domain.drawn(self.format.chroma)
        if self.format.chroma is drawn:
            return self
        target = replace(self.format, chroma=drawn)
        clip = Clip.load((yuv_to_rgb(planes, self.format) for planes in self.frames()), target, len(self))
        clip = replace(clip, stored=self)
        if self.hidden is None:
            return clip
        either = self.hidden[0]
        for chroma in self.hidden[1:]:  # a sample of colour is hidden with any of those it is made from
            rows, columns = self.format.chroma.cell
            whole = chroma.repeat_interleave(rows, 1).repeat_interleave(columns, 2)
            either = either | whole[:, : either.shape[1], : either.shape[2]]
        return replace(clip, hidden=(either, either, either))

    def digest(self) -> str:
        """SHA-256 of all code values, hexadecimal."""
        sha = hashlib.sha256()
        for plane in self.planes:
            sha.update(plane.cpu().numpy().data)
        return sha.hexdigest()


def _empty(format: VideoFormat, frames: int) -> list[npt.NDArray[np.generic]]:
    """Room for ``frames`` frames; int16 holds 12 bit values and, unlike uint16, is known to every torch device."""
    dtype = np.uint8 if format.bit_depth == 8 else np.int16
    return [np.empty((frames, *shape), dtype) for shape in format.plane_shapes]
