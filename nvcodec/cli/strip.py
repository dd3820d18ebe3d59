"""``nvc strip``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._format import plural, size
from nvcodec.cli._options import Command, option
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "nvc strip clip.nvc --layers 0",
        "nvc strip clip.nvc --layers 1 -o smaller.nvc",
        "nvc strip clip.nvc --drop-previews",
    ),
)
@click.argument("bitstream", metavar="BITSTREAM")
@option(
    "--layers",
    group="Layers",
    type=options.Whole(min=0),
    metavar="N",
    help="Keep the base and the first N enhancement layers; 0 = the base alone.",
)
@option("--drop-previews", group="Layers", is_flag=True, help="Leave out what draws small pictures quickly.")
@option("-o", "--output", group="Files", metavar="FILE", help="Write here.  [default: change BITSTREAM itself]")
@options.json_option()
@options.overwrite_option()
@options.verbosity_options()
@click.pass_context
def command(
    ctx: click.Context,
    bitstream: str,
    layers: int | None,
    drop_previews: bool,
    output: str | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Take enhancement layers off a bitstream.

    What is left is, byte for byte, the file from before they were appended; without previews, which no picture needs,
    only what stands behind them moves.
    """
    from nvcodec.layering import strip

    terminal = ctx.ensure_object(Terminal)
    if layers is None and not drop_previews:
        raise UsageError("no number of layers given", "Name how many to keep above the base:  --layers 0")
    result = strip(bitstream, layers, output, drop_previews=drop_previews, overwrite=overwrite)
    removed = f"{size(-result.changed_bytes)} removed" if result.changed_bytes else "nothing to remove"
    terminal.note(f"{result.file}  {size(result.bytes)}, {plural(result.layers, 'layer')}; {removed}")
    if as_json:
        print_json(result.to_json("nvc-strip/1"))
