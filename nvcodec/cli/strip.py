"""``nvc strip``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, option
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.container import counted
from nvcodec.progress.figures import size


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
    group="What to take off",
    type=options.whole(0),
    metavar="N",
    help="Keep the base and the first N layers; 0 = the base alone.  [default: all]",
)
@option("--drop-previews", group="What to take off", is_flag=True, help="Leave out what draws small pictures quickly.")
@option("-o", "--output", group="Files", metavar="FILE", help="Write here.  [default: change BITSTREAM itself]")
@options.output_options(progress=False)
@click.pass_context
def command(
    ctx: click.Context,
    bitstream: str,
    layers: int | None,
    drop_previews: bool,
    output: str | None,
    overwrite: bool,
) -> None:
    """Take enhancement layers or previews off a bitstream.

    Without its layers the file is, byte for byte, what it was before they were appended. Without its previews it draws
    the same pictures, small ones more slowly.
    """
    from nvcodec.api.layers import strip

    terminal = ctx.ensure_object(Terminal)
    result = strip(bitstream, output, layers, drop_previews=drop_previews, overwrite=overwrite)
    removed = f"{size(-result.changed_bytes)} removed" if result.changed_bytes else "nothing to remove"
    terminal.note(f"{result.file}  {size(result.bytes)}, {counted(result.enhancement_layers)}; {removed}")
    if terminal.as_json:
        print_json(result.to_json("nvc-strip/1"))
