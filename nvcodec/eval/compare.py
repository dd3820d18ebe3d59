"""Curves against an anchor: Bjontegaard deltas clip by clip, and their average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from nvcodec.errors import InputError, UsageError, shown
from nvcodec.eval.results import METRICS, ClipInfo, Curve, metric_values
from nvcodec.metrics.bdrate import Delta, bd_psnr, bd_rate


@dataclass(frozen=True)
class Outcome:
    """A delta, or why there is none."""

    delta: Delta | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Value, overlap and points, or the reason."""
        if self.delta is None:
            return {"value": None, "reason": self.reason}
        return {"value": self.delta.value, "overlap": self.delta.overlap, "points": self.delta.points}


@dataclass(frozen=True)
class Compared:
    """One codec on one clip against the anchor."""

    rate: Outcome
    """Percent of bits at equal quality; negative = fewer."""
    quality: Outcome
    """Quality at equal bits; positive = better."""


@dataclass(frozen=True)
class Summary:
    """All codecs against the anchor, on all clips."""

    anchor: str
    metric: str
    labels: tuple[str, ...]
    """Codecs that are compared with the anchor."""
    clips: dict[str, dict[str, Compared]]
    """By name of the clip and label of the codec; a codec that was not measured on a clip is missing there."""
    common: tuple[str, ...]
    """Clips that the anchor and all codecs were measured on: those that averages are over."""

    @property
    def unit(self) -> str:
        """Unit of the quality."""
        return "points" if self.metric == "vmaf" else "dB"

    def mean_rate(self, label: str) -> float | None:
        """Mean BD-rate in percent over the common clips; None where one of them has none."""
        return self._mean(label, lambda compared: compared.rate)

    def mean_quality(self, label: str) -> float | None:
        """Mean difference in quality over the common clips; None where one of them has none."""
        return self._mean(label, lambda compared: compared.quality)

    def to_json(self) -> dict[str, Any]:
        """The summary for scripts; rates in percent, qualities in ``unit``."""
        return {
            "anchor": self.anchor,
            "metric": self.metric,
            "unit": self.unit,
            "clips": {
                clip: {
                    label: {"bd_rate": compared.rate.to_json(), "bd_quality": compared.quality.to_json()}
                    for label, compared in row.items()
                }
                for clip, row in self.clips.items()
            },
            "average": {
                "clips": list(self.common),
                "codecs": {
                    label: {"bd_rate": self.mean_rate(label), "bd_quality": self.mean_quality(label)}
                    for label in self.labels
                },
            },
        }

    def _mean(self, label: str, side: Callable[[Compared], Outcome]) -> float | None:
        deltas = [side(self.clips[clip][label]).delta for clip in self.common]
        known = [delta.value for delta in deltas if delta is not None]
        return sum(known) / len(known) if known and len(known) == len(deltas) else None


def compare(curves: Iterable[Curve], anchor: str, metric: str = "psnr-yuv") -> Summary:
    """Compare every codec with one of them.

    Args:
        curves: Of any clips.
        anchor: The codec that the others are compared with, see :func:`find_label`.
        metric: One of :data:`nvcodec.eval.results.METRICS`.

    Raises:
        UsageError: No codec, or more than one, is the anchor, the metric is unknown, curves of one clip were measured
            on different pictures, or SciPy is not installed.
    """
    groups = by_clip(curves)
    labels = tuple(dict.fromkeys(curve.label for group in groups.values() for curve in group))
    anchor = find_label(anchor, labels)
    if metric not in METRICS:
        raise UsageError(f"metric {shown(metric)} is unknown", f"Metrics: {', '.join(METRICS)}")
    clips = {}
    for info, group in groups.items():
        reference = next((curve for curve in group if curve.label == anchor), None)
        clips[info.name] = {
            curve.label: _compared(reference, curve, metric) for curve in group if curve.label != anchor
        }
    others = tuple(label for label in labels if label != anchor)
    with_anchor = {curve.clip.name for group in groups.values() for curve in group if curve.label == anchor}
    common = tuple(clip for clip, row in clips.items() if clip in with_anchor and row.keys() == set(others))
    return Summary(anchor, metric, others, clips, common)


def find_label(word: str, labels: Sequence[str]) -> str:
    """The label of the codec that is meant: ``x265-veryslow``, ``x265:veryslow``, or ``x265`` where there is only one.

    Args:
        word: As a user writes it.
        labels: Of the codecs that there are, or will be.

    Raises:
        UsageError: There is no such codec, or it is not plain which.
    """
    label = word.replace(":", "-").replace("@", "-")
    found = [label] if label in labels else [each for each in labels if each.startswith(f"{label}-")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"the anchor {word} may be several codecs", f"Name one: {', '.join(found)}")
    raise UsageError(f"no result is of the anchor {word}", f"There are {', '.join(labels)}" if labels else "")


def _compared(anchor: Curve | None, curve: Curve, metric: str) -> Compared:
    if anchor is None:
        missing = Outcome(None, "the anchor was not measured on this clip")
        return Compared(missing, missing)
    return Compared(_outcome(bd_rate, anchor, curve, metric), _outcome(bd_psnr, anchor, curve, metric))


def _outcome(function: Callable[..., Delta], anchor: Curve, curve: Curve, metric: str) -> Outcome:
    sides: list[Sequence[float]] = []
    try:
        for one in (anchor, curve):
            sides += [[point.bpp for point in one.points], metric_values(one, metric)]
        return Outcome(function(*sides))
    except InputError as error:
        return Outcome(None, error.message)


def by_clip(curves: Iterable[Curve]) -> dict[ClipInfo, list[Curve]]:
    """Curves that may be compared, clip by clip; those of other programs go by the name of the clip.

    Raises:
        UsageError: Curves of one clip were measured on different pictures.
    """
    named: dict[str, list[Curve]] = {}
    for curve in curves:
        named.setdefault(curve.clip.name, []).append(curve)
    return {_same_pictures(group): group for group in named.values()}


def _same_pictures(group: list[Curve]) -> ClipInfo:
    ours = [curve for curve in group if curve.clip.sha256] or group
    first = ours[0]
    for curve in ours:
        for field in fields(ClipInfo):
            values = [getattr(one.clip, field.name) for one in (first, curve)]
            if values[0] != values[1]:
                raise UsageError(
                    f"{first.clip.name}: {first.label} and {curve.label} were measured on different pictures "
                    f"({field.name} {values[0]} and {values[1]})",
                    "Report only results of the same pictures together",
                )
    return first.clip
