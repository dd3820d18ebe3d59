"""Pictures stand upright: all eight ways to lay one down, as FFmpeg turns them."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from nvcodec.io.orientation import Orientation
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, SideData, VideoFormat

ONE = 1 << 16
MATRICES = {
    "as they are": (1, 0, 0, 1),
    "turned by 90 degrees": (0, 1, -1, 0),
    "turned by 180 degrees": (-1, 0, 0, -1),
    "turned by 270 degrees": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "mirrored and turned by 90 degrees": (0, -1, -1, 0),
    "mirrored and turned by 180 degrees": (1, 0, 0, -1),
    "mirrored and turned by 270 degrees": (0, 1, 1, 0),
}
"""A point (x, y) is shown at (a x + c y, b x + d y), y downwards."""


def matrix_of(a: int, b: int, c: int, d: int) -> list[int]:
    return [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]


def write(
    path: Path, pixel_format: str, size: tuple[int, int], matrix: list[int], aspect: Fraction | None = None
) -> None:
    """Two frames of noise in a MOV file."""
    rng = np.random.default_rng(1)
    with av.open(path, "w", format="mov" if pixel_format == "rgb24" else "mp4") as output:
        stream = output.add_stream("png" if pixel_format == "rgb24" else "libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        stream.set_display_matrix(matrix)
        for number in range(2):
            frame = av.VideoFrame(*size, pixel_format)
            for plane in frame.planes:
                plane.update(rng.integers(0, 255, plane.buffer_size, np.uint8).tobytes())
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def by_ffmpeg(path: Path, pixel_format: str) -> bytes:
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        path,
        "-pix_fmt",
        pixel_format,
        "-f",
        "rawvideo",
        "-",
    ]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("words", "matrix"), MATRICES.items())
@pytest.mark.parametrize(("pixel_format", "size"), [("yuv420p", (23, 14)), ("rgb24", (16, 9))])
def test_turned_as_ffmpeg_does(tmp_path: Path, words: str, matrix: tuple[int, ...], pixel_format: str, size) -> None:
    path = tmp_path / "a.mov"
    write(path, pixel_format, size, matrix_of(*matrix), Fraction(4, 3))
    with open_source(path) as source:
        pictures, side = list(source), source.side_data
        shown = source.format
        assert source.notices == ([] if words == "as they are" else [f"{words}, as its display matrix says"])
    sideways = matrix[0] == 0
    assert (shown.width, shown.height) == (size[::-1] if sideways else size)
    assert side.aspect == (Fraction(3, 4) if sideways else Fraction(4, 3))
    assert [plane.shape for plane in pictures[0]] == list(shown.plane_shapes)
    found = b"".join(
        np.stack(planes, -1).tobytes() if pixel_format == "rgb24" else b"".join(map(bytes, planes))
        for planes in pictures
    )
    assert found == by_ffmpeg(path, pixel_format)


@pytest.mark.parametrize("words", [words for words, matrix in MATRICES.items() if matrix[0] == 0])
def test_422_that_lies_on_its_side_stands_up_as_444(tmp_path: Path, words: str) -> None:
    path = tmp_path / "a.mp4"
    write(path, "yuv422p", (32, 16), matrix_of(*MATRICES[words]))
    with open_source(path) as source:
        pictures = list(source)
        assert source.notices[0].startswith("its 4:2:2 becomes 4:4:4 by being turned")
    assert (source.format.width, source.format.height, source.format.chroma) == (16, 32, ChromaFormat.YUV444)
    with av.open(path) as container:
        stored = [frame.to_ndarray(format="yuv422p") for frame in container.decode(video=0)]
    turn = Orientation.of_matrix(matrix_of(*MATRICES[words]))
    for planes, frame in zip(pictures, stored, strict=True):
        flat = frame.ravel()
        assert np.array_equal(planes[0], turn.planes((flat[:512].reshape(16, 32),))[0])
        (narrow,) = turn.planes((flat[512:768].reshape(16, 16),))
        assert planes[1].shape == (32, 16)
        # each sample lies between those of before, or is one of them
        assert np.abs(planes[1].reshape(16, 2, 16).mean(1) - narrow).mean() < 0.5 * narrow.std()


def test_a_slant_is_left_as_it_is_and_told(tmp_path: Path, same) -> None:
    write(tmp_path / "a.mov", "yuv420p", (16, 16), [60000, 26000, 0, -26000, 60000, 0, 0, 0, 1 << 30])
    write(tmp_path / "b.mov", "yuv420p", (16, 16), matrix_of(*MATRICES["as they are"]))
    with open_source(tmp_path / "a.mov") as source, open_source(tmp_path / "b.mov") as straight:
        assert same(list(source), list(straight))
        assert source.notices == ["to be shown turned by no right angle; coded as it is stored"]


def test_every_orientation_has_a_name_of_its_own() -> None:
    orientations = [Orientation(*flags) for flags in product((False, True), repeat=3)]
    assert {str(each) for each in orientations} == set(MATRICES)
    for words, matrix in MATRICES.items():
        assert str(Orientation.of_matrix(matrix_of(*matrix))) == words


@pytest.mark.parametrize("scales", [(2, 2), (1, 3)])
def test_scales_of_a_matrix_are_left_out(scales: tuple[int, int]) -> None:
    turned = [0, scales[0] * ONE, 0, -scales[1] * ONE, 0, 0, 0, 0, 1 << 30]
    assert str(Orientation.of_matrix(turned)) == "turned by 90 degrees"
    assert Orientation.of_matrix([0] * 9) is None


@pytest.mark.parametrize(
    ("orientation", "location", "expected"),
    [
        (Orientation(), 4, 4),
        (Orientation(rows_reversed=True, columns_reversed=True), 1, 1),
        (Orientation(transposed=True), 2, 2),
        (Orientation(rows_reversed=True), 2, 4),
        (Orientation(rows_reversed=True), 3, 5),
        (Orientation(columns_reversed=True), 2, None),
        (Orientation(transposed=True), 3, None),
    ],
)
def test_chroma_is_where_it_was(orientation: Orientation, location: int, expected: int | None) -> None:
    assert orientation.side_data(SideData(chroma_location=location)).chroma_location == expected


@pytest.mark.parametrize("chroma", ChromaFormat)
def test_formats_are_turned_where_their_planes_can_be(chroma: ChromaFormat) -> None:
    format = VideoFormat(23, 14, chroma=chroma)
    turned = Orientation(transposed=True).format(format)
    expected = tuple((columns, rows) for rows, columns in format.plane_shapes)
    assert turned is None or (turned.width, turned.height, turned.plane_shapes) == (14, 23, expected)
    assert turned is not None or chroma not in (ChromaFormat.YUV420, ChromaFormat.RGB)
