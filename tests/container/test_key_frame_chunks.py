"""Key frames in a file: which segment they belong to, and that their damage stays with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from nvcodec.container import (
    BaseSegment,
    Container,
    Domain,
    KeyFrameCodec,
    KeyFrames,
    ModelId,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    appended,
    chunk_bytes,
    read_container,
    stripped,
    write_container,
)
from nvcodec.container.chunks import preamble_bytes
from nvcodec.container.metadata import metadata_bytes
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import VideoFormat

if TYPE_CHECKING:
    from conftest import Layer, Sample


@dataclass(frozen=True)
class Archive:
    """Two videos that share the parameters in the first one's segment, each with key frames of its own."""

    header: SequenceHeader
    segments: tuple[BaseSegment, ...]
    key_frames: dict[int, KeyFrames]
    data: bytes

    def chunk(self, ordinal: int) -> tuple[int, int]:
        """First byte of the KEYF chunk of a segment, and the one behind its last."""
        chunks = [chunk for chunk in read_container(self.data).chunks if chunk.type == "KEYF"]
        return chunks[ordinal].offset, chunks[ordinal].end


@pytest.fixture(scope="module")
def archive() -> Archive:
    streams = (StreamHeader(VideoFormat(64, 48), 9, "first"), StreamHeader(VideoFormat(32, 32), 4))
    header = SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, b"cfg")
    segments = (BaseSegment(0, 0, 9, b"shared weights"), BaseSegment(1, 0, 4, b""))
    key_frames = {
        0: KeyFrames(KeyFrameCodec.AV1, 2, (True, False, True), (b"intra", b"inter", b"intra again")),
        1: KeyFrames(KeyFrameCodec.AV1, 1, (False,), (b"still",)),
    }
    return Archive(header, segments, key_frames, write_container(header, segments, key_frames=key_frames))


def _costs_only(container: Container, archive: Archive, ordinal: int, problem: str) -> None:
    """One segment is without its key frames, everything else is there."""
    other = 1 - ordinal
    assert container.segments == archive.segments
    assert container.key_frames == {other: archive.key_frames[other]}
    assert list(container.key_frame_problems) == [ordinal]
    assert problem in container.key_frame_problems[ordinal]
    (warning,) = container.warnings
    stream = "stream 'first'" if ordinal == 0 else "stream 1"
    assert warning == f"has key frames that cannot be used in {stream}: {container.key_frame_problems[ordinal]}"


def test_round_trip(archive: Archive) -> None:
    container = read_container(archive.data)
    assert container.segments == archive.segments
    assert container.key_frames == archive.key_frames
    assert (container.key_frame_problems, container.warnings) == ({}, ())
    assert [chunk.type for chunk in container.chunks] == ["HEAD", "KEYF", "BASE", "KEYF", "BASE", "iNDX"]
    assert {chunk.offset for chunk in container.chunks if chunk.type == "BASE"} == {e.offset for e in container.index}


def test_segments_may_go_without_key_frames(archive: Archive) -> None:
    for ordinal in (0, 1):
        only = {ordinal: archive.key_frames[ordinal]}
        container = read_container(write_container(archive.header, archive.segments, key_frames=only))
        assert container.key_frames == only and container.warnings == ()


def test_files_of_other_models_may_hold_key_frames(single: Sample, archive: Archive) -> None:
    container = read_container(write_container(single.header, single.segments, key_frames=archive.key_frames))
    assert container.segments == single.segments and container.key_frames == archive.key_frames


def test_key_frames_without_segment_are_not_written(archive: Archive) -> None:
    with pytest.raises(BitstreamError, match="has key frames of segment 2, but 2 segments"):
        write_container(archive.header, archive.segments, key_frames={2: archive.key_frames[0]})


def test_key_frames_do_not_change_ids(archive: Archive) -> None:
    bare = write_container(archive.header, archive.segments)
    assert read_container(bare).layer_ids == read_container(archive.data).layer_ids


def test_key_frames_belong_to_the_next_segment(archive: Archive) -> None:
    head, key_frames = chunk_bytes("HEAD", archive.header.to_bytes()), chunk_bytes("KEYF", b"\1\1\1\0\1*")
    first, second = (chunk_bytes("BASE", segment.to_bytes()) for segment in archive.segments)
    digest = chunk_bytes("dGST", SegmentDigest(0, bytes(16), ()).to_bytes())
    note, unknown = chunk_bytes("mETA", metadata_bytes({})), chunk_bytes("prIV", b"mine")
    for chunks, owners in (
        ((key_frames, first, second), {0}),
        ((first, key_frames, second), {1}),
        ((first, key_frames, digest, note, unknown, second), {1}),
        ((key_frames, first, key_frames, second), {0, 1}),
        ((first, second, key_frames), set()),
        ((key_frames, first, second, key_frames), {0}),
    ):
        assert set(read_container(preamble_bytes() + head + b"".join(chunks)).key_frames) == owners


def test_two_in_front_of_one_segment_are_refused(archive: Archive) -> None:
    start, end = archive.chunk(1)
    sound = archive.data[start:end]
    damaged = sound[:-1] + bytes([sound[-1] ^ 1])
    for first in (sound, damaged):
        for second in (sound, damaged):
            at = start + len(first)
            with pytest.raises(BitstreamError) as caught:
                read_container(archive.data[:start] + first + second + archive.data[end:])
            assert caught.value.message == f"chunk 'KEYF' at byte {at} is a second one in front of the same segment"
            assert caught.value.hint.startswith("Segment 0 of 2 is intact")


