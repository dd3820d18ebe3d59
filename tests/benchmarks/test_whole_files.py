"""Programs that compare whole files: several videos in one or in one each, and coding with parts left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import archives, recode
from nvcodec.decoder.opening import open_session
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

STREAMS = Path(__file__).parents[1] / "conformance"
SMALL = VideoFormat(64, 48, Fraction(25))


def test_videos_in_one_file_and_in_one_each(
    moving: Callable[[VideoFormat, int], list[Planes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips, out = [tmp_path / "long.y4m", tmp_path / "short.y4m"], tmp_path / "out"
    for clip, frames in zip(clips, (9, 4), strict=True):
        with open_sink(clip, SMALL) as sink:
            for planes in moving(SMALL, frames):
                sink.write(planes)
    words = ["archives.py", *map(str, clips), "-o", str(out), "--frames", "6", "--bpp", "3", "--seconds", "2"]
    monkeypatch.setattr(sys, "argv", words)
    archives.main()
    shown, rows = capsys.readouterr().out, json.loads((out / "archives.json").read_text())
    assert [row["name"] for row in rows] == ["shared", "separate"]
    files = [[out / "shared.nvc"], [out / "separate_long.nvc", out / "separate_short.nvc"]]
    for row, paths in zip(rows, files, strict=True):
        assert row["bytes"] == sum(path.stat().st_size for path in paths) <= 3 * 64 * 48 * 10 / 8
        sessions = [open_session(path) for path in paths]
        assert [one.frames for each in sessions for one in each.container.header.streams] == [6, 4]
        assert f"| {row['name']} | {row['bytes']} |" in shown


@pytest.mark.parametrize("name", ["archive.nvc", "two_segments.nvc", "tenerv.nvc"])
def test_every_network_is_coded_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert recode.main([str(STREAMS / name)]) == 0
    payloads = sum(len(segment.payload) for segment in open_session(STREAMS / name).container.segments)
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| as it is |"))
    assert int(said.split("|")[2].replace(",", "")) == pytest.approx(payloads, abs=2)
