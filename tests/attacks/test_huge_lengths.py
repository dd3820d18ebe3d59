"""Lengths and counts that promise far more than the file holds must not be allocated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from nvcodec.container import chunk_bytes
from nvcodec.container.chunks import preamble_bytes
from nvcodec.container.wire import varint
from nvcodec.errors import NvcError, UnsupportedError

Refused = Callable[..., NvcError]
STREAM = varint(64) + varint(48) + varint(8) + bytes([0, 0, 8, 1, 2, 2, 2, 0, 0])


def _frame(length: int, name: bytes) -> bytes:
    head = struct.pack(">I4s", length, name)
    return head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize("name", [b"HEAD", b"BASE", b"mETA", b"zzZZ"])
def test_chunk_of_four_gigabytes(refused: Refused, name: bytes) -> None:
    error = refused(preamble_bytes() + _frame(2**32 - 1, name))
    assert isinstance(error, UnsupportedError)
    assert "4,294,967,295 bytes, above the limit" in error.message


def test_chunk_just_below_the_limit(refused: Refused) -> None:
    assert "truncated" in refused(preamble_bytes() + _frame(2**28, b"HEAD")).message


@pytest.mark.parametrize("count", [0, 4097, 2**32, 2**64 - 1])
def test_stream_count(refused: Refused, count: int) -> None:
    head = bytes([1, 1, 0, 0, 0]) + varint(count) + STREAM
    assert "stream count" in refused(preamble_bytes() + chunk_bytes("HEAD", head)).message


def test_more_streams_than_the_payload_holds(refused: Refused) -> None:
    head = bytes([1, 1, 0, 0, 0]) + varint(4096) + STREAM
    assert "ends inside 'width'" in refused(preamble_bytes() + chunk_bytes("HEAD", head)).message


@pytest.mark.parametrize("length", [65537, 2**31, 2**64 - 1])
def test_model_configuration_length(refused: Refused, length: int) -> None:
    head = bytes([1, 1, 0, 0]) + varint(length)
    assert "model configuration" in refused(preamble_bytes() + chunk_bytes("HEAD", head)).message


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ((2**32 - 1, 1, 1), "width 4,294,967,295, above the limit"),
        ((1, 2**31, 1), "height 2,147,483,648, above the limit"),
        ((16384, 16384, 1), "268,435,456 pixels per frame, above the limit"),
        ((16, 16, 2**32 - 1), "4,294,967,295 frames, above the limit"),
        ((2**63, 16, 1), "width 9,223,372,036,854,775,808; possible"),
        ((16, 16, 2**64 - 1), "frame count 18,446,744,073,709,551,615; possible"),
    ],
)
def test_picture_sizes(refused: Refused, numbers: tuple[int, ...], complaint: str) -> None:
    stream = b"".join(map(varint, numbers)) + bytes([0, 0, 8, 1, 2, 2, 2, 0, 0])
    head = bytes([1, 1, 0, 0, 0, 1]) + stream
    assert complaint in refused(preamble_bytes() + chunk_bytes("HEAD", head)).message


@pytest.mark.parametrize("count", [65537, 2**63])
def test_digest_sample_count(honest: bytes, refused: Refused, count: int) -> None:
    digest = varint(0) + bytes(16) + varint(count) + b"\x01"
    assert f"announces {count:,} samples" in refused(honest + chunk_bytes("dGST", digest)).message


@pytest.mark.parametrize("count", [4096, 2**32, 2**64 - 1])
def test_boundary_count(honest: bytes, refused: Refused, count: int) -> None:
    base = varint(0) + varint(8) + varint(2**32 - 1) + varint(count) + b"\x01" * 4096
    error = refused(honest + chunk_bytes("BASE", base))
    assert f"announces {count + 1:,} groups of pictures; at most 4,096 are allowed" in error.message


def test_more_boundaries_than_the_payload_holds(honest: bytes, refused: Refused) -> None:
    base = varint(0) + varint(8) + varint(2**32 - 1) + varint(4095)
    assert "ends inside 'GoP length'" in refused(honest + chunk_bytes("BASE", base)).message


@pytest.mark.parametrize("length", [0, 4, 2**63, 2**64 - 1])
def test_groups_of_pictures_that_leave_no_frame(honest: bytes, refused: Refused, length: int) -> None:
    base = varint(0) + varint(8) + varint(4) + varint(1) + varint(length)
    assert (
        f"has a boundary {length:,} frames behind frame 0 of 4" in refused(honest + chunk_bytes("BASE", base)).message
    )


def test_frame_numbers_that_overflow_64_bits(honest: bytes, refused: Refused) -> None:
    wrap = varint(0) + varint(2**64 - 4) + varint(8) + varint(0)
    assert "starts at frame 18,446,744,073,709,551,612" in refused(honest + chunk_bytes("BASE", wrap)).message
