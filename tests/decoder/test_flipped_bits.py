"""Damage to a whole file: refused with a clean error, or noticed by the digest; never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import pytest

from nvcodec.container import SegmentDigest
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError

Coded = Callable[..., bytes]


def _flipped(data: bytes, byte: int, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[byte] ^= 1 << bit
    return bytes(damaged)


def _read(data: bytes) -> None:
    reader = VideoReader(data)
    for ordinal in range(len(reader.session.container.segments)):
        reader.session.integers(ordinal)


def test_every_byte_of_a_file(coded: Coded) -> None:
    data = coded(frames=(2, 2))
    _read(data)
    chunks = VideoReader(data).session.container.chunks
    headers = {*range(10), *(c.offset + n for c in chunks for n in range(12))}
    headers |= set(range(chunks[0].offset, chunks[0].end))
    rng = random.Random(0)
    for byte in range(len(data)):
        for bit in range(8) if byte in headers else [rng.randrange(8)]:
            if (byte, bit) in ((9, 0), (9, 1)):  # version 1.1 or 1.2 instead of 1.0, which can hold all the same
                _read(_flipped(data, byte, bit))
                continue
            with pytest.raises((BitstreamError, UnsupportedError)) as caught:
                _read(_flipped(data, byte, bit))
            assert caught.value.message.isprintable()


def test_damage_under_correct_checksums(coded: Coded) -> None:
    """Whoever mends the checksums reaches the parser behind them: still no crash, and the digest notices."""
    data = coded(frames=(2,))
    container = VideoReader(data).session.container
    rng = random.Random(1)
    for chunk in container.chunks:
        start, end = chunk.offset + 12, chunk.end - 4
        for byte in rng.sample(range(start, end), min(end - start, 80)):
            damaged = bytearray(_flipped(data, byte, rng.randrange(8)))
            damaged[end : end + 4] = crc32(damaged[start:end], crc32(chunk.type.encode())).to_bytes(4, "big")
            try:
                reader = VideoReader(bytes(damaged))
                if chunk.type in ("BASE", "dGST"):
                    check_segment(reader, 0)
            except NvcError as error:
                assert error.exit_code in (4, 5)
            else:
                # what is left is harmless: labels, colours, frame rate, or a sample within its tolerance
                assert chunk.type in ("HEAD", "mETA", "dGST", "BASE")


def test_other_integers_are_noticed(coded: Coded) -> None:
    change: Callable[[SegmentDigest], SegmentDigest] = lambda d: replace(d, integers=bytes(16))
    with pytest.raises(BitstreamError, match="segment 0 decodes to other integers"):
        check_segment(VideoReader(coded(frames=(2,), change=change)), 0)


@pytest.mark.parametrize(("offset", "accepted"), [(1, True), (-1, True), (2, False), (-2, False)])
def test_other_pictures_are_noticed(coded: Coded, offset: int, accepted: bool) -> None:
    def change(digest: SegmentDigest) -> SegmentDigest:
        middle = max(range(len(digest.samples)), key=lambda index: 2 <= digest.samples[index] <= 253)
        samples = list(digest.samples)
        samples[middle] += offset
        return replace(digest, samples=tuple(samples))

    reader = VideoReader(coded(frames=(2,), change=change))
    if accepted:
        check_segment(reader, 0)
        return
    with pytest.raises(BitstreamError, match="2 code values"):
        check_segment(reader, 0)


def test_a_digest_of_another_length(coded: Coded) -> None:
    change: Callable[[SegmentDigest], SegmentDigest] = lambda d: replace(d, samples=d.samples[:-1])
    with pytest.raises(BitstreamError, match="23 samples, not 24"):
        check_segment(VideoReader(coded(frames=(2,), change=change)), 0)


def test_segments_without_digest_play_but_fail_the_check(coded: Coded) -> None:
    reader = VideoReader(coded(frames=(2,), digests=False))
    assert len(list(reader.frames())) == 2
    with pytest.raises(BitstreamError, match="no digest"):
        check_segment(reader, 0)
