"""iNDX payload: where each segment lies. Holds nothing a walk over the chunks would not find, only sooner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields

from nvcodec.container.ids import IndexKind
from nvcodec.container.wire import Reader, varint
from nvcodec.errors import BitstreamError


@dataclass(frozen=True)
class IndexEntry:
    """One payload chunk of the file."""

    kind: int
    """An IndexKind, or a number only later versions know."""
    stream: int
    layer: int
    """0 for the base layer; for packs at least 1."""
    first_frame: int
    frames: int
    offset: int
    """Byte of the file the chunk's header starts at."""


def index_bytes(entries: Iterable[IndexEntry]) -> bytes:
    """Code an index, entries in file order, as an iNDX payload."""
    return b"".join(varint(number) for entry in entries for number in astuple(entry))


def iter_index(payload: bytes) -> Iterator[IndexEntry]:
    """Read an iNDX payload entry by entry.

    Raises:
        BitstreamError: The payload ends inside an entry.
    """
    reader = Reader(payload)
    names = [field.name for field in fields(IndexEntry)]
    while reader.remaining:
        yield IndexEntry(*(reader.varint(name) for name in names))


def check_index(payload: bytes, chunks: Iterable[IndexEntry]) -> None:
    """Compare an iNDX payload with the payload chunks in front of it.

    Entries of kinds unknown to this version are skipped.

    Args:
        payload: The index.
        chunks: What the walk found, in file order. A pack that cannot be used is there with layer 0: what it is about
            is not known, and only kind and offset are compared.

    Raises:
        BitstreamError: The two disagree.
    """
    expected = iter(chunks)
    for entry in iter_index(payload):
        if entry.kind not in IndexKind._value2member_map_:
            continue
        chunk = next(expected, None)
        if chunk is None or (entry.kind, entry.offset) != (chunk.kind, chunk.offset):
            raise BitstreamError(f"points at byte {entry.offset:,}, where no such chunk starts")
        is_known = chunk.kind == IndexKind.BASE or chunk.layer > 0
        if is_known and entry != chunk:
            noun = "segment" if entry.kind == IndexKind.BASE else "pack"
            raise BitstreamError(f"disagrees with the {noun} at byte {entry.offset:,}")
    missing = next(expected, None)
    if missing is not None:
        raise BitstreamError(f"does not list the chunk at byte {missing.offset:,}")
