"""The networks of HNeRV and QS-NeRV as published, by their own rules from a picture and a size. No torch.

=======================  ==========  ========  =================================
video                    parameters  HNeRV     QS-NeRV
=======================  ==========  ========  =================================
1280x640, 132 frames     0.75 M      0.736 M   not said
1280x640, 132 frames     1.5 M       1.505 M   not said
1280x640, 132 frames     3 M         3.030 M   not said
1920x960, 600 frames     3 M         2.914 M   3.25 M (Table 1: 3.251 M)
=======================  ==========  ========  =================================

What HNeRV's released code makes of a size, and what the rows of QS-NeRV's Table 1 come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from nvcodec.encoder.plan.size_qsnerv import (
    MAX_CHANNELS,
    MIN_STEM,
    SKIP_WIDTHS,
    choose_levels,
    choose_strides,
    count,
    network_from,
)
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv_config import QSNeRVConfig, Skip

_BLOCKS = 5
_NARROWING = 1.2
_EMBEDDING = 16
_STEM_KERNEL = 9
"""What HNeRV's code takes the 1x1 convolution of the stem for when it solves for the width."""
_COUPLING_SHARE = 0.25
"""Largest share of the parameters in InvNets. 64 channels and growth 8 hold for 0.75 M, the smallest of the paper's;
smaller networks than those have to make do with less."""


def hnerv_network(geometry: FieldGeometry, parameters: int, switches: Mapping[str, object]) -> QSNeRVConfig:
    """HNeRV's: parameters less those of the embedding are a quadratic in the width, and it is rounded down.

    Args:
        geometry: What is to be drawn.
        parameters: All that are coded, the embedding included.
        switches: Fields of :class:`QSNeRVConfig` to set instead of the rule's.

    Raises:
        ValueError: The switches describe no network.
    """
    given = {**_usual(geometry), "skip": Skip.NONE, "levels": 0, **switches}
    smallest = network_from(given, MIN_STEM)
    blocks = zip(smallest.strides, smallest.kernels, strict=True)
    square = sum(_NARROWING ** -(2 * n + 1) * (stride * kernel) ** 2 for n, (stride, kernel) in enumerate(blocks))
    linear = smallest.embedding * _STEM_KERNEL
    left = max(0, parameters - count(smallest, geometry, "embedding"))
    width = int((sqrt(linear**2 + 4 * square * left) - linear) / (2 * square))
    return network_from(given, min(max(width, MIN_STEM), MAX_CHANNELS))


def qsnerv_network(geometry: FieldGeometry, parameters: int, switches: Mapping[str, object]) -> QSNeRVConfig:
    """QS-NeRV's: the decoder and its InvNets are what is counted, embedding and maps come on top of it.

    That is how the "3M" of Table 1 is 3.25 M: 2.800 M and 0.182 M, then 0.077 M and 0.192 M (printed as 0.182 M).
    Scales are not bounded, and every frame has a latent of its own.

    Args:
        geometry: What is to be drawn.
        parameters: Those of decoder and InvNets.
        switches: Fields of :class:`QSNeRVConfig` to set instead of the rule's.

    Raises:
        ValueError: The switches describe no network.
    """
    given: dict[str, object] = {**_usual(geometry), "skip": Skip.INV, **switches}
    if given["skip"] is Skip.INV:
        given = {"bounded": False, "fresh": "latent" not in given, **given}
    bare = network_from({**_usual(geometry), "skip": Skip.NONE, "levels": 0}, MIN_STEM)
    given.setdefault("levels", 0 if given["skip"] is Skip.NONE else choose_levels(bare, geometry))
    for channels, growth in SKIP_WIDTHS:
        rich = {"skip_channels": channels, "growth": growth, **given}
        if count(network_from(rich, MIN_STEM), geometry, "skips.") <= _COUPLING_SHARE * parameters:
            break

    def distance(stem: int) -> int:
        config = network_from(rich, stem)
        per_frame = count(config, geometry, "embedding") + count(config, geometry, "maps.")
        return abs(count(config, geometry) - per_frame - parameters)

    low, high = MIN_STEM, MAX_CHANNELS
    while high - low > 2:  # the distance falls, then rises
        third = (high - low) // 3
        if distance(low + third) <= distance(high - third):
            high -= third
        else:
            low += third
    return network_from(rich, min(range(low, high + 1), key=distance))


def _usual(geometry: FieldGeometry) -> dict[str, object]:
    strides = choose_strides(_BLOCKS, 1, geometry.height, geometry.width)
    return {"strides": strides, "shuffle": 1, "embedding": _EMBEDDING}
