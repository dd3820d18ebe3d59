"""Chunks <-> bytes: the file format of ``bitstream_spec.md``."""

from __future__ import annotations

from nvcodec.container.append import (
    MissingLayerError,
    appended,
    check_appendable,
    is_pack_file,
    layer_bytes,
    layers_end,
    pack_file,
    pack_frames,
    read_pack_file,
    stripped,
    without_previews,
)
from nvcodec.container.chunks import ChunkInfo, chunk_bytes
from nvcodec.container.container import Container, read_container, write_container
from nvcodec.container.header import SequenceHeader, StreamHeader
from nvcodec.container.ids import Domain, IndexKind, KeyFrameCodec, ModelId, PackModelId, PriorId, RenderProfile
from nvcodec.container.index import IndexEntry, index_bytes
from nvcodec.container.keyframes import KeyFrames
from nvcodec.container.layers import counted, no_layer
from nvcodec.container.limits import Limits
from nvcodec.container.metadata import MetadataValue
from nvcodec.container.packs import PackSegment, base_id
from nvcodec.container.previews import PREVIEW_DIVISORS, PreviewHead
from nvcodec.container.segments import BaseSegment, SegmentDigest
from nvcodec.container.side_data import SideDataId, StreamSideData

__all__ = [
    "PREVIEW_DIVISORS",
    "BaseSegment",
    "ChunkInfo",
    "Container",
    "Domain",
    "IndexEntry",
    "IndexKind",
    "KeyFrameCodec",
    "KeyFrames",
    "Limits",
    "MetadataValue",
    "MissingLayerError",
    "ModelId",
    "PackModelId",
    "PackSegment",
    "PreviewHead",
    "PriorId",
    "RenderProfile",
    "SegmentDigest",
    "SequenceHeader",
    "SideDataId",
    "StreamHeader",
    "StreamSideData",
    "appended",
    "base_id",
    "check_appendable",
    "chunk_bytes",
    "counted",
    "index_bytes",
    "is_pack_file",
    "layer_bytes",
    "layers_end",
    "no_layer",
    "pack_file",
    "pack_frames",
    "read_container",
    "read_pack_file",
    "stripped",
    "without_previews",
    "write_container",
]
