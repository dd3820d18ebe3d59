"""Golden bytes and round trips of every payload."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import (
    Domain,
    IndexEntry,
    Limits,
    ModelId,
    PackSegment,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    base_id,
    chunk_bytes,
    index_bytes,
)
from nvcodec.container.index import iter_index
from nvcodec.container.metadata import metadata_bytes, read_metadata
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import ChromaFormat, Colour, VideoFormat

U32 = st.integers(1, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
NO_LIMITS = Limits(*[2**64] * 9)

names = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)
colours = st.builds(Colour, *[st.integers(0, 255)] * 3, st.booleans())
formats = st.builds(
    VideoFormat, U32, U32, st.none() | st.builds(Fraction, U32, U32), st.sampled_from((8, 10, 12)),
    st.sampled_from([chroma for chroma in ChromaFormat if chroma is not ChromaFormat.RGB]), colours,
)  # fmt: skip
streams = st.builds(StreamHeader, formats, U32, names)
headers = st.builds(
    SequenceHeader, st.sampled_from(ModelId), st.sampled_from(Domain),
    st.lists(streams, min_size=1, max_size=4).map(tuple), st.binary(max_size=99),
)  # fmt: skip
samples = st.lists(st.integers(0, 255) | st.integers(0, 1023), max_size=40).map(tuple)
ids16 = st.binary(min_size=16, max_size=16)
packs = st.builds(
    PackSegment, U64, st.integers(1, 2**64 - 1), ids16, U64, st.binary(max_size=99), ids16, U64, st.binary(max_size=99)
)
digests = st.builds(SegmentDigest, U64, st.binary(min_size=16, max_size=16), samples)
text = st.text(st.characters(exclude_categories=["Cs"]))
values = text | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)

PACK = PackSegment(2, 1, bytes(range(16)), 1, b"\xca\xfe", bytes(range(16, 32)), 38_250, b"\xde\xad\xbe\xef")
PACK_HEX = (
    "02 01"  # segment, layer
    "000102030405060708090a0b0c0d0e0f"  # id of the layer below
    "01 02 cafe"  # een, its configuration
    "101112131415161718191a1b1c1d1e1f"  # digest of the integers
    "eaaa02"  # 38.250 dB
    "deadbeef"
)

HEADER = SequenceHeader(
    ModelId.QSNERV,
    Domain.YUV420,
    (
        StreamHeader(
            VideoFormat(352, 288, Fraction(30000, 1001), 8, ChromaFormat.YUV420, Colour(6, 6, 6)), 300, "akiyo"
        ),
    ),
    b"\xca\xfe",
)
HEADER_HEX = (
    "03 01 00 00"  # model qsnerv, domain yuv420, no prior, float32 rendering
    "02 cafe"  # model configuration
    "01"  # streams
    "e002 a002 ac02"  # 352 x 288, 300 frames
    "b0ea01 e907"  # 30000 / 1001
    "08 01"  # 8 bit, 4:2:0
    "06 06 06 00"  # BT.601, limited range
    "05 616b69796f"  # "akiyo"
)


def test_header_golden_bytes() -> None:
    assert HEADER.to_bytes() == bytes.fromhex(HEADER_HEX)
    assert SequenceHeader.from_bytes(bytes.fromhex(HEADER_HEX)) == HEADER


def test_choices_golden_bytes() -> None:
    """They stand behind the streams, and ask for a later version of the file."""
    chosen = replace(HEADER, choices=b"\x01\x02")
    assert chosen.to_bytes() == bytes.fromhex(HEADER_HEX + "02 0102")
    assert SequenceHeader.from_bytes(chosen.to_bytes()) == chosen
    assert (HEADER.minor_version, chosen.minor_version) == (0, 2)


def test_pack_golden_bytes() -> None:
    coded = bytes.fromhex(PACK_HEX)
    assert PACK.to_bytes() == coded and PackSegment.from_bytes(coded) == PACK
    assert chunk_bytes("pACK", coded) == bytes.fromhex("0000002d 7041434b 7c4ef769" + PACK_HEX + "5f9ec271")


def test_layer_ids_golden_bytes() -> None:
    """SHA-256 of the payloads, as the specification defines it, in hashlib's own words."""
    header, base = bytes.fromhex(HEADER_HEX), bytes(300)
    expected = hashlib.sha256(bytes([len(header)]) + header + b"\xac\x02" + base).digest()[:16]
    assert base_id(header, base) == expected
    assert PACK.id == hashlib.sha256(bytes.fromhex(PACK_HEX)).digest()[:16]
    assert PACK.id.hex() == "b5aee39f8fdc067f33bb64436a92e106"
    assert base_id(header, base).hex() == "1aec29f0754d1f0ae56d86665097d521"


