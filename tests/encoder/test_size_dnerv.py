"""From a number of parameters to a network of D-NeRV."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.encoder.plan.size_dnerv import PRESETS
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat


def _parameters(network: DNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in network.tensor_specs(geometry))


GEOMETRY = FieldGeometry(8, 1080, 1920, ChromaFormat.YUV420)


@settings(max_examples=40)
@given(st.sampled_from(sorted(PRESETS)), st.integers(200_000, 2_000_000))
def test_pinned_parameters_are_met(name: str, parameters: int) -> None:
    network = PRESETS[name].network(GEOMETRY, parameters, pinned=True)
    widest = PRESETS[name].network(GEOMETRY, 10**9, pinned=True)
    found, most = _parameters(network, GEOMETRY), _parameters(widest, GEOMETRY)
    assert found == pytest.approx(min(parameters, most), rel=0.05)


@settings(max_examples=40)
@given(st.sampled_from(sorted(PRESETS)), st.integers(1, 10_000_000), st.integers(0, 1_000_000))
def test_more_room_is_never_a_smaller_network(name: str, parameters: int, more: int) -> None:
    preset = PRESETS[name]
    small, large = (preset.network(GEOMETRY, count) for count in (parameters, parameters + more))
    assert small.stem <= large.stem <= preset.max_stem + 1
    assert _parameters(small, GEOMETRY) <= _parameters(large, GEOMETRY)
