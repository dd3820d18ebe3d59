"""QS-NeRV's presets, and the rules from a picture and a budget to its network. No torch.

=========  ===================  ======  =======================================
preset     blocks, works up to  epochs  meant for
=========  ===================  ======  =======================================
draft      4, a half            20      a look, tests
faster     4, a half            80      a CPU
fast       4, a half            100     a patient CPU, a small GPU
medium     5, all of it         300     a GPU: HNeRV's depth and widths
slow       5, all of it         600     a GPU
slower     5, all of it         1200    a GPU
=========  ===================  ======  =======================================

What was measured is in docs/switches.md; nothing was for the presets that need a GPU. The papers' own networks are in
:mod:`.paper_qsnerv`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from math import ceil, log2, prod

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv_config import QSNeRVConfig, Skip

_CELLS = 8
"""Base cells wanted: 2 x 4, as in the paper."""
_NARROWING = 1.2
_MIN_CHANNELS = 12
MAX_CHANNELS = 1024
MIN_STEM = 4
_MAX_LEVEL_PLACES = 400
"""Largest map of side information: the two levels above the embedding, as long as they stay below this."""
_MAX_LEVELS = 2
_MAX_CPU_PIXELS = 1 << 17
"""Larger pictures are drawn at a quarter instead of half their size where the preset is for CPUs."""
_SKIP_FROM = 500_000
"""Smaller networks are HNeRV's: at 25 k and at 100 k parameters a skip did not pay for its time (docs/switches.md).
Beyond, nothing was measured, and the paper has one."""
_SKIP_SHARE = 0.18
"""Largest share of the parameters in dense blocks. The paper's have 182 k of 3.25 M; 64 channels and growth 8 hold
from 1 M parameters on."""
SKIP_WIDTHS = ((64, 8), (64, 4), (32, 4), (16, 4), (16, 2), (8, 2))
"""(channels, growth), from rich to poor."""


@dataclass(frozen=True)
class QSNeRVPreset:
    """A point on the way from quick to good; see :class:`nvcodec.encoder.plan.sizing.Shape`."""

    name: str
    blocks: int
    """Blocks of the network; small pictures get fewer."""
    shuffle: int
    """Enlargement by the head: what is left of the way to the picture."""
    epochs: float
    min_steps: int
    max_channels: int
    """Widest stem that a target may lead to."""
    bits_per_parameter: float
    layer_effort: float = 0.125
    """The blocks of the base are so light that a step of a layer takes two to three times as long as one of theirs."""

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> QSNeRVConfig:
        """The network closest to a number of parameters, by search over the width of its stem.

        Args:
            geometry: What is to be drawn.
            parameters: Coded parameters wanted, all tensors counted.
            switches: Fields of :class:`QSNeRVConfig` to set instead of the rule's.
            pinned: The number was asked for, so the preset's bound on the width does not hold.
        """
        given = self._with_defaults(switches or {}, geometry, Skip.INV if parameters >= _SKIP_FROM else Skip.NONE)
        for channels, growth in SKIP_WIDTHS:
            rich = {"skip_channels": channels, "growth": growth, **given}
            if count(network_from(rich, MIN_STEM), geometry, "skips.") <= _SKIP_SHARE * parameters:
                break
        stems = range(MIN_STEM, (MAX_CHANNELS if pinned else self.max_channels) + 1)
        if "stem" in given or "channels" in given:
            stems = stems[:1]
        low, high = 0, len(stems) - 1
        while low < high:  # sizes grow with the width
            middle = (low + high + 1) // 2
            fits = count(network_from(rich, stems[middle]), geometry) <= parameters
            low, high = (middle, high) if fits else (low, middle - 1)
        nearest = [network_from(rich, stem) for stem in stems[low : low + 2]]
        return min(nearest, key=lambda config: abs(count(config, geometry) - parameters))

    def _with_defaults(self, switches: dict[str, object], geometry: FieldGeometry, skip: Skip) -> dict[str, object]:
        """Everything but the widths."""
        # a CPU cannot keep up with large pictures at half their size
        coarser = self.shuffle > 1 and geometry.height * geometry.width > _MAX_CPU_PIXELS
        blocks, shuffle = (self.blocks - 1, 2 * self.shuffle) if coarser else (self.blocks, self.shuffle)
        strides = choose_strides(blocks, shuffle, geometry.height, geometry.width)
        given: dict[str, object] = {"strides": strides, "shuffle": shuffle, "skip": skip, **switches}
        if "levels" not in given:
            of_skips = {choice.field for choice in QSNeRVConfig.choices}
            plain = {name: value for name, value in given.items() if name not in of_skips}
            bare = network_from({**plain, "skip": Skip.NONE, "levels": 0}, MIN_STEM)
            given["levels"] = 0 if given["skip"] is Skip.NONE else choose_levels(bare, geometry)
        return given


_MEDIUM = QSNeRVPreset("medium", 5, 1, 300, 10_000, MAX_CHANNELS, 3.0)
PRESETS = {
    preset.name: preset
    for preset in (
        QSNeRVPreset("draft", 4, 2, 20, 2_400, 64, 5.0),
        QSNeRVPreset("faster", 4, 2, 80, 8_000, 96, 4.0),
        QSNeRVPreset("fast", 4, 2, 100, 8_000, 128, 3.5),
        _MEDIUM,
        replace(_MEDIUM, name="slow", epochs=600, min_steps=20_000),
        replace(_MEDIUM, name="slower", epochs=1200, min_steps=40_000),
    )
}


def network_from(given: dict[str, object], stem: int) -> QSNeRVConfig:
    """The network of a width, with everything that is given, and HNeRV's rules for its other widths and kernels."""
    blocks, width = len(tuple(given["strides"])), int(given.get("stem", stem))  # type: ignore[arg-type, call-overload]
    widths, floor = [], min(_MIN_CHANNELS, width)  # HNeRV's, but small budgets need networks that are narrower still
    for _ in range(blocks):
        width = max(round(width / _NARROWING), floor)
        widths.append(width)
    everything = {"stem": stem, "channels": tuple(widths), "kernels": (1, 3, *(5,) * blocks)[:blocks], **given}
    return QSNeRVConfig(**everything)  # type: ignore[arg-type]


