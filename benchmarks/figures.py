"""Figures of results: one panel, small type, and a file that says neither when nor by what it was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"archive, bfloat16": "#56B4E9", "archive": "#0072B2", "H.264": "#009E73", "AV1": "#CC79A7", "raw": "#777777"}
"""Of Okabe and Ito's, which the colour-blind can tell apart; blue is ours in every plot."""


def panel(width: float = 6.4, height: float = 4.0) -> tuple[Figure, Axes]:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; equal figures are equal files."""
    figure.savefig(path, dpi=130, metadata={"Software": None})
