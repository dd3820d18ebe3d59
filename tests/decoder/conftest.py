"""Small bitstreams of networks that were never fitted: every sample of a picture moves, and no time is lost."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch

from nvcodec.container import (
    BaseSegment,
    ModelId,
    PackModelId,
    PackSegment,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    appended,
    write_container,
)
from nvcodec.decoder.check import sample
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.decoder.render import render
from nvcodec.decoder.session import Session
from nvcodec.encoder.fit.pack import integers, load_integers
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.entropy.payload import encode_tensors
from nvcodec.models import pack_registry
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.quant.tensors import digest
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

torch.set_num_threads(1)

SMALL = VideoFormat(64, 48, Fraction(25))
CONFIG = MSNeRVConfig(
    (2, 2), (6, 4), (1, 1), (2, 2), (GridLevel(2, 1, 2),), 4, local_channels=2, local_levels=1, gop_kernels=True
)
PACK_CONFIG = EENConfig((8, 4), (3, 5), 2, 2)


def _gops(frames: int) -> tuple[int, ...]:
    """Groups of one picture, of two, of four, and the rest."""
    return tuple(start for start in (0, 1, 3, 7) if start < frames)


def _segment(video: VideoFormat, frames: int, seed: int, codes: int) -> tuple[bytes, bytes, list[int]]:
    """Payload, digest and samples of a random network whose pictures are neither flat nor saturated."""
    torch.manual_seed(seed)
    flat = FlatField(MSNeRV(CONFIG, FieldGeometry(frames, video.height, video.width, video.chroma, _gops(frames))))
    vector = flat.vector.detach().clone()
    for spec, part in zip(flat.specs, torch.split(vector, flat.sizes), strict=True):
        if spec.name.startswith("encoder.") and "window" not in spec.name:
            part.copy_(torch.randn_like(part))
        if spec.name.endswith(".deltas"):
            part.copy_(torch.randn_like(part) / 8)
        if spec.name == "head.weight":
            part.mul_(1.5)
    tensors = integers(flat, vector, torch.full((flat.n_steps,), codes))
    load_integers(flat.field, tensors)
    drawn = lambda frame: next(render(flat.field, [frame], video, 1))
    return encode_tensors(tensors), digest(tensors), list(sample(drawn, video, frames))


@pytest.fixture(scope="session")
def coded() -> Callable[..., bytes]:
    """A bitstream of one or more segments of ``frames`` frames each, with digests."""

    def make(
        video: VideoFormat = SMALL,
        frames: tuple[int, ...] = (8,),
        *,
        digests: bool = True,
        codes: int = -32,
        change: Callable[[SegmentDigest], SegmentDigest] = lambda digest: digest,
    ) -> bytes:
        domain = Domain.RGB if video.chroma is ChromaFormat.RGB else Domain.YUV420
        header = SequenceHeader(ModelId.MSNERV, domain, (StreamHeader(video, sum(frames), "waves"),), CONFIG.to_bytes())
        parts = [_segment(video, count, index, codes) for index, count in enumerate(frames)]
        segments = [
            BaseSegment(0, sum(frames[:index]), count, parts[index][0], _gops(count))
            for index, count in enumerate(frames)
        ]
        checks = [SegmentDigest(index, part[1], tuple(part[2])) for index, part in enumerate(parts)]
        return write_container(header, segments, map(change, checks) if digests else (), {"creator": "test"})

    return make


def _network(session: Session, ordinal: int, seed: int, config: EENConfig) -> tuple[bytes, bytes]:
    """Payload and digest of a random enhancement network whose residuals show."""
    geometry = session.geometry(session.container.segments[ordinal])
    base = session.config.pyramid(geometry)
    torch.manual_seed(100 * seed + ordinal)
    below = FinishedLayers(session.field(ordinal), 0)
    flat = FlatField(pack_registry.build(config, geometry, base, below))
    vector = 0.2 * torch.randn_like(flat.vector)
    tensors = integers(flat, vector, torch.full((flat.n_steps,), -32))
    return encode_tensors(tensors), digest(tensors)


@pytest.fixture(scope="session")
def layered() -> Callable[..., bytes]:
    """A bitstream with one more layer, of random networks; ``change`` may spoil each of its packs."""

    def make(
        data: bytes,
        *,
        seed: int = 0,
        config: EENConfig = PACK_CONFIG,
        change: Callable[[PackSegment], PackSegment] = lambda pack: pack,
    ) -> bytes:
        session = Session(data)
        container, packs = session.container, []
        for ordinal in range(len(container.segments)):
            payload, checked = _network(session, ordinal, seed, config)
            parent, layer = container.layer_id(ordinal, container.layers), container.layers + 1
            pack = PackSegment(ordinal, layer, parent, PackModelId.EEN, config.to_bytes(), checked, 30_000, payload)
            packs.append(change(pack))
        return data + appended(data, packs)

    return make


@pytest.fixture(scope="session")
def close() -> Callable[[list[Planes], list[Planes]], bool]:
    """Whether all samples of two clips differ by at most one, and few by that."""

    def compare(first: list[Planes], second: list[Planes]) -> bool:
        worst = total = count = 0
        for one, two in zip(first, second, strict=True):
            for a, b in zip(one, two, strict=True):
                difference = abs(a.astype(int) - b.astype(int))
                worst, total, count = max(worst, int(difference.max())), total + difference.sum(), count + a.size
        return worst <= 1 and total / count < 0.01

    return compare
