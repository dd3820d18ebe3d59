"""Numbers and text <-> bytes inside a payload.

Errors are worded as predicates ("ends inside 'width'"): the reader of the chunk puts the chunk's name in front.
"""

from __future__ import annotations

from nvcodec.errors import BitstreamError

VARINT_BITS = 64
_VARINT_BYTES = 10


def varint(value: int) -> bytes:
    """Code an unsigned integer below 2**64 as the shortest LEB128."""
    assert 0 <= value < 1 << VARINT_BITS, value
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """Code a signed 64-bit integer as a varint: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
    return varint(value << 1 if value >= 0 else ~(value << 1))


def prefixed(data: bytes) -> bytes:
    """Put the length of ``data`` in front of it as a varint."""
    return varint(len(data)) + data


class Reader:
    """Reads one payload field by field and never beyond its end.

    Every method takes the name of the field, which is what a BitstreamError will name.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int, field: str) -> bytes:
        """Read exactly ``count`` bytes."""
        if count > self.remaining:
            raise BitstreamError(f"ends inside '{field}': {count:,} bytes needed, {self.remaining:,} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self, field: str) -> int:
        """Read one byte, 0..255."""
        return self.take(1, field)[0]

    def varint(self, field: str) -> int:
        """Read an unsigned integer below 2**64; a longer coding than needed is refused."""
        value = 0
        for n in range(_VARINT_BYTES):
            septet = self.byte(field)
            value |= (septet & 0x7F) << 7 * n
            if septet < 0x80:
                if septet == 0 and n > 0:
                    raise BitstreamError(f"pads the number '{field}' with zeros")
                if value >> VARINT_BITS:
                    break
                return value
        raise BitstreamError(f"has a number '{field}' of more than {VARINT_BITS} bits")

    def zigzag(self, field: str) -> int:
        """Read a signed 64-bit integer."""
        value = self.varint(field)
        return (value >> 1) ^ -(value & 1)

    def prefixed(self, max_bytes: int, field: str) -> bytes:
        """Read a varint length of at most ``max_bytes``, then as many bytes."""
        count = self.varint(f"length of {field}")
        if count > max_bytes:
            raise BitstreamError(f"announces {count:,} bytes of '{field}'; at most {max_bytes:,} are allowed")
        return self.take(count, field)

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.take(self.remaining, "rest")

    def end(self) -> None:
        """Refuse a payload that goes on after its last field."""
        if self.remaining:
            raise BitstreamError(f"has {self.remaining:,} bytes too many")
