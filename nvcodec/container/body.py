"""What a walk over the chunks behind HEAD finds: one method for each type of chunk."""

from __future__ import annotations

from dataclasses import replace

from nvcodec.container import ids
from nvcodec.container.chunks import ChunkInfo
from nvcodec.container.header import SequenceHeader
from nvcodec.container.index import IndexEntry, check_index
from nvcodec.container.keyframes import KeyFrames
from nvcodec.container.layers import LayerChain
from nvcodec.container.metadata import MAX_METADATA_BYTES, MetadataValue, read_metadata
from nvcodec.container.previews import PreviewShelf
from nvcodec.container.segments import BaseSegment, SegmentDigest
from nvcodec.container.side_data import SideDataShelf
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError

_STREAMS_NAMED = 8
"""A warning stays one line, however many streams it is about."""


class Body:
    """What has been found so far."""

    def __init__(self, header: SequenceHeader, head: ChunkInfo, head_payload: bytes) -> None:
        self.header = header
        self._head_payload = head_payload
        self.chunks = [head]
        self.segments: list[BaseSegment] = []
        self.digests: dict[int, SegmentDigest] = {}
        self.key_frames: dict[int, KeyFrames] = {}
        self.key_frame_problems: dict[int, str] = {}
        """Segments whose key frames are there and cannot be used."""
        self.metadata: dict[str, MetadataValue] = {}
        self.entries: list[IndexEntry] = []
        """What a complete index would list; packs that cannot be used with layer 0."""
        self.layers = LayerChain()
        self.previews = PreviewShelf()
        self.side_data = SideDataShelf([stream.frames for stream in header.streams])
        self._next_key_frames: KeyFrames | str | None = None
        """Those of the segment that comes next, or what is wrong with them."""
        self._damage: str | None = None
        self._layer_damage: str | None = None
        self._preview_damage: str | None = None
        self._side_damage: str | None = None
        self._indexed: int | None = None
        self._metadata_bytes_left = MAX_METADATA_BYTES
        self._frames = [0] * len(header.streams)
        self._readers = {ids.BASE: self._base, ids.DGST: self._digest, ids.INDX: self._index, ids.META: self._meta}

    @property
    def base_is_finished(self) -> bool:
        """Whether all frames are there and an index has closed them: damage from here on never is in the base."""
        frames = [stream.frames for stream in self.header.streams]
        return self._indexed is not None and self._frames == frames

    def pass_over(self, damage: str, *, hits_layers: bool = True) -> None:
        """Remember what does not reach the base; of several things the first, from which others may follow."""
        self._damage = self._damage or damage
        if hits_layers:
            self._layer_damage = self._layer_damage or damage

    @property
    def layer_problem(self) -> str | None:
        """Why there are packs that cannot be used."""
        return self._layer_damage or self.layers.gap()

    @property
    def preview_problem(self) -> str | None:
        """Why there are previews that cannot be used."""
        return self._preview_damage

    def add(self, chunk: ChunkInfo, data: bytes) -> None:
        """Take in the next chunk.

        Raises:
            BitstreamError: It is damaged, or cannot stand here.
            UnsupportedError: It is needed, and this version cannot read it.
        """
        if chunk.type == ids.PACK:
            self._pack(chunk, data)
        elif chunk.type == ids.PREV:
            self._preview(chunk, data)
        elif chunk.type == ids.SIDE:
            self._side(chunk, data)
        elif chunk.type == ids.KEYF:
            self._key_frames_of_next(chunk, data)
        elif self.base_is_finished and not ids.is_critical(chunk.type) and not chunk.is_sound(data):
            self.pass_over(f"{chunk.name} fails its checksum", hits_layers=False)
        else:
            chunk.check(data)
            self._read(chunk, data)
        self.chunks.append(chunk)

    def _read(self, chunk: ChunkInfo, data: bytes) -> None:
        if chunk.type == ids.HEAD:
            raise BitstreamError("is a second header")
        if chunk.type in self._readers:
            self._readers[chunk.type](chunk, chunk.payload(data))
        elif ids.is_critical(chunk.type):
            raise UnsupportedError("is needed to decode the file, and this nvc cannot read it", ids.UPGRADE_HINT)

    def _pack(self, chunk: ChunkInfo, data: bytes) -> None:
        """Layers are a gift on top: whatever is wrong with one, all below it stay as they are."""
        entry = IndexEntry(ids.IndexKind.PACK, 0, 0, 0, 0, chunk.offset)
        try:
            chunk.check(data)
            pack = self.layers.add(chunk.payload(data))
        except BitstreamError as error:
            self.pass_over(f"{chunk.name} {error.message}")
        else:
            base = self.segments[pack.segment]
            entry = replace(
                entry, stream=base.stream, layer=pack.layer, first_frame=base.first_frame, frames=base.frames
            )
        self.entries.append(entry)

    def _preview(self, chunk: ChunkInfo, data: bytes) -> None:
        """Whatever is wrong with a preview, whole pictures can be drawn and shrunk."""
        try:
            chunk.check(data)
            self.previews.add(chunk.payload(data), len(self.segments))
        except BitstreamError as error:
            if self._preview_damage is None:  # there may be very many
                self._preview_damage = f"has a preview that cannot be used: {chunk.name} {error.message}"

    def _side(self, chunk: ChunkInfo, data: bytes) -> None:
        """Whatever is wrong with side data, no picture depends on it."""
        try:
            chunk.check(data)
            self.side_data.add(chunk.payload(data))
        except BitstreamError as error:
            if self._side_damage is None:
                self._side_damage = f"has side data that cannot be used: {chunk.name} {error.message}"

    def _key_frames_of_next(self, chunk: ChunkInfo, data: bytes) -> None:
        """Whatever is wrong with the key frames of one segment, all others can be drawn."""
        if self._next_key_frames is not None:
            raise BitstreamError("is a second one in front of the same segment")
        try:
            chunk.check(data)
            self._next_key_frames = KeyFrames.from_bytes(chunk.payload(data))
        except NvcError as error:
            self._next_key_frames = f"{chunk.name} {error.message}"

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
        if isinstance(self._next_key_frames, KeyFrames):
            self.key_frames[len(self.segments)] = self._next_key_frames
        elif self._next_key_frames is not None:
            self.key_frame_problems[len(self.segments)] = self._next_key_frames
        self._next_key_frames = None
        self.segments.append(segment)
        self.layers.add_base(self._head_payload, payload)
        self.entries.append(base_entry(segment, chunk.offset))

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
        warnings += [self.key_frame_warning] if self.key_frame_warning else []
        warnings += [self._next_key_frames] if isinstance(self._next_key_frames, str) else []
        warnings += self._problems()
        if self._indexed is None:
            warnings.append("has no index: the file was cut or not finished")
        elif self._indexed < len(self.entries):
            listed = f"{self._indexed} of {len(self.entries)}"
            warnings.append(f"has an index of only {listed} payload chunks: an append was not finished")
        return warnings

    def _problems(self) -> list[str]:
        found = dict.fromkeys((self._damage, self.layer_problem, self._preview_damage, self._side_damage))
        return [problem for problem in found if problem]

    @property
    def has_damage(self) -> bool:
        """Whether chunks were passed over."""
        return bool(self._problems() or self.key_frame_problems or self._next_key_frames)

    @property
    def key_frame_warning(self) -> str | None:
        """Which streams have key frames that cannot be used."""
        if not self.key_frame_problems:
            return None
        streams = list(dict.fromkeys(self.segments[ordinal].stream for ordinal in self.key_frame_problems))
        named = ", ".join(map(self._stream_name, streams[:_STREAMS_NAMED]))
        more = f" and {len(streams) - _STREAMS_NAMED} more" if len(streams) > _STREAMS_NAMED else ""
        first = next(iter(self.key_frame_problems.values()))
        noun = "stream" if len(streams) == 1 else "streams"
        return f"has key frames that cannot be used in {noun} {named}{more}: {first}"

    def _stream_name(self, stream: int) -> str:
        name = self.header.streams[stream].name
        return f"'{name}'" if name else str(stream)

    def what_is_intact(self, total: int | None) -> str:
        """Hint of an error that comes after ``len(self.segments)`` of ``total`` sound segments; empty if none is."""
        count = len(self.segments)
        if count == 0:
            return ""
        which = "Segment 0" if count == 1 else f"Segments 0-{count - 1}"
        of_total = "" if total is None else f" of {total}"
        frames = f" (frames 0-{self._frames[0] - 1})" if len(self._frames) == 1 else ""
        return f"{which}{of_total} {'is' if count == 1 else 'are'} intact{frames}"


def base_entry(segment: BaseSegment, offset: int) -> IndexEntry:
    """What an index says of a segment."""
    return IndexEntry(ids.IndexKind.BASE, segment.stream, 0, segment.first_frame, segment.frames, offset)
