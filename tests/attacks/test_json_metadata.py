"""JSON made to exhaust the parser's stack or time."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

import pytest

from nvcodec.container import chunk_bytes
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b'{"a":-' + b"9" * 19 + b"}",
        b'{"a":1e' + b"9" * 1000 + b"}",
        b'{"a":"' + b"\\u0000" * 10 + b'","a":1}',
        b'{"\\udfff":1}',
    ],
    ids=["depth", "deep objects", "deep list", "digits", "int64", "exponent", "duplicate", "surrogate"],
)
def test_hostile_json(honest: bytes, refused: Refused, text: bytes) -> None:
    started = time.process_time()
    refused(honest + chunk_bytes("mETA", zlib.compress(text)), 64 << 20)
    assert time.process_time() - started < 2
