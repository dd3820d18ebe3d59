"""From one input to another one that is nearly as good: damage that gets behind checksums and first looks."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from fuzz.dissect import Chunk, Dissected, Field, assembled, dissected
from nvcodec.container.ids import CHUNK_TYPES, META
from nvcodec.container.wire import varint

MOST_BYTES = 1 << 17
"""Inputs do not grow beyond."""
Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]
"""Takes an input, random numbers, and other inputs to take parts of."""

_NUMBERS = (
    *range(10), 15, 16, 17, 63, 64, 127, 128, 255, 256, 1023, 1024, 4095, 4096, 4097, 16384, 16385, 65535, 65536,
    2**20, 2**20 + 1, 2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
_BYTES = (0, 1, 2, 3, 4, 8, 16, 32, 64, 127, 128, 192, 254, 255)
_ROUNDS = (1, 1, 1, 1, 2, 2, 3, 4, 8)
_WORDS = (
    "true", "false", "null", "nan", "inf", "-inf", "-1", "0", "1", "1e309", "-0.0", "1/0", "0:0", "0x10", "1_0", "0.5",
    "9" * 30, "9" * 5000, "1e-400", '""', "[]", "{}", "[1,2]", '{"a":1}', "\\u001b[2J", "\x1b]0;x\x07", "\u202e",
    "\ud7ff", "\x00", "\\ud800", "1979-05-27T07:32:00Z", "'''", '"', "box:1x1", "scattered:1", "é", "W1", "H1", "F0:1",
    "C420p10", "It", "A1:1", "XCOLORRANGE=FULL",
)  # fmt: skip
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def mutate_bytes(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of a kind that needs no knowledge: flips, insertions, deletions, copies, splices."""
    out = bytearray(data)
    for _ in range(random.choice(_ROUNDS)):
        at = random.randrange(len(out) + 1)
        end = min(len(out), at + random.choice((1, 1, 2, 4, 4, 8, 16, 64)))
        kind = random.randrange(9)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = random.choice(_BYTES)
        elif kind == 2:
            out[at:at] = random.randbytes(random.choice((1, 1, 2, 4, 4, 16)))
        elif kind == 3:
            del out[at:end]
        elif kind == 4:
            out[at:at] = out[at:end] * random.choice((1, 1, 2, 7))
        elif kind == 5:
            out[at:end] = bytes(random.choice((0, 255)) for _ in range(1)) * (end - at)
        elif kind == 6:
            out[at:end] = random.randbytes(end - at)
        elif kind == 7 and others:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            out[at:end] = other[start : start + random.choice((1, 4, 16, 64, 4096))]
        elif kind == 8 and random.random() < 0.3:
            del out[at:]
    return bytes(out[:MOST_BYTES])


