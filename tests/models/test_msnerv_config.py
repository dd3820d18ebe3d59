"""The configuration of MSNeRV: its bytes, its tensors, and the sizes that papers report."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import BitstreamError, UnsupportedError, UsageError
from nvcodec.models import registry
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import HINERV_SWITCHES, GridLevel, MSNeRVConfig, Upsampling
from nvcodec.types import ChromaFormat

HINERV_S = MSNeRVConfig(
    strides=(5, 3, 2, 2),
    channels=(280, 140, 70, 35),
    depths=(3, 3, 3, 1),
    expansions=(4, 4, 4, 1),
    grids=(GridLevel(4, 1, 2), GridLevel(8, 1, 4)),
    local_channels=4,
    **HINERV_SWITCHES,  # type: ignore[arg-type]
)
MSNERV_S = MSNeRVConfig(
    strides=(3, 2, 2, 2),
    channels=(260, 130, 65, 32),
    depths=(3, 3, 3, 3),
    expansions=(4, 4, 4, 4),
    grids=(GridLevel(4, 1, 1),),
)
FULL_HD = FieldGeometry(600, 1080, 1920, ChromaFormat.RGB, (0, 120, 240, 360, 480))


@st.composite
def configs(draw: st.DrawFn) -> MSNeRVConfig:
    """Small networks with every combination of switches."""
    blocks = draw(st.integers(1, 3))
    per_block = lambda low, high: tuple(draw(st.lists(st.integers(low, high), min_size=blocks, max_size=blocks)))
    level = st.builds(GridLevel, st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
    return MSNeRVConfig(
        strides=per_block(1, 3),
        channels=tuple(sorted(per_block(1, 6), reverse=True)),
        depths=per_block(1, 2),
        expansions=per_block(1, 2),
        grids=tuple(draw(st.lists(level, min_size=1, max_size=3))),
        shuffle=draw(st.integers(1, 4)),
        window=draw(st.sampled_from([1, 3, 5])),
        gop_grid=draw(st.booleans()),
        local_channels=draw(st.integers(1, 4)),
        local_levels=draw(st.integers(0, 3)),
        upsampling=draw(st.sampled_from(Upsampling)),
        fusion=draw(st.booleans()),
        cross_depth=draw(st.booleans()),
        gop_kernels=draw(st.booleans()),
        sliced_input=draw(st.booleans()),
        window_ahead=draw(st.booleans()),
        second_window=draw(st.sampled_from([1, 3, 5])),
        head_size=draw(st.sampled_from([1, 3])),
        sigmoid=draw(st.booleans()),
    )


@st.composite
def geometries(draw: st.DrawFn) -> FieldGeometry:
    """Small clips in any groups of pictures."""
    frames, size = draw(st.integers(1, 9)), st.integers(1, 40)
    gops = (0, *(start for start in range(1, frames) if draw(st.booleans())))
    return FieldGeometry(frames, draw(size), draw(size), draw(st.sampled_from(ChromaFormat)), gops)


@given(configs(), geometries())
def test_specs_are_the_parameters_of_the_network(config: MSNeRVConfig, geometry: FieldGeometry) -> None:
    specs = config.tensor_specs(geometry)
    ids = [spec.id for spec in specs]
    assert ids == sorted(set(ids))
    shapes = {name: tuple(parameter.shape) for name, parameter in MSNeRV(config, geometry).named_parameters()}
    assert {spec.name: spec.shape for spec in specs} == shapes


def test_an_id_means_the_same_tensor_whatever_the_switches() -> None:
    geometry, names = FieldGeometry(8, 48, 64, ChromaFormat.YUV420, (0, 3)), {}
    small = replace(MSNERV_S, channels=(8, 8, 8, 8), depths=(12, 12, 12, 12), gop_kernels=True)
    for change in ({}, {"window": 1}, {"gop_grid": False}, {"gop_kernels": False}, {"depths": (1, 1, 1, 1)}):
        for spec in replace(small, **change).tensor_specs(geometry):
            assert names.setdefault(spec.id, spec.name) == spec.name


def test_what_groups_of_pictures_have_for_themselves() -> None:
    config = replace(MSNERV_S, channels=(8, 6, 6, 6), gop_kernels=True)
    one, three = (
        config.tensor_specs(FieldGeometry(9, 48, 64, ChromaFormat.YUV420, gops)) for gops in ((0,), (0, 2, 7))
    )
    grown = {new.id: new for old, new in zip(one, three, strict=True) if old != new}
    assert grown[1].shape == (3, 2, 3, 1) and grown[1].name == "encoder.gop_grid"
    # layer 0 sees the channels of the block before, and further layers those of their own
    assert [grown[128 * 2 + 19 + 8 * layer].shape for layer in range(3)] == [
        (3, 8, 1, 5, 5), (3, 6, 1, 5, 5), (3, 6, 1, 5, 5),
    ]  # fmt: skip
    assert len(grown) == 1 + sum(config.depths)
    assert all(spec.step_axis == 0 and spec.offset_axis is None for spec in grown.values() if spec.id > 1)
    for grid, kernels in itertools.product((False, True), repeat=2):
        switched = replace(config, gop_grid=grid, gop_kernels=kernels)
        assert switched.has_gops == (grid or kernels)


@given(configs())
def test_bytes_and_back(config: MSNeRVConfig) -> None:
    for model in (1, 2):
        assert registry.by_id(model).config(config.to_bytes(), config.choices_to_bytes()) == config


@given(st.binary(max_size=60) | st.builds(lambda n, tail: bytes([n]) + tail, st.integers(0, 9), st.binary(max_size=60)))
def test_any_bytes_are_a_configuration_or_refused(data: bytes) -> None:
    try:
        config = registry.by_id(1).config(data)
    except BitstreamError:
        return
    assert config.to_bytes() == data


@given(configs(), st.data())
def test_damaged_bytes_are_a_configuration_or_refused(config: MSNeRVConfig, data: st.DataObject) -> None:
    coded = bytearray(config.to_bytes())
    coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    cut = coded[: data.draw(st.integers(0, len(coded)))]
    for damaged in (bytes(coded), bytes(cut), bytes(coded) + b"\0"):
        try:
            assert registry.by_id(1).config(damaged).to_bytes() == damaged
        except BitstreamError as error:
            assert "msnerv" in error.message


def test_golden_bytes() -> None:
    assert MSNERV_S.to_bytes().hex(" ") == (
        "04 03 02 02 02 01 04 00 82 00 41 00 20 03 03 03 03 04 04 04 04 01 00 04 01 01 01 05 01 04 03 03 01 01 00"
    )


@pytest.mark.parametrize("from_end", [1, 2, 3, 7], ids=["gop kernels", "cross depth", "fusion", "gop grid"])
def test_switches_are_on_or_off(from_end: int) -> None:
    coded = bytearray(MSNERV_S.to_bytes())
    for value in (0, 1):
        coded[-from_end] = value
        assert registry.by_id(2).config(bytes(coded)).to_bytes() == coded
    coded[-from_end] = 2
    with pytest.raises(BitstreamError, match="a switch of the model configuration is neither 0 nor 1"):
        registry.by_id(2).config(bytes(coded))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"channels": (8, 16, 8, 8)}, "rise"),
        ({"window": 4}, "odd"),
        ({"depths": (3, 3, 3)}, "per block"),
        ({"strides": (9, 2, 2, 2)}, "strides"),
        ({"grids": ()}, "grid levels"),
        ({"grids": (GridLevel(0, 1, 1),)}, "interval"),
    ],
)
def test_networks_that_make_no_sense(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(MSNERV_S, **change)


def _parameters(config: MSNeRVConfig) -> int:
    return sum(spec.size for spec in config.tensor_specs(FULL_HD))


def test_size_of_the_published_hinerv_s() -> None:
    assert _parameters(HINERV_S) == pytest.approx(3.189e6, rel=0.01)


def test_size_of_the_published_msnerv_s() -> None:
    assert _parameters(MSNERV_S) == pytest.approx(3.03e6, rel=0.015)


def test_unknown_models() -> None:
    with pytest.raises(UnsupportedError, match="model 77"):
        registry.by_id(77)
    with pytest.raises(UsageError, match="'nerv'"):
        registry.by_name("nerv")
