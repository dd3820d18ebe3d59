"""Rate and distortion of two videos on disk."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from nvcodec.errors import InputError
from nvcodec.eval.measure import evaluate
from nvcodec.io.sink import open_sink
from nvcodec.types import Colour, VideoFormat

FORMAT = VideoFormat(64, 48, Fraction(25))


def _write(path, frames=4, offset=0, format=FORMAT):
    with open_sink(path, format) as sink:
        for frame in range(frames):
            y, u, v = (np.full(shape, 100 + frame, format.dtype) for shape in format.plane_shapes)
            sink.write((y + offset, u, v))
    return path


def test_known_error(tmp_path):
    reference, test = _write(tmp_path / "a.y4m"), _write(tmp_path / "b.yuv", offset=2)
    result = evaluate(reference, test)
    assert result.quality.frames == 4
    assert result.quality.psnr["y"] == pytest.approx(10 * np.log10(255**2 / 4))
    assert result.quality.psnr["u"] == 100
    assert result.bytes is None and result.bpp is None
    assert result.to_json()["bytes"] is None


def test_compressed_video_has_a_rate(tmp_path):
    reference, test = _write(tmp_path / "a.y4m"), _write(tmp_path / "b.mkv")
    result = evaluate(reference, test, metrics=("psnr",))
    assert result.bytes == test.stat().st_size
    assert result.bpp == pytest.approx(8 * result.bytes / (64 * 48 * 4))
    assert result.quality.psnr["yuv_611"] == 100
    assert result.to_json()["ms_ssim_y"] is None
    assert evaluate(reference, test, frames=2, metrics=("psnr",)).bpp is None


def test_range_of_both(tmp_path):
    reference, test = _write(tmp_path / "a.y4m", 6), _write(tmp_path / "b.y4m", 4)
    with pytest.raises(InputError, match="has 4 frames, but .* has 6") as error:
        evaluate(reference, test)
    assert "frames=N" in error.value.hint
    seen = []
    result = evaluate(
        reference, test, seek=1, frames=2, metrics=("psnr",), on_progress=lambda done, total: seen.append((done, total))
    )
    assert result.quality.frames == 2 and seen == [(1, 2), (2, 2)]
    with pytest.raises(InputError, match="holds 4 frames"):
        evaluate(reference, test, seek=1, frames=4)


def test_size_and_depth_must_agree(tmp_path):
    reference = _write(tmp_path / "a.y4m")
    smaller = _write(tmp_path / "b.y4m", format=VideoFormat(32, 48))
    deeper = _write(tmp_path / "c.y4m", format=VideoFormat(64, 48, bit_depth=10))
    with pytest.raises(InputError, match="is 32x48, but .* is 64x48"):
        evaluate(reference, smaller)
    with pytest.raises(InputError, match="has 10 bits per sample"):
        evaluate(reference, deeper)


def test_geometry_is_told(tmp_path):
    reference, test = _write(tmp_path / "a.y4m"), _write(tmp_path / "b.yuv")
    notices = []
    evaluate(reference, test, metrics=("psnr",), on_notice=notices.append)
    assert [notice.split("geometry ")[1][:12] for notice in notices] == ["64x48 8-bit ", "64x48 8-bit "]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (Colour(), Colour(full_range=True), "range (full and limited)"),
        (Colour(1, 1, 1, full_range=True), Colour(1, 1, 1), "range (limited and full)"),
        (Colour(matrix=1), Colour(matrix=9, full_range=True), "range (full and limited) and matrix (9 and 1)"),
        (Colour(primaries=1), Colour(primaries=9), "primaries (9 and 1)"),
        (Colour(5, 6, 5), Colour(6, 6, 6), ""),
        (Colour(1, 1, 1), Colour(), ""),
    ],
)
def test_code_values_that_mean_other_colours_are_told(tmp_path, ours, theirs, said):
    reference = _write(tmp_path / "a.mkv", format=replace(FORMAT, colour=ours))
    test = _write(tmp_path / "b.mkv", format=replace(FORMAT, colour=theirs))
    notices = []
    evaluate(reference, test, metrics=("psnr",), on_notice=notices.append)
    warnings = [notice for notice in notices if notice.startswith("warning:")]
    tail = f"{test} and {reference} differ in {said}; code values are compared as they are"
    assert warnings == ([f"warning: {tail}"] if said else [])


def test_raw_video_says_nothing_of_colours(tmp_path):
    reference = _write(tmp_path / "a.y4m", format=replace(FORMAT, colour=Colour(full_range=True)))
    notices = []
    evaluate(reference, _write(tmp_path / "b.yuv"), metrics=("psnr",), on_notice=notices.append)
    assert not any("warning" in notice for notice in notices)


def test_the_test_may_begin_elsewhere(tmp_path):
    reference = _write(tmp_path / "a.y4m", 6)
    with open_sink(tmp_path / "b.mkv", FORMAT) as sink:
        for frame in (2, 3, 4):
            y, u, v = (np.full(shape, 100 + frame, np.uint8) for shape in FORMAT.plane_shapes)
            sink.write((y, u, v))
    result = evaluate(reference, tmp_path / "b.mkv", seek=2, test_seek=0, frames=3, metrics=("psnr",))
    assert result.quality.frames == 3 and result.quality.psnr["yuv_611"] == 100
