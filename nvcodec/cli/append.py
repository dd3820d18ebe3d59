"""``nvc append``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, option
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.container import counted
from nvcodec.progress.figures import size


@click.command(
    cls=Command,
    examples=("nvc append clip.nvc layer1.nvcl", "nvc append clip.nvc layer1.nvcl -o better.nvc"),
)
@click.argument("bitstream", metavar="BITSTREAM")
@click.argument("layer", metavar="LAYER")
@option("-o", "--output", group="Files", metavar="FILE", help="Write here.  [default: change BITSTREAM itself]")
@options.output_options(progress=False)
@click.pass_context
def command(ctx: click.Context, bitstream: str, layer: str, output: str | None, overwrite: bool) -> None:
    """Put an enhancement layer on the bitstream it was made for.

    LAYER is a file from 'nvc extract-layer'. The old bytes stay as they are.
    """
    from nvcodec.api.layers import append

    terminal = ctx.ensure_object(Terminal)
    result = append(bitstream, layer, output, overwrite=overwrite)
    added = f"{size(result.changed_bytes)} added"
    terminal.note(f"{result.file}  {size(result.bytes)}, {counted(result.enhancement_layers)}; {added}")
    if terminal.as_json:
        print_json(result.to_json("nvc-append/1"))
