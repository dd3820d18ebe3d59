"""The configuration of D-NeRV: its bytes, its tensors, its key frames and its tiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import BitstreamError
from nvcodec.models import registry
from nvcodec.models.dnerv import DNeRV
from nvcodec.models.dnerv_config import DNeRVConfig, FlowAt, Fusing, Mixing, key_times
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat

PAPER = DNeRVConfig((4, 2, 2, 2, 2), (200, 100, 50, 26, 14), 100, 64, tile=320)


@st.composite
def configs(draw: st.DrawFn) -> DNeRVConfig:
    """Small networks with every switch."""
    blocks = draw(st.integers(1, 4))
    per_block = lambda low, high: tuple(draw(st.lists(st.integers(low, high), min_size=blocks, max_size=blocks)))
    strides, shuffle = per_block(1, 3), draw(st.integers(1, 4))
    if all(enlargement % 2 for enlargement in (*strides, shuffle)):
        shuffle = 2
    config = DNeRVConfig(
        strides=strides,
        channels=per_block(1, 7),
        stem=draw(st.integers(1, 6)),
        key_channels=draw(st.integers(1, 5)),
        shuffle=shuffle,
        clip=draw(st.integers(1, 9)),
        time_levels=draw(st.integers(1, 40)),
        time_width=draw(st.integers(1, 9)),
        overlap=draw(st.integers(0, 255)),
        flow=draw(st.booleans()),
        fusion=draw(st.booleans()),
        temporal=draw(st.booleans()),
    )
    return replace(draw(st.just(config) | choices(config)), tile=draw(st.just(0) | st.integers(config.scale, 65535)))


@st.composite
def choices(draw: st.DrawFn, config: DNeRVConfig) -> DNeRVConfig:
    """The same with some of what the paper did."""
    config = replace(
        config,
        stem_rows=draw(st.integers(1, 4)),
        stem_columns=draw(st.integers(1, 4)),
        picture=draw(st.booleans()),
        fusing=draw(st.sampled_from(Fusing)) if config.fusion else Fusing.PER_CHANNEL,
        flow_at=draw(st.sampled_from(FlowAt)) if config.flow else FlowAt.EVERY,
        mixing=draw(st.sampled_from(Mixing)) if config.temporal else Mixing.MATRICES,
    )
    if config.mixing is Mixing.CONVOLUTION:
        config = replace(config, taps=2 * draw(st.integers(0, 31)) + 1)
    return replace(config, key_frames=not (config.picture and not config.flow and not config.fusion))


geometries = st.builds(
    FieldGeometry,
    st.integers(1, 20),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([ChromaFormat.YUV420, ChromaFormat.RGB]),
)


@given(configs(), geometries)
def test_specs_are_the_parameters_of_the_network(config: DNeRVConfig, geometry: FieldGeometry) -> None:
    specs = config.tensor_specs(geometry)
    ids = [spec.id for spec in specs]
    assert ids == sorted(set(ids))
    shapes = {name: tuple(parameter.shape) for name, parameter in DNeRV(config, geometry).named_parameters()}
    assert {spec.name: spec.shape for spec in specs} == shapes


@given(configs(), geometries, geometries)
def test_all_videos_share_their_tensors(config: DNeRVConfig, one: FieldGeometry, other: FieldGeometry) -> None:
    assert config.tensor_specs(one) == config.tensor_specs(replace(other, chroma=one.chroma))


@given(configs())
def test_bytes_and_back(config: DNeRVConfig) -> None:
    assert registry.by_id(4).config(config.to_bytes(), config.choices_to_bytes()) == config


@given(st.binary(max_size=60) | st.builds(lambda n, tail: bytes([n]) + tail, st.integers(0, 9), st.binary(max_size=60)))
def test_any_bytes_are_a_configuration_or_refused(data: bytes) -> None:
    try:
        config = registry.by_id(4).config(data)
    except BitstreamError:
        return
    assert config.to_bytes() == data


@given(configs(), st.data())
def test_damaged_bytes_are_a_configuration_or_refused(config: DNeRVConfig, data: st.DataObject) -> None:
    coded = bytearray(config.to_bytes())
    coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    cut = coded[: data.draw(st.integers(0, len(coded)))]
    for damaged in (bytes(coded), bytes(cut), bytes(coded) + b"\0"):
        try:
            coded_choices = config.choices_to_bytes()
            assert registry.by_id(4).config(damaged, coded_choices).to_bytes() == damaged
        except BitstreamError as error:
            assert "dnerv" in error.message


def test_golden_bytes() -> None:
    assert replace(PAPER, flow=False, channels=(260, 100, 50, 26, 14)).to_bytes().hex(" ") == (
        "05 04 02 02 02 02 01 04 00 64 00 32 00 1a 00 0e 00 64 00 40 01 40 40 01 08 28 10 00 01 01"
    )


def test_golden_choices() -> None:
    nerv = replace(PAPER, flow=False, fusion=False, key_frames=False, picture=True, stem_rows=4, stem_columns=5)
    assert nerv.choices_to_bytes().hex(" ") == "01 00 02 01 03 04 04 05"
    other = replace(PAPER, fusing=Fusing.JOINED, flow_at=FlowAt.FIRST, mixing=Mixing.CONVOLUTION, taps=11)
    assert other.choices_to_bytes().hex(" ") == "05 02 06 01 07 01 08 0b"
    assert PAPER.choices_to_bytes() == b""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"strides": (9, 2, 2, 2, 2)}, "strides"),
        ({"strides": (2, 2)}, "per block"),
        ({"strides": (), "channels": ()}, "per block"),
        ({"strides": (3, 1, 1, 1, 1)}, "even"),
        ({"channels": (4097, 1, 1, 1, 1)}, "channels"),
        ({"stem": 0}, "stem"),
        ({"key_channels": 256}, "key_channels"),
        ({"shuffle": 17}, "shuffle"),
        ({"clip": 0}, "clip"),
        ({"clip": 33}, "clip"),
        ({"time_levels": 41}, "time_levels"),
        ({"time_width": 0}, "time_width"),
        ({"tile": 63}, "tile"),
        ({"tile": 65536}, "tile"),
        ({"overlap": 256}, "overlap"),
        ({"stem_rows": 0}, "stem_rows"),
        ({"stem_columns": 256}, "stem_columns"),
        ({"mixing": Mixing.CONVOLUTION, "taps": 4}, "odd"),
        ({"mixing": Mixing.CONVOLUTION, "taps": 65}, "taps"),
        ({"taps": 5}, "taps says nothing without mixing by convolution"),
        ({"mixing": Mixing.ATTENTION, "temporal": False}, "mixing says nothing without temporal"),
        ({"fusing": Fusing.JOINED, "fusion": False}, "fusing says nothing without fusion"),
        ({"flow_at": FlowAt.LAST, "flow": False}, "flow_at says nothing without flow"),
        ({"key_frames": False}, "without key_frames, flow"),
        ({"key_frames": False, "flow": False, "picture": True}, "without key_frames, flow"),
        ({"key_frames": False, "flow": False, "fusion": False}, "without key_frames, flow"),
    ],
)
def test_networks_that_make_no_sense(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(PAPER, **change)


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(BitstreamError, match="switch"):
        registry.by_id(4).config(PAPER.to_bytes()[:-1] + b"\2")


@pytest.mark.parametrize(
    ("frames", "times", "clips"),
    [
        (1, [0], 1),
        (2, [0, 1], 1),
        (8, [0, 7], 1),
        (9, [0, 8], 2),
        (10, [0, 8, 9], 2),
        (16, [0, 8, 15], 2),
        (17, [0, 8, 16], 3),
    ],
)
def test_key_frames_begin_every_clip_and_end_the_video(frames: int, times: list[int], clips: int) -> None:
    assert key_times(frames, 8) == times and PAPER.clips(frames) == clips


@given(st.integers(1, 300), st.integers(1, 32))
def test_every_frame_lies_between_two_key_frames(frames: int, clip: int) -> None:
    config, times = replace(PAPER, clip=clip), key_times(frames, clip)
    assert times == sorted(set(times)) and times[0] == 0 and times[-1] == frames - 1
    assert all(after - before <= clip for before, after in zip(times, times[1:], strict=False))
    assert times[: config.clips(frames)] == [clip * number for number in range(config.clips(frames))]


@given(configs(), st.integers(1, 700), st.integers(0, 300))
def test_tiles_cover_every_sample_once(config: DNeRVConfig, size: int, tile: int) -> None:
    config = replace(config, tile=max(tile, config.scale) if tile else 0)
    spans, cells = config.spans(size), -(-size // config.scale)
    drawn = [sample for span in spans for sample in range(span.inner.start, span.inner.stop)]
    assert drawn == list(range(size))
    largest = config.tile or cells * config.scale
    for span in spans:
        assert 0 <= span.outer.start <= span.inner.start < span.inner.stop <= span.outer.stop <= cells * config.scale
        assert span.outer.start % config.scale == span.outer.stop % config.scale == span.inner.start % config.scale == 0
        assert span.inner.stop - span.inner.start <= largest
        # the whole of the margin, but for what would lie outside of the picture
        assert span.outer.start == 0 or span.inner.start - span.outer.start >= config.overlap
        assert span.outer.stop == cells * config.scale or span.outer.stop - span.inner.stop >= config.overlap
    widths = [-(-(span.inner.stop - span.inner.start) // config.scale) for span in spans]
    assert max(widths) - min(widths) <= 1


def test_tiles_take_less_memory() -> None:
    large = FieldGeometry(9, 1080, 1920, ChromaFormat.YUV420)
    whole = replace(PAPER, tile=0)
    assert PAPER.drawing_bytes(large) < whole.drawing_bytes(large) / 4
    assert PAPER.training_bytes(5, 5) < PAPER.training_bytes(17, 30) < 200e9
