"""Every single bit flipped, every possible cut, and what random changes do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.container import ChunkInfo, chunk_bytes, read_container
from nvcodec.container.chunks import PREAMBLE_BYTES, preamble_bytes
from nvcodec.container.ids import CHUNK_TYPES, SIGNATURE, VERSION
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError

if TYPE_CHECKING:
    from conftest import Sample


def _chunk_at(chunks: tuple[ChunkInfo, ...], byte: int) -> ChunkInfo:
    return next(chunk for chunk in chunks if chunk.offset <= byte < chunk.end)


def test_every_flipped_bit_is_found_and_named(sample: Sample) -> None:
    chunks = read_container(sample.data).chunks
    assert 400 <= len(sample.data) <= 600
    for byte in range(len(sample.data)):
        in_version = len(SIGNATURE) <= byte < PREAMBLE_BYTES
        for bit in range(8):
            damaged = bytearray(sample.data)
            damaged[byte] ^= 1 << bit
            if in_version and tuple(damaged[8:10]) <= VERSION and damaged[8] == VERSION[0]:
                assert read_container(bytes(damaged)).segments == read_container(sample.data).segments
                continue  # a later version than needed, which changes nothing
            with pytest.raises(UnsupportedError if in_version else BitstreamError) as caught:
                read_container(bytes(damaged))
            message = caught.value.message
            if byte < len(SIGNATURE):
                assert "signature" in message
            elif in_version:
                assert "version" in message
            else:
                chunk = _chunk_at(chunks, byte)
                in_type = 4 <= byte - chunk.offset < 8
                assert message.startswith("chunk " if in_type else f"chunk '{chunk.type}'")
                assert f" at byte {chunk.offset} " in message
                assert "truncated" not in message


def test_every_cut_is_reported(sample: Sample) -> None:
    whole = read_container(sample.data)
    first = whole.index[0].offset
    readable_from = next(chunk.end for chunk in whole.chunks if chunk.offset == first)
    for cut in range(len(sample.data)):
        prefix = sample.data[:cut]
        if cut < readable_from:
            with pytest.raises(BitstreamError, match="truncated"):
                read_container(prefix)
            continue
        container = read_container(prefix)
        assert "has no index: the file was cut or not finished" in container.warnings
        ends = [chunk.end for chunk in whole.chunks]
        assert any("is truncated" in warning for warning in container.warnings) == (cut not in ends)
        expected = [
            s for s, e in zip(whole.segments, whole.index, strict=True) if _chunk_at(whole.chunks, e.offset).end <= cut
        ]
        assert list(container.segments) == expected
        assert container.metadata == whole.metadata
        assert container.digests.items() <= whole.digests.items()
        assert container.chunks == whole.chunks[: len(container.chunks)]


def test_cut_before_the_first_segment_says_what_was_found(sample: Sample) -> None:
    base = read_container(sample.data).index[0].offset
    with pytest.raises(BitstreamError) as caught:
        read_container(sample.data[: base + 20])
    assert caught.value.message == f"chunk 'BASE' at byte {base} is truncated: 20 of 40 bytes are there"
    assert caught.value.hint.startswith("Found before the cut: HEAD, mETA;")


@settings(max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_never_crash(data: bytes, signed: bool) -> None:
    with pytest.raises(NvcError):
        read_container(preamble_bytes() + data if signed else data)


@settings(max_examples=300)
@given(data=st.data())
def test_random_payloads_with_good_checksums_never_crash(sample: Sample, data: st.DataObject) -> None:
    """Checksums only stop accidents: the parsers behind them must stand on their own."""
    whole = read_container(sample.data)
    mutated = preamble_bytes()
    for chunk in whole.chunks:
        payload = bytearray(chunk.payload(sample.data))
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3)):
            payload[at % (len(payload) + 1) : at % (len(payload) + 1) + value % 3] = bytes([value])
        mutated += chunk_bytes(chunk.type, bytes(payload))
    _read_or_refuse(mutated)


@settings(max_examples=300)
@given(data=st.data())
def test_shuffled_and_invented_chunks_never_crash(sample: Sample, data: st.DataObject) -> None:
    original = [chunk_bytes(c.type, c.payload(sample.data)) for c in read_container(sample.data).chunks]
    invented = st.builds(chunk_bytes, st.sampled_from([*CHUNK_TYPES, "abCD"]), st.binary(max_size=30))
    chunks = data.draw(st.lists(st.sampled_from(original) | invented, max_size=8))
    _read_or_refuse(preamble_bytes() + original[0] + b"".join(chunks))


def _read_or_refuse(data: bytes) -> None:
    try:
        container = read_container(data)
    except NvcError as error:
        assert error.exit_code in (4, 5)
        assert "\n" not in error.message
        assert error.message.isprintable()
    else:
        assert container.segments
