"""Archives take what every encode takes: raw video, standard input, a range of frames; and are shown decoded too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

import nvcodec
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source

NVC = (sys.executable, "-m", "nvcodec")
QUICK = ("--model", "dnerv", "--preset", "draft", "--epochs", "0.1", "--device", "cpu")
SMALL = (*QUICK, "--target-size", "6kB")


@pytest.fixture
def two(clip, tmp_path, monkeypatch):
    """a.y4m and b.y4m in the current folder, the second one without its first frame."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "a.y4m")
    _cut("a.y4m", "b.y4m", 1, 7)


def _cut(source, output, seek, frames):
    with open_source(source, seek=seek, frames=frames) as video, open_sink(output, video.format) as sink:
        for planes in video:
            sink.write(planes)


def test_raw_video_and_a_range_of_frames(nvc, two):
    """They lead to the same bytes as files with headers that hold that range alone."""
    os.mkdir("cut")
    for name in "ab":
        _cut(f"{name}.y4m", f"{name}.yuv", 0, None)
        _cut(f"{name}.y4m", f"cut/{name}.y4m", 3, 4)
    raw = ("-s", "64x48", "-r", "25", "--pix-fmt", "yuv420p")
    outcome = nvc("encode", "a.yuv", "b.yuv", "-o", "raw.nvc", *SMALL, *raw, "--seek", "3", "-n", "4")
    assert outcome.code == 0, outcome.err
    assert "a.yuv: geometry 64x48 8-bit 25 fps" in outcome.err
    assert nvc("encode", "cut/a.y4m", "cut/b.y4m", "-o", "cut.nvc", *SMALL).code == 0
    with open("raw.nvc", "rb") as ours, open("cut.nvc", "rb") as theirs:
        assert ours.read() == theirs.read()
    streams = nvcodec.probe("raw.nvc").streams
    assert [(stream.name, stream.frames, stream.format.fps) for stream in streams] == [("a", 4, 25), ("b", 4, 25)]
    assert nvc("decode", "raw.nvc", "--all", "--check").code == 0


def test_ten_bits(nvc, two):
    assert nvc("encode", "a.y4m", "-o", "eight.nvc", *SMALL, "-n", "2").code == 0
    assert nvc("decode", "eight.nvc", "-o", "ten.yuv", "--pix-fmt", "10").code == 0
    outcome = nvc("encode", "ten.yuv", "-o", "ten.nvc", *SMALL, "-s", "64x48", "--pix-fmt", "10")
    assert outcome.code == 0 and nvcodec.probe("ten.nvc").streams[0].format.bit_depth == 10


def test_every_video_is_cut(nvc, two):
    """With -n alone, as many frames of each as it has; --seek that one does not reach is refused."""
    outcome = nvc("encode", "a.y4m", "b.y4m", "-o", "x.nvc", *SMALL, "-n", "8", "--json")
    assert outcome.code == 0 and [stream["frames"] for stream in outcome.json["streams"]] == [8, 7]
    outcome = nvc("encode", "a.y4m", "b.y4m", "-o", "y.nvc", *SMALL, "--seek", "7")
    assert outcome.code == 3 and "b.y4m" in outcome.err and not os.path.exists("y.nvc")


def test_standard_input(nvc, two):
    words = ["encode", "-", "-o", "x.nvc", *QUICK, "--bpp", "1.5"]
    with open("a.y4m", "rb") as source:
        done = subprocess.run([*NVC, *words], stdin=source, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir()) == ["a.y4m", "b.y4m", "x.nvc"]
    assert os.path.getsize("x.nvc") <= 1.5 * 64 * 48 * 8 / 8
    assert nvc("encode", "a.y4m", "-o", "y.nvc", *QUICK, "--bpp", "1.5").code == 0
    for name in "xy":
        assert nvc("decode", f"{name}.nvc", "-o", f"{name}.yuv", "--check").code == 0
    with open("x.yuv", "rb") as ours, open("y.yuv", "rb") as theirs:
        assert ours.read() == theirs.read()


def test_decoded_video_of_one(nvc, two):
    outcome = nvc("encode", "a.y4m", "-o", "x.nvc", *SMALL, "--recon", "r.y4m")
    assert outcome.code == 0 and nvc("decode", "x.nvc", "-o", "x.y4m").code == 0
    with open("r.y4m", "rb") as ours, open("x.y4m", "rb") as theirs:
        assert ours.read() == theirs.read()


def test_decoded_videos_of_several(nvc, two):
    words = ("encode", "a.y4m", "b.y4m", "-o", "x.nvc", *SMALL, "--recon", "videos/")
    assert nvc(*words).code == 0 and sorted(os.listdir("videos")) == ["a.y4m", "b.y4m"]
    assert nvc("decode", "x.nvc", "--all", "-o", "again", "--format", "y4m").code == 0
    for name in ("a.y4m", "b.y4m"):
        with open(f"videos/{name}", "rb") as ours, open(f"again/{name}", "rb") as theirs:
            assert ours.read() == theirs.read()
    os.remove("x.nvc")
    outcome = nvc(*words)  # before the fit, not behind it
    assert outcome.code == 2 and "videos/a.y4m exists; add -y" in outcome.err and not os.path.exists("x.nvc")
    assert nvc(*words, "-y").code == 0


def test_segments_and_a_quality(nvc, two):
    words = ("a.y4m", "b.y4m", "-o", "x.nvc", *QUICK, "--segment", "4", "--target-psnr", "25", "--json")
    outcome = nvc("encode", *words)
    assert outcome.code == 0 and outcome.json["psnr_yuv_611"] >= 25
    assert [segment.frames for segment in nvcodec.probe("x.nvc").segments] == [4, 3, 4, 4]
    assert nvc("decode", "x.nvc", "--all", "--check").code == 0
