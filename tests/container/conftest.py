"""A small file with everything in it: two streams, three segments, digests and metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import settings

from nvcodec.container import (
    BaseSegment,
    Domain,
    ModelId,
    PackSegment,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    appended,
    read_container,
    write_container,
)
from nvcodec.types import ChromaFormat, Colour, VideoFormat

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@dataclass(frozen=True)
class Sample:
    header: SequenceHeader
    segments: tuple[BaseSegment, ...]
    digests: tuple[SegmentDigest, ...]
    metadata: dict[str, str | int | float]
    data: bytes


@pytest.fixture(scope="session")
def sample() -> Sample:
    qcif = VideoFormat(176, 144, Fraction(30000, 1001), colour=Colour(6, 6, 6))
    ten_bit = VideoFormat(65, 49, None, 10, ChromaFormat.YUV420, Colour(9, 16, 9, full_range=True))
    header = SequenceHeader(
        ModelId.MSNERV, Domain.YUV420, (StreamHeader(qcif, 12, "carphone"), StreamHeader(ten_bit, 3, "é")), b"\x01cfg"
    )
    segments = (
        BaseSegment(0, 0, 8, bytes(range(20))),
        BaseSegment(1, 0, 3, b"weights"),
        BaseSegment(0, 8, 4, b"more weights" * 6, (0, 1, 3)),
    )
    digests = (SegmentDigest(0, bytes(range(16)), (0, 16, 255)), SegmentDigest(1, bytes(16), (64, 1023)))
    metadata: dict[str, str | int | float] = {"encoder": "nvc 1.0", "seed": 7, "psnr": 38.25}
    return Sample(header, segments, digests, metadata, write_container(header, segments, digests, metadata))


@pytest.fixture(scope="session")
def single(sample: Sample) -> Sample:
    """One stream of twelve frames in three segments."""
    stream = sample.header.streams[0]
    header = SequenceHeader(ModelId.TENERV, Domain.RGB, (stream,), b"")
    segments = tuple(BaseSegment(0, 4 * n, 4, b"weights %d" % n) for n in range(3))
    return Sample(header, segments, (), {}, write_container(header, segments))


Layer = Callable[..., list[PackSegment]]


@pytest.fixture(scope="session")
def layer() -> Layer:
    """Packs for the top of a file, one for each segment."""

    def make(data: bytes, payload: bytes = b"enhancement", psnr_mdb: int = 38_250) -> list[PackSegment]:
        container = read_container(data)
        top = container.layers
        return [
            PackSegment(n, top + 1, container.layer_id(n, top), 1, b"config", bytes(16), psnr_mdb, payload)
            for n in range(len(container.segments))
        ]

    return make


@pytest.fixture(scope="session")
def grown(single: Sample, layer: Layer) -> list[bytes]:
    """The single stream with no, one and two layers."""
    files = [single.data]
    for payload in (b"first", b"second"):
        files.append(files[-1] + appended(files[-1], layer(files[-1], payload)))
    return files
