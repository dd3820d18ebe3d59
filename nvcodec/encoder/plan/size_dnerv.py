"""What the presets mean for D-NeRV: from a budget to a network. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from nvcodec.models.config import FieldConfig
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.models.geometry import FieldGeometry

_MIN_STEM, _MAX_STEM = 4, 400
_KEY_FLOOR = 8


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


def key_frames(network: FieldConfig, frames: int) -> int:
    """How many key frames a video has."""
    assert isinstance(network, DNeRVConfig)
    return len(network.key_times(frames))


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
