"""The network of the D-NeRV paper at any size. No torch.

Source: D-NeRV (He et al., CVPR 2023), section 3, and the authors' code for the widths, of which the paper gives none:
strides 4, 2, 2, 2, 2; the first block twice as wide as the stem, each later one narrower by its stride, at least 32;
key frames' features of 64 channels; time codes through 512. A size is reached by the width of the stem alone.

Two things differ: the time code has 40 frequencies and not 240, see :class:`nvcodec.models.dnerv_config.DNeRVConfig`,
which is 0.2 M parameters less; and below the 0.6 M that a stem of 8 takes, the fixed widths are halved until a
network fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from nvcodec.models.dnerv_config import DNeRVConfig, Fusing
from nvcodec.models.geometry import FieldGeometry

_STRIDES = (4, 2, 2, 2, 2)
_TILE = 320
"""Section 4: pictures of 1024 x 1920 in 24 patches of 256 x 320, of which none sees another."""
_FIXED_WIDTHS = ((64, 512, 32), (32, 256, 16), (16, 128, 8), (8, 64, 4))
"""Key frames' features, hidden channels of the time code, narrowest block."""
_NARROWEST, _WIDEST = 8, 1024


def paper_network(geometry: FieldGeometry, parameters: int, switches: Mapping[str, object]) -> DNeRVConfig:
    """The network of the paper that is closest to a number of parameters.

    Args:
        geometry: What is to be drawn; its tiles say how many places the stem has.
        parameters: Coded parameters wanted, all tensors counted. The paper's sizes are 8, 16, 24 and 42 M.
        switches: Fields of the configuration to set instead of the paper's.

    Raises:
        ValueError: The switches describe no network.
    """
    candidates = ((fixed, _sized(geometry, _NARROWEST, fixed, switches)) for fixed in _FIXED_WIDTHS)
    fixed = next((fixed for fixed, network in candidates if _size(network, geometry) <= parameters), _FIXED_WIDTHS[-1])
    low, high = (1 if fixed is _FIXED_WIDTHS[-1] else _NARROWEST), _WIDEST
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
    channels, strides = [2 * stem], switches.get("strides", _STRIDES)
    assert isinstance(strides, tuple)
    for stride in strides[1:]:
        channels.append(max(channels[-1] // stride, narrowest))
    everything: dict[str, object] = {
        "strides": strides,
        "channels": tuple(channels),
        "stem": stem,
        "key_channels": key_channels,
        "time_width": time_width,
        "tile": _TILE,
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


def _size(network: DNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in network.tensor_specs(geometry))
