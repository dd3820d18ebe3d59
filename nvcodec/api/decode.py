"""A bitstream to a video file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nvcodec.api.info import probe
from nvcodec.container import Limits
from nvcodec.decoder.notices import notices
from nvcodec.decoder.opening import check_layers, read_bitstream, stream_number
from nvcodec.decoder.previews import Scale, check_scale
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.decoder.shrink import shrunk_format
from nvcodec.errors import InputError, UsageError, naming
from nvcodec.io.geometry import PIXEL_FORMATS
from nvcodec.io.sink import open_sink
from nvcodec.types import ChromaFormat, Planes, Time, VideoFormat

MAX_INTERPOLATE = 64
"""From 1 frame per second to 64."""
UNNAMED = "the file"
"""What messages call a bitstream that somebody else opened."""


@dataclass(frozen=True)
class DecodeResult:
    """What a decode did."""

    frames: int
    """Frames drawn and written."""
    decode_s: float
    """Seconds from the opened file to the closed output; reading it and starting torch are not counted."""
    entropy_s: float
    """Seconds of that spent in entropy decoding."""
    fps: float
    """Frames per second over the whole of it."""
    device: str
    stream: int = 0
    """Which video of the file it was."""
    stream_name: str = ""
    streams: int = 1
    """Videos in the file."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc decode --json`` prints, schema ``nvc-decode/1``."""
        return {"schema": "nvc-decode/1", **asdict(self)}


def decode(
    source: str | Path | bytes | Session,
    output: str | Path | None,
    *,
    pix_fmt: str | None = None,
    seek: int = 0,
    frames: int | None = None,
    step: int = 1,
    interpolate: int = 1,
    stream: int | str = 0,
    layers: int | None = None,
    scale: Scale = 1,
    device: str = "auto",
    batch: int | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    check: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_warning: Callable[[str], None] = lambda message: None,
) -> DecodeResult:
    """Render a bitstream to a video file.

    Args:
        source: Path of an .nvc file, its bytes, ``-`` for standard input, or an open session, which has its own limits.
        output: .y4m, .yuv, .mp4, .mkv, .png, a folder ending in ``/``, ``-`` for Y4M on stdout; None writes nothing.
        pix_fmt: ``yuv420p`` or ``yuv420p10le``; None = the bit depth of the file.
        seek: First frame.
        frames: How many frames to write; None = to the end.
        step: Every n-th frame only.
        interpolate: Draw ``interpolate - 1`` pictures between each two frames too, at as many times the frame rate.
        stream: Which video of the file, by number or name.
        layers: Enhancement layers to draw with; None = all that can be used, but none where previews are drawn.
        scale: Share of width and height to draw at: 1, 1/2, 1/4 or 1/8, as a number or written so. Quick where the file
            holds previews; else whole pictures are drawn and shrunk.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch: Frames per forward pass; None = what fits memory.
        threads: CPU threads; None = as torch is set.
        limits: What to refuse before allocating.
        check: Verify all segments of the stream against their digests first.
        overwrite: Replace an existing output.
        on_progress: Hears of frames done and frames in all.
        on_warning: Hears of what is missing from a file that was cut, and what small pictures cost or lack.

    Raises:
        InputError: The bitstream cannot be read, or has no such frames.
        BitstreamError: It is damaged, or a check failed.
        UnsupportedError: It needs something this version does not have.
        UsageError: The options make no sense, or the output exists.
        DeviceError: The device is missing.
    """
    name, session = _opened(source, limits)
    with naming(None if session is source else name):  # who opened a session knows its name
        container = session.container
        for warning in container.warnings:
            on_warning(f"{name}: {warning}")
        names = [header.name for header in container.header.streams]
        number = stream_number(stream, names)
        total = session.frame_count(number)
        asked = _frame_range(name, total, seek, frames, step)
        wanted = _times(asked, interpolate)
        check_layers(session, layers)
        drawn = shrunk_format(session.drawn_format(number), check_scale(scale))
        written = drawn if pix_fmt is None else replace(drawn, bit_depth=PIXEL_FORMATS[pix_fmt])
        if written.fps is not None:
            written = replace(written, fps=written.fps * interpolate)
        sink = nullcontext() if output is None else open_sink(output, written, overwrite=overwrite)
        with sink as opened:
            reader = VideoReader(session, device=device, stream=number, layers=layers, scale=scale, batch=batch)
            for notice in notices(reader, asked) if output is not None else ():
                on_warning(f"{name}: {notice}")
            _set_threads(threads)
            began, entropy_before_s = time.monotonic(), session.entropy_s
            if check:
                from nvcodec.decoder.check import check_stream

                check_stream(reader)
            if opened is not None:
                for done, planes in enumerate(reader.frames(wanted), 1):
                    opened.write(_at_depth(planes, drawn, written))
                    on_progress(done, len(wanted))
    count = 0 if output is None else len(wanted)
    seconds = time.monotonic() - began
    return DecodeResult(
        count,
        seconds,
        session.entropy_s - entropy_before_s,
        count / max(seconds, 1e-9),
        reader.device,
        number,
        names[number],
        len(names),
    )


