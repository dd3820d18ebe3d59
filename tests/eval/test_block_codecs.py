"""The conventional codecs of the bench: files that can be measured, bytes that are packets, settings that say all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from nvcodec.config.options import EvalOptions
from nvcodec.errors import UsageError
from nvcodec.eval import feed as feed_module
from nvcodec.eval.block_codecs import BLOCK_CODECS
from nvcodec.eval.codecs import BenchClip, Coded
from nvcodec.eval.feed import open_feed
from nvcodec.eval.measure import evaluate
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, VideoFormat

FORMAT = VideoFormat(64, 48, Fraction(30000, 1001), colour=Colour(6, 6, 6))
FRAMES = 9
QUICKEST = {"x264": "ultrafast", "x265": "ultrafast", "svtav1": "12", "vvenc": "faster", "libaom": "8"}
NAMES = tuple(QUICKEST)


@pytest.fixture
def clip(tmp_path: Path, moving):
    """Makes a clip on disk."""

    def make(format: VideoFormat = FORMAT, frames: int = FRAMES, suffix: str = ".mkv") -> BenchClip:
        path = tmp_path / f"waves{suffix}"
        with open_sink(path, format) as sink:
            for planes in moving(format, frames):
                sink.write(planes)
        return BenchClip(path)

    return make


def code(name: str, clip: BenchClip, point: float, options: str = "") -> Coded:
    if name in ("vvenc", "libaom"):
        pytest.importorskip("imageio_ffmpeg")
    folder = clip.path.parent / "out"
    folder.mkdir(exist_ok=True)
    return BLOCK_CODECS[name](QUICKEST[name], options).encode(clip, point, folder, lambda event: None)


def stored(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def bitstream(coded: Coded) -> Path:
    """The file with the codec's own packets."""
    return coded.file.with_name(coded.file.name.replace(".8bit.mkv", ".mp4"))


def quality(clip: BenchClip, coded: Coded) -> float:
    found = evaluate(clip.path, coded.file, options=clip.asked, test_seek=0, metrics=("psnr",))
    return found.quality.psnr["yuv_611"]


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("name", NAMES)
def test_file_can_be_measured(clip, name: str, depth: int) -> None:
    format = replace(FORMAT, bit_depth=depth)
    source = clip(format)
    point = BLOCK_CODECS[name].default_points[1]
    coded = code(name, source, point)
    with open_source(coded.file) as video:
        assert video.format == format and len(list(video)) == FRAMES
    packets = stored(bitstream(coded))
    assert len(packets) == FRAMES and coded.bytes == sum(len(packet) for packet in packets)
    assert coded.bytes < bitstream(coded).stat().st_size
    assert quality(source, coded) > 30
    assert coded.encode_s > 0
    assert coded.file.parent == source.path.parent / "out"
    assert coded.file.name.startswith(f"waves.{name}-{QUICKEST[name]}.{point:g}.")
    assert {path.name for path in coded.file.parent.iterdir()} == {coded.file.name, bitstream(coded).name}


@pytest.mark.parametrize("name", NAMES)
def test_a_higher_point_costs_less_and_is_worse(clip, name: str) -> None:
    source = clip()
    first, *_, last = BLOCK_CODECS[name].default_points
    good, bad = code(name, source, first), code(name, source, last)
    assert good.bytes > bad.bytes and quality(source, good) > quality(source, bad) + 1


@pytest.mark.parametrize("name", NAMES)
def test_same_bytes_every_time(clip, name: str) -> None:
    source, point = clip(), BLOCK_CODECS[name].default_points[2]
    first = stored(bitstream(code(name, source, point)))
    assert stored(bitstream(code(name, source, point))) == first


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_enough_to_do_it_again(clip, name: str) -> None:
    settings = code(name, clip(), 30).settings
    assert settings["fps"] == "30000/1001" and settings["colour"]["matrix"] == 6 and "CPUs" in settings["threads"]
    text = settings["command"] if "command" in settings else " ".join(settings["options"].values())
    assert "30" in text.split() and QUICKEST[name] in text.split()
    assert BLOCK_CODECS[name].encoder in (settings.get("encoder"), *text.split())  # type: ignore[attr-defined]
    assert "yuv420p" in str(settings)
    json.dumps(settings)


@pytest.mark.parametrize("name", NAMES)
def test_wanted_frames_only(clip, name: str) -> None:
    source = replace(clip(), asked=EvalOptions(seek=2, frames=4))
    coded = code(name, source, 25)
    with open_source(coded.file) as video:
        assert len(list(video)) == 4
    assert quality(source, coded) > 30


@pytest.mark.parametrize("name", ["x264", "svtav1", "vvenc"])
def test_rgb_is_coded_as_yuv(clip, name: str) -> None:
    source = clip(VideoFormat(64, 48, Fraction(25), chroma=ChromaFormat.RGB, colour=Colour(1, 13, 0, True)))
    coded = code(name, source, 20)
    with open_source(coded.file) as video:
        assert video.format == VideoFormat(64, 48, Fraction(25), colour=Colour(1, 13, 6))
    assert quality(source, coded) > 30


