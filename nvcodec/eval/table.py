"""Curves as Markdown: what was measured, clip by clip, and what it means against an anchor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from nvcodec.eval.compare import Compared, Outcome, Summary, by_clip
from nvcodec.eval.results import METRICS, ClipInfo, Curve, Point
from nvcodec.io.saying import plural
from nvcodec.metrics.bdrate import ENOUGH_POINTS, MIN_OVERLAP

NONE = "-"
_LITTLE_OVERLAP, _FEW_POINTS = "\u2020", "\u2021"  # dagger, double dagger
_Format = Callable[[float], str]
_Rows = Sequence[tuple[Curve, Point]]
_Column = tuple[str, list[str]]


def points_markdown(curves: Iterable[Curve]) -> str:
    """For each clip a table of all points and one of what only some codecs tell; below them what made them."""
    curves = list(curves)
    parts = []
    for clip, group in by_clip(curves).items():
        rows = [(curve, point) for curve in group for point in curve.points]
        parts += [f"### {clip_title(clip)}", _table([*_names(rows), *_measured(rows)])]
        if telling := [(curve, point) for curve, point in rows if _DETAILS & point.details.keys()]:
            parts.append(_table([*_names(telling), *_details(telling)]))
    return "\n\n".join([*parts, _made_with(curves)]) + "\n"


def clip_title(clip: ClipInfo) -> str:
    """``foreman: 352x288, 100 frames, 30 fps``; only the name where no more is known."""
    return f"{_plain(clip.name)}: {clip_size(clip)}" if clip.frames else _plain(clip.name)


def clip_size(clip: ClipInfo) -> str:
    """``352x288, 100 frames, 30 fps``."""
    parts = [f"{clip.width}x{clip.height}", plural(clip.frames, "frame")]
    parts += [f"from frame {clip.seek:,}"] if clip.seek else []
    parts += [f"{clip.bit_depth} bit"] if clip.bit_depth != 8 else []
    return ", ".join(parts if clip.fps is None else [*parts, f"{clip.fps} fps"])


def summary_markdown(summary: Summary) -> str:
    """BD-rate and its twin in quality against the anchor, with all that speaks against a number."""
    scale = METRICS[summary.metric].removesuffix(" (dB)")
    rates = _summary_table(summary, lambda one: one.rate, summary.mean_rate, lambda value: f"{value:+.1f}")
    qualities = _summary_table(summary, lambda one: one.quality, summary.mean_quality, lambda value: f"{value:+.2f}")
    parts = [
        f"### BD-rate against {_plain(summary.anchor)} in % ({scale}; negative = fewer bits)\n\n{rates}",
        f"### Difference in {scale} against {_plain(summary.anchor)} in {summary.unit}, at equal bits\n\n{qualities}",
    ]
    return "\n\n".join([*parts, *_footnotes(summary)]) + "\n"


def _names(rows: _Rows) -> list[_Column]:
    return [
        ("codec", [_plain(curve.label) for curve, _ in rows]),
        ("point", [f"{_plain(curve.unit)} {point.point:g}" for curve, point in rows]),
    ]


def _measured(rows: _Rows) -> list[_Column]:
    """Rate, quality and time."""

    def column(name: str, key: str, form: _Format) -> _Column:
        return name, [_cell(point.columns().get(key), form) for _, point in rows]

    return [
        column("bpp", "bpp", _bpp),
        column("kbit/s", "bitrate", _three_digits),
        column("PSNR Y", "psnr-y", _two_decimals),
        column("PSNR 6:1:1", "psnr-yuv", _two_decimals),
        column("PSNR RGB", "psnr-rgb", _two_decimals),
        column("MS-SSIM Y", "ms-ssim-y", "{:.4f}".format),
        column("VMAF", "vmaf", _two_decimals),
        column("encode s", "encode_s", _three_digits),
        column("decode fps", "decode_fps", _three_digits),
    ]


def _details(rows: _Rows) -> list[_Column]:
    """What the codecs themselves tell."""
    return [
        (name, [_cell(point.details.get(key), form) for _, point in rows])
        for key, (name, form) in _DETAIL_COLUMNS.items()
    ]


def _table(columns: list[_Column]) -> str:
    """Columns side by side, but for those without a number."""
    filled = [column for column in columns if any(cell != NONE for cell in column[1])]
    return _markdown([name for name, _ in filled], list(zip(*(cells for _, cells in filled), strict=True)))


def _made_with(curves: Sequence[Curve]) -> str:
    """Which codec each label stands for, and on which machines times were taken."""
    codecs: dict[str, None] = {}
    hosts: dict[str, None] = {}
    for curve in curves:
        versions = ", ".join(f"{name} {number}" for name, number in curve.versions.items())
        text = f"{curve.description} ({versions})" if versions else curve.description
        codecs[f"* {_plain(curve.label)}: {_plain(text)}"] = None
        if curve.host:
            hosts[f"* Times: {_plain(', '.join(f'{name} {value}' for name, value in curve.host.items()))}"] = None
    return "\n".join([*codecs, *hosts])


def _summary_table(
    summary: Summary,
    side: Callable[[Compared], Outcome],
    mean: Callable[[str], float | None],
    form: _Format,
) -> str:
    def cell(clip: str, label: str) -> str:
        compared = summary.clips[clip].get(label)
        delta = None if compared is None else side(compared).delta
        if delta is None:
            return NONE
        marks = _LITTLE_OVERLAP * (delta.overlap < MIN_OVERLAP) + _FEW_POINTS * (delta.points < ENOUGH_POINTS)
        return _signed(delta.value, form) + marks

    def average(label: str) -> str:
        value = mean(label)
        cells = [cell(clip, label) for clip in summary.common]
        marks = "".join(mark for mark in (_LITTLE_OVERLAP, _FEW_POINTS) if any(mark in one for one in cells))
        return NONE if value is None else f"**{_signed(value, form)}**{marks}"

    rows = [[_plain(clip), *(cell(clip, label) for label in summary.labels)] for clip in summary.clips]
    if len(summary.clips) > 1 and summary.common:
        count, total = len(summary.common), len(summary.clips)
        name = f"**mean of {f'all {total}' if count == total else f'{count} of {total}'}**"
        rows.append([name, *map(average, summary.labels)])
    return _markdown(["clip", *map(_plain, summary.labels)], rows)


def _footnotes(summary: Summary) -> list[str]:
    outcomes = [
        (clip, label, what, outcome)
        for clip, row in summary.clips.items()
        for label, compared in row.items()
        for what, outcome in (("BD-rate", compared.rate), ("quality", compared.quality))
    ]
    deltas = [outcome.delta for *_, outcome in outcomes if outcome.delta is not None]
    notes = []
    if any(delta.overlap < MIN_OVERLAP for delta in deltas):
        notes.append(f"{_LITTLE_OVERLAP} The two curves share less than {MIN_OVERLAP:.0%} of their range.")
    if any(delta.points < ENOUGH_POINTS for delta in deltas):
        notes.append(f"{_FEW_POINTS} From fewer than {ENOUGH_POINTS} points.")
    if 0 < len(summary.common) < len(summary.clips):
        notes.append(f"Means are over the clips that all codecs have: {_plain(', '.join(summary.common))}.")
    refused: dict[tuple[str, str, str], list[str]] = {}
    for clip, label, what, outcome in outcomes:
        if outcome.delta is None:
            refused.setdefault((clip, label, outcome.reason), []).append(what)
    reasons = [
        f"* {NONE} {_plain(clip)}, {_plain(label)}, {' and '.join(what)}: {_plain(reason)}."
        for (clip, label, reason), what in refused.items()
    ]
    return [*notes, *(["\n".join(reasons)] if reasons else [])]


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns line up in a terminal as well; all but the first are set flush right."""
    body = [list(row) for row in rows]
    widths = [max(3, *(len(row[column]) for row in [header, *body])) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    ruler = [f"{'-' * (width - 1)}{':' if column else '-'}" for column, width in enumerate(widths)]
    return "\n".join([line(header), line(ruler), *map(line, body)])


def _cell(value: object, form: _Format) -> str:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return form(float(value)) if known else NONE  # type: ignore[arg-type]


def _signed(value: float, form: _Format) -> str:
    text = form(value)
    return text if float(text) else text.lstrip("+-")  # what rounds to nothing is neither more nor less


def _bpp(value: float) -> str:
    return f"{value:.4f}" if value >= 0.01 else f"{value:.5f}"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _plain(text: str) -> str:
    """Text that cannot end a cell or a line."""
    return " ".join(text.split()).replace("|", "\\|")


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _megabytes(value: float) -> str:
    return _three_digits(value / 1e6)


_DETAIL_COLUMNS: dict[str, tuple[str, _Format]] = {
    "parameters": ("parameters", _whole),
    "bits_per_parameter": ("bits/parameter", _two_decimals),
    "kmac_per_pixel": ("kMAC/pixel", _three_digits),
    "fit_steps": ("fit steps", _whole),
    "entropy_s": ("entropy decode s", _two_decimals),
    "encode_peak_bytes": ("encode peak MB", _megabytes),
    "decode_peak_bytes": ("decode peak MB", _megabytes),
}
_DETAILS = _DETAIL_COLUMNS.keys()