def choose_strides(blocks: int, shuffle: int, height: int, width: int) -> tuple[int, ...]:
    """Strides of the blocks, falling from at most 5 to at least 2, for a picture of this size.

    Those that leave the base cells closest to eight and cover the picture with the least overhang; the paper's for its
    sizes. Pictures too small for all blocks get fewer, at least two.
    """

    def cost(strides: tuple[int, ...]) -> float:
        scale = prod(strides) * shuffle
        cells = ceil(height / scale) * ceil(width / scale)
        overhang = cells * scale**2 / (height * width)
        return round(abs(log2(cells / _CELLS)) + 2 * log2(overhang) + 0.5 * (blocks - len(strides)), 6)

    lists = [
        strides for count in range(2, blocks + 1) for strides in combinations_with_replacement((5, 4, 3, 2), count)
    ]
    return min(lists, key=cost)


def choose_levels(config: QSNeRVConfig, geometry: FieldGeometry) -> int:
    """How many maps of side information: two, if they are small, and one at least."""
    rows, columns = config.base_size(geometry)
    most = min(_MAX_LEVELS, len(config.strides) - 1)
    small = [
        level for level in range(1, most + 1) if rows * columns * config.level_scale(level) ** 2 <= _MAX_LEVEL_PLACES
    ]
    return max(small, default=1)


def count(config: QSNeRVConfig, geometry: FieldGeometry, part: str = "") -> int:
    """Coded parameters, or those of the tensors whose names begin with ``part``."""
    return sum(spec.size for spec in config.tensor_specs(geometry) if spec.name.startswith(part))