@pytest.mark.parametrize("ordinal", [0, 1])
def test_every_damaged_byte_costs_one_segment(archive: Archive, ordinal: int) -> None:
    start, end = archive.chunk(ordinal)
    for at in range(start, end):
        damaged = bytearray(archive.data)
        damaged[at] ^= 1 << at % 8
        if at < start + 12:  # the header of the chunk: what follows cannot be found
            with pytest.raises(BitstreamError, match="has a damaged header"):
                read_container(bytes(damaged))
        else:
            problem = f"chunk 'KEYF' at byte {start} fails its checksum"
            _costs_only(read_container(bytes(damaged)), archive, ordinal, problem)


@pytest.mark.parametrize("ordinal", [0, 1])
def test_every_broken_rule_costs_one_segment(archive: Archive, ordinal: int) -> None:
    """With a good checksum too: what is wrong is said in the words of the payload."""
    (start, end), index = archive.chunk(ordinal), read_container(archive.data).chunks[-1].offset
    for payload, problem in (
        (b"", "ends inside 'key-frame codec': 1 bytes needed, 0 left"),
        (b"\x07\1\1\0\1*", "uses key-frame codec 7; this nvc knows 1 av1"),
        (b"\1\0\1\0\1*", "has groups of no key frame"),
        (b"\1\1\1\0\1*!", "has 1 bytes too many"),
    ):
        container = read_container(archive.data[:start] + chunk_bytes("KEYF", payload) + archive.data[end:index])
        assert container.key_frame_problems == {ordinal: f"chunk 'KEYF' at byte {start} {problem}"}
        assert container.key_frames == {1 - ordinal: archive.key_frames[1 - ordinal]}
        assert container.segments == archive.segments


def test_key_frames_that_are_gone_are_no_damage(archive: Archive) -> None:
    """A file without them is another valid file; whether its model can draw is not the container's business."""
    start, end = archive.chunk(1)
    index = read_container(archive.data).chunks[-1].offset
    container = read_container(archive.data[:start] + archive.data[end:index])
    assert container.segments == archive.segments
    assert container.key_frames == {0: archive.key_frames[0]} and container.key_frame_problems == {}


def test_no_cut_parts_a_segment_from_its_key_frames(archive: Archive) -> None:
    bases = [chunk for chunk in read_container(archive.data).chunks if chunk.type == "BASE"]
    for cut in range(len(archive.data)):
        if cut < bases[0].end:
            with pytest.raises(BitstreamError, match="truncated"):
                read_container(archive.data[:cut])
            continue
        container = read_container(archive.data[:cut])
        held = 1 + (cut >= bases[1].end)
        assert container.segments == archive.segments[:held]
        assert container.key_frames == {ordinal: archive.key_frames[ordinal] for ordinal in range(held)}
        assert container.key_frame_problems == {} and container.warnings


def test_damaged_key_frames_of_no_segment_are_reported(archive: Archive) -> None:
    tail = bytearray(chunk_bytes("KEYF", archive.key_frames[0].to_bytes()))
    assert read_container(archive.data + tail).warnings == ()
    tail[-1] ^= 1
    container = read_container(archive.data + tail)
    assert container.warnings == (f"chunk 'KEYF' at byte {len(archive.data)} fails its checksum",)
    assert container.key_frames == archive.key_frames and container.key_frame_problems == {}
    assert stripped(archive.data + bytes(tail), 0) == archive.data


def test_one_warning_for_any_number_of_streams(archive: Archive) -> None:
    streams = tuple(StreamHeader(VideoFormat(16, 16), 2, f"video {n}") for n in range(12))
    header = SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, b"")
    segments = [BaseSegment(n // 2, n % 2, 1, b"") for n in range(24)]
    data = bytearray(write_container(header, segments, key_frames=dict.fromkeys(range(24), archive.key_frames[1])))
    first = None
    for chunk in read_container(bytes(data)).chunks:
        if chunk.type == "KEYF":
            first = first or chunk.offset
            data[chunk.offset + 12] = 9
    container = read_container(bytes(data))
    assert list(container.key_frame_problems) == list(range(24)) and container.key_frames == {}
    named = ", ".join(f"'video {n}'" for n in range(8))
    assert container.warnings == (
        f"has key frames that cannot be used in streams {named} and 4 more: "
        f"chunk 'KEYF' at byte {first} fails its checksum",
    )


def test_layers_above_key_frames(archive: Archive, layer: Layer) -> None:
    """A layer can be put on and taken off; where key frames are damaged it can only be taken off."""
    packs = layer(archive.data)
    grown = bytearray(archive.data + appended(archive.data, packs))
    assert read_container(bytes(grown)).layers == 1
    assert stripped(bytes(grown), 0) == archive.data
    start, end = archive.chunk(1)
    grown[end - 1] ^= 1
    damaged = bytes(grown[: len(archive.data)])
    assert stripped(bytes(grown), 0) == damaged
    with pytest.raises(BitstreamError, match=f"drawn everywhere: chunk 'KEYF' at byte {start} fails its checksum"):
        appended(damaged, packs)


def test_critical_chunks_that_are_not_known_still_stop_the_reading(archive: Archive) -> None:
    with pytest.raises(UnsupportedError, match="'KEYG' .* is needed to decode"):
        read_container(archive.data + chunk_bytes("KEYG", b""))
