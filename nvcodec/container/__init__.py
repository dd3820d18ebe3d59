"""Chunks <-> bytes: the file format of ``bitstream_spec.md``."""

from __future__ import annotations

from nvcodec.container.chunks import ChunkInfo, chunk_bytes
from nvcodec.container.container import Container, read_container, write_container
from nvcodec.container.header import SequenceHeader, StreamHeader
from nvcodec.container.ids import Domain, IndexKind, ModelId, PriorId, RenderProfile
from nvcodec.container.index import IndexEntry, index_bytes
from nvcodec.container.limits import Limits
from nvcodec.container.metadata import MetadataValue
from nvcodec.container.segments import BaseSegment, SegmentDigest

__all__ = [
    "BaseSegment",
    "ChunkInfo",
    "Container",
    "Domain",
    "IndexEntry",
    "IndexKind",
    "Limits",
    "MetadataValue",
    "ModelId",
    "PriorId",
    "RenderProfile",
    "SegmentDigest",
    "SequenceHeader",
    "StreamHeader",
    "chunk_bytes",
    "index_bytes",
    "read_container",
    "write_container",
]