@pytest.mark.parametrize(
    ("digest", "coded"),
    [
        (SegmentDigest(1, bytes(range(16)), (0, 16, 255)), "01 000102030405060708090a0b0c0d0e0f 03 01 0010ff"),
        (SegmentDigest(0, bytes(16), (64, 1023)), "00 00000000000000000000000000000000 02 02 0040 03ff"),
    ],
)
def test_digest_golden_bytes(digest: SegmentDigest, coded: str) -> None:
    assert digest.to_bytes() == bytes.fromhex(coded)
    assert SegmentDigest.from_bytes(bytes.fromhex(coded)) == digest


def test_index_golden_bytes() -> None:
    entries = [IndexEntry(0, 0, 0, 0, 8, 75), IndexEntry(0, 1, 0, 0, 3, 300)]
    coded = bytes.fromhex("00 00 00 00 08 4b  00 01 00 00 03 ac02")
    assert index_bytes(entries) == coded
    assert list(iter_index(coded)) == entries


def test_metadata_golden_bytes() -> None:
    """Compressors may differ, so the writer is compared after decompression."""
    stored = "7801 01 1a00 e5ff 7b22656e636f646572223a226e7663222c2273656564223a377d 75e80864"
    deflated = "78da ab564acd4bce4f492d52b252ca2b4b56d2512a4e4d4d51b232af05 00 75e80864"
    for coded in (stored, deflated):
        assert read_metadata(bytes.fromhex(coded)) == ({"encoder": "nvc", "seed": 7}, 26)
    assert zlib.decompress(metadata_bytes({"b": 1, "a": "é"})) == '{"a":"é","b":1}'.encode()


def test_chunk_golden_bytes() -> None:
    assert chunk_bytes("mETA", b"abc") == bytes.fromhex("00000003 6d455441 42932c1a 616263 0cc6a707")


@given(headers)
def test_header_round_trip(header: SequenceHeader) -> None:
    assert SequenceHeader.from_bytes(header.to_bytes(), NO_LIMITS) == header


@given(digests)
def test_digest_round_trip(digest: SegmentDigest) -> None:
    assert SegmentDigest.from_bytes(digest.to_bytes()) == digest


@given(packs)
def test_pack_round_trip(pack: PackSegment) -> None:
    assert PackSegment.from_bytes(pack.to_bytes()) == pack


@given(st.lists(st.builds(IndexEntry, *[U64] * 6), max_size=5))
def test_index_round_trip(entries: list[IndexEntry]) -> None:
    assert list(iter_index(index_bytes(entries))) == entries


@given(st.dictionaries(text, values, max_size=5))
def test_metadata_round_trip(metadata: dict[str, str | int | float]) -> None:
    back, _ = read_metadata(metadata_bytes(metadata))
    assert back == metadata
    assert [type(back[key]) for key in metadata] == [type(value) for value in metadata.values()]


