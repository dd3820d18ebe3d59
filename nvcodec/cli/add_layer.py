"""``nvc add-layer``."""

from __future__ import annotations

from collections.abc import Mapping

import click

from nvcodec.cli import _options as options
from nvcodec.cli._config import config_option, drop_overruled
from nvcodec.cli._interrupt import stop_on_interrupt
from nvcodec.cli._options import Command, fields_of, option
from nvcodec.cli._summary import layer_summary
from nvcodec.cli._terminal import Terminal, print_json
from nvcodec.config.options import READ, EncodeOptions, changed
from nvcodec.encoder.result import LayerResult
from nvcodec.errors import TargetNotReachedError, UsageError

_FILES, _RATE = "Files", "Quality and size (at most one of --bpp, --target-psnr)"
_HELP = {
    "seek": "Frame of the source that is the first of BITSTREAM.  [default: 0]",
    "bpp": "Bits per pixel the layer may add.  [default: half as much as the base has]",
    "target_psnr": "PSNR to reach with this layer (6:1:1 YUV).",
    "parameters": "Size of the layer's network.  [default: that of the layer below, or by rule]",
    "preset": "Encoding effort.  [default: that of BITSTREAM]",
    "max_time_s": "Plan the fit to end in this time: 90s, 30m, 6h.",
    "settings": "Any setting of fit, loss or layer, e.g. --set layer.shape=hnerv (repeatable).",
}


@click.command(
    cls=Command,
    examples=(
        "nvc add-layer clip.nvc --source clip.mp4",
        "nvc add-layer clip.nvc --source clip.y4m --bpp 0.02",
        "nvc add-layer clip.nvc --source clip.y4m --target-psnr 38 -o clip-hq.nvc",
        "nvc add-layer clip.nvc --source clip.y4m --set layer.shape=hnerv --set layer.grid=off",
        "nvc add-layer clip.nvc --source clip.y4m --recipe qsnerv --params 1.5M",
        "nvc add-layer --resume clip.nvc.layer.work",
    ),
)
# fmt: off
@click.argument("bitstream", required=False, metavar="BITSTREAM")
@option("-i", "--source", group=_FILES, metavar="FILE", help="The video it was encoded from.  [required]")
@option("-o", "--output", group=_FILES, metavar="FILE", help="Write here.  [default: append to BITSTREAM itself]")
@option("--work-dir", group=_FILES, metavar="DIR", help="Resume files.  [default: OUTPUT.layer.work]")
@option("--resume", group=_FILES, metavar="DIR", help="Go on with an interrupted fit of a layer.")
@fields_of(EncodeOptions, *READ, "seek", "video_stream", "allow_truncated", help=_HELP)
@fields_of(EncodeOptions, "bpp", "target_psnr", "parameters", group=_RATE, help=_HELP)
@fields_of(EncodeOptions, "recipe", "preset", "epochs", "max_time_s", "settings", help=_HELP)
@config_option(group="Speed")
@fields_of(EncodeOptions, "device", "threads", "seed", help=_HELP)
@options.output_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    bitstream: str | None,
    source: str | None,
    output: str | None,
    work_dir: str | None,
    resume: str | None,
    tables: dict[str, object],
    settings: Mapping[str, object],
    overwrite: bool,
    **wanted: object,
) -> None:
    """Fit one more enhancement layer and append it to BITSTREAM.

    The bytes already in the file are not changed, and 'nvc decode --layers' still shows every lower layer.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    drop_overruled(ctx, ("bpp", "target_psnr"), wanted)
    asked = changed(EncodeOptions(), {**wanted, "settings": {**tables, **settings}})
    if resume is not None:
        options.check_resume(ctx, {"resume", "overwrite"})
        options.resumed(resume, layer=True)
    elif bitstream is None or source is None:
        missing = "argument 'BITSTREAM'" if bitstream is None else "option '-i' / '--source'"
        raise UsageError(f"missing {missing}", "See:  nvc add-layer -h")
    with terminal.shown() as shown, stop_on_interrupt(terminal, overwrite) as should_stop:
        on_event = shown.on_event
        if resume is not None:
            result = nvcodec.resume(resume, overwrite=overwrite, on_event=on_event, should_stop=should_stop)
            assert isinstance(result, LayerResult)
        else:
            assert bitstream is not None and source is not None
            folder = work_dir or (None if source == "-" else f"{output or bitstream}.layer.work")
            result = nvcodec.add_layer(
                bitstream,
                source,
                output,
                options=asked,
                work_dir=folder,
                overwrite=overwrite,
                on_event=on_event,
                should_stop=should_stop,
            )
    terminal.note("\n".join(layer_summary(result)))
    if terminal.as_json:
        print_json(result.to_json())
    if result.shortfall is not None:
        raise TargetNotReachedError(f"target not reached: {result.shortfall}", "The best layer found was written")
