"""The matrix of clips, codecs and points: nothing done twice, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, final

import pytest

from nvcodec.cli.encode import command as encode_command
from nvcodec.config.options import EvalOptions
from nvcodec.encoder.fit.events import EventHandler
from nvcodec.errors import InputError, NvcError, UsageError
from nvcodec.eval.bench import Bench, Benched, Contestant, describe
from nvcodec.eval.codecs import BenchClip, BenchCodec, Coded
from nvcodec.eval.contestants import parse_codecs
from nvcodec.eval.nvc_codec import source_options
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

SMALL = VideoFormat(64, 48, Fraction(25))


@final
class Coarse(BenchCodec):
    """Drops low bits of every sample; a point is how many."""

    name, unit, presets, default_preset = "coarse", "bits", ("fine", "rough"), "fine"
    default_points = (1, 3)
    lowest, highest, whole = 0, 7, True
    release = "1"
    coded: list[float]

    def versions(self) -> dict[str, str]:
        return {"coarse": self.release}

    def encode(self, clip: BenchClip, point: float, folder: Path, on_event: EventHandler) -> Coded:
        self.coded.append(point)
        if point == 7:
            raise InputError("seven is too many")
        file = folder / f"{clip.name}.{self.label}.{point:g}.y4m"
        with clip.open() as source, open_sink(file, source.format, overwrite=True) as sink:
            for y, u, v in source:
                sink.write(tuple(plane >> int(point) << int(point) for plane in (y, u, v)))  # type: ignore[arg-type]
        return Coded(file, int(1000 * (8 - point)), 0.5, {"bits": point}, details={"parameters": 5})


def _codec(preset: str = "fine") -> Coarse:
    codec = Coarse(preset)
    codec.coded = []
    return codec


@pytest.fixture
def clip(tmp_path: Path, moving: Callable[[VideoFormat, int], list[Planes]]) -> BenchClip:
    path = tmp_path / "waves.y4m"
    with open_sink(path, SMALL) as sink:
        for planes in moving(SMALL, 6):
            sink.write(planes)
    return BenchClip(path)


def _run(folder: Path, clip: BenchClip, codec: Coarse, *points: float, afresh: bool = False) -> Benched:
    return Bench(folder, afresh=afresh).run([clip], [Contestant(codec, points)])


def test_points_are_measured_from_their_files(tmp_path: Path, clip: BenchClip) -> None:
    (curve,) = _run(tmp_path / "out", clip, _codec(), 1, 3).curves
    low, high = curve.points
    assert (low.point, low.bytes, high.point, high.bytes) == (3, 5000, 1, 7000)
    assert low.bpp == 8 * 5000 / (64 * 48 * 6) and low.kbps == pytest.approx(8 * 5000 * 25 / 6 / 1000)
    assert low.psnr["y"] < high.psnr["y"] < 100 and low.ms_ssim_y is not None
    assert low.decode_fps > 0 and low.file is not None and (tmp_path / "out" / low.file).exists()
    held = json.loads((tmp_path / "out" / "waves.coarse-fine.json").read_text())
    assert held["results"]["bpp"] == [low.bpp, high.bpp] and held["nvc"]["clip"]["frames"] == 6


def test_nothing_is_done_twice(tmp_path: Path, clip: BenchClip) -> None:
    first = _run(tmp_path, clip, _codec(), 1, 3)
    codec = _codec()
    again = _run(tmp_path, clip, codec, 1, 3)
    assert codec.coded == [] and again.curves == first.curves
    more = _run(tmp_path, clip, codec, 3, 5)
    assert codec.coded == [5] and [point.point for point in more.curves[0].points] == [5, 3]
    _run(tmp_path, clip, codec, 1, afresh=True)
    assert codec.coded == [5, 1]


def test_a_point_that_fails_leaves_the_others(tmp_path: Path, clip: BenchClip) -> None:
    benched = Bench(tmp_path).run([clip], [Contestant(_codec(), (1, 7)), Contestant(_codec("rough"), (2,))])
    assert [error.message for error in benched.failures] == ["seven is too many"]
    assert [(curve.label, len(curve.points)) for curve in benched.curves] == [("coarse-fine", 1), ("coarse-rough", 1)]


def test_a_range_of_frames_is_compared_with_itself(tmp_path: Path, clip: BenchClip) -> None:
    (curve,) = _run(tmp_path, replace(clip, asked=EvalOptions(seek=2, frames=3)), _codec(), 0).curves
    assert (curve.clip.frames, curve.clip.seek, curve.points[0].psnr["y"]) == (3, 2, 100.0)


@pytest.mark.parametrize(
    "how",
    [{"crop": "40:32"}, {"scale": "1/2"}, {"fps": 12.5, "seek": 1}, {"pix_fmt": "yuv422p"}, {"deinterlace": True}],
    ids=lambda how: "-".join(how),
)
def test_what_is_converted_is_compared_with_that(tmp_path: Path, clip: BenchClip, how: dict[str, Any]) -> None:
    """By whatever codec; nvc is told so in the words of its own command line."""
    asked = EvalOptions(**how)
    (curve,) = _run(tmp_path, replace(clip, asked=asked), _codec(), 0).curves
    assert curve.points[0].psnr["y"] == 100.0
    words = ["encode", "a.y4m", "-o", "a.nvc", *source_options(replace(clip, asked=asked))]
    given = encode_command.make_context("encode", words[1:]).params
    assert {name: value for name in how if (value := given[name])} == {name: getattr(asked, name) for name in how}


@pytest.mark.parametrize("change", ["frames", "versions", "settings"])
def test_results_of_something_else_are_not_mixed(tmp_path: Path, clip: BenchClip, change: str) -> None:
    _run(tmp_path, clip, _codec(), 1)
    codec = _codec()
    if change == "frames":
        clip = replace(clip, asked=EvalOptions(frames=2))
    elif change == "versions":
        codec.release = "2"  # type: ignore[misc]
    else:
        codec.options = "--more"
    with pytest.raises(UsageError, match=f"other {change}"):
        _run(tmp_path, clip, codec, 3)
    assert codec.coded == []


def test_clips_of_one_name_are_refused(tmp_path: Path, clip: BenchClip) -> None:
    with pytest.raises(UsageError, match="two inputs are called waves"):
        Bench(tmp_path).run([clip, clip], [Contestant(_codec(), (1,))])


def test_a_clip_is_known_by_its_pictures(tmp_path: Path, clip: BenchClip) -> None:
    raw = tmp_path / "waves_64x48_25fps.yuv"
    with clip.open() as source, open_sink(raw, source.format) as sink:
        for planes in source:
            sink.write(planes)
    assert describe(BenchClip(raw)).sha256 == describe(clip).sha256
    assert describe(replace(clip, asked=EvalOptions(frames=5))).sha256 != describe(clip).sha256


@pytest.mark.parametrize(
    ("options", "bpp", "of_model"), [("--epochs 1", 2, "window"), ("--model dnerv --epochs 2", 4, "flow")]
)
def test_nvc_is_run_as_its_users_run_it(
    tmp_path: Path, clip: BenchClip, options: str, bpp: float, of_model: str
) -> None:
    contestants = parse_codecs("nvc:draft", [f"nvc={bpp}"], [f"nvc={options}", "nvc=--seed 3"])
    events: list[object] = []
    benched = Bench(tmp_path, on_event=events.append).run([replace(clip, asked=EvalOptions(frames=4))], contestants)
    assert not benched.failures
    (point,) = benched.curves[0].points
    assert point.file is not None and (tmp_path / point.file).stat().st_size == point.bytes
    assert 0.75 * bpp < point.bpp <= bpp and point.details["seed"] == 3 and point.details["parameters"] > 0
    assert point.details["kmac_per_pixel"] > 0 and point.details["entropy_s"] >= 0 and point.decode_fps > 0
    assert str(tmp_path) not in (tmp_path / "waves.nvc-draft.json").read_text()
    config, file = point.settings["config"], f"waves.nvc-draft.{bpp}.nvc"
    assert (config["source"], config["output"], config["target"]["value"]) == ("waves.y4m", file, bpp)
    assert of_model in config["network"]
    command = point.settings["command"]
    assert command.startswith(f"nvc encode waves.y4m -o {file}") and "--frames 4" in command and options in command
    assert any(getattr(event, "psnr_db", None) for event in events)


def test_an_encode_that_fails_says_what_the_program_said(tmp_path: Path, clip: BenchClip) -> None:
    benched = Bench(tmp_path).run([clip], parse_codecs("nvc:draft", ["nvc=0.1"], ["nvc=--no-such-option"]))
    (error,) = benched.failures
    assert isinstance(error, NvcError) and error.exit_code == 2
    assert "nvc encode failed: no such option" in error.message.lower()


@pytest.mark.parametrize(
    ("codecs", "points", "message"),
    [
        ("x246", [], "no codec is called"),
        ("x264:verslow", [], "no preset"),
        ("nvc:draft,nvc:draft", [], "twice"),
        ("", [], "names no codec"),
        ("x264", ["x265=30"], "does not name"),
        ("x264", ["x264=30,a"], "no list of numbers"),
        ("x264", ["99"], "no crf 99"),
        ("nvc", ["nvc=0"], "no bpp 0"),
    ],
)
def test_what_cannot_be_run_is_said_first(codecs: str, points: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_codecs(codecs, points)


def test_variants_are_sets_of_options() -> None:
    chosen = parse_codecs("x265:fast,x265:fast@psnr", ["30", "psnr=25"], ["psnr=-tune psnr"])
    assert [(one.codec.label, one.codec.options, one.points) for one in chosen] == [
        ("x265-fast", "", (30,)),
        ("x265-fast-psnr", "-tune psnr", (25,)),
    ]
    with pytest.raises(UsageError, match="letters"):
        parse_codecs("x265@../x", [])


def test_points_by_codec() -> None:
    chosen = parse_codecs("nvc:draft,x264,x265:fast", ["20,30", "x265=25"])
    assert [(one.codec.label, one.points) for one in chosen] == [
        ("nvc-draft", (0.05, 0.1, 0.2, 0.4)),
        ("x264-veryslow", (20, 30)),
        ("x265-fast", (25,)),
    ]
