"""The example that takes a logo out: what it did not cover stays as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import Planes, VideoFormat

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
