"""Numbers inside payloads."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nvcodec.container.wire import Reader, prefixed, varint, zigzag
from nvcodec.errors import BitstreamError

GOLDEN = {0: "00", 1: "01", 127: "7f", 128: "8001", 300: "ac02", 2**32 - 1: "ffffffff0f", 2**64 - 1: "ff" * 9 + "01"}


@pytest.mark.parametrize(("value", "coded"), GOLDEN.items())
def test_varint_golden_bytes(value: int, coded: str) -> None:
    assert varint(value).hex() == coded
    assert Reader(bytes.fromhex(coded)).varint("x") == value


@pytest.mark.parametrize(("value", "coded"), {0: "00", -1: "01", 1: "02", -2: "03", -(2**63): "ff" * 9 + "01"}.items())
def test_zigzag_golden_bytes(value: int, coded: str) -> None:
    assert zigzag(value).hex() == coded


@given(st.integers(0, 2**64 - 1))
@example(2**63)
def test_varint_round_trip(value: int) -> None:
    reader = Reader(varint(value) + b"tail")
    assert reader.varint("x") == value
    assert reader.rest() == b"tail"


@given(st.integers(-(2**63), 2**63 - 1))
def test_zigzag_round_trip(value: int) -> None:
    assert Reader(zigzag(value)).zigzag("x") == value


@given(st.binary(max_size=12))
def test_every_number_has_exactly_one_coding(data: bytes) -> None:
    reader = Reader(data)
    try:
        value = reader.varint("x")
    except BitstreamError:
        return
    assert varint(value) == data[: len(data) - reader.remaining]


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("8000", "pads the number 'width' with zeros"),
        ("ff" * 9 + "02", "more than 64 bits"),
        ("ff" * 11, "more than 64 bits"),
        ("ffff", "ends inside 'width'"),
        ("", "ends inside 'width'"),
    ],
)
def test_bad_varints_are_named(coded: str, complaint: str) -> None:
    with pytest.raises(BitstreamError, match=complaint):
        Reader(bytes.fromhex(coded)).varint("width")


def test_length_is_bounded_before_reading() -> None:
    assert Reader(prefixed(b"abc")).prefixed(3, "name") == b"abc"
    with pytest.raises(BitstreamError, match="at most 2 are allowed"):
        Reader(prefixed(b"abc")).prefixed(2, "name")
    with pytest.raises(BitstreamError, match="3 bytes needed, 2 left"):
        Reader(prefixed(b"abc")[:-1]).prefixed(3, "name")
