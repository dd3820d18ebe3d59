"""Masks and pictures between frames on the command line."""

from __future__ import annotations

import pytest

from nvcodec.io.source import open_source


def test_both_protocols_are_printed_and_measured_again(nvc, clip, tmp_path):
    output = tmp_path / "x.nvc"
    outcome = nvc("encode", clip, "-o", output, "--preset", "draft", "--epochs", "3", "--mask", "box:24x20", "--json")
    assert outcome.code == 0, outcome.err
    masked = outcome.json["masked"]
    assert masked["share"] == pytest.approx(24 * 20 / (64 * 48))
    line = (
        f"mask  {100 * masked['share']:.1f} % of the picture: PSNR inside {masked['inside']:.2f} dB, "
        f"outside {masked['outside']:.2f} dB"
    )
    assert outcome.err.splitlines()[-2] == line
    assert "mask" in nvc("info", output).out.decode()
    measured = nvc("eval", clip, output, "--mask", "box:24x20")
    assert measured.out.decode().splitlines()[-1] == line
    assert nvc("eval", clip, output, "--json").json["masked"] is None


def test_every_video_of_an_archive_is_masked(nvc, clip, tmp_path):
    output = tmp_path / "x.nvc"
    words = ("--model", "dnerv", "--preset", "draft", "--epochs", "1", "--mask", "scattered:12")
    outcome = nvc("encode", clip, clip, "-o", output, *words)
    assert outcome.code == 0, outcome.err
    assert sum(": mask  " in line for line in outcome.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("mask", "code", "error"),
    [
        ("box:65x4", 2, "65x4 is not inside a picture of 64x48"),
        ("nowhere.png", 2, "nowhere.png is neither a file nor a box"),
        ("README.md", 3, "README.md"),
    ],
)
def test_masks_that_make_no_sense(nvc, clip, tmp_path, mask, code, error):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", "--preset", "draft", "--mask", mask)
    assert outcome.code == code and error in outcome.err and "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_smoother_video(nvc, coded, tmp_path):
    output = tmp_path / "smooth.mkv"
    outcome = nvc("decode", coded, "-o", output, "--interpolate", "3", "--json")
    assert outcome.code == 0 and outcome.json["frames"] == 22
    with open_source(output) as source:
        assert source.format.fps == 75 and sum(1 for _ in source) == 22


def test_every_video_smoother(nvc, coded, tmp_path):
    outcome = nvc("decode", coded, "--all", "-o", tmp_path / "all", "--interpolate", "2", "--format", "y4m")
    assert outcome.code == 0
    (file,) = (tmp_path / "all").iterdir()
    with open_source(file) as source:
        assert source.format.fps == 50 and sum(1 for _ in source) == 15


def test_leaving_out_and_adding_contradict(nvc, coded, tmp_path):
    outcome = nvc("decode", coded, "-o", tmp_path / "x.y4m", "--interpolate", "2", "--step", "2")
    assert outcome.code == 2 and "--step leaves frames out" in outcome.err
