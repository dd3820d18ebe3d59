"""``nvc bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, choice, fields_of, option
from nvcodec.cli._terminal import Terminal, print_json, say
from nvcodec.config.options import READ, EncodeOptions, EvalOptions, changed
from nvcodec.errors import UsageError
from nvcodec.progress.lines import printable

if TYPE_CHECKING:
    from nvcodec.eval.report import Report
    from nvcodec.eval.results import Curve

_RUN, _REPORT = "What to run", "Report"
_METRICS = ("psnr-yuv", "psnr-y", "psnr-rgb", "ms-ssim-y", "vmaf")
_MORE_METRICS = ("vmaf",)
SCHEMA = "nvc-bench-report/1"


@click.command(
    cls=Command,
    examples=(
        "nvc bench clips/*.y4m --codecs nvc:faster,x264:veryslow,x265:veryslow,svtav1:4 -o results/",
        "nvc bench clip.mp4 --codecs nvc:draft,x264 --points nvc=0.05,0.1,0.2 --options x264='-tune psnr' -o results/",
        "nvc bench --from results/ --anchor x265 --plot rd.pdf",
    ),
)
# fmt: off
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@option(
    "--codecs",
    group=_RUN,
    metavar="LIST",
    default="nvc,x264,x265,svtav1",
    help="name[:preset][@variant], with commas: nvc, x264, x265, svtav1; vvenc and libaom with the extra 'bench'. A "
    "variant is another set of --options.  [default: nvc,x264,x265,svtav1]",
)
@option(
    "--points",
    group=_RUN,
    multiple=True,
    metavar="[CODEC=]LIST",
    help="Points, e.g. nvc=0.1,0.2 (bits per pixel) or x265=22,27,32,37 (CRF; QP for vvenc); without a name, for all "
    "codecs but nvc (repeatable).  [default: four or five per codec]",
)
@option(
    "--options",
    "extra",
    group=_RUN,
    multiple=True,
    metavar="NAME=OPTIONS",
    help="More options of 'nvc encode', or FFmpeg's for the encoder of another codec, for all points of a codec or "
    "variant (repeatable): nvc='--domain rgb', x265='-tune psnr'.",
)
@option("-o", "--output", group=_RUN, metavar="DIR", help="One JSON a clip and codec; existing ones are reused.")
@option(
    "--from",
    "sources",
    group=_RUN,
    multiple=True,
    metavar="PATH",
    help="Report results that exist (files or folders); run nothing.",
)
@option("--metrics", group=_RUN, metavar="LIST", default="", help="vmaf, besides PSNR and MS-SSIM (extra 'bench').")
@fields_of(EncodeOptions, *READ, "seek", "frames")
@option(
    "--anchor",
    group=_REPORT,
    metavar="LABEL",
    help="Report BD-rate against this codec: x265, or x265-veryslow where there are several.",
)
@option(
    "--metric",
    group=_REPORT,
    type=choice(*_METRICS),
    default="psnr-yuv",
    help="What BD-rate and plot compare; psnr-yuv is 6:1:1.  [default: psnr-yuv]",
)
@option("--plot", group=_REPORT, metavar="FILE", help="RD curves (.png, .svg or .pdf; extra 'plot').")
@fields_of(EvalOptions, "device", "threads")
@options.output_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    codecs: str,
    points: tuple[str, ...],
    extra: tuple[str, ...],
    output: str | None,
    sources: tuple[str, ...],
    metrics: str,
    anchor: str | None,
    metric: str,
    plot: str | None,
    overwrite: bool,
    **wanted: object,
) -> None:
    """Compare rate and distortion with x264, x265, SVT-AV1, VVenC and libaom.

    Every point is coded, decoded from its file and measured; the table goes to stdout. A bench that was
    stopped goes on where it stopped; one that is finished only prints.
    """
    from nvcodec.eval.report import Report

    terminal = ctx.ensure_object(Terminal)
    asked = changed(EvalOptions(threads=1), {name: value for name, value in wanted.items() if value is not None})
    more = {name.strip() for name in metrics.split(",")} - {"", "psnr", "ms-ssim"}
    if not more <= set(_MORE_METRICS):
        raise UsageError(f"--metrics {metrics} is unknown", f"Metrics: {', '.join(_MORE_METRICS)}")
    report = Report(anchor, metric, plot)
    failures: list[Exception] = []
    report.check_plot([*inputs, *sources])
    if sources:
        from nvcodec.eval.results import load_all

        curves = load_all([Path(path) for path in (*sources, *inputs)])  # the shell has expanded --from results/*.json
        report.check([*inputs, *sources], list(dict.fromkeys(curve.label for curve in curves)), vmaf=True)
    else:
        if not inputs:
            raise UsageError("no input given", "Name clips to code, or results to report:  nvc bench --from results/")
        if output is None:
            raise UsageError("no output given", "Name the folder that keeps the results:  -o results/")
        from nvcodec.eval.bench import Bench
        from nvcodec.eval.codecs import BenchClip
        from nvcodec.eval.contestants import parse_codecs

        compute = [] if asked.device == "auto" else [f"nvc=--device {asked.device}"]
        compute += [] if asked.threads == 1 else [f"nvc=--threads {asked.threads}"]
        contestants = parse_codecs(codecs, points, [*extra, *compute])
        report.check(inputs, [one.codec.label for one in contestants], vmaf="vmaf" in more)
        clips = [BenchClip(Path(path), asked) for path in inputs]
        with terminal.shown() as shown:
            bench = Bench(
                folder=Path(output),
                vmaf="vmaf" in more,
                device=asked.device,
                threads=asked.threads or 1,
                afresh=overwrite,
                on_event=shown.on_event,
                on_frames=shown.frame_counter,
            )
            outcome = bench.run(clips, contestants)
        curves, failures = outcome.curves, list(outcome.failures)
    _tell(curves, report, terminal)
    if failures:
        raise failures[0]


def _tell(curves: list[Curve], report: Report, terminal: Terminal) -> None:
    """Tables to stdout, the plot to its file."""
    from nvcodec.eval.table import points_markdown, summary_markdown

    summary = report.make(curves)
    if report.plot is not None and curves:
        terminal.note(f"plot in {report.plot}")
    if terminal.as_json:
        found = [curve.to_json() for curve in curves]
        print_json({"schema": SCHEMA, "curves": found, "summary": None if summary is None else summary.to_json()})
        return
    say(printable(points_markdown(curves)))
    if summary is not None:
        say(printable(summary_markdown(summary)))
