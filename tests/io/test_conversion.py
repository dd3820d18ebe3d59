"""What is done to pictures while they are read: every conversion, by pixels whose place, time and colour are known."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from nvcodec.color import converted, yuv_format
from nvcodec.errors import InputError, UsageError
from nvcodec.io.conversion import Conversion, Crop
from nvcodec.io.geometry import PIXEL_FORMATS
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import SRGB, ChromaFormat, Planes, SideData, Timestamps, VideoFormat

WIDTH, HEIGHT, FRAMES = 48, 32, 10
KINDS = [(chroma, depth) for chroma in ChromaFormat for depth in (8, 10)]


def quarters(video: VideoFormat, number: int) -> Planes:
    """A picture of four quarters of colours of their own, a little brighter with each number."""
    planes = []
    for plane, (rows, columns) in enumerate(video.plane_shapes):
        samples = np.empty((rows, columns), video.dtype)
        for quarter, (line, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            part = samples[
                line * rows // 2 : (line + 1) * rows // 2, column * columns // 2 : (column + 1) * columns // 2
            ]
            part[:] = (40 + 45 * quarter + 10 * plane + number) << (video.bit_depth - 8)
        planes.append(samples)
    return tuple(planes)


def video_of(chroma: ChromaFormat = ChromaFormat.YUV420, depth: int = 8, fps: int | None = 50) -> VideoFormat:
    rate = None if fps is None else Fraction(fps)
    rgb = {"colour": SRGB} if chroma is ChromaFormat.RGB else {}
    return VideoFormat(WIDTH, HEIGHT, rate, depth, chroma, **rgb)


def write(path: Path, video: VideoFormat, side_data: SideData | None = None) -> Path:
    with open_sink(path, video, side_data=side_data or SideData()) as sink:
        for number in range(FRAMES):
            sink.write(quarters(video, number))
    return path


@pytest.mark.parametrize(("chroma", "depth"), KINDS)
def test_a_crop_is_a_part_of_each_plane(tmp_path: Path, chroma: ChromaFormat, depth: int) -> None:
    video = video_of(chroma, depth)
    path = write(tmp_path / "a.mkv", video)
    with open_source(path, seek=2, conversion=Conversion(crop=Crop(20, 12, 8, 10))) as source:
        pictures = list(source)
        assert (source.format.width, source.format.height, source.frame_count) == (20, 12, FRAMES - 2)
        assert "cropped to 20x12+8+10" in source.origin
    for number, planes in enumerate(pictures, 2):
        for plane, whole in zip(planes, quarters(video, number), strict=True):
            rows, columns = HEIGHT // whole.shape[0], WIDTH // whole.shape[1]
            wanted = whole[10 // rows : 22 // rows, 8 // columns : 28 // columns]
            assert plane.dtype == whole.dtype and np.array_equal(plane, wanted)


@pytest.mark.parametrize(
    ("crop", "place"),
    [(Crop(16, 8), "16x8+16+12"), (Crop(15, 9, 3, 5), "15x9+2+4"), (Crop(48, 32, 0, 0), "48x32+0+0")],
)
def test_a_crop_lies_in_the_middle_and_on_whole_chroma(tmp_path: Path, crop: Crop, place: str) -> None:
    path = write(tmp_path / "a.y4m", video_of())
    with open_source(path, conversion=Conversion(crop=crop)) as source:
        assert f"cropped to {place}" in source.origin
        assert [plane.shape for plane in next(iter(source))] == list(source.format.plane_shapes)


@pytest.mark.parametrize("crop", [Crop(49, 8), Crop(16, 33), Crop(16, 8, 33, 0), Crop(16, 8, 0, 25)])
def test_a_crop_that_does_not_lie_in_the_picture(tmp_path: Path, crop: Crop) -> None:
    path = write(tmp_path / "a.y4m", video_of())
    with pytest.raises(UsageError, match=f'crop="{crop}" does not lie in pictures of 48x32'):
        open_source(path, conversion=Conversion(crop=crop))


@pytest.mark.parametrize(("chroma", "depth"), KINDS)
@pytest.mark.parametrize("scale", [Fraction(1, 2), (24, 16), Fraction(2), (72, 40)])
def test_scaled_pictures_show_the_same(tmp_path: Path, chroma: ChromaFormat, depth: int, scale) -> None:
    video = video_of(chroma, depth)
    path = write(tmp_path / "a.mkv", video)
    size = scale if isinstance(scale, tuple) else (int(WIDTH * scale), int(HEIGHT * scale))
    with open_source(path, conversion=Conversion(scale=scale)) as source:
        pictures = list(source)
        assert (source.format.width, source.format.height) == size and f"scaled to {size[0]}x{size[1]}" in source.origin
    assert len(pictures) == FRAMES
    for number, planes in enumerate(pictures):
        assert [plane.shape for plane in planes] == list(source.format.plane_shapes)
        for plane, whole in zip(planes, quarters(video, number), strict=True):
            for line, column in [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)]:
                there, here = (
                    (each[int(line * each.shape[0]), int(column * each.shape[1])]) for each in (whole, plane)
                )
                assert abs(int(there) - int(here)) <= 2 << (depth - 8)  # bicubic filters swing at edges


@pytest.mark.parametrize(
    ("size", "aspect"), [((24, 16), None), ((48, 16), Fraction(1, 2)), ((24, 32), Fraction(2)), ((32, 21), None)]
)
def test_players_are_told_of_another_shape(tmp_path: Path, size: tuple[int, int], aspect: Fraction | None) -> None:
    path = write(tmp_path / "a.y4m", video_of())
    with open_source(path, conversion=Conversion(scale=size)) as source:
        list(source)
        assert source.side_data.aspect == aspect


@pytest.mark.parametrize(
    ("fps", "numbers"),
    [
        (25, [0, 2, 4, 6, 8]),
        (100, [number for number in range(FRAMES) for _ in range(2)]),
        (50, list(range(FRAMES))),
        (10, [2, 7]),
    ],
)
@pytest.mark.parametrize("name", ["a.y4m", "a.mkv", "a.mp4"])
def test_frames_are_left_out_or_shown_again(tmp_path: Path, name: str, fps: int, numbers: list[int]) -> None:
    path = write(tmp_path / name, video_of())
    with open_source(path, conversion=Conversion(fps=Fraction(fps))) as source:
        shown = [int(planes[0][4, 4]) - 40 for planes in source]
        assert source.fps == fps and source.side_data.timestamps is None and source.frame_count == len(shown)
    assert len(shown) == len(numbers)
    assert max(abs(found - wanted) for found, wanted in zip(shown, numbers, strict=True)) <= (name == "a.mp4")


def test_frames_count_as_they_come_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.y4m", video_of())
    with open_source(path, seek=1, frames=3, conversion=Conversion(fps=Fraction(25))) as source:
        assert [int(planes[0][0, 0]) - 40 for planes in source] == [2, 4, 6]
    short = pytest.raises(InputError, match="holds 5 frames, but frames 1 to 5 were asked for")
    with short, open_source(path, seek=1, frames=5, conversion=Conversion(fps=Fraction(25))) as source:
        list(source)


def test_frames_of_uneven_length_become_even(tmp_path: Path) -> None:
    times = Timestamps(Fraction(1, 50), (1, 3, 1, 1, 4, 1, 1, 1, 1, 1))
    path = write(tmp_path / "a.mkv", video_of(), SideData(timestamps=times))
    with open_source(path, conversion=Conversion(fps=Fraction(50))) as source:
        shown = [int(planes[0][0, 0]) - 40 for planes in source]
        assert source.side_data.timestamps is None and source.fps == 50
    assert shown == [number for number, ticks in enumerate(times.ticks) for _ in range(ticks)]


def ffmpeg(*words: object) -> None:
    """FFmpeg itself, as the writer of what PyAV cannot write."""
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", *map(str, words)], capture_output=True, check=True)


def fields(number: int, bottom_first: bool) -> Planes:
    """A picture of which each second line is half a picture later: a bar that moves four samples a picture."""
    video = video_of()
    planes = [np.full(shape, 128, np.uint8) for shape in video.plane_shapes]
    planes[0][:] = 30
    for line in range(HEIGHT):
        later = (line % 2 == 0) == bottom_first
        start = 4 * number + 2 * later
        planes[0][line, start : start + 8] = 220
    return tuple(planes)


@pytest.mark.parametrize(("name", "bottom_first"), [("a.y4m", False), ("a.y4m", True), ("a.ts", False), ("a.ts", True)])
@pytest.mark.parametrize("seek", [0, 3])
def test_fields_become_whole_pictures(tmp_path: Path, name: str, bottom_first: bool, seek: int) -> None:
    """Those of the earlier field, whichever it is: what moved between two fields leaves no comb."""
    path, video = tmp_path / "a.y4m", video_of(fps=25)
    with open_sink(path, video) as sink:
        for number in range(FRAMES):
            sink.write(fields(number, bottom_first))
    path.write_bytes(path.read_bytes().replace(b" Ip ", b" Ib " if bottom_first else b" It ", 1))
    if name == "a.ts":
        order = "bb" if bottom_first else "tt"
        how = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", "1", "-field_order", order)
        ffmpeg("-i", path, "-vf", f"setfield={'bff' if bottom_first else 'tff'}", *how, tmp_path / name)
    with open_source(tmp_path / name, seek=seek, conversion=Conversion(deinterlace=True)) as source:
        pictures = list(source)
        assert "deinterlaced" in source.origin and source.fps == 25 and source.side_data.timestamps is None
    assert len(pictures) == FRAMES - seek
    for number, planes in enumerate(pictures, seek):
        combs = np.abs(np.diff(planes[0][4:-4].astype(int), axis=0)).max()
        assert combs <= (8 if name == "a.y4m" else 60), (number, combs)
        assert np.abs(planes[0][8].astype(int) - fields(number, bottom_first)[0][8 + bottom_first]).mean() < 4


@pytest.mark.parametrize(("chroma", "depth"), KINDS)
def test_a_single_picture_of_fields(tmp_path: Path, chroma: ChromaFormat, depth: int) -> None:
    video = video_of(chroma, depth)
    with open_sink(tmp_path / "a.mkv", video) as sink:
        sink.write(quarters(video, 0))
    with open_source(tmp_path / "a.mkv", conversion=Conversion(deinterlace=True, scale=Fraction(1, 2))) as source:
        (planes,) = source
    assert [plane.shape for plane in planes] == list(source.format.plane_shapes) and planes[0].dtype == video.dtype


def test_a_rate_that_nobody_says_is_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.y4m", video_of(fps=None))
    with open_source(path, conversion=Conversion(fps=Fraction(24))) as source:
        assert len(list(source)) == FRAMES and source.fps == 24
    with open_source(path, fps=Fraction(48), conversion=Conversion(fps=Fraction(24))) as source:
        assert len(list(source)) == FRAMES // 2 and source.fps == 24


@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_other_planes(tmp_path: Path, chroma: ChromaFormat, pix_fmt: str) -> None:
    """As decoding converts them."""
    video = video_of(chroma)
    path = write(tmp_path / "a.mkv", video)
    with open_source(path, frames=1, conversion=Conversion(pix_fmt=pix_fmt)) as source:
        (planes,) = source
    found = source.format
    assert (found.chroma, found.bit_depth) == PIXEL_FORMATS[pix_fmt]
    if chroma is ChromaFormat.RGB:
        assert found.colour.matrix == yuv_format(video).colour.matrix and not found.colour.full_range
    wanted = converted(quarters(video, 0), video, found)
    assert all(np.array_equal(first, second) for first, second in zip(planes, wanted, strict=True))


def test_all_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.y4m", video_of())
    asked = Conversion(Crop(24, 16, 0, 0), (12, 8), Fraction(25), "yuv444p10le")
    with open_source(path, conversion=asked) as source:
        pictures = list(source)
        assert source.origin.endswith(
            "25 fps instead of 50, cropped to 24x16+0+0, scaled to 12x8, converted to yuv444p10le: "
            "12x8 10-bit 4:4:4 25 fps"
        )
    for number, planes in zip((0, 2, 4, 6, 8), pictures, strict=True):  # the first quarter alone
        for place, plane in enumerate(planes):
            assert plane.shape == (8, 12) and set(plane.ravel()) == {(40 + 10 * place + number) << 2}
