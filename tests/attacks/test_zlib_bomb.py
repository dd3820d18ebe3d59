"""Metadata that inflates a thousandfold, in one chunk or spread over many."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from nvcodec.container import chunk_bytes, read_container
from nvcodec.container.metadata import MAX_METADATA_BYTES
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]


def _spaces(count: int) -> bytes:
    return zlib.compress(b"{" + b" " * (count - 2) + b"}", 9)


def test_one_bomb(honest: bytes, refused: Refused) -> None:
    bomb = _spaces(64 << 20)
    error = refused(honest + chunk_bytes("mETA", bomb), len(bomb) + 8 * MAX_METADATA_BYTES)
    assert "more than the 1,048,576 bytes left" in error.message


def test_many_small_bombs(honest: bytes, refused: Refused) -> None:
    half = chunk_bytes("mETA", _spaces(MAX_METADATA_BYTES // 2))
    assert read_container(honest + half + half).metadata == {}
    assert "more than the 0 bytes left" in refused(honest + half + half + half).message


def test_bomb_inside_a_bomb(honest: bytes, refused: Refused) -> None:
    assert "not valid JSON" in refused(honest + chunk_bytes("mETA", zlib.compress(_spaces(10 << 20)))).message


def test_preset_dictionary(honest: bytes, refused: Refused) -> None:
    compressor = zlib.compressobj(zdict=b'{"encoder":')
    payload = compressor.compress(b'{"encoder":1}') + compressor.flush()
    assert "cannot be decompressed" in refused(honest + chunk_bytes("mETA", payload)).message
