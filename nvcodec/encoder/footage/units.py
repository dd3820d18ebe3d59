"""Several videos as one thing to fit: every tile of every clip of every video is drawn by the same network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nvcodec.decoder.key_groups import stacked
from nvcodec.encoder.fit.loss import PLANE_WEIGHTS, picture_error
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.hiding import exempt
from nvcodec.models.base import CellWindow, Drawing, FlatPlane, PlaneTensors, VideoField
from nvcodec.models.dnerv import DNeRVNetwork
from nvcodec.models.dnerv_config import DNeRVConfig, Span
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.keyed_video import KeyedVideo
from nvcodec.models.planes import channels_of
from nvcodec.types import ChromaFormat, Planes


class Unit(NamedTuple):
    """What is drawn in one go."""

    video: int
    clip: int
    rows: Span
    columns: Span


class Units:
    """Several videos in the coding domain, and the units they are fitted in.

    A unit takes the place that a frame has in the fit of a single video.

    Args:
        config: The network.
        clips: The videos; all on one device.
        keys: The decoded key frames of each.
    """

    def __init__(self, config: DNeRVConfig, clips: Sequence[Clip], keys: Sequence[Sequence[Planes]]) -> None:
        self.config, self.clips = config, list(clips)
        self.format = clips[0].format
        self.videos, self.units = nn.ModuleList(), []
        for index, (clip, pictures) in enumerate(zip(clips, keys, strict=True)):
            geometry = geometry_of(clip)
            video = KeyedVideo(config, geometry).to(clip.planes[0].device)
            if pictures:
                video.set_key_frames(stacked(pictures), clip.format.peak)
            self.videos.append(video)
            self.units += [
                Unit(index, number, rows, columns)
                for number in range(config.clips(len(clip)))
                for rows in config.spans(geometry.height)
                for columns in config.spans(geometry.width)
            ]
        self._keys = keys
        length, device = config.clip, clips[0].planes[0].device
        self.noted = torch.full((len(self.units), length, 3), -1.0, device=device)
        """Mean squared errors of each plane of each picture as it was last drawn in a step; -1: it was not."""
        ends = [0, *accumulate(config.clips(len(clip)) for clip in clips)]
        self._clips_of_video = [slice(first, last) for first, last in zip(ends, ends[1:], strict=False)]
        self._clip_of = torch.tensor([ends[unit.video] + unit.clip for unit in self.units], device=device)
        self._shares = torch.tensor([self._share(unit) for unit in self.units], device=device)
        self._plane_weights = torch.tensor(PLANE_WEIGHTS, device=device)

    @cached_property
    def _key_db(self) -> Tensor:
        """Quality of the key frames by clip and place in it, float32 [clips, frames]; others: minus infinity."""
        length = self.config.clip
        found = torch.full((self._clips_of_video[-1].stop, length), -math.inf, device=self.noted.device)
        for own, clip, pictures in zip(self._clips_of_video, self.clips, self._keys, strict=True):
            for time, picture in zip(self.config.key_times(len(clip)), pictures, strict=True):
                error = max(still_error(clip, time, picture), 1e-10)
                found[own.start + time // length, time % length] = -10 * math.log10(error)
        return found

    def _share(self, unit: Unit) -> list[float]:
        """Of the samples of each plane of a picture, how many a unit draws."""
        shares = []
        for index, (rows, columns) in enumerate(self.clips[unit.video].format.plane_shapes):
            is_half = index > 0 and self.format.chroma is ChromaFormat.YUV420
            tall, wide = _part(unit.rows, is_half), _part(unit.columns, is_half)
            shares.append((tall.stop - tall.start) * (wide.stop - wide.start) / (rows * columns))
        return shares

    def __len__(self) -> int:
        return len(self.units)

    @property
    def pixels(self) -> int:
        """Luma samples of all frames of all videos."""
        return sum(clip.pixels for clip in self.clips)

    @property
    def nbytes(self) -> int:
        """Memory of the code values."""
        return sum(clip.nbytes for clip in self.clips)

    @property
    def levels(self) -> tuple[float | None, ...]:
        """See :class:`Footage`: the same in all videos; above key frames, where what is drawn is added to them."""
        return tuple(self._level(plane) for plane in range(self.clips[0].format.chroma.planes))

    def _level(self, plane: int) -> float | None:
        found = set()
        for clip, pictures in zip(self.clips, self._keys, strict=True):
            below = {0}
            if not self.config.picture:
                below = {int(edge) for each in pictures for edge in (each[plane].min(), each[plane].max())}
            value = clip.only_value(plane)
            if value is None or len(below) > 1:
                return None
            found.add((value - below.pop()) / clip.format.peak)
        return found.pop() if len(found) == 1 else None

    def typical(self) -> range:
        """A few units that stand for all."""
        return range(0, len(self), max(1, len(self) // 4))

    def peak(self, unit: int) -> int:
        """The largest code value of a unit."""
        return self.clips[self.units[unit].video].format.peak

    def psnr_by_video(self, errors: Tensor) -> list[tuple[int, float]]:
        """Mean PSNR in dB of each video's units, whose errors are float32 [units]; what is not above 0 is unknown."""
        found: dict[int, list[float]] = {}
        for unit, error in zip(self.units, errors.tolist(), strict=True):
            if error > 0:
                found.setdefault(unit.video, []).append(-10 * math.log10(error))
        return [(video, sum(each) / len(each)) for video, each in sorted(found.items())]

    def note(self, unit: int, drawn: PlaneTensors, targets: PlaneTensors) -> None:
        """See :class:`Footage`."""
        squares = [(a - b).square().mean(dim=(1, 2)) for a, b in zip(drawn, targets, strict=True)]
        self.noted[unit, : len(squares[0])] = torch.stack(squares, dim=-1).detach()

    @property
    def shown_db(self) -> Tensor:
        """See :class:`Footage`: tiles are put together, and key frames are shown as they are where that is better.

        The mean over all videos of which some clip was drawn as a whole.
        """
        sums = torch.zeros((*self._key_db.shape, 3), device=self.noted.device)
        sums.index_add_(0, self._clip_of, self.noted * self._shares[:, None])
        if self.format.chroma is ChromaFormat.RGB:
            sums = sums.mean(dim=-1, keepdim=True).expand_as(sums)
        logs = torch.log10(sums.clamp_min(1e-10)) @ self._plane_weights
        db = torch.maximum(-10 * logs, self._key_db)
        missing = torch.zeros_like(db[:, 0]).index_add_(0, self._clip_of, (self.noted[:, 0, 0] < 0).to(db.dtype))
        means = []
        for own, clip in zip(self._clips_of_video, self.clips, strict=True):
            drawn = (missing[own] == 0).repeat_interleave(self.config.clip)[: len(clip)]
            means.append(db[own].reshape(-1)[: len(clip)].masked_fill(~drawn, 0).sum() / drawn.sum())
        return torch.stack(means).nanmean()

    def frames(self, unit: int) -> range:
        """The frames of its video that a unit shows."""
        first = self.units[unit].clip * self.config.clip
        return range(first, min(first + self.config.clip, len(self.clips[self.units[unit].video])))

    def targets(self, units: Tensor) -> PlaneTensors:
        """Planes of one unit, int64 [1], as float32 [frames, rows, columns], units of the largest code value."""
        (index,) = units.tolist()
        clip, frames = self._frames_of(index)
        return self._cut(index, clip.targets(frames))

    def hidden_in(self, units: Tensor) -> PlaneTensors | None:
        """Where samples of one unit, int64 [1], are masked, bool [frames, rows, columns]; None: nowhere."""
        (index,) = units.tolist()
        clip, frames = self._frames_of(index)
        hidden = clip.hidden_in(frames)
        return None if hidden is None else self._cut(index, hidden)

    def _frames_of(self, index: int) -> tuple[Clip, Tensor]:
        """The video of a unit, and which of its frames the unit shows, int64 [frames]."""
        frames, clip = self.frames(index), self.clips[self.units[index].video]
        return clip, torch.arange(frames.start, frames.stop, device=clip.planes[0].device)

    def _cut(self, index: int, planes: PlaneTensors) -> PlaneTensors:
        """The part of planes [frames, rows, columns] that a unit draws."""
        unit, whole = self.units[index], planes[0].shape[1:]
        return tuple(
            plane[:, _part(unit.rows, plane.shape[1] != whole[0]), _part(unit.columns, plane.shape[2] != whole[1])]
            for plane in planes
        )


