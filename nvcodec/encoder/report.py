"""The numbers of an encode: those of the written file, decoded again."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from nvcodec.config.job import Job
from nvcodec.config.settings import plain_settings
from nvcodec.config.target import TargetKind
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.encoder.footage.read import SourceVideo
from nvcodec.encoder.parts.part import Fitted
from nvcodec.encoder.plan.pace import time_for, time_to_gain
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.result import EncodeResult, LayerResult, StreamResult
from nvcodec.metrics.measure import Measurement, domain_key, means, measure
from nvcodec.types import Planes
from nvcodec.version import __version__

_POOR = (0.5, "next to nothing"), (0.75, "little more than shapes")
"""MS-SSIM of luma below which pictures are poor, and how. Flat ones have 0.2 to 0.3, whatever is on them; akiyo in 700
bytes (0.56) is an outline, Bunny of a minute a heap of colours (0.67); from 0.75 on there are faces."""
_FULL = 0.9
"""Share of a size from which on it is what pictures lack."""


@dataclass(frozen=True)
class Measured:
    """A file beside what it was made from."""

    session: Session
    qualities: tuple[Measurement, ...]
    """Of each video."""
    drawing_s: float
    """What drawing all of them took."""

    def psnr_db(self, plan: Plan) -> float:
        """Mean over the videos, in the sense of the coding domain; hidden samples count."""
        return _mean([quality.psnr[domain_key(plan.domain)] for quality in self.qualities])

    def reached_db(self, plan: Plan) -> float:
        """The same, of what the fit was shown."""
        key = domain_key(plan.domain)
        return _mean([each.psnr[key] if each.masked is None else each.masked.outside for each in self.qualities])


def measured(session: Session, videos: Sequence[SourceVideo], device: str) -> Measured:
    """Decode every video of a file and compare it with its source."""
    qualities, drawing_s = [], 0.0
    for stream, video in enumerate(videos):
        reader = VideoReader(session, device=device, stream=stream)
        drawn = _Timed(reader.frames())
        source = video.source
        qualities.append(measure(source.frames(), source.format, drawn, reader.format, mask=video.mask))
        drawing_s += drawn.seconds
    return Measured(session, tuple(qualities), drawing_s)


def encode_result(
    job: Job,
    plan: Plan,
    videos: Sequence[SourceVideo],
    fitted: Sequence[Fitted],
    found: Measured,
    size: int,
    elapsed_s: float,
) -> EncodeResult:
    """The numbers of a new file.

    Args:
        job: What was asked for.
        plan: What was planned.
        videos: What was encoded.
        fitted: All parts.
        found: The written file.
        size: Its size in bytes.
        elapsed_s: Duration of the encode, without what was fitted before it was resumed.
    """
    sources = [video.source for video in videos]
    pixels, frames = sum(source.pixels for source in sources), sum(map(len, sources))
    payloads, parameters = sum(len(part.payload) for part in fitted), sum(part.parameters for part in fitted)
    estimates = [part.estimated_bits for part in fitted if part.estimated_bits is not None]
    streams = tuple(
        _stream_result(number, video, quality, found.session)
        for number, (video, quality) in enumerate(zip(videos, found.qualities, strict=True))
    )
    key_bytes = sum(stream.key_frame_bytes for stream in streams)
    widths, heights = ({getattr(source.format, side) for source in sources} for side in ("width", "height"))
    only = found.qualities[0] if len(videos) == 1 else None
    times = [len(source) / source.format.fps for source in sources if source.format.fps is not None]
    return EncodeResult(
        file=job.output,
        bytes=size,
        bpp=8 * size / pixels,
        estimated_bpp=(8 * (size - payloads) + sum(estimates)) / pixels if len(estimates) == len(fitted) else None,
        kbps=float(8 * size / sum(times) / 1000) if len(times) == len(sources) else None,
        frames=frames,
        width=widths.pop() if len(widths) == 1 else None,
        height=heights.pop() if len(heights) == 1 else None,
        model=plan.model.name,
        parameters=parameters,
        bits_per_parameter=8 * (size - key_bytes) / parameters,
        psnr=means([quality.psnr for quality in found.qualities]),
        ms_ssim_y=_mean([quality.ms_ssim_y for quality in found.qualities]),
        worst_frame=min((quality.worst_frame for quality in found.qualities), key=lambda worst: worst[1]),
        encode_s=elapsed_s + sum(part.earlier_s for part in fitted),
        fit_steps=sum(part.steps for part in fitted),
        decode_fps=frames / max(found.drawing_s, 1e-9),
        layers=1,
        preview_bytes=found.session.container.preview_bytes,
        network_bytes=payloads,
        key_frame_bytes=key_bytes,
        key_frame_crf=fitted[0].chunks.key_frame_crf,
        device=job.options.device,
        seed=job.options.seed,
        versions=versions(),
        config={**described(job, plan), "network": fitted[0].network.to_dict()},
        video=sources[0].format,
        streams=streams,
        masked=None if only is None else only.masked,
        shortfall=_shortfall(job, plan, size, found),
    )


def layer_result(
    job: Job,
    plan: Plan,
    fitted: Sequence[Fitted],
    below: Measured,
    found: Measured,
    size: int,
    elapsed_s: float,
) -> LayerResult:
    """The numbers of a file with one more layer; arguments as :func:`encode_result`, ``below`` is without it."""
    session, (quality,) = found.session, found.qualities
    video, frames = session.stream(0).format, session.frame_count()
    added, pixels = size - below.session.size, video.width * video.height * frames
    return LayerResult(
        file=job.output,
        layer=session.container.layers,
        added_bytes=added,
        bytes=size,
        bpp=8 * size / pixels,
        added_bpp=8 * added / pixels,
        frames=frames,
        parameters=sum(part.parameters for part in fitted),
        psnr=quality.psnr,
        psnr_below=below.qualities[0].psnr,
        ms_ssim_y=quality.ms_ssim_y,
        encode_s=elapsed_s + sum(part.earlier_s for part in fitted),
        fit_steps=sum(part.steps for part in fitted),
        device=job.options.device,
        seed=job.options.seed,
        versions=versions(),
        network=fitted[0].network.to_dict(),
        shortfall=_layer_shortfall(job, plan, added, found),
    )


def described(job: Job, plan: Plan) -> dict[str, object]:
    """A job as results tell it: every setting, those that were not asked for too."""
    options, target = job.options, job.target
    apart = (
        "size",
        "rate",
        "pix_fmt",
        "crop",
        "scale",
        "fps",
        "deinterlace",
        "seek",
        "frames",
        "mask",
        "model",
        "preview",
    )
    plain: dict[str, Any] = replace(job, base=None).to_dict()
    together = ("preset", "parameters", "segment", "epochs", "max_time_s", "seed", "threads", "device", "domain")
    inputs = {"sources": plain["inputs"]} if len(job.inputs) > 1 else {"source": plain["inputs"][0]}
    return {
        **inputs,
        "output": job.output,
        **{name: plain[name] for name in apart},
        "size": options.size,
        "target": {"kind": target.kind.value, "value": target.value},
        "config": {**{name: plain[name] for name in together}, **plain_settings(plan.settings)},
    }


def versions() -> dict[str, str]:
    """Versions of everything that shapes a file."""
    return {
        "nvc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "constriction": version("constriction"),
    }


def _stream_result(number: int, video: SourceVideo, quality: Measurement, session: Session) -> StreamResult:
    container = session.container
    keys = [keys for ordinal, keys in container.key_frames.items() if container.segments[ordinal].stream == number]
    return StreamResult(
        name=video.name,
        width=video.source.format.width,
        height=video.source.format.height,
        frames=len(video.source),
        key_frames=sum(len(each.packets) for each in keys),
        key_frame_bytes=sum(len(packet) for each in keys for packet in each.packets),
        direct=sum(sum(each.direct) for each in keys),
        psnr=quality.psnr,
        ms_ssim_y=quality.ms_ssim_y,
        masked=quality.masked,
    )


def _shortfall(job: Job, plan: Plan, size: int, found: Measured) -> str | None:
    """Why the target was not reached; None when it was."""
    if plan.limit is not None and size > plan.limit:
        return f"the file has {size:,} bytes; {plan.limit:,} were asked for, too few for any picture"
    target, reached = job.target, found.reached_db(plan)
    if target.kind is TargetKind.PSNR and reached < target.value:
        seconds, remedy = job.options.max_time_s, "which takes more steps (a slower --preset) or more --params"
        if seconds is not None:
            enough_s = time_to_gain(seconds, target.value - reached)
            remedy = (
                "which more time alone is not likely to bring"
                if enough_s is None
                else f"for which --max-time {time_for(enough_s)} may do"
            )
        return f"the file has {reached:.2f} dB; {target.value:g} dB were asked for, {remedy}"
    return None


def said_of_pictures(found: Measured, size: int, limit: int | None) -> str | None:
    """What there is to say of pictures that show little, of a file of so many bytes; None where there is nothing."""
    likeness = min((each.ms_ssim_y for each in found.qualities if each.masked is None), default=1.0)
    shown = next((words for most, words in _POOR if likeness < most), None)
    if shown is None:
        return None
    lacking = "more bits" if limit is not None and size > _FULL * limit else "more time"
    return f"the pictures show {shown} (MS-SSIM {likeness:.2f}); {lacking} may mend that"


def _layer_shortfall(job: Job, plan: Plan, added: int, found: Measured) -> str | None:
    if plan.limit is not None and added > plan.limit:
        return f"the layer takes {added:,} bytes; {plan.limit:,} were asked for, too few for any layer"
    target, reached = job.target, found.reached_db(plan)
    if target.kind is TargetKind.PSNR and reached < target.value:
        return f"the file has {reached:.2f} dB; {target.value:g} dB were asked for, which takes more --params"
    return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


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
