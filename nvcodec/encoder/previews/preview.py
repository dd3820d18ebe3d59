"""Heads of previews, found in closed form: what a field's features say, linearly, about its pictures seen small.

A preview is a small version of what the base draws, whatever that was fitted to; the source says whether it is a good
one: who has none shrinks whole pictures, and what is much worse than that is not worth its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from nvcodec.container import PREVIEW_DIVISORS, PreviewHead
from nvcodec.container.chunks import CHUNK_OVERHEAD_BYTES
from nvcodec.decoder.render import full_float32, render
from nvcodec.decoder.shrink import mean_plane, shrunk_format
from nvcodec.encoder.fit.pack import load_integers
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.previews.head import Head, Moments
from nvcodec.entropy.payload import encode_tensors
from nvcodec.models.base import PyramidField
from nvcodec.models.config import FieldConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.planes import unshuffle
from nvcodec.models.preview import Preview
from nvcodec.models.previews import PreviewShape, choose_level, most_rank, preview_shape
from nvcodec.models.pyramid import Pyramid, chroma_block, chroma_excess
from nvcodec.types import Planes, VideoFormat

_MOST_FRAMES = 48
_MOST_SAMPLES = 1 << 25
"""Pictures to learn from: so many, or so many luma samples of them: 16 of 1080p."""
_MOST_PLACES = 1 << 16
"""Places to learn from in all pictures together, spread evenly: many times as many as a head has numbers."""
_MOST_RANK = 8
"""From there on, heads get larger and hardly better."""
_SHARE, _SMALL = 16, 512
"""A head may have a sixteenth of the numbers of its field, or so many."""
_LEAST_DB = 24.0
"""What differs more from the picture is no preview of it."""
_MOST_LOST_DB = 1.0
"""How much further from the source than whole pictures shrunk a preview may be: what early features do not say shows
as a pattern of blocks, and is hardly seen where it is small beside what the network does wrong anyway."""
_HEAD_BYTES = 12
"""Of a chunk's payload in front of the coded parameters."""
_LEARNING_S = 1.5e-13
"""Of a head, for each place and the square of the numbers that it learns from; as measured on a slow CPU."""
_PAYLOAD_BYTES = 48
"""What coded parameters take beside their symbols."""


