"""Presets: how much work an encode may be, as data; and the rules of MSNeRV and TeNeRV from a budget to a network.

No torch.

=========  ======================  ======  =========  ==========  =======================================
preset     work at                 layers  expansion  epochs      meant for
=========  ======================  ======  =========  ==========  =======================================
draft      1/8 and 1/4             3 + 3   2          20          a look, tests
faster     1/8 and 1/4             3 + 3   2          80          a CPU
fast       1/16 to 1/2             2 x 3   4          100         a patient CPU, a small GPU
medium     1/8 to all of it        3 x 4   4          300         a GPU
slow       1/8 to all of it        3 x 4   4          600         a GPU
slower     1/8 to all of it        3 x 4   4          1200        a GPU
=========  ======================  ======  =========  ==========  =======================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil, prod

from nvcodec.config.keywords import PresetName
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling

_MIN_CHANNELS = 8
MAX_CHANNELS = 1024
"""Widest first block that the rule goes to: 28 M parameters at ``medium``."""


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
    """Widest first block that a target may lead to: a CPU preset stays playable. Does not bind ``--params``."""
    bits_per_parameter: float
    """What a parameter may cost: the size of the network follows from the target. Short fits do better with fewer
    parameters in finer steps."""
    layer_effort: float = 0.25
    """Steps of an enhancement layer in units of the base's: its features are there already."""
    gop_kernels: bool = False
    """TeNeRV: depthwise kernels differ between groups of pictures."""

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> MSNeRVConfig:
        """See :class:`nvcodec.encoder.plan.sizing.Shape`."""
        widest = MAX_CHANNELS if pinned else self.max_channels
        return plan_network(self, geometry, parameters, switches, widest)


_PAPER = Preset("medium", (0, 2, 2, 2), 1, (3, 3, 3, 3), 4, 0.5, 300, 10_000, MAX_CHANNELS, 3.0)
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("draft", (0, 2), 4, (3, 3), 2, 0.8, 20, 2_400, 64, 5.0),
        Preset("faster", (0, 2), 4, (3, 3), 2, 0.8, 80, 8_000, 96, 4.0),
        Preset("fast", (0, 2, 2), 2, (2, 2, 2), 4, 0.5, 100, 8_000, 256, 3.5),
        _PAPER,
        replace(_PAPER, name="slow", epochs=600, min_steps=20_000),
        replace(_PAPER, name="slower", epochs=1200, min_steps=40_000),
    )
}
TENERV_PRESETS = {name: replace(preset, gop_kernels=True) for name, preset in PRESETS.items()}

_GRID_SHARE = 0.4
"""Largest share of the parameters that goes into grids over the picture, those of the groups of pictures included."""
_LOCAL_SHARE = 0.15
"""Largest share that goes into local grids."""
_MAX_CPU_POSITIONS = 1 << 15


def default_preset(device: str) -> PresetName:
    """The preset for whoever does not name one: ``medium`` works at the full size and needs a GPU."""
    return "medium" if device.startswith("cuda") else "faster"


def bpp_for_crf(crf: float) -> float:
    """Bits per pixel to size the network for at constant quality: halves every six steps, as in x264."""
    return 0.15 * 2 ** ((32 - crf) / 6)


def weight_for_crf(crf: float) -> float:
    """Multiplier of the rate: mean squared error (of values in 0..1) per bit per pixel.

    x264's rule for its own quantiser scale, 0.85 * 2^((crf - 12) / 3) in squared 8 bit code values.
    """
    return 0.85 * 2 ** ((crf - 12) / 3) / 255**2


def choose_shuffle(preset: Preset, height: int, width: int) -> int:
    """Enlargement by the head: the preset's, doubled where a CPU preset would work at more than 32,768 positions."""
    large = height * width > _MAX_CPU_POSITIONS * preset.shuffle**2
    return 2 * preset.shuffle if preset.shuffle >= 4 and large else preset.shuffle