def _opened(source: str | Path | bytes | Session, limits: Limits | None) -> tuple[str, Session]:
    """What messages call a bitstream, and its session; without torch, so that mistakes are reported at once."""
    if isinstance(source, Session):
        return UNNAMED, source
    name = "<bytes>" if isinstance(source, bytes) else "standard input" if str(source) == "-" else str(source)
    data = sys.stdin.buffer.read() if source in ("-", Path("-")) else read_bitstream(source)
    with naming(name):
        return name, probe(data, limits=limits).session


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _frame_range(name: str, total: int, seek: int, frames: int | None, step: int) -> range:
    """The frames asked for.

    Raises:
        InputError: The file ends before them.
    """
    if seek < 0 or step < 1 or (frames is not None and frames < 1):
        raise UsageError("--seek must not be negative, --frames and --step at least 1")
    wanted = range(seek, total if frames is None else seek + frames * step, step)
    if not wanted or wanted[-1] >= total:
        last = seek if not wanted else wanted[-1]
        raise InputError(
            f"{name} holds {total} frame{'' if total == 1 else 's'}, but frame {last} was asked for",
            "Frames count from 0. Lower --seek or --frames.",
        )
    return wanted


def check_interpolate(interpolate: int) -> None:
    """Refuse what is no number of pictures for each frame.

    Raises:
        UsageError: It is none.
    """
    if not 1 <= interpolate <= MAX_INTERPOLATE:
        raise UsageError(f"--interpolate is {interpolate}", f"Give 1 to {MAX_INTERPOLATE}: 2 doubles the frame rate")


def _times(frames: range, interpolate: int) -> Sequence[Time]:
    """The frames, and times between each two of them.

    Raises:
        UsageError: There is no such number of pictures between frames, or some of the frames are to be left out.
    """
    check_interpolate(interpolate)
    if interpolate == 1:
        return frames
    if frames.step > 1:
        raise UsageError("--step leaves frames out, --interpolate adds some", "Choose one")
    first, last = interpolate * frames[0], interpolate * frames[-1]
    return [Fraction(tick, interpolate) for tick in range(first, last + 1)]


def _at_depth(planes: Planes, drawn: VideoFormat, written: VideoFormat) -> Planes:
    """Change the bit depth: limited range scales by powers of two, full range and RGB by the ratio of the peaks."""
    if drawn.bit_depth == written.bit_depth:
        return planes
    full = drawn.colour.full_range or drawn.chroma is ChromaFormat.RGB
    scale = written.peak / drawn.peak if full else 2.0 ** (written.bit_depth - drawn.bit_depth)
    first, second, third = (
        np.minimum(np.floor(plane * np.float64(scale) + 0.5), written.peak).astype(written.dtype) for plane in planes
    )
    return first, second, third
