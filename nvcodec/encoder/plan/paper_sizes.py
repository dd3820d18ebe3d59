"""The networks of MSNeRV, TeNeRV and HiNeRV as published, at any size: what recipes build. No torch.

All three scale by their width alone (MSNeRV section B; HiNeRV's configurations), which halves from block to block, and
by the channels of their grids, which the papers tie to the size without a rule. Ours: as many as keep the grids a fair
share of the parameters, see each function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import HINERV_SWITCHES, GridLevel, MSNeRVConfig

Choice = TypeVar("Choice")
Switches = Mapping[str, object]

_MIN_CHANNELS = 8
_MAX_CHANNELS = 1024
_LARGE = 720
"""Rows above which HiNeRV enlarges by 5, 3, 2, 2 instead of 5, 2, 2, 2."""
_HINERV_GRID_SHARE = 0.25
"""Of HiNeRV's parameters in grids, local ones too: in its published sizes they are a sixth or so."""
_MSNERV_GRID_SHARE = 0.22
"""Of MSNeRV's and TeNeRV's, local ones too: C0 = 1 at 3.03 M parameters (600 frames of 1080p) and 2 at 5.92 M."""
_MOST_GRID_CHANNELS = 32
_FRAMES_PER_NODE = 4
"""600 frames in 150 nodes, as HiNeRV has them for UVG."""
_NARROWEST = 4
"""Fewest channels of any block."""
_HINERV_BLOCKS: Switches = {name: HINERV_SWITCHES[name] for name in ("upsampling", "fusion", "cross_depth")}


def msnerv(geometry: FieldGeometry, parameters: int, switches: Switches) -> MSNeRVConfig:
    """MSNeRV's network closest to a number of parameters.

    Source: MSNeRV sections 3.1, 3.3 and A: grids at a 24th of the picture, a window of 5 ahead, groups of pictures
    with grids of their own, four blocks of strides 3, 2, 2, 2 with three fusion layers each, hybrid upsampling and
    cross-depth fusion. Left open by the paper and as in HiNeRV: MLPs four times as wide as what they give, local
    grids, norms, a sigmoid. The grids' T x H/24 x W/24 x C0 would exceed 3 M parameters at 600 frames; they are
    said to be of "different spatial and temporal resolutions": here one level of a node to four frames, as rich in
    channels as leaves all grids no more than 22 % of the parameters, and with fewer nodes or places where one
    channel is more than that.

    Args:
        geometry: What is drawn, in its groups of pictures.
        parameters: Coded parameters, all tensors counted.
        switches: Fields of the configuration to set instead.

    Raises:
        ValueError: The switches describe no network.
    """
    return _msnerv(geometry, parameters, switches)


def tenerv(geometry: FieldGeometry, parameters: int, switches: Switches) -> MSNeRVConfig:
    """TeNeRV's network closest to a number of parameters: see :func:`msnerv`.

    Source: TeNeRV section III, which names grids, window, groups of pictures and blocks of an upsampling operator
    and depthwise separable convolutions, whose depthwise kernels are those of the group; all else, as strides and
    depths, as in MSNeRV, by the same authors, with HiNeRV's layers and upsampling.
    """
    own: dict[str, object] = {**_HINERV_BLOCKS, "gop_kernels": len(geometry.gops) > 1}
    return _msnerv(geometry, parameters, {**own, **switches})


def hinerv(geometry: FieldGeometry, parameters: int, switches: Switches) -> MSNeRVConfig:
    """HiNeRV's network closest to a number of parameters.

    Source: HiNeRV (Kwan et al., NeurIPS 2023), Table 1 and its released configurations: strides 5, 3, 2, 2 (5, 2,
    2, 2 up to 720 rows), depths 3, 3, 3, 1, expansions 4, 4, 4, 1, two levels of grids of which the second has half
    the nodes and twice the channels, local grids of three levels, a head that is linear at every place and ends in
    a sigmoid. Channels of the grids: the largest power of two for which these take no more than a quarter of the
    parameters; local grids have twice as many. These are the published numbers at the published sizes.
    """
    large = min(geometry.height, geometry.width) > _LARGE

    def network(width: int, level: GridLevel) -> MSNeRVConfig:
        coarser = GridLevel(2 * level.interval, 1, 2 * level.channels)
        return _network(
            {
                "strides": (5, 3, 2, 2) if large else (5, 2, 2, 2),
                "channels": _narrowing(width),
                "depths": (3, 3, 3, 1),
                "expansions": (4, 4, 4, 1),
                "grids": (level, coarser),
                "local_channels": 2 * level.channels,
                "head_size": 1,
                "sigmoid": True,
                **HINERV_SWITCHES,
            },
            switches,
        )

    poorer = [GridLevel(_FRAMES_PER_NODE, 1, channels) for channels in (32, 16, 8, 4, 2, 1)]
    poorer += [GridLevel(_FRAMES_PER_NODE * times, 1, 1) for times in (2, 4, 8)]
    level = _richest(poorer, network, _HINERV_GRID_SHARE, geometry, parameters)
    return _closest(lambda width: network(width, level), geometry, parameters)


def _msnerv(geometry: FieldGeometry, parameters: int, switches: Switches) -> MSNeRVConfig:
    def network(width: int, level: GridLevel) -> MSNeRVConfig:
        return _network(
            {
                "strides": (3, 2, 2, 2),
                "channels": _narrowing(width),
                "depths": (3, 3, 3, 3),
                "expansions": (4, 4, 4, 4),
                "grids": (level,),
                "window_ahead": True,
                "sigmoid": True,
            },
            switches,
        )

    poorer = [GridLevel(_FRAMES_PER_NODE, 1, channels) for channels in range(_MOST_GRID_CHANNELS, 0, -1)]
    poorer += [GridLevel(_FRAMES_PER_NODE * times, shrink, 1) for shrink in (1, 2, 4) for times in (2, 4, 8)]
    level = _richest(poorer, network, _MSNERV_GRID_SHARE, geometry, parameters)
    return _closest(lambda width: network(width, level), geometry, parameters)


def _network(usual: Switches, switches: Switches) -> MSNeRVConfig:
    everything: dict[str, Any] = {**usual, **switches}
    return MSNeRVConfig(**everything)


def _narrowing(width: int) -> tuple[int, ...]:
    """Channels of four blocks, each half of the one before."""
    return tuple(max(width >> block, _NARROWEST) for block in range(4))


def _richest(
    choices: Iterable[Choice],
    network: Callable[[int, Choice], MSNeRVConfig],
    share: float,
    geometry: FieldGeometry,
    parameters: int,
) -> Choice:
    """The first of the choices, rich to poor, whose grids take no more than a share, else the last."""
    last = None
    for last in choices:
        specs = network(_MIN_CHANNELS, last).tensor_specs(geometry)
        if sum(spec.size for spec in specs if ".grids." in spec.name) <= share * parameters:
            break
    assert last is not None
    return last


def _closest(network: Callable[[int], MSNeRVConfig], geometry: FieldGeometry, parameters: int) -> MSNeRVConfig:
    """The width that comes closest; even from 64 channels on."""
    widths = [*range(_MIN_CHANNELS, 64), *range(64, _MAX_CHANNELS + 1, 2)]
    return min((network(width) for width in widths), key=lambda config: abs(parameters - _count(config, geometry)))


def _count(config: MSNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry))
