"""``nvc decode``."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nvcodec.api.decode import MAX_INTERPOLATE, DecodeResult, StreamOutcome
from nvcodec.cli import _options as options
from nvcodec.cli._format import clock, plural, rate
from nvcodec.cli._options import Command, option
from nvcodec.cli._progress import make_progress
from nvcodec.cli._terminal import Terminal, print_error, print_json
from nvcodec.container import PREVIEW_DIVISORS, Limits
from nvcodec.errors import BitstreamError, UsageError
from nvcodec.io.sink import SUFFIXES

_CHECKED = "   all digests match"


@click.command(
    cls=Command,
    examples=(
        "nvc decode clip.nvc -o clip.y4m",
        "nvc decode clip.nvc -o - | ffplay -",
        "nvc decode clip.nvc -o frame.png --seek 120 -n 1",
        "nvc decode clip.nvc -o base.y4m --layers 0",
        "nvc decode clip.nvc -o small.mp4 --scale 1/4",
        "nvc decode clip.nvc -o smooth.mp4 --interpolate 2",
        "nvc decode set.nvc --all -o videos/",
        "nvc decode clip.nvc --check",
    ),
)
# fmt: off
@click.argument("bitstream", metavar="INPUT")
@option(
    "-o",
    "--output",
    group="Files",
    metavar="FILE",
    help=".y4m, .yuv, .mkv (lossless), .mp4, .png, a folder for PNGs, or '-' (Y4M on stdout).",
)
@option("--pix-fmt", group="Files", type=options.PIXEL_FORMAT, help="[default: as encoded]")
@options.frame_options()
@option(
    "--step", group="Frames", type=options.Whole(min=1), metavar="N", default=1, help="Every N-th frame.  [default: 1]"
)
@option(
    "--interpolate",
    group="Frames",
    type=options.Whole(1, MAX_INTERPOLATE),
    metavar="N",
    default=1,
    help="Draw N-1 pictures between each two frames, none behind the last, at N times the rate.  [default: 1]",
)
@option(
    "--stream", group="Streams", metavar="N|NAME", default="0", help="Which video of a multi-video file.  [default: 0]"
)
@option("--all", "every", group="Streams", is_flag=True, help="Every video of the file, to -o FOLDER/NAME.mkv.")
@option(
    "--format",
    "kind",
    group="Streams",
    type=options.Choice(["mkv", "y4m", "yuv", "mp4"]),
    help="Kind of the videos of --all; mp4 is lossy.  [default: mkv]",
)
@option(
    "--layers",
    group="Streams",
    type=options.Whole(0, 255),
    metavar="N",
    help="Use the base and the first N enhancement layers.  [default: all; none where --scale finds previews]",
)
@option(
    "--scale",
    group="Frames",
    type=options.Choice(["1", *(f"1/{divisor}" for divisor in PREVIEW_DIVISORS)]),
    default="1",
    help="Draw small pictures; quick if encoded with --preview, which shows the base alone.  [default: 1]",
)
@options.device_options()
@option(
    "--batch",
    group="Compute",
    type=options.Whole(1, 4096),
    metavar="N",
    help="Frames per forward pass.  [default: fits memory]",
)
@option(
    "--limit",
    "limits",
    group="Compute",
    multiple=True,
    metavar="NAME=VALUE",
    help="Raise a limit that a large file runs into, e.g. max_frames=2000000 (repeatable).",
)
@option(
    "--check",
    group="Output",
    is_flag=True,
    help="Verify checksums and that pictures are within 1 of the stored digest; exit 4 if not. Needs no -o.",
)
@options.json_option()
@options.progress_option()
@options.overwrite_option()
@options.verbosity_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    bitstream: str,
    output: str | None,
    pix_fmt: str | None,
    seek: int,
    frames: int | None,
    step: int,
    interpolate: int,
    stream: str,
    every: bool,
    kind: str | None,
    layers: int | None,
    scale: str,
    device: str,
    threads: int,
    batch: int | None,
    limits: tuple[str, ...],
    check: bool,
    as_json: bool,
    progress: str,
    overwrite: bool,
) -> None:
    """Render a bitstream to video.

    INPUT is an .nvc file or '-' for stdin. Of a file of several videos, -o takes the first, --all takes each.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    if every:
        _check_all(ctx, output)
    elif kind is not None:
        raise UsageError("--format is for --all", "Say the kind of one video with its suffix:  -o clip.y4m")
    if output is None and not check:
        raise UsageError("no output given", "Name the video with -o, e.g. -o clip.y4m; or only verify with --check")
    if output == "-" and as_json:
        raise UsageError("--json and -o - both write to standard output; choose one")
    if output == "-" and sys.stdout.isatty():
        raise UsageError("standard output is a terminal", "Pipe the Y4M on:  nvc decode clip.nvc -o - | ffplay -")
    with make_progress(progress, terminal) as shown:
        how: dict[str, Any] = {
            "pix_fmt": pix_fmt, "layers": layers, "scale": scale, "device": device, "batch": batch, "threads": threads,
            "interpolate": interpolate, "limits": parse_limits(limits), "check": check, "overwrite": overwrite,
            "on_progress": shown.frame_counter("decode"), "on_warning": terminal.warn,
        }  # fmt: skip
        if every:
            outcomes = nvcodec.decode_all(bitstream, output, suffix=f".{kind or 'mkv'}", **how)
        else:
            result = nvcodec.decode(bitstream, output, seek=seek, frames=frames, step=step, stream=stream, **how)
    if every:
        _report_all(terminal, bitstream, outcomes, check, as_json)
        return
    if output is None:
        terminal.note(f"{bitstream}{_CHECKED if check else ''}   {clock(result.decode_s)} on {result.device}")
    else:
        terminal.note(_result_line("standard output" if output == "-" else output, result, check))
    if result.streams > 1 and ctx.get_parameter_source("stream") is not ParameterSource.COMMANDLINE:
        named = f" {result.stream_name!r}" if result.stream_name else ""
        terminal.note(
            f"  this is stream {result.stream}{named} of {result.streams}; for another --stream N|NAME, "
            f"for all of them --all{' -o FOLDER/' if output else ''}"
        )
    if as_json:
        print_json(result.to_json())


