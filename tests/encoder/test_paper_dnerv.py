"""The network of the D-NeRV paper at its sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nvcodec.encoder.plan.size_dnerv import paper_network
from nvcodec.models.dnerv_config import DNeRVConfig, Fusing
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat

UVG = FieldGeometry(600, 1024, 1920, ChromaFormat.RGB)
PUBLISHED = {107: 8.02e6, 166: 15.96e6, 213: 24.20e6, 291: 41.66e6}
"""Width of the stem and parameters, as the authors' code says."""


def _size(network: DNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in network.tensor_specs(geometry))


def _counted(stem: int, levels: int, *, each_channel: bool) -> int:
    """Weights and biases of Figure 3, layer by layer."""
    key, hidden, places, clip = 64, 512, 4 * 5, 8
    total = (2 * levels + 1) * hidden + (hidden + 1) * places * stem  # time code
    total += (3 * 9 + 1) * key  # key frames at full size
    incoming, outgoing = stem + key, 2 * stem
    for block, stride in enumerate((4, 2, 2, 2, 2)):
        outgoing = outgoing if block == 0 else max(outgoing // stride, 32)
        total += (key * stride**2 + 1) * key  # their patches
        total += (incoming + 1) * (incoming // 4) + (incoming // 4 * 9 + 1) * 4  # flow, equation 2
        total += (key + 1) * (2 * incoming if each_channel else 2)  # equation 5
        total += (incoming * 9 + 1) * outgoing * stride**2  # equation 7
        total += outgoing * (clip**2 + clip)  # equation 8, and a bias
        incoming = outgoing
    total += (incoming + 1) * (incoming // 4) + (incoming // 4 * 9 + 1) * 4
    return total + (incoming + 3 + 1) * (incoming // 4) + (incoming // 4 * 9 + 1) * 3  # final stage


@pytest.mark.parametrize(("stem", "parameters"), PUBLISHED.items())
def test_widths_are_those_of_the_authors(stem: int, parameters: float) -> None:
    assert _counted(stem, 240, each_channel=True) == pytest.approx(parameters, rel=2e-3)
    network = replace(_of_stem(stem), fusing=Fusing.PER_CHANNEL)
    assert _size(network, UVG) == _counted(stem, 40, each_channel=True)
    assert _size(_of_stem(stem), UVG) == _counted(stem, 40, each_channel=False)


def _of_stem(stem: int) -> DNeRVConfig:
    found = paper_network(UVG, _counted(stem, 40, each_channel=False), {})
    assert (found.stem, found.stem_rows, found.stem_columns) == (stem, 4, 5)
    return found


@pytest.mark.parametrize("parameters", [1e6, 3e6, *PUBLISHED.values()])
def test_sizes_are_met(parameters: float) -> None:
    network = paper_network(UVG, round(parameters), {})
    assert _size(network, UVG) == pytest.approx(parameters, rel=0.02 if parameters < 3e6 else 0.01)
    assert network.fusing is Fusing.PER_PLACE and network.picture and network.key_channels == 64


def test_patches_are_those_of_the_paper() -> None:
    network = paper_network(UVG, 8_000_000, {})
    heights, widths = ([(span.outer, span.inner) for span in network.spans(size)] for size in (UVG.height, UVG.width))
    assert all(outer == inner for outer, inner in (*heights, *widths))
    assert {inner.stop - inner.start for _, inner in heights} == {256}
    assert {inner.stop - inner.start for _, inner in widths} == {320} and len(heights) * len(widths) == 24


@pytest.mark.parametrize("parameters", [50_000, 100_000, 200_000])
def test_small_networks_are_narrower_all_over(parameters: int) -> None:
    small = FieldGeometry(9, 144, 176, ChromaFormat.RGB)
    network = paper_network(small, parameters, {})
    assert _size(network, small) == pytest.approx(parameters, rel=0.1)
    assert (network.stem_rows, network.stem_columns) == (3, 3) and network.key_channels < 64


def test_switches_come_first() -> None:
    network = paper_network(UVG, 3_000_000, {"fusion": False, "flow": False, "key_frames": False, "clip": 4})
    assert network.clip == 4 and not network.key_frames and network.fusing is Fusing.PER_CHANNEL
    assert _size(network, UVG) == pytest.approx(3e6, rel=0.02)
