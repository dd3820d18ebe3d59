"""Labelled clips made from the sample: something moves in one of eight ways before a background that drifts.

Only the motion tells the kinds apart: each is another one played backwards, so the pictures of a clip without their
order say nothing, and textures are drawn by lot for every clip. What is trained on and what is held out share no
sample of any picture: textures are cut from the left and from the right part of the sample, or made of noise of
different seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nvcodec.io.source import open_source
from nvcodec.types import Planes, VideoFormat

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "bunny_320x180_25.mkv"
KINDS = ("left", "right", "up", "down", "nearer", "farther", "clockwise", "anticlockwise")
"""Each odd one is the one before it, played backwards."""
PARTS = {"train": slice(0, 152), "test": slice(168, 320)}
"""Columns of the sample that textures are cut from."""
FRAMES, SIDE = 16, 48
FORMAT = VideoFormat(SIDE, SIDE, Fraction(25))
_TEXTURE = 88
"""Side of a texture in samples: more than can come into view."""


@dataclass(frozen=True)
class LabelledClip:
    """One clip of known motion."""

    name: str
    """Kind and number, as ``left_3``."""
    kind: str
    planes: tuple[Planes, ...]
    """:data:`FRAMES` pictures of :data:`FORMAT`."""


def labelled_clips(part: str, of_each: int, seed: int) -> Iterator[LabelledClip]:
    """Clips of ``train`` or of ``test``: ``of_each`` of every kind, kinds in turn; equal arguments give equal clips."""
    pictures = _sample_pictures(PARTS[part])
    for number in range(of_each):
        for at, kind in enumerate(KINDS):
            lot = np.random.default_rng((list(PARTS).index(part), seed, number, at))
            yield LabelledClip(f"{kind}_{number}", kind, tuple(_drawn(kind, pictures, lot)))


def _sample_pictures(columns: slice) -> Tensor:
    """Float32 [N, 3, height, width] of 4:4:4 code values."""
    with open_source(SAMPLE) as source:
        whole = [_unsubsampled(planes) for planes in source]
    return torch.stack(whole)[..., columns]


def _unsubsampled(planes: Planes) -> Tensor:
    luma, *chroma = (torch.from_numpy(plane.astype(np.float32)) for plane in planes)
    return torch.stack([luma, *(half.repeat_interleave(2, 0).repeat_interleave(2, 1) for half in chroma)])


def _drawn(kind: str, pictures: Tensor, lot: np.random.Generator) -> Iterator[Planes]:
    front, back = (_texture(pictures, lot) for _ in range(2))
    angle, speed = lot.uniform(0, 2 * math.pi), lot.uniform(0.0, 0.2)
    drift = (speed * math.cos(angle), speed * math.sin(angle)), 1.0, 0.0
    disc = _disc(lot.uniform(-7, 7, 2), lot.uniform(12, 16))
    whole = torch.lerp(_seen(back, *drift), _seen(front, *_motion(kind, lot.uniform(0.6, 1.4))), disc)
    for picture in whole:
        yield _subsampled(picture)


def _motion(kind: str, strength: float) -> tuple[tuple[float, float], float, float]:
    """How a kind moves in a frame: samples (x, y), growth, radians."""
    sign = -1 if KINDS.index(kind) % 2 else 1
    step = sign * strength
    if kind in ("left", "right"):
        return (-0.8 * step, 0.0), 1.0, 0.0
    if kind in ("up", "down"):
        return (0.0, -0.8 * step), 1.0, 0.0
    if kind in ("nearer", "farther"):
        return (0.0, 0.0), 1.035**step, 0.0
    return (0.0, 0.0), 1.0, 0.05 * step


def _seen(texture: Tensor, step: tuple[float, float], growth: float, turn: float) -> Tensor:
    """What a camera sees that moves, over a texture, by so much in a frame: [FRAMES, 3, SIDE, SIDE]."""
    time = torch.arange(FRAMES)[:, None, None] - (FRAMES - 1) / 2
    y, x = torch.meshgrid(*[torch.arange(SIDE) - (SIDE - 1) / 2] * 2, indexing="ij")
    scale, cos, sin = growth**-time, torch.cos(turn * time), torch.sin(turn * time)
    across, along = scale * (cos * x + sin * y) - step[0] * time, scale * (cos * y - sin * x) - step[1] * time
    places = torch.stack([across, along], -1) * 2 / _TEXTURE
    return F.grid_sample(texture.expand(FRAMES, -1, -1, -1), places, align_corners=False)


def _disc(place: np.ndarray[tuple[int, ...], np.dtype[np.float64]], radius: float) -> Tensor:
    """1 inside, 0 outside, [SIDE, SIDE]."""
    y, x = torch.meshgrid(*[torch.arange(SIDE) - (SIDE - 1) / 2] * 2, indexing="ij")
    return (radius + 0.5 - torch.hypot(x - place[0], y - place[1])).clamp(0, 1)


def _texture(pictures: Tensor, lot: np.random.Generator) -> Tensor:
    """Float32 [3, 88, 88] of code values: cut from a picture, or noise of one coarseness, half of the time each."""
    if lot.random() < 0.5:
        return _cut(pictures, lot)
    cells = int(lot.integers(8, 30))
    noise = torch.from_numpy(lot.standard_normal((1, 3, cells, cells), np.float32))
    smooth = F.interpolate(noise, (_TEXTURE, _TEXTURE), mode="bicubic")[0]
    middles = torch.from_numpy(np.concatenate([lot.uniform(70, 180, 1), lot.uniform(108, 148, 2)]).astype(np.float32))
    return middles[:, None, None] + smooth * torch.tensor([30.0, 8.0, 8.0])[:, None, None]


def _cut(pictures: Tensor, lot: np.random.Generator) -> Tensor:
    """One that shows something in its middle: no motion can be seen in a clear sky."""
    inner = slice((_TEXTURE - SIDE) // 2, (_TEXTURE + SIDE) // 2)
    while True:
        frame, top, left = (
            int(lot.integers(room - taken + 1))
            for room, taken in zip((len(pictures), *pictures.shape[2:]), (1, _TEXTURE, _TEXTURE), strict=True)
        )
        texture = pictures[frame, :, top : top + _TEXTURE, left : left + _TEXTURE]
        if texture[0, inner, inner].std() > 15:
            return texture


def _subsampled(picture: Tensor) -> Planes:
    luma, chroma = picture[0], F.avg_pool2d(picture[1:], 2)
    return tuple(plane.round().clamp(16, 235).to(torch.uint8).numpy() for plane in (luma, *chroma))
