"""Raw video that cannot be 8-bit is not taken for it, and what can be always is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvcodec.errors import InputError
from nvcodec.io.geometry import pixel_format_of
from nvcodec.io.raw_depth import depth_seen
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, VideoFormat


def _write(
    path: Path,
    depth: int,
    size: tuple[int, int] = (64, 48),
    frames: int = 4,
    chroma: ChromaFormat = ChromaFormat.YUV420,
) -> Path:
    """Smooth waves, full range."""
    video, peak = VideoFormat(*size, chroma=chroma), (1 << depth) - 1
    with path.open("wb") as file:
        for time in range(frames):
            for rows, columns in video.plane_shapes:
                y, x = np.mgrid[0:rows, 0:columns]
                wave = 0.5 + 0.35 * np.sin(x / 5 + time) + 0.25 * np.cos(y / 7 - time)
                wave = wave.clip(0, 1)
                file.write(np.rint(wave * peak).astype("<u2" if depth > 8 else np.uint8).tobytes())
    return path


@pytest.mark.parametrize("size", [(64, 48), (53, 37), (640, 480)])
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_depth_is_seen(tmp_path: Path, depth: int, size: tuple[int, int]) -> None:
    assert depth_seen(_write(tmp_path / "clip.yuv", depth, size)) == (depth if depth > 8 else None)


@given(
    value=st.integers(0, 255),
    chroma=st.integers(0, 255),
    noise=st.sampled_from([0, 1, 8, 60]),
    size=st.sampled_from([(16, 8), (15, 9), (64, 48)]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_eight_bits_are_never_taken_for_more(
    tmp_path: Path, value: int, chroma: int, noise: int, size: tuple[int, int]
) -> None:
    """Pictures of any brightness, with noise or none, dark ones and black ones too."""
    random, video, path = np.random.default_rng(value), VideoFormat(*size), tmp_path / "clip.yuv"
    planes = [
        level + random.normal(0, noise, shape)
        for level, shape in zip((value, chroma, chroma), video.plane_shapes, strict=True)
    ]
    path.write_bytes(b"".join(plane.clip(0, 255).astype(np.uint8).tobytes() for plane in planes))
    assert depth_seen(path) is None


CHROMAS = {None: ChromaFormat.YUV420, "gray": ChromaFormat.GREY, "422": ChromaFormat.YUV422, "444": ChromaFormat.YUV444}


@pytest.mark.parametrize("named", CHROMAS)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_planes_that_are_said_in_the_depth_that_is_seen(tmp_path: Path, depth: int, named: str | None) -> None:
    video = VideoFormat(64, 48, None, depth, CHROMAS[named])
    path = _write(tmp_path / f"clip_64x48{f'_{named}' if named else ''}.yuv", depth, chroma=video.chroma)
    with open_source(path) as source:
        assert source.format == video and source.frame_count == 4
        assert ("depth from the samples" in source.origin) is (depth > 8)
        assert max(int(planes[0].max()) for planes in source) == video.peak


@pytest.mark.parametrize("chroma", CHROMAS.values())
@pytest.mark.parametrize("depth", [10, 12])
def test_the_doubt_names_the_planes_that_were_said(tmp_path: Path, depth: int, chroma: ChromaFormat) -> None:
    said, meant = (pixel_format_of(VideoFormat(64, 48, None, bits, chroma)) for bits in (8, depth))
    with open_source(_write(tmp_path / "clip.yuv", depth, chroma=chroma), size=(64, 48), pix_fmt=said) as source:
        assert source.format.bit_depth == 8
        assert source.origin.endswith(f"as in video of {depth} bits: if it is, say --pix-fmt {meant}")
    with open_source(tmp_path / "clip.yuv", size=(64, 48), pix_fmt=meant) as source:
        assert source.format.bit_depth == depth and "second byte" not in source.origin


@pytest.mark.parametrize("value", [64, 502, 940])
def test_one_grey_of_ten_bits(tmp_path: Path, value: int) -> None:
    path = tmp_path / "clip.yuv"
    luma, chroma = np.full(64 * 48, value), np.full(2 * 32 * 24, 512)
    path.write_bytes(np.concatenate([luma, chroma]).astype("<u2").tobytes())
    assert depth_seen(path) == 10


def test_nothing_said_takes_what_is_seen(tmp_path: Path) -> None:
    path = _write(tmp_path / "clip.yuv", 10)
    with open_source(path, size=(64, 48)) as source:
        assert (source.format.bit_depth, source.frame_count) == (10, 4)
        assert "depth from the samples" in source.origin
        assert max(int(planes[0].max()) for planes in source) > 255


def test_what_is_said_wins_and_is_doubted(tmp_path: Path) -> None:
    for name, said in (("clip.yuv", "yuv420p"), ("clip_64x48_8bit.yuv", None)):
        with open_source(_write(tmp_path / name, 10), size=(64, 48), pix_fmt=said) as source:
            assert source.format.bit_depth == 8
            assert source.origin.endswith("as in video of 10 bits: if it is, say --pix-fmt yuv420p10le")
    with open_source(_write(tmp_path / "eight.yuv", 8), size=(64, 48)) as source:
        assert source.format.bit_depth == 8 and "second byte" not in source.origin


@pytest.mark.parametrize("name", ["clip.bin", "clip", "clip.rgb.old"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", None])
def test_any_name_is_raw_where_a_size_is_given(tmp_path: Path, name: str, pix_fmt: str | None) -> None:
    path = _write(tmp_path / name, 8)
    with open_source(path, size=(64, 48), pix_fmt=pix_fmt) as source:
        assert len(list(source)) == 4 and source.format.bit_depth == 8
    with pytest.raises(InputError, match="is not a video that can be read"):
        open_source(path)


def test_a_damaged_video_is_not_raw(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a video that can be read"):
        open_source(_write(tmp_path / "clip.mp4", 8), size=(64, 48))


@pytest.mark.parametrize(("depth", "pix_fmt"), [(8, "yuv420p"), (10, "yuv420p10le")])
def test_frames_before_a_partial_one(tmp_path: Path, depth: int, pix_fmt: str) -> None:
    path = _write(tmp_path / "clip.yuv", depth)
    path.write_bytes(path.read_bytes()[:-7])
    for seek, frames in ((0, 3), (2, 1), (0, 1)):
        with open_source(path, size=(64, 48), pix_fmt=pix_fmt, seek=seek, frames=frames) as source:
            assert len(list(source)) == frames
    for seek, frames in ((0, 4), (2, 2), (0, None)):
        with pytest.raises(InputError, match="not a whole number"):
            open_source(path, size=(64, 48), pix_fmt=pix_fmt, seek=seek, frames=frames)
