"""Whole files <-> bytes: which chunks may follow which, and what is left of a file that was cut or damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nvcodec.container import ids
from nvcodec.container.body import Body, base_entry
from nvcodec.container.chunks import (
    ChunkInfo,
    LostError,
    TruncatedError,
    chunk_bytes,
    iter_chunks,
    naming,
    preamble_bytes,
    read_preamble,
)
from nvcodec.container.header import SequenceHeader
from nvcodec.container.index import IndexEntry, index_bytes
from nvcodec.container.keyframes import KeyFrames
from nvcodec.container.limits import DEFAULT_LIMITS, Limits
from nvcodec.container.metadata import MetadataValue, metadata_bytes
from nvcodec.container.packs import PackSegment
from nvcodec.container.previews import PreviewHead, PreviewShelf
from nvcodec.container.segments import BaseSegment, SegmentDigest
from nvcodec.container.side_data import SideDataShelf, StreamSideData
from nvcodec.errors import BitstreamError, NvcError
from nvcodec.types import NOTHING_SAID, SideData


@dataclass(frozen=True)
class Container:
    """A file taken apart; nothing in it is decoded yet."""

    version: tuple[int, int]
    header: SequenceHeader
    segments: tuple[BaseSegment, ...]
    """In file order; those of one stream follow each other without gap."""
    digests: dict[int, SegmentDigest]
    """By position in ``segments``; segments without a digest are absent."""
    key_frames: dict[int, KeyFrames]
    """By position in ``segments``; segments without key frames, or with such as cannot be used, are absent."""
    key_frame_problems: dict[int, str]
    """By position in ``segments``: why key frames that are in the file cannot be used, one line each."""
    metadata: dict[str, MetadataValue]
    side_data: Mapping[int, SideData]
    """By stream; streams of which nothing is said, or nothing that can be used, are absent."""
    packs: tuple[PackSegment, ...]
    """Usable enhancement packs, in file order: those that belong to what lies below them."""
    layer_ids: tuple[tuple[bytes, ...], ...]
    """By position in ``segments``: the ids of its base and of the usable packs on it, from the bottom."""
    layer_problem: str | None
    """Why packs that are in the file cannot be used, one line; None when all can."""
    previews: Mapping[tuple[int, int], PreviewHead]
    """By position in ``segments`` and divisor; those that cannot be used are absent. Whether the network has what they
    draw from is the decoder's business."""
    preview_problem: str | None
    """Why previews that are in the file cannot be used, one line; None when all can."""
    index: tuple[IndexEntry, ...]
    """Where each segment and each usable pack lies, whether or not the file has an index."""
    chunks: tuple[ChunkInfo, ...]
    """Every whole chunk, those this version does not know and damaged ones included."""
    damaged_chunks: int
    """How many of ``chunks`` fail their checksum."""
    key_frame_warning: str | None
    """The one of ``warnings`` that sums ``key_frame_problems`` up; None: there are none."""
    warnings: tuple[str, ...]
    """What is missing from a file that can be decoded all the same, one line each."""

    @property
    def layers(self) -> int:
        """Enhancement layers that every segment has; 0: there is only the base."""
        return min(len(pile) for pile in self.layer_ids) - 1

    @property
    def preview_bytes(self) -> int:
        """What previews take of the file, with those that cannot be used."""
        return sum(chunk.end - chunk.offset for chunk in self.chunks if chunk.type == ids.PREV)

    def pack(self, ordinal: int, layer: int) -> PackSegment:
        """The pack of a segment and a layer, 1 and up.

        Raises:
            KeyError: The segment has no such layer.
        """
        return self._packs[ordinal, layer]

    def layer_id(self, ordinal: int, layer: int) -> bytes:
        """Id of a layer of a segment; layer 0 is the base.

        Raises:
            IndexError: The segment has no such layer.
        """
        return self.layer_ids[ordinal][layer]

    @cached_property
    def _packs(self) -> dict[tuple[int, int], PackSegment]:
        return {(pack.segment, pack.layer): pack for pack in self.packs}


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
    if head.type == ids.PACK and head.is_sound(data):
        raise BitstreamError("is an enhancement layer without its base", "Attach it:  nvc append BASE.nvc LAYER.nvcl")
    with naming(head):
        head.check(data)
        if head.type != ids.HEAD:
            raise BitstreamError(f"comes before '{ids.HEAD}'")
        payload = head.payload(data)
        header = SequenceHeader.from_bytes(payload, limits)
        if header.minor_version > version[1]:
            needed, found = (f"{version[0]}.{minor}" for minor in (header.minor_version, version[1]))
            raise BitstreamError(f"holds streams of version {needed} in a file of version {found}")
        body = Body(header, head, payload)
    warnings = []
    try:
        for chunk in walk:
            with naming(chunk):
                body.add(chunk, data)
    except TruncatedError as cut:
        warnings.append(cut.message)
    except BitstreamError as damage:
        if not (isinstance(damage, LostError) and body.base_is_finished):
            raise BitstreamError(damage.message, body.what_is_intact(_count_segments(data, limits))) from damage
        body.pass_over(f"{damage.message}; nothing behind it can be found")
    if not body.segments:
        message = warnings[0] if warnings else f"is truncated at byte {len(data):,}: it holds no segment"
        found = ", ".join(dict.fromkeys(chunk.type for chunk in body.chunks))
        raise BitstreamError(message, f"Found before the cut: {found}; no whole segment, so nothing can be decoded")
    return Container(
        version=version,
        header=body.header,
        segments=tuple(body.segments),
        digests=body.digests,
        key_frames=body.key_frames,
        key_frame_problems=body.key_frame_problems,
        metadata=body.metadata,
        side_data=body.side_data.by_stream,
        packs=tuple(body.layers.packs),
        layer_ids=tuple(map(tuple, body.layers.ids)),
        layer_problem=body.layer_problem,
        previews=body.previews.heads,
        preview_problem=body.preview_problem,
        index=tuple(entry for entry in body.entries if entry.kind == ids.IndexKind.BASE or entry.layer > 0),
        chunks=tuple(body.chunks),
        damaged_chunks=sum(not chunk.is_sound(data) for chunk in body.chunks) if body.has_damage else 0,
        key_frame_warning=body.key_frame_warning,
        warnings=(*warnings, *body.what_is_missing()),
    )


