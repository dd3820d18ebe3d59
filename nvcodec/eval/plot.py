"""Rate-distortion curves as a picture: one panel a clip, one colour and marker a codec."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from nvcodec.errors import UsageError
from nvcodec.eval.compare import by_clip
from nvcodec.eval.results import METRICS, ClipInfo, Curve, metric_values
from nvcodec.eval.table import clip_size
from nvcodec.io.output import write_output
from nvcodec.version import install

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_METADATA: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""That a picture says neither when nor by what it was made, so that equal results are equal files."""

# Okabe and Ito's colours, which the colour-blind can tell apart; without their yellow, which paper swallows
_COLOURS = {
    "nvc": "#0072B2",
    "x265": "#D55E00",
    "x264": "#009E73",
    "svtav1": "#CC79A7",
    "vvenc": "#E69F00",
    "libaom": "#56B4E9",
}
"""Those of the codecs of the bench, whatever else is in a plot."""
_OTHERS = ("#000000", "#882255", "#44AA99", "#999933", "#332288", "#AA4499", "#117733", "#999999")
"""Paul Tol's: each name has one of them."""
_MARKERS = ("o", "s", "^", "D", "v", "p", ">")
_LINES = ("-", "--", ":")
_INK, _PALE = "#333333", "#777777"
_DPI = 200
_LOG_FROM = 3.0
"""Rates that span this factor are drawn on a logarithmic axis."""
_PANEL_INCHES = (4.2, 3.4)
_LONE_PANEL_INCHES = (6.4, 4.4)
_COLUMNS = 3

_NOTES = {
    "psnr-yuv": "PSNR: mean over frames of (6 Y + U + V) / 8.",
    "psnr-y": "PSNR: mean over frames of the luma plane.",
    "psnr-rgb": "PSNR: mean over frames, over all RGB samples, with the signalled matrix.",
    "ms-ssim-y": "MS-SSIM: mean over frames of the luma plane, as -10 log10(1 - x).",
    "vmaf": "VMAF: mean over frames.",
}


