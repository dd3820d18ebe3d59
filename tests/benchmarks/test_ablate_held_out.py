"""What a fit never saw, in the ablation runner: every second frame, and what a mask covers."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ablate
from nvcodec import VideoReader
from nvcodec.metrics.measure import measure
from nvcodec.types import Planes, VideoFormat

MakeStudy = Callable[..., Path]
SMALL = VideoFormat(64, 48, Fraction(25))


def _record(path: Path, clips: Path, out: Path) -> dict[str, Any]:
    assert ablate.main([str(path), "--clips", str(clips), "-o", str(out), "--device", "cpu"]) == 0
    record: dict[str, Any] = json.loads((out / "tiny" / "base--waves--s0.json").read_text())
    return record


def test_held_out_frames_are_drawn_from_the_file(
    make_study: MakeStudy, clips: Path, tmp_path: Path, moving: Callable[[VideoFormat, int], list[Planes]]
) -> None:
    words = ("epochs = 1\n", "epochs = 10\nheld_out = true\n")
    path = make_study(*words, head='metrics = ["between", "repeated", "averaged"]')
    record = _record(path, clips, tmp_path / "out")
    assert record["frames"] == 4 and record["run"]["held_out"] is True
    reader = VideoReader(tmp_path / "out" / "tiny" / "base--waves--s0.nvc", device="cpu")
    hidden = moving(SMALL, 8)[1:7:2]
    drawn = list(reader.frames([Fraction(1, 2), Fraction(3, 2), Fraction(5, 2)]))
    decoded = list(reader.frames())
    average = [np.rint((a[0].astype(float) + b[0]) / 2 + 1e-6) for a, b in zip(decoded, decoded[1:], strict=False)]
    for name, pictures in (("between", drawn), ("repeated", decoded[:3])):
        assert record["psnr"][name] == pytest.approx(measure(hidden, SMALL, pictures, SMALL).psnr["yuv_611"], abs=0.01)
    errors = [np.square(mean - planes[0]).mean() for mean, planes in zip(average, hidden, strict=True)]
    assert 0.75 * np.mean(-10 * np.log10(np.array(errors) / 255**2)) < record["psnr"]["averaged"]
    assert not list((tmp_path / "out" / "tiny").glob("*.y4m"))
    assert "held-out frames, drawn from the file" in (tmp_path / "out" / "tiny" / "table.md").read_text()


def test_masks_are_scored_inside_and_outside(make_study: MakeStudy, clips: Path, tmp_path: Path) -> None:
    path = make_study("epochs = 1\n", 'epochs = 2\nmask = "scattered:12"\n', head='metrics = ["inside", "outside"]')
    record = _record(path, clips, tmp_path / "out")
    assert record["run"]["mask"] == "scattered:12"
    assert {name: record["psnr"][name] for name in ("inside", "outside")} == {
        name: record["masked"][name] for name in ("inside", "outside")
    }


@pytest.mark.parametrize(
    ("options", "head", "message"),
    [
        ("epochs = 1", 'metrics = ["between"]', "the metric between needs held_out"),
        ("epochs = 1", 'metrics = ["inside"]', "the metric inside needs mask"),
        ("epochs = 1\nheld_out = true", "equal_time = true", "held_out, which does not go with equal_time"),
        ("epochs = 1\nheld_out = true\nseek = 2", "", "held_out, which does not go with seek"),
    ],
)
def test_what_does_not_go_together(
    make_study: MakeStudy, clips: Path, tmp_path: Path, options: str, head: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = make_study("epochs = 1", options, head=head)
    assert ablate.main([str(path), "--clips", str(clips), "-o", str(tmp_path / "out"), "--device", "cpu"]) == 2
    assert message in capsys.readouterr().err
