"""The configuration of QS-NeRV: its bytes, its tensors, and the sizes that papers report."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import BitstreamError
from nvcodec.models import registry
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import Latent, QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat

HNERV_BUNNY = QSNeRVConfig(
    (5, 4, 4, 2, 2), (1, 3, 5, 5, 5), 68, (57, 48, 40, 33, 28), skip=Skip.NONE, levels=0
)  # fmt: skip
QSNERV_3M = QSNeRVConfig((5, 4, 4, 3, 2), (1, 3, 5, 5, 5), 90, (75, 62, 52, 43, 36))
BUNNY = FieldGeometry(132, 640, 1280, ChromaFormat.RGB)
UVG = FieldGeometry(600, 960, 1920, ChromaFormat.RGB)


@st.composite
def configs(draw: st.DrawFn) -> QSNeRVConfig:
    """Small networks with every kind of skip."""
    blocks = draw(st.integers(2, 4))
    per_block = lambda low, high: tuple(draw(st.lists(st.integers(low, high), min_size=blocks, max_size=blocks)))
    skip = draw(st.sampled_from(Skip))
    return QSNeRVConfig(
        strides=per_block(1, 3),
        kernels=tuple(2 * half + 1 for half in per_block(0, 2)),
        stem=draw(st.integers(1, 8)),
        channels=per_block(1, 6),
        embedding=draw(st.integers(1, 4)),
        shuffle=draw(st.integers(1, 4)),
        skip=skip,
        levels=0 if skip is Skip.NONE else draw(st.integers(1, blocks - 1)),
        skip_channels=draw(st.integers(1, 5)),
        growth=draw(st.integers(1, 3)),
        latent=draw(st.sampled_from(Latent)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


geometries = st.builds(
    FieldGeometry, st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.sampled_from(ChromaFormat)
)


@given(configs(), geometries)
def test_specs_are_the_parameters_of_the_network(config: QSNeRVConfig, geometry: FieldGeometry) -> None:
    specs = config.tensor_specs(geometry)
    ids = [spec.id for spec in specs]
    assert ids == sorted(set(ids))
    shapes = {name: tuple(parameter.shape) for name, parameter in QSNeRV(config, geometry).named_parameters()}
    assert {spec.name: spec.shape for spec in specs} == shapes


@given(configs())
def test_bytes_and_back(config: QSNeRVConfig) -> None:
    assert registry.by_id(3).config(config.to_bytes()) == config


@given(st.binary(max_size=60) | st.builds(lambda n, tail: bytes([n]) + tail, st.integers(0, 9), st.binary(max_size=60)))
def test_any_bytes_are_a_configuration_or_refused(data: bytes) -> None:
    try:
        config = registry.by_id(3).config(data)
    except BitstreamError:
        return
    assert config.to_bytes() == data


@given(configs(), st.data())
def test_damaged_bytes_are_a_configuration_or_refused(config: QSNeRVConfig, data: st.DataObject) -> None:
    coded = bytearray(config.to_bytes())
    coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    cut = coded[: data.draw(st.integers(0, len(coded)))]
    for damaged in (bytes(coded), bytes(cut), bytes(coded) + b"\0"):
        try:
            assert registry.by_id(3).config(damaged).to_bytes() == damaged
        except BitstreamError as error:
            assert "qsnerv" in error.message


def test_golden_bytes() -> None:
    assert replace(QSNERV_3M, seed=0x01020304).to_bytes().hex(" ") == (
        "05 05 04 04 03 02 01 03 05 05 05 00 5a 00 4b 00 3e 00 34 00 2b 00 24 10 01 02 02 40 08 01 01 02 03 04"
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"strides": (9, 4, 4, 3, 2)}, "strides"),
        ({"strides": (2, 2)}, "per block"),
        ({"kernels": (1, 3, 4, 5, 5)}, "odd"),
        ({"kernels": (1, 3, 5, 5, 11)}, "kernels"),
        ({"stem": 0}, "stem"),
        ({"channels": (4097, 1, 1, 1, 1)}, "channels"),
        ({"embedding": 256}, "embedding"),
        ({"shuffle": 0}, "shuffle"),
        ({"levels": 5}, "levels"),
        ({"levels": 0}, "levels"),
        ({"skip": Skip.NONE}, "levels"),
        ({"skip_channels": 0}, "skip_channels"),
        ({"growth": 65}, "growth"),
        ({"seed": 1 << 32}, "seed"),
    ],
)
def test_networks_that_make_no_sense(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(QSNERV_3M, **change)


def _count(config: QSNeRVConfig, geometry: FieldGeometry, *parts: str) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry) if spec.name.startswith(parts))


def test_sizes_of_the_published_qsnerv_3m() -> None:
    """Table 1. The sum of its rows and its total differ by 0.010 M, as the maps' 0.182 M is a slip for 0.192 M."""
    assert _count(QSNERV_3M, UVG, "embedding") == 76_800
    assert _count(QSNERV_3M, UVG, "maps") == 192_000
    assert _count(QSNERV_3M, UVG, "skips.0.coupling", "skips.1.coupling") == pytest.approx(0.182e6, rel=0.005)
    decoder = _count(QSNERV_3M, UVG, "stem", "blocks", "head", "skips.0.merge", "skips.1.merge")
    assert decoder == pytest.approx(2.800e6, rel=0.005)
    assert _count(QSNERV_3M, UVG, "") == pytest.approx(3.251e6, rel=0.005)


@pytest.mark.parametrize(
    ("stem", "channels", "total"),
    [(48, (40, 33, 28, 23, 19), 0.736e6), (68, (57, 48, 40, 33, 28), 1.505e6), (97, (81, 68, 57, 48, 40), 3.030e6)],
)
def test_sizes_of_the_published_hnerv(stem: int, channels: tuple[int, ...], total: float) -> None:
    assert _count(replace(HNERV_BUNNY, stem=stem, channels=channels), BUNNY, "") == pytest.approx(total, rel=0.002)


def test_memory_grows_with_the_network() -> None:
    bare = replace(QSNERV_3M, skip=Skip.NONE, levels=0)
    assert 100e6 < bare.drawing_bytes(UVG) < QSNERV_3M.drawing_bytes(UVG) < 2e9
    assert bare.training_bytes(2, 4) < QSNERV_3M.training_bytes(2, 4) < 8e9
