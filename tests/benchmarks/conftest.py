"""A study of a tiny clip whose fits take a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed

SMALL = VideoFormat(64, 48, Fraction(25))
STUDY = """
source = "A paper, Table 1"
reference = "base"
{head}
[options]
target_size = 1200
epochs = 1
preset = "draft"

[set.model]
strides = "4"
channels = "8"
depths = "1"
expansions = "1"
grids = "2:1:2"
shuffle = 4
local_levels = 0

[[clips]]
file = "waves.mp4"
frames = 8

[[configurations]]
name = "base"
paper = {{ PSNR = 33.24, bpp = 0.02 }}

[[configurations]]
name = "single"
set = {{ model.window = 1 }}
paper = {{ PSNR = 33.1 }}
{tail}
"""


@pytest.fixture
def clips(tmp_path: Path, moving: Callable[[VideoFormat, int], list[Planes]]) -> Path:
    """A folder with a clip of eight frames, as Y4M."""
    folder = tmp_path / "clips"
    folder.mkdir()
    with open_sink(folder / "waves.y4m", SMALL) as sink:
        for planes in moving(SMALL, 8):
            sink.write(planes)
    return folder


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Path]:
    """Write a study; words are replaced in pairs."""

    def make(*replaced: str, head: str = "", tail: str = "") -> Path:
        text = STUDY.format(head=head, tail=tail)
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.toml"
        path.write_text(text)
        return path

    return make
