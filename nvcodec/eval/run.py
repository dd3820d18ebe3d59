"""``nvcodec.bench``: what ``nvc bench`` does, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nvcodec.api.arguments import file_name, strict
from nvcodec.api.shown import shown
from nvcodec.config.keywords import BenchKeywords, CurveName, MetricName
from nvcodec.config.kinds import TEXT, one_of, several_of
from nvcodec.config.options import EvalOptions, changed, read_value
from nvcodec.encoder.fit.events import EventHandler, ignore
from nvcodec.errors import UsageError
from nvcodec.errors import shown as written
from nvcodec.eval.bench import Bench, Benched
from nvcodec.eval.codecs import BenchClip
from nvcodec.eval.contestants import parse_codecs, words_of
from nvcodec.eval.report import Report
from nvcodec.eval.results import METRICS

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METRICS = several_of(("psnr", "ms-ssim", "vmaf"))


@strict
def bench(
    clips: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    codecs: str | Iterable[str] = "nvc,x264,x265,svtav1",
    points: Mapping[str, float | Iterable[float] | str] | float | Iterable[float] | str | None = None,
    options: Mapping[str, str] | str | None = None,
    metrics: str | Sequence[MetricName] = ("psnr", "ms-ssim"),
    anchor: str | None = None,
    metric: CurveName = "psnr-yuv",
    plot: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
    on_event: EventHandler = ignore,
    **changes: Unpack[BenchKeywords],
) -> Benched:
    """Compare rate and distortion of codecs; what an earlier call measured in the same folder is kept.

    Args:
        clips: Videos to code.
        output: Folder that keeps the results, one JSON file for each clip and codec.
        codecs: ``name[:preset][@variant]`` each, in a list or with commas: nvc, x264, x265, svtav1; vvenc and libaom
            with the extra ``bench``.
        points: By codec or variant, bits per pixel for nvc, else CRF (QP for vvenc); without a name for all codecs but
            nvc; None = four or five of each.
        options: By codec or variant, more options of ``nvc encode``, or FFmpeg's for the encoder of another codec.
        metrics: ``vmaf`` besides PSNR and MS-SSIM needs the extra ``bench``.
        anchor: The codec that the others are compared with, as ``x265``; the result has it as ``summary``.
        metric: What is compared and plotted, one of :data:`nvcodec.eval.results.METRICS`.
        plot: A .png, .svg or .pdf of the curves (extra ``plot``), replaced where it is there.
        overwrite: Measure again what is there.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_event: Hears of progress.
        **changes: What raw video is and what clips are converted to, ``seek``, ``frames``, ``device`` and ``threads``
            as in :class:`nvcodec.EvalOptions`.

    Returns:
        The curves, the summary where there is an anchor, and what could not be coded.

    Raises:
        UsageError: A codec, preset, point or option does not exist, or kept results are of something else.
        InputError: A clip cannot be read.
    """
    if unknown := changes.keys() - BenchKeywords.__annotations__.keys():
        raise UsageError(
            f"no option is called {written(min(unknown))}", f"Options: {', '.join(BenchKeywords.__annotations__)}"
        )
    asked = changed(EvalOptions(threads=1), changes)
    more = read_value("metrics", _METRICS, metrics)
    several = clips if isinstance(clips, (list, tuple)) else [clips]
    paths = [file_name(clip) for clip in several]
    if not paths:
        raise UsageError("no input given", "Name clips to code")
    extra = words_of("options", options)
    extra += [] if asked.device == "auto" else [f"nvc=--device {asked.device}"]
    extra += [] if asked.threads == 1 else [f"nvc=--threads {asked.threads}"]
    contestants = parse_codecs(",".join(words_of("codecs", codecs)), words_of("points", points), extra)
    report = Report(
        None if anchor is None else read_value("anchor", TEXT, anchor),
        read_value("metric", one_of(METRICS), metric),
        None if plot is None else file_name(plot),
    )
    report.check(paths, [one.codec.label for one in contestants], vmaf="vmaf" in more)
    with shown(progress, "bench", on_event=on_event) as hears:
        found = Bench(
            folder=Path(file_name(output)),
            vmaf="vmaf" in more,
            device=asked.device,
            threads=asked.threads or 1,
            afresh=overwrite,
            on_event=hears.on_event,
            on_frames=lambda stage: hears.on_frames,
        ).run(
            [BenchClip(Path(path), asked) for path in paths],
            contestants,
        )
    return replace(found, summary=report.make(found.curves))
