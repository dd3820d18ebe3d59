"""What D-NeRV's network is told of one video: when its frames are, and what its key frames look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from nvcodec.models.base import PlaneTensors
from nvcodec.models.dnerv_config import DNeRVConfig, Span
from nvcodec.models.geometry import FieldGeometry


class KeyFrameSource(Protocol):
    """Key frames of a video, fetched when they are needed."""

    @property
    def peak(self) -> int:
        """The largest code value."""

    @property
    def direct(self) -> Sequence[bool]:
        """Which of them are shown as they are."""

    def __call__(self, key: int, /) -> PlaneTensors:
        """A key frame by its number: code values, [rows, columns] each, any integer type, on the field's device."""


class KeyedVideo(nn.Module):
    """One video as :class:`nvcodec.models.dnerv.DNeRVNetwork` sees it. No parameters."""

    code: Tensor
    share: Tensor

    def __init__(self, config: DNeRVConfig, geometry: FieldGeometry) -> None:
        super().__init__()
        self.config, self.geometry = config, geometry
        self._times = times = config.key_times(geometry.frames)
        every = range(config.clips(geometry.frames) * config.clip)
        frames = [min(frame, geometry.frames - 1) for frame in every]  # a short clip repeats its last frame
        self.register_buffer("code", time_code(frames, geometry.frames, config.time_levels), persistent=False)
        share = [_share(frame, times, config.clip) for frame in frames]
        self.register_buffer("share", torch.tensor(share, dtype=torch.float32), persistent=False)
        self._ends = [min(clip + 1, len(times) - 1) for clip in range(config.clips(geometry.frames))]
        self._key: Callable[[int], PlaneTensors] | None = None
        self._peak, self._direct = 1, [False] * len(times)

    def set_key_frames(self, planes: PlaneTensors, peak: int, direct: Sequence[bool] | None = None) -> None:
        """Give all key frames at once, before anything is drawn.

        Args:
            planes: Code values, [keys, rows, columns] each, any integer type; kept as they are.
            peak: The largest code value.
            direct: Which of them are shown as they are; None = none.
        """
        assert len(planes[0]) == len(self._times)
        first, second, third = (plane.to(self.code.device) for plane in planes)
        self.take_key_frames(lambda key: (first[key], second[key], third[key]), peak, direct)

    def take_key_frames(
        self, source: Callable[[int], PlaneTensors], peak: int, direct: Sequence[bool] | None = None
    ) -> None:
        """Have key frames fetched when they are needed.

        Args:
            source: A key frame by its number: code values, [rows, columns] each, any integer type, on our device. What
                it raises, drawing raises.
            peak: The largest code value.
            direct: Which of them are shown as they are; None = none.
        """
        self._key, self._peak = source, peak
        self._direct = list(direct or self._direct)

    def key_frame(self, key: int) -> PlaneTensors:
        """Code values of a key frame by its number, [rows, columns] each."""
        assert self._key is not None
        return self._key(key)

    @property
    def key_count(self) -> int:
        """How many key frames there are to be given."""
        return len(self._times)

    def shown_directly(self, clip: int) -> Iterator[tuple[int, PlaneTensors]]:
        """Frames of a clip that are key frames shown as they are: index in the clip, float32 [rows, columns] each."""
        for key in (clip, self._ends[clip]) if self._times else ():
            place = self._times[key] - clip * self.config.clip
            if self._direct[key] and place < self.config.clip:
                first, second, third = (plane.to(torch.float32) / self._peak for plane in self.key_frame(key))
                yield place, (first, second, third)

    def inputs(self, clip: int, vertical: Span, horizontal: Span) -> tuple[Tensor, Tensor, PlaneTensors]:
        """What :class:`nvcodec.models.dnerv.DNeRVNetwork` wants for a tile of a clip."""
        frames = slice(clip * self.config.clip, (clip + 1) * self.config.clip)
        keys = [self.key_frame(clip), self.key_frame(self._ends[clip])] if self._times else []
        planes = []
        for index in range(self.geometry.chroma.planes):
            # a plane of a single sample may be half of one that is no larger
            cells = self.geometry.chroma.cell if index else (1, 1)
            places = [
                torch.arange(span.outer.start // cell, span.outer.stop // cell, device=self.code.device)
                for span, cell in zip((vertical, horizontal), cells, strict=True)
            ]
            parts = [_at(key[index], *places).to(torch.float32) / self._peak for key in keys]
            planes.append(torch.stack(parts) if parts else self.code.new_empty(0, *map(len, places)))
        return self.code[frames], self.share[frames], (planes[0], planes[1], planes[2])

    def share_later(self, clip: int, late: float) -> Tensor:
        """Share of the time ``late`` frames after each frame of a clip, but not behind the last, float32 [T]."""
        start, end = (self._times[clip], self._times[self._ends[clip]]) if self._times else (0, 0)
        # of this clip's key frames, though what rounding makes of late may lie at the beginning of the next
        times = [min(start + place + late, end) for place in range(self.config.clip)]
        share = [(time - start) / max(end - start, 1) for time in times]
        return torch.tensor(share, dtype=torch.float32).to(self.share.device, non_blocking=True)

    def inside(self, planes: PlaneTensors, vertical: Span, horizontal: Span) -> PlaneTensors:
        """The part of a tile's planes that is its own, without margins and what lies outside of the picture."""
        return tuple(plane[:, _own(vertical, plane.shape[1]), _own(horizontal, plane.shape[2])] for plane in planes)


def time_code(times: list[int], frames: int, levels: int) -> Tensor:
    """Sines and cosines of the share of the video that has passed, float32 [len(times), 2 * levels].

    Phases are pi * 1.25^k * t, as in NeRV, whose encoding D-NeRV takes over ("PE"), and in the released code; in double
    precision, in which every machine agrees on float32 for 40 levels.
    """
    shares = [time / max(frames - 1, 1) for time in times]
    phases = [[math.pi * 1.25**level * share for level in range(levels)] for share in shares]
    return torch.tensor([[*map(math.sin, row), *map(math.cos, row)] for row in phases], dtype=torch.float32)


def _share(frame: int, keys: list[int], clip: int) -> float:
    """How far a frame is on the way from the key frame before it to the next."""
    if not keys:
        return 0.0
    start = frame // clip
    end = keys[min(start + 1, len(keys) - 1)]
    return (frame - keys[start]) / (end - keys[start]) if end > keys[start] else 0.0


def _at(plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Rows and columns of a plane; the last of them beyond its end."""
    return plane[rows.clamp(max=plane.shape[0] - 1)][:, columns.clamp(max=plane.shape[1] - 1)]


def _own(span: Span, drawn: int) -> slice:
    """Where a tile's own part lies in what was drawn of it, along one axis of a plane."""
    cell = (span.outer.stop - span.outer.start) // drawn
    start = (span.inner.start - span.outer.start) // cell
    return slice(start, start - (span.inner.start - span.inner.stop) // cell)
