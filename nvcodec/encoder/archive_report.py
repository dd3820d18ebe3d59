"""A video of an archive as a decoder shows it, and its numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.archive_result import StreamResult
from nvcodec.encoder.clip import Clip
from nvcodec.metrics.measure import measure
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.types import Planes


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
        source = clip.frame(at)
        direct.append(_psnr_db(clip, source, picture) > _psnr_db(clip, source, planes[at]))
        planes[at] = picture if direct[-1] else planes[at]
    return Shown(planes, tuple(direct), seconds)


def stream_result(name: str, clip: Clip, packets: Sequence[bytes], shown: Shown) -> StreamResult:
    """The numbers of a video."""
    quality = measure(clip.frames(), clip.format, shown.planes, clip.format)
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
    )


def _psnr_db(clip: Clip, source: Planes, planes: Planes) -> float:
    """6:1:1 PSNR of one picture."""
    return measure([source], clip.format, [planes], clip.format).psnr["yuv_611"]
