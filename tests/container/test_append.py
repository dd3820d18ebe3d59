"""Layers put on, taken off, and carried as files of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.container import (
    BaseSegment,
    Domain,
    Limits,
    ModelId,
    PackSegment,
    SequenceHeader,
    StreamHeader,
    appended,
    chunk_bytes,
    layer_bytes,
    pack_file,
    read_container,
    read_pack_file,
    stripped,
    write_container,
)
from nvcodec.container.chunks import preamble_bytes
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import VideoFormat

if TYPE_CHECKING:
    from conftest import Layer, Sample

configs = st.binary(max_size=20)
payloads = st.binary(max_size=40)
parts = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 300), payloads), min_size=1, max_size=5)
coded_layers = st.lists(st.tuples(st.integers(0, 9), configs, payloads, st.integers(0, 99_999)), max_size=4)


def _base(parts: list[tuple[int, int, bytes]]) -> bytes:
    """Two streams, and a segment for each part; at the end one more for each stream."""
    frames, segments = [0, 0], []
    for stream, count, payload in [*parts, (0, 1, b""), (1, 1, b"")]:
        segments.append(BaseSegment(stream, frames[stream], count, payload))
        frames[stream] += count
    streams = tuple(StreamHeader(VideoFormat(16, 16), count) for count in frames)
    return write_container(SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, b""), segments)


@settings(max_examples=40)
@given(parts, coded_layers)
def test_strip_undoes_append(parts: list[tuple[int, int, bytes]], layers: list[tuple[int, bytes, bytes, int]]) -> None:
    files = [_base(parts)]
    for number, (model_id, config, payload, psnr_mdb) in enumerate(layers, 1):
        below = read_container(files[-1])
        packs = [
            PackSegment(n, number, below.layer_id(n, number - 1), model_id, config, bytes(16), psnr_mdb, payload)
            for n in range(len(below.segments))
        ]
        files.append(files[-1] + appended(files[-1], packs))
    container = read_container(files[-1])
    assert container.layers == len(layers)
    assert layer_bytes(container, len(files[-1])) == [
        len(file) - shorter for file, shorter in zip(files, [0, *map(len, files)], strict=False)
    ]
    again = files[0]
    for layer in range(1, len(files)):
        carried = read_pack_file(pack_file(container, layer))
        again += appended(again, carried)
    assert again == files[-1]
    for layer, file in enumerate(files):
        assert stripped(files[-1], layer) == file


ONLY = "the very file it was made for"


def test_only_the_top_layer_takes_another(grown: list[bytes]) -> None:
    container = read_container(grown[2])
    first, second = ([pack for pack in container.packs if pack.layer == layer] for layer in (1, 2))
    base, top = container.layer_id(0, 0).hex(), container.layer_id(0, 1).hex()
    for data, packs, found, asked, hint in (
        (grown[0], second, "holds the base alone", "layer 2 cannot be put", "Append layer 1 first"),
        (grown[1], first, "holds base + 1 layer", ": this layer 1 is one of them", "The next is layer 2"),
        (grown[1], [replace(pack, psnr_mdb=9) for pack in first], "base + 1 layer", ": another layer 1 is", ONLY),
        (grown[0], [replace(pack, parent=bytes(16)) for pack in first], f"base {base}", f"base {'00' * 16}", ONLY),
        (grown[1], [replace(pack, parent=bytes(16)) for pack in second], f"layer 1 {top}", f"1 {'00' * 16}", ONLY),
        (grown[0], [replace(pack, layer=2) for pack in first], "base alone", "layer 2 cannot be put", "layer 1 first"),
    ):
        with pytest.raises(BitstreamError) as caught:
            appended(data, packs)
        assert found in caught.value.message and asked in caught.value.message
        assert hint in caught.value.hint


def test_a_layer_is_for_every_segment(single: Sample, layer: Layer) -> None:
    packs = layer(single.data)
    for wrong in (packs[:2], packs[::-1], [*packs, packs[0]], []):
        with pytest.raises(BitstreamError, match="has 3 segments; the layer is for"):
            appended(single.data, wrong)


def test_nothing_is_put_behind_what_cannot_be_used(grown: list[bytes], layer: Layer) -> None:
    packs = layer(grown[1])
    foreign = chunk_bytes("pACK", replace(packs[0], parent=bytes(16)).to_bytes())
    damaged_index = bytearray(grown[1])
    damaged_index[-1] ^= 1
    for data, problem in (
        (grown[2][: len(grown[1]) + 30], "is truncated"),
        (grown[2][:-20], "truncated"),
        (grown[1] + foreign, "another layer 1"),
        (grown[1] + bytes(20), "damaged header"),
        (bytes(damaged_index), "chunk 'iNDX' at byte"),
    ):
        with pytest.raises(BitstreamError, match="cannot be used: .*") as caught:
            appended(data, packs)
        assert problem in caught.value.message
        kept = read_container(data).layers
        assert caught.value.hint.endswith(f"nvcodec.strip(FILE, layers={kept})")
        remedied = stripped(data, kept)
        assert appended(remedied, layer(remedied))


def test_only_a_finished_base_takes_layers(single: Sample, layer: Layer) -> None:
    without_index = single.data[: read_container(single.data).chunks[-1].offset]
    short = write_container(single.header, single.segments[:2])
    for data, problem in (
        (without_index, "has no index: only a finished file takes a layer"),
        (single.data[:-1], "has no index: only"),
        (short, "holds only a part of the frames: only"),
    ):
        with pytest.raises(BitstreamError, match=problem) as caught:
            appended(data, layer(data))
        assert caught.value.hint == "Get the whole file, then try again"


def test_an_interrupted_append_can_be_taken_back(grown: list[bytes]) -> None:
    for cut in range(len(grown[1]), len(grown[2])):
        assert stripped(grown[2][:cut], 1 if read_container(grown[2][:cut]).layers < 2 else 2).startswith(grown[1])
        assert stripped(grown[2][:cut], 1) == grown[1]


def test_other_chunks_stay_in_front_of_layers(single: Sample, layer: Layer) -> None:
    noted = single.data + chunk_bytes("prIV", b"mine")
    assert stripped(noted + appended(noted, layer(noted)), 0) == noted
    assert stripped(noted, 0) == noted


def test_strip_refuses_what_it_cannot_cut(single: Sample, grown: list[bytes], layer: Layer) -> None:
    with pytest.raises(BitstreamError, match=r"has no layer 3: it holds base \+ 2 layers"):
        stripped(grown[2], 3)
    with pytest.raises(BitstreamError, match="has no layer 1: it holds the base alone"):
        stripped(grown[0], 1)
    head = read_container(single.data).index[0].offset
    chunks = [
        chunk_bytes("BASE", base.to_bytes()) + chunk_bytes("pACK", pack.to_bytes())
        for base, pack in zip(single.segments, layer(single.data), strict=True)
    ]
    with pytest.raises(BitstreamError, match="in an order of which nothing can be cut off"):
        stripped(single.data[:head] + b"".join(chunks), 0)


def test_golden_bytes() -> None:
    """What is appended to a file of one segment, and the same layer as a file of its own."""
    header = SequenceHeader(ModelId.MSNERV, Domain.YUV420, (StreamHeader(VideoFormat(2, 2), 1),), b"")
    base = write_container(header, [BaseSegment(0, 0, 1, b"\x2a")])
    pack = PackSegment(0, 1, read_container(base).layer_id(0, 0), 1, b"", bytes(16), 0, b"\x2b")
    chunk = (
        "00000026 7041434b 0b9ec678 00 01 fe5ce55f73f4475df6b4230955e99221 01 00"
        "00000000000000000000000000000000 00 2b 4dcab12d"
    )
    tail = appended(base, [pack])
    assert tail == bytes.fromhex(chunk + "0000000c 694e4458 6d5d79ec 00000000012c 010001000157 7fd62552")
    alone = "894e56430d0a1a0a 0100" + chunk + "00000006 694e4458 27ed614d 01000100010a efeb9801"
    assert pack_file(read_container(base + tail), 1) == bytes.fromhex(alone)


def test_a_layer_is_no_video_and_a_video_no_layer(grown: list[bytes]) -> None:
    layer = pack_file(read_container(grown[1]), 1)
    with pytest.raises(BitstreamError) as caught:
        read_container(layer)
    assert caught.value.message == "is an enhancement layer without its base"
    assert caught.value.hint == "Attach it:  nvcodec.append('BASE.nvc', 'LAYER.nvcl')"
    with pytest.raises(BitstreamError, match="is a video, not a layer"):
        read_pack_file(grown[1])


def test_a_layer_must_be_whole(grown: list[bytes]) -> None:
    layer = pack_file(read_container(grown[1]), 1)
    for cut in range(len(layer)):
        with pytest.raises(BitstreamError, match="truncated|the file was cut"):
            read_pack_file(layer[:cut])
    for byte in range(len(layer)):
        damaged = bytearray(layer)
        damaged[byte] ^= 0x20
        with pytest.raises((BitstreamError, UnsupportedError)):
            read_pack_file(bytes(damaged))


def test_a_layer_is_read_with_the_same_care_as_a_video(grown: list[bytes]) -> None:
    layer = pack_file(read_container(grown[1]), 1)
    index = read_container(grown[1]).chunks[-1].payload(grown[1])
    for data, error, complaint in (
        (layer + chunk_bytes("iNDX", index), BitstreamError, "disagrees with the packs"),
        (layer + chunk_bytes("ZZZZ", b""), UnsupportedError, "chunk 'ZZZZ' .* needed to use the layer"),
        (layer + chunk_bytes("pACK", b""), BitstreamError, "ends inside 'segment'"),
        (preamble_bytes() + chunk_bytes("iNDX", b""), BitstreamError, "no index behind its packs"),
        (b"RIFF" + layer, BitstreamError, "not an nvc file"),
    ):
        with pytest.raises(error, match=complaint):
            read_pack_file(data)
    assert len(read_pack_file(layer + chunk_bytes("prIV", b"mine"))) == 3
    with pytest.raises(UnsupportedError, match="bytes long, above the limit"):
        read_pack_file(layer, Limits(max_file_bytes=10))


def test_limits_hold_for_the_grown_file(grown: list[bytes], layer: Layer) -> None:
    with pytest.raises(UnsupportedError, match="above the limit"):
        appended(grown[1], layer(grown[1]), Limits(max_file_bytes=len(grown[1])))