@pytest.mark.parametrize(
    ("at", "value", "complaint"),
    [
        (0, 9, "uses model id 9; this nvc knows 1 msnerv"),
        (1, 3, "uses coding domain id 3"),
        (2, 1, "uses prior id 1"),
        (3, 1, "uses render profile 1"),
        (19, 14, "uses bit depth 14"),
        (20, 7, "uses chroma format 7"),
    ],
)
def test_unknown_features_are_named(at: int, value: int, complaint: str) -> None:
    payload = bytearray.fromhex(HEADER_HEX)
    payload[at] = value
    with pytest.raises(UnsupportedError, match=complaint) as caught:
        SequenceHeader.from_bytes(bytes(payload))
    assert "pip install ." in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("e002 a002", "00 a002", "width 0"),
        ("ac02", "00", "frame count 0"),
        ("b0ea01 e907", "00 01", "frame rate 0/1"),
        ("b0ea01 e907", "1e 00", "frame rate 30/0"),
        ("b0ea01 e907", "32 02", "frame rate 50/2"),
        ("b0ea01 e907", "8180808010 01", "frame rate numerator 4,294,967,297"),
        ("06 06 06 00", "06 06 06 02", "range flag 2"),
        ("05 616b69796f", "05 61ff69796f", "not UTF-8"),
        ("05 616b69796f", "05 610a69796f", "control characters"),
        ("05 616b69796f", "05 616b6979", "ends inside 'stream name'"),
        ("05 616b69796f", "05 616b69796f 00", "length of the choices 0"),
        ("05 616b69796f", "05 616b69796f 02 0101 00", "1 bytes too many"),
        ("05 616b69796f", "05 616b69796f 02 01", "ends inside 'choices'"),
        ("05 616b69796f", "05 616b69796f ff03", "announces 511 bytes of 'choices'"),
        ("02 cafe", "818004 cafe", "announces 65,537 bytes of 'model configuration'"),
        ("cafe01", "cafe00", "stream count 0"),
        ("cafe01", "cafe8120", "stream count 4,097"),
        ("03 01 00", "03 01 8000", "pads the number 'prior id'"),
        ("08 01 06", "08 02 06", "a stream of RGB in the domain yuv420"),
    ],
)
def test_broken_headers_are_named(old: str, new: str, complaint: str) -> None:
    original = HEADER_HEX.replace(" ", "")
    broken = original.replace(old.replace(" ", ""), new.replace(" ", ""))
    assert broken != original
    with pytest.raises(BitstreamError, match=complaint):
        SequenceHeader.from_bytes(bytes.fromhex(broken))


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("00" + 16 * "00" + "01 03 000000", "3 bytes per sample"),
        ("00" + 16 * "00" + "01 02 0010", "2 bytes on samples that fit in 1"),
        ("00" + 16 * "00" + "02 01 10", "ends inside 'samples'"),
        ("00" + 16 * "00" + "00 01 10", "1 bytes too many"),
        ("00" + 15 * "00", "ends inside 'digest of the integers'"),
    ],
)
def test_broken_digests_are_named(coded: str, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        SegmentDigest.from_bytes(bytes.fromhex(coded))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("02 01 00", "02 00 00", "says that it is layer 0"),
        ("02 cafe", "8120 cafe", "announces 4,097 bytes of 'pack configuration'"),
        ("eaaa02 deadbeef", "eaaa", "ends inside 'PSNR'"),
        ("eaaa02 deadbeef", "ea8000", "pads the number 'PSNR'"),
    ],
)
def test_broken_packs_are_named(old: str, new: str, complaint: str) -> None:
    original = PACK_HEX.replace(" ", "")
    broken = original.replace(old.replace(" ", ""), new.replace(" ", ""), 1)
    assert broken != original
    with pytest.raises(BitstreamError, match=complaint):
        PackSegment.from_bytes(bytes.fromhex(broken))


@pytest.mark.parametrize(
    ("json_text", "complaint"),
    [
        (b'{"a":1,"a":2}', "a key appears twice"),
        (b"[1]", "holds a JSON list, not an object"),
        (b'"a"', "holds a JSON str"),
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":NaN}', "NaN is not a number"),
        (b'{"a":1e999}', "finite number for 'a'"),
        (b'{"a":true}', "finite number for 'a'"),
        (b'{"a":null}', "finite number for 'a'"),
        (b'{"a":{}}', "finite number for 'a'"),
        (b'{"a":9223372036854775808}', "64-bit integer"),
        (b'{"a":"\\ud800"}', "no text"),
    ],
)
def test_bad_metadata_is_refused(json_text: bytes, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        read_metadata(zlib.compress(json_text))


@pytest.mark.parametrize("payload", [b"", b"{}", zlib.compress(b"{}")[:-1], zlib.compress(b"{}") + b"x"])
def test_bad_compression_is_refused(payload: bytes) -> None:
    with pytest.raises(BitstreamError):
        read_metadata(payload)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, None, [], 1 << 64, "\ud800"])
def test_metadata_that_could_not_be_read_is_not_written(value: Any) -> None:
    with pytest.raises(BitstreamError):
        metadata_bytes({"key": value})


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\x9b2J", "\ud800", "é" * 128])
def test_stream_names_are_short_printable_text(name: str) -> None:
    with pytest.raises(BitstreamError, match="stream name"):
        StreamHeader(VideoFormat(16, 16), 1, name)


def test_limits_name_the_option_that_raises_them() -> None:
    payload = HEADER.to_bytes()
    for limits, name, value in (
        (Limits(max_width=351), "max_width", 352),
        (Limits(max_height=287), "max_height", 288),
        (Limits(max_pixels=352 * 288 - 1), "max_pixels", 352 * 288),
        (Limits(max_frames=299), "max_frames", 300),
        (Limits(max_streams=0), "max_streams", 1),
    ):
        with pytest.raises(UnsupportedError, match="above the limit") as caught:
            SequenceHeader.from_bytes(payload, limits)
        assert f'limits={{"{name}": {value}}}' in caught.value.hint
        SequenceHeader.from_bytes(payload, Limits(**{name: value}))
