"""Real, tiny encodes from end to end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

QUICK = ("--preset", "draft", "--epochs", "3")
NVC = (sys.executable, "-m", "nvcodec")


def test_json_result_and_summary(nvc, clip, tmp_path):
    output, recon = tmp_path / "x.nvc", tmp_path / "x.y4m"
    outcome = nvc("encode", clip, "-o", output, *QUICK, "--json", "--recon", recon)
    assert outcome.code == 0
    result = outcome.json
    assert result["schema"] == "nvc-encode/1"
    assert set(result) >= {
        "file", "bytes", "bpp", "estimated_bpp", "kbps", "frames", "width", "height", "model", "parameters",
        "bits_per_parameter", "psnr", "ms_ssim_y", "encode_s", "fit_steps", "layers", "device", "seed", "versions",
        "config",
    }  # fmt: skip
    assert set(result["psnr"]) == {"y", "u", "v", "yuv_611", "rgb"}
    assert result["bytes"] == output.stat().st_size
    assert result["bpp"] == pytest.approx(8 * result["bytes"] / (64 * 48 * 8))
    assert (result["frames"], result["width"], result["height"], result["fit_steps"]) == (8, 64, 48, 24)
    assert outcome.err.startswith(f"{clip}: geometry 64x48 8-bit 25 fps (from the Y4M header)\nmsnerv draft: ")
    last = outcome.err.splitlines()[-3:]
    assert last[0].startswith(f"{output}  ") and "8 frames 64x48 8-bit 25 fps" in last[0]
    assert re.search(r"^PSNR  Y .* 6:1:1 .* MS-SSIM Y .* worst frame \d: ", last[1])
    assert last[2].endswith("verified")
    assert recon.stat().st_size == clip.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.nvc", "x.y4m"]


def test_plain_progress(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, "--progress", "plain")
    line = r"^\[\d\d:\d\d:\d\d\] \w+ \d+% epoch \d+(/\d+)? psnr [\d.]+ best [\d.]+( est_bpp [\d.]+)? it/s [\d.,]+ eta "
    assert outcome.code == 0 and outcome.out == b""
    assert re.search(line, outcome.err, re.MULTILINE)


def test_json_progress(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, "--progress", "json")
    events = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    steps = [event for event in events if event["event"] == "step"]
    kinds = ["notice", "forecast", *["step"] * len(steps), "notice", "result"]  # so short a fit shows little
    assert [event["event"] for event in events] == kinds
    assert events[-1]["bytes"] == (tmp_path / "x.nvc").stat().st_size
    assert all(line.startswith("{") for line in outcome.err.splitlines())
    assert set(steps[-1]) == {
        "event", "stage", "progress", "epoch", "epochs", "psnr_yuv_db", "best_psnr_yuv_db", "est_bpp", "it_per_s",
        "eta_s",
    }  # fmt: skip
    assert steps[-1]["progress"] == 1


def test_quiet(nvc, clip, tmp_path):
    assert nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, "-q").err == ""


def test_default_preset_says_why(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", "--epochs", "1", "--device", "cpu")
    assert "preset faster, chosen for cpu (a CUDA device would get medium)" in outcome.err


def test_pipe_from_end_to_end(clip):
    """Y4M in, bitstream through a pipe, Y4M out; nothing else on any stdout."""
    with clip.open("rb") as source:
        coded = subprocess.run([*NVC, "encode", "-", "-o", "-", *QUICK], stdin=source, capture_output=True, check=True)
    assert coded.stdout.startswith(b"\x89NVC")
    drawn = subprocess.run([*NVC, "decode", "-", "-o", "-"], input=coded.stdout, capture_output=True, check=True)
    assert drawn.stdout.startswith(b"YUV4MPEG2 W64 H48 F25:1") and len(drawn.stdout) == clip.stat().st_size


def test_target_size_is_kept(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, "--target-size", "3kB", "-y")
    assert outcome.code == 0 and (tmp_path / "x.nvc").stat().st_size <= 3000


def test_target_not_reached(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, "--target-psnr", "90", "--json")
    assert outcome.code == 6 and "error: target not reached: " in outcome.err
    assert outcome.json["target_reached"] is False and (tmp_path / "x.nvc").exists()


def test_overwrite(nvc, clip, tmp_path):
    output = tmp_path / "x.nvc"
    output.write_bytes(b"old")
    assert nvc("encode", clip, "-o", output, *QUICK, "-q").code == 2 and output.read_bytes() == b"old"
    assert nvc("encode", clip, "-o", output, *QUICK, "-q", "-y").code == 0 and output.read_bytes() != b"old"


def test_settings_reach_the_fit(nvc, clip, tmp_path):
    words = ["--set", "fit.learning_rate=1e-3", "--set", "model.window=3", "--tune", "ssim", "--params", "4k"]
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *QUICK, *words, "--json", "-n", "4", "--seed", "5")
    config = outcome.json["config"]["config"]
    assert config["fit"]["learning_rate"] == 1e-3 and config["loss"]["kind"] == "ssim" and config["parameters"] == 4000
    assert outcome.json["config"]["network"]["window"] == 3
    assert (outcome.json["frames"], outcome.json["seed"]) == (4, 5)


def test_interrupt_and_resume(nvc, interrupted, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.y4m")
    err = interrupted("encode", "clip.y4m", "-o", "x.nvc", "--preset", "draft", "--epochs", "60")
    assert err.endswith("the state is saved\n  Go on with:  nvc encode --resume x.nvc.work\n")
    assert not (tmp_path / "x.nvc").exists()

    other = nvc("encode", "clip.y4m", "-o", "x.nvc", "--preset", "draft", "--epochs", "61")
    assert other.code == 2 and "x.nvc.work holds an interrupted encode with --epochs 60" in other.err

    resumed = nvc("encode", "--resume", "x.nvc.work", "--json")
    assert re.search(r"^going on from step [\d,]+$", resumed.err, re.MULTILINE)
    assert resumed.code == 0 and resumed.json["fit_steps"] == 480
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.y4m", "x.nvc"]
    assert nvc("decode", "x.nvc", "--check").code == 0
