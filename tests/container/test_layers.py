"""Enhancement packs in a file: which of them count, and what never happens to the base below them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nvcodec.container import (
    BaseSegment,
    Container,
    PackSegment,
    appended,
    chunk_bytes,
    read_container,
    write_container,
)

if TYPE_CHECKING:
    from conftest import Layer, Sample

Change = Callable[[PackSegment], PackSegment]


def _raw(data: bytes, packs: list[PackSegment]) -> bytes:
    """What no honest writer would append."""
    return data + b"".join(chunk_bytes("pACK", pack.to_bytes()) for pack in packs)


def _plays(container: Container, single: Sample, layers: int, problem: str) -> None:
    assert container.segments == single.segments
    assert container.layers == layers
    assert container.layer_problem is not None and problem in container.layer_problem
    assert container.layer_problem in container.warnings


def test_layers_of_a_grown_file(grown: list[bytes], single: Sample) -> None:
    for layers, data in enumerate(grown):
        container = read_container(data)
        assert container.segments == single.segments
        assert (container.layers, container.layer_problem, container.warnings) == (layers, None, ())
        assert len(container.packs) == 3 * layers
        for ordinal in range(3):
            pile = container.layer_ids[ordinal]
            assert [container.layer_id(ordinal, layer) for layer in range(layers + 1)] == list(pile)
            for layer in range(1, layers + 1):
                pack = container.pack(ordinal, layer)
                assert (pack.segment, pack.layer, pack.parent) == (ordinal, layer, pile[layer - 1])
                assert pack.payload == (b"first", b"second")[layer - 1]
        for ordinal, layer in ((0, layers + 1), (3, 1), (0, 0)):
            with pytest.raises(KeyError):
                container.pack(ordinal, layer)


def test_the_index_places_packs_like_segments(grown: list[bytes]) -> None:
    container = read_container(grown[2])
    assert [(e.kind, e.layer, e.stream, e.first_frame, e.frames) for e in container.index] == [
        (int(layer > 0), layer, 0, 4 * ordinal, 4) for layer in range(3) for ordinal in range(3)
    ]
    types = {chunk.offset: chunk.type for chunk in container.chunks}
    assert [types[entry.offset] for entry in container.index] == ["BASE"] * 3 + ["pACK"] * 6


def test_ids_differ_wherever_anything_below_does(single: Sample, grown: list[bytes], layer: Layer) -> None:
    container = read_container(grown[2])
    ids = [id_ for pile in container.layer_ids for id_ in pile]
    assert len(set(ids)) == 9
    other = write_container(single.header, [BaseSegment(0, 0, 4, b"weights x"), *single.segments[1:]])
    other += appended(other, layer(other, b"first"))
    changed = read_container(other)
    assert changed.pack(0, 1).payload == container.pack(0, 1).payload
    assert changed.layer_id(0, 1) != container.layer_id(0, 1)
    assert changed.layer_id(1, 1) == container.layer_id(1, 1)


def test_metadata_does_not_change_ids(single: Sample) -> None:
    noted = write_container(single.header, single.segments, (), {"psnr": 38.25})
    assert read_container(noted).layer_ids == read_container(single.data).layer_ids


def test_every_cut_keeps_what_is_in_front_of_it(grown: list[bytes], single: Sample) -> None:
    data = grown[2]
    whole = read_container(data)
    for cut in range(len(grown[0]), len(data) + 1):
        container = read_container(data[:cut])
        assert container.segments == single.segments
        assert container.packs == whole.packs[: len(container.packs)]
        ends = [chunk.end for chunk in whole.chunks if chunk.type == "pACK" and chunk.end <= cut]
        assert len(container.packs) == len(ends) and container.layers == len(ends) // 3
        assert bool(container.warnings) == (cut not in map(len, grown))
        gap = f"layer {container.layers + 1} is missing for segment {len(ends) % 3}"
        assert container.layer_problem == (gap if len(ends) % 3 else None)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda pack: replace(pack, parent=bytes(16)), "was made for another base of segment 1: it names 0000"),
        (lambda pack: replace(pack, segment=3), "enhances segment 3, which is not in front of it"),
        (lambda pack: replace(pack, segment=2**64 - 1), "which is not in front of it"),
        (lambda pack: replace(pack, segment=0), "is a second layer 1 of segment 0"),
        (lambda pack: replace(pack, layer=3), "is layer 3 of segment 1, but layer 1 is missing"),
        (lambda pack: replace(pack, layer=2**64 - 1), "but layer 1 is missing"),
    ],
)
def test_foreign_pack(single: Sample, layer: Layer, change: Change, problem: str) -> None:
    packs = layer(single.data)
    container = read_container(_raw(single.data, [packs[0], change(packs[1]), packs[2]]))
    _plays(container, single, 0, problem)
    assert [pack.segment for pack in container.packs] == [0, 2]


def test_foreign_pack_above_a_good_layer(single: Sample, grown: list[bytes], layer: Layer) -> None:
    packs = [replace(pack, parent=bytes(16)) for pack in layer(grown[1])]
    _plays(read_container(_raw(grown[1], packs)), single, 1, "was made for another layer 1 of segment 0")


def test_layer_left_out(single: Sample, grown: list[bytes]) -> None:
    second = [pack for pack in read_container(grown[2]).packs if pack.layer == 2]
    _plays(read_container(_raw(grown[0], second)), single, 0, "is layer 2 of segment 0, but layer 1 is missing")


def test_layer_of_some_segments(single: Sample, grown: list[bytes], layer: Layer) -> None:
    container = read_container(_raw(grown[1], layer(grown[1])[:2]))
    _plays(container, single, 1, "layer 2 is missing for segment 2")
    assert container.pack(1, 2).layer == 2


def test_networks_of_later_versions_are_not_judged(single: Sample, layer: Layer) -> None:
    packs = [replace(pack, model_id=77, config=b"whatever") for pack in layer(single.data)]
    container = read_container(single.data + appended(single.data, packs))
    assert container.layers == 1 and container.layer_problem is None


def test_pack_in_front_of_its_segment(single: Sample, layer: Layer) -> None:
    """Packs may alternate with segments, but never come before theirs."""
    head = read_container(single.data).index[0].offset
    packs = layer(single.data)
    bases = [chunk_bytes("BASE", segment.to_bytes()) for segment in single.segments]
    chunks = [chunk_bytes("pACK", pack.to_bytes()) for pack in packs]
    alternating = single.data[:head] + b"".join(part for pair in zip(bases, chunks, strict=True) for part in pair)
    assert read_container(alternating).layers == 1
    early = single.data[:head] + bases[0] + chunks[1] + bases[1] + bases[2]
    _plays(read_container(early), single, 0, "enhances segment 1, which is not in front of it")


def test_damage_in_the_base_is_no_smaller_with_layers(grown: list[bytes]) -> None:
    damaged = bytearray(grown[2])
    damaged[read_container(grown[2]).index[1].offset + 20] ^= 1
    with pytest.raises(Exception, match="fails its checksum") as caught:
        read_container(bytes(damaged))
    assert getattr(caught.value, "hint", "") == "Segment 0 of 3 is intact (frames 0-3)"
