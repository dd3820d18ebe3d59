"""The configuration of an enhancement network: its bytes, and the tensors that follow from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import PackModelId
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError
from nvcodec.models import pack_registry
from nvcodec.models.base import PlaneTensors
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.models.planes import unpack
from nvcodec.models.pyramid import Pyramid, PyramidLevel, head_channels
from nvcodec.quant.tensors import Role
from nvcodec.types import ChromaFormat, VideoFormat

GEOMETRY = FieldGeometry(9, 45, 61, ChromaFormat.YUV420)
BASE = Pyramid((PyramidLevel(3, 4, 5), PyramidLevel(6, 8, 7), PyramidLevel(24, 32, 6)), 2)
GOOD = EENConfig((300, 4), (3, 5), 4, 2)


class _Nothing:
    """Layers that are never drawn."""

    def pyramid(self, frames: torch.Tensor) -> list[torch.Tensor]:
        raise AssertionError

    def planes(self, frames: torch.Tensor) -> PlaneTensors:
        raise AssertionError


@st.composite
def _configs(draw: st.DrawFn) -> EENConfig:
    levels = draw(st.integers(1, 8))
    channels = draw(st.tuples(*[st.integers(1, 4096)] * levels))
    kernels = draw(st.tuples(*[st.sampled_from((1, 3, 5, 7))] * levels))
    grid = draw(st.just((0, 0)) | st.tuples(st.integers(1, 65535), st.integers(1, 255)))
    return EENConfig(channels, kernels, *grid)


@given(_configs())
def test_bytes_round_trip(config: EENConfig) -> None:
    data = config.to_bytes()
    assert len(data) == 1 + 3 * len(config.channels) + 3
    assert EENConfig.from_bytes(data) == config


def test_bytes_are_those_of_the_specification() -> None:
    assert GOOD.to_bytes().hex(" ") == "02 01 2c 00 04 03 05 00 04 02"
    paper = replace(GOOD, multi_scale=True)
    assert paper.to_bytes().hex(" ") == "02 01 2c 00 04 03 05 00 04 02 01 01"
    assert EENConfig.from_bytes(paper.to_bytes()) == paper


def _is_a_network_or_a_value_error(data: bytes) -> None:
    try:
        config = EENConfig.from_bytes(data)
    except ValueError:
        return
    assert config.to_bytes() == data


@given(st.binary(max_size=40))
def test_any_bytes_are_a_network_or_a_value_error(data: bytes) -> None:
    _is_a_network_or_a_value_error(data)


@given(_configs(), st.data())
def test_damaged_bytes_are_a_network_or_a_value_error(config: EENConfig, data: st.DataObject) -> None:
    whole = config.to_bytes()
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    _is_a_network_or_a_value_error(bytes(damaged))
    for cut in range(len(whole)):
        with pytest.raises(ValueError):
            EENConfig.from_bytes(whole[:cut])
    with pytest.raises(ValueError, match="the choices end early"):
        EENConfig.from_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="choice 0 is not known"):
        EENConfig.from_bytes(whole + b"\0\0")


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": (), "kernels": ()},
        {"channels": (4,) * 9, "kernels": (3,) * 9},
        {"channels": (4,)},
        {"channels": (0, 4)},
        {"channels": (4097, 4)},
        {"kernels": (3, 4)},
        {"kernels": (9, 3)},
        {"grid_interval": 0},
        {"grid_channels": 0},
        {"grid_channels": 256},
        {"grid_interval": 65536},
        {"grid_interval": -1},
    ],
)
def test_values_out_of_range(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(GOOD, **changes)  # type: ignore[arg-type]


def test_ids_ascend_and_stay_what_they_are() -> None:
    specs = GOOD.tensor_specs(GEOMETRY, BASE)
    assert [(spec.id, spec.name, spec.shape) for spec in specs] == [
        (0, "grid", (3, 3, 4, 2)),
        (2, "head.weight", (6, 4, 3, 3)),
        (3, "head.bias", (6,)),
        (16, "blocks.0.conv.weight", (1200, 7, 3, 3)),
        (17, "blocks.0.conv.bias", (1200,)),
        (18, "blocks.0.squeeze", (3, 7, 3, 3)),
        (19, "blocks.0.attention", (1, 1, 7, 7)),
        (20, "blocks.0.attention_bias", (1,)),
        (21, "blocks.0.project", (300, 7)),
        (32, "blocks.1.conv.weight", (64, 300, 5, 5)),
        (33, "blocks.1.conv.bias", (64,)),
        (34, "blocks.1.squeeze", (3, 6, 3, 3)),
        (35, "blocks.1.attention", (1, 1, 7, 7)),
        (36, "blocks.1.attention_bias", (1,)),
        (37, "blocks.1.project", (4, 6)),
    ]
    assert specs[0].role is Role.GRID
    bare = replace(GOOD, grid_interval=0, grid_channels=0).tensor_specs(GEOMETRY, BASE)
    assert [spec.id for spec in bare] == [spec.id for spec in specs[1:]]
    assert bare[2].shape == (1200, 5, 3, 3)
    paper = replace(GOOD, multi_scale=True).tensor_specs(GEOMETRY, BASE)
    assert [(spec.id, spec.name, spec.shape) for spec in paper[5:11]] == [
        (18, "blocks.0.squeeze", (3, 7, 3, 3)),
        (21, "blocks.0.project", (300, 7)),
        (22, "blocks.0.attend.one", (1, 1, 1, 1)),
        (23, "blocks.0.attend.three", (1, 1, 3, 3)),
        (24, "blocks.0.attend.five", (1, 1, 5, 5)),
        (25, "blocks.0.attend.join", (1, 3, 3, 3)),
    ]


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("shuffle", [1, 2, 3, 4])
@pytest.mark.parametrize("grid", [(0, 0), (4, 2), (1, 1), (100, 3), (0, 0, True)])
def test_specs_are_the_parameters_of_the_module(chroma: ChromaFormat, shuffle: int, grid: tuple[int, ...]) -> None:
    geometry, base = replace(GEOMETRY, chroma=chroma), replace(BASE, shuffle=shuffle)
    config = EENConfig((6, 4), (3, 5), *grid)
    specs = config.tensor_specs(geometry, base)
    named = dict(pack_registry.build(config, geometry, base, _Nothing()).named_parameters())
    assert {spec.name: spec.shape for spec in specs} == {name: tuple(value.shape) for name, value in named.items()}
    assert [spec.id for spec in specs] == sorted({spec.id for spec in specs})


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("shuffle", [1, 2, 3, 4, 6])
def test_the_head_has_the_channels_that_are_unpacked(chroma: ChromaFormat, shuffle: int) -> None:
    planes = unpack(torch.zeros(1, 4, 5, head_channels(shuffle, chroma)), shuffle, chroma)
    rows, columns = 4 * shuffle, 5 * shuffle
    expected = VideoFormat(columns, rows, chroma=chroma).plane_shapes
    assert tuple(tuple(plane.shape[1:]) for plane in planes) == expected


@given(_configs())
def test_fits_only_a_base_of_as_many_levels(config: EENConfig) -> None:
    assert config.fits(BASE) == (len(config.channels) == 2)
    if config.fits(BASE):
        assert pack_registry.config(PackModelId.EEN, config.to_bytes(), BASE) == config
        assert config.drawing_bytes(BASE) >= 3 * BASE.nbytes
        return
    with pytest.raises(BitstreamError, match=f"a network of {len(config.channels)} levels; the base has 2"):
        pack_registry.config(PackModelId.EEN, config.to_bytes(), BASE)


@given(st.integers(0, 1 << 40), st.binary(max_size=16))
def test_what_a_pack_may_say_is_refused_kindly(model_id: int, data: bytes) -> None:
    try:
        pack_registry.config(model_id, data, BASE)
    except NvcError as error:
        assert isinstance(error, UnsupportedError) == (model_id != PackModelId.EEN)
        assert error.message


def test_pyramid_of_a_base() -> None:
    model = MSNeRVConfig((3, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2), GridLevel(4, 2, 3)), shuffle=2)
    pyramid = model.pyramid(GEOMETRY)
    assert pyramid.strides == (3, 2) and pyramid.shuffle == 2
    assert pyramid.levels == (PyramidLevel(4, 6, 5), PyramidLevel(12, 18, 8), PyramidLevel(24, 36, 6))
    assert pyramid.nbytes == 4 * (4 * 6 * 5 + 12 * 18 * 8 + 24 * 36 * 6)
    assert pyramid.levels[-1].rows * pyramid.shuffle == pyramid.levels[0].rows * model.scale
