"""Layers put on a finished file, taken off again, and carried as files of their own. Bytes in, bytes out.

base file        HEAD [mETA] [KEYF] BASE [dGST] ... iNDX
appended         pACK pACK ... iNDX      one pACK for each segment; the index lists the whole file
pack file        pACK pACK ... iNDX      behind signature and version, without HEAD
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from nvcodec.container import ids
from nvcodec.container.chunks import (
    ChunkInfo,
    announced_type,
    chunk_bytes,
    iter_chunks,
    naming,
    preamble_bytes,
    read_preamble,
)
from nvcodec.container.container import Container, read_container
from nvcodec.container.index import IndexEntry, index_bytes, iter_index
from nvcodec.container.layers import counted
from nvcodec.container.limits import DEFAULT_LIMITS, Limits
from nvcodec.container.packs import PackSegment
from nvcodec.errors import BitstreamError, UnsupportedError

_ONE_FILE = "A layer fits only the very file it was made for, with all layers below it and none above"


class MissingLayerError(BitstreamError):
    """The layer between a file and the one that is to be put on it is not there."""


def appended(data: bytes, packs: Sequence[PackSegment], limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes that put one more layer on a file when they are written behind its last byte.

    Args:
        data: The whole file as it is.
        packs: One for each segment, in order of segments.
        limits: What to accept of the file, and what readers are expected to accept of the result.

    Raises:
        BitstreamError: The packs were not made for the top layer of this file, or its end is damaged.
        MissingLayerError: They were made for a layer that is not there yet.
        UnsupportedError: The file, with or without the layer, is above a limit.
    """
    container = read_container(data, limits)
    check_appendable(container, data)
    layer = container.layers + 1
    if [pack.segment for pack in packs] != list(range(len(container.segments))):
        count = len(container.segments)
        raise BitstreamError(
            f"has {count} segment{'' if count == 1 else 's'}; the layer is for {_listed(packs)}", _ONE_FILE
        )
    for pack in packs:
        _check_parent(container, pack, layer)
    out, entries = bytearray(), list(container.index)
    for pack in packs:
        base = container.segments[pack.segment]
        offset = len(data) + len(out)
        entries.append(IndexEntry(ids.IndexKind.PACK, base.stream, layer, base.first_frame, base.frames, offset))
        out += chunk_bytes(ids.PACK, pack.to_bytes())
    out += chunk_bytes(ids.INDX, index_bytes(entries))
    read_container(data + bytes(out), limits)  # Never hand out what a reader would refuse.
    return bytes(out)


def check_appendable(container: Container, data: bytes) -> None:
    """Refuse to build on what is not whole; worth asking before hours go into a layer.

    Args:
        container: The file taken apart.
        data: The whole file.

    Raises:
        BitstreamError: The base is not finished or not sound, or something behind it cannot be used.
    """
    frames = Counter[int]()
    for segment in container.segments:
        frames[segment.stream] += segment.frames
    is_complete = all(frames[i] == stream.frames for i, stream in enumerate(container.header.streams))
    if not (is_complete and any(chunk.type == ids.INDX for chunk in container.chunks)):
        missing = "has no index" if is_complete else "holds only a part of the frames"
        raise BitstreamError(f"{missing}: only a finished file takes a layer", "Get the whole file, then try again")
    if container.key_frame_problems:
        problem = next(iter(container.key_frame_problems.values()))
        raise BitstreamError(f"cannot be drawn everywhere: {problem}", "Get the file once more, then try again")
    if layers_end(container, data, container.layers) < len(data):
        raise BitstreamError(
            f"has something behind its layers that cannot be used: {container.warnings[0]}",
            f"Remove it with:  nvc strip FILE --layers {container.layers}",
        )