def choose_strides(preset: Preset, height: int, width: int) -> tuple[int, ...]:
    """Strides of the blocks for a picture of this size.

    A leading 0 becomes the smallest of 2, 3, 4, 5, 6 that leaves at most 48 rows and 86 columns of base cells (in
    landscape): at ``medium`` 2 up to 720p, 3 at 1080p as MSNeRV's paper has it, 6 at 2160p. Pictures below 8 x 8 cells
    get 1 instead.
    """
    if preset.strides[0] != 0:
        return preset.strides
    rest = preset.strides[1:]
    scale = prod(rest) * choose_shuffle(preset, height, width)
    short, long = sorted((ceil(height / scale), ceil(width / scale)))
    if short < 8:
        return (1, *rest)
    fitting = [first for first in (2, 3, 4, 5) if ceil(short / first) <= 48 and ceil(long / first) <= 86]
    return (fitting[0] if fitting else 6, *rest)


def plan_network(
    preset: Preset,
    geometry: FieldGeometry,
    parameters: int,
    switches: dict[str, object] | None = None,
    max_channels: int = MAX_CHANNELS,
) -> MSNeRVConfig:
    """The network closest to a number of parameters.

    First the grids, at most 40 % of the parameters: two levels, the coarser with half the nodes in time and twice the
    channels, as rich as fits (:func:`_grid_choices`); then the local grids, at most 15 %; then the width, the multiple
    of 4 (2 below 32) that comes closest.

    Args:
        preset: Depths, expansions, bounds.
        geometry: What is to be drawn, in as many groups of pictures as the segment has.
        parameters: Coded parameters wanted, all tensors counted.
        switches: Fields of :class:`MSNeRVConfig` to set instead of the defaults.
        max_channels: Widest first block to consider.
    """
    blocks = len(preset.strides)

    def network(width: int, **settings: object) -> MSNeRVConfig:
        channels = [width]
        for _ in range(blocks - 1):
            channels.append(max(2 * round(channels[-1] * preset.narrowing / 2), 4))
        everything: dict[str, object] = {
            "strides": choose_strides(preset, geometry.height, geometry.width),
            "channels": tuple(channels),
            "depths": preset.depths,
            "expansions": (preset.expansion,) * blocks,
            "shuffle": choose_shuffle(preset, geometry.height, geometry.width),
            "gop_kernels": preset.gop_kernels and len(geometry.gops) > 1,
            **MEASURED_SWITCHES,
            **settings,
            **(switches or {}),
        }
        return MSNeRVConfig(**everything)  # type: ignore[arg-type]

    def count(config: MSNeRVConfig, part: str = "") -> int:
        return sum(spec.size for spec in config.tensor_specs(geometry) if part in spec.name)

    def richest(choices: Iterable[dict[str, object]], part: str, share: float) -> dict[str, object]:
        """The first choice that takes no more than its share, else the last."""
        last: dict[str, object] = {}
        for last in choices:
            if count(network(_MIN_CHANNELS, **{"grids": (GridLevel(64, 4, 1),), **last}), part) <= share * parameters:
                break
        return last

    if switches and "grids" in switches:
        settings: dict[str, object] = {}
    else:
        settings = richest(_grid_choices(), "encoder.", _GRID_SHARE)
    local: list[dict[str, object]] = [{**settings, "local_channels": channels} for channels in (4, 2, 1)]
    settings = richest([*local, {**settings, "local_levels": 0}], ".local.", _LOCAL_SHARE)
    widths = [*range(_MIN_CHANNELS, 32, 2), *range(32, max_channels + 1, 4)]
    return min((network(width, **settings) for width in widths), key=lambda config: abs(count(config) - parameters))


def _grid_choices() -> Iterator[dict[str, object]]:
    """Grids from rich to poor: fewer channels, fewer nodes in time, less resolution, none for groups of pictures."""
    for shrink, channels, intervals in (
        (1, 4, (2, 3, 4)),
        (1, 2, (2, 3, 4)),
        (1, 1, (2, 3, 4, 6, 8)),
        (2, 2, (2, 3, 4, 6, 8)),
        (2, 1, (2, 3, 4, 6, 8, 12, 16)),
        (4, 1, (4, 8, 16, 32, 64)),
    ):
        for interval in intervals:
            levels = GridLevel(interval, shrink, channels), GridLevel(2 * interval, shrink, 2 * channels)
            yield {"grids": levels}
    yield {"grids": (GridLevel(64, 4, 1),), "gop_grid": False}


MEASURED_SWITCHES: dict[str, object] = {
    "upsampling": Upsampling.BILINEAR,
    "fusion": False,
    "cross_depth": False,
}
"""Where networks differ from MSNeRV's because measurement said so: docs/switches.md has the table."""
