"""Mistakes in the arguments of the Python functions: each is met before any work, and says what would do."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nvcodec
from nvcodec.api.checks import check
from nvcodec.config.options import EncodeOptions, changed
from nvcodec.errors import InputError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.models import registry
from nvcodec.types import VideoFormat

FRAMES = np.zeros((2, 3, 16, 16), np.uint8)


def _rate(fps: object) -> Fraction | None:
    return changed(EncodeOptions(), {"fps": fps}).fps


@pytest.mark.parametrize(
    ("given_", "rate"),
    [
        (None, None), (30, Fraction(30)), (29.97, Fraction(30000, 1001)), (30000 / 1001, Fraction(30000, 1001)),
        (np.float32(23.976), Fraction(24000, 1001)), (Fraction(24000, 1001), Fraction(24000, 1001)),
        (0.1, Fraction(1, 10)), ((1 << 32) - 1, Fraction((1 << 32) - 1)), (Fraction(1, 90000), Fraction(1, 90000)),
    ],
)  # fmt: skip
def test_frame_rates(given_: float | None, rate: Fraction | None) -> None:
    assert _rate(given_) == rate


@pytest.mark.parametrize(
    "given_",
    [0, -25, 0.0, -29.97, float("nan"), float("inf"), 1 << 32, 1e10, Fraction(1, 1 << 32), 1e-9, [30]],
)
def test_impossible_frame_rates(given_: object) -> None:
    with pytest.raises(UsageError, match="fps: a frame rate of .* is impossible"):
        _rate(given_)


def test_words_that_are_no_frame_rate() -> None:
    with pytest.raises(UsageError, match="fps: 'film' is no frame rate") as caught:
        _rate("film")
    assert caught.value.hint == "Write it as 30 or 30000/1001"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_float_is_a_rate_of_a_file_or_refused(number: float) -> None:
    try:
        rate = _rate(number)
    except UsageError:
        return
    assert rate is not None and 0 < rate.numerator < 1 << 32 and 0 < rate.denominator <= 1001
    assert abs(rate - Fraction(number)) <= Fraction(1, 1001)


def test_every_function_takes_floats(tmp_path: Path) -> None:
    video, path = VideoFormat(32, 32), tmp_path / "a.y4m"
    with open_sink(path, video) as sink:
        for level in (60, 120):
            first, second, third = (np.full(shape, level, np.uint8) for shape in video.plane_shapes)
            sink.write((first, second, third))
    how = {"preset": "draft", "epochs": 1, "device": "cpu", "fps": 29.97}
    for name, encode, source in (("one", nvcodec.encode, path), ("set", nvcodec.encode_archive, [path])):
        encode(source, tmp_path / f"{name}.nvc", **how)
        assert nvcodec.probe(tmp_path / f"{name}.nvc").streams[0].format.fps == Fraction(30000, 1001)
    with pytest.raises(UsageError, match="a frame rate of nan"):
        nvcodec.add_layer(tmp_path / "one.nvc", path, fps=float("nan"))


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ([FRAMES[0], FRAMES[1]], "a list of arrays is no video", "np.stack(frames)"),
        (("a.y4m", "b.y4m"), '2 inputs given; model="dnerv" takes several videos', "encode them one by one"),
        (b"YUV4MPEG2", "a value of type bytes is no video", "path"),
        (None, "a value of type NoneType is no video", "path"),
    ],
)
def test_what_is_no_source(source: object, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        nvcodec.encode(source, tmp_path / "a.nvc")  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_what_an_archive_may_be_made_of(tmp_path: Path) -> None:
    for sources, message in (
        (b"A.y4m", "type bytes is no video"),
        (None, "type NoneType is no video"),
        (3, "type int is no video"),
        ([None], "type NoneType is no video"),
        ([FRAMES], "a list of arrays is no video"),
    ):
        with pytest.raises(UsageError, match=message):
            nvcodec.encode_archive(sources, tmp_path / "a.nvc")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot read"):  # a generator is gone through once
        nvcodec.encode_archive((tmp_path / name for name in ("a.y4m", "b.y4m")), tmp_path / "a.nvc")  # type: ignore[arg-type]


def test_domains(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="domain: 'foo' is not one of yuv420, rgb"):
        nvcodec.encode(FRAMES, tmp_path / "a.nvc", domain="foo")
    with pytest.raises(UsageError, match="the source is 8-bit 4:4:4; the key frames of dnerv are 4:2:0"):
        nvcodec.encode(FRAMES, tmp_path / "a.nvc", model="dnerv", pix_fmt="yuv444p")


@pytest.mark.parametrize("model", registry.MODELS, ids=lambda model: model.name)
def test_previews_are_for_the_models_that_say_so(model: registry.Model) -> None:
    options = EncodeOptions(model=model.name, preview=True)
    if model.previewed:
        check(options)
        return
    with pytest.raises(UsageError, match="preview=True is for the models msnerv and tenerv"):
        check(options)
