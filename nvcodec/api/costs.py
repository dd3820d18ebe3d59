"""What layers, previews and key frames of a bitstream cost and are worth, without drawing them. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nvcodec.container import PREVIEW_DIVISORS, PackSegment, layer_bytes
from nvcodec.decoder.previews import head_shape
from nvcodec.decoder.session import Session
from nvcodec.errors import NvcError


@dataclass(frozen=True)
class LayerInfo:
    """What one layer is and costs."""

    layer: int
    """0: the base."""
    bytes: int
    """What the file is longer by; over all layers the size of the file."""
    psnr_db: float | None
    """Of the pictures with this layer and all below, as the encoder measured and stored it: 6:1:1 over Y, U and V, in
    the domain ``rgb`` over R, G and B. None: not stored."""
    parameters: int | None
    """Coded numbers; None: this version does not know the network, or cannot make sense of it."""
    ids: tuple[str, ...]
    """By segment, hexadecimal: what a layer on top of this one says that it was made for."""


def layer_infos(session: Session) -> tuple[LayerInfo, ...]:
    """The base, then the enhancement layers that every segment has."""
    container, own = session.container, networks(session)
    sizes = layer_bytes(container, session.size)
    stored = container.metadata.get("psnr")
    psnr_db = None if stored is None or isinstance(stored, str) else float(stored)
    parameters = sum(spec.size for ordinal in own for spec in session.specs(container.segments[ordinal]))
    infos = [LayerInfo(0, sizes[0], psnr_db, parameters, _ids(session, 0))]
    for layer in range(1, container.layers + 1):
        packs = [container.pack(ordinal, layer) for ordinal in range(len(container.segments))]
        quality, count = _psnr_db(session, packs), _parameters(session, packs)
        infos.append(LayerInfo(layer, sizes[layer], quality, count, _ids(session, layer)))
    return tuple(infos)


def _ids(session: Session, layer: int) -> tuple[str, ...]:
    return tuple(pile[layer].hex() for pile in session.container.layer_ids)


def networks(session: Session) -> list[int]:
    """The segments that have parameters of their own: all, but where several share a network."""
    return [ordinal for ordinal in range(len(session.container.segments)) if session.owner(ordinal) == ordinal]


def _psnr_db(session: Session, packs: list[PackSegment]) -> float | None:
    """Mean over frames, as that of each segment is one."""
    if not all(pack.psnr_mdb for pack in packs):
        return None
    frames = [session.container.segments[pack.segment].frames for pack in packs]
    total_mdb = sum(pack.psnr_mdb * count for pack, count in zip(packs, frames, strict=True))
    return round(total_mdb / sum(frames) / 1000, 3)


def _parameters(session: Session, packs: list[PackSegment]) -> int | None:
    try:
        return sum(spec.size for pack in packs for spec in session.pack_specs(pack))
    except NvcError:  # which is the business of whoever wants to use the layer
        return None


@dataclass(frozen=True)
class KeyFrameInfo:
    """The key frames of one stream."""

    count: int
    bytes: int
    """Of their packets."""
    direct: int
    """How many are shown as they are, not drawn by the network."""
    problem: str | None
    """Why some are not there, or cannot be used; None: all can."""


def key_frame_info(session: Session, stream: int) -> KeyFrameInfo:
    """What there is of a stream of an archive."""
    container = session.container
    ordinals = [ordinal for ordinal, segment in enumerate(container.segments) if segment.stream == stream]
    usable = [container.key_frames[ordinal] for ordinal in ordinals if ordinal in container.key_frames]
    needy = [ordinal for ordinal in ordinals if session.config.key_times(container.segments[ordinal].frames)]
    lost = [ordinal for ordinal in needy if ordinal not in container.key_frames]
    return KeyFrameInfo(
        count=sum(len(keys.packets) for keys in usable),
        bytes=sum(len(packet) for keys in usable for packet in keys.packets),
        direct=sum(sum(keys.direct) for keys in usable),
        problem=container.key_frame_problems.get(lost[0], "missing") if lost else None,
    )


@dataclass(frozen=True)
class PreviewInfo:
    """The previews of one size."""

    segments: int
    """How many segments have one that can be used."""
    bytes: int
    """Of their coded parameters."""
    parameters: int
    """Coded numbers."""


def preview_infos(session: Session) -> Mapping[int, PreviewInfo]:
    """What there is, by divisor; sizes without a preview are absent."""
    found = {}
    for divisor in PREVIEW_DIVISORS:
        heads = [head for head in session.container.previews.values() if head.divisor == divisor]
        shapes = []
        for head in heads:
            try:
                shapes.append((head_shape(session, head), len(head.payload)))
            except NvcError:  # whoever draws with it goes the longer way
                continue
        if shapes:
            size, parameters = sum(size for _, size in shapes), sum(shape.parameters for shape, _ in shapes)
            found[divisor] = PreviewInfo(len(shapes), size, parameters)
    return found
