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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, prod

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling
from nvcodec.quant.tensors import Role


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
        Preset("draft", (0, 2), 4, (3, 3), 2, 0.8, 20, 2_400, 64),
        Preset("faster", (0, 2), 4, (3, 3), 2, 0.8, 80, 8_000, 96),
        Preset("fast", (0, 2, 2), 2, (2, 2, 2), 4, 0.5, 100, 8_000, 256),
        _PAPER,
        replace(_PAPER, name="slow", epochs=600, min_steps=20_000),
        replace(_PAPER, name="slower", epochs=1200, min_steps=40_000),
    )
}

BITS_PER_PARAMETER = 2.5
"""What a parameter costs when size and quality are in balance; the size of the network follows from the target."""
_GRID_SHARE = 0.4
"""Largest share of the parameters that goes into grids over the picture."""
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

    A leading 0 becomes the smallest of 2, 3, 4, 5, 6 that leaves at most 48 rows and 85 columns of base cells: 2 up to
    720p, 3 at 1080p as in the paper, 6 at 2160p. Pictures below 64 samples get 1, so that there are cells at all.
    """
    if preset.strides[0] != 0:
        return preset.strides
    rest = preset.strides[1:]
    scale = prod(rest) * preset.shuffle
    if min(height, width) < 8 * scale:
        return (1, *rest)
    landscape = min(height, width), max(height, width)
    fitting = [s for s in (2, 3, 4, 5) if ceil(landscape[0] / (s * scale)) <= 48 and ceil(landscape[1] / (s * scale)) <= 86]
    return (fitting[0] if fitting else 6, *rest)


def plan_network(
    preset: Preset, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None
) -> MSNeRVConfig:
    """The network closest to a number of parameters.

    First the grids, at most 40 % of the parameters (the grids of the groups of pictures included): two levels, 4 channels
    with a node every second frame and 8 with a node every fourth if that fits, else fewer nodes, fewer channels, less
    resolution, in this order. Then the width: the multiple of 4 (2 below 32) that comes closest, within the preset's
    bounds. Clips of fewer than 40 frames have one group of pictures per 8 frames.

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
            "gops": min(5, max(1, geometry.frames // 8)),
            **MEASURED_SWITCHES,
            **(switches or {}),
        }
        return MSNeRVConfig(**settings)  # type: ignore[arg-type]

    def count(config: MSNeRVConfig) -> int:
        return sum(spec.size for spec in config.tensor_specs(geometry))

    def grid_count(grids: tuple[GridLevel, ...]) -> int:
        specs = network(_MIN_CHANNELS, grids).tensor_specs(geometry)
        return sum(spec.size for spec in specs if spec.role is Role.GRID)

    if switches and "grids" in switches:
        grids = network(_MIN_CHANNELS, ()).grids
    else:
        grids = next(
            (grids for grids in _grid_choices() if grid_count(grids) <= _GRID_SHARE * parameters),
            (GridLevel(64, 4, 1),),
        )
    widths = [
        w for w in (*range(_MIN_CHANNELS, 32, 2), *range(32, preset.max_channels + 1, 4)) if w <= preset.max_channels
    ]
    return min((network(width, grids) for width in widths), key=lambda config: abs(count(config) - parameters))


def _grid_choices() -> Iterator[tuple[GridLevel, ...]]:
    """Grids from rich to poor: fewer nodes in time first, then fewer channels, then fewer nodes in space."""
    for shrink, channels in ((1, 4), (1, 2), (1, 1), (2, 1), (4, 1)):
        for interval in (2, 3, 4, 6, 8, 12, 16, 24, 32):
            yield GridLevel(interval, shrink, channels), GridLevel(2 * interval, shrink, 2 * channels)


MEASURED_SWITCHES: dict[str, object] = {
    "upsampling": Upsampling.BILINEAR,
    "fusion": False,
    "cross_depth": False,
}
"""Where the network differs from the paper's because measurement said so: docs/switches.md has the table."""
