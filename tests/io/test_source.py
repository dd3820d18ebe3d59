"""Opening: the frame range, and options and paths that make no sense."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.io.source import open_source
from nvcodec.types import VideoFormat

FORMAT = VideoFormat(16, 8, Fraction(25))


@pytest.mark.parametrize("name", ["a_16x8_25.yuv", "a.y4m"])
def test_frames_past_the_end_are_refused_at_once(tmp_path: Path, noise, save, name: str) -> None:
    path = tmp_path / name
    save(path, FORMAT, noise(FORMAT, 5))
    for options, asked in (
        ({"seek": 5}, "frame 5 was"),
        ({"frames": 6}, "frames 0 to 5 were"),
        ({"seek": 3, "frames": 3}, "frames 3 to 5 were"),
        ({"seek": 10**12}, "frame 1000000000000 was"),
    ):
        with pytest.raises(InputError, match=f"{name} holds 5 frames, but {asked} asked for"):
            open_source(path, **options)
    with open_source(path, seek=3, frames=2) as source:
        assert source.frame_count == 2 and len(list(source)) == 2
    with open_source(path, seek=3) as source:
        assert source.frame_count == 2


def test_senseless_arguments(tmp_path: Path, noise, save) -> None:
    save(tmp_path / "a.y4m", FORMAT, noise(FORMAT, 1))
    for options, message in (
        ({"seek": -1}, "cannot start at frame -1"),
        ({"frames": 0}, "cannot take 0 frames"),
        ({"fps": Fraction(0)}, "frame rate of 0"),
        ({"pix_fmt": "rgb24"}, "pixel format rgb24 is not supported"),
        ({"size": (8, 8)}, r"size 8x8 was given, but .* says 16x8"),
        ({"pix_fmt": "yuv420p10le"}, "yuv420p10le was given, but .* is 16x8 8-bit"),
    ):
        with pytest.raises(UsageError, match=message):
            open_source(tmp_path / "a.y4m", **options)  # type: ignore[arg-type]
    with open_source(tmp_path / "a.y4m", size=(16, 8), pix_fmt="yuv420p", fps=Fraction(25)) as source:
        assert source.origin == "geometry 16x8 8-bit 25 fps (from the Y4M header)"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nothing.mp4: No such file"):
        open_source(tmp_path / "nothing.mp4")


def test_addresses_are_not_fetched() -> None:
    with pytest.raises(InputError, match="No such file"):
        open_source("http://localhost/clip.mp4")


def test_opening_a_y4m_imports_neither_torch_nor_av(tmp_path: Path, noise, save) -> None:
    save(tmp_path / "a.y4m", FORMAT, noise(FORMAT, 1))
    program = (
        "import sys; from nvcodec.io.source import open_source; from nvcodec.io.sink import open_sink; "
        f"list(open_source({str(tmp_path / 'a.y4m')!r})); assert not {{'torch', 'av'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