def write_container(
    header: SequenceHeader,
    segments: Iterable[BaseSegment],
    digests: Iterable[SegmentDigest] = (),
    metadata: Mapping[str, MetadataValue] | None = None,
    *,
    key_frames: Mapping[int, KeyFrames] = {},
    previews: Iterable[PreviewHead] = (),
    side_data: Mapping[int, SideData] = {},
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Put a file together; the same input gives the same bytes.

    Each digest follows its segment, so that every prefix of the file can still be verified; the index follows all of
    them, so that every shorter base is known to be cut. Key frames stand in front of their segment: one that is there
    can be drawn. Previews stand behind the index, where no damage of theirs reaches the base.

    Args:
        header: What the file holds.
        segments: In file order; those of one stream must follow each other without gap.
        digests: At most one for each segment.
        metadata: Anything worth knowing about the file.
        key_frames: By position in ``segments``.
        previews: At most one for each segment and divisor.
        side_data: By stream; where there is nothing to say, nothing is written.
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
    out = bytearray(preamble_bytes(header.minor_version) + chunk_bytes(ids.HEAD, header.to_bytes()))
    if metadata:
        out += chunk_bytes(ids.META, metadata_bytes(metadata))
    sides = SideDataShelf([stream.frames for stream in header.streams])
    for stream, side in side_data.items():
        if side != NOTHING_SAID:
            payload = StreamSideData(stream, side).to_bytes()
            sides.add(payload)
            out += chunk_bytes(ids.SIDE, payload)
    entries = []
    for ordinal, segment in enumerate(segments):
        if ordinal in key_frames:
            out += chunk_bytes(ids.KEYF, key_frames[ordinal].to_bytes())
        entries.append(base_entry(segment, len(out)))
        out += chunk_bytes(ids.BASE, segment.to_bytes())
        if ordinal in digest_of:
            out += chunk_bytes(ids.DGST, digest_of.pop(ordinal).to_bytes())
    if digest_of:
        raise BitstreamError(f"has a digest of segment {min(digest_of)}, but {len(entries)} segments")
    if strays := key_frames.keys() - range(len(entries)):
        raise BitstreamError(f"has key frames of segment {min(strays)}, but {len(entries)} segments")
    out += chunk_bytes(ids.INDX, index_bytes(entries))
    shelf = PreviewShelf()
    for preview in previews:
        shelf.add(preview.to_bytes(), len(entries))
        out += chunk_bytes(ids.PREV, preview.to_bytes())
    data = bytes(out)
    read_container(data, limits)  # Never hand out what a reader would refuse.
    return data


def _count_segments(data: bytes, limits: Limits) -> int | None:
    try:
        return sum(chunk.type == ids.BASE for chunk in iter_chunks(data, limits))
    except NvcError:
        return None
