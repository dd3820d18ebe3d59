"""How much memory a fit takes, and how to cut pictures into tiles where that is too much. No torch."""

from __future__ import annotations

import os
from math import ceil
from typing import TYPE_CHECKING

from nvcodec.models.geometry import FieldGeometry

if TYPE_CHECKING:
    from nvcodec.models.config import FieldConfig

_FLOAT_BYTES = 4
_ASSUMED_FREE_BYTES = 8 << 30
_STATE_COPIES = 8
"""Vector, gradient, two moments, quantised twin and its gradient, safe and best copies."""


def activation_bytes(config: FieldConfig, geometry: FieldGeometry, cells: tuple[int, int] | None = None) -> int:
    """Activations that a training step on one frame keeps for its backward pass.

    Args:
        config: The network.
        geometry: What it draws.
        cells: Rows and columns of base cells of a tile; None = the whole frame.
    """
    return config.training_bytes(*(cells or config.base_size(geometry)))


def fit_bytes(
    config: FieldConfig, geometry: FieldGeometry, clip_bytes: int, cells: tuple[int, int] | None, margin: int
) -> int:
    """Peak memory of a whole fit, the program itself (torch: 0.4 GB) included."""
    parameters = sum(spec.size for spec in config.tensor_specs(geometry))
    if cells is not None:
        cells = cells[0] + 2 * margin, cells[1] + 2 * margin
    activations = activation_bytes(config, geometry, cells)
    return 400_000_000 + clip_bytes + parameters * _STATE_COPIES * _FLOAT_BYTES + activations


def tile_cells(config: FieldConfig, geometry: FieldGeometry, margin: int, available: int) -> tuple[int, int] | None:
    """Base cells per tile, margins not counted, so that activations fit; None when the whole frame does.

    Halves the longer side until a tile with its margins fits, but never below 4 cells. A network of odd scale cannot
    be cut between halved chroma samples and stays whole.
    """
    chroma_is_whole = config.scale % max(geometry.chroma.cell) == 0
    if activation_bytes(config, geometry) <= available or not chroma_is_whole:
        return None
    rows, columns = config.base_size(geometry)
    while activation_bytes(config, geometry, (rows + 2 * margin, columns + 2 * margin)) > available:
        if max(rows, columns) <= 4:
            break
        if rows >= columns:
            rows = ceil(rows / 2)
        else:
            columns = ceil(columns / 2)
    return rows, columns


def available_bytes(device: str) -> int:
    """Memory that activations in float32 may take: half of what is free, so that other programs live too.

    On a GPU all of it: there they are drawn in bfloat16, which takes half.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return _ASSUMED_FREE_BYTES // 2
    return pages * os.sysconf("SC_PAGE_SIZE") // 2
