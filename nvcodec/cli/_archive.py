"""``nvc encode --model dnerv``: what it refuses, and how it shows its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvcodec.cli._format import clock, count, masked_line, plural, rate, size, table
from nvcodec.config.archive_job import ArchiveJob
from nvcodec.encoder.resume.work_folder import job_in
from nvcodec.errors import UsageError

if TYPE_CHECKING:
    from nvcodec.encoder.archive_result import ArchiveResult

_REFUSED = {
    "recon": ("--recon", "Decode afterwards:  nvc decode FILE --all -o videos/"),
    "preview": ("--preview", "Leave it out: nvc decode --scale shrinks whole pictures"),
    "segment": ("--segment", "Leave it out: any clip of an archive can be drawn by itself already"),
    "target_psnr": ("--target-psnr", "Give --bpp, --target-size, --bitrate or --crf"),
    "seek": ("--seek", "Cut the videos first, or take the first frames of each with -n"),
    "size": ("--size", "Put the size into the names of raw videos, as in clip_64x48.yuv, or give .y4m"),
    "pix_fmt": ("--pix-fmt", "Put the depth into the names of raw videos, as in clip_64x48_10bit.yuv, or give .y4m"),
}


def check(inputs: tuple[str, ...], model: str, options: dict[str, Any]) -> dict[str, Any]:
    """Refuse what an archive cannot do; of the options, those that it has.

    Raises:
        UsageError: An option is about a single video.
    """
    if "-" in inputs:
        raise UsageError("archives are not made from standard input", "Give files: each is read more than once")
    for name, (spelling, remedy) in _REFUSED.items():
        if options[name]:
            raise UsageError(f"{spelling} is not for archives (--model {model})", remedy)
    if options["domain"] == "rgb":
        raise UsageError(f"--domain rgb is not for archives (--model {model})", "Leave it out; they are fitted as YUV")
    return {name: value for name, value in options.items() if name not in {*_REFUSED, "domain", "model"}}


def check_resumed(folder: str) -> None:
    """Refuse to decode what is resumed when it is an archive.

    Raises:
        UsageError: It is one.
        InputError: The folder holds no interrupted encode.
    """
    job = job_in(Path(folder))
    if isinstance(job, ArchiveJob):
        spelling, remedy = _REFUSED["recon"]
        raise UsageError(f"{spelling} is not for archives (--model {job.model})", remedy)


def summary(result: ArchiveResult, verified: bool) -> list[str]:
    """What the file is worth, and each video in it."""
    name = "standard output" if result.file == "-" else result.file
    frames = sum(stream.frames for stream in result.streams)
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
        f"{name}  {size(result.bytes)}  {result.bpp:.4f} bpp   "
        f"{plural(len(result.streams), 'video')}, {plural(frames, 'frame')}   "
        f"PSNR  6:1:1 {result.psnr_yuv_611:.2f} dB on average",
        f"{result.model} {count(result.parameters)} parameters, {size(result.network_bytes)}   "
        f"key frames {size(result.key_frame_bytes)} at crf {result.key_frame_crf}   "
        f"decode {rate(result.decode_fps)} fps ({result.device})   encoded in {clock(result.encode_s)}   "
        f"{'verified' if verified else 'not verified'}",
    ]
