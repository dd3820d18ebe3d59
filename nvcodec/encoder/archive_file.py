"""The bytes of an archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nvcodec.container import (
    BaseSegment,
    KeyFrameCodec,
    KeyFrames,
    MetadataValue,
    ModelId,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    write_container,
)
from nvcodec.decoder.check import sample
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.parts.key_coder import CodedKeys
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.types import Domain, Planes

_GROWTH = 9
"""Bytes by which numbers in front of a payload, and the metadata, may grow when it is there."""


@dataclass(frozen=True)
class ArchiveFile:
    """What is in the file whatever the fit leads to."""

    names: Sequence[str]
    clips: Sequence[Clip]
    metadata: dict[str, MetadataValue]

    def to_bytes(
        self,
        keys: CodedKeys,
        network: DNeRVConfig,
        payload: bytes,
        digests: Sequence[SegmentDigest] = (),
        direct: Sequence[tuple[bool, ...]] | None = None,
    ) -> bytes:
        """The whole file.

        Args:
            keys: Key frames of all videos.
            network: Shape of the network.
            payload: Its parameters, coded.
            digests: Of what is drawn.
            direct: For each video, which of its key frames are shown as they are; None = none.
        """
        streams = tuple(
            StreamHeader(clip.format, len(clip), name) for name, clip in zip(self.names, self.clips, strict=True)
        )
        header = SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, network.to_bytes())
        segments = [
            BaseSegment(index, 0, len(clip), payload if index == 0 else b"") for index, clip in enumerate(self.clips)
        ]
        none = [tuple(False for _ in packets) for packets in keys.packets]
        coded = {
            index: KeyFrames(KeyFrameCodec.AV1, keys.group, flags, tuple(packets))
            for index, (flags, packets) in enumerate(zip(direct or none, keys.packets, strict=True))
        }
        return write_container(header, segments, digests, self.metadata, key_frames=coded)

    def overhead(self, keys: CodedKeys, network: DNeRVConfig) -> int:
        """Bytes of the file that are not coded parameters, or a few more."""
        digests = []
        for index, clip in enumerate(self.clips):
            first, second, third = (np.full_like(plane, clip.format.peak) for plane in clip.frame(0))
            white = first, second, third
            digests.append(SegmentDigest(index, bytes(16), sample(_always(white), clip.format, len(clip))))
        return len(self.to_bytes(keys, network, b"", digests)) + _GROWTH


def _always(planes: Planes) -> Callable[[int], Planes]:
    return lambda _: planes