def preview_shapes(pyramid: Pyramid, geometry: FieldGeometry, parameters: int) -> list[PreviewShape]:
    """The heads of all sizes that are worth having, from large to small pictures.

    Args:
        pyramid: Of the field.
        geometry: What the field draws.
        parameters: Coded numbers of the field.
    """
    shapes: list[PreviewShape] = []
    for divisor in PREVIEW_DIVISORS:
        level = choose_level(pyramid, divisor)
        if level is None or any(shape.level == level for shape in shapes):
            continue  # nothing is gained by it: a smaller picture is the larger one shrunk
        ranks = range(1, min(_MOST_RANK, most_rank(pyramid, geometry, divisor, level)) + 1)
        choices = [preview_shape(pyramid, geometry, divisor, level, rank) for rank in ranks]
        shapes += [shape for shape in choices if shape.parameters <= max(parameters // _SHARE, _SMALL)][-1:]
    return shapes


def planned_previews(plan: Plan, video: VideoFormat) -> list[PreviewShape]:
    """The heads of every segment of a plan."""
    network, geometries = plan.network, [plan.geometry(span, video) for span in plan.spans]
    assert isinstance(network, FieldConfig)
    pyramid = network.pyramid(geometries[0])
    assert pyramid is not None
    parameters = min(sum(spec.size for spec in network.tensor_specs(geometry)) for geometry in geometries)
    return preview_shapes(pyramid, geometries[0], parameters)


def room_bytes(shape: PreviewShape) -> int:
    """The most that the chunk of a preview takes: six bits for each number, and a little."""
    return CHUNK_OVERHEAD_BYTES + _HEAD_BYTES + _PAYLOAD_BYTES + 3 * shape.parameters // 4


def learning_s(shape: PreviewShape) -> float:
    """Seconds that finding a head takes on a slow CPU, drawing not counted."""
    return 0.1 + _LEARNING_S * _MOST_PLACES * (9 * shape.inputs) ** 2


def size_bytes(heads: Iterable[PreviewHead]) -> int:
    """What the chunks of previews take in a file."""
    return sum(CHUNK_OVERHEAD_BYTES + len(head.to_bytes()) for head in heads)


def make_previews(
    field: PyramidField, shapes: list[PreviewShape], clip: Clip, segment: int, room: int | None
) -> tuple[list[PreviewHead], list[str]]:
    """The previews of a segment.

    Args:
        field: Of the segment, with decoded parameters.
        shapes: Heads to find.
        clip: The source, in the field's coding domain.
        segment: Its ordinal.
        room: Bytes that the chunks of all heads together may take; None = no matter.

    Returns:
        Heads whose chunks take at most :func:`room_bytes` each; and why others are left out, one line each.
    """
    video = clip.format
    found = [Moments(9 * shape.inputs, shape.outputs) for shape in shapes]
    previews = [Preview(field, shape) for shape in shapes]
    whole = [Misses(clip, shape.divisor) for shape in shapes]
    device = next(field.parameters()).device
    chosen = learned_frames(field.geometry) if shapes else []
    for index, frame in enumerate(chosen):
        (planes,) = render(field, [frame], video, 1)
        for preview, moments, misses in zip(previews, found, whole, strict=True):
            with torch.inference_mode(), full_float32():
                places = preview.places(torch.tensor([frame], device=device)).double().cpu()
            x, y = _paired(places, planes, video, preview.shape)
            step = ceil(len(x) * len(chosen) / _MOST_PLACES)
            moments.add(x[index % step :: step], y[index % step :: step])
            misses.add(frame, mean_plane(planes[0], preview.shape.divisor))
    heads: list[PreviewHead] = []
    left_out: list[str] = []
    for preview, moments, misses in zip(previews, found, whole, strict=True):
        shape = preview.shape
        head = Head(moments, shape, video.peak)
        if head.psnr_db < _LEAST_DB:
            left_out.append(f"no preview 1/{shape.divisor}: it would be {head.psnr_db:.1f} dB from the picture")
            continue
        most = room_bytes(shape) if room is None else min(room_bytes(shape), room - size_bytes(heads))
        integers = head.integers(most - CHUNK_OVERHEAD_BYTES - _HEAD_BYTES, _LEAST_DB)
        if integers is None:
            left_out.append(f"no preview 1/{shape.divisor}: its head does not fit into what is left of the file")
            continue
        load_integers(preview.to(device), integers)
        small = Misses(clip, shape.divisor)
        for frame, (plane, *_) in zip(
            chosen, render(preview, chosen, shrunk_format(video, shape.divisor), 1), strict=True
        ):
            small.add(frame, plane)
        if small.psnr_db < misses.psnr_db - _MOST_LOST_DB:
            left_out.append(
                f"no preview 1/{shape.divisor}: it would be {small.psnr_db:.1f} dB from the source, "
                f"whole pictures shrunk are {misses.psnr_db:.1f} dB"
            )
            continue
        heads.append(PreviewHead(segment, shape.divisor, shape.level, shape.rank, encode_tensors(integers)))
    return heads, left_out


class Misses:
    """How far small pictures are from a source seen small, in the first plane; what is hidden there counts as exact."""

    def __init__(self, clip: Clip, divisor: int) -> None:
        self._clip, self._divisor, self._errors = clip, divisor, list[float]()

    def add(self, frame: int, plane: npt.NDArray[np.integer] | npt.NDArray[np.floating]) -> None:
        """Take in a small picture's first plane, code values [rows, columns]."""
        clip, divisor = self._clip, self._divisor
        missed: npt.NDArray[np.float64] = plane.astype(np.float64) - mean_plane(clip.frame(frame)[0], divisor)
        if (hidden := clip.hidden_in(torch.tensor([frame]))) is not None:
            missed[mean_plane(hidden[0][0].cpu().numpy().astype(np.uint8), divisor) > 0] = 0
        self._errors.append(float((missed * missed).mean()) / clip.format.peak**2)

    @property
    def psnr_db(self) -> float:
        """Of all frames together; what is exact has 120."""
        return float(-10 * np.log10(max(float(np.mean(self._errors)), 1e-12)))


def learned_frames(geometry: FieldGeometry) -> list[int]:
    """Frames that heads are learned from, spread evenly."""
    most = max(1, min(_MOST_FRAMES, _MOST_SAMPLES // (geometry.height * geometry.width)))
    count = min(most, geometry.frames)
    return [(2 * index + 1) * geometry.frames // (2 * count) for index in range(count)]


def _paired(
    places: torch.Tensor, planes: Planes, video: VideoFormat, shape: PreviewShape
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Features and the samples that should come of them, of all places that the small picture reaches.

    Args:
        places: float64 [1, inputs, h, w].
        planes: The whole picture.
        video: Its format.
        shape: Of the head.

    Returns:
        float64 [places, 9 x inputs] and [places, outputs], in units of the largest code value.
    """
    small, factor = shrunk_format(video, shape.divisor), shape.shuffle
    size = ceil(small.height / factor), ceil(small.width / factor)
    wanted = []
    for index, plane in enumerate(planes):
        mean, block = mean_plane(plane, shape.divisor) / np.float64(video.peak), (factor, factor)
        if index:
            block, (tall, wide) = chroma_block(factor, video.chroma), chroma_excess(factor, video.chroma)
            mean = mean.repeat(tall, axis=0).repeat(wide, axis=1)  # what is drawn too large is what is then halved
        rows, columns = size[0] * block[0], size[1] * block[1]
        mean = mean[:rows, :columns]
        filled = np.pad(mean, ((0, rows - mean.shape[0]), (0, columns - mean.shape[1])), mode="edge")
        wanted.append(unshuffle(torch.from_numpy(filled).unsqueeze(0), block))
    packed = torch.cat(wanted, dim=1).permute(0, 2, 3, 1)
    seen = F.unfold(places, 3, padding=1).view(-1, *places.shape[2:])
    x = seen[:, : size[0], : size[1]].permute(1, 2, 0).reshape(-1, len(seen))
    return x.numpy(), packed.reshape(-1, shape.outputs).numpy()
