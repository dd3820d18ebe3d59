"""Looking and converting on the command line: contact sheets, single pictures, and sources that are read otherwise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nvcodec.api.stamp import stamp
from nvcodec.color import yuv_to_rgb
from nvcodec.decoder.reader import VideoReader
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source

QUICK = ("--preset", "draft", "--epochs", "2", "--device", "cpu")
ARCHIVE = Path(__file__).parent.parent / "conformance" / "archive.nvc"


def picture(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def test_a_sheet_shows_frames_and_times(nvc, coded, tmp_path):
    outcome = nvc("sheet", coded, "-o", tmp_path / "s.png", "-n", "4", "--columns", "2", "--json")
    assert outcome.code == 0 and outcome.json["streams"][0]["frames"] == [0, 2, 5, 7]
    shown = picture(tmp_path / "s.png")
    assert shown.shape == (2 * 52 + 4, 2 * 68 + 4, 3) == (outcome.json["height"], outcome.json["width"], 3)
    reader = VideoReader(coded, device="cpu")
    for place, frame in enumerate([0, 2, 5, 7]):
        top, left = place // 2 * 52 + 4, place % 2 * 68 + 4
        wanted = np.stack(yuv_to_rgb(reader.planes(frame), reader.format), -1)
        stamp(wanted, f"0:00.{4 * frame:02}")
        assert np.abs(shown[top : top + 48, left : left + 64] - wanted).max() <= 1
    assert (shown[:4] == 24).all() and (shown[:, -4:] == 24).all()
    assert nvc("sheet", coded, "-o", tmp_path / "s.png").code == 2
    assert nvc("sheet", coded, "-o", tmp_path / "s.png", "-y", "-q").err == ""


def test_a_sheet_of_an_archive_has_a_row_for_each_video(nvc, tmp_path):
    outcome = nvc("sheet", ARCHIVE, "-o", tmp_path / "s.jpg", "-n", "2", "--json")
    assert [row["stream"] for row in outcome.json["streams"]] == [0, 1] and "row 2: stream 1" in outcome.err
    one = nvc("sheet", ARCHIVE, "-o", tmp_path / "one.png", "--stream", "1", "-n", "2", "--width", "16", "--json")
    assert [row["stream"] for row in one.json["streams"]] == [1] and one.json["width"] == 2 * 20 + 4
    assert one.json["height"] < outcome.json["height"]


@pytest.mark.parametrize("name", ["s.mkv", "sheet", "s%02d.png"])
def test_a_sheet_is_one_picture(nvc, coded, tmp_path, name):
    outcome = nvc("sheet", coded, "-o", tmp_path / name)
    assert outcome.code == 2 and "a contact sheet is one picture" in outcome.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("asked", "time"), [("3", 3), ("2.5", Fraction(5, 2)), ("5/2", Fraction(5, 2))])
def test_one_picture(nvc, coded, tmp_path, asked, time):
    assert nvc("decode", coded, "-o", tmp_path / "a.yuv", "--frame", asked).code == 0
    wanted = b"".join(plane.tobytes() for plane in VideoReader(coded, device="cpu").planes(time))
    found = (tmp_path / "a.yuv").read_bytes()
    assert np.abs(np.frombuffer(found, np.uint8).astype(int) - np.frombuffer(wanted, np.uint8)).max() <= 1
    assert nvc("decode", coded, "-o", tmp_path / "a.jpg", "--frame", asked).code == 0
    assert picture(tmp_path / "a.jpg").shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--frame", "7.5"], 3, "holds 8 frames, but frame 7.5 was asked for"),
        (["--frame", "8"], 3, "holds 8 frames, but frame 8 was asked for"),
        (["--frame", "3", "--seek", "1"], 2, "--seek chooses frames, and --frame draws one picture"),
        (["--frame", "third"], 2, "'third' is no frame, and no time between two"),
    ],
)
def test_pictures_that_there_are_not(nvc, coded, tmp_path, words, code, message):
    outcome = nvc("decode", coded, "-o", tmp_path / "a.png", *words)
    assert outcome.code == code and message in outcome.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "vp9"), ("a.gif", "gif")])
def test_kinds_for_pages(nvc, coded, tmp_path, name, codec):
    assert nvc("decode", coded, "-o", tmp_path / name, "--step", "2").code == 0
    reader = VideoReader(coded, device="cpu")
    with av.open(tmp_path / name) as container:
        assert container.streams.video[0].codec_context.name == codec
        frames = list(container.decode(video=0))
    assert [round(100 * frame.time) for frame in frames] == [0, 4, 8, 12]
    for number, frame in enumerate(frames):
        wanted = np.stack(yuv_to_rgb(reader.planes(2 * number), reader.format), -1).astype(int)
        assert np.abs(frame.to_ndarray(format="rgb24") - wanted).mean() < 8


def test_converted_sources_are_measured_layered_and_resumed_as_they_were_read(nvc, clip, tmp_path):
    how = ["--crop", "40:32:8:8", "--scale", "20x16", "--fps", "12.5", "--pix-fmt", "yuv444p"]
    coded = tmp_path / "a.nvc"
    outcome = nvc("encode", clip, "-o", coded, *QUICK, *how, "--json")
    assert outcome.code == 0 and "12.5" not in outcome.err.split("geometry")[0]
    result = outcome.json
    assert (result["width"], result["height"], result["frames"]) == (20, 16, 4)
    config = result["config"]
    assert (config["crop"], config["scale"], config["fps"], config["pix_fmt"]) == (
        "40:32:8:8",
        "20x16",
        "25/2",
        "yuv444p",
    )
    # what is measured is measured against what came of it
    with open_source(clip, **_reading(how)) as source, open_sink(tmp_path / "converted.y4m", source.format) as sink:
        for planes in source:
            sink.write(planes)
    measured = nvc("eval", tmp_path / "converted.y4m", coded, "--json").json
    assert abs(measured["psnr"]["y"] - result["psnr"]["y"]) < 0.01
    refused = nvc("add-layer", coded, "--source", clip, "--params", "900", "--bpp", "0.4", *QUICK)
    assert refused.code == 2 and "the video it was encoded from" in refused.err
    layered = nvc("add-layer", coded, "--source", clip, *how, "--params", "900", "--bpp", "2", *QUICK, "--json")
    assert layered.code in (0, 6) and layered.json["frames"] == 4
    assert layered.json["psnr_below"]["y"] == pytest.approx(result["psnr"]["y"], abs=0.01)


def _reading(words):
    from nvcodec.config.options import EncodeOptions, changed

    given = dict(zip((word.removeprefix("--").replace("-", "_") for word in words[::2]), words[1::2], strict=True))
    return changed(EncodeOptions(), given).reading


def test_a_folder_of_pictures_without_a_rate(nvc, tmp_path, coded):
    (tmp_path / "f").mkdir()
    assert nvc("decode", coded, "-o", tmp_path / "f" / "%02d.jpg", "-n", "3").code == 0
    outcome = nvc("encode", tmp_path / "f", "-o", tmp_path / "a.nvc", *QUICK)
    assert outcome.code == 0 and "pictures say no frame rate: 25 fps are assumed; give it with -r" in outcome.err
    assert VideoReader(tmp_path / "a.nvc", device="cpu").metadata.fps == 25
    outcome = nvc("encode", tmp_path / "f", "-o", tmp_path / "b.nvc", "-r", "10", *QUICK)
    assert "assumed" not in outcome.err and VideoReader(tmp_path / "b.nvc", device="cpu").metadata.fps == 10
