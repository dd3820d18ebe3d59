"""VMAF, against FFmpeg itself asked about the same pictures; and what is said where it cannot be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.color import rgb_to_yuv, yuv_to_rgb
from nvcodec.errors import InputError, UsageError
from nvcodec.eval.measure import evaluate
from nvcodec.eval.vmaf import measure_vmaf
from nvcodec.io.sink import open_sink
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")

FORMAT = VideoFormat(64, 48, Fraction(25))
posix = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts, and names Windows does not allow")


def _coarse(planes: Planes, step: int) -> Planes:
    y, u, v = (plane // step * step for plane in planes)
    return y, u, v


def _write(path: Path, pictures: list[Planes], video: VideoFormat) -> Path:
    with open_sink(path, video) as sink:
        for planes in pictures:
            sink.write(planes)
    return path


def _asked_directly(reference: Path, test: Path, log: Path) -> list[float]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", test.name, "-i", reference.name]
    command += ["-lavfi", f"libvmaf=log_fmt=json:log_path={log.name}", "-f", "null", "-"]
    subprocess.run(command, check=True, capture_output=True, cwd=log.parent)
    return [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]


@pytest.mark.parametrize(
    "video",
    [FORMAT, VideoFormat(64, 48, Fraction(30000, 1001), 10), VideoFormat(37, 51, None, colour=Colour(full_range=True))],
    ids=["8-bit", "10-bit", "odd size, no rate, full range"],
)
def test_agrees_with_ffmpeg_on_files(moving, tmp_path, video):
    step = 24 << (video.bit_depth - 8)
    pictures = moving(video, 5)
    reference = _write(tmp_path / "a.y4m", pictures, video)
    test = _write(tmp_path / "b.y4m", [_coarse(planes, step) for planes in pictures], video)
    found = evaluate(reference, test, metrics=("psnr", "vmaf"))
    assert found.vmaf is not None
    assert list(found.vmaf.per_frame) == _asked_directly(reference, test, tmp_path / "log.json")
    assert found.quality.frames == 5 and found.vmaf.mean == pytest.approx(np.mean(found.vmaf.per_frame))


def test_ranks_pictures(moving):
    pictures = moving(FORMAT, 3)
    means = [
        measure_vmaf([(planes, _coarse(planes, step)) for planes in pictures], FORMAT, FORMAT).mean
        for step in (1, 16, 48)
    ]
    assert 97 <= means[0] <= 100 and means[0] > means[1] > means[2]


def test_threads_do_not_matter(moving):
    pairs = [(planes, _coarse(planes, 24)) for planes in moving(FORMAT, 6)]
    assert measure_vmaf(pairs, FORMAT, FORMAT, threads=1) == measure_vmaf(pairs, FORMAT, FORMAT, threads=3)


def test_rgb_is_measured_in_the_matrix_of_the_other_side(moving):
    video = VideoFormat(64, 48, colour=Colour(matrix=1, full_range=True))
    rgb = VideoFormat(64, 48, chroma=ChromaFormat.RGB)
    pictures = moving(video, 3)
    drawn = [yuv_to_rgb(_coarse(planes, 24), video) for planes in pictures]
    found = measure_vmaf(zip(pictures, drawn, strict=True), video, rgb)
    converted = [rgb_to_yuv(planes, video) for planes in drawn]
    assert found == measure_vmaf(zip(pictures, converted, strict=True), video, video)


def test_json(moving, tmp_path):
    clip = _write(tmp_path / "a.y4m", moving(FORMAT, 2), FORMAT)
    measured = evaluate(clip, clip, metrics=("psnr", "vmaf")).to_json()["vmaf"]
    assert measured.keys() == {"mean", "model", "version"} and measured["model"] == "vmaf_v0.6.1"
    assert evaluate(clip, clip, metrics=("psnr",)).to_json()["vmaf"] is None


def test_small_pictures_are_refused_before_any_is_compared(moving, tmp_path):
    small = VideoFormat(64, 30)
    clip = _write(tmp_path / "a.y4m", moving(small, 2), small)
    with pytest.raises(UsageError, match="VMAF cannot be measured on 64x30, only from 32x32 on"):
        evaluate(clip, clip, metrics=("psnr", "vmaf"), on_progress=lambda done, total: pytest.fail("compared"))


def test_smallest_pictures(moving):
    video = VideoFormat(32, 32)
    assert measure_vmaf([(planes, planes) for planes in moving(video, 2)], video, video).mean > 90


def test_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match="the metric vmaf needs the package imageio-ffmpeg") as error:
        evaluate(tmp_path / "never_opened.y4m", tmp_path / "nor_this.nvc", metrics=("psnr", "ms-ssim", "vmaf"))
    assert "pip install" in error.value.hint


def _replace_ffmpeg(monkeypatch, folder: Path, script: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))


@posix
def test_ffmpeg_without_libvmaf(tmp_path, monkeypatch):
    _replace_ffmpeg(monkeypatch, tmp_path, "echo \"Unknown filter 'libvmaf'.\"")
    with pytest.raises(UsageError, match="needs an FFmpeg with libvmaf, which .*ffmpeg is not"):
        evaluate(tmp_path / "never_opened.y4m", tmp_path / "nor_this.nvc", metrics=("psnr", "ms-ssim", "vmaf"))


@posix
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("head -c 5000 >/dev/null; echo out of cheese; exit 3", "vmaf failed: FFmpeg ended with code 3"),
        ("head -c 5000 >/dev/null", r"FFmpeg measured 0 of \d+ frames and stopped"),
        ("cat >/dev/null", "FFmpeg measured 0 of 60 frames and stopped"),
    ],
)
def test_ffmpeg_fails_on_the_way(moving, tmp_path, monkeypatch, script, message):
    pairs = [(planes, planes) for planes in moving(FORMAT, 2)] * 30
    _replace_ffmpeg(monkeypatch, tmp_path, script)
    with pytest.raises(UsageError, match=message):
        measure_vmaf(pairs, FORMAT, FORMAT)


@posix
def test_temporary_folder_of_any_name(moving, tmp_path, monkeypatch):
    folder = tmp_path / "o d'd:[a],b;c=\\d%d"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert measure_vmaf([(planes, planes) for planes in moving(FORMAT, 2)], FORMAT, FORMAT).mean > 97
    assert os.listdir(folder) == []


@pytest.mark.parametrize("error", [InputError("a.y4m is damaged"), BrokenPipeError()])
def test_what_goes_wrong_with_the_pictures_is_told(moving, tmp_path, monkeypatch, error):
    def pairs() -> Iterator[tuple[Planes, Planes]]:
        for planes in moving(FORMAT, 3):
            yield planes, planes
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # a broken pipe of the caller's must not pass for a video that ends here
    with pytest.raises(InputError if isinstance(error, InputError) else UsageError):
        measure_vmaf(pairs(), FORMAT, FORMAT)
    assert os.listdir(tmp_path) == []
