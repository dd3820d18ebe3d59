"""Bitstreams <-> chunks and their fields, with checksums, index and layer ids made right again.

Where fields begin and end is told by the package's own readers: whatever the format grows, the fuzzer knows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from zlib import crc32

from nvcodec.container import (
    BaseSegment,
    IndexEntry,
    IndexKind,
    Limits,
    PackSegment,
    base_id,
    ids,
    index_bytes,
    read_container,
    read_pack_file,
)
from nvcodec.container.body import base_entry
from nvcodec.container.chunks import PREAMBLE_BYTES
from nvcodec.container.wire import Reader, prefixed
from nvcodec.errors import NvcError

_HEADER = struct.Struct(">I4sI")
_READS = ("varint", "byte", "take", "prefixed", "rest")
_MOST_CHUNKS = 4096


@dataclass
class Field:
    """A stretch of a payload that is read at once."""

    kind: str
    """``varint``, ``byte``, ``take``, ``prefixed`` or ``rest``, as :class:`Reader` calls it."""
    data: bytes
    """Of ``prefixed`` without its length."""

    def to_bytes(self) -> bytes:
        """As the payload has it."""
        return prefixed(self.data) if self.kind == "prefixed" else self.data


@dataclass
class Chunk:
    """A chunk as far as its checksums do not matter."""

    type: bytes
    """Four bytes."""
    fields: list[Field]

    @property
    def payload(self) -> bytes:
        """All fields one after another."""
        return b"".join(part.to_bytes() for part in self.fields)

    def copy(self) -> Chunk:
        """One whose fields may be changed."""
        return Chunk(self.type, [replace(part) for part in self.fields])


@dataclass
class Dissected:
    """A file taken apart, however damaged."""

    preamble: bytes
    chunks: list[Chunk]
    tail: bytes
    """What is no whole chunk."""

    def copy(self) -> Dissected:
        """One that may be changed."""
        return Dissected(self.preamble, [chunk.copy() for chunk in self.chunks], self.tail)


@lru_cache(maxsize=512)
def dissected(data: bytes) -> Dissected:
    """Take a file apart; it is shared, so copy it before it is changed."""
    with _noted() as noted, suppress(NvcError):
        if data[PREAMBLE_BYTES + 4 : PREAMBLE_BYTES + 8] == ids.PACK.encode():
            read_pack_file(data)
        else:
            read_container(data, Limits(max_chunks=_MOST_CHUNKS))
    chunks, at = list[Chunk](), PREAMBLE_BYTES
    while at + _HEADER.size <= len(data) and len(chunks) < _MOST_CHUNKS:
        length, name, _ = _HEADER.unpack_from(data, at)
        if at + _HEADER.size + length + 4 > len(data):
            break
        payload = data[at + _HEADER.size : at + _HEADER.size + length]
        chunks.append(Chunk(name, _fields(payload, noted.get(payload, []))))
        at += _HEADER.size + length + 4
    return Dissected(data[:PREAMBLE_BYTES], chunks, data[at:])


def _fields(payload: bytes, reads: list[tuple[str, int, int]]) -> list[Field]:
    fields, at = [], 0
    for kind, start, end in reads:
        if start != at or end > len(payload):
            break
        fields.append(Field(kind, payload[start:end]))
        if kind == "prefixed":
            length = Reader(payload[start:end])
            length.varint("length")
            fields[-1].data = length.rest()
        at = end
    return fields + ([Field("rest", payload[at:])] if at < len(payload) else [])


@contextmanager
def _noted() -> Iterator[dict[bytes, list[tuple[str, int, int]]]]:
    """Note what is read of each payload: how, from where, to where."""
    noted: dict[bytes, list[tuple[str, int, int]]] = {}
    depth = 0

    def noting(kind: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Reader, *words: object) -> Any:
            nonlocal depth
            start, depth = self._at, depth + 1
            try:
                found = read(self, *words)
            finally:
                depth -= 1
            if depth == 0:
                reads = noted.setdefault(self._data, [])
                if start == 0:  # somebody else reads it again
                    reads.clear()
                reads.append((kind, start, self._at))
            return found

        return method

    methods = {kind: getattr(Reader, kind) for kind in _READS}
    for kind, method in methods.items():
        setattr(Reader, kind, noting(kind, method))
    try:
        yield noted
    finally:
        for kind, method in methods.items():
            setattr(Reader, kind, method)


@dataclass
class _Piles:
    """Segments and the layers on them, as far as there are such."""

    head: bytes = b""
    bases: list[BaseSegment] = field(default_factory=list)
    ids: list[list[bytes]] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)


def assembled(file: Dissected, *, index: bool, parents: bool) -> bytes:
    """Put a file together again, with the right checksums.

    Args:
        file: The parts.
        index: Whether indices are to list what is in front of them.
        parents: Whether packs are to name what lies below them.
    """
    out, piles = bytearray(file.preamble), _Piles()
    for chunk in file.chunks:
        payload = chunk.payload
        with suppress(NvcError, IndexError):
            payload = _repaired(chunk.type.decode("latin-1"), payload, piles, len(out), index, parents)
        head = struct.pack(">I4s", len(payload), chunk.type)
        out += head + struct.pack(">I", crc32(head)) + payload + struct.pack(">I", crc32(payload, crc32(chunk.type)))
    return bytes(out + file.tail)


def _repaired(kind: str, payload: bytes, piles: _Piles, offset: int, index: bool, parents: bool) -> bytes:
    if kind == ids.HEAD:
        piles.head = payload
    elif kind == ids.BASE:
        segment = BaseSegment.from_bytes(payload)
        piles.bases.append(segment)
        piles.ids.append([base_id(piles.head, payload)])
        piles.entries.append(base_entry(segment, offset))
    elif kind == ids.PACK:
        pack = PackSegment.from_bytes(payload)
        if parents and pack.segment < len(piles.ids):
            pack = replace(pack, parent=piles.ids[pack.segment][-1])
            payload = pack.to_bytes()
            piles.ids[pack.segment].append(pack.id)
        base = piles.bases[pack.segment] if pack.segment < len(piles.bases) else BaseSegment(0, 0, 0, b"")
        piles.entries.append(IndexEntry(IndexKind.PACK, base.stream, pack.layer, base.first_frame, base.frames, offset))
    elif kind == ids.INDX and index:
        payload = index_bytes(piles.entries)
    return payload
