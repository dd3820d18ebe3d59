"""What an encode led to, in a few lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvcodec.cli._format import masked_line, psnr_line, table
from nvcodec.io.geometry import describe
from nvcodec.io.saying import duration, plural
from nvcodec.progress.figures import bit_rate, count, rate, size

if TYPE_CHECKING:
    from nvcodec.api.plan import EncodePlan
    from nvcodec.encoder.result import EncodeResult, LayerResult


def encode_summary(result: EncodeResult, verified: bool) -> list[str]:
    """What the file is worth."""
    lines = _one(result) if result.key_frame_crf is None else _keyed(result)
    return [*lines[:-1], f"{lines[-1]}   {'verified' if verified else 'not verified'}"]


def plan_lines(plan: EncodePlan) -> list[str]:
    """What an encode would fit."""
    size_of = f"{plan.parameters:,} parameters" if plan.parameters is not None else "a size weighed against key frames"
    if plan.fixed_bits and plan.parameters is not None:
        nbytes = plan.networks * plan.parameters * plan.fixed_bits / 8
        rate = f"{plan.fixed_bits} bits each, about {size(nbytes)}"
    else:
        rate = "constant quality" if plan.target_bytes is None else f"at most {size(plan.target_bytes)}"
    steps = "" if plan.steps is None else f", {plural(plan.steps, 'step')}"
    several = f"{plan.networks} networks, the largest of " if plan.networks > 1 else ""
    return [
        f"{plan.model} {plan.preset}: {several}{size_of}, {rate}{steps}",
        f"{plural(plan.frames, 'frame')} {plan.width}x{plan.height}, drawn in {plan.domain}"
        + (f"; {plan.summary}" if plan.summary else ""),
    ]


def layer_summary(result: LayerResult) -> list[str]:
    """What the layer is worth, in two lines."""
    now, before = result.psnr, result.psnr_below
    return [
        f"{result.file}  layer {result.layer}: {size(result.added_bytes)} added ({result.added_bpp:.4f} bpp), "
        f"{size(result.bytes)} in all ({result.bpp:.4f} bpp)",
        f"{psnr_line(now, ('y', 'yuv_611', 'rgb'))}   "
        f"{now['yuv_611'] - before['yuv_611']:+.2f} dB 6:1:1   {count(result.parameters)} parameters   "
        f"added in {duration(result.encode_s)}",
    ]


def _one(result: EncodeResult) -> list[str]:
    """A single video: three lines and more."""
    estimate = "" if result.estimated_bpp is None else f"  (estimated {result.estimated_bpp:.4f})"
    kbps = "" if result.kbps is None else f", {bit_rate(1000 * result.kbps)}"
    worst, worst_db = result.worst_frame
    return [
        f"{_name(result)}  {size(result.bytes)}  {result.bpp:.4f} bpp{estimate}   "
        f"{plural(result.frames, 'frame')} {describe(result.video)}{kbps}",
        f"{psnr_line(result.psnr)}    MS-SSIM Y {result.ms_ssim_y:.4f}    worst frame {worst}: {worst_db:.2f} dB",
        *([] if result.masked is None else [masked_line(result.masked)]),
        *([f"previews  {size(result.preview_bytes)} of the file"] if result.preview_bytes else []),
        f"{result.model} {count(result.parameters)} parameters, {result.bits_per_parameter:.1f} bits each   "
        f"decode {rate(result.decode_fps)} fps ({result.device})   encoded in {duration(result.encode_s)}",
    ]


def _keyed(result: EncodeResult) -> list[str]:
    """A file of key frames and a network: a table of its videos, then two lines."""
    rows = [
        (
            stream.name,
            f"{stream.width}x{stream.height}",
            f"{stream.frames:,}",
            f"{stream.psnr['yuv_611']:.2f}",
            f"{stream.ms_ssim_y:.4f}",
            f"{stream.key_frame_bytes:,}",
        )
        for stream in result.streams
    ]
    header = ("video", "size", "frames", "PSNR 6:1:1", "MS-SSIM Y", "key-frame bytes")
    return [
        *("  " + line for line in table(header, rows, {0})),
        *(f"{stream.name}: {masked_line(stream.masked)}" for stream in result.streams if stream.masked is not None),
        f"{_name(result)}  {size(result.bytes)}  {result.bpp:.4f} bpp   "
        f"{plural(len(result.streams), 'video')}, {plural(result.frames, 'frame')}   "
        f"PSNR  6:1:1 {result.psnr['yuv_611']:.2f} dB on average",
        f"{result.model} {count(result.parameters)} parameters, {size(result.network_bytes)}   "
        f"key frames {size(result.key_frame_bytes)} at crf {result.key_frame_crf}   "
        f"decode {rate(result.decode_fps)} fps ({result.device})   encoded in {duration(result.encode_s)}",
    ]


def _name(result: EncodeResult) -> str:
    return "standard output" if result.file == "-" else result.file
