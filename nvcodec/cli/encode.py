"""``nvc encode``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvcodec.api.checks import check_output
from nvcodec.api.encode import ARCHIVE_MODEL
from nvcodec.api.info import probe
from nvcodec.cli import _archive
from nvcodec.cli import _options as options
from nvcodec.cli._config import config_option, drop_overruled, pairs
from nvcodec.cli._format import clock, count, masked_line, plural, rate, size
from nvcodec.cli._inputs import expand
from nvcodec.cli._interrupt import stop_on_interrupt
from nvcodec.cli._options import Choice, Command, option
from nvcodec.cli._progress import make_progress
from nvcodec.cli._tensors import all_costs, part_table
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.config.settings import flatten
from nvcodec.encoder.archive_result import ArchiveResult
from nvcodec.errors import InterruptedEncodeError, TargetNotReachedError, UsageError
from nvcodec.io.geometry import describe
from nvcodec.models.registry import MODELS

if TYPE_CHECKING:
    from nvcodec.encoder.result import EncodeResult

_TARGETS = ("crf", "bpp", "bitrate", "target_size", "target_psnr")
_KEPT_BY_RESUME = {"resume", "recon", "no_verify", "as_json", "progress", "overwrite"}
_FILES, _MODEL, _RATE, _SPEED = "Files", "Model", "Quality and size (at most one)", "Speed"


@click.command(
    cls=Command,
    examples=(
        "nvc encode clip.mp4 -o clip.nvc",
        "nvc encode Beauty_1920x1080_120fps_420_8bit_YUV.yuv -o beauty.nvc --crf 30 --preset slow",
        "ffmpeg -i in.mkv -f yuv4mpegpipe - | nvc encode - -o out.nvc --bpp 0.05",
        "nvc encode a.mp4 b.mkv c.y4m -o set.nvc --model dnerv --bpp 0.1",
        "nvc encode --resume clip.nvc.work",
    ),
)
# fmt: off
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@option("-i", "inputs_again", group=_FILES, multiple=True, hidden=True)
@option("-o", "--output", group=_FILES, metavar="FILE", help="Bitstream to write, '-' for stdout.")
@option("--work-dir", group=_FILES, metavar="DIR", help="Resume files.  [default: OUTPUT.work]")
@option("--resume", group=_FILES, metavar="DIR", help="Go on with an interrupted encode.")
@options.raw_options()
@options.frame_options()
@option(
    "--mask",
    group="Frames",
    metavar="MASK",
    help="Hide samples from the fit; decoding fills them in: box:WxH, box:WxH+X+Y,..., boxes:N, scattered:N, or a "
    "video or picture that is white there.",
)
@option(
    "-m",
    "--model",
    group=_MODEL,
    type=Choice([model.name for model in MODELS]),
    default=MODELS[0].name,
    help=f"Representation; {ARCHIVE_MODEL} takes several videos.  [default: {MODELS[0].name}]",
)
@option(
    "--domain",
    group=_MODEL,
    type=Choice(["yuv420", "rgb"]),
    help="Planes to fit and measure.  [default: those of the input]",
)
@option("--preview", group=_MODEL, is_flag=True, help="Store what nvc decode --scale needs to be quick: small heads.")
@option(
    "--params",
    "parameters",
    group=_MODEL,
    type=options.COUNT,
    metavar="N",
    help="Size of the network: 3M, 750k.  [default: by rule from the target]",
)
@option(
    "--crf",
    group=_RATE,
    type=options.Number(0, 63),
    metavar="0-63",
    aliases=("--qp",),
    help="Constant quality, lower is better.  [default: 32]",
)
@option("--bpp", group=_RATE, type=options.Positive(), metavar="X", help="Bits per pixel to stay under.")
@option(
    "-b", "--bitrate", group=_RATE, type=options.BIT_RATE, metavar="RATE", help="Bit rate to stay under: 800k, 1.5M."
)
@option(
    "--target-size", group=_RATE, type=options.SIZE_BYTES, metavar="SIZE", help="File size to stay under: 2MB, 900KiB."
)
@option(
    "--target-psnr",
    group=_RATE,
    type=options.Positive(),
    metavar="DB",
    help="Smallest file with at least this PSNR (6:1:1 YUV).",
)
@options.effort_options(preset="medium on CUDA, else faster", planned="encode")
@option("--tune", group=_SPEED, type=Choice(["psnr", "ssim"]), help="Distortion to minimise.  [default: psnr]")
@option(
    "--set",
    "sets",
    group=_SPEED,
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting of fit, loss or model, e.g. --set fit.learning_rate=1e-3 (repeatable).",
)
@config_option(group=_SPEED)
@options.device_options()
@option(
    "--segment",
    group="Compute",
    type=options.Whole(min=1),
    metavar="N",
    help="Frames per independent segment.  [default: whole clip]",
)
@options.seed_option()
@option("--recon", group="Output", metavar="FILE", help="Also write the decoded video (.y4m or .yuv).")
@option("--no-verify", group="Output", is_flag=True, help="Skip checking the written file against its digests.")
@options.json_option()
@options.progress_option()
@options.overwrite_option()
@options.verbosity_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    inputs_again: tuple[str, ...],
    output: str | None,
    work_dir: str | None,
    resume: str | None,
    sets: tuple[str, ...],
    settings: dict[str, object],
    recon: str | None,
    no_verify: bool,
    as_json: bool,
    progress: str,
    overwrite: bool,
    **wanted: Any,
) -> None:
    """Fit a neural representation to INPUT and write it as a bitstream.

    INPUT is .y4m, raw .yuv, anything FFmpeg reads, a folder of PNGs, or '-' for Y4M on stdin.

    With --model dnerv all INPUTs go into one archive; then a folder stands for the videos in it, by name, and @LIST for
    the paths in a text file, one a line, seen from its folder. Targets are for all of them together.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    archived = resume is None and wanted["model"] == ARCHIVE_MODEL
    if resume is not None:
        _check_resume(ctx)
        if recon is not None:
            _archive.check_resumed(resume)
    else:
        _check_files(inputs + inputs_again, output, work_dir, as_json, archived)
        drop_overruled(ctx, _TARGETS, wanted)
    if archived:
        wanted = _archive.check(inputs + inputs_again, ARCHIVE_MODEL, {**wanted, "recon": recon})
    if recon is not None:
        check_output(recon, overwrite, *(inputs + inputs_again)[:1])
        _check_recon(recon)
    with (
        tempfile.TemporaryDirectory(prefix="nvc-") as scratch,
        make_progress(progress, terminal) as shown,
        stop_on_interrupt(terminal) as should_stop,
    ):
        how: dict[str, Any] = {
            "overwrite": overwrite, "verify": not no_verify, "on_event": shown.on_event, "should_stop": should_stop
        }  # fmt: skip
        try:
            if resume is not None:
                result: EncodeResult | ArchiveResult = nvcodec.resume(resume, **how)
            else:
                source = (inputs + inputs_again)[0]
                destination = os.path.join(scratch, "stdout.nvc") if output == "-" else str(output)
                folder = work_dir or (None if "-" in (source, output) else f"{output}.work")
                wanted["settings"] = {**settings, **pairs(sets)}
                wanted["work_dir"] = folder
                if archived:
                    result = nvcodec.encode_archive(expand(inputs + inputs_again), destination, **wanted, **how)
                else:
                    result = nvcodec.encode(source, destination, **wanted, **how)
        except InterruptedEncodeError as error:
            if overwrite and "--resume" in error.hint:
                error.hint += " -y"
            raise
        if recon is not None:
            counter = shown.frame_counter("recon")
            nvcodec.decode(result.file, recon, device=result.device, overwrite=overwrite, on_progress=counter)
        shown.close()
        if output == "-":
            sys.stdout.buffer.write(Path(result.file).read_bytes())
            result = replace(result, file="-")
    if progress == "json":
        terminal.note(json.dumps({"event": "result", **result.to_json()}))
    else:
        checked = not no_verify
        lines = _archive.summary(result, checked) if isinstance(result, ArchiveResult) else summary(result, checked)
        terminal.note("\n".join(lines))
    if terminal.verbose and output != "-":
        terminal.detail("\n".join("  " + line for line in part_table(all_costs(probe(result.file)))))
    for key, value in flatten(result.network if isinstance(result, ArchiveResult) else result.config).items():
        terminal.detail(f"  {key} = {value}")
    if as_json:
        print_json(result.to_json())
    if result.shortfall is not None:
        raise TargetNotReachedError(f"target not reached: {result.shortfall}", "The best file found was written")


