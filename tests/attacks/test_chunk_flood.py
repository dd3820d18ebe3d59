"""A file of nothing but tiny chunks, to fill memory with bookkeeping or to take quadratic time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from nvcodec.container import Limits, chunk_bytes, index_bytes, read_container
from nvcodec.errors import NvcError, UnsupportedError

Refused = Callable[..., NvcError]


def test_empty_ancillary_chunks(honest: bytes) -> None:
    flood = honest + chunk_bytes("zzZZ", b"") * 20_000
    started = time.process_time()
    with pytest.raises(UnsupportedError, match="10,001 chunks or more, above the limit of 10,000"):
        read_container(flood, Limits(max_chunks=10_000))
    assert time.process_time() - started < 2


def test_many_copies_of_the_index(honest: bytes) -> None:
    index = chunk_bytes("iNDX", index_bytes(read_container(honest).index))
    assert read_container(honest + index * 5_000).warnings == ()


def test_many_headers(honest: bytes, refused: Refused) -> None:
    head = honest[10 : read_container(honest).chunks[0].end]
    assert "second header" in refused(honest + head * 1_000).message
