"""A video of an archive as a decoder shows it, and its numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.archive_result import StreamResult
from nvcodec.encoder.fit.loss import picture_error
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.hiding import exempt
from nvcodec.io.mask import Mask
from nvcodec.metrics.measure import measure
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.types import Domain, Planes


class Shown(NamedTuple):
    """A video as a decoder shows it."""

    planes: list[Planes]
    direct: tuple[bool, ...]
    """Which of its key frames are shown as they are."""
    seconds: float
    """What drawing it took."""


def show(reader: VideoReader, clip: Clip, packets: Sequence[bytes]) -> Shown:
    """Draw a video, once; key frames that are nearer to the source than what the network draws stay as they are.

    Args:
        reader: Of a file in which no key frame is shown as it is.
        clip: The source.
        packets: Its coded key frames.
    """
    config = reader.session.config
    assert isinstance(config, DNeRVConfig)
    began = time.monotonic()
    planes = list(reader.frames())
    seconds = time.monotonic() - began
    direct = []
    pictures = decode_key_frames(packets, clip.format)
    for at, picture in zip(key_times(len(clip), config.clip), pictures, strict=True):
        direct.append(_error(clip, at, picture) < _error(clip, at, planes[at]))
        planes[at] = picture if direct[-1] else planes[at]
    return Shown(planes, tuple(direct), seconds)


def stream_result(name: str, clip: Clip, mask: Mask | None, packets: Sequence[bytes], shown: Shown) -> StreamResult:
    """The numbers of a video."""
    quality = measure(clip.frames(), clip.format, shown.planes, clip.format, mask=mask)
    return StreamResult(
        name=name,
        width=clip.format.width,
        height=clip.format.height,
        frames=len(clip),
        key_frames=len(packets),
        key_frame_bytes=sum(map(len, packets)),
        direct=sum(shown.direct),
        psnr=quality.psnr,
        ms_ssim_y=quality.ms_ssim_y,
        masked=quality.masked,
    )


def _error(clip: Clip, frame: int, planes: Planes) -> float:
    """How far a picture is from a frame of its source, where that is not hidden."""
    chosen = torch.tensor([frame], device=clip.planes[0].device)
    values = [torch.from_numpy(plane.astype(np.float32))[None].to(chosen.device) for plane in planes]
    first, second, third = (plane / clip.format.peak for plane in values)
    drawn = first, second, third
    return float(picture_error(drawn, exempt(clip.targets(chosen), drawn, clip.hidden_in(chosen)), Domain.YUV420))
