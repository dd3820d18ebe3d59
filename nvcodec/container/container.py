"""Whole files <-> bytes: which chunks may follow which, and what is left of a file that was cut or damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nvcodec.container import ids
from nvcodec.container.chunks import (
    ChunkInfo,
    TruncatedError,
    chunk_bytes,
    iter_chunks,
    naming,
    preamble_bytes,
    read_preamble,
)
from nvcodec.container.header import SequenceHeader
from nvcodec.container.index import IndexEntry, check_index, index_bytes
from nvcodec.container.limits import DEFAULT_LIMITS, Limits
from nvcodec.container.metadata import MAX_METADATA_BYTES, MetadataValue, metadata_bytes, read_metadata
from nvcodec.container.segments import BaseSegment, SegmentDigest
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError


@dataclass(frozen=True)
class Container:
    """A file taken apart; nothing in it is decoded yet."""

    version: tuple[int, int]
    header: SequenceHeader
    segments: tuple[BaseSegment, ...]
    """In file order; those of one stream follow each other without gap."""
    digests: dict[int, SegmentDigest]
    """By position in ``segments``; segments without a digest are absent."""
    metadata: dict[str, MetadataValue]
    index: tuple[IndexEntry, ...]
    """Where each segment lies, whether or not the file has an index."""
    chunks: tuple[ChunkInfo, ...]
    """Every whole chunk, those this version does not know included."""
    warnings: tuple[str, ...]
    """What is missing from a file that can be decoded all the same, one line each."""


def read_container(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Take a file apart and check all of it except the coded parameters.

    Args:
        data: The whole file, or what is left of it.
        limits: What to refuse before allocating anything.

    Raises:
        BitstreamError: The file is damaged, or cut before the end of its first segment.
        UnsupportedError: The file needs a later version, or is above a limit.
    """
    limits.check("max_file_bytes", len(data), "is {} bytes long")
    version = read_preamble(data)
    walk = iter_chunks(data, limits)
    head = next(walk, None)
    if head is None:
        raise BitstreamError("is truncated: it ends before its first chunk")
    with naming(head):
        if head.type != ids.HEAD:
            raise BitstreamError(f"comes before '{ids.HEAD}'")
        body = _Body(SequenceHeader.from_bytes(head.payload(data), limits), head)
    warnings = []
    try:
        for chunk in walk:
            with naming(chunk):
                body.add(chunk, data)
    except TruncatedError as cut:
        warnings.append(cut.message)
    except BitstreamError as damage:
        raise BitstreamError(damage.message, body.what_is_intact(_count_segments(data, limits))) from damage
    if not body.segments:
        message = warnings[0] if warnings else f"is truncated at byte {len(data):,}: it holds no segment"
        found = ", ".join(dict.fromkeys(chunk.type for chunk in body.chunks))
        raise BitstreamError(message, f"Found before the cut: {found}; no whole segment, so nothing can be decoded")
    return Container(
        version=version,
        header=body.header,
        segments=tuple(body.segments),
        digests=body.digests,
        metadata=body.metadata,
        index=tuple(entry for entry in body.entries if entry.kind == ids.IndexKind.BASE),
        chunks=tuple(body.chunks),
        warnings=(*warnings, *body.what_is_missing()),
    )