def _check_files(
    inputs: tuple[str, ...], output: str | None, work_dir: str | None, as_json: bool, archived: bool
) -> None:
    """Refuse what cannot work, before any work.

    Raises:
        UsageError: Inputs and outputs do not fit together.
    """
    if not inputs:
        raise UsageError("no input given", "See:  nvc encode -h")
    is_list = inputs[0].startswith("@") and not os.path.exists(inputs[0])
    if not archived and (len(inputs) > 1 or is_list):
        given = f"{len(inputs)} inputs" if len(inputs) > 1 else f"the list {inputs[0]}"
        raise UsageError(
            f"{given} given; --model {ARCHIVE_MODEL} takes several videos", "Add it, or encode them one by one"
        )
    if output is None:
        name = "set" if archived else "clip" if inputs[0] == "-" else Path(inputs[0]).stem
        raise UsageError("no output given", f"Name the bitstream:  -o {name}.nvc")
    if output == "-":
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal", "Name a file with -o, or redirect:  -o - > clip.nvc")
        if as_json:
            raise UsageError("--json and -o - both write to standard output; choose one")
        if work_dir is not None:
            raise UsageError("--work-dir needs an output file", "An encode to standard output cannot be resumed")


def _check_recon(recon: str) -> None:
    """Refuse a decoded video that could not be written when the fit is over.

    Raises:
        UsageError: It is neither .y4m nor .yuv.
    """
    if Path(recon).suffix.lower() not in (".y4m", ".yuv"):
        raise UsageError(f"--recon {recon} is neither .y4m nor .yuv", "For other kinds decode the bitstream afterwards")


