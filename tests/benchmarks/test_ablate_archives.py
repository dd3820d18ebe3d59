"""Configurations of D-NeRV in the ablation runner: every clip becomes an archive of one video."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablate
from benchmarks.ablation import study
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure

ROOT = Path(__file__).parents[2]
MakeStudy = Callable[..., Path]
_SMALL = """
[set.model]
strides = "2,2"
channels = "8,8"
stem = 6
key_channels = 8
shuffle = 2
time_levels = 8
time_width = 8
"""
_ROWS = """
[[configurations]]
name = "still"
model = "dnerv"
set = { model.flow = false }
[[configurations]]
name = "gone"
model = "dnerv"
set = { model.key_frames = false }
"""


@pytest.fixture
def path(make_study: MakeStudy) -> Path:
    """A study of D-NeRV; the single row of another model is gone."""
    study_path = make_study(
        "epochs = 1\n", 'epochs = 3\ndomain = "yuv420"\n', "target_size = 1200", "target_size = 3000"
    )
    text = study_path.read_text()
    settings, row = text.index("[set.model]"), text.index('name = "single"')
    text = text[:settings] + _SMALL + text[text.index("[[clips]]") : row - len("[[configurations]]\n")] + _ROWS
    study_path.write_text(text.replace('name = "base"', 'name = "base"\nmodel = "dnerv"'))
    return study_path


def _run(path: Path, clips: Path, out: Path) -> int:
    return ablate.main([str(path), "--clips", str(clips), "-o", str(out), "--device", "cpu"])


def _record(out: Path, name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "tiny" / f"{name}--waves--s0.json").read_text())
    return record


def test_a_table_of_archives(path: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert _run(path, clips, out) == 0
    shown = capsys.readouterr().out
    for name in ("base", "still"):
        record = _record(out, name)
        reader = VideoReader(record["file"], device="cpu")
        with open_source(clips / "waves.y4m") as source:
            truth = measure(source, source.format, list(reader.frames()), reader.format)
        assert record["psnr"] == pytest.approx(truth.psnr, abs=0.01)
        assert record["ms_ssim_y"] == pytest.approx(truth.ms_ssim_y, abs=1e-4)
        assert record["bytes"] == Path(record["file"]).stat().st_size <= 3000
        assert record["network"]["flow"] is (name == "base") and record["run"]["model"] == "dnerv"
        assert f"{record['psnr']['yuv_611']:.2f}" in shown and f"{record['bytes']:,} ({record['bpp']:.4f})" in shown
    assert "2 of 2 runs done" in shown and "- gone: no setting is called 'model.key_frames'" in shown
    assert _run(path, clips, out) == 0 and capsys.readouterr().out == shown


def test_an_archive_goes_on_elsewhere(
    path: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killed(BaseException):
        pass

    save = Checkpoint.save_state

    def save_and_die(self: Checkpoint, *state: Any) -> None:
        save(self, *state)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoint, "save_state", save_and_die)
        patch.setattr("nvcodec.encoder.resume.autosave._SPACING_S", 0.0)
        patch.setattr("nvcodec.encoder.fit.fit._EVENT_SPACING_S", 0.0)
        _run(path, clips, tmp_path / "out")
    moved, renamed = (tmp_path / "out").rename(tmp_path / "moved"), clips.rename(tmp_path / "renamed")
    assert (moved / "tiny" / "base--waves--s0.work" / "state.npz").exists()
    assert _run(path, renamed, moved) == 0
    assert "goes on where it was stopped" in capsys.readouterr().err
    assert Path(_record(moved, "base")["file"]).parent == moved / "tiny"
    assert not list((moved / "tiny").glob("*.work"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('domain = "yuv420"', 'domain = "rgb"', "clip waves has 'domain', which is not for archives"),
        ('domain = "yuv420"', "segment = 4", "clip waves has 'segment'"),
        ("target_size = 3000", "target_psnr = 30", "clip waves has 'target_psnr'"),
        ("[options]", "equal_time = true\n[options]", "the steps of archives cannot be timed"),
    ],
)
def test_options_that_archives_do_not_have(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    path.write_text(path.read_text().replace(old, new))
    assert _run(path, tmp_path, tmp_path / "out") == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_what_stays_open_in_the_table_of_the_paper() -> None:
    loaded = study.load_study(ROOT / "benchmarks" / "studies" / "dnerv_table3.toml")
    open_rows = {row.name for row in loaded.configurations if row.not_built is not None}
    assert open_rows == {"nerv", "nerv_temporal_mlp"}
