"""Small digits on pictures: FFmpeg's own text needs fonts, which are not on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_GLYPHS = {
    "0": ("###", "#.#", "#.#", "#.#", "###"), "1": (".#.", "##.", ".#.", ".#.", "###"),
    "2": ("###", "..#", "###", "#..", "###"), "3": ("###", "..#", "###", "..#", "###"),
    "4": ("#.#", "#.#", "###", "..#", "..#"), "5": ("###", "#..", "###", "..#", "###"),
    "6": ("###", "#..", "###", "#.#", "###"), "7": ("###", "..#", "..#", "..#", "..#"),
    "8": ("###", "#.#", "###", "#.#", "###"), "9": ("###", "#.#", "###", "..#", "###"),
    ":": (".", "#", ".", "#", "."), ".": (".", ".", ".", ".", "#"),
}  # fmt: skip
_PAPER, _INK = 16, 235
_LARGE, _WIDE = 2, 160
"""How many samples a point is wide where a picture is at least so wide; else one."""


def stamp(picture: npt.NDArray[np.uint8], text: str) -> None:
    """Write digits, colons and points on a dark ground into the lower left corner of a picture.

    Args:
        picture: Written to, uint8 [height, width, 3]; where it is too small, what fits is written.
        text: What.
    """
    columns = [column for each in text for column in (*zip(*_GLYPHS[each], strict=True), (".",) * 5)][:-1]
    points = np.pad(np.array(columns).T == "#", 1)
    large = _LARGE if picture.shape[1] >= _WIDE else 1
    ink = np.where(np.kron(points, np.ones((large, large), bool)), _INK, _PAPER).astype(np.uint8)
    corner = picture[-min(len(ink), len(picture)) :, : ink.shape[1]]
    corner[:] = ink[: corner.shape[0], : corner.shape[1], None]
