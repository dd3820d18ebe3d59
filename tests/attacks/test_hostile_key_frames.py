"""Key frames that promise far more than they hold: they cost their own segment, and next to no memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from nvcodec.container import chunk_bytes, read_container
from nvcodec.container.wire import varint
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]


def _problem(honest: bytes, payload: bytes, max_bytes: int = 1 << 20) -> str:
    """What is said of key frames put in front of the first segment, within ``max_bytes`` on top of the file."""
    whole = read_container(honest)
    first, index = whole.index[0].offset, whole.chunks[-1].offset
    data = honest[:first] + chunk_bytes("KEYF", payload) + honest[first:index]
    tracemalloc.start()
    try:
        container = read_container(data)
        assert tracemalloc.get_traced_memory()[1] < max_bytes + len(payload)
    finally:
        tracemalloc.stop()
    assert container.segments == whole.segments and container.key_frames == {}
    assert list(container.key_frame_problems) == [0]
    assert all(warning.isprintable() for warning in container.warnings)
    return container.key_frame_problems[0]


@pytest.mark.parametrize("count", [2**20 + 1, 2**32, 2**63, 2**64 - 1])
def test_more_key_frames_than_are_allowed(honest: bytes, count: int) -> None:
    problem = _problem(honest, b"\1\1" + varint(count) + bytes(1000))
    assert f"announces {count:,} key frames; possible are 1 to 1,048,576" in problem


@pytest.mark.parametrize("count", [501, 2**20])
def test_more_key_frames_than_the_payload_holds(honest: bytes, count: int) -> None:
    assert f"announces {count:,} key frames in 1,000 bytes" in _problem(honest, b"\1\1" + varint(count) + bytes(1000))


@pytest.mark.parametrize("length", [7, 2**31, 2**63, 2**64 - 1])
def test_key_frames_longer_than_the_payload(honest: bytes, length: int) -> None:
    problem = _problem(honest, b"\1\1\2\0\1*" + varint(length) + b"packet")
    assert f"ends inside 'key frame': {length:,} bytes needed, 6 left" in problem


@pytest.mark.parametrize("field", [b"\1" + b"\xff" * 10, b"\1\1" + b"\xff" * 10, b"\1\1\1\0" + b"\xff" * 10])
def test_numbers_that_do_not_end(honest: bytes, field: bytes) -> None:
    assert "of more than 64 bits" in _problem(honest, field)


def test_thousands_of_empty_key_frames(honest: bytes) -> None:
    """The first of them ends the reading."""
    assert "has a key frame of no bytes" in _problem(honest, b"\1\1" + varint(2**16) + bytes(2**18), 2 << 20)


def test_flood_of_key_frames_for_one_segment(honest: bytes, refused: Refused) -> None:
    error = refused(honest + chunk_bytes("KEYF", b"") * 5_000)
    assert "is a second one in front of the same segment" in error.message
    assert error.hint.startswith("Segments 0-1")
