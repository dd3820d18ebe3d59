"""An index that would send a player somewhere else than a walk over the file does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nvcodec.container import IndexEntry, IndexKind, chunk_bytes, index_bytes, read_container
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]
Change = Callable[[tuple[IndexEntry, ...]], list[IndexEntry]]

LIES: dict[str, Change] = {
    "empty": lambda true: [],
    "segment left out": lambda true: [true[0]],
    "first left out": lambda true: [true[1]],
    "swapped": lambda true: [true[1], true[0]],
    "twice": lambda true: [true[0], true[0], true[1]],
    "one too many": lambda true: [*true, replace(true[1], first_frame=8)],
    "offset inside a chunk": lambda true: [replace(true[0], offset=true[0].offset + 1), true[1]],
    "offset behind the file": lambda true: [replace(true[0], offset=2**63), true[1]],
    "other frames": lambda true: [replace(true[0], frames=8), true[1]],
    "other first frame": lambda true: [true[0], replace(true[1], first_frame=0)],
    "other stream": lambda true: [replace(true[0], stream=1), true[1]],
    "other layer": lambda true: [replace(true[0], layer=1), true[1]],
    "pack for segment": lambda true: [replace(true[0], kind=IndexKind.PACK), true[1]],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_lie_is_found(honest: bytes, refused: Refused, lie: Change) -> None:
    entries = lie(read_container(honest).index)
    assert "chunk 'iNDX'" in refused(honest + chunk_bytes("iNDX", index_bytes(entries))).message


def test_cut_entry(honest: bytes, refused: Refused) -> None:
    payload = index_bytes(read_container(honest).index)[:-1]
    assert "ends inside 'offset'" in refused(honest + chunk_bytes("iNDX", payload)).message


def test_index_in_front_of_what_it_lists(honest: bytes, refused: Refused) -> None:
    container = read_container(honest)
    first, index = container.index[0].offset, container.chunks[-1]
    moved = honest[:first] + honest[index.offset :] + honest[first : index.offset]
    assert "no such chunk" in refused(moved).message


def test_millions_of_entries_of_a_later_version_cost_no_memory(honest: bytes) -> None:
    later = [IndexEntry(9, 0, 0, 0, 0, 0)] * 50_000
    data = honest + chunk_bytes("iNDX", index_bytes([*later, *read_container(honest).index]))
    assert read_container(data).warnings == ()
