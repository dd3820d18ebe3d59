"""D-NeRV in the ablation runner, which knows of models only what the codec does: alone, and beside others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablate
from benchmarks.ablation import step_time, study
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure

ROOT = Path(__file__).parents[2]
MakeStudy = Callable[..., Path]
_SMALL = """
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
set = { model.key_channel = 0 }
"""


@pytest.fixture
def path(make_study: MakeStudy) -> Path:
    """A study of D-NeRV alone."""
    study_path = make_study(
        "epochs = 1\n", 'epochs = 3\ndomain = "yuv420"\n', "target_size = 1200", "target_size = 3000"
    )
    text = study_path.read_text()
    settings, row = text.index("[set.model]"), text.index('name = "single"')
    text = (
        text[:settings]
        + "[set.model]"
        + _SMALL
        + text[text.index("[[clips]]") : row - len("[[configurations]]\n")]
        + _ROWS
    )
    study_path.write_text(text.replace('name = "base"', 'name = "base"\nmodel = "dnerv"'))
    return study_path


def _run(path: Path, clips: Path, out: Path) -> int:
    return ablate.main([str(path), "--clips", str(clips), "-o", str(out), "--device", "cpu"])


def _record(out: Path, name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "tiny" / f"{name}--waves--s0.json").read_text())
    return record


def test_a_table(path: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        assert record["config"]["network"]["flow"] is (name == "base") and record["run"]["model"] == "dnerv"
        assert f"{record['psnr']['yuv_611']:.2f}" in shown and f"{record['bytes']:,} ({record['bpp']:.4f})" in shown
    assert "2 of 2 runs done" in shown and "- gone: no setting is called 'model.key_channel'" in shown
    assert _run(path, clips, out) == 0 and capsys.readouterr().out == shown


def test_a_run_goes_on_elsewhere(
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
    ("old", "new", "segments", "reached_db"),
    [
        ("frames = 8", "frames = 6\nseek = 2", 1, 0),
        ("frames = 8", "frames = 8\nsegment = 4", 2, 0),
        ("target_size = 3000", "target_psnr = 24", 1, 24),
    ],
)
def test_options_are_those_of_any_model(
    path: Path, clips: Path, tmp_path: Path, old: str, new: str, segments: int, reached_db: float
) -> None:
    path.write_text(path.read_text().replace(old, new))
    assert _run(path, clips, tmp_path / "out") == 0
    record = _record(tmp_path / "out", "base")
    reader = VideoReader(record["file"], device="cpu")
    assert len(reader.session.container.segments) == segments and record["psnr"]["yuv_611"] >= reached_db
    with open_source(clips / "waves.y4m", seek=record["config"]["seek"]) as source:
        truth = measure(source, source.format, list(reader.frames()), reader.format)
    assert record["psnr"] == pytest.approx(truth.psnr, abs=0.01) and record["target_reached"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('domain = "yuv420"', 'crop = "all"', "base on clip waves: crop: 'all'"),
        ("epochs = 3", "steps = 3", "clip waves has steps, of which each is as many frames as dnerv draws at once"),
    ],
)
def test_what_the_codec_refuses_is_refused_at_once(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    path.write_text(path.read_text().replace(old, new))
    assert _run(path, tmp_path, tmp_path / "out") == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("equal_time", ["false", "true"])
def test_models_side_by_side(
    make_study: MakeStudy, clips: Path, tmp_path: Path, equal_time: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(step_time, "_ROUNDS", 2)
    path, out = (
        make_study("1200", "3000", "epochs = 1", "epochs = 6", head=f"equal_time = {equal_time}"),
        tmp_path / "out",
    )
    text = path.read_text()
    settings, rows = text.index("[set.model]"), text.index("[[clips]]")
    (tmp_path / "m.toml").write_text(text[settings:rows].replace("set.model", "model"))
    (tmp_path / "d.toml").write_text(f"[model]{_SMALL}")
    text = text[:settings] + text[rows:].replace('name = "base"', 'name = "base"\nconfig = "m.toml"')
    path.write_text(text.replace("set = { model.window = 1 }", 'model = "dnerv"\nconfig = "d.toml"'))
    assert _run(path, clips, out) == 0
    shown, base, other = capsys.readouterr().out, _record(out, "base"), _record(out, "single")
    assert [record["model"] for record in (base, other)] == ["msnerv", "dnerv"] and base.keys() <= other.keys()
    assert {"window", "flow"} <= {key for record in (base, other) for key in record["config"]["network"]}
    difference = other["psnr"]["yuv_611"] - base["psnr"]["yuv_611"]
    assert f"| single | {other['psnr']['yuv_611']:.2f} ({difference:+.2f}) | {difference:+.2f} |" in shown
    assert "2 of 2 runs done" in shown and base["fit_steps"] == 48
    if equal_time == "true":
        ratio = json.loads((out / "tiny" / "equal_time.json").read_text())["waves"]["single"]["ratio"]
        assert other["run"]["epochs"] == pytest.approx(6 / ratio, rel=1e-3)
    assert other["fit_steps"] == max(1, round(other["run"]["epochs"]))  # eight frames are one clip


@pytest.mark.parametrize(("table", "rows"), [(3, 9), (4, 6), (5, 3), (6, 3)])
def test_every_row_of_dnerv_can_run(table: int, rows: int) -> None:
    loaded = study.load_study(ROOT / "benchmarks" / "studies" / f"dnerv_table{table}.toml")
    assert len(loaded.configurations) == rows and {row.not_built for row in loaded.configurations} == {None}