def _check_resume(ctx: click.Context) -> None:
    """Refuse options that contradict the encode being resumed.

    Raises:
        UsageError: An option was given that the job has already settled.
    """
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
        if given and parameter.expose_value and parameter.name not in _KEPT_BY_RESUME:
            name = parameter.opts[-1] if parameter.opts[-1].startswith("-") else "INPUT"
            raise UsageError(f"{name} cannot be given with --resume", "A resumed encode keeps its input and settings")


def summary(result: EncodeResult, verified: bool) -> list[str]:
    """What the file is worth, in three lines."""
    name = "standard output" if result.file == "-" else result.file
    estimate = "" if result.estimated_bpp is None else f"  (estimated {result.estimated_bpp:.4f})"
    kbps = "" if result.kbps is None else f", {result.kbps:.4g} kb/s"
    psnr, (worst, worst_db) = result.psnr, result.worst_frame
    state = "verified" if verified else "not verified"
    masked = [] if result.masked is None else [masked_line(result.masked)]
    return [
        f"{name}  {size(result.bytes)}  {result.bpp:.4f} bpp{estimate}   "
        f"{plural(result.frames, 'frame')} {describe(result.video)}{kbps}",
        f"PSNR  Y {psnr['y']:.2f}  U {psnr['u']:.2f}  V {psnr['v']:.2f}  6:1:1 {psnr['yuv_611']:.2f}  "
        f"RGB {psnr['rgb']:.2f} dB    MS-SSIM Y {result.ms_ssim_y:.4f}    worst frame {worst}: {worst_db:.2f} dB",
        *masked,
        *([f"previews  {size(result.preview_bytes)} of the file"] if result.preview_bytes else []),
        f"{result.model} {count(result.parameters)} parameters, {result.bits_per_parameter:.1f} bits each   "
        f"decode {rate(result.decode_fps)} fps ({result.device})   encoded in {clock(result.encode_s)}   {state}",
    ]