def _check_all(ctx: click.Context, output: str | None) -> None:
    """Refuse what ``--all`` cannot do.

    Raises:
        UsageError: An option is about one video, or the output is no folder.
    """
    for name in ("stream", "seek", "frames", "step"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--{name} cannot be given with --all, which writes every video whole", "Leave one of them out"
            )
    if output == "-":
        raise UsageError("--all writes one file for each video, not standard output", "Name a folder:  -o videos/")
    if output is not None and not Path(output).is_dir() and (Path(output).exists() or Path(output).suffix in SUFFIXES):
        raise UsageError(f"{output} is no folder; --all writes one file for each video", "Name a folder:  -o videos/")


def _report_all(terminal: Terminal, bitstream: str, outcomes: list[StreamOutcome], check: bool, as_json: bool) -> None:
    """A line for each video, and what went wrong.

    Raises:
        NvcError: At least one could not be decoded.
    """
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    for outcome in outcomes:
        if outcome.error is not None:
            print_error(outcome.error.message, outcome.error.hint)
        elif outcome.result is not None:
            named = outcome.output or f"{bitstream} stream {outcome.stream} {outcome.name}".rstrip()
            terminal.note(_result_line(named, outcome.result, check) if outcome.output else f"{named}{_CHECKED}")
    if as_json:
        print_json({"schema": "nvc-decode-all/1", "streams": [outcome.to_json() for outcome in outcomes]})
    if failed:
        # damage weighs more than what this version does not have
        kind = BitstreamError if any(isinstance(error, BitstreamError) for error in failed) else type(failed[0])
        hint = "The others were" if len(failed) < len(outcomes) else ""
        raise kind(f"{len(failed)} of {plural(len(outcomes), 'stream')} could not be decoded", hint)


def _result_line(name: str, result: DecodeResult, check: bool) -> str:
    return (
        f"{name}  {plural(result.frames, 'frame')} in {result.decode_s:.2f} s   {rate(result.fps)} fps "
        f"({result.device}), entropy decoding {result.entropy_s:.2f} s{_CHECKED if check else ''}"
    )


def parse_limits(words: tuple[str, ...]) -> Limits:
    """``NAME=VALUE`` words to limits.

    Raises:
        UsageError: A limit does not exist, or its value is no number.
    """
    limits = Limits()
    names = [field.name for field in fields(Limits)]
    for word in words:
        name, _, value = word.partition("=")
        if name not in names:
            raise UsageError(f"no limit is called {name!r}", f"Limits: {', '.join(names)}")
        if not value.isdecimal() or len(value) > 18:
            raise UsageError(f"--limit {word} has no whole number", f"Write it as {name}=1000000")
        limits = replace(limits, **{name: int(value)})
    return limits
