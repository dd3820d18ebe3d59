"""Folders of JPEG and TIFF pictures, and the pictures that are written."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.io.av_frames import component_views
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import SRGB, ChromaFormat, VideoFormat

RGB = VideoFormat(32, 16, chroma=ChromaFormat.RGB, colour=SRGB)
CODECS = {".jpg": ("mjpeg", "yuvj420p"), ".tif": ("tiff", "rgb24")}


def still(path: Path, value: int, size: tuple[int, int] = (32, 16), pixel_format: str | None = None) -> None:
    """One grey picture by FFmpeg's own encoder."""
    codec, usual = CODECS[".jpg" if path.suffix.lower() in (".jpg", ".jpeg") else ".tif"]
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = *size, Fraction(1)
    encoder.pix_fmt = pixel_format or usual
    frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), value, np.uint8), "rgb24")
    frame = frame.reformat(format=encoder.pix_fmt, dst_color_range=2)
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".tif", ".tiff"])
def test_a_folder_is_read_in_natural_order(tmp_path: Path, suffix: str) -> None:
    for number in (10, 2, 1):
        still(tmp_path / f"f{number}{suffix}", 20 * number)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / f"._f1{suffix}").write_text("x")
    with open_source(tmp_path) as source:
        assert source.frame_count == 3 and source.origin.endswith(f"(from f1{suffix})")
        shown = [int(planes[0].mean()) for planes in source]
    assert np.abs(np.array(shown) - [20, 40, 200]).max() <= 2
    with open_source(tmp_path / f"f2{suffix}") as source:
        assert abs(next(iter(source))[0].mean() - 40) <= 2
    with open_source(tmp_path, seek=2, assume_rate=True) as source:
        assert source.fps == 25 and source.origin.endswith("25 fps assumed")
        assert "25 fps are assumed" in source.notices[-1] and len(list(source)) == 1
    with open_source(tmp_path, fps=Fraction(10), assume_rate=True) as source:
        assert source.fps == 10 and source.notices == []


def test_a_jpeg_keeps_its_planes(tmp_path: Path) -> None:
    for pixel_format, chroma in (
        ("yuvj420p", ChromaFormat.YUV420), ("yuvj422p", ChromaFormat.YUV422), ("yuvj444p", ChromaFormat.YUV444),
    ):  # fmt: skip
        still(tmp_path / "a.jpg", 90, pixel_format=pixel_format)
        with open_source(tmp_path / "a.jpg") as source:
            (planes,) = source
        assert source.format.chroma is chroma and source.format.colour.full_range
        with av.open(tmp_path / "a.jpg") as container:
            luma = component_views(next(container.decode(video=0)))[0]
        assert np.array_equal(planes[0], luma)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_mixed_sizes_are_refused_as_those_of_png(tmp_path: Path, suffix: str) -> None:
    still(tmp_path / f"1{suffix}", 9)
    still(tmp_path / f"2{suffix}", 9, (48, 16))
    with (
        open_source(tmp_path) as source,
        pytest.raises(InputError, match=f"2{suffix} is 48x16, but 1{suffix} is 32x16") as caught,
    ):
        list(source)
    assert caught.value.hint == "All pictures of a folder must have the same size."
    (tmp_path / f"2{suffix}").write_bytes(b"no picture")
    with open_source(tmp_path) as source, pytest.raises(InputError, match=f"2{suffix} cannot be decoded"):
        list(source)


def test_other_planes_become_those_of_the_first(tmp_path: Path) -> None:
    still(tmp_path / "1.tif", 60)
    still(tmp_path / "2.tif", 120, pixel_format="gray")
    with open_source(tmp_path) as source:
        pictures = list(source)
        assert "2.tif is gray, and becomes what 1.tif is" in source.notices
    assert [int(plane.mean()) for planes in pictures for plane in planes] == [60] * 3 + [120] * 3


def test_of_several_kinds_one_is_taken_and_the_others_are_told(tmp_path: Path) -> None:
    still(tmp_path / "1.jpg", 60)
    still(tmp_path / "1.tif", 60)
    still(tmp_path / "2.tif", 60)
    with open_source(tmp_path) as source:
        assert source.frame_count == 1 and source.notices == ["left out: 2 pictures that are no JPEG"]


@pytest.mark.parametrize(("tag", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_a_photograph_stands_upright(tmp_path: Path, tag: int, turns: int) -> None:
    """As the orientation in its Exif says."""
    video = VideoFormat(32, 16, chroma=ChromaFormat.RGB, colour=SRGB)
    corner = np.zeros((16, 32), np.uint8)
    corner[:8, :8] = 200
    with open_sink(tmp_path / "a.jpg", video) as sink:
        sink.write((corner, corner, corner))
    data = (tmp_path / "a.jpg").read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", 0x112, 3, 1, tag, 0) + bytes(4)
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    with open_source(tmp_path / "a.jpg") as source:
        (planes,) = source
    assert np.abs(planes[0].astype(int) - np.rot90(corner, turns)).mean() < 4
    assert (source.format.height, source.format.width) == planes[0].shape


def test_jpeg_that_is_written_is_what_was_drawn(tmp_path: Path, noise) -> None:
    smooth = tuple(np.repeat(np.repeat(plane[::4, ::8], 4, 0), 8, 1) // 2 + 60 for plane in noise(RGB, 1)[0])
    with open_sink(f"{tmp_path}/p%02d.jpg", RGB) as sink:
        sink.write(smooth)
        sink.write(smooth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p01.jpg", "p02.jpg"]
    with av.open(tmp_path / "p02.jpg") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - np.stack(smooth, -1)).mean() < 3
    with (
        pytest.raises(UsageError, match=r"x.jpg holds one picture") as caught,
        open_sink(tmp_path / "x.jpg", RGB) as sink,
    ):
        sink.write(smooth)
        sink.write(smooth)
    assert "x_%05d.jpg" in caught.value.hint and not (tmp_path / "x.jpg").exists()
