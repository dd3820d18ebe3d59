"""Print a bitstream byte by byte, every field named: the example of bitstream_spec.md, or a file that puzzles.

python tools/annotate.py                  the example of the specification
python tools/annotate.py --update         the same, put into the specification
python tools/annotate.py clip.nvc
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from nvcodec.container import ids, read_container
from nvcodec.container.chunks import PREAMBLE_BYTES, ChunkInfo
from nvcodec.container.metadata import MAX_METADATA_BYTES, read_metadata
from nvcodec.container.packs import LAYER_ID_BYTES
from nvcodec.container.side_data import SideDataId
from nvcodec.container.wire import Reader
from nvcodec.models.msnerv_config import Upsampling

EXAMPLE = Path(__file__).parents[1] / "tests" / "conformance" / "yuv420_8bit.nvc"
SPEC = Path(__file__).parents[1] / "bitstream_spec.md"
_BYTES_PER_LINE = 16
_LONGEST_FIELD = 7
_FENCE = "```text\n"


class _Printer:
    """Takes a payload apart field by field and keeps a line for each."""

    def __init__(self, payload: bytes, start: int) -> None:
        self._reader, self._payload, self._start = Reader(payload), payload, start
        self.lines: list[str] = []

    def _add(self, size: int, text: str) -> None:
        end = len(self._payload) - self._reader.remaining
        self.lines += hex_lines(self._payload[end - size : end], self._start + end - size, text)

    def varint(self, name: str, meaning: str = "") -> int:
        before = self._reader.remaining
        value = self._reader.varint(name)
        self._add(before - self._reader.remaining, f"{name} {value}{f' ({meaning})' if meaning else ''}")
        return value

    def id(self, name: str, known: type[IntEnum]) -> int:
        before = self._reader.remaining
        value = self._reader.varint(name)
        meaning = known(value).name.lower() if value in known._value2member_map_ else "not known"
        self._add(before - self._reader.remaining, f"{name} {value} ({meaning})")
        return value

    def u8(self, name: str) -> int:
        value = self._reader.byte(name)
        self._add(1, f"{name} {value}")
        return value

    def take(self, size: int, text: str) -> bytes:
        data = self._reader.take(size, text)
        self._add(size, text)
        return data

    def rest(self, text: str) -> bytes:
        return self.take(self._reader.remaining, text)

    @property
    def remaining(self) -> int:
        return self._reader.remaining


def hex_lines(data: bytes, offset: int, text: str) -> list[str]:
    """Offset, bytes, meaning; long fields run over several lines, and very long ones are shortened."""
    rows = [data[at : at + _BYTES_PER_LINE] for at in range(0, len(data), _BYTES_PER_LINE)] or [b""]
    lines = [f"{offset:6}  {rows[0].hex(' '):{3 * _BYTES_PER_LINE - 1}}  {text}"]
    further = [f"{offset + _BYTES_PER_LINE * i:6}  {row.hex(' ')}" for i, row in enumerate(rows[1:], 1)]
    return lines + (further if len(further) <= _LONGEST_FIELD else [*further[:1], "        ...", further[-1]])


def annotate(data: bytes) -> Iterator[str]:
    """One or more lines for every field of a file."""
    container = read_container(data)
    yield from hex_lines(data[:8], 0, "signature")
    yield from hex_lines(data[8:PREAMBLE_BYTES], 8, "version {}.{}".format(*container.version))
    for chunk in container.chunks:
        at, payload = chunk.offset, chunk.payload(data)
        yield ""
        yield from hex_lines(data[at : at + 4], at, f"length {chunk.length}")
        yield from hex_lines(
            data[at + 4 : at + 8], at + 4, f"type '{chunk.type}': {ids.CHUNK_TYPES.get(chunk.type, 'unknown')}"
        )
        yield from hex_lines(data[at + 8 : at + 12], at + 8, "CRC-32 of length and type")
        yield from _payload_lines(chunk, payload)
        yield from hex_lines(data[chunk.end - 4 : chunk.end], chunk.end - 4, "CRC-32 of type and payload")
    yield ""
    yield from (f"{len(data):6}  {warning}" for warning in (*container.warnings, "end of file"))


def _payload_lines(chunk: ChunkInfo, payload: bytes) -> list[str]:
    printer = _Printer(payload, chunk.offset + 12)
    if chunk.type == ids.HEAD:
        _head(printer)
    elif chunk.type == ids.BASE:
        for name in ("stream", "first frame", "frame count"):
            printer.varint(name)
        for gop in range(printer.varint("boundaries")):
            printer.varint(f"GoP {gop}: frames")
        if printer.remaining:
            printer.rest(f"coded parameters, {printer.remaining // 4} words of 4 bytes")
    elif chunk.type == ids.KEYF:
        printer.u8("key-frame codec")
        printer.varint("group")
        count = printer.varint("key-frame count")
        printer.take((count + 7) // 8, "direct bits")
        for frame in range(count):
            printer.take(printer.varint(f"bytes of key frame {frame}"), f"key frame {frame}")
    elif chunk.type == ids.DGST:
        printer.varint("segment")
        printer.take(16, "SHA-256 of the integers, first half")
        count, width = printer.varint("sample count"), printer.u8("bytes per sample")
        printer.take(count * width, "samples")
    elif chunk.type == ids.PACK:
        for name in ("segment", "layer"):
            printer.varint(name)
        printer.take(LAYER_ID_BYTES, "id of the layer below")
        printer.varint("pack model id")
        printer.take(printer.varint("bytes of pack configuration"), "pack configuration")
        printer.take(16, "SHA-256 of the integers, first half")
        printer.varint("PSNR in 1/1000 dB")
        printer.rest(f"coded parameters, {printer.remaining // 4} words of 4 bytes")
    elif chunk.type == ids.PREV:
        for name in ("segment", "divisor", "level", "rank"):
            printer.varint(name)
        printer.rest(f"coded parameters, {printer.remaining // 4} words of 4 bytes")
    elif chunk.type == ids.SIDE:
        printer.varint("stream")
        while printer.remaining:
            printer.id("entry", SideDataId)
            printer.take(printer.varint("bytes of value"), "value")
    elif chunk.type == ids.INDX:
        while printer.remaining:
            printer.id("kind", ids.IndexKind)
            for name in ("stream", "layer", "first frame", "frame count", "offset"):
                printer.varint(name)
    elif chunk.type == ids.META:
        printer.rest(f"zlib: {read_metadata(payload, MAX_METADATA_BYTES)[0]}")
    else:
        printer.rest("not known")
    return printer.lines


def _head(printer: _Printer) -> None:
    model = printer.id("model id", ids.ModelId)
    printer.varint("coding domain id")
    printer.varint("prior id", "none")
    printer.varint("render profile", "float32")
    size = printer.varint("bytes of model configuration")
    if model in (ids.ModelId.MSNERV, ids.ModelId.TENERV):
        _msnerv(printer)
    elif model == ids.ModelId.DNERV:
        _dnerv(printer)
    else:
        printer.take(size, "model configuration")
    for stream in range(printer.varint("stream count")):
        for name in ("width", "height", "frame count", "frame rate numerator", "frame rate denominator"):
            printer.varint(f"stream {stream}: {name}")
        for name in ("bit depth", "chroma format", "primaries", "transfer", "matrix", "range flag"):
            printer.u8(name)
        length = printer.varint("bytes of name")
        printer.take(length, "name")


def _msnerv(printer: _Printer) -> None:
    blocks = printer.u8("blocks")
    printer.take(blocks, "strides")
    printer.take(2 * blocks, "channels")
    printer.take(blocks, "depths")
    printer.take(blocks, "expansions")
    for level in range(printer.u8("grid levels")):
        printer.take(4, f"level {level}: interval (2 bytes), shrink, channels")
    for name in ("shuffle", "window", "GoP grid", "local channels", "local levels"):
        printer.u8(name)
    printer.u8("upsampling: " + ", ".join(f"{kind.value} {kind.name.lower()}" for kind in Upsampling) + ":")
    printer.u8("fusion")
    printer.u8("cross depth")
    printer.u8("GoP kernels")


def _dnerv(printer: _Printer) -> None:
    blocks = printer.u8("blocks")
    printer.take(blocks, "strides")
    printer.take(2 * blocks, "channels")
    for name in ("stem", "time width", "tile"):
        printer.take(2, f"{name} (2 bytes)")
    for name in ("key channels", "shuffle", "clip", "time levels", "overlap", "flow", "fusion", "temporal"):
        printer.u8(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=EXAMPLE, help="default: the example of the specification")
    parser.add_argument("--update", action="store_true", help="write the example into bitstream_spec.md")
    options = parser.parse_args()
    text = "\n".join(annotate(options.file.read_bytes())) + "\n"
    if options.update:
        before, rest = SPEC.read_text(encoding="utf-8").split(_FENCE)
        SPEC.write_text(before + _FENCE + text + rest[rest.index("```") :], encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