def check_plot(path: str | Path) -> None:
    """Find out before a long run whether a plot can be drawn.

    Raises:
        UsageError: The suffix is none of a kind of picture that can be drawn, or matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot draw {path}", "Plots are .png, .svg or .pdf")
    _style()


def plot(curves: Iterable[Curve], path: str | Path, metric: str = "psnr-yuv") -> None:
    """Draw rate against quality; the same curves give the same bytes.

    Args:
        curves: Of any clips; each clip gets a panel, titled with its size and length.
        path: A .png, .svg or .pdf file.
        metric: One of :data:`nvcodec.eval.results.METRICS`.

    Raises:
        UsageError: The suffix or metric is unknown, there is no curve, curves of one clip were measured on different
            pictures, the file cannot be written, or matplotlib is not installed.
        InputError: A curve was not measured in the metric.
    """
    check_plot(path)
    suffix = Path(path).suffix.lower()
    groups = by_clip(curve for curve in curves if curve.points)
    if not groups:
        raise UsageError("there is nothing to plot")
    image = io.BytesIO()
    with _style():
        _figure(groups, metric).savefig(image, format=suffix[1:], dpi=_DPI, metadata=_METADATA[suffix])
    write_output(path, image.getvalue(), overwrite=True)


def _style() -> AbstractContextManager[None]:
    """Matplotlib as it comes, whatever the user has configured, with small type."""
    try:
        import matplotlib.style
    except ImportError:
        raise UsageError("plots need the package matplotlib, which is not installed", install("plot")) from None
    ours = {
        "font.size": 9,
        "axes.edgecolor": _PALE,
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "nvc",
    }
    style: AbstractContextManager[None] = matplotlib.style.context([ours], after_reset=True)
    return style


def _figure(groups: dict[ClipInfo, list[Curve]], metric: str) -> Figure:
    from matplotlib.figure import Figure

    columns = min(len(groups), _COLUMNS if len(groups) != 4 else 2)
    rows = math.ceil(len(groups) / columns)
    inches = _PANEL_INCHES if len(groups) > 1 else _LONE_PANEL_INCHES
    width, height = columns * inches[0], rows * inches[1] + 0.6
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    looks = _looks([curve for group in groups.values() for curve in group])
    logarithmic = any(_span(group) >= _LOG_FROM for group in groups.values())
    handles: dict[str, Any] = {}
    for panel, (clip, group) in zip(panels.flat, groups.items(), strict=False):
        for curve in group:
            rates = [point.bpp for point in curve.points]
            (handles[curve.label],) = panel.plot(rates, metric_values(curve, metric), **looks[curve.label])
        _title(panel, clip, int(inches[0] * 8))
        _dress(panel, group, logarithmic)
    for panel in panels.flat[len(groups) :]:
        panel.set_axis_off()
    for row in panels:
        row[0].set_ylabel(METRICS[metric])
    for index, panel in enumerate(panels.flat[: len(groups)]):
        if index + columns >= len(groups):
            panel.set_xlabel("rate (bits per pixel)")
    _frame(figure, handles, metric, groups)
    return figure


def _looks(curves: Sequence[Curve]) -> dict[str, dict[str, Any]]:
    """How each codec is drawn, in every panel alike, and in every plot in the same colour.

    Presets and variants of a codec share its colour and differ in markers and lines.
    """
    looks: dict[str, dict[str, Any]] = {}
    used: dict[str, int] = {}
    for label, codec in sorted({curve.label: curve.codec or curve.label for curve in curves}.items()):
        colour = _COLOURS.get(codec) or _OTHERS[crc32(codec.encode()) % len(_OTHERS)]
        index = used.setdefault(colour, 0)
        used[colour] += 1
        looks[label] = {
            "color": colour,
            "marker": _MARKERS[index % len(_MARKERS)],
            "linestyle": _LINES[index % len(_LINES)],
            "linewidth": 1.4,
            "markersize": 5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
        }
    return looks


def _title(panel: Axes, clip: ClipInfo, room: int) -> None:
    """Name of the clip in at most ``room`` letters, and its size below."""
    name = clip.name if len(clip.name) <= room else f"{clip.name[: room - 3]}..."
    bold: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "loc": "left", "parse_math": False}
    panel.set_title(name, pad=18 if clip.frames else 6, **bold)
    if clip.frames:
        above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        panel.annotate(clip_size(clip), (0, 1), (0, 6), fontsize=8, color=_PALE, **above)


def _dress(panel: Axes, group: list[Curve], logarithmic: bool) -> None:
    """Scale, ticks and grid of one panel."""
    from matplotlib.ticker import MaxNLocator

    rates = [point.bpp for curve in group for point in curve.points]
    low, high = min(rates), max(rates)
    if logarithmic:
        margin = max(high / low, 1.2) ** 0.05
        panel.set_xscale("log")
        panel.set_xlim(low / margin, high * margin)
        panel.set_xticks(_ticks(low / margin, high * margin))
        panel.set_xticks([], minor=True)
    panel.xaxis.set_major_formatter(lambda value, position: _number(value))
    panel.yaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
    panel.yaxis.set_major_formatter(lambda value, position: _number(value))
    panel.grid(color="#E4E4E4", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=3, width=0.6)


def _frame(figure: Figure, handles: dict[str, Any], metric: str, groups: dict[ClipInfo, list[Curve]]) -> None:
    """Legend above and notes below all panels."""
    width, height = figure.get_size_inches()
    beside = max(1, int(width / (0.6 + 0.075 * max(map(len, handles)))))
    rows = math.ceil(len(handles) / beside)
    figure.legend(
        handles.values(),
        [label.replace("$", r"\$") for label in handles],
        loc="outside upper center",
        ncols=math.ceil(len(handles) / rows),  # rows of equal length
        frameon=False,
        handlelength=2.2,
    )
    curves = [curve for group in groups.values() for curve in group]
    charged = {"nvc": "whole files for nvc", "": "numbers of other programs as published"}
    kinds = sorted({charged.get(curve.codec, "video packets for block codecs") for curve in curves}, reverse=True)
    note = f"{_NOTES[metric]} Rate: 8 x bytes / luma samples; {', '.join(kinds)}."
    rows = math.ceil(len(note) / (width * 18))
    lines = textwrap.wrap(note, math.ceil(len(note) / rows) + 8)
    strip = (0.14 + 0.13 * len(lines)) / height
    layout: dict[str, Any] = {"rect": (0, strip, 1 - 0.08 / width, 1 - strip), "w_pad": 0.08, "hspace": 0.06}
    figure.get_layout_engine().set(**layout)  # type: ignore[union-attr]
    figure.text(0.5, 0.08 / height, "\n".join(lines), ha="center", va="bottom", fontsize=7, color=_PALE)


def _span(group: list[Curve]) -> float:
    rates = [point.bpp for curve in group for point in curve.points]
    return max(rates) / min(rates)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers on a logarithmic axis: the coarsest series that gives five, else the finest."""
    from matplotlib.ticker import MaxNLocator

    if high / low < _LOG_FROM:  # a panel that is narrower than others
        return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 5, 7)):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) >= 5:
            break
    return ticks


def _number(value: float) -> str:
    """A tick in plain digits: 0.05, never 5e-02."""
    digits = f"{value:.6f}".rstrip("0").rstrip(".")
    return digits if digits not in ("", "-0") else "0"
