"""Measuring files that were really encoded."""

from __future__ import annotations

import csv
import sys

import pytest


def test_eval(nvc, clip, coded, tmp_path):
    rows = tmp_path / "rows.csv"
    outcome = nvc("eval", clip, coded, "--json", "--per-frame", rows)
    result = outcome.json
    assert outcome.code == 0 and result["schema"] == "nvc-eval/1" and result["frames"] == 8
    assert result["bytes"] == coded.stat().st_size
    assert result["bpp"] == pytest.approx(8 * result["bytes"] / (64 * 48 * 8))
    table = list(csv.DictReader(rows.read_text().splitlines()))
    assert [row["frame"] for row in table] == [str(index) for index in range(8)]
    assert sum(float(row["psnr_yuv_611"]) for row in table) / 8 == pytest.approx(result["psnr"]["yuv_611"], abs=1e-3)
    assert nvc("eval", clip, coded, "--per-frame", rows).code == 2


def test_eval_agrees_with_encode(nvc, clip, tmp_path):
    words = ["--preset", "draft", "--epochs", "2", "--json"]
    encoded = nvc("encode", clip, "-o", tmp_path / "x.nvc", *words).json
    measured = nvc("eval", clip, tmp_path / "x.nvc", "--json").json
    assert measured["bpp"] == encoded["bpp"]
    assert measured["psnr"] == pytest.approx(encoded["psnr"], abs=0.01)


def test_eval_of_several(nvc, clip, coded, tmp_path):
    nvc("decode", coded, "-o", tmp_path / "x.yuv")
    outcome = nvc("eval", clip, clip, tmp_path / "x.yuv", "-n", "2", "--metrics", "psnr")
    text = outcome.out.decode()
    assert outcome.code == 0 and "Y 100.00" in text and "MS-SSIM" not in text and text.count("2 frames") == 2


def test_vmaf(nvc, clip, coded, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    rows = tmp_path / "rows.csv"
    outcome = nvc("eval", clip, coded, "--metrics", "psnr,vmaf", "--json", "--per-frame", rows)
    result = outcome.json
    assert outcome.code == 0 and result["ms_ssim_y"] is None
    assert result["vmaf"]["model"] == "vmaf_v0.6.1"
    assert "libvmaf " in result["vmaf"]["version"] and "FFmpeg " in result["vmaf"]["version"]
    scores = [float(row["vmaf"]) for row in csv.DictReader(rows.read_text().splitlines())]
    assert len(scores) == 8 and sum(scores) / 8 == pytest.approx(result["vmaf"]["mean"], abs=1e-3)
    text = nvc("eval", clip, clip, coded, "--metrics", "vmaf").out.decode()
    assert f"VMAF  {result['vmaf']['mean']:.2f}    vmaf_v0.6.1, libvmaf" in text and text.count("VMAF") == 2


def test_vmaf_needs_a_package(nvc, coded, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    rows = tmp_path / "rows.csv"
    # the reference does not even exist: what is missing is said before anything is opened
    outcome = nvc("eval", tmp_path / "no.y4m", coded, "--metrics", "vmaf", "--per-frame", rows)
    assert (outcome.code, outcome.out) == (2, b"") and not rows.exists()
    assert "vmaf needs the package imageio-ffmpeg" in outcome.err and "pip install" in outcome.err
