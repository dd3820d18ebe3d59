"""The numbers of an encode: those of the written file, decoded again."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import numpy as np
import torch

from nvcodec.config.job import Job
from nvcodec.config.target import TargetKind
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.parts.segment import FittedSegment
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.result import EncodeResult
from nvcodec.io.mask import Mask
from nvcodec.metrics.measure import Measurement, domain_key, measure
from nvcodec.types import Planes
from nvcodec.version import __version__


def measured_result(
    job: Job,
    plan: Plan,
    source: Clip,
    mask: Mask | None,
    reader: VideoReader,
    fitted: list[FittedSegment],
    elapsed_s: float,
    note: Callable[[float], int],
) -> EncodeResult:
    """Decode a file and compare it with its source.

    Args:
        job: What was asked for.
        plan: What was fitted.
        source: The frames that were encoded, in the source's own format.
        mask: What of them was hidden from the fit.
        reader: The written file.
        fitted: Its segments.
        elapsed_s: Duration of the encode until now, without what was fitted before it was resumed.
        note: Puts the PSNR of the coding domain, in dB, into the metadata of the file, where it is a number; its return
            is the final size in bytes.
    """
    began = time.monotonic()
    drawn = _Timed(reader.frames())
    quality = measure(source.frames(), source.format, drawn, reader.format, mask=mask)
    # a file says nothing that depends on what was hidden from it
    size = note(quality.psnr[domain_key(plan.domain)] if quality.masked is None else math.nan)
    video, count = source.format, len(source)
    pixels = video.width * video.height * count
    parameters = sum(part.parameters for part in fitted)
    estimates = [part.estimated_bits for part in fitted]
    structure = 8 * (size - sum(len(part.payload) for part in fitted))
    return EncodeResult(
        file=job.output,
        bytes=size,
        bpp=8 * size / pixels,
        estimated_bpp=None if None in estimates else (structure + sum(e for e in estimates if e is not None)) / pixels,
        kbps=None if video.fps is None else float(8 * size * video.fps / count / 1000),
        frames=count,
        width=video.width,
        height=video.height,
        model=job.model,
        parameters=parameters,
        bits_per_parameter=8 * size / parameters,
        psnr=quality.psnr,
        ms_ssim_y=quality.ms_ssim_y,
        masked=quality.masked,
        worst_frame=quality.worst_frame,
        encode_s=elapsed_s + time.monotonic() - began + sum(part.earlier_s for part in fitted),
        fit_steps=sum(part.steps for part in fitted),
        decode_fps=count / max(drawn.seconds, 1e-9),
        layers=1,
        preview_bytes=reader.session.container.preview_bytes,
        device=reader.device,
        seed=job.config.seed,
        versions=versions(),
        config={**job.to_dict(), "network": plan.network.to_dict()},
        video=video,
        shortfall=_shortfall(job, plan, size, job.target.file_bytes(video, count), quality),
    )


def versions() -> dict[str, str]:
    """Versions of everything that shapes a file."""
    return {
        "nvc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "constriction": version("constriction"),
    }


def _shortfall(job: Job, plan: Plan, size: int, limit: int | None, quality: Measurement) -> str | None:
    """Why the target was not reached; None when it was."""
    if limit is not None and size > limit:
        return f"the file has {size:,} bytes; {limit:,} were asked for, too few for any picture"
    reached = quality.psnr[domain_key(plan.domain)] if quality.masked is None else quality.masked.outside
    if job.target.kind is TargetKind.PSNR and reached < job.target.value:
        return (
            f"the file has {reached:.2f} dB; {job.target.value:g} dB were asked for, which takes more steps "
            "(a slower --preset) or more --params"
        )
    return None


class _Timed:
    """An iterator that knows how long its frames took."""

    def __init__(self, frames: Iterator[Planes]) -> None:
        self._frames, self.seconds = frames, 0.0

    def __iter__(self) -> Iterator[Planes]:
        return self

    def __next__(self) -> Planes:
        began = time.monotonic()
        try:
            return next(self._frames)
        finally:
            self.seconds += time.monotonic() - began
