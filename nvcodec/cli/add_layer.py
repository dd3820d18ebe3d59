"""``nvc add-layer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nvcodec.cli import _options as options
from nvcodec.cli._format import clock, count, size
from nvcodec.cli._interrupt import stop_on_interrupt
from nvcodec.cli._options import Command, option
from nvcodec.cli._progress import make_progress
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.errors import TargetNotReachedError

if TYPE_CHECKING:
    from nvcodec.encoder.layer_result import LayerResult

_FILES, _RATE = "Files", "Quality and size (at most one of --bpp, --target-psnr)"


@click.command(
    cls=Command,
    examples=(
        "nvc add-layer clip.nvc --source clip.mp4",
        "nvc add-layer clip.nvc --source clip.y4m --bpp 0.02",
        "nvc add-layer clip.nvc --source clip.y4m --target-psnr 38 -o clip-hq.nvc",
    ),
)
# fmt: off
@click.argument("bitstream", metavar="BITSTREAM")
@option(
    "-i", "--source", group=_FILES, metavar="FILE", required=True, help="The video it was encoded from.  [required]"
)
@option("-o", "--output", group=_FILES, metavar="FILE", help="Write here.  [default: append to BITSTREAM itself]")
@options.raw_options()
@option(
    "--seek",
    group="Frames",
    type=options.Whole(min=0),
    metavar="N",
    default=0,
    help="Frame of the source that is the first of BITSTREAM.  [default: 0]",
)
@option(
    "--bpp",
    group=_RATE,
    type=options.Positive(),
    metavar="X",
    help="Bits per pixel the layer may add.  [default: half as much as the base has]",
)
@option(
    "--target-psnr",
    group=_RATE,
    type=options.Positive(),
    metavar="DB",
    help="PSNR to reach with this layer (6:1:1 YUV).",
)
@option(
    "--params",
    "parameters",
    group=_RATE,
    type=options.COUNT,
    metavar="N",
    help="Size of the layer's network.  [default: that of the layer below, or by rule]",
)
@options.effort_options(preset="that of BITSTREAM", planned="fit")
@options.device_options()
@options.seed_option()
@options.json_option()
@options.progress_option()
@options.overwrite_option()
@options.verbosity_options()
# fmt: on
@click.pass_context
def command(ctx: click.Context, /, bitstream: str, as_json: bool, progress: str, **wanted: Any) -> None:
    """Fit one more enhancement layer and append it to BITSTREAM.

    The bytes already in the file are not changed, and 'nvc decode --layers' still shows every lower layer.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    with make_progress(progress, terminal) as shown, stop_on_interrupt(terminal) as should_stop:
        result = nvcodec.add_layer(bitstream, on_event=shown.on_event, should_stop=should_stop, **wanted)
    terminal.note("\n".join(summary(result)))
    if as_json:
        print_json(result.to_json())
    if result.shortfall is not None:
        raise TargetNotReachedError(f"target not reached: {result.shortfall}", "The best layer found was written")


def summary(result: LayerResult) -> list[str]:
    """What the layer is worth, in two lines."""
    now, before = result.psnr, result.psnr_below
    return [
        f"{result.file}  layer {result.layer}: {size(result.added_bytes)} added ({result.added_bpp:.4f} bpp), "
        f"{size(result.bytes)} in all ({result.bpp:.4f} bpp)",
        f"PSNR  Y {now['y']:.2f}  6:1:1 {now['yuv_611']:.2f}  RGB {now['rgb']:.2f} dB   "
        f"{now['yuv_611'] - before['yuv_611']:+.2f} dB 6:1:1   {count(result.parameters)} parameters   "
        f"added in {clock(result.encode_s)}",
    ]