def stripped(data: bytes, layers: int, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The file as it was before its layers above the first ``layers`` were appended: a prefix of it.

    What cannot be used behind them (a damaged pack, a cut chunk) goes with the layers.

    Args:
        data: The whole file.
        layers: Enhancement layers to keep; 0 keeps the base alone.
        limits: What to accept of the file.

    Raises:
        BitstreamError: The file has fewer layers, or they are in an order that has no such prefix.
        UnsupportedError: The file is above a limit.
    """
    container = read_container(data, limits)
    if layers > container.layers:
        raise BitstreamError(f"has no layer {layers}: it holds {counted(container.layers)}")
    end = layers_end(container, data, layers)
    if max(entry.offset for entry in container.index if entry.layer <= layers) >= end:
        raise BitstreamError("holds its layers in an order of which nothing can be cut off at the end")
    return data[:end]


def without_previews(data: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The file without its previews, damaged and cut ones included; where none is left out, the same bytes.

    What stands behind them moves forward, and every index says so. No layer is made for another base by that.

    Args:
        data: The whole file.
        limits: What to accept of the file.

    Raises:
        BitstreamError: The file is damaged.
        UnsupportedError: The file is above a limit.
    """
    container = read_container(data, limits)
    out, moved = bytearray(preamble_bytes(container.version[1])), dict[int, int]()
    for chunk in container.chunks:
        if chunk.type == ids.PREV:
            continue
        moved[chunk.offset] = len(out)
        if chunk.type == ids.INDX and chunk.is_sound(data):
            listed = iter_index(chunk.payload(data))
            entries = (replace(entry, offset=moved.get(entry.offset, entry.offset)) for entry in listed)
            out += chunk_bytes(ids.INDX, index_bytes(entries))
        else:
            out += data[chunk.offset : chunk.end]
    end = container.chunks[-1].end
    return bytes(out) if announced_type(data, end) == ids.PREV else bytes(out) + data[end:]


def layer_bytes(container: Container, size: int) -> list[int]:
    """What the base and each layer take of a file of ``size`` bytes, together all of it.

    Entry k, but 0, is what :func:`stripped` to k - 1 layers saves over k layers.
    """
    first = {entry.layer: entry.offset for entry in reversed(container.index) if entry.layer > 0}
    starts = [0, *(first[layer] for layer in range(1, container.layers + 1)), size]
    return [end - start for start, end in zip(starts, starts[1:], strict=False)]


def pack_file(container: Container, layer: int) -> bytes:
    """A layer as a file of its own.

    Args:
        container: The file that holds it.
        layer: 1 to ``container.layers``.
    """
    out, entries = bytearray(preamble_bytes()), []
    for ordinal, base in enumerate(container.segments):
        entries.append(IndexEntry(ids.IndexKind.PACK, base.stream, layer, base.first_frame, base.frames, len(out)))
        out += chunk_bytes(ids.PACK, container.pack(ordinal, layer).to_bytes())
    return bytes(out + chunk_bytes(ids.INDX, index_bytes(entries)))


def read_pack_file(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[PackSegment]:
    """Read a layer that is a file of its own; unlike a video it must be whole.

    Raises:
        BitstreamError: This is no such file, or it is damaged or cut.
        UnsupportedError: It needs a later version, or is above a limit.
    """
    limits.check("max_file_bytes", len(data), "is {} bytes long")
    read_preamble(data)
    packs: list[PackSegment] = []
    entries: list[IndexEntry] = []
    is_closed = False
    for chunk in iter_chunks(data, limits):
        with naming(chunk):
            chunk.check(data)
        if chunk.type == ids.HEAD:
            raise BitstreamError("is a video, not a layer", "Take a layer out of it with:  nvc extract-layer")
        with naming(chunk):
            if chunk.type == ids.PACK:
                packs.append(PackSegment.from_bytes(chunk.payload(data)))
                entries.append(IndexEntry(ids.IndexKind.PACK, 0, packs[-1].layer, 0, 0, chunk.offset))
            elif chunk.type == ids.INDX:
                _check_pack_index(chunk, data, entries)
            elif ids.is_critical(chunk.type):
                raise UnsupportedError("is needed to use the layer, and this nvc cannot read it", ids.UPGRADE_HINT)
        is_closed = chunk.type == ids.INDX or (is_closed and chunk.type != ids.PACK)
    if not packs or not is_closed:
        raise BitstreamError("has no index behind its packs: the file was cut or not finished")
    return packs


def pack_frames(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[int]:
    """How many frames each segment has that the packs of a file are for, which :func:`read_pack_file` has read."""
    index = next(chunk for chunk in iter_chunks(data, limits) if chunk.type == ids.INDX)
    return [entry.frames for entry in iter_index(index.payload(data)) if entry.kind == ids.IndexKind.PACK]


def is_pack_file(data: bytes, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether a file begins as a layer that is a file of its own does.

    Raises:
        BitstreamError: It is damaged.
        UnsupportedError: It needs a later version.
    """
    read_preamble(data)
    return any(chunk.type == ids.PACK for chunk in islice(iter_chunks(data, limits), 1))


def _check_pack_index(chunk: ChunkInfo, data: bytes, expected: list[IndexEntry]) -> None:
    # streams and frames are known to the base only
    known = [entry for entry in iter_index(chunk.payload(data)) if entry.kind in ids.IndexKind._value2member_map_]
    if [replace(entry, stream=0, first_frame=0, frames=0) for entry in known] != expected:
        raise BitstreamError("disagrees with the packs in front of it")


def layers_end(container: Container, data: bytes, layers: int) -> int:
    """Byte at which a file ends with ``layers`` layers and nothing that cannot be used."""
    kept = {entry.offset for entry in container.index if entry.layer <= layers}
    last_base = max(entry.offset for entry in container.index if entry.kind == ids.IndexKind.BASE)
    for chunk in container.chunks:
        # damage of these harms nothing else: they stay
        is_harmless = chunk.type in (ids.PREV, ids.SIDE) or (chunk.type == ids.KEYF and chunk.offset < last_base)
        if chunk.offset not in kept and (chunk.type == ids.PACK or not (is_harmless or chunk.is_sound(data))):
            return chunk.offset
    return container.chunks[-1].end


def _check_parent(container: Container, pack: PackSegment, layer: int) -> None:
    held = counted(layer - 1)
    if pack.layer > layer:
        raise MissingLayerError(
            f"holds {held}, on which layer {pack.layer} cannot be put", f"Append layer {layer} first"
        )
    if pack.layer < layer:
        there = pack.id == container.layer_id(pack.segment, pack.layer)
        raise BitstreamError(
            f"holds {held}: {'this' if there else 'another'} layer {pack.layer} is one of them",
            f"The next is layer {layer}" if there else _ONE_FILE,
        )
    if pack.parent != (top := container.layer_id(pack.segment, layer - 1)):
        below = "base" if layer == 1 else f"layer {layer - 1}"
        raise BitstreamError(
            f"has the {below} {top.hex()} in segment {pack.segment}; "
            f"this layer {pack.layer} was made for the {below} {pack.parent.hex()}",
            _ONE_FILE,
        )


def _listed(packs: Iterable[PackSegment]) -> str:
    ordinals = [pack.segment for pack in packs]
    if not ordinals:
        return "none"
    listed = f"{', '.join(map(str, ordinals[:8]))}{', ...' if len(ordinals) > 8 else ''}"
    return f"segment{'' if len(ordinals) == 1 else 's'} {listed}"
