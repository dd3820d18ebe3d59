"""What presets, and the paper, mean for D-NeRV: from a budget to a network. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from nvcodec.models.dnerv_config import DNeRVConfig, Fusing
from nvcodec.models.geometry import FieldGeometry

_MIN_STEM, _MAX_STEM = 4, 400
_KEY_FLOOR = 8
_PAPER_STRIDES = (4, 2, 2, 2, 2)
_PAPER_TILE = 320
"""Section 4: pictures of 1024 x 1920 in 24 patches of 256 x 320, of which none sees another."""
_PAPER_WIDTHS = ((64, 512, 32), (32, 256, 16), (16, 128, 8), (8, 64, 4))
"""Key frames' features, hidden channels of the time code, narrowest block."""
_PAPER_NARROWEST, _PAPER_WIDEST = 8, 1024


@dataclass(frozen=True)
class DNeRVPreset:
    """A point on the way from quick to good; see :class:`nvcodec.encoder.plan.sizing.Shape`."""

    name: str
    strides: tuple[int, ...]
    shuffle: int
    narrowing: float
    """Channels of a block in units of the block before."""
    epochs: float
    """Passes over all clips of all videos; a step draws one clip, or a tile of it."""
    min_steps: int
    max_stem: int
    """Widest stem that a target may lead to: a CPU gains more from steps. Does not bind ``--params``."""
    bits_per_parameter: float
    tile: int
    layer_effort: float = 0.25

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> DNeRVConfig:
        """See :meth:`nvcodec.encoder.plan.sizing.Shape.network`: the stem's width is what is chosen."""

        def config(stem: int) -> DNeRVConfig:
            channels, strides = [2 * stem], (switches or {}).get("strides", self.strides)
            assert isinstance(strides, tuple)
            for _ in strides[1:]:
                channels.append(max(round(channels[-1] * self.narrowing / 2) * 2, 8))
            everything: dict[str, object] = {
                "strides": strides,
                "channels": tuple(channels),
                "stem": stem,
                "key_channels": min(max(3 * stem // 4 * 2, _KEY_FLOOR), 64),
                "shuffle": self.shuffle,
                "tile": self.tile,
                **(switches or {}),
            }
            return DNeRVConfig(**everything)  # type: ignore[arg-type]

        low, high = _MIN_STEM, _MAX_STEM if pinned else self.max_stem
        while low < high:  # sizes grow with the width
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _size(config(middle), geometry) <= parameters else (low, middle - 1)
        nearest = (config(stem) for stem in (low, low + 1))
        return min(nearest, key=lambda found: abs(_size(found, geometry) - parameters))


def paper_network(geometry: FieldGeometry, parameters: int, switches: Mapping[str, object]) -> DNeRVConfig:
    """The network of the paper that is closest to a number of parameters.

    Source: D-NeRV (He et al., CVPR 2023), section 3, and the authors' code for the widths, of which the paper gives
    none: strides 4, 2, 2, 2, 2; the first block twice as wide as the stem, each later one narrower by its stride, at
    least 32; key frames' features of 64 channels; time codes through 512. A size is reached by the width of the stem
    alone. Two things differ: the time code has 40 frequencies and not 240, see :class:`DNeRVConfig`, which is 0.2 M
    parameters less; and below the 0.6 M that a stem of 8 takes, the fixed widths are halved until a network fits.

    Args:
        geometry: What is to be drawn; its tiles say how many places the stem has.
        parameters: Coded parameters wanted, all tensors counted. The paper's sizes are 8, 16, 24 and 42 M.
        switches: Fields of the configuration to set instead of the paper's.

    Raises:
        ValueError: The switches describe no network.
    """
    candidates = ((fixed, _sized(geometry, _PAPER_NARROWEST, fixed, switches)) for fixed in _PAPER_WIDTHS)
    fixed = next((fixed for fixed, network in candidates if _size(network, geometry) <= parameters), _PAPER_WIDTHS[-1])
    low, high = (1 if fixed is _PAPER_WIDTHS[-1] else _PAPER_NARROWEST), _PAPER_WIDEST
    while low < high:  # sizes grow with the width
        middle = (low + high + 1) // 2
        is_small = _size(_sized(geometry, middle, fixed, switches), geometry) <= parameters
        low, high = (middle, high) if is_small else (low, middle - 1)
    nearest = (_sized(geometry, stem, fixed, switches) for stem in (low, low + 1))
    return min(nearest, key=lambda network: abs(_size(network, geometry) - parameters))


def _sized(
    geometry: FieldGeometry, stem: int, fixed: tuple[int, int, int], switches: Mapping[str, object]
) -> DNeRVConfig:
    key_channels, time_width, narrowest = fixed
    channels, strides = [2 * stem], switches.get("strides", _PAPER_STRIDES)
    assert isinstance(strides, tuple)
    for stride in strides[1:]:
        channels.append(max(channels[-1] // stride, narrowest))
    everything: dict[str, object] = {
        "strides": strides,
        "channels": tuple(channels),
        "stem": stem,
        "key_channels": key_channels,
        "time_width": time_width,
        "tile": _PAPER_TILE,
        "overlap": 0,
        "picture": True,
        **({"fusing": Fusing.PER_PLACE} if switches.get("fusion", True) else {}),
        **switches,
    }
    network = DNeRVConfig(**everything)  # type: ignore[arg-type]
    places = (
        max(ceil((span.outer.stop - span.outer.start) / network.scale) for span in network.spans(size))
        for size in (geometry.height, geometry.width)
    )
    stems = dict(zip(("stem_rows", "stem_columns"), places, strict=True))
    return DNeRVConfig(**{**stems, **everything})


def _size(config: DNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry))


_PAPER = DNeRVPreset("medium", (4, 2, 2, 2, 2), 1, 0.5, 400, 10_000, _MAX_STEM, 3.0, 320)
PRESETS = {
    preset.name: preset
    for preset in (
        DNeRVPreset("draft", (2, 2), 4, 0.75, 40, 400, 16, 1.5, 512),
        DNeRVPreset("faster", (2, 2), 4, 0.75, 160, 1_500, 24, 1.5, 512),
        DNeRVPreset("fast", (2, 2, 2), 2, 0.75, 200, 2_000, 32, 1.5, 512),
        _PAPER,
        DNeRVPreset("slow", (4, 2, 2, 2, 2), 1, 0.5, 800, 20_000, _MAX_STEM, 3.0, 320),
        DNeRVPreset("slower", (4, 2, 2, 2, 2), 1, 0.5, 1600, 40_000, _MAX_STEM, 3.0, 320),
    )
}