def write_container(
    header: SequenceHeader,
    segments: Iterable[BaseSegment],
    digests: Iterable[SegmentDigest] = (),
    metadata: Mapping[str, MetadataValue] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Put a file together; the same input gives the same bytes.

    Each digest follows its segment, so that every prefix of the file can still be verified; the index is last, so that
    every shorter file is known to be cut.

    Args:
        header: What the file holds.
        segments: In file order; those of one stream must follow each other without gap.
        digests: At most one for each segment.
        metadata: Anything worth knowing about the file.
        limits: What readers are expected to accept.

    Raises:
        BitstreamError: The parts do not fit together.
        UnsupportedError: The file would be above a limit.
    """
    digest_of: dict[int, SegmentDigest] = {}
    for digest in digests:
        if digest.segment in digest_of:
            raise BitstreamError(f"has two digests of segment {digest.segment}")
        digest_of[digest.segment] = digest
    out = bytearray(preamble_bytes() + chunk_bytes(ids.HEAD, header.to_bytes()))
    if metadata:
        out += chunk_bytes(ids.META, metadata_bytes(metadata))
    entries = []
    for ordinal, segment in enumerate(segments):
        entries.append(_base_entry(segment, len(out)))
        out += chunk_bytes(ids.BASE, segment.to_bytes())
        if ordinal in digest_of:
            out += chunk_bytes(ids.DGST, digest_of.pop(ordinal).to_bytes())
    if digest_of:
        raise BitstreamError(f"has a digest of segment {min(digest_of)}, but {len(entries)} segments")
    out += chunk_bytes(ids.INDX, index_bytes(entries))
    data = bytes(out)
    read_container(data, limits)  # Never hand out what a reader would refuse.
    return data


class _Body:
    """What the walk over the chunks behind HEAD has found so far; one method for each type of chunk."""

    def __init__(self, header: SequenceHeader, head: ChunkInfo) -> None:
        self.header = header
        self.chunks = [head]
        self.segments: list[BaseSegment] = []
        self.digests: dict[int, SegmentDigest] = {}
        self.metadata: dict[str, MetadataValue] = {}
        self.entries: list[IndexEntry] = []
        """What a complete index would list."""
        self._indexed: int | None = None
        self._metadata_bytes_left = MAX_METADATA_BYTES
        self._frames = [0] * len(header.streams)
        self._readers = {ids.BASE: self._base, ids.DGST: self._digest, ids.INDX: self._index, ids.META: self._meta}

    def add(self, chunk: ChunkInfo, data: bytes) -> None:
        if chunk.type == ids.HEAD:
            raise BitstreamError("is a second header")
        if chunk.type in self._readers:
            self._readers[chunk.type](chunk, chunk.payload(data))
        elif ids.is_critical(chunk.type):
            content = f" ({ids.CHUNK_TYPES[chunk.type]})" if chunk.type in ids.CHUNK_TYPES else ""
            raise UnsupportedError(
                f"is needed to decode the file, and this nvc cannot read it{content}", ids.UPGRADE_HINT
            )
        elif chunk.type == ids.PACK:
            self.entries.append(IndexEntry(ids.IndexKind.PACK, 0, 0, 0, 0, chunk.offset))
        self.chunks.append(chunk)

    def _base(self, chunk: ChunkInfo, payload: bytes) -> None:
        segment = BaseSegment.from_bytes(payload)
        if segment.stream >= len(self._frames):
            raise BitstreamError(f"belongs to stream {segment.stream} of {len(self._frames)}")
        expected, announced = self._frames[segment.stream], self.header.streams[segment.stream].frames
        if segment.first_frame != expected:
            raise BitstreamError(f"starts at frame {segment.first_frame:,} of its stream instead of {expected:,}")
        if expected + segment.frames > announced:
            raise BitstreamError(f"ends at frame {expected + segment.frames:,} of a stream of {announced:,} frames")
        self._frames[segment.stream] += segment.frames
        self.segments.append(segment)
        self.entries.append(_base_entry(segment, chunk.offset))

    def _digest(self, _chunk: ChunkInfo, payload: bytes) -> None:
        digest = SegmentDigest.from_bytes(payload)
        if digest.segment >= len(self.segments):
            raise BitstreamError(f"belongs to segment {digest.segment:,}, which is not in front of it")
        if digest.segment in self.digests:
            raise BitstreamError(f"is a second digest of segment {digest.segment:,}")
        peak = self.header.streams[self.segments[digest.segment].stream].format.peak
        if max(digest.samples, default=0) > peak:
            raise BitstreamError(f"has the sample {max(digest.samples):,} in a stream of at most {peak:,}")
        self.digests[digest.segment] = digest

    def _index(self, _chunk: ChunkInfo, payload: bytes) -> None:
        check_index(payload, self.entries)
        self._indexed = len(self.entries)

    def _meta(self, _chunk: ChunkInfo, payload: bytes) -> None:
        metadata, size = read_metadata(payload, self._metadata_bytes_left)
        self._metadata_bytes_left -= size
        self.metadata.update(metadata)

    def what_is_missing(self) -> list[str]:
        """Warnings about a file that can be decoded as far as it goes."""
        warnings = []
        counts = [(i, frames, self.header.streams[i].frames) for i, frames in enumerate(self._frames)]
        short = [(i, f"{frames:,} of {announced:,} frames") for i, frames, announced in counts if frames < announced]
        if short and len(counts) == 1:
            warnings.append(f"holds {short[0][1]}")
        elif short:
            warnings.append(f"has {len(short)} incomplete streams; stream {short[0][0]} holds {short[0][1]}")
        if self._indexed is None:
            warnings.append("has no index: the file was cut or not finished")
        elif self._indexed < len(self.entries):
            listed = f"{self._indexed} of {len(self.entries)}"
            warnings.append(f"has an index of only {listed} payload chunks: an append was not finished")
        return warnings

    def what_is_intact(self, total: int | None) -> str:
        """Hint of an error that comes after ``len(self.segments)`` of ``total`` sound segments; empty if none is."""
        count = len(self.segments)
        if count == 0:
            return ""
        which = "Segment 0" if count == 1 else f"Segments 0-{count - 1}"
        of_total = "" if total is None else f" of {total}"
        frames = f" (frames 0-{self._frames[0] - 1})" if len(self._frames) == 1 else ""
        return f"{which}{of_total} {'is' if count == 1 else 'are'} intact{frames}"


def _base_entry(segment: BaseSegment, offset: int) -> IndexEntry:
    return IndexEntry(ids.IndexKind.BASE, segment.stream, 0, segment.first_frame, segment.frames, offset)


def _count_segments(data: bytes, limits: Limits) -> int | None:
    try:
        return sum(chunk.type == ids.BASE for chunk in iter_chunks(data, limits, verify=False))
    except NvcError:
        return None
