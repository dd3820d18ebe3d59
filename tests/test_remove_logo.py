"""The example that takes a logo out: what it did not cover stays as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import SRGB, ChromaFormat, Planes, VideoFormat

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

import remove_logo  # noqa: E402

torch.set_num_threads(1)

VIDEO = VideoFormat(64, 48, Fraction(25))


def test_the_logo_goes_and_the_rest_stays(tmp_path: Path, moving: Callable[[VideoFormat, int], list[Planes]]) -> None:
    clean, spoilt = moving(VIDEO, 6), moving(VIDEO, 6)
    with open_sink(tmp_path / "logo.y4m", VIDEO) as sink:
        for planes in spoilt:
            planes[0][4:12, 40:60] = 255
            sink.write(planes)
    frames = remove_logo.clean(
        tmp_path / "logo.y4m", tmp_path / "clean.mkv", "box:20x8+40+4", crf=10, epochs=8, model="msnerv"
    )
    with open_source(tmp_path / "clean.mkv") as source:
        pictures = list(source)
    assert len(pictures) == frames == 6
    for before, with_logo, after in zip(clean, spoilt, pictures, strict=True):
        covered = np.zeros((48, 64), bool)
        covered[4:12, 40:60] = True
        assert (after[0][~covered] == with_logo[0][~covered]).all()
        logo, filling = (
            np.abs(before[0][covered].astype(int) - shown[0][covered]).mean() for shown in (with_logo, after)
        )
        assert filling < logo / 3


def test_rgb_stays_rgb(tmp_path: Path) -> None:
    video = VideoFormat(64, 48, chroma=ChromaFormat.RGB, colour=SRGB)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 3, 48, 64), np.uint8)
    with open_sink(f"{tmp_path}/frames/", video) as sink:
        for red, green, blue in pictures:
            sink.write((red, green, blue))
    assert remove_logo.clean(tmp_path / "frames", tmp_path / "out", "box:20x8+40+4", epochs=1, model="msnerv") == 3
    with open_source(tmp_path / "out") as source:
        after = np.array([np.stack(planes) for planes in source])
    outside = np.ones((48, 64), bool)
    outside[4:12, 40:60] = False
    assert (after[:, :, outside] == pictures[:, :, outside]).all()
    assert (after[:, :, ~outside] != pictures[:, :, ~outside]).any()


@pytest.mark.parametrize(
    ("output", "mask", "code", "message"),
    [
        ("logo.y4m", "box:8x8", 2, "is the input itself"),
        ("other.mkv", "box:8x8", 2, "exists"),
        ("clean.avi", "box:8x8", 2, "cannot tell what kind of video"),
        ("clean.mkv", "box:99x8", 2, "is not inside a picture of 64x48"),
        ("clean.mkv", "no.png", 2, "neither a file nor a box"),
    ],
)
def test_mistakes_are_met_before_the_fit(
    output: str,
    mask: str,
    code: int,
    message: str,
    tmp_path: Path,
    moving: Callable[[VideoFormat, int], list[Planes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_sink(tmp_path / "logo.y4m", VIDEO) as sink:
        for planes in moving(VIDEO, 2):
            sink.write(planes)
    (tmp_path / "other.mkv").write_bytes(b"dear to somebody")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("nvcodec.encoder.encode.encode", lambda *_, **__: pytest.fail("the fit began"))
    words = ["remove_logo.py", str(tmp_path / "logo.y4m"), str(tmp_path / output), "--mask", mask]
    monkeypatch.setattr(sys, "argv", words)
    assert remove_logo.main() == code
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
