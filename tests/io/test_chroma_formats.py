"""Every chroma format at every depth, through every kind of file: exact where that is promised, known where not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.color import at_depth, rechroma, rgb_to_yuv, yuv_to_rgb
from nvcodec.errors import InputError, UsageError
from nvcodec.io.geometry import PIXEL_FORMATS, pixel_format_of
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat

YUV = [chroma for chroma in ChromaFormat if chroma is not ChromaFormat.RGB]
KINDS = [(chroma, depth) for chroma in ChromaFormat for depth in (8, 10, 12)]
NAMED = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0].name}-{kind[1]}")


def _read(path: Path, **options: object) -> tuple[VideoFormat, list[Planes]]:
    with open_source(path, **options) as source:  # type: ignore[arg-type]
        return source.format, list(source)


@NAMED
@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv"])
def test_exact_files(tmp_path: Path, noise, save, same, suffix: str, kind: tuple[ChromaFormat, int]) -> None:
    chroma, depth = kind
    if chroma is ChromaFormat.RGB and suffix != ".mkv":
        return  # which is converted, see below
    video, path = VideoFormat(19, 17, Fraction(25), depth, chroma), tmp_path / f"a{suffix}"
    clip = noise(video, 2)
    save(path, video, clip)
    raw = {"size": (19, 17), "pix_fmt": pixel_format_of(video)} if suffix == ".yuv" else {}
    found, read = _read(path, **raw)
    assert (found.chroma, found.bit_depth, found.width, found.height) == (chroma, depth, 19, 17)
    assert same(read, clip)
    if suffix == ".yuv":
        assert path.stat().st_size == 2 * video.frame_bytes


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(PIXEL_FORMATS)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_raw_and_y4m_are_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, name: str, width: int, height: int, seed: int
) -> None:
    chroma, depth = PIXEL_FORMATS[name]
    video, rng = VideoFormat(width, height, None, depth, chroma), np.random.default_rng(seed)
    planes = tuple(video.code_values(rng.integers(0, video.peak + 1, shape)) for shape in video.plane_shapes)
    folder = tmp_path_factory.mktemp("formats")
    for suffix in (".y4m", ".yuv"):
        with open_sink(folder / f"a{suffix}", video) as sink:
            sink.write(planes)
    found, (back,) = _read(folder / "a.y4m")
    assert (found.chroma, found.bit_depth) == (chroma, depth)
    assert all(np.array_equal(a, b) for a, b in zip(back, planes, strict=True))
    assert (folder / "a.y4m").read_bytes().endswith(b"FRAME\n" + (folder / "a.yuv").read_bytes())


@NAMED
def test_mp4_shows_them_all(tmp_path: Path, save, kind: tuple[ChromaFormat, int]) -> None:
    """What H.264 cannot hold becomes what it can: never refused, and near to what was written."""
    chroma, depth = kind
    video = VideoFormat(32, 16, Fraction(25), depth, chroma, Colour(matrix=1))
    flat = tuple(
        np.full(shape, video.peak * (index + 2) // 5, video.dtype) for index, shape in enumerate(video.plane_shapes)
    )
    save(tmp_path / "a.mp4", video, [flat])
    found, (shown,) = _read(tmp_path / "a.mp4")
    kept = chroma if chroma in (ChromaFormat.YUV422, ChromaFormat.YUV444) else ChromaFormat.YUV420
    assert (found.chroma, found.bit_depth) == (kept, min(depth, 10))
    stored = rgb_to_yuv(flat, video) if chroma is ChromaFormat.RGB else flat
    planar = replace(video, chroma=ChromaFormat.YUV420) if chroma is ChromaFormat.RGB else video
    wanted = at_depth(rechroma(stored, planar, kept), replace(planar, chroma=kept), found.bit_depth)
    for plane, right in zip(shown, wanted, strict=True):
        assert abs(plane.astype(int) - right).max() <= found.peak // 60


@NAMED
def test_png_shows_them_all(tmp_path: Path, save, kind: tuple[ChromaFormat, int]) -> None:
    chroma, depth = kind
    video = VideoFormat(6, 4, None, depth, chroma, Colour(matrix=1, full_range=True))
    middle = tuple(np.full(shape, 1 << (depth - 1), video.dtype) for shape in video.plane_shapes)
    save(tmp_path / "a.png", video, [middle])
    _, (shown,) = _read(tmp_path / "a.png")
    assert all(abs(plane.astype(int) - 128).max() <= 1 for plane in shown)


@pytest.mark.parametrize(
    ("name", "chroma", "depth"),
    [
        ("gray", ChromaFormat.GREY, 8),
        ("yuvj422p", ChromaFormat.YUV422, 8),
        ("yuvj444p", ChromaFormat.YUV444, 8),
        ("yuyv422", ChromaFormat.YUV422, 8),
        ("uyvy422", ChromaFormat.YUV422, 8),
        ("yuv422p10le", ChromaFormat.YUV422, 10),
        ("gray12le", ChromaFormat.GREY, 12),
        ("gbrp12le", ChromaFormat.RGB, 12),
    ],
)
def test_other_layouts_of_the_same_planes(tmp_path: Path, name: str, chroma: ChromaFormat, depth: int) -> None:
    """FFmpeg's own conversion from planes that it does not change says what is right."""
    video = VideoFormat(20, 6, Fraction(25), depth, chroma)
    planar = "gbrp12le" if chroma is ChromaFormat.RGB else pixel_format_of(video)
    planar = planar.replace("yuv", "yuvj") if "j" in name else planar
    frame, rng = av.VideoFrame(20, 6, planar), np.random.default_rng(0)
    planes = []
    for plane, (rows, columns) in zip(frame.planes, video.plane_shapes, strict=True):
        samples = np.frombuffer(plane, np.uint8 if depth == 8 else np.uint16)
        samples = samples.reshape(-1, plane.line_size // samples.itemsize)
        samples[:rows, :columns] = rng.integers(0, video.peak + 1, (rows, columns))
        planes.append(samples[:rows, :columns].copy())
    if chroma is ChromaFormat.RGB:
        planes = [planes[2], planes[0], planes[1]]
    with av.open(tmp_path / "a.nut", "w") as output:
        stream = output.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 20, 6, name
        # One thread: the slices of several race for the same lines of packed pictures (FFmpeg 8)
        converted = frame if name == planar else frame.reformat(format=name, threads=1)
        converted.pts, converted.time_base = 0, Fraction(1, 25)
        output.mux(stream.encode(converted))
        output.mux(stream.encode())
    found, (read,) = _read(tmp_path / "a.nut")
    assert (found.chroma, found.bit_depth) == (chroma, depth)
    for plane, right in zip(read, planes, strict=True):
        assert np.array_equal(plane, right) and plane.dtype == video.dtype and plane.flags.writeable


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([chroma for chroma in YUV if chroma is not ChromaFormat.YUV420]),
    st.sampled_from([1, 4, 5, 7, 8, 9]),
    st.booleans(),
    st.sampled_from([8, 10, 12]),
    st.tuples(*[st.floats(0.1, 0.9)] * 3),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_flat_colours_come_back(
    chroma: ChromaFormat, matrix: int, full: bool, depth: int, rgb: tuple[float, ...], width: int, height: int
) -> None:
    """There and back, colours lose what rounding to code values loses."""
    video = VideoFormat(width, height, None, depth, chroma, Colour(matrix=matrix, full_range=full))
    shades = rgb if chroma is not ChromaFormat.GREY else (rgb[0],) * 3
    planes = tuple(np.full((height, width), round(shade * video.peak), video.dtype) for shade in shades)
    there = rgb_to_yuv(planes, video)
    assert [plane.shape for plane in there] == list(video.plane_shapes)
    for before, after in zip(planes, yuv_to_rgb(there, video), strict=True):
        assert abs(before.astype(int) - after).max() <= 3


@pytest.mark.parametrize("depth", [8, 12])
def test_ycgco_by_hand(depth: int) -> None:
    video = VideoFormat(2, 1, None, depth, ChromaFormat.YUV444, Colour(matrix=8, full_range=True))
    unit = 1 << (depth - 8)
    red, green, blue = (np.full((1, 2), value * unit, video.dtype) for value in (40, 120, 80))
    y, cg, co = (int(plane[0, 0]) for plane in rgb_to_yuv((red, green, blue), video))
    assert (y, cg, co) == (90 * unit, 158 * unit, 108 * unit)  # 128 + 30 and 128 - 20


@pytest.mark.parametrize(
    ("primaries", "weights"), [(1, (0.2126, 0.0722)), (9, (0.2627, 0.0593)), (6, (0.2124, 0.0866))]
)
def test_weights_derived_from_primaries(primaries: int, weights: tuple[float, float]) -> None:
    """BT.709 and BT.2020 are the derived weights of their own primaries; SMPTE 170M has others than BT.601 says."""
    video = VideoFormat(1, 1, None, 12, ChromaFormat.YUV444, Colour(primaries, 1, 12, True))
    for channel, weight in ((0, weights[0]), (2, weights[1])):
        rgb = [np.zeros((1, 1), np.uint16) for _ in range(3)]
        rgb[channel][:] = 4095
        assert int(rgb_to_yuv(tuple(rgb), video)[0][0, 0]) / 4095 == pytest.approx(weight, abs=4e-4)


@pytest.mark.parametrize("source", YUV)
@pytest.mark.parametrize("target", YUV)
def test_chroma_of_a_slope_keeps_its_place(source: ChromaFormat, target: ChromaFormat) -> None:
    """Through any two formats, smooth chroma stays where it is; luma is never touched."""
    video = VideoFormat(32, 24, None, 10, source)
    other = replace(video, chroma=target)

    def slopes(kind: VideoFormat) -> list[np.ndarray]:
        rows, columns = kind.chroma.cell
        y = np.arange(kind.plane_shapes[-1][0])[:, None] * rows + (rows - 1) / 2
        x = np.arange(kind.plane_shapes[-1][1]) * columns
        return [np.rint(300 + 5 * y + 7 * x), np.rint(800 - 9 * y + 2 * x)]

    luma = np.arange(32 * 24, dtype=np.uint16).reshape(24, 32)
    chroma = [] if source is ChromaFormat.GREY else [video.code_values(plane) for plane in slopes(video)]
    found = rechroma((luma, *chroma), video, target)
    assert np.array_equal(found[0], luma) and [plane.shape for plane in found] == list(other.plane_shapes)
    if source is ChromaFormat.GREY:
        assert all((plane == 512).all() for plane in found[1:])
    elif target is not ChromaFormat.GREY:
        for plane, wanted in zip(found[1:], slopes(other), strict=True):
            assert abs(plane[2:-2, 2:-2] - wanted[2:-2, 2:-2]).max() <= 1.5


def test_options_that_contradict_the_file(tmp_path: Path, noise, save) -> None:
    video = VideoFormat(8, 8, None, 10, ChromaFormat.YUV422)
    save(tmp_path / "a.y4m", video, noise(video, 1))
    with pytest.raises(UsageError, match="yuv420p10le was given, but .* is 8x8 10-bit 4:2:2"):
        open_source(tmp_path / "a.y4m", pix_fmt="yuv420p10le")
    assert _read(tmp_path / "a.y4m", pix_fmt="yuv422p10le")[0].chroma is ChromaFormat.YUV422


def test_values_beyond_twelve_bits(tmp_path: Path) -> None:
    (tmp_path / "a_2x1_gray12le.yuv").write_bytes(b"\xff\x0f\x00\x10")
    with pytest.raises(InputError, match="holds the value 4,096, beyond 12 bit"):
        _read(tmp_path / "a_2x1_gray12le.yuv")
