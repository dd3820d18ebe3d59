"""Y4M: exact planes and tags both ways, pipes, and headers that must be refused."""

from __future__ import annotations

import io
import os
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import Colour, VideoFormat

FRAME = b"FRAME\n" + bytes(range(24))  # 4x4, 8 bit


class Pipe(io.BytesIO):
    """Bytes that come from another program: no going back."""

    def seekable(self) -> bool:
        return False


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(data)))


def write(path: Path, tags: str, frames: bytes = FRAME) -> Path:
    path.write_bytes(b"YUV4MPEG2" + (f" {tags}" if tags else "").encode() + b"\n" + frames)
    return path


@pytest.mark.parametrize("size", [(64, 48), (53, 37)])
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(25), None])
@pytest.mark.parametrize("full", [True, False])
def test_round_trip_is_exact(tmp_path: Path, noise, save, load, same, size, depth, fps, full) -> None:
    format = VideoFormat(*size, fps, depth, colour=Colour(full_range=full))
    clip = noise(format, 3)
    save(tmp_path / "clip.y4m", format, clip)
    with open_source(tmp_path / "clip.y4m") as source:
        assert source.format == format and source.frame_count == 3
    assert same(load(tmp_path / "clip.y4m"), clip)
    assert same(load(tmp_path / "clip.y4m", seek=1, frames=1), clip[1:2])


def test_golden_bytes(tmp_path: Path, noise, save) -> None:
    format = VideoFormat(4, 2, Fraction(25))
    clip = noise(format, 1)
    save(tmp_path / "a.y4m", format, clip)
    header = b"YUV4MPEG2 W4 H2 F25:1 Ip A0:0 C420mpeg2 XCOLORRANGE=LIMITED\nFRAME\n"
    assert (tmp_path / "a.y4m").read_bytes() == header + b"".join(plane.tobytes() for plane in clip[0])


def test_magic_beats_the_suffix(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "a_64x48.yuv", "W4 H4 F5:1")) as source:
        assert (source.format.width, source.format.fps) == (4, 5)
        assert source.origin == "geometry 4x4 8-bit 5 fps (from the Y4M header)"


@pytest.mark.parametrize("chroma", ["", " C420", " C420jpeg", " C420mpeg2", " C420paldv", " Ip C420 A1:1 I?"])
def test_every_name_of_eight_bit(tmp_path: Path, load, chroma: str) -> None:
    (y, u, v), *rest = load(write(tmp_path / "a.y4m", "W4 H4 F30:1" + chroma, FRAME * 2))
    assert len(rest) == 1 and y[3, 3] == 15 and u.tolist() == [[16, 17], [18, 19]] and v[1, 1] == 23


def test_frame_headers_may_carry_parameters(tmp_path: Path, load) -> None:
    frames = b"FRAME Ip XA\n" + bytes(24) + FRAME + b"FRAME \n" + bytes([7] * 24)
    path = write(tmp_path / "a.y4m", "W4 H4", frames)
    assert len(load(path)) == 3
    assert load(path, seek=2)[0][0][0, 0] == 7


def test_unknown_rate_stays_unknown_and_an_option_fills_it(tmp_path: Path) -> None:
    for tags in ("W4 H4", "W4 H4 F0:0"):
        path = write(tmp_path / "a.y4m", tags)
        with open_source(path) as source:
            assert source.format.fps is None
        with open_source(path, fps=Fraction(24)) as source:
            assert source.format.fps == 24 and source.origin.endswith("; 24 fps from the options")


def test_pipe(monkeypatch: pytest.MonkeyPatch, noise, save, same, tmp_path: Path) -> None:
    format = VideoFormat(18, 10, Fraction(50), 10)
    clip = noise(format, 5)
    save(tmp_path / "a.y4m", format, clip)
    data = (tmp_path / "a.y4m").read_bytes()
    pipe_in(monkeypatch, data)
    with open_source("-") as source:
        assert source.format == format and source.frame_count is None
        assert same(list(source), clip)
        assert source.frame_count == 5
    pipe_in(monkeypatch, data)
    with open_source("-", seek=2, frames=2) as source:
        assert source.frame_count == 2
        assert same(list(source), clip[2:4])
    for options, asked in (({"seek": 5}, "frame 5 was"), ({"seek": 3, "frames": 4}, "frames 3 to 6 were")):
        pipe_in(monkeypatch, data)
        with open_source("-", **options) as source, pytest.raises(InputError, match=f"holds 5 frames, but {asked}"):
            list(source)


def test_named_pipe(tmp_path: Path, load) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = b"YUV4MPEG2 W4 H4 F5:1\n" + FRAME * 3
    writer = threading.Thread(target=lambda: fifo.write_bytes(data))
    writer.start()
    assert len(load(fifo)) == 3
    writer.join()


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("W4 H4 C410", "chroma format C410"),
        ("W4 H4 C420p11", "chroma format C420p11"),
        ("W4 H4 C411 F25", "F denominator"),
        ("W4 H4 A4", "no valid A tag"),
        ("H4", "no valid W tag"),
        ("W4", "no valid H tag"),
        ("W-4 H4", "no valid W tag"),
        ("W4 H4.5", "no valid H tag"),
        ("W0 H4", "impossible"),
        ("W99999 H99999", "impossible"),
        ("W" + "9" * 500 + " H4", "no valid W tag"),
        ("W4 H4 F25", "F denominator"),
        ("W4 H4 F0:1", "frame rate F0:1"),
        ("W4 H4 F25:0", "frame rate F25:0"),
        ("W4 H4 X" + "x" * 2000, "does not end within 1024 bytes"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: str, message: str) -> None:
    path = write(tmp_path / "a.y4m", tags)
    with pytest.raises(InputError, match=message) as caught:
        open_source(path)
    assert caught.value.hint
    pipe_in(monkeypatch, path.read_bytes())
    with pytest.raises(InputError, match=message):
        open_source("-")


