"""KEYF payloads: golden bytes, round trips, and key frames that cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import KeyFrameCodec, KeyFrames, chunk_bytes
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.version import UPGRADE

TEN = KeyFrames(
    KeyFrameCodec.AV1,
    300,
    (True, False, False, False, False, False, False, True, False, True),
    (b"\xca\xfe", *[b"\x2a"] * 8, bytes(130)),
)
TEN_HEX = (
    "01"  # AV1
    "ac02 0a"  # groups of 300, 10 key frames
    "81 40"  # those shown as they are: 0, 7 and 9
    "02 cafe" + 8 * "01 2a" + "8201" + 130 * "00"
)


@st.composite
def key_frames(draw: st.DrawFn) -> KeyFrames:
    frames = draw(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=200)), min_size=1, max_size=40))
    direct, packets = zip(*frames, strict=True)
    return KeyFrames(KeyFrameCodec.AV1, draw(st.integers(1, 2**64 - 1)), direct, packets)


def test_golden_bytes() -> None:
    coded = bytes.fromhex(TEN_HEX)
    assert TEN.to_bytes() == coded and KeyFrames.from_bytes(coded) == TEN
    one = KeyFrames(KeyFrameCodec.AV1, 1, (True,), (b"\xca\xfe",))
    assert chunk_bytes("KEYF", one.to_bytes()) == bytes.fromhex(
        "00000007 4b455946 198091d6 01 01 01 80 02cafe 02f8accf"
    )


@given(key_frames())
def test_round_trip(key_frames: KeyFrames) -> None:
    assert KeyFrames.from_bytes(key_frames.to_bytes()) == key_frames


@given(key_frames(), st.data())
def test_no_payload_can_be_cut(key_frames: KeyFrames, data: st.DataObject) -> None:
    coded = key_frames.to_bytes()
    with pytest.raises(BitstreamError):
        KeyFrames.from_bytes(coded[: data.draw(st.integers(0, len(coded) - 1))])


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x01\x01" + rest))
def test_what_can_be_read_is_written_the_same(payload: bytes) -> None:
    """There is one way to say a thing: no two payloads mean the same."""
    try:
        key_frames = KeyFrames.from_bytes(payload)
    except (BitstreamError, UnsupportedError):
        return
    assert key_frames.to_bytes() == payload


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("", "ends inside 'key-frame codec'"),
        ("01", "ends inside 'group'"),
        ("01 00 01 00 012a", "has groups of no key frame"),
        ("01 01", "ends inside 'key-frame count'"),
        ("01 01 00", "announces 0 key frames; possible are 1 to 1,048,576"),
        ("01 01 818040", "announces 1,048,577 key frames; possible are 1 to 1,048,576"),
        ("01 01 8100 00 012a", "pads the number 'key-frame count'"),
        ("01 01 01 80", "announces 1 key frames in 1 bytes"),
        ("01 01 02 c0 012a", "announces 2 key frames in 3 bytes"),
        ("01 01 01 40 012a", "has direct bits behind those of its key frames"),
        ("01 01 01 81 012a", "has direct bits behind those of its key frames"),
        ("01 01 09 ff40" + 9 * "012a", "has direct bits behind those of its key frames"),
        ("01 01 01 00 00", "has a key frame of no bytes"),
        ("01 01 02 00 012a 00", "has a key frame of no bytes"),
        ("01 01 01 00 022a", "ends inside 'key frame': 2 bytes needed, 1 left"),
        ("01 01 02 00 012a80", "ends inside 'length of a key frame'"),
        (
            "01 01 01 00 ffffffffffffffffff01",
            "ends inside 'key frame': 18,446,744,073,709,551,615 bytes needed, 0 left",
        ),
        ("01 01 01 00 012a 00", "has 1 bytes too many"),
    ],
)
def test_broken_key_frames_are_named(coded: str, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        KeyFrames.from_bytes(bytes.fromhex(coded))


@pytest.mark.parametrize("codec", [0, 2, 255])
def test_unknown_codecs_are_named(codec: int) -> None:
    with pytest.raises(UnsupportedError) as caught:
        KeyFrames.from_bytes(bytes([codec, 1, 1, 0, 1, 42]))
    assert caught.value.message == f"uses key-frame codec {codec}; this nvc knows 1 av1"
    assert caught.value.hint == UPGRADE
