"""mETA payload: a flat JSON object about the file. Decoding never depends on it."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from nvcodec.errors import BitstreamError

MetadataValue = str | int | float
MAX_METADATA_BYTES = 1 << 20
"""JSON bytes of all mETA chunks of a file together."""
_INT64 = range(-(1 << 63), 1 << 63)
_INT64_DIGITS = 20


def metadata_bytes(metadata: Mapping[str, MetadataValue]) -> bytes:
    """Code metadata as a mETA payload, keys sorted.

    Raises:
        BitstreamError: A value is not a string, a 64-bit integer or a finite float.
    """
    _check(metadata)
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def read_metadata(payload: bytes, max_bytes: int = MAX_METADATA_BYTES) -> tuple[dict[str, MetadataValue], int]:
    """Read a mETA payload that inflates to at most ``max_bytes``; return the object and the size of its JSON in bytes.

    Raises:
        BitstreamError: The payload breaks a rule of the format.
    """
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise BitstreamError(f"cannot be decompressed ({error})") from None
    if len(text) > max_bytes:
        raise BitstreamError(f"decompresses to more than the {max_bytes:,} bytes left for metadata")
    if not inflater.eof:
        raise BitstreamError("ends inside its compressed data")
    if inflater.unused_data:
        raise BitstreamError(f"has {len(inflater.unused_data):,} bytes too many")
    try:
        metadata = json.loads(text.decode(), object_pairs_hook=_unique, parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BitstreamError(f"is not valid JSON ({error})") from None
    if not isinstance(metadata, dict):
        raise BitstreamError(f"holds a JSON {type(metadata).__name__}, not an object")
    _check(metadata)
    return metadata, len(text)


def _check(metadata: Mapping[str, Any]) -> None:
    for key, value in metadata.items():
        # bool is an int to isinstance, and JSON has no infinities and no half surrogates.
        valid = type(value) in (str, int, float)
        valid &= not isinstance(value, int) or value in _INT64
        valid &= not isinstance(value, float) or math.isfinite(value)
        valid &= all(_is_unicode(text) for text in (key, value) if isinstance(text, str))
        if not valid:
            raise BitstreamError(f"has no text, 64-bit integer or finite number for {_short(key)}")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _short(key: str) -> str:
    text = ascii(key)
    return text if len(text) <= 40 else text[:37] + "..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def _integer(digits: str) -> int:
    # Python's int() takes quadratic time: do not let it see a million digits.
    if len(digits) > _INT64_DIGITS:
        raise ValueError(f"an integer of {len(digits):,} digits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
