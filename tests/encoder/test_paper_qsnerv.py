"""The sizes of HNeRV's and QS-NeRV's networks at those of the papers, within 1 %."""

from __future__ import annotations

import pytest

from nvcodec.config.fit import LayerConfig, LayerShape
from nvcodec.encoder.plan.layer import plan_layer
from nvcodec.encoder.plan.paper_qsnerv import hnerv_network, qsnerv_network
from nvcodec.encoder.plan.recipes import SHAPES
from nvcodec.encoder.plan.size_qsnerv import PRESETS, count
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv_config import Skip
from nvcodec.types import ChromaFormat

BUNNY = FieldGeometry(132, 640, 1280, ChromaFormat.RGB)
UVG = FieldGeometry(600, 960, 1920, ChromaFormat.RGB)
UVG_480 = FieldGeometry(600, 480, 960, ChromaFormat.RGB)


@pytest.mark.parametrize(
    ("geometry", "parameters", "stem", "channels", "total"),
    [
        (BUNNY, 350_000, 32, (27, 22, 18, 15, 12), 0.330e6),
        (BUNNY, 750_000, 48, (40, 33, 28, 23, 19), 0.736e6),
        (BUNNY, 1_500_000, 68, (57, 48, 40, 33, 28), 1.505e6),
        (BUNNY, 3_000_000, 97, (81, 68, 57, 48, 40), 3.030e6),
        (UVG, 3_000_000, 91, (76, 63, 52, 43, 36), 2.914e6),
        (UVG_480, 3_000_000, 109, (91, 76, 63, 52, 43), 2.957e6),
    ],
)
def test_hnerv(geometry: FieldGeometry, parameters: int, stem: int, channels: tuple[int, ...], total: float) -> None:
    """Widths and sums as HNeRV's released code has them."""
    config = hnerv_network(geometry, parameters, {})
    assert (config.stem, config.channels, config.kernels) == (stem, channels, (1, 3, 5, 5, 5))
    assert config.skip is Skip.NONE and config.shuffle == 1 and config.embedding == 16
    assert count(config, geometry) == pytest.approx(total, rel=0.01)


def test_qsnerv_row_by_row() -> None:
    """Table 1; the maps' 0.182 M is a slip for 0.192 M, without which its rows do not come to its total."""
    config = qsnerv_network(UVG, 3_000_000, {})
    assert (config.stem, config.skip, config.levels) == (90, Skip.INV, 2)
    assert not config.bounded and config.fresh
    couplings = sum(count(config, UVG, f"skips.{level}.coupling") for level in (0, 1))
    decoder = count(config, UVG) - couplings - count(config, UVG, "embedding") - count(config, UVG, "maps.")
    rows = {"embedding": 0.077e6, "maps.": 0.192e6, "decoder": 2.800e6, "InvNets": 0.182e6}
    found = {name: count(config, UVG, name) for name in ("embedding", "maps.")}
    found |= {"decoder": decoder, "InvNets": couplings}
    assert found == pytest.approx(rows, rel=0.01)
    assert count(config, UVG) == pytest.approx(3.251e6, rel=0.01)


def test_direct_skips_hold_what_the_paper_says() -> None:
    """Table 8: 12.29 M numbers."""
    config = qsnerv_network(UVG, 3_000_000, {"skip": Skip.CONV, "direct": True})
    assert count(config, UVG, "maps.") == pytest.approx(12.29e6, rel=0.01)


@pytest.mark.parametrize("parameters", [750_000, 1_500_000])
def test_enhancement_networks(parameters: int) -> None:
    """Packs of the paper's sizes on its bases: HNeRV's kernels, narrowing widths, no grid."""
    layer = LayerConfig(LayerShape.HNERV, grid=False, multi_scale=True)
    for geometry, base in ((BUNNY, 750_000), (UVG, 3_000_000)):
        pyramid = qsnerv_network(geometry, base, {}).pyramid(geometry)
        config = plan_layer(pyramid, geometry, parameters, layer)
        assert config.kernels == (1, 3, 5, 5, 5) and not config.grid_channels and config.multi_scale
        for wider, narrower in zip(config.channels, config.channels[1:], strict=False):
            assert narrower == max(12, round(wider / 1.2))
        total = sum(spec.size for spec in config.tensor_specs(geometry, pyramid))
        assert total == pytest.approx(parameters, rel=0.025)  # a step of the width is 3 % of 0.75 M


def test_small_networks_have_the_skip_too() -> None:
    clip = FieldGeometry(48, 180, 320, ChromaFormat.YUV420)
    config = qsnerv_network(clip, 100_000, {})
    assert config.skip is Skip.INV
    per_frame = count(config, clip, "embedding") + count(config, clip, "maps.")
    assert count(config, clip) - per_frame == pytest.approx(100_000, rel=0.05)
    assert count(config, clip, "skips.") < 26_000
    for preset in PRESETS.values():
        network = preset.network(clip, 100_000, {"skip": Skip.INV})
        assert network.skip is Skip.INV and count(network, clip) == pytest.approx(100_000, rel=0.1)


def test_recipes_have_these_networks() -> None:
    assert SHAPES["hnerv"].network(BUNNY, 750_000, {"skip": Skip.NONE, "levels": 0}) == hnerv_network(
        BUNNY, 750_000, {}
    )
    assert SHAPES["qsnerv"].network(UVG, 3_000_000) == qsnerv_network(UVG, 3_000_000, {})
