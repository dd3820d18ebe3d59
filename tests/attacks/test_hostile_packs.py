"""Whatever is done to the layers of a file, its base plays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from nvcodec.container import (
    Container,
    IndexEntry,
    IndexKind,
    PackSegment,
    chunk_bytes,
    index_bytes,
    pack_file,
    read_container,
    read_pack_file,
)
from nvcodec.container.wire import varint
from nvcodec.errors import BitstreamError, NvcError

Refused = Callable[..., NvcError]


def _chunks(*packs: PackSegment) -> bytes:
    return b"".join(chunk_bytes("pACK", pack.to_bytes()) for pack in packs)


def _layers_are_sound(container: Container, whole: Container) -> None:
    """Nothing but packs of the whole file is offered, each on what it was made for."""
    assert set(container.packs) <= set(whole.packs)
    for pile, full in zip(container.layer_ids, whole.layer_ids, strict=True):
        assert pile == full[: len(pile)]
    assert container.layers <= whole.layers


def test_every_cut_and_every_flipped_bit(grown: list[bytes]) -> None:
    base, data = grown[0], grown[2]
    whole = read_container(data)
    for at in range(len(base), len(data)):
        container = read_container(data[:at])
        assert container.segments == whole.segments
        _layers_are_sound(container, whole)
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            container = read_container(bytes(damaged))
            assert container.segments == whole.segments
            assert container.warnings
            _layers_are_sound(container, whole)
            if at >= len(grown[1]):
                assert container.layers >= 1
    for at in range(len(base)):
        damaged = bytearray(data)
        damaged[at] ^= 0x80 >> at % 8  # of the version a high bit: a low one makes it a later one that is known
        with pytest.raises(NvcError) as with_layers:
            read_container(bytes(damaged))
        with pytest.raises(NvcError) as alone:
            read_container(bytes(damaged[: len(base)]))
        assert with_layers.value.message == alone.value.message


def test_layers_of_a_file_that_only_looks_the_same(grown: list[bytes]) -> None:
    """Packs of another file, put behind this one with an index that fits."""
    head = read_container(grown[0]).chunks[0]
    renamed = chunk_bytes("HEAD", head.payload(grown[0]).replace(b"honest", b"h0nest"))
    mixed = grown[2].replace(grown[2][head.offset : head.end], renamed)
    container = read_container(mixed)
    assert container.layers == 0 and container.packs == ()
    assert "was made for another base of segment 0" in (container.layer_problem or "")


def test_lying_index_of_packs(grown: list[bytes], refused: Refused) -> None:
    true = read_container(grown[1]).index
    first = true[2]
    for lie in (
        [*true[:2], replace(first, layer=2), true[3]],
        [*true[:2], replace(first, stream=1), true[3]],
        [*true[:2], replace(first, first_frame=4), true[3]],
        [*true[:2], replace(first, frames=5), true[3]],
        [*true[:2], replace(first, offset=first.offset + 1), true[3]],
        [*true[:2], true[3], first],
        [*true[:2], replace(first, kind=IndexKind.BASE), true[3]],
        [*true[:3]],
        [*true, replace(first, offset=len(grown[1]))],
    ):
        assert "chunk 'iNDX'" in refused(grown[1] + chunk_bytes("iNDX", index_bytes(lie))).message


def test_index_over_a_pack_that_cannot_be_used(grown: list[bytes]) -> None:
    """An index says where such a pack is; what else it says of it cannot be checked and is not believed."""
    true = read_container(grown[0]).index
    junk = grown[0] + chunk_bytes("pACK", b"junk")
    entry = IndexEntry(IndexKind.PACK, 99, 2**64 - 1, 2**64 - 1, 0, len(grown[0]))
    container = read_container(junk + chunk_bytes("iNDX", index_bytes([*true, entry])))
    assert container.index == true and container.layers == 0
    assert container.warnings == (container.layer_problem,)


def test_configuration_that_promises_gigabytes(grown: list[bytes]) -> None:
    payload = varint(0) + varint(1) + bytes(16) + varint(1) + varint(2**40)
    container = read_container(grown[0] + chunk_bytes("pACK", payload))
    assert "announces 1,099,511,627,776 bytes of 'pack configuration'" in (container.layer_problem or "")


def test_flood_of_packs(grown: list[bytes]) -> None:
    """Bookkeeping and messages stay small, and time linear."""
    foreign = _chunks(replace(read_container(grown[1]).packs[0], parent=bytes(16)))
    started = time.process_time()
    container = read_container(grown[0] + foreign * 20_000)
    assert time.process_time() - started < 3
    assert container.layers == 0 and container.packs == () and len(container.warnings) == 2


def test_tower_of_layers(grown: list[bytes]) -> None:
    """Thousands of layers on one segment are no layer of the file."""
    container = read_container(grown[0])
    pack = PackSegment(0, 1, container.layer_id(0, 0), 1, b"", bytes(16), 0, b"")
    tower = []
    for layer in range(1, 3_000):
        tower.append(pack)
        pack = replace(pack, layer=layer + 1, parent=pack.id)
    container = read_container(grown[0] + _chunks(*tower))
    assert len(container.packs) == 2_999 and container.layers == 0


def test_layer_files(grown: list[bytes], refused: Refused) -> None:
    layer = pack_file(read_container(grown[1]), 1)
    assert "without its base" in refused(layer).message
    with pytest.raises(BitstreamError, match="is a video"):
        read_pack_file(grown[1])
    assert "without its base" in refused(layer + grown[0][10:]).message
