"""Whole files: what may follow what, and what is said when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import (
    BaseSegment,
    Domain,
    Limits,
    ModelId,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    chunk_bytes,
    read_container,
    write_container,
)
from nvcodec.container.chunks import preamble_bytes
from nvcodec.container.metadata import metadata_bytes
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import ChromaFormat, VideoFormat
from nvcodec.version import UPGRADE

if TYPE_CHECKING:
    from conftest import Sample


def _file(*chunks: tuple[str, bytes]) -> bytes:
    return preamble_bytes() + b"".join(chunk_bytes(*chunk) for chunk in chunks)


def test_round_trip(sample: Sample) -> None:
    container = read_container(sample.data)
    assert container.version == (1, 0)
    assert container.header == sample.header
    assert container.segments == sample.segments
    assert container.digests == {digest.segment: digest for digest in sample.digests}
    assert container.metadata == sample.metadata
    assert container.warnings == ()
    assert [c.type for c in container.chunks] == ["HEAD", "mETA", "BASE", "dGST", "BASE", "dGST", "BASE", "iNDX"]
    assert container.chunks[-1].end == len(sample.data)
    bases = [chunk.offset for chunk in container.chunks if chunk.type == "BASE"]
    assert [entry.offset for entry in container.index] == bases


def test_same_input_gives_same_bytes(sample: Sample) -> None:
    again = write_container(
        sample.header, sample.segments, reversed(sample.digests), dict(reversed(sample.metadata.items()))
    )
    assert again == sample.data


def test_smallest_file_golden_bytes() -> None:
    header = SequenceHeader(ModelId.MSNERV, Domain.YUV420, (StreamHeader(VideoFormat(2, 2), 1),), b"")
    data = write_container(header, [BaseSegment(0, 0, 1, b"\x2a")], [SegmentDigest(0, bytes(range(16)), (16, 235))])
    assert data == bytes.fromhex(
        "894e56430d0a1a0a 0100"
        "00000012 48454144 cf20dfbf 01010000 00 01 020201 0000 0801 02020200 00 93103e69"
        "00000005 42415345 7aa79cd0 000001 00 2a 648b3648"
        "00000015 64475354 f123a7f0 00 000102030405060708090a0b0c0d0e0f 0201 10eb 109e40b5"
        "00000006 694e4458 27ed614d 00 00 00 00 01 2c 4e06a93c"
    )
    assert read_container(data).segments[0].payload == b"\x2a"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50), st.binary(max_size=30)), min_size=1, max_size=12),
    st.booleans(),
)
def test_any_interleaving_of_streams_round_trips(parts: list[tuple[int, int, bytes]], with_digests: bool) -> None:
    frames = [0, 0, 0]
    segments = []
    for stream, count, payload in parts:
        segments.append(BaseSegment(stream, frames[stream], count, payload))
        frames[stream] += count
    streams = tuple(StreamHeader(VideoFormat(16, 16), max(count, 1)) for count in frames)
    header = SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, b"")
    digests = [SegmentDigest(n, bytes(16), (n,)) for n in range(len(segments))] if with_digests else []
    container = read_container(write_container(header, segments, digests))
    assert container.segments == tuple(segments)
    assert list(container.digests.values()) == digests
    empty = frames.count(0)
    assert len(container.warnings) == (empty > 0)


@pytest.mark.parametrize(
    ("major", "minor", "message"),
    [
        (2, 0, "uses bitstream version 2.0; this nvc reads up to 1.2"),
        (1, 3, "uses bitstream version 1.3; this nvc reads up to 1.2"),
        (255, 255, "uses bitstream version 255.255; this nvc reads up to 1.2"),
    ],
)
def test_later_versions_are_refused_with_a_remedy(sample: Sample, major: int, minor: int, message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read_container(sample.data[:8] + bytes([major, minor]) + sample.data[10:])
    assert caught.value.message == message
    assert caught.value.hint == UPGRADE
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_files_have_the_lowest_version_that_can_hold_them(chroma: ChromaFormat, depth: int) -> None:
    domain = Domain.RGB if chroma is ChromaFormat.RGB else Domain.YUV420
    streams = tuple(StreamHeader(VideoFormat(4, 4, None, *kind), 1) for kind in ((8, chroma), (depth, chroma)))
    header = SequenceHeader(ModelId.MSNERV, domain, streams, b"")
    data = write_container(header, [BaseSegment(stream, 0, 1, b"") for stream in range(2)])
    is_old = chroma in (ChromaFormat.YUV420, ChromaFormat.RGB) and depth < 12
    assert data[8:10] == bytes([1, 0 if is_old else 1]) and read_container(data).version == (1, data[9])
    assert read_container(data[:9] + b"\x01" + data[10:]).header == header
    if not is_old:
        with pytest.raises(BitstreamError, match=r"'HEAD' .*version 1\.1 in a file of version 1\.0"):
            read_container(data[:9] + b"\x00" + data[10:])


def test_other_files_are_told_apart(sample: Sample) -> None:
    with pytest.raises(BitstreamError, match="not an nvc file: its signature is 52 49 46 46"):
        read_container(b"RIFF" + sample.data)
    with pytest.raises(BitstreamError, match="signature") as caught:
        read_container(sample.data.replace(b"\r\n", b"\n"))
    assert "text mode" in caught.value.hint


def test_segments_missing_at_the_end_are_reported(sample: Sample, single: Sample) -> None:
    container = read_container(write_container(sample.header, sample.segments[:1]))
    assert container.warnings == ("has 2 incomplete streams; stream 0 holds 8 of 12 frames",)
    container = read_container(write_container(single.header, single.segments[:2]))
    assert container.warnings == ("holds 8 of 12 frames",)


def test_damage_says_which_segments_are_intact(single: Sample) -> None:
    last = read_container(single.data).index[2].offset
    damaged = bytearray(single.data)
    damaged[last + 13] ^= 1
    with pytest.raises(BitstreamError) as caught:
        read_container(bytes(damaged))
    assert caught.value.message == f"chunk 'BASE' at byte {last} fails its checksum"
    assert caught.value.hint == "Segments 0-1 of 3 are intact (frames 0-7)"
    assert len(read_container(bytes(damaged[:last])).segments) == 2

    damaged[last + 13] ^= 1
    damaged[last] ^= 1
    with pytest.raises(BitstreamError) as caught:
        read_container(bytes(damaged))
    assert caught.value.message == f"chunk 'BASE' at byte {last} has a damaged header"
    assert caught.value.hint == "Segments 0-1 are intact (frames 0-7)"


def test_order_of_chunks(sample: Sample) -> None:
    head = ("HEAD", sample.header.to_bytes())
    base = ("BASE", sample.segments[0].to_bytes())
    for chunks, complaint in (
        ([], "truncated: it ends before its first chunk"),
        ([base, head], "chunk 'BASE' at byte 10 comes before 'HEAD'"),
        ([("mETA", metadata_bytes({})), head, base], "chunk 'mETA' at byte 10 comes before 'HEAD'"),
        ([head, head, base], "is a second header"),
        ([head, base, head], "is a second header"),
        ([head], "it holds no segment"),
        ([head, ("mETA", metadata_bytes({})), ("iNDX", b"")], "it holds no segment"),
        ([head, ("dGST", sample.digests[0].to_bytes()), base], "segment 0, which is not in front of it"),
        ([head, base, ("dGST", sample.digests[0].to_bytes()), ("dGST", sample.digests[0].to_bytes())], "second digest"),
    ):
        with pytest.raises(BitstreamError, match=complaint):
            read_container(_file(*chunks))


@pytest.mark.parametrize(
    ("segment", "complaint"),
    [
        (BaseSegment(0, 0, 4, b""), "starts at frame 0 of its stream instead of 8"),
        (BaseSegment(0, 9, 3, b""), "starts at frame 9 of its stream instead of 8"),
        (BaseSegment(0, 8, 5, b""), "ends at frame 13 of a stream of 12 frames"),
        (BaseSegment(0, 8, 2**64 - 1, b""), "of a stream of 12 frames"),
        (BaseSegment(1, 8, 4, b""), "starts at frame 8 of its stream instead of 0"),
        (BaseSegment(2, 0, 1, b""), "belongs to stream 2 of 2"),
    ],
)
def test_segments_tile_their_stream(sample: Sample, segment: BaseSegment, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        write_container(sample.header, [sample.segments[0], segment])


def test_digests_must_fit_their_segments(sample: Sample) -> None:
    with pytest.raises(BitstreamError, match="sample 256 in a stream of at most 255"):
        write_container(sample.header, sample.segments, [SegmentDigest(0, bytes(16), (256,))])
    with pytest.raises(BitstreamError, match="digest of segment 3, but 3 segments"):
        write_container(sample.header, sample.segments, [SegmentDigest(3, bytes(16), ())])
    with pytest.raises(BitstreamError, match="two digests of segment 0"):
        write_container(sample.header, sample.segments, [SegmentDigest(0, bytes(16), ())] * 2)


def test_unknown_chunks(sample: Sample) -> None:
    with pytest.raises(UnsupportedError, match=f"chunk 'ZZZZ' at byte {len(sample.data)} is needed to decode"):
        read_container(sample.data + chunk_bytes("ZZZZ", b""))
    for ancillary in ("zZZZ", "prIV", "pACK"):
        container = read_container(sample.data + chunk_bytes(ancillary, b"anything"))
        assert container.chunks[-1].type == ancillary
        assert container.chunks[-1].payload(sample.data + chunk_bytes(ancillary, b"anything")) == b"anything"
        assert container.segments == sample.segments
    for odd in ("AB1D", "ABC", "ABCDE", "AB D"):
        with pytest.raises(AssertionError):
            chunk_bytes(odd, b"")


def test_segments_can_be_appended(single: Sample) -> None:
    short = write_container(single.header, single.segments[:2])
    grown = short + chunk_bytes("BASE", single.segments[2].to_bytes())
    assert read_container(grown).segments == single.segments
    assert read_container(grown).index[2].offset == len(short)


def test_index_is_rebuilt_when_missing(single: Sample) -> None:
    container = read_container(single.data)
    without = single.data[: container.chunks[-1].offset]
    assert read_container(without).index == container.index
    assert read_container(without).warnings == ("has no index: the file was cut or not finished",)


def test_later_metadata_overrides_earlier(sample: Sample) -> None:
    data = sample.data + chunk_bytes("mETA", metadata_bytes({"seed": 8, "layers": 2}))
    assert read_container(data).metadata == {**sample.metadata, "seed": 8, "layers": 2}


def test_file_limits(sample: Sample) -> None:
    for limits, hint in (
        (Limits(max_file_bytes=len(sample.data) - 1), f'limits={{"max_file_bytes": {len(sample.data)}}}'),
        (Limits(max_chunks=7), 'limits={"max_chunks": 8}'),
        (Limits(max_chunk_bytes=40), 'limits={"max_chunk_bytes": '),
    ):
        with pytest.raises(UnsupportedError) as caught:
            read_container(sample.data, limits)
        assert hint in caught.value.hint
    exact = Limits(max_file_bytes=len(sample.data), max_chunks=8, max_width=176, max_height=144, max_frames=12)
    assert read_container(sample.data, exact).segments == sample.segments
