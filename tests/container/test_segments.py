"""BASE payloads: golden bytes, round trips, and groups of pictures that cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import BaseSegment
from nvcodec.errors import BitstreamError

U64 = st.integers(0, 2**64 - 1)


@st.composite
def segments(draw: st.DrawFn) -> BaseSegment:
    frames = draw(st.integers(1, 40) | st.integers(1, 2**64 - 1))
    later = draw(st.sets(st.integers(1, frames - 1), max_size=12)) if frames > 1 else set()
    gops = (0, *sorted(later))
    return BaseSegment(draw(U64), draw(U64), frames, draw(st.binary(max_size=99)), gops)


def test_segment_golden_bytes() -> None:
    coded = bytes.fromhex("02 8001 10 00 deadbeef")
    assert BaseSegment(2, 128, 16, b"\xde\xad\xbe\xef").to_bytes() == coded
    assert BaseSegment.from_bytes(coded) == BaseSegment(2, 128, 16, b"\xde\xad\xbe\xef", (0,))


def test_golden_bytes_of_a_segment_in_groups_of_pictures() -> None:
    coded = bytes.fromhex("00 00 d804  03 01 07 ac02  deadbeef")  # of 600 frames: 1, 7, 300, and the rest
    segment = BaseSegment(0, 0, 600, b"\xde\xad\xbe\xef", (0, 1, 8, 308))
    assert segment.to_bytes() == coded and BaseSegment.from_bytes(coded) == segment


@given(segments())
def test_segment_round_trip(segment: BaseSegment) -> None:
    assert BaseSegment.from_bytes(segment.to_bytes()) == segment


@given(segments(), st.data())
def test_every_frame_belongs_to_the_last_group_that_has_begun(segment: BaseSegment, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, segment.frames - 1) | st.sampled_from(segment.gops))
    gop = segment.gop_of(frame)
    assert segment.gops[gop] <= frame < (*segment.gops, segment.frames)[gop + 1]


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("00 00 00", "holds no frame"),
        ("00 00 08", "ends inside 'boundary count'"),
        ("00 00 08 02 03", "ends inside 'GoP length'"),
        ("00 00 08 01 8000", "pads the number 'GoP length'"),
        ("00 00 08 01 00", "has a boundary 0 frames behind frame 0 of 8"),
        ("00 00 08 02 03 00", "has a boundary 0 frames behind frame 3 of 8"),
        ("00 00 08 01 08", "has a boundary 8 frames behind frame 0 of 8"),
        ("00 00 08 02 03 05", "has a boundary 5 frames behind frame 3 of 8"),
        ("00 00 08 02 03 09", "has a boundary 9 frames behind frame 3 of 8"),
        ("00 00 08 02 03 ffffffffffffffffff01", "has a boundary 18,446,744,073,709,551,615 frames behind frame 3"),
        ("00 00 01 01 01", "has a boundary 1 frames behind frame 0 of 1"),
        ("00 00 ff7f 8020" + 4096 * "01", "announces 4,097 groups of pictures; at most 4,096 are allowed"),
        ("00 00 ff7f ffffffffffffffffff01", "groups of pictures; at most 4,096 are allowed"),
    ],
)
def test_broken_segments_are_named(coded: str, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        BaseSegment.from_bytes(bytes.fromhex(coded))


def test_as_many_groups_of_pictures_as_are_allowed() -> None:
    coded = bytes.fromhex("00 00 8020 ff1f" + 4095 * "01" + "2a")
    assert BaseSegment.from_bytes(coded) == BaseSegment(0, 0, 4096, b"\x2a", tuple(range(4096)))
