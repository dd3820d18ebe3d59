"""Key frames are decoded group by group, when a clip needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nvcodec.container import KeyFrames, Limits, read_container, write_container
from nvcodec.decoder import key_frames as decoding
from nvcodec.decoder import key_groups
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.key_groups import KeyGroups
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.parts.key_frames import encode_key_frames
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import Planes, VideoFormat

ARCHIVE = Path(__file__).parents[1] / "conformance" / "archive.nvc"
_WHOLE = read_container(ARCHIVE.read_bytes())
_VIDEO, _FRAMES = _WHOLE.header.streams[0].format, _WHOLE.header.streams[0].frames


@pytest.fixture(scope="module")
def coded() -> KeyFrames:
    """The four key frames of an archive's first video, in groups of two."""
    keys = _WHOLE.key_frames[0]
    pictures = decode_key_frames(keys.packets, _VIDEO)
    return replace(keys, group=2, packets=tuple(encode_key_frames(pictures, _VIDEO, 40, 2, 10)))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the key frames that groups begin with, as they are decoded."""
    heard: list[int] = []

    def heeded(packets: Sequence[bytes], video: VideoFormat, number: int = 0) -> list[Planes]:
        heard.append(number)
        return decode_key_frames(packets, video, number)

    monkeypatch.setattr(decoding, "decode_key_frames", heeded)
    return heard


def _file(keys: KeyFrames) -> bytes:
    return write_container(_WHOLE.header, _WHOLE.segments, key_frames={**_WHOLE.key_frames, 0: keys})


def _same(a: Planes, b: Planes) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_pictures_do_not_depend_on_the_order(coded: KeyFrames) -> None:
    at_once = list(VideoReader(_file(replace(coded, group=4)), device="cpu").frames())
    reader = VideoReader(_file(coded), device="cpu")
    order = [*range(_FRAMES - 1, -1, -3), *range(_FRAMES)]
    assert all(_same(planes, at_once[frame]) for frame, planes in zip(order, reader.frames(order), strict=True))


def test_only_what_is_needed_is_decoded(coded: KeyFrames, decoded: list[int]) -> None:
    reader = VideoReader(_file(coded), device="cpu")
    reader.planes(0)  # between key frames 0 and 1
    assert decoded == [0]
    reader.planes(8)  # between 1 and 2
    assert decoded == [0, 2]
    list(reader.frames())
    assert decoded == [0, 2]


def test_few_groups_are_held(coded: KeyFrames, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_groups, "_KEPT_BYTES", 1)
    pictures = decode_key_frames(coded.packets * 3, _VIDEO)
    groups = KeyGroups(replace(coded, packets=coded.packets * 3, direct=coded.direct * 3), _VIDEO, "cpu", (0, ""))
    assert groups.most_bytes == 2 * 2 * _VIDEO.frame_bytes
    for key in (0, 1, 2, 3, 2, 1, 11, 10, 2):  # back and forth between two groups costs nothing
        assert all(
            np.array_equal(plane.numpy(), expected) for plane, expected in zip(groups(key), pictures[key], strict=True)
        )
    assert decoded == [0, 2, 10, 2]


def test_damage_costs_the_clips_of_its_group(coded: KeyFrames) -> None:
    first, second, third, last = coded.packets
    data = _file(replace(coded, packets=(first, second, b"noise", last)))
    reader = VideoReader(data, device="cpu")
    assert len(list(reader.frames(range(8)))) == 8
    with pytest.raises(BitstreamError, match=r"^key frames of stream 0 \(first\): key frame 2 cannot") as caught:
        reader.planes(8)
    assert caught.value.hint == "The other streams can be decoded"
    with pytest.raises(BitstreamError, match="key frame 2 cannot"):
        open_session(data).check_key_frames(0)
    open_session(data).check_key_frames(1)


def test_memory_is_that_of_what_is_held(coded: KeyFrames) -> None:
    limits = Limits(max_drawing_bytes=4 * _VIDEO.frame_bytes - 1)
    session = open_session(_file(coded), limits)
    with pytest.raises(UnsupportedError, match=rf"take {4 * _VIDEO.frame_bytes:,} bytes of memory"):
        session.check_key_frames(0)
