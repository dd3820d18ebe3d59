"""The published networks have the published sizes."""

from __future__ import annotations

import pytest

from nvcodec.encoder.plan.paper_sizes import hinerv, msnerv, tenerv
from nvcodec.encoder.plan.partition import uniform
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import HINERV_SWITCHES, MSNeRVConfig, Upsampling
from nvcodec.types import ChromaFormat

UVG = FieldGeometry(600, 1080, 1920, ChromaFormat.RGB, uniform(600, 5))
BUNNY = FieldGeometry(132, 720, 1280, ChromaFormat.RGB, (0,))
SMALL = FieldGeometry(60, 144, 176, ChromaFormat.YUV420, uniform(60, 5))


def _parameters(config: MSNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry))


@pytest.mark.parametrize("parameters", [3.03e6, 5.92e6])
def test_msnerv(parameters: float) -> None:
    """Table 1; section A."""
    config = msnerv(UVG, round(parameters), {})
    assert _parameters(config, UVG) == pytest.approx(parameters, rel=0.01)
    assert (config.strides, config.depths, config.window, config.shuffle) == ((3, 2, 2, 2), (3, 3, 3, 3), 5, 1)
    assert config.window_ahead and config.gop_grid and config.fusion and config.cross_depth
    assert config.upsampling is Upsampling.HYBRID and not config.gop_kernels
    assert config.base_size(UVG) == (45, 80)


@pytest.mark.parametrize("parameters", [3e6, 6e6])
def test_tenerv(parameters: float) -> None:
    """Table I."""
    config = tenerv(UVG, round(parameters), {})
    assert _parameters(config, UVG) == pytest.approx(parameters, rel=0.01)
    assert config.gop_grid and config.gop_kernels and config.window == 5 and not config.fusion


@pytest.mark.parametrize(
    ("geometry", "parameters", "width", "grid"),
    [
        (UVG, 3.189e6, 280, 2), (UVG, 6.490e6, 400, 4), (UVG, 12.819e6, 560, 8),
        (BUNNY, 0.767e6, 136, 2), (BUNNY, 1.586e6, 196, 4), (BUNNY, 3.250e6, 280, 8),
    ],
)  # fmt: skip
def test_hinerv(geometry: FieldGeometry, parameters: float, width: int, grid: int) -> None:
    """The released configurations. Bunny's grids have 40 nodes there and 33 here, where it is a little wider."""
    config = hinerv(geometry, round(parameters), {})
    assert _parameters(config, geometry) == pytest.approx(parameters, rel=0.01)
    assert config.channels[0] == pytest.approx(width, rel=0.015)
    assert [level.channels for level in config.grids] == [grid, 2 * grid] and config.local_channels == 2 * grid
    assert all(getattr(config, name) == value for name, value in HINERV_SWITCHES.items())
    if geometry is UVG:
        assert config.channels == (width, width // 2, width // 4, width // 8)
        assert config.base_size(UVG) == (18, 32) and config.grid_shape(config.grids[0], UVG)[0] == 150


@pytest.mark.parametrize("rule", [msnerv, tenerv, hinerv])
def test_small_ones_and_those_with_switches(rule: object) -> None:
    config = rule(SMALL, 100_000, {"depths": (2, 2, 2, 2), "window": 1})  # type: ignore[operator]
    assert _parameters(config, SMALL) == pytest.approx(100_000, rel=0.03)
    assert config.depths == (2, 2, 2, 2) and config.window == 1
