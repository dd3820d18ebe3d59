"""``nvc decode``."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import click

from nvcodec.cli import _options as options
from nvcodec.cli._format import clock, plural, rate
from nvcodec.cli._options import Command, option
from nvcodec.cli._progress import make_progress
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.container import Limits
from nvcodec.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "nvc decode clip.nvc -o clip.y4m",
        "nvc decode clip.nvc -o - | ffplay -",
        "nvc decode clip.nvc -o frame.png --seek 120 -n 1",
        "nvc decode clip.nvc -o base.y4m --layers 0",
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
    "--stream", group="Streams", metavar="N|NAME", default="0", help="Which video of a multi-video file.  [default: 0]"
)
@option(
    "--layers",
    group="Streams",
    type=options.Whole(0, 255),
    metavar="N",
    help="Use the base and the first N enhancement layers.  [default: all]",
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
    stream: str,
    layers: int | None,
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

    INPUT is an .nvc file or '-' for stdin.
    """
    from nvcodec import api

    terminal = ctx.ensure_object(Terminal)
    if output is None and not check:
        raise UsageError("no output given", "Name the video with -o, e.g. -o clip.y4m; or only verify with --check")
    if output == "-" and as_json:
        raise UsageError("--json and -o - both write to standard output; choose one")
    if output == "-" and sys.stdout.isatty():
        raise UsageError("standard output is a terminal", "Pipe the Y4M on:  nvc decode clip.nvc -o - | ffplay -")
    with make_progress(progress, terminal) as shown:
        result = api.decode(
            bitstream,
            output,
            pix_fmt=pix_fmt,
            seek=seek,
            frames=frames,
            step=step,
            stream=stream,
            layers=layers,
            device=device,
            batch=batch,
            threads=threads,
            limits=parse_limits(limits),
            check=check,
            overwrite=overwrite,
            on_progress=shown.frame_counter("decode"),
            on_warning=terminal.warn,
        )
    checked = "   all digests match" if check else ""
    if output is None:
        terminal.note(f"{bitstream}{checked}   {clock(result.decode_s)} on {result.device}")
    else:
        name = "standard output" if output == "-" else output
        terminal.note(
            f"{name}  {plural(result.frames, 'frame')} in {result.decode_s:.2f} s   {rate(result.fps)} fps "
            f"({result.device}), entropy decoding {result.entropy_s:.2f} s{checked}"
        )
    if as_json:
        print_json(result.to_json())


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