_OTHERS = [
    ("411", 8, "4:2:2", 8), ("444alpha", 8, "4:4:4", 8), ("mono9", 9, "grey", 10), ("mono16", 16, "grey", 12),
    *((f"{sampling}p{depth}", depth, f"4:{sampling[1]}:{sampling[2]}", min(12, 10 if depth == 9 else 12))
      for sampling in ("420", "422", "444") for depth in (9, 14, 16)),
]  # fmt: skip
_CELLS = {"411": (1, 4), "420": (2, 2), "422": (1, 2), "444": (1, 1), "mon": None}


@pytest.mark.parametrize(("tag", "depth", "chroma", "held"), _OTHERS, ids=lambda each: str(each))
@pytest.mark.parametrize("size", [(16, 8), (19, 7)])
def test_kinds_that_no_planes_hold_become_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str, depth: int, chroma: str, held: int, size: tuple[int, int]
) -> None:
    """Of flat planes: file and pipe, sought, and cut off."""
    cell, (width, height) = _CELLS[tag[:3]], size
    planes = [(height, width)]
    planes += [] if cell is None else [(-(-height // cell[0]), -(-width // cell[1]))] * 2
    planes += [(height, width)] * (tag == "444alpha")
    dtype, levels = ("u1" if depth == 8 else "<u2"), (40, 90, 170, 255)

    def frame(number: int) -> bytes:
        values = ((level + 8 * number) * 2**depth // 256 % 2**depth for level in levels)
        return b"FRAME\n" + b"".join(np.full(s, v, dtype).tobytes() for s, v in zip(planes, values, strict=False))

    data = f"YUV4MPEG2 W{width} H{height} F25:1 C{tag}\n".encode() + frame(0) + frame(1) + frame(2)
    (tmp_path / "a.y4m").write_bytes(data)
    pipe_in(monkeypatch, data)
    for path in (tmp_path / "a.y4m", "-"):
        with open_source(path, seek=1) as source:
            first, second = source
            assert (str(source.format.chroma), source.format.bit_depth) == (chroma, held)
            assert source.notices[0].startswith("its pixel format ") and len(source.notices) == 1 + (tag == "444alpha")
        for number, found in enumerate((first, second), 1):
            assert [plane.shape for plane in found] == list(source.format.plane_shapes)
            for plane, level in zip(found, levels, strict=False):
                wanted = (level + 8 * number) * 2**held // 256
                assert abs(plane.astype(int) - wanted).max() <= 1
    (tmp_path / "b.y4m").write_bytes(data[:-3])
    with open_source(tmp_path / "b.y4m") as source, pytest.raises(InputError, match="frame 2 is cut off"):
        list(source)
    with open_source(tmp_path / "b.y4m", allow_truncated=True) as source:
        assert len(list(source)) == 2


def test_last_frame_cut_off(tmp_path: Path, load, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.y4m", "W4 H4", FRAME * 2 + FRAME[:-3])
    with open_source(path) as source, pytest.raises(InputError, match="frame 2 is cut off: 21 of 24 bytes"):
        list(source)
    assert len(load(path, frames=2)) == 2
    pipe_in(monkeypatch, path.read_bytes())
    with open_source("-") as source, pytest.raises(InputError, match="frame 2 is cut off"):
        list(source)


@pytest.mark.parametrize("tail", [b"FRA", b"XXXXX\n" + bytes(24), b"FRAMES\n" + bytes(24), b"FRAME" + b" " * 2000])
def test_no_frame_header(tmp_path: Path, tail: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.y4m", "W4 H4", FRAME + tail)
    with pytest.raises(InputError, match="no frame header where frame 1 should begin"):
        open_source(path)
    pipe_in(monkeypatch, path.read_bytes())
    with open_source("-") as source, pytest.raises(InputError, match="where frame 1 should begin"):
        list(source)


def test_no_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.y4m", "W4 H4", b"")
    with pytest.raises(InputError, match="holds no frames"):
        open_source(path)
    pipe_in(monkeypatch, path.read_bytes())
    with open_source("-") as source, pytest.raises(InputError, match="standard input holds no frames"):
        list(source)


@pytest.mark.parametrize("data", [b"", b"RIFF....AVI ", b"YUV4MPEG3 W4 H4\n"])
def test_standard_input_that_is_not_y4m(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    pipe_in(monkeypatch, data)
    with pytest.raises(InputError, match="standard input is not Y4M"):
        open_source("-")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_standard_output(monkeypatch: pytest.MonkeyPatch, noise, tmp_path: Path, save) -> None:
    format = VideoFormat(6, 4, Fraction(25))
    clip = noise(format, 2)
    save(tmp_path / "a.y4m", format, clip)
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data))
    with open_sink("-", format) as sink:
        for planes in clip:
            sink.write(planes)
    assert data.getvalue() == (tmp_path / "a.y4m").read_bytes()


def test_terminals_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal())
    with pytest.raises(UsageError, match="standard output is a terminal"):
        open_sink("-", VideoFormat(6, 4))
    monkeypatch.setattr(sys, "stdin", _Terminal())
    with pytest.raises(InputError, match="standard input is a terminal"):
        open_source("-")
