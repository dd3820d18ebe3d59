"""Side data in a file: where it stands, and that its damage stays with it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import StreamSideData, appended, chunk_bytes, read_container, stripped, write_container
from nvcodec.errors import BitstreamError
from nvcodec.types import ContentLight, MasteringDisplay, SideData, Timestamps

if TYPE_CHECKING:
    from conftest import Layer, Sample

DISPLAY = MasteringDisplay(((13250, 34500), (7500, 3000), (34000, 16000)), (15635, 16450), 10_000_000, 50)
SIDE = SideData(Fraction(64, 45), 2, DISPLAY, ContentLight(1000, 400), Timestamps(Fraction(1, 1000), (33, 33, 300)))
SIDE_HEX = (
    "01"  # stream
    "01 02 402d"  # aspect
    "02 01 02"  # chroma location
    "03 18 33c286c4 1d4c0bb8 84d03e80 3d134042 00989680 00000032"  # G, B, R, white, largest and smallest luminance
    "04 04 03e80190"  # light
    "05 08 01e807 0221 01ac02"  # time base, two frames of 33 ticks, one of 300
)
U16, U32 = st.integers(0, 2**16 - 1), st.integers(1, 2**32 - 1)
POINTS = st.tuples(U16, U16)
RATIOS = st.builds(Fraction, U32, U32)
SIDES = st.builds(
    SideData,
    st.none() | RATIOS,
    st.none() | st.integers(1, 5),
    st.none() | st.builds(MasteringDisplay, st.tuples(POINTS, POINTS, POINTS), POINTS, U32, U32),
    st.none() | st.builds(ContentLight, U16, U16),
    st.none() | st.builds(Timestamps, RATIOS, st.lists(U32, min_size=12, max_size=12).map(tuple)),
)


@pytest.fixture(scope="module")
def told(single: Sample) -> bytes:
    """The single stream of twelve frames with side data."""
    return write_container(single.header, single.segments, side_data={0: SideData(Fraction(4, 3), 1)})


def test_golden_bytes() -> None:
    coded = bytes.fromhex(SIDE_HEX)
    assert StreamSideData(1, SIDE).to_bytes() == coded
    assert StreamSideData.from_bytes(coded, [9, 3]) == StreamSideData(1, SIDE)
    framed = bytes.fromhex("00000005 73494445 39a0d63a  00 01 02 0403  b079df78")
    assert chunk_bytes("sIDE", StreamSideData(0, SideData(Fraction(4, 3))).to_bytes()) == framed


@given(SIDES)
def test_round_trip(side: SideData) -> None:
    assert StreamSideData.from_bytes(StreamSideData(0, side).to_bytes(), [12]).data == side


def test_entries_of_later_versions_are_passed_over() -> None:
    coded = bytes.fromhex("00 63 03 010203") + StreamSideData(0, SideData(Fraction(2))).to_bytes()[1:]
    assert StreamSideData.from_bytes(coded, [9]).data == SideData(Fraction(2))


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("", "ends inside 'stream'"),
        ("02", "belongs to stream 2 of 2"),
        ("00 01", "ends inside 'length of entry'"),
        ("00 01 09 0101", "announces 9 bytes of 'entry'"),
        ("00 01 02 0001", "has the sample aspect ratio 0; possible are 1 to"),
        ("00 01 02 0402", "has the sample aspect ratio 4/2, which can be reduced"),
        ("00 01 03 040300", "has 1 bytes too many"),
        ("00 01 02 0403 01 02 0403", "says its aspect twice"),
        ("00 02 01 00", "has the chroma location 0; possible are 1 to 5"),
        ("00 02 01 06", "has the chroma location 6; possible are 1 to 5"),
        ("00 03 03 000000", "ends inside 'primaries'"),
        ("00 04 01 00", "ends inside 'content light level'"),
        ("00 05 02 0101", "has timestamps of 0 of 9 frames"),
        ("00 05 04 0101 0801", "has timestamps of 8 of 9 frames"),
        ("00 05 04 0101 0a01", "has the number of frames 10; possible are 1 to 9"),
        ("00 05 04 0101 0001", "has the number of frames 0; possible are 1 to 9"),
        ("00 05 04 0101 0900", "has the ticks 0; possible are 1 to"),
        ("00 05 0d 0101 ffffffffffffffffff0101", "has the number of frames 18,446,744,073,709,551,615"),
    ],
)
def test_what_cannot_be_read(single: Sample, payload: str, problem: str) -> None:
    coded = bytes.fromhex(payload)
    if problem.startswith("has the number of frames 18"):
        coded = bytes.fromhex("00 05 0d 0101") + b"\xff" * 9 + b"\1\1"
    with pytest.raises(BitstreamError, match=problem):
        StreamSideData.from_bytes(coded, [9, 3])


def test_stands_in_front_and_costs_nothing_where_nothing_is_said(single: Sample, told: bytes) -> None:
    assert [chunk.type for chunk in read_container(told).chunks][:3] == ["HEAD", "sIDE", "BASE"]
    assert read_container(told).side_data == {0: SideData(Fraction(4, 3), 1)}
    assert write_container(single.header, single.segments, side_data={0: SideData()}) == single.data
    assert read_container(single.data).side_data == {}


def test_each_stream_has_its_own(sample: Sample) -> None:
    sides = {0: SideData(Fraction(4, 3)), 1: SIDE}
    data = write_container(sample.header, sample.segments, sample.digests, sample.metadata, side_data=sides)
    assert read_container(data).side_data == sides and not read_container(data).warnings


def test_damage_costs_side_data_alone(single: Sample, told: bytes) -> None:
    chunk = read_container(told).chunks[1]
    for at in range(chunk.offset + 12, chunk.end):
        for flipped in (1, 128):
            data = bytearray(told)
            data[at] ^= flipped
            found = read_container(bytes(data))
            assert found.segments == single.segments and found.side_data == {}
            (warning,) = found.warnings
            assert "has side data that cannot be used: chunk 'sIDE' at byte" in warning


@pytest.mark.parametrize("payload", [b"", b"\0\1\2\0\1", b"\7", b"\0\5\2\1\1"])
def test_nonsense_costs_side_data_alone(single: Sample, told: bytes, payload: bytes) -> None:
    at = read_container(single.data).chunks[1].offset
    index_follows = single.data[:at] + chunk_bytes("sIDE", payload)  # cut behind it: no index to mend
    for segment in single.segments:
        index_follows += chunk_bytes("BASE", segment.to_bytes())
    found = read_container(index_follows)
    assert found.segments == single.segments and found.side_data == {}
    assert "side data that cannot be used" in found.warnings[0]


def test_of_several_the_first_that_can_be_read_counts(single: Sample) -> None:
    second, third = SideData(Fraction(2)), SideData(Fraction(3))
    chunks = [b"\0\2\1\0", *(StreamSideData(0, side).to_bytes() for side in (second, third))]
    found = read_container(single.data + b"".join(chunk_bytes("sIDE", payload) for payload in chunks))
    assert found.side_data == {0: second}
    assert found.warnings == ("has side data that cannot be used: " + found.warnings[0].partition(": ")[2],)


def test_layers_come_and_go_without_it(told: bytes, layer: Layer) -> None:
    grown = told + appended(told, layer(told))
    assert read_container(grown).side_data == read_container(told).side_data
    assert stripped(grown, 0) == told
    damaged = bytearray(grown)
    damaged[read_container(told).chunks[1].offset + 14] ^= 1
    more = bytes(damaged) + appended(bytes(damaged), layer(bytes(damaged)))
    assert read_container(more).layers == 2
    assert stripped(bytes(damaged), 0) == bytes(damaged[: len(told)])


def test_every_prefix_keeps_it(told: bytes) -> None:
    first = read_container(told).chunks[2]
    for end in range(first.end, len(told)):
        assert read_container(told[:end]).side_data == {0: SideData(Fraction(4, 3), 1)}