class UnitField(VideoField):
    """The shared network, drawing units as if they were frames of one video: given on the CPU, nobody waits."""

    one_at_a_time = True

    def __init__(self, units: Units) -> None:
        super().__init__()
        self.footage, config = units, units.config
        self.geometry = replace(geometry_of(units.clips[0]), frames=len(units))
        self.specs, self.scale = config.tensor_specs(self.geometry), config.scale
        self.interleaved = config.shuffle if config.picture else 1
        self.network = DNeRVNetwork(config, self.geometry.chroma)
        self.videos = units.videos

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """Draw one unit, int64 [1]; a short clip without the frames it does not have."""
        assert window is None
        (index,) = frames.tolist()
        unit, count = self.footage.units[index], len(self.footage.frames(index))
        video = self.videos[unit.video]
        assert isinstance(video, KeyedVideo)
        planes = video.inside(self.network(*video.inputs(unit.clip, unit.rows, unit.columns)), unit.rows, unit.columns)
        return Drawing(tuple(plane[:count] for plane in planes), [])

    def flat_plane(self, plane: int, level: float) -> FlatPlane:
        """See :meth:`VideoField.flat_plane`: above the key frames."""
        channels = channels_of(plane, self.network.config.shuffle, self.geometry.chroma)
        return FlatPlane("network.head.2.weight", "network.head.2.bias", channels, level)


def geometry_of(clip: Clip) -> FieldGeometry:
    """What the field of a whole video draws."""
    return FieldGeometry(len(clip), clip.format.height, clip.format.width, clip.format.chroma)


def still_error(clip: Clip, frame: int, planes: Planes) -> float:
    """How far a picture is from a frame of its source, where that is not hidden: the error whose logarithm is PSNR."""
    chosen = torch.tensor([frame], device=clip.planes[0].device)
    values = [torch.from_numpy(plane.astype(np.float32))[None].to(chosen.device) for plane in planes]
    drawn = tuple(plane / clip.format.peak for plane in values)
    return float(picture_error(drawn, exempt(clip.targets(chosen), drawn, clip.hidden_in(chosen)), clip.format.chroma))


def _part(span: Span, is_half: bool) -> slice:
    """A tile's own part of a plane that is as large as luma, or half of it."""
    return slice(span.inner.start // 2, -(-span.inner.stop // 2)) if is_half else span.inner
