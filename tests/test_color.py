"""Colour conversion against values worked out from the Recommendations, and against a slow reference."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from nvcodec.color import rgb_to_yuv, to_eight_bit, yuv_format, yuv_to_rgb
from nvcodec.errors import UnsupportedError
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat


def flat(values: tuple[int, int, int], format: VideoFormat) -> Planes:
    first, second, third = (np.full(s, v, format.dtype) for s, v in zip(format.plane_shapes, values, strict=True))
    return first, second, third


def video(matrix: int, *, full: bool = False, depth: int = 8, size: tuple[int, int] = (6, 4)) -> VideoFormat:
    return VideoFormat(*size, bit_depth=depth, colour=Colour(matrix=matrix, full_range=full))


@pytest.mark.parametrize(
    ("matrix", "full", "depth", "yuv", "rgb"),
    [
        (1, False, 8, (235, 128, 128), (255, 255, 255)),
        (1, False, 8, (16, 128, 128), (0, 0, 0)),
        (1, True, 8, (255, 128, 128), (255, 255, 255)),
        (1, False, 8, (63, 102, 240), (255, 0, 0)),
        (6, False, 8, (81, 90, 240), (254, 0, 0)),
        (5, False, 8, (145, 54, 34), (0, 255, 1)),
        (6, True, 8, (29, 255, 107), (0, 0, 254)),
        (9, False, 10, (940, 512, 512), (1023, 1023, 1023)),
        (9, False, 10, (294, 387, 960), (1023, 0, 0)),
        (1, False, 10, (940, 512, 512), (1023, 1023, 1023)),
        (1, False, 8, (255, 128, 128), (255, 255, 255)),
    ],
)
def test_known_colours_to_rgb(
    matrix: int, full: bool, depth: int, yuv: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    format = video(matrix, full=full, depth=depth)
    planes = yuv_to_rgb(flat(yuv, format), format)
    assert all(plane.shape == (4, 6) and plane.dtype == format.dtype for plane in planes)
    assert [int(plane[2, 3]) for plane in planes] == pytest.approx(rgb, abs=1)
    assert all(len(np.unique(plane)) == 1 for plane in planes)


@pytest.mark.parametrize(
    ("matrix", "full", "depth", "rgb", "yuv"),
    [
        (1, False, 8, (255, 0, 0), (63, 102, 240)),
        (6, False, 8, (255, 0, 0), (81, 90, 240)),
        (6, True, 8, (0, 0, 255), (29, 255, 107)),
        (9, False, 8, (0, 255, 0), (164, 47, 25)),
        (1, False, 8, (255, 255, 255), (235, 128, 128)),
        (1, False, 10, (1023, 0, 0), (250, 409, 960)),
        (1, True, 10, (1023, 1023, 1023), (1023, 512, 512)),
    ],
)
def test_known_colours_to_yuv(
    matrix: int, full: bool, depth: int, rgb: tuple[int, int, int], yuv: tuple[int, int, int]
) -> None:
    format = video(matrix, full=full, depth=depth)
    rgb_format = replace(format, chroma=ChromaFormat.RGB)
    planes = rgb_to_yuv(flat(rgb, rgb_format), format)
    assert [plane.shape for plane in planes] == list(format.plane_shapes)
    assert [int(plane[1, 1]) for plane in planes] == list(yuv)


def reference_rgb(planes: Planes, kr: float, kb: float) -> np.ndarray:
    """One limited-range 8-bit pixel after the other: chroma where MPEG-2 has it, edges repeated."""
    y, u, v = (plane.astype(float) for plane in planes)
    rows, columns = y.shape

    def chroma(plane: np.ndarray, row: int, column: int) -> float:
        position = (row - 0.5) / 2
        top = int(np.floor(position))
        share = position - top
        value = 0.0
        for r, weight in ((top, 1 - share), (top + 1, share)):
            line = plane[min(max(r, 0), len(plane) - 1)]
            left, right = line[column // 2], line[min(column // 2 + column % 2, len(line) - 1)]
            value += weight * (left + right) / 2
        return (value - 128) / 224

    out = np.zeros((3, rows, columns))
    for row in range(rows):
        for column in range(columns):
            luma, cb, cr = (y[row, column] - 16) / 219, chroma(u, row, column), chroma(v, row, column)
            red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
            out[:, row, column] = red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue
    return np.clip(out * 255, 0, 255)


@pytest.mark.parametrize("size", [(9, 7), (8, 6), (1, 1), (2, 1), (1, 2), (5, 2)])
def test_equals_the_pixel_by_pixel_reference(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size)
    format = video(1, size=size)
    y, u, v = (rng.integers(60, 190, shape).astype(np.uint8) for shape in format.plane_shapes)
    got = np.stack(yuv_to_rgb((y, u, v), format))
    assert np.abs(got - reference_rgb((y, u, v), 0.2126, 0.0722)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [(9, 7), (8, 6), (1, 1), (2, 1), (1, 2)])
def test_chroma_is_filtered_on_even_columns(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size)
    format = video(1, full=True, size=size)
    r, g, b = (rng.integers(0, 256, (format.height, format.width)).astype(np.uint8) for _ in range(3))
    cr = (r - (0.2126 * r + 0.7152 * g + 0.0722 * b)) / 1.5748
    padded = np.pad(cr, ((0, 1), (1, 1)), "edge")
    rows, columns = format.plane_shapes[2]
    expected = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            lines = padded[2 * i : 2 * i + 2, 2 * j : 2 * j + 3]
            expected[i, j] = (lines @ [0.25, 0.5, 0.25]).mean() + 128
    assert np.abs(rgb_to_yuv((r, g, b), format)[2] - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [(64, 48), (53, 37)])
@pytest.mark.parametrize(("matrix", "full"), [(1, False), (6, True), (9, False)])
@pytest.mark.parametrize("depth", [8, 10])
def test_smooth_pictures_survive_the_round_trip(size: tuple[int, int], matrix: int, full: bool, depth: int) -> None:
    format = video(matrix, full=full, depth=depth, size=size)
    row, column = np.mgrid[: format.height, : format.width] / 64
    rgb = (0.5 + 0.2 * row - 0.1 * column, 0.3 + 0.3 * column, 0.6 - 0.2 * row)
    r, g, b = (np.round(plane * format.peak).astype(format.dtype) for plane in rgb)
    back = yuv_to_rgb(rgb_to_yuv((r, g, b), format), format)
    for before, after in zip((r, g, b), back, strict=True):
        # Edges repeat their last chroma sample, so a slope may step there.
        inner = np.abs(before.astype(int) - after.astype(int))[2:-2, 2:-2]
        assert inner.max() <= 2 + (depth == 10)


def test_matrices_and_ranges_differ() -> None:
    rng = np.random.default_rng(1)
    y, u, v = (rng.integers(50, 200, shape).astype(np.uint8) for shape in video(1).plane_shapes)
    pictures = [
        np.stack(yuv_to_rgb((y, u, v), video(m, full=f))) for m, f in ((1, False), (6, False), (9, False), (1, True))
    ]
    for index, picture in enumerate(pictures):
        assert all(np.abs(picture.astype(int) - other).max() > 2 for other in pictures[:index])


@pytest.mark.parametrize(("height", "matrix"), [(719, 6), (720, 1)])
def test_unspecified_matrix_goes_by_height(height: int, matrix: int) -> None:
    unspecified = VideoFormat(4, height, colour=Colour(full_range=True))
    assert yuv_format(unspecified).colour == Colour(matrix=matrix, full_range=True)
    rgb = VideoFormat(4, height, chroma=ChromaFormat.RGB, colour=Colour(1, 13, 0, True))
    assert yuv_format(rgb).colour == Colour(1, 13, matrix, False)
    assert yuv_format(rgb).chroma is ChromaFormat.YUV420


@pytest.mark.parametrize("matrix", [3, 10, 11, 12, 13, 14, 255])
def test_unknown_matrix_is_refused_by_number(matrix: int) -> None:
    format = video(matrix)
    for convert in (yuv_to_rgb, rgb_to_yuv):
        with pytest.raises(UnsupportedError, match=f"matrix {matrix}"):
            convert(flat((16, 128, 128), format), format)


def test_ten_bit_rounds_to_eight() -> None:
    format = VideoFormat(4, 1, bit_depth=10, chroma=ChromaFormat.RGB)
    plane = np.array([[0, 1, 3, 1023]], np.uint16)
    red, _, _ = to_eight_bit((plane, plane, plane), format)
    assert red.dtype == np.uint8 and red.tolist() == [[0, 0, 1, 255]]


def test_hd_frames_are_quick() -> None:
    format = video(1, size=(1920, 1080))
    planes = flat((100, 90, 150), format)
    best = min(_seconds(planes, format) for _ in range(3))
    assert best < 0.8  # one frame there and back; measured below 0.2 s on an idle core


def _seconds(planes: Planes, format: VideoFormat) -> float:
    start = time.process_time()
    rgb_to_yuv(yuv_to_rgb(planes, format), format)
    return time.process_time() - start
