"""``nvc extract-layer``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, option
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.errors import UsageError
from nvcodec.progress.figures import size


@click.command(cls=Command, examples=("nvc extract-layer clip.nvc --layer 1 -o layer1.nvcl",))
@click.argument("bitstream", metavar="BITSTREAM")
@option(
    "--layer",
    group="Layers",
    type=options.whole(1),
    metavar="N",
    help="Which layer; 1 = the first above the base.",
)
@option("-o", "--output", group="Files", metavar="FILE", help="The layer, by custom *.nvcl.")
@options.output_options(progress=False)
@click.pass_context
def command(ctx: click.Context, bitstream: str, layer: int | None, output: str | None, overwrite: bool) -> None:
    """Copy an enhancement layer into a file of its own.

    It can be sent later than its base, and put on it with 'nvc append'.
    """
    from nvcodec.api.layers import extract

    terminal = ctx.ensure_object(Terminal)
    if layer is None:
        raise UsageError("no layer given", "Name one; 1 = the first above the base:  --layer 1")
    if output is None:
        raise UsageError("no output given", "Name the layer:  -o layer.nvcl")
    result = extract(bitstream, output, layer, overwrite=overwrite)
    terminal.note(f"{result.file}  {size(result.bytes)}, layer {layer} of {bitstream}")
    if terminal.as_json:
        print_json({**result.to_json("nvc-extract-layer/1"), "layer": layer})
