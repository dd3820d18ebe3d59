"""``nvc sheet``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, fields_of, option
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.config.options import SheetOptions, changed
from nvcodec.errors import UsageError
from nvcodec.io.saying import plural


@click.command(
    cls=Command,
    examples=(
        "nvc sheet clip.nvc -o sheet.png",
        "nvc sheet clip.nvc -o sheet.jpg -n 40 --columns 8 --width 160",
        "nvc sheet set.nvc -o videos.png",
        "nvc sheet set.nvc -o one.png --stream 2",
    ),
)
@click.argument("bitstream", metavar="INPUT")
@option("-o", "--output", group="Files", metavar="FILE", help="Picture to write: .png or .jpg.")
@fields_of(SheetOptions)
@options.output_options(progress=False)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    bitstream: str,
    output: str | None,
    overwrite: bool,
    **wanted: object,
) -> None:
    """Draw a contact sheet: some frames of a bitstream in one picture, evenly spread, with their times.

    INPUT is an .nvc file or '-' for stdin. Of a file of several videos, each has a row.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    asked = changed(SheetOptions(threads=1), {name: value for name, value in wanted.items() if value is not None})
    if output is None:
        raise UsageError("no output given", "Name the picture:  -o sheet.png")
    result = nvcodec.sheet(bitstream, output, options=asked, overwrite=overwrite)
    shown = sum(len(row.frames) for row in result.streams)
    terminal.note(f"{result.file}  {result.width}x{result.height}, {plural(shown, 'frame')}")
    if len(result.streams) > 1:
        for place, row in enumerate(result.streams, 1):
            terminal.note(f"  row {place}: stream {row.stream} {row.name}".rstrip())
    if terminal.as_json:
        print_json(result.to_json())
