"""``nvc eval``."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvcodec.cli import _format
from nvcodec.cli import _options as options
from nvcodec.cli._format import plural
from nvcodec.cli._options import Command, option
from nvcodec.cli._progress import make_progress
from nvcodec.cli._terminal import Terminal, print_json, printable
from nvcodec.errors import UsageError

if TYPE_CHECKING:
    from nvcodec.eval.measure import Evaluation

_METRICS = ("psnr", "ms-ssim")


@click.command(
    cls=Command,
    examples=(
        "nvc eval clip.y4m clip.nvc",
        "nvc eval clip.y4m decoded.yuv --json",
        "nvc eval clip.mp4 a.nvc b.mkv --frames 60",
    ),
)
# fmt: off
@click.argument("reference")
@click.argument("tests", nargs=-1, required=True, metavar="TEST...")
@options.raw_options()
@options.frame_options()
@option(
    "--metrics",
    group="Metrics",
    metavar="LIST",
    default="psnr,ms-ssim",
    help="psnr, or psnr,ms-ssim.  [default: psnr,ms-ssim]",
)
@option("--per-frame", group="Metrics", metavar="FILE", help="Also write a row per frame (.csv).")
@options.device_options()
@options.json_option()
@options.progress_option()
@options.overwrite_option()
@options.verbosity_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    reference: str,
    tests: tuple[str, ...],
    size: tuple[int, int] | None,
    fps: Fraction | None,
    pix_fmt: str | None,
    seek: int,
    frames: int | None,
    metrics: str,
    per_frame: str | None,
    device: str,
    threads: int,
    as_json: bool,
    progress: str,
    overwrite: bool,
) -> None:
    """Measure PSNR, MS-SSIM and bpp of TEST files against REFERENCE.

    A TEST is an .nvc file or any video. --seek and --frames count in both.
    """
    from nvcodec import api
    from nvcodec.eval.measure import evaluate

    terminal = ctx.ensure_object(Terminal)
    wanted = {name.strip() for name in metrics.split(",")}
    if not wanted or not wanted <= set(_METRICS):
        raise UsageError(f"--metrics {metrics} is unknown", f"Metrics: {', '.join(_METRICS)}")
    if per_frame is not None:
        if len(tests) > 1:
            raise UsageError("--per-frame takes one TEST", "Measure the files one by one")
        api.check_output(per_frame, overwrite)
    results = []
    with make_progress(progress, terminal) as shown:
        for test in tests:
            results.append(
                evaluate(
                    reference,
                    test,
                    size=size,
                    fps=fps,
                    pix_fmt=pix_fmt,
                    seek=seek,
                    frames=frames,
                    ms_ssim="ms-ssim" in wanted,
                    device=device,
                    threads=threads,
                    on_notice=shown.say,
                    on_progress=shown.frame_counter("eval"),
                )
            )
    if per_frame is not None:
        _write_rows(Path(per_frame), results[0], seek)
    if as_json:
        objects = [result.to_json() for result in results]
        print_json(objects[0] if len(objects) == 1 else objects)
        return
    for result in results:
        click.echo(printable("\n".join(report(result))))


def report(result: Evaluation) -> list[str]:
    """The measurement of one file, in two lines."""
    psnr, (worst, worst_db) = result.quality.psnr, result.quality.worst_frame
    rate = "" if result.bytes is None else f"  {_format.size(result.bytes)}"
    rate += "" if result.bpp is None else f"  {result.bpp:.4f} bpp"
    ms_ssim = f"    MS-SSIM Y {result.quality.ms_ssim_y:.4f}" if result.ms_ssim else ""
    return [
        f"{result.test}{rate}   {plural(result.quality.frames, 'frame')}",
        f"PSNR  Y {psnr['y']:.2f}  U {psnr['u']:.2f}  V {psnr['v']:.2f}  6:1:1 {psnr['yuv_611']:.2f}  "
        f"RGB {psnr['rgb']:.2f} dB{ms_ssim}    worst frame {worst}: {worst_db:.2f} dB",
    ]


def _write_rows(path: Path, result: Evaluation, first: int) -> None:
    columns = ["y", "u", "v", "yuv_611", "rgb"]
    names = ["frame", *(f"psnr_{column}" for column in columns), *(["ms_ssim_y"] if result.ms_ssim else [])]
    try:
        with path.open("w", newline="", encoding="ascii") as file:
            rows = csv.writer(file)
            rows.writerow(names)
            for frame, values in enumerate(result.quality.per_frame, first):
                numbers = [f"{values[column]:.4f}" for column in columns]
                rows.writerow([frame, *numbers, *([f"{values['ms_ssim_y']:.6f}"] if result.ms_ssim else [])])
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
