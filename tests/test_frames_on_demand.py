"""The example that looks into a video, and the examples in the reader's own words."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nvcodec.decoder import reader as reader_module
from nvcodec.decoder.reader import VideoReader
from nvcodec.io.source import open_source

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

import frames_on_demand  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["msnerv", "yuv420_10bit", "rgb_source"])
def test_it_looks_into_videos(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ROOT / "tests" / "conformance" / f"{name}.nvc"
    frames_on_demand.look(file, tmp_path / "sheet.png")
    reader = VideoReader(file, device="cpu")
    printed = capsys.readouterr().out
    assert f"num_frames={len(reader)}" in printed and "moves most before frame" in printed
    with open_source(tmp_path / "sheet.png") as source:
        (planes,) = source
    first, height, width = reader[0].numpy(), reader.format.height, reader.format.width
    assert [plane.shape for plane in planes] == [(2 * height, 4 * width)] * 3
    expected = first * (255 / reader.format.peak)
    assert np.abs(np.stack(planes)[:, :height, :width] - expected).max() <= 3


def test_motion_is_that_of_all_frames() -> None:
    reader = VideoReader(ROOT / "tests" / "conformance" / "msnerv.nvc", device="cpu")
    frames = reader[:].float() / 255
    expected = [0.0, *(frames[1:] - frames[:-1]).abs().mean((1, 2, 3)).tolist()]
    assert frames_on_demand.motion(reader, size=3) == pytest.approx(expected, abs=1e-3)


def test_docstrings_tell_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    outcome = doctest.testmod(reader_module)
    assert outcome.attempted >= 5 and outcome.failed == 0
