"""Text of the file that ends up on a terminal must not steer it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from nvcodec.container import chunk_bytes, read_container
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]


@pytest.mark.parametrize("name", ["\x1b[2Jx", "a\nbcde", "a\rbcde", "\x07" * 6, "\x9b2Jab"])
def test_stream_name(honest: bytes, refused: Refused, name: str) -> None:
    head = read_container(honest).chunks[0]
    payload = head.payload(honest).replace(b"\x06honest", bytes([len(name.encode())]) + name.encode())
    error = refused(honest[:10] + chunk_bytes("HEAD", payload) + honest[head.end :])
    assert "control characters in the stream name" in error.message


@pytest.mark.parametrize("chunk_type", [b"\x1b[2J", b"\n\n\n\n", b"\xff\xfe\x00\x01"])
def test_chunk_type(honest: bytes, refused: Refused, chunk_type: bytes) -> None:
    head = struct.pack(">I4s", 0, chunk_type)
    framed = head + struct.pack(">II", zlib.crc32(head), zlib.crc32(chunk_type))
    assert "not four letters" in refused(honest + framed).message


def test_metadata_key(honest: bytes, refused: Refused) -> None:
    refused(honest + chunk_bytes("mETA", zlib.compress(b'{"\\u001b[2J":null}')))
