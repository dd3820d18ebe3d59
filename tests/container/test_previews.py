"""Previews in a file: where they stand, and that their damage stays with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import (
    PreviewHead,
    appended,
    chunk_bytes,
    pack_file,
    read_container,
    read_pack_file,
    stripped,
    without_previews,
    write_container,
)
from nvcodec.errors import BitstreamError

if TYPE_CHECKING:
    from conftest import Layer, Sample

HEAD = PreviewHead(2, 4, 1, 8, b"\xde\xad\xbe\xef")
HEAD_HEX = "02 04 01 08 deadbeef"  # segment, divisor, level, rank, coded parameters
U64 = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def heads() -> list[PreviewHead]:
    return [PreviewHead(n, divisor, 1, 8, b"head of %d" % n * 30) for n in range(3) for divisor in (2, 4)]


@pytest.fixture(scope="module")
def seen(single: Sample, heads: list[PreviewHead]) -> bytes:
    """The single stream with previews of two sizes."""
    return write_container(single.header, single.segments, previews=heads)


def test_golden_bytes() -> None:
    coded = bytes.fromhex(HEAD_HEX)
    assert HEAD.to_bytes() == coded and PreviewHead.from_bytes(coded) == HEAD
    assert chunk_bytes("pREV", coded).hex(" ", 4) == "00000008 70524556 5e53816b 02040108 deadbeef 1608102a"


@given(st.builds(PreviewHead, U64, st.sampled_from((2, 4, 8)), U64, U64, st.binary(max_size=99)))
def test_round_trip(head: PreviewHead) -> None:
    assert PreviewHead.from_bytes(head.to_bytes()) == head


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "ends inside 'segment'"),
        (b"\0\2\1", "ends inside 'rank'"),
        (b"\0\3\1\1", "divides pictures by 3; possible are 2, 4 and 8"),
        (b"\0\1\1\1", "divides pictures by 1;"),
        (b"\3\2\1\1", "belongs to segment 3, which is not in front of it"),
        (b"\1\4\1\1", "is a second preview of segment 1 at 1/4"),
    ],
)
def test_a_broken_rule_costs_that_preview(single: Sample, seen: bytes, payload: bytes, problem: str) -> None:
    container, whole = read_container(seen + chunk_bytes("pREV", payload)), read_container(seen)
    assert container.segments == single.segments and container.previews == whole.previews
    (warning,) = container.warnings
    assert warning.startswith("has a preview that cannot be used: chunk 'pREV' at byte") and problem in warning


def test_they_stand_behind_the_index(single: Sample, seen: bytes, heads: list[PreviewHead]) -> None:
    container = read_container(seen)
    assert seen.startswith(single.data)
    assert [chunk.type for chunk in container.chunks[-7:]] == ["iNDX", *["pREV"] * 6]
    assert container.previews == {(head.segment, head.divisor): head for head in heads}
    assert container.preview_bytes == len(seen) - len(single.data) and container.warnings == ()


def test_in_front_of_their_segment_they_count_for_nothing(single: Sample) -> None:
    start = read_container(single.data).index[2].offset
    early = single.data[:start] + chunk_bytes("pREV", HEAD.to_bytes())
    assert read_container(early).previews == {}
    later = early + chunk_bytes("BASE", single.segments[2].to_bytes())
    assert read_container(later).segments == single.segments


def test_who_writes_is_told(single: Sample) -> None:
    for wrong in ([HEAD, HEAD], [replace(HEAD, segment=3)]):
        with pytest.raises(BitstreamError):
            write_container(single.header, single.segments, previews=wrong)


def test_damage_costs_one(single: Sample, seen: bytes) -> None:
    """Of the chunk alone where its header is sound; of what follows it where not; never of the base."""
    whole = read_container(seen)
    chunk = [chunk for chunk in whole.chunks if chunk.type == "pREV"][2]
    for at in range(chunk.offset, chunk.end):
        damaged = bytearray(seen)
        damaged[at] ^= 1 << at % 8
        container = read_container(bytes(damaged))
        assert container.segments == single.segments and container.warnings
        lost = set(whole.previews) - set(container.previews)
        assert lost == ({(1, 2)} if at >= chunk.offset + 12 else {(1, 2), (1, 4), (2, 2), (2, 4)})


def test_every_cut_plays(single: Sample, seen: bytes) -> None:
    for end in range(len(single.data), len(seen), 3):
        container = read_container(seen[:end])
        assert container.segments == single.segments
        assert set(container.previews) <= set(read_container(seen).previews)


def test_layers_go_on_top(seen: bytes, single: Sample, layer: Layer) -> None:
    """Ids are those of a file without previews: layers fit both."""
    packs = layer(seen)
    assert packs == layer(single.data)
    grown = seen + appended(seen, packs)
    grown += appended(grown, layer(grown, b"second"))
    container = read_container(grown)
    assert container.layers == 2 and len(container.previews) == 6 and container.warnings == ()
    assert stripped(grown, 0) == seen
    assert read_pack_file(pack_file(container, 1)) == packs


def test_a_damaged_one_stops_no_layer(seen: bytes, layer: Layer) -> None:
    damaged = bytearray(seen)
    damaged[-1] ^= 1
    data = bytes(damaged)
    grown = data + appended(data, layer(data))
    assert read_container(grown).layers == 1 and len(read_container(grown).previews) == 5
    assert stripped(grown, 0) == data


def test_taken_away(single: Sample, seen: bytes, layer: Layer) -> None:
    assert without_previews(seen) == single.data and without_previews(single.data) == single.data
    grown = seen + appended(seen, layer(seen))
    grown += appended(grown, layer(grown, b"second"))
    plain = single.data + appended(single.data, layer(single.data))
    plain += appended(plain, layer(plain, b"second"))
    assert without_previews(grown) == plain
    damaged = grown[: len(single.data) + 20] + b"?" + grown[len(single.data) + 21 :]
    assert without_previews(damaged) == plain


def test_a_cut_one_goes_too_and_other_rests_stay(single: Sample, seen: bytes) -> None:
    last = read_container(seen).chunks[-1].offset
    for end in range(last, len(seen)):
        rest = seen[last:end] if end - last < 12 else b""  # nothing says yet whose header it is
        assert without_previews(seen[:end]) == single.data + rest
    other = chunk_bytes("xTRA", b"something")[:-3]
    assert without_previews(seen + other) == single.data + other