def test_tags_and_code_values_pass_the_program_unchanged(clip, moving) -> None:
    format = replace(FORMAT, width=54, height=38, colour=Colour(1, 1, 1, True))
    coded = code("libaom", clip(format), 0, "-aom-params lossless=1")
    with open_source(coded.file) as video:
        assert video.format == format
        for found, planes in zip(video, moving(format, FRAMES), strict=True):
            assert all(np.array_equal(p, q) for p, q in zip(found, planes, strict=True))


def test_vvenc_keeps_level_and_range(clip) -> None:
    format = replace(FORMAT, colour=Colour(1, 1, 1, True))
    source = clip(format)
    coded = code("vvenc", source, 1)
    assert quality(source, coded) > 50
    with open_source(bitstream(coded)) as video:
        assert video.format == replace(format, bit_depth=10)
    assert coded.decode_fps is not None and coded.decode_fps > 0


def test_sei_of_x264_is_counted_and_told(clip) -> None:
    coded = code("x264", clip(), 40)
    first = stored(coded.file)[0]
    length = int.from_bytes(first[:4], "big")
    assert b"x264 - core" in first[:length] and coded.details == {"sei_bytes": 4 + length}


def test_options_are_passed_on(clip) -> None:
    source = clip()
    plain, tuned = code("x265", source, 30), code("x265", source, 30, "-tune psnr -g 4")
    assert tuned.settings["options"]["tune"] == "psnr" and tuned.bytes != plain.bytes
    with av.open(tuned.file) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size) > 1
    assert "-g 4" in code("libaom", source, 30, "-g 4").settings["command"]
    for name in ("x264", "libaom"):
        with pytest.raises(UsageError, match="bogus|failed"):
            code(name, source, 30, "-bogus 1")
    with pytest.raises(UsageError, match="cannot read the options of x264: tune psnr"):
        code("x264", source, 30, "tune psnr")


@pytest.mark.parametrize("name", NAMES)
def test_presets_and_points_are_checked(clip, name: str) -> None:
    kind = BLOCK_CODECS[name]
    with pytest.raises(UsageError, match=f"{name} has no preset 'slwer'"):
        kind("slwer")
    assert all(kind(preset).label == f"{name}-{preset}" for preset in kind.presets)
    source = clip()
    with pytest.raises(UsageError, match=rf"{name} has no {kind.unit} 64") as caught:
        code(name, source, 64)
    assert f"to {kind.highest:g}" in caught.value.hint
    assert not any((source.path.parent / "out").iterdir())
    for point in kind.default_points:
        kind(kind.default_preset).check_point(point)


@pytest.mark.parametrize("name", ["x264", "x265", "vvenc", "libaom"])
def test_odd_sizes_are_refused(clip, name: str) -> None:
    with pytest.raises(UsageError, match="cannot code 53x37 pictures, the size must be even"):
        code(name, clip(replace(FORMAT, width=53, height=37)), 30)


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_is_needed(clip, name: str) -> None:
    source = clip(replace(FORMAT, fps=None, colour=Colour()), suffix=".y4m")
    with pytest.raises(UsageError, match=f"{name} needs a frame rate") as caught:
        code(name, source, 30)
    assert "rate" in caught.value.hint
    with open_source(code(name, replace(source, asked=EvalOptions(rate=24)), 30).file) as video:
        assert video.format.fps == 24


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_past_us(clip, capfd, name: str) -> None:
    code(name, clip(), 30)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_versions_name_the_library(name: str) -> None:
    if name in ("vvenc", "libaom"):
        pytest.importorskip("imageio_ffmpeg")
    found = BLOCK_CODECS[name](QUICKEST[name]).versions()
    assert re.search(r"\d", found[name]) and len(found) == 2


def test_folder_that_cannot_be_written(clip) -> None:
    source, codec = clip(), BLOCK_CODECS["x264"]("ultrafast")
    with pytest.raises(UsageError, match="cannot write to .*missing"):
        codec.encode(source, 30, source.path.parent / "missing", lambda event: None)


def test_long_clips_are_read_while_they_are_coded(clip, moving, monkeypatch: pytest.MonkeyPatch) -> None:
    source = clip()
    whole: Any = code("x264", source, 30)
    monkeypatch.setattr(feed_module, "_HELD_BYTES", 2 * FORMAT.frame_bytes)
    with open_feed(source) as feed:
        found = list(feed)
        assert feed.read_s > 0
    assert len(found) == FRAMES
    for planes, expected in zip(found, moving(FORMAT, FRAMES), strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(planes, expected, strict=True))
    assert code("x264", source, 30).bytes == whole.bytes
