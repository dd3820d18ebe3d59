"""Archives whose parts do not belong together: refused in words, and the other videos play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nvcodec.container import (
    BaseSegment,
    Container,
    Domain,
    KeyFrames,
    PackModelId,
    PackSegment,
    SequenceHeader,
    chunk_bytes,
    read_container,
    write_container,
)
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.models.een_config import EENConfig
from nvcodec.types import ChromaFormat

ARCHIVE = Path(__file__).parents[1] / "conformance" / "archive.nvc"


@pytest.fixture(scope="module")
def whole() -> Container:
    return read_container(ARCHIVE.read_bytes())


def _file(
    whole: Container,
    header: SequenceHeader | None = None,
    segments: list[BaseSegment] | None = None,
    key_frames: dict[int, KeyFrames] | None = None,
) -> bytes:
    coded = whole.key_frames if key_frames is None else key_frames
    return write_container(header or whole.header, segments or whole.segments, key_frames=coded)


def _first_fails_second_plays(whole: Container, data: bytes, word: str) -> None:
    with pytest.raises(BitstreamError, match=rf"stream 0 \(first\): .*{word}"):
        VideoReader(data, device="cpu").planes(0)
    second = VideoReader(data, device="cpu", stream=1).planes(5)
    for plane, expected in zip(second, VideoReader(ARCHIVE, device="cpu", stream=1).planes(5), strict=True):
        assert (plane == expected).all()


def test_key_frames_that_are_missing(whole: Container) -> None:
    _first_fails_second_plays(whole, _file(whole, key_frames={1: whole.key_frames[1]}), "missing")


Change = Callable[[KeyFrames], KeyFrames]
TOO_FEW: Change = lambda keys: replace(keys, direct=keys.direct[1:], packets=keys.packets[1:])
TOO_MANY: Change = lambda keys: replace(keys, direct=keys.direct * 2, packets=keys.packets * 2)
NOISE: Change = lambda keys: replace(keys, packets=(*keys.packets[:2], b"noise", keys.packets[3]))
SWAPPED: Change = lambda keys: replace(keys, packets=(keys.packets[3], *keys.packets[:3]))


@pytest.mark.parametrize(
    ("change", "word"),
    [(TOO_FEW, "are 3; 19 frames need 4"), (TOO_MANY, "are 8;"), (NOISE, "key frame 2"), (SWAPPED, "key frame 0")],
)
def test_key_frames_that_are_wrong(whole: Container, change: Change, word: str) -> None:
    keys = {**whole.key_frames, 0: change(whole.key_frames[0])}
    _first_fails_second_plays(whole, _file(whole, key_frames=keys), word)


def test_key_frames_of_the_other_video(whole: Container) -> None:
    """Of another size and depth."""
    other = whole.key_frames[1]
    keys = {0: replace(other, direct=(*other.direct, True), packets=(*other.packets, other.packets[2]))}
    _first_fails_second_plays(whole, _file(whole, key_frames={**whole.key_frames, **keys}), "64x48 8-bit")


def test_key_frames_in_the_domain_rgb(whole: Container) -> None:
    """Another network would have to draw them; and key frames of RGB there are none."""
    header = replace(whole.header, domain=Domain.RGB)
    with pytest.raises(BitstreamError, match="payload does not hold the 38 tensors"):
        VideoReader(_file(whole, header=header), device="cpu").planes(0)
    first, second = header.streams
    streams = replace(first, format=replace(first.format, chroma=ChromaFormat.RGB)), second
    with pytest.raises(BitstreamError, match="has 8-bit RGB pictures, which its model cannot draw"):
        VideoReader(_file(whole, header=replace(header, streams=streams)), device="cpu")


def test_parameters_of_a_later_network_that_make_no_sense(whole: Container) -> None:
    first, second = whole.segments
    data = _file(whole, segments=[first, replace(second, payload=b"anything")])
    expected = VideoReader(ARCHIVE, device="cpu").planes(3)
    assert all((a == b).all() for a, b in zip(VideoReader(data, device="cpu").planes(3), expected, strict=True))
    with pytest.raises(BitstreamError, match="'BASE' of segment 1"):
        VideoReader(data, device="cpu", stream=1).planes(3)


def test_no_parameters_at_all(whole: Container) -> None:
    data = _file(whole, segments=[replace(segment, payload=b"") for segment in whole.segments])
    with pytest.raises(BitstreamError, match="'BASE' of segment 0"):
        VideoReader(data, device="cpu", stream=1).planes(3)


def test_an_enhancement_network_on_key_frames(whole: Container) -> None:
    config, data = EENConfig((8, 6), (3, 3)), _file(whole)
    packs = [
        PackSegment(
            segment=ordinal,
            layer=1,
            parent=whole.layer_ids[ordinal][0],
            model_id=PackModelId.EEN,
            config=config.to_bytes(),
            integers=bytes(16),
            psnr_mdb=0,
            payload=b"",
        )
        for ordinal in range(2)
    ]
    data += b"".join(chunk_bytes("pACK", pack.to_bytes()) for pack in packs)
    assert read_container(data).layers == 1
    with pytest.raises(UnsupportedError, match="layer 1 of segment 0 .* no layer can enhance"):
        VideoReader(data, device="cpu").planes(0)
    assert VideoReader(data, device="cpu", layers=0).planes(0)[0].shape == (48, 64)


def test_pictures_too_large_to_draw(whole: Container) -> None:
    """The memory of a clip is refused before it is taken: tiles of 64k samples, thousands of channels."""
    config = DNeRVConfig((8, 8), (64, 4096), 8, 255, shuffle=1, clip=32)
    first = replace(whole.header.streams[0], format=replace(whole.header.streams[0].format, width=8192, height=8192))
    header = replace(whole.header, model_config=config.to_bytes(), streams=(first, whole.header.streams[1]))
    with pytest.raises(UnsupportedError, match="memory"):
        VideoReader(_file(whole, header=header), device="cpu").planes(0)
