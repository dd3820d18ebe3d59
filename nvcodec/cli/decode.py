"""``nvc decode``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from nvcodec.api.decode import CheckFailedError, DecodeResult, StreamOutcome
from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, choice, fields_of, option
from nvcodec.cli._terminal import Terminal, print_error, print_json
from nvcodec.config.options import DecodeOptions, changed
from nvcodec.errors import BitstreamError, UsageError
from nvcodec.io.output import place_of
from nvcodec.io.saying import duration, plural
from nvcodec.io.sink import SUFFIXES
from nvcodec.io.standard import check_standard_output, is_terminal
from nvcodec.progress.figures import rate

_CHECKED = "all digests match"


@click.command(
    cls=Command,
    examples=(
        "nvc decode clip.nvc -o clip.y4m",
        "nvc decode clip.nvc -o - | ffplay -",
        "nvc decode clip.nvc -o frame.png --frame 120",
        "nvc decode clip.nvc -o between.jpg --frame 17.5",
        "nvc decode clip.nvc -o base.y4m --layers 0",
        "nvc decode clip.nvc -o small.mp4 --scale 1/4",
        "nvc decode clip.nvc -o smooth.mp4 --interpolate 2",
        "nvc decode clip.nvc -o clip.mp4 --audio-from original.mp4",
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
    help=".y4m, .yuv, .mkv (lossless), .mp4, .webm, .gif, .png, .jpg, a folder for PNGs, or '-' (Y4M on stdout).",
)
@fields_of(DecodeOptions, "pix_fmt", "rate", "audio_from", "seek", "frames", "step", "frame", "interpolate", "stream")
@option("--all", "every", group="Streams", is_flag=True, help="Every video of the file, to -o FOLDER/NAME.mkv.")
@option(
    "--format",
    "kind",
    group="Streams",
    type=choice("mkv", "y4m", "yuv", "mp4", "webm", "gif"),
    help="Kind of the videos of --all; mp4, webm and gif are lossy.  [default: mkv]",
)
@fields_of(DecodeOptions, "layers", "scale", "device", "threads", "batch", "limits", "check")
@options.output_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    bitstream: str,
    output: str | None,
    every: bool,
    kind: str | None,
    overwrite: bool,
    **wanted: object,
) -> None:
    """Render a bitstream to video.

    INPUT is an .nvc file or '-' for stdin. Of a file of several videos, -o takes the first, --all takes each.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    asked = changed(DecodeOptions(threads=1), {name: value for name, value in wanted.items() if value is not None})
    if every:
        _check_all(output)
    elif kind is not None:
        raise UsageError("--format is for --all", "Say the kind of one video with its suffix:  -o clip.y4m")
    if output is None and not asked.check:
        raise UsageError("no output given", "Name the video with -o, e.g. -o clip.y4m; or only verify with --check")
    if output is not None and not every and not Path(output).is_dir() and place_of(output).is_standard_output:
        check_standard_output()
        if terminal.as_json:
            raise UsageError("--json and -o - both write to standard output; choose one")
        if is_terminal(sys.stdout):
            raise UsageError("standard output is a terminal", "Pipe the Y4M on:  nvc decode clip.nvc -o - | ffplay -")
    with terminal.shown() as shown:
        told, warn = shown.frame_counter("decode"), terminal.warn
        if every:
            suffix = f".{kind or 'mkv'}"
            outcomes = nvcodec.decode_all(
                bitstream, output, suffix=suffix, options=asked, overwrite=overwrite, on_progress=told, on_warning=warn
            )
        else:
            try:
                result = nvcodec.decode(
                    bitstream, output, options=asked, overwrite=overwrite, on_progress=told, on_warning=warn
                )
            except CheckFailedError as failed:
                if terminal.as_json:
                    print_json(failed.result.to_json())
                raise
    if every:
        _report_all(terminal, bitstream, outcomes)
        return
    if output is not None:
        terminal.note(_result_line("standard output" if output == "-" else output, result))
    if result.check is not None:
        took = f"{duration(result.decode_s)} on {result.device}"
        terminal.note(f"{bitstream}   {_CHECKED}: {result.check.summary}   {took}")
    if result.streams > 1 and ctx.get_parameter_source("stream") is not ParameterSource.COMMANDLINE:
        named = f" '{result.stream_name}'" if result.stream_name else ""
        terminal.note(
            f"  this is stream {result.stream}{named} of {result.streams}; for another --stream N|NAME, "
            f"for all of them --all{' -o FOLDER/' if output else ''}"
        )
    if terminal.as_json:
        print_json(result.to_json())


def _check_all(output: str | None) -> None:
    """Refuse what ``--all`` cannot write to.

    Raises:
        UsageError: The output is no folder.
    """
    if output == "-":
        raise UsageError("--all writes one file for each video, not standard output", "Name a folder:  -o videos/")
    if output is not None and not Path(output).is_dir() and (Path(output).exists() or Path(output).suffix in SUFFIXES):
        raise UsageError(f"{output} is no folder; --all writes one file for each video", "Name a folder:  -o videos/")


def _report_all(terminal: Terminal, bitstream: str, outcomes: list[StreamOutcome]) -> None:
    """A line for each video, and what went wrong.

    Raises:
        NvcError: At least one could not be decoded.
    """
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    verdict = outcomes[0].check
    for outcome in outcomes:
        if outcome.error is not None:
            print_error(outcome.error.message, outcome.error.hint)
        elif outcome.result is not None:
            named = f"{bitstream} stream {outcome.stream} {outcome.name}".rstrip()
            done = _result_line(outcome.output, outcome.result) if outcome.output else named
            terminal.note(done if verdict is None or not verdict.ok else f"{done}   {_CHECKED}")
    if terminal.as_json:
        streams = [outcome.to_json() for outcome in outcomes]
        print_json({"schema": "nvc-decode-all/1", "streams": streams, "check": verdict and verdict.to_json()})
    if failed:
        # damage weighs more than what this version does not have
        kind = BitstreamError if any(isinstance(error, BitstreamError) for error in failed) else type(failed[0])
        hint = "The others were" if len(failed) < len(outcomes) else ""
        raise kind(f"{len(failed)} of {plural(len(outcomes), 'stream')} could not be decoded", hint)
    if verdict is not None:
        if (error := verdict.error()) is not None:
            error.message = f"{bitstream}: {error.message}"
            raise error
        terminal.note(f"{bitstream}   checked: {verdict.summary}")


def _result_line(name: str, result: DecodeResult) -> str:
    return (
        f"{name}  {plural(result.frames, 'frame')} in {result.decode_s:.2f} s   {rate(result.fps)} fps "
        f"({result.device}), entropy decoding {result.entropy_s:.2f} s"
    )
