"""What a network of several samples to a place draws is free of a grid of dots, as far as the fit can help it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from nvcodec.config.job import Job
from nvcodec.config.target import TargetKind
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.loss import repeating
from nvcodec.types import Planes, VideoFormat

VIDEO = VideoFormat(128, 96)


def test_a_fit_leaves_fewer_dots(
    tiny_job: Callable[..., Job], moving: Callable[[VideoFormat, int], list[Planes]]
) -> None:
    dots = []
    for weight in (0, 4):
        settings = {"loss.dots": weight}
        job = tiny_job(TargetKind.SIZE, 4000, video=VIDEO, epochs=12, settings=settings, output=f"{weight}.nvc")
        encode(job)
        errors = [
            (drawn[0].astype(np.float32) - source[0]) / VIDEO.peak
            for drawn, source in zip(VideoReader(job.output).frames(), moving(VIDEO, 8), strict=True)
        ]
        dots.append(repeating(torch.from_numpy(np.stack(errors)), 4).item())
    assert dots[1] < 0.8 * dots[0]
