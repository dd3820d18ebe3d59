"""PSNR against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nvcodec.color import rgb_to_yuv, yuv_to_rgb
from nvcodec.metrics.measure import measure, with_nulls
from nvcodec.metrics.psnr import frame_psnr, psnr_db, rgb_psnr, squared_error
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat

Moving = Callable[[VideoFormat, int], list[Planes]]
SMALL = VideoFormat(64, 48, colour=Colour(1, 1, 1))


def test_by_hand() -> None:
    first = np.array([[0, 10], [20, 255]], np.uint8)
    second = np.array([[3, 10], [19, 250]], np.uint8)
    assert squared_error(first, second) == (9 + 0 + 1 + 25) / 4
    assert psnr_db(squared_error(first, second), 255) == pytest.approx(38.7106, abs=1e-3)
    assert squared_error(np.array([[0]], np.uint8), np.array([[255]], np.uint8)) == 255**2
    assert psnr_db(1023**2, 1023) == 0
    wide = np.full((100, 100), 1023, np.uint16)
    assert squared_error(wide, np.zeros_like(wide)) == 1023**2


def test_planes_weigh_six_to_one_to_one() -> None:
    y, c = np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8)
    values = frame_psnr((y, c, c), (y + np.uint8(2), c + np.uint8(4), c), VideoFormat(4, 4))
    luma, chroma = 10 * math.log10(255**2 / 4), 10 * math.log10(255**2 / 16)
    assert values["y"] == pytest.approx(luma) and values["u"] == pytest.approx(chroma) and values["v"] == 100
    assert values["yuv_611"] == pytest.approx((6 * luma + chroma + 100) / 8)


def test_rgb_is_the_mean_error_of_all_samples() -> None:
    black = np.zeros((2, 2), np.uint8)
    assert rgb_psnr((black, black, black), (black + np.uint8(3), black, black), 255) == pytest.approx(
        10 * math.log10(255**2 / 3)
    )


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_identical_pictures(moving: Moving, depth: int, chroma: ChromaFormat) -> None:
    video = replace(SMALL, bit_depth=depth, chroma=chroma)
    clip = moving(video, 2)
    result = measure(clip, video, clip, video)
    names = ("y", "yuv_611") if chroma is ChromaFormat.GREY else ("y", "u", "v", "yuv_611", "rgb")
    assert result.psnr == dict.fromkeys(names, 100.0)
    assert with_nulls(result.psnr) == {name: result.psnr.get(name) for name in ("y", "u", "v", "yuv_611", "rgb")}
    assert result.ms_ssim_y == pytest.approx(1) and result.frames == 2


def test_means_are_over_frames_and_the_worst_is_named(moving: Moving) -> None:
    clip = moving(SMALL, 3)
    test = [(y + np.uint8(k), u, v) for k, (y, u, v) in enumerate(clip)]
    result = measure(clip, SMALL, test, SMALL)
    each = [100.0, 10 * math.log10(255**2), 10 * math.log10(255**2 / 4)]
    assert result.psnr["y"] == pytest.approx(sum(each) / 3)
    assert result.worst_frame == (2, pytest.approx((6 * each[2] + 200) / 8))


def test_rgb_and_planes_meet(moving: Moving) -> None:
    clip, rgb = moving(SMALL, 1), replace(SMALL, chroma=ChromaFormat.RGB)
    drawn = [yuv_to_rgb(planes, SMALL) for planes in clip]
    result = measure(clip, SMALL, drawn, rgb)
    assert result.psnr["rgb"] == 100  # the source is converted as the test was
    expected = frame_psnr(clip[0], rgb_to_yuv(drawn[0], SMALL), SMALL)["y"]
    assert result.psnr["y"] == pytest.approx(expected)


@pytest.mark.parametrize("chroma", [ChromaFormat.GREY, ChromaFormat.YUV422, ChromaFormat.YUV444])
def test_rgb_meets_all_planes(moving: Moving, chroma: ChromaFormat) -> None:
    video, rgb = replace(SMALL, chroma=chroma), replace(SMALL, chroma=ChromaFormat.RGB)
    clip = moving(video, 1)
    result = measure(clip, video, [yuv_to_rgb(planes, video) for planes in clip], rgb)
    expected = frame_psnr(clip[0], rgb_to_yuv(yuv_to_rgb(clip[0], video), video), video)
    assert result.psnr["rgb"] == 100 and result.psnr["y"] == pytest.approx(expected["y"])
    assert ("u" in result.psnr) == (chroma is not ChromaFormat.GREY)


@pytest.mark.parametrize("matrix", [3, 10, 13, 14, 99])
def test_there_is_no_rgb_of_an_unknown_matrix(moving: Moving, matrix: int) -> None:
    clip, video = moving(SMALL, 1), replace(SMALL, colour=Colour(matrix=matrix))
    assert with_nulls(measure(clip, video, clip, video).psnr) == {
        "y": 100, "u": 100, "v": 100, "yuv_611": 100, "rgb": None,
    }  # fmt: skip


def test_videos_of_different_length(moving: Moving) -> None:
    with pytest.raises(ValueError, match="shorter"):
        measure(moving(SMALL, 2), SMALL, moving(SMALL, 1), SMALL)
