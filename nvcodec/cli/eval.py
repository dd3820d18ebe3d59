"""``nvc eval``."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import click

from nvcodec.cli import _format
from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, fields_of, option
from nvcodec.cli._terminal import Terminal, print_json, say
from nvcodec.config.options import READ, EvalOptions, changed
from nvcodec.errors import UsageError
from nvcodec.io.output import check_output, write_output
from nvcodec.io.saying import plural
from nvcodec.metrics.measure import PLANE_KEYS
from nvcodec.progress import figures
from nvcodec.progress.lines import printable

if TYPE_CHECKING:
    from nvcodec.eval.measure import Evaluation


@click.command(
    cls=Command,
    examples=(
        "nvc eval clip.y4m clip.nvc",
        "nvc eval clip.y4m decoded.yuv --json",
        "nvc eval clip.mp4 a.nvc b.mkv --frames 60",
        "nvc eval clip.y4m clip.nvc --metrics psnr,vmaf",
        "nvc eval b.mkv set.nvc",
        "nvc eval b.mkv set.nvc --stream 1",
        "nvc eval clip.y4m clip.nvc --layers 0",
        "nvc eval clip.mp4 small.nvc --scale 1/2",
    ),
)
# fmt: off
@click.argument("reference")
@click.argument("tests", nargs=-1, required=True, metavar="TEST...")
@fields_of(
    EvalOptions,
    *READ,
    "seek",
    "frames",
    "video_stream",
    "allow_truncated",
    "stream",
    "layers",
    "metrics",
    "mask",
)
@option("--per-frame", group="Metrics", metavar="FILE", help="Also write a row per frame (.csv).")
@fields_of(EvalOptions, "device", "threads")
@options.output_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    reference: str,
    tests: tuple[str, ...],
    per_frame: str | None,
    overwrite: bool,
    **wanted: object,
) -> None:
    """Measure PSNR, MS-SSIM, VMAF and bpp of TEST files against REFERENCE.

    A TEST is an .nvc file or any video. --seek and --frames count in both. Where pictures were converted for encoding,
    give the same options for REFERENCE.
    """
    from nvcodec.eval.measure import evaluate

    terminal = ctx.ensure_object(Terminal)
    asked = changed(EvalOptions(threads=1), {name: value for name, value in wanted.items() if value is not None})
    if per_frame is not None:
        if len(tests) > 1:
            raise UsageError("--per-frame takes one TEST", "Measure the files one by one")
        check_output(per_frame, overwrite, [reference, *tests, *([] if asked.mask is None else [asked.mask])])
    with terminal.shown() as shown:
        results = [
            evaluate(reference, test, options=asked, on_notice=shown.say, on_progress=shown.frame_counter("eval"))
            for test in tests
        ]
    if per_frame is not None:
        write_output(per_frame, _rows(results[0], asked.seek), overwrite=overwrite)
    if terminal.as_json:
        objects = [result.to_json() for result in results]
        print_json(objects[0] if len(objects) == 1 else objects)
        return
    for result in results:
        say(printable("\n".join(report(result))))


def report(result: Evaluation) -> list[str]:
    """The measurement of one file, in two lines, and a third for VMAF."""
    psnr, (worst, worst_db) = result.quality.psnr, result.quality.worst_frame
    rate = "" if result.bytes is None else f"  {figures.size(result.bytes)}"
    rate += "" if result.bpp is None else f"  {result.bpp:.4f} bpp"
    ms_ssim = f"    MS-SSIM Y {result.quality.ms_ssim_y:.4f}" if result.ms_ssim else ""
    lines = [
        f"{result.test}{rate}   {plural(result.quality.frames, 'frame')}",
        f"{_format.psnr_line(psnr)}{ms_ssim}    worst frame {worst}: {worst_db:.2f} dB",
    ]
    if result.quality.masked is not None:
        lines.append(_format.masked_line(result.quality.masked))
    if result.vmaf is not None:
        lines.append(f"VMAF  {result.vmaf.mean:.2f}    {result.vmaf.model}, {result.vmaf.version}")
    return lines


def _rows(result: Evaluation, first: int) -> bytes:
    """CSV with a row for each frame, under the names of the columns."""
    measured = result.quality.per_frame
    columns = {
        f"psnr_{name}": [f"{frame[name]:.4f}" if name in frame else "" for frame in measured] for name in PLANE_KEYS
    }
    if result.ms_ssim:
        columns["ms_ssim_y"] = [f"{frame['ms_ssim_y']:.6f}" for frame in measured]
    if result.vmaf is not None:
        columns["vmaf"] = [f"{score:.4f}" for score in result.vmaf.per_frame]
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["frame", *columns])
    rows.writerows([frame, *row] for frame, row in enumerate(zip(*columns.values(), strict=True), first))
    return text.getvalue().encode("ascii")
