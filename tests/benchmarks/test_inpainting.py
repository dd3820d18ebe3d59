"""What fills a mask, on a clip of a moment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import inpainting
from nvcodec.io.sink import open_sink
from nvcodec.types import SRGB, ChromaFormat, VideoFormat

torch.set_num_threads(1)

RGB = VideoFormat(64, 48, chroma=ChromaFormat.RGB, colour=SRGB)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures."""
    random = np.random.default_rng(0)
    with open_sink(f"{tmp_path}/clip/", RGB) as sink:
        for _ in range(3):
            red, green, blue = random.integers(0, 256, (3, 48, 64), np.uint8)
            sink.write((red, green, blue))
    return tmp_path / "clip"


def test_masks_of_rgb_by_boxes_and_by_path(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = np.zeros((48, 64), np.uint8)
    shown[10:20, 30:40] = 255
    with open_sink(tmp_path / "mask.png", RGB) as sink:
        sink.write((shown, shown, shown))
    masks = ["box:8x8+1+1,8x8+20+20", str(tmp_path / "mask.png")]
    words = ["inpainting.py", str(pictures), "-o", str(tmp_path / "out"), "--models", "msnerv", "--epochs", "1"]
    words += ["--bpp", "0.9"]
    monkeypatch.setattr(sys, "argv", [*words, "--mask", masks[0], "--mask", masks[1]])
    inpainting.main()
    rows = json.loads((tmp_path / "out" / "inpainting.json").read_text())
    assert [(entry["mask"], entry["fill"]) for entry in rows] == [
        (mask, fill) for mask in masks for fill in ("msnerv", "mean colour", "nearest frame")
    ]
    assert all(5 < entry["inside"] < 30 for entry in rows)
    assert all(entry["outside"] > 90 for entry in rows if entry["fill"] != "msnerv")  # what can be seen is the source
    assert len(list((tmp_path / "out").glob("*.nvc"))) == 2
