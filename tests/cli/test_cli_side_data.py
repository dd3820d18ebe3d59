"""What videos hold besides pictures, from the command line: kept, told, or refused before any work."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

QUICK = ("--preset", "draft", "--epochs", "2")
SOURCE = ("-f", "lavfi", "-i", "testsrc=s=48x32:r=25:d=0.4")


def ffmpeg(*words: object) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *map(str, words)], check=True)


def starts(path: Path) -> list[Fraction]:
    with av.open(path) as file:
        return [frame.pts * frame.time_base for frame in file.decode(video=0)]


def sound(path: Path) -> list[bytes]:
    with av.open(path) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "mpeg4", ("-movflags", "+faststart")),
        ("a.mkv", "ffv1", ()),
        ("a.avi", "mjpeg", ()),
        ("a.ts", "mpeg4", ()),
        ("a.y4m", "rawvideo", ()),
    ],
)
def test_cut_videos(nvc, tmp_path, name: str, codec: str, options: tuple[str, ...]) -> None:
    whole, output = tmp_path / f"whole_{name}", tmp_path / "a.nvc"
    ffmpeg(*SOURCE, "-pix_fmt", "yuvj420p" if codec == "mjpeg" else "yuv420p", "-c:v", codec, *options, whole)
    data = whole.read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: len(data) * 9 // 10 + 1])
    refused = nvc("encode", cut, "-o", output, *QUICK)
    assert refused.code == 3 and "--allow-truncated" in refused.err and not output.exists()
    taken = nvc("encode", cut, "-o", output, *QUICK, "--allow-truncated")
    assert taken.code == 0 and taken.err.count("before that") == 1
    frames = nvc("info", output, "--json").json["streams"][0]["frames"]
    assert 3 <= frames < 10


def test_uneven_times_go_through(nvc, tmp_path) -> None:
    clip, coded = tmp_path / "clip.mkv", tmp_path / "a.nvc"
    ffmpeg(*SOURCE, "-vf", "settb=1/1000,setpts=N*N*7+N*40", "-fps_mode", "passthrough",
           "-enc_time_base", "1/1000",
           "-pix_fmt", "yuv420p", "-c:v", "ffv1", clip)  # fmt: skip
    times = starts(clip)
    assert len(times) == 10 and len({later - earlier for earlier, later in zip(times, times[1:], strict=False)}) > 5
    assert nvc("encode", clip, "-o", coded, *QUICK).code == 0
    for suffix in (".mkv", ".mp4"):
        assert nvc("decode", coded, "-o", tmp_path / f"b{suffix}").code == 0
        assert starts(tmp_path / f"b{suffix}") == times, suffix
    even = nvc("decode", coded, "-o", tmp_path / "b.y4m")
    assert even.code == 0 and even.err.count("frames are of uneven length") == 1
    assert nvc("decode", coded, "-o", tmp_path / "c.mkv", "-r", "12.5").code == 0
    assert starts(tmp_path / "c.mkv") == [place * Fraction(2, 25) for place in range(10)]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_is_put_back(nvc, coded, tmp_path, suffix: str) -> None:
    clip, output = tmp_path / "clip.mp4", tmp_path / f"a{suffix}"
    ffmpeg(*SOURCE, "-f", "lavfi", "-i", "sine=d=0.3:r=48000", "-c:v", "mpeg4", "-c:a", "ac3", clip)
    assert nvc("decode", coded, "-o", output, "--audio-from", clip).code == 0
    theirs, ours = sound(clip), sound(output)
    assert len(theirs) - 1 <= len(ours) and b"".join(ours) in b"".join(theirs)
    refused = nvc("decode", coded, "-o", tmp_path / "a.y4m", "--audio-from", clip)
    assert refused.code == 2 and "has no sound" in refused.err and not (tmp_path / "a.y4m").exists()


def test_what_is_not_kept_is_told_once_and_streams_can_be_chosen(nvc, tmp_path) -> None:
    clip = tmp_path / "clip.mkv"
    second = ("-f", "lavfi", "-i", "testsrc2=s=32x48:r=25:d=0.2", "-f", "lavfi", "-i", "sine=d=0.2:r=48000")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=48x32:r=25:d=0.2", *second, "-map", "0", "-map", "1", "-map", "2",
           "-vf", "setfield=tff", "-pix_fmt", "yuv420p", "-c:v", "ffv1", "-c:a", "flac",
           "-metadata:s:v", "alpha_mode=1",
           "-disposition:v:0", "default", "-disposition:v:1", "0", clip)  # fmt: skip
    for number, size in ((None, (48, 32)), (1, (32, 48))):
        output = tmp_path / f"{number}.nvc"
        words = () if number is None else ("--video-stream", number)
        done = nvc("encode", clip, "-o", output, *QUICK, *words)
        assert done.code == 0
        for notice in ("video stream ", "not coded: 1 audio track", "its transparency is not coded", "interlaced; "):
            assert done.err.count(notice) == 1, (notice, done.err)
        stream = nvc("info", output, "--json").json["streams"][0]
        assert (stream["width"], stream["height"]) == size
    refused = nvc("encode", clip, "-o", tmp_path / "c.nvc", *QUICK, "--video-stream", 2)
    assert refused.code == 2 and "has no video stream 2" in refused.err
