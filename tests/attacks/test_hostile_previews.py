"""Whatever is done to the previews of a file, its base plays."""

from __future__ import annotations

import time
import tracemalloc

from nvcodec.container import PreviewHead, chunk_bytes, read_container
from nvcodec.container.wire import varint


def _seen(honest: bytes, count: int = 2) -> bytes:
    heads = (PreviewHead(n, divisor, 1, 8, b"head") for n in range(count) for divisor in (2, 4, 8))
    return honest + b"".join(chunk_bytes("pREV", head.to_bytes()) for head in heads)


def test_every_cut_and_every_flipped_bit(honest: bytes) -> None:
    data = _seen(honest)
    whole = read_container(data)
    assert len(whole.previews) == 6
    for at in range(len(honest), len(data)):
        assert read_container(data[:at]).segments == whole.segments
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            container = read_container(bytes(damaged))
            assert container.segments == whole.segments and container.warnings
            assert container.previews.items() < whole.previews.items()


def test_numbers_that_promise_gigabytes(honest: bytes) -> None:
    """The container keeps what is written; whoever draws looks at the network."""
    huge = varint(0) + varint(2) + varint(2**64 - 1) + varint(2**64 - 1)
    container = read_container(honest + chunk_bytes("pREV", huge))
    assert container.previews == {(0, 2): PreviewHead(0, 2, 2**64 - 1, 2**64 - 1, b"")}
    for payload in (varint(2**64 - 1) + b"\2\1\1", b"\0" + varint(2**64 - 1) + b"\1\1", b"\xff" * 11):
        container = read_container(honest + chunk_bytes("pREV", payload))
        assert container.previews == {} and len(container.warnings) == 1


def test_flood(honest: bytes) -> None:
    """Of any number of previews for one place one is kept, and there is one warning."""
    one = chunk_bytes("pREV", PreviewHead(0, 2, 1, 8, b"head").to_bytes())
    data = honest + one * 5_000
    started = time.process_time()
    tracemalloc.start()
    try:
        container = read_container(data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 3
    assert len(container.previews) == 1 and len(container.warnings) == 1
