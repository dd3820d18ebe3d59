"""What file names say about raw video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import InputError
from nvcodec.io.geometry import PIXEL_FORMATS, NamedGeometry, parse_name, pixel_format_of, raw_format

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Beauty_1920x1080_120fps_420_8bit_YUV.yuv", NamedGeometry((1920, 1080), Fraction(120), 8, 420)),
        ("BasketballPass_416x240_50.yuv", NamedGeometry((416, 240), Fraction(50))),
        ("clip_352x288_30.yuv", NamedGeometry((352, 288), Fraction(30))),
        ("D-name_1280x720_60p_yuv420p10b.yuv", NamedGeometry((1280, 720), Fraction(60), 10, 420)),
        ("name_1280x720_60p_10b.yuv", NamedGeometry((1280, 720), Fraction(60), 10)),
        ("Tango2_3840x2160_60fps_10bit_420.yuv", NamedGeometry((3840, 2160), Fraction(60), 10, 420)),
        ("CatRobot1_3840x2160p_60_10_709_420.yuv", NamedGeometry((3840, 2160), Fraction(60), 10, 420)),
        ("Kimono1_1920x1080_24.yuv", NamedGeometry((1920, 1080), Fraction(24))),
        ("foreman_cif.yuv", NamedGeometry((352, 288))),
        ("carphone_qcif.yuv", NamedGeometry((176, 144))),
        ("crowd_run_1080p50.yuv", NamedGeometry((1920, 1080), Fraction(50))),
        ("park_joy_420_720p50.yuv", NamedGeometry((1280, 720), Fraction(50), None, 420)),
        ("a_640x480_24.5fps.yuv", NamedGeometry((640, 480), Fraction(49, 2))),
        ("a_640x480_29.97fps.yuv", NamedGeometry((640, 480), NTSC)),
        ("a_640x480_23.976.yuv", NamedGeometry((640, 480), Fraction(24000, 1001))),
        ("a_640x480_12.5hz.yuv", NamedGeometry((640, 480), Fraction(25, 2))),
        ("a.640X480.25fps.yuv", NamedGeometry((640, 480), Fraction(25))),
        ("a_640x480_10-bit.yuv", NamedGeometry((640, 480), None, 10)),
        ("a_640x480_420p10le.yuv", NamedGeometry((640, 480), None, 10, 420)),
        ("a_640x480_422_12bit.yuv", NamedGeometry((640, 480), None, 12, 422)),
        ("clip12_30.yuv", NamedGeometry()),
        ("from_3840x2160_to_1920x1080.yuv", NamedGeometry()),
        ("video.yuv", NamedGeometry()),
        ("a_640x480_0fps.yuv", NamedGeometry((640, 480))),
    ],
)
def test_naming_schemes(name: str, expected: NamedGeometry) -> None:
    assert parse_name(name) == expected


@given(
    title=st.text("abcdefgijklmnoqrstuvwyz", min_size=1, max_size=8).filter(
        lambda t: "cif" not in t and "vga" not in t
    ),
    width=st.integers(16, 9999),
    height=st.integers(16, 9999),
    rate=st.one_of(st.none(), st.integers(1, 240)),
    depth=st.sampled_from([None, 8, 10]),
    separator=st.sampled_from("_- "),
    chroma=st.booleans(),
)
def test_every_combination_is_read_back(
    title: str, width: int, height: int, rate: int | None, depth: int | None, separator: str, chroma: bool
) -> None:
    words = [title, f"{width}x{height}"]
    words += [f"{rate}fps"] if rate else []
    words += ["420"] if chroma else []
    words += [f"{depth}bit"] if depth else []
    assert parse_name(separator.join(words) + ".yuv") == NamedGeometry(
        (width, height), Fraction(rate) if rate else None, depth, 420 if chroma else None
    )


@given(st.text(max_size=40))
def test_no_name_is_too_strange(name: str) -> None:
    parse_name(name)


def test_options_beat_the_name_and_the_origin_says_so() -> None:
    path = Path("Beauty_1920x1080_120fps_420_8bit_YUV.yuv")
    format, origin = raw_format(path, None, None, None)
    assert (format.width, format.height, format.fps, format.bit_depth) == (1920, 1080, 120, 8)
    assert origin == "geometry 1920x1080 8-bit 120 fps (from the file name)"
    format, origin = raw_format(path, (960, 540), NTSC, "yuv420p10le")
    assert (format.width, format.height, format.fps, format.bit_depth) == (960, 540, NTSC, 10)
    assert origin == "geometry 960x540 10-bit 30000/1001 fps (from the options)"
    _, origin = raw_format(Path("foreman_cif.yuv"), None, Fraction(30), None)
    assert origin == "geometry 352x288 8-bit 30 fps (size from the file name, depth assumed, fps from the options)"


def test_unknown_size_names_the_options_to_add() -> None:
    with pytest.raises(InputError, match="cannot tell the picture size of clip.yuv") as caught:
        raw_format(Path("clip.yuv"), None, None, None)
    assert 'size="1920x1080", rate=30, pix_fmt="yuv420p"' in caught.value.hint
    assert "ffmpeg -s 1920x1080 -r 30 -i clip.yuv clip.y4m" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "pix_fmt"),
    [
        ("a_64x48_422.yuv", "yuv422p"),
        ("a_64x48_yuv444p.yuv", "yuv444p"),
        ("a_64x48_12bit.yuv", "yuv420p12le"),
        ("a_64x48_400.yuv", "gray"),
        ("a_64x48_422_10bit.yuv", "yuv422p10le"),
        ("a_64x48_yuv444p12le.yuv", "yuv444p12le"),
        ("a_64x48_gray10le.yuv", "gray10le"),
        ("a_64x48_25_12.yuv", "yuv420p12le"),
        ("grey_64x48.yuv", "gray"),
    ],
)
def test_names_say_sampling_and_depth(name: str, pix_fmt: str) -> None:
    format, _ = raw_format(Path(name), None, None, None)
    assert (format.chroma, format.bit_depth) == PIXEL_FORMATS[pix_fmt] and pixel_format_of(format) == pix_fmt


@pytest.mark.parametrize("name", ["a_64x48_9bit.yuv", "a_64x48_yuv444p14le.yuv", "a_64x48_gray16le.yuv"])
def test_unsupported_depth_is_refused_unless_options_say_otherwise(name: str) -> None:
    with pytest.raises(InputError, match="only 8, 10 and 12-bit"):
        raw_format(Path(name), None, None, None)
    assert raw_format(Path(name), None, None, "yuv422p")[0].bit_depth == 8


@pytest.mark.parametrize("size", [(0, 16), (16, 0), (99_999, 16)])
def test_impossible_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="impossible"):
        raw_format(Path("a.yuv"), size, None, None)
