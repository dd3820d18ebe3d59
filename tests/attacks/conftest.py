"""An honest little file for attackers to start from."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from nvcodec.container import (
    BaseSegment,
    Domain,
    ModelId,
    PackSegment,
    SequenceHeader,
    StreamHeader,
    appended,
    read_container,
    write_container,
)
from nvcodec.errors import NvcError
from nvcodec.types import VideoFormat


@pytest.fixture
def honest() -> bytes:
    """64x48, two segments of four frames."""
    header = SequenceHeader(ModelId.MSNERV, Domain.YUV420, (StreamHeader(VideoFormat(64, 48), 8, "honest"),), b"")
    return write_container(header, [BaseSegment(0, 0, 4, b"first"), BaseSegment(0, 4, 4, b"second")])


@pytest.fixture
def grown(honest: bytes) -> list[bytes]:
    """The honest file with no, one and two enhancement layers."""
    files = [honest]
    for layer in (1, 2):
        below = read_container(files[-1])
        packs = [
            PackSegment(n, layer, below.layer_id(n, layer - 1), 1, b"config", bytes(16), 38_250, b"layer %d" % layer)
            for n in range(2)
        ]
        files.append(files[-1] + appended(files[-1], packs))
    return files


@pytest.fixture
def refused() -> Callable[..., NvcError]:
    """Read a hostile file: it must be refused cleanly, within ``max_bytes`` of memory on top of the file."""

    def read(data: bytes, max_bytes: int = 8 << 20) -> NvcError:
        tracemalloc.start()
        try:
            with pytest.raises(NvcError) as caught:
                read_container(data)
            assert tracemalloc.get_traced_memory()[1] < max_bytes
        finally:
            tracemalloc.stop()
        assert caught.value.exit_code in (4, 5)
        assert caught.value.message.isprintable()
        return caught.value

    return read
