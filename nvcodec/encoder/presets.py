"""Presets: how much work an encode may be, as data; and the rules from a picture and a budget to a network. No torch.

=========  ======================  ======  =========  ==========  =======================================
preset     work at                 layers  expansion  epochs      meant for
=========  ======================  ======  =========  ==========  =======================================
draft      1/8 and 1/4             3 + 3   2          20          a look, tests
faster     1/8 and 1/4             3 + 3   2          80          a CPU
fast       1/16 to 1/2             2 x 3   4          100         a patient CPU, a small GPU
medium     the paper's network     3 x 4   4          300         a GPU
slow       the paper's network     3 x 4   4          600         a GPU
slower     the paper's network     3 x 4   4          1200        a GPU
=========  ======================  ======  =========  ==========  =======================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig


@dataclass(frozen=True)
class Preset:
    """A point on the way from quick to good."""

    name: str
    strides: tuple[int, ...]
    """Strides of the blocks; a leading 0 is chosen to suit the picture (see :func:`choose_strides`)."""
    shuffle: int
    depths: tuple[int, ...]
    expansion: int
    narrowing: float
    """Channels of a block in units of the block before."""
    epochs: float
    min_steps: int
    """Short clips get more epochs, so that there are at least so many steps."""
    max_channels: int
    """Widest first block; a CPU preset stays playable whatever the target."""


_PAPER = Preset("medium", (0, 2, 2, 2), 1, (3, 3, 3, 3), 4, 0.5, 300, 10_000, 1024)
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("draft", (1, 2), 4, (3, 3), 2, 0.8, 20, 2_400, 64),
        Preset("faster", (1, 2), 4, (3, 3), 2, 0.8, 80, 8_000, 96),
        Preset("fast", (2, 2, 2), 2, (2, 2, 2), 4, 0.5, 100, 8_000, 256),
        _PAPER,
        replace(_PAPER, name="slow", epochs=600, min_steps=20_000),
        replace(_PAPER, name="slower", epochs=1200, min_steps=40_000),
    )
}

BITS_PER_PARAMETER = 2.5
"""What a parameter costs when size and quality are in balance; the size of the network follows from the target."""
_GRID_SHARE = 0.6
"""Largest share of the parameters that goes into the base grids."""
_MIN_CHANNELS = 8


def default_preset(device: str) -> str:
    """The preset for whoever does not name one: the paper's network needs a GPU."""
    return "medium" if device.startswith("cuda") else "faster"


def schedule_steps(preset: Preset, batch: int, frames: int, epochs: float | None) -> int:
    """Steps of a fit: the preset's epochs or those asked for, but never too few for a short clip to settle."""
    if epochs is not None:
        return max(1, round(epochs * frames / batch))
    return max(round(preset.epochs * frames / batch), preset.min_steps)


def parameters_for(target_bits: float) -> int:
    """Parameters that a file of so many bits should have."""
    return max(1, round(target_bits / BITS_PER_PARAMETER))


def bpp_for_crf(crf: float) -> float:
    """Bits per pixel to size the network for at constant quality: halves every six steps, as in x264."""
    return 0.15 * 2 ** ((32 - crf) / 6)


def weight_for_crf(crf: float) -> float:
    """Multiplier of the rate: mean squared error (of values in 0..1) per bit per pixel.

    x264's rule for its own quantiser scale, 0.85 * 2^((crf - 12) / 3) in squared 8 bit code values.
    """
    return 0.85 * 2 ** ((crf - 12) / 3) / 255**2


def choose_strides(preset: Preset, height: int, width: int) -> tuple[int, ...]:
    """Strides of the blocks for a picture of this size.

    A leading 0 becomes the factor out of 3, 2, 4, 5, 1 that needs the least padding (the first of equals): 3 at 1080p, 5
    at 720p, as in the papers. Pictures too small for that get fewer cells, at least 4 x 4.
    """
    strides = preset.strides
    if strides[0] != 0:
        return strides
    rest = strides[1:]

    def padded(first: int) -> int:
        scale = first * prod(rest) * preset.shuffle
        return ceil(height / scale) * ceil(width / scale) * scale * scale

    small = [first for first in (3, 2, 4, 5, 1) if min(height, width) >= 4 * first * prod(rest)]
    return (min(small or [1], key=padded), *rest)


def plan_network(
    preset: Preset, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None
) -> MSNeRVConfig:
    """The network closest to a number of parameters.

    First the grids: two levels, the coarser with half the nodes along each axis of the picture and twice the channels,
    at the finest spacing in time (1, 2, 3, ... frames per node) whose share of the parameters is at most 60 %. Then the
    width: the multiple of 4 (2 below 32) that comes closest, within the preset's bounds.

    Args:
        preset: Depths, expansions, bounds.
        geometry: What is to be drawn.
        parameters: Coded parameters wanted, all tensors counted.
        switches: Fields of :class:`MSNeRVConfig` to set instead of the defaults.
    """
    blocks = len(preset.strides)

    def network(width: int, grids: tuple[GridLevel, ...]) -> MSNeRVConfig:
        channels = [width]
        for _ in range(blocks - 1):
            channels.append(max(2 * round(channels[-1] * preset.narrowing / 2), 4))
        settings: dict[str, object] = {
            "strides": choose_strides(preset, geometry.height, geometry.width),
            "channels": tuple(channels),
            "depths": preset.depths,
            "expansions": (preset.expansion,) * blocks,
            "grids": grids,
            "shuffle": preset.shuffle,
            **DEFAULT_SWITCHES,
            **(switches or {}),
        }
        return MSNeRVConfig(**settings)  # type: ignore[arg-type]

    def count(config: MSNeRVConfig) -> int:
        return sum(spec.size for spec in config.tensor_specs(geometry))

    def grid_count(grids: tuple[GridLevel, ...]) -> int:
        config = network(_MIN_CHANNELS, grids)
        return sum(prod(config.grid_shape(level, geometry)) for level in grids)

    if switches and "grids" in switches:
        grids = network(_MIN_CHANNELS, ()).grids
    else:
        grids = next(
            (g for g in _grid_choices(geometry.frames) if grid_count(g) <= _GRID_SHARE * parameters),
            (GridLevel(geometry.frames, 4, 1),),
        )
    widths = [
        w for w in (*range(_MIN_CHANNELS, 32, 2), *range(32, preset.max_channels + 1, 4)) if w <= preset.max_channels
    ]
    return min((network(width, grids) for width in widths), key=lambda config: abs(count(config) - parameters))


def _grid_choices(frames: int) -> Sequence[tuple[GridLevel, ...]]:
    """Grids from rich to poor."""
    intervals = [interval for interval in (1, 2, 3, 4, 6, 8, 12, 16, 32, 64) if interval <= frames]
    rich = [(GridLevel(1, 1, 4), GridLevel(1, 2, 8)), (GridLevel(1, 1, 3), GridLevel(1, 2, 6))]
    full = [(GridLevel(interval, 1, 2), GridLevel(interval, 2, 4)) for interval in intervals]
    coarse = [(GridLevel(interval, 2, 2), GridLevel(interval, 4, 4)) for interval in intervals]
    return rich + full + coarse


DEFAULT_SWITCHES: dict[str, object] = {}
"""Network switches that differ from the paper's because measurement said so (see docs/switches.md)."""