def mutate_text(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of words, numbers and lines; sometimes of bytes."""
    if random.random() < 0.15:
        return mutate_bytes(data, random, others)
    words: list[str] = _TOKEN.findall(data.decode("utf-8", "surrogateescape"))
    for _ in range(random.choice(_ROUNDS)):
        at = random.randrange(len(words) + 1)
        end = min(len(words), at + random.choice((1, 1, 1, 2, 4, 9)))
        kind = random.randrange(8)
        if kind <= 1 and at < len(words):
            numbers = [place for place, word in enumerate(words) if word.isdecimal()]
            place = random.choice(numbers) if numbers and kind else at
            words[place] = str(random.choice((*_NUMBERS, *_WORDS)))
        elif kind == 2:
            words.insert(at, random.choice(_WORDS))
        elif kind == 3:
            del words[at:end]
        elif kind == 4:
            words[at:at] = words[at:end] * random.choice((1, 1, 2, 50))
        elif kind == 5 and at < len(words):
            words[at] = random.choice("[{(\"'-.=:") * random.choice((1, 2, 2000))
        elif kind == 6 and others:
            other = _TOKEN.findall(random.choice(others).decode("utf-8", "surrogateescape")) or [""]
            start = random.randrange(len(other))
            words[at:end] = other[start : start + random.choice((1, 3, 12, 60))]
        elif kind == 7 and len(words) > 1:
            first, second = random.randrange(len(words)), random.randrange(len(words))
            words[first], words[second] = words[second], words[first]
    return "".join(words).encode("utf-8", "surrogatepass" if random.random() < 0.1 else "replace")[:MOST_BYTES]


def mutate_bitstream(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of fields and chunks of a bitstream or a file of a layer, mostly with everything about it made right."""
    file = dissected(data).copy()
    if not file.chunks or random.random() < 0.03:
        return mutate_bytes(data, random, others)
    for _ in range(random.choice(_ROUNDS)):
        _mutate_chunks(file, random, others)
    out = assembled(file, index=random.random() < 0.85, parents=random.random() < 0.7)
    if random.random() < 0.03:
        out = mutate_bytes(out, random, others)
    return out[:MOST_BYTES]


def _mutate_chunks(file: Dissected, random: Random, others: Sequence[bytes]) -> None:
    chunks, kind = file.chunks, random.randrange(20)
    if not chunks:
        return
    at = random.randrange(len(chunks))
    if kind <= 12:
        _mutate_fields(chunks[at], random, others)
    elif kind == 13:
        del chunks[at]
    elif kind == 14:
        chunks[at:at] = [chunks[at].copy() for _ in range(random.choice((1, 1, 2, 40)))]
    elif kind == 15:
        chunks.insert(random.randrange(len(chunks)), chunks.pop(at))
    elif kind == 16:
        chunks[at].type = random.choice([*(name.encode() for name in CHUNK_TYPES), chunks[at].type.swapcase(), b"zzZz"])
    elif kind == 17 and others:
        other = dissected(random.choice(others))
        if other.chunks:
            chunks.insert(at, random.choice(other.chunks).copy())
    elif kind == 18:
        chunks[at].fields = chunks[at].fields[: random.randrange(len(chunks[at].fields) + 1)]
    elif random.random() < 0.2:
        file.preamble = mutate_bytes(file.preamble, random)


def _mutate_fields(chunk: Chunk, random: Random, others: Sequence[bytes]) -> None:
    if chunk.type == META.encode():
        chunk.fields = [Field("rest", mutate_deflated(chunk.payload, random, others))]
        return
    fields, kind = chunk.fields, random.randrange(10)
    if not fields:
        fields.append(Field("rest", random.randbytes(random.choice((1, 4, 16)))))
        return
    at = random.randrange(len(fields))
    if kind <= 6:
        _mutate_field(fields[at], random, others)
    elif kind == 7:
        del fields[at]
    elif kind == 8:
        fields.insert(at, Field(fields[at].kind, fields[at].data))
    else:
        other = random.randrange(len(fields))
        fields[at], fields[other] = fields[other], fields[at]


def _mutate_field(part: Field, random: Random, others: Sequence[bytes]) -> None:
    if part.kind == "varint":
        part.data = _number(part.data, random)
    elif part.kind == "byte":
        part.data = bytes([random.choice((*_BYTES, random.randrange(256)))])
    elif part.kind == "prefixed" and random.random() < 0.1:
        part.kind, part.data = "take", _number(b"", random) + part.data
    else:
        part.data = mutate_bytes(part.data, random, others if random.random() < 0.1 else ())
        if part.kind == "rest" and random.random() < 0.7:
            part.data = part.data[: len(part.data) // 4 * 4]  # coded parameters are whole words


def _number(old: bytes, random: Random) -> bytes:
    if old and random.random() < 0.3:
        value = sum((septet & 0x7F) << 7 * place for place, septet in enumerate(old))
        return varint(min(max(0, value + random.choice((-2, -1, 1, 2))), 2**64 - 1))
    if random.random() < 0.03:
        return random.choice((b"\xff" * 10, b"\x80\x00", b"\xff" * 9 + b"\x7f", b"\x80"))
    return varint(random.choice((*_NUMBERS, random.getrandbits(random.randrange(1, 64)))))


def mutate_deflated(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of text inside zlib's format; sometimes of the outside."""
    if random.random() < 0.1:
        return mutate_bytes(data, random, others)
    with suppress(zlib.error):
        text = zlib.decompressobj().decompress(data, MOST_BYTES)
        return zlib.compress(mutate_text(text, random), 1)
    return mutate_bytes(data, random, others)


def mutate_png(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of the chunks of a PNG file, pixels included, with checksums made right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks or random.random() < 0.1:
        return mutate_bytes(data, random, others)
    for _ in range(random.choice(_ROUNDS)):
        place = random.randrange(len(chunks)) if chunks else 0
        kind = random.randrange(6)
        if kind <= 2 and chunks:
            name, body = chunks[place]
            chunks[place] = name, mutate_deflated(body, random) if name == b"IDAT" else mutate_bytes(body, random)
        elif kind == 3 and chunks:
            chunks.insert(random.randrange(len(chunks)), chunks[place])
        elif kind == 4 and chunks:
            del chunks[place]
        elif kind == 5 and chunks:
            name = random.choice((b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"IEND", b"acTL", b"fcTL", b"fdAT", b"iCCP"))
            chunks[place] = name, chunks[place][1]
    framed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return (data[:8] + b"".join(framed))[:MOST_BYTES]


def mutate_y4m(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of the header, of the line in front of a frame, or of samples."""
    head, line_end, pictures = data.partition(b"\n")
    kind = random.randrange(8)
    if kind <= 4:
        return (mutate_text(head, random) + line_end + pictures)[:MOST_BYTES]
    if kind == 5:
        frames = pictures.split(b"FRAME")
        place = random.randrange(len(frames))
        frames[place] = mutate_text(frames[place][:2], random) + frames[place][2:]
        return (head + line_end + b"FRAME".join(frames))[:MOST_BYTES]
    return mutate_bytes(data, random, others)


def mutate_zip(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of one file of an archive of arrays, with its checksums made right."""
    if random.random() < 0.1:
        return mutate_bytes(data, random, others)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [(name, archive.read(name)) for name in archive.namelist()]
    except (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError, zlib.error, struct.error):
        return mutate_bytes(data, random, others)
    for _ in range(random.choice(_ROUNDS)):
        if not files:
            break
        at = random.randrange(len(files))
        name, body = files[at]
        kind = random.randrange(6)
        if kind <= 1:
            files[at] = name, body[:10] + mutate_text(body[10:128], random) + body[128:]  # shape and kind of numbers
        elif kind <= 3:
            files[at] = name, body[:128] + mutate_bytes(body[128:], random)
        elif kind == 4:
            files[at] = name, files[random.randrange(len(files))][1]
        else:
            del files[at]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files:
            archive.writestr(zipfile.ZipInfo(name), body)
    return out.getvalue()[:MOST_BYTES]


def mutate_indexed(inner: Mutator) -> Mutator:
    """Of an input whose first byte chooses something, and whose rest is for ``inner``."""

    def mutate(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
        first = data[:1] or b"\0"
        if random.random() < 0.05:
            first = bytes([random.randrange(256)])
        return first + inner(data[1:], random, [other[1:] for other in others[:8]])

    return mutate
