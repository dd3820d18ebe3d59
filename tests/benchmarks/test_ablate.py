"""The ablation runner: what a table rests on, and that nothing is lost or mixed when a study is interrupted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import ablate
from benchmarks.ablation import equal_time, runs, step_time, study
from nvcodec.config.fit import FitConfig
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.parts.part import Part
from nvcodec.encoder.plan.plan import make_plan, network_of
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure
from nvcodec.models.registry import MODELS
from nvcodec.types import VideoFormat

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "benchmarks" / "studies").glob("*.toml"))
MakeStudy = Callable[..., Path]
VIDEO = VideoFormat(320, 180)
UNKNOWN = '[[configurations]]\nname = "te"\nmodel = "nerv"\n[[configurations]]\nname = "gone"\nset = { fit.magic = 1 }'


class Ablate:
    """The program, in this process, on one folder of clips and results."""

    def __init__(self, clips: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.clips, self.out, self.capsys = clips, out, capsys
        self.shown = self.said = ""

    def __call__(self, path: Path, *words: str) -> int:
        self.capsys.readouterr()
        code = ablate.main([str(path), "--clips", str(self.clips), "-o", str(self.out), "--device", "cpu", *words])
        self.shown, self.said = self.capsys.readouterr()
        return code

    def file(self, name: str) -> Path:
        return self.out / "tiny" / name

    def record(self, configuration: str, seed: int = 0) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.file(f"{configuration}--waves--s{seed}.json").read_text())
        return record


@pytest.fixture
def program(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ablate:
    return Ablate(clips, tmp_path / "out", capsys)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the results of the study as it is are kept, once there are any."""
    return tmp_path_factory.mktemp("finished") / "out"


@pytest.fixture
def done(program: Ablate, make_study: MakeStudy, finished: Path) -> Ablate:
    """The program, with all runs of the study done."""
    if not finished.exists():
        assert program(make_study()) == 0
        program.out.rename(finished)
    shutil.copytree(finished, program.out)
    return program


def _cells(text: str, row: str, table: int = 0) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith((f"| {row} |", f"| **{row}** |"))]
    return [cell.strip() for cell in lines[table].split("|")[2:-1]]


def test_a_table_of_real_files(program: Ablate, make_study: MakeStudy) -> None:
    assert program(make_study(tail=UNKNOWN)) == 0
    base, single = (program.record(name) for name in ("base", "single"))
    for record in (base, single):
        reader = VideoReader(record["file"], device="cpu")
        with open_source(program.clips / "waves.y4m") as source:
            truth = measure(source, source.format, list(reader.frames()), reader.format)
        assert record["psnr"] == pytest.approx(truth.psnr, abs=0.01)
        assert record["bytes"] == Path(record["file"]).stat().st_size <= 1200
        assert record["schema"] == "nvc-encode/1"
    assert base["config"]["network"]["window"] == 5 and single["config"]["network"]["window"] == 1
    ours, theirs = single["psnr"]["yuv_611"], base["psnr"]["yuv_611"]
    difference = f"{ours - theirs:+.2f}"
    assert _cells(program.shown, "single") == [f"{ours:.2f} ({difference})", difference, "33.10 (-0.14)", ""]
    assert _cells(program.shown, "base") == [f"{theirs:.2f}", "", "33.24", "0.02"]
    assert _cells(program.shown, "single", 1) == [f"{single['bytes']:,} ({single['bpp']:.4f})"]
    assert _cells(program.shown, "single", 2)[0].startswith("8 x ")
    assert "- te: no model is called 'nerv'" in program.shown and "'fit.magic'" in program.shown
    assert _cells(program.shown, "gone")[0] == "not built yet"
    assert program.shown.startswith(program.file("table.md").read_text())


def test_what_is_done_is_not_done_again(done: Ablate, make_study: MakeStudy) -> None:
    path, kept, gone = make_study(), done.file("base--waves--s0.json"), done.file("single--waves--s0.json")
    table, before = done.file("table.md").read_text(), kept.stat().st_mtime_ns
    gone.unlink()
    assert done(path, "--table-only") == 0
    assert _cells(done.shown, "single")[0] == "pending" and "1 of 2 runs done" in done.shown
    assert done(path, "--only", "base") == 0 and not gone.exists()
    assert done(path) == 0 and "base" not in done.said
    assert kept.stat().st_mtime_ns == before and done.file("table.md").read_text() == table
    shutil.rmtree(done.clips)
    assert done(path, "--table-only") == 0 and done.file("table.md").read_text() == table


def test_a_table_tells_when_the_codec_has_changed_in_between(done: Ablate, make_study: MakeStudy) -> None:
    assert "has changed" not in done.file("table.md").read_text()
    record = {**done.record("base"), "code": "01234567"}
    done.file("base--waves--s0.json").write_text(json.dumps(record))
    assert done(make_study()) == 0
    assert "(source 01234567)" in done.shown and "the codec has changed in between" in done.shown


def test_configurations_take_turns_and_seeds_are_averaged(program: Ablate, make_study: MakeStudy) -> None:
    assert program(make_study(), "--seeds", "4,7") == 0
    order = [line.split()[1] for line in program.said.splitlines() if line.startswith("[")]
    assert order == ["base--waves--s4", "single--waves--s4", "base--waves--s7", "single--waves--s7"]
    first, second = (program.record("base", seed)["psnr"]["yuv_611"] for seed in (4, 7))
    assert first != second
    spread = abs(first - second) / 2**0.5
    assert _cells(program.shown, "base")[0] == f"{(first + second) / 2:.2f} ± {spread:.2f}"
    program.file("base--waves--s4.json").unlink()
    program(make_study(), "--seeds", "4,7", "--table-only")
    assert _cells(program.shown, "base")[0] == f"{second:.2f} [1 of 2]"
    # only the seed that both have can be compared
    difference = program.record("single", 7)["psnr"]["yuv_611"] - second
    assert _cells(program.shown, "single")[1] == f"{difference:+.2f}"


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
from nvcodec.encoder.fit import fit
from nvcodec.encoder.resume import autosave
autosave._SPACING_S = fit._EVENT_SPACING_S = 0.0  # a state after every step
from benchmarks.ablate import main
chance, out = random.Random(5), Path(sys.argv.pop(1))
for longest in (0.4, 0.4, 1.5):
    child = os.fork()
    if not child:
        os._exit(main([*sys.argv[1:], "-o", str(out)]))
    while not any(out.glob("*/*.work/state.npz")) and len(list(out.glob("*/*--s0.json"))) < 2:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_study_ends_with_the_same_table(
    done: Ablate, make_study: MakeStudy, finished: Path, tmp_path: Path
) -> None:
    path, done.out = make_study(), tmp_path / "broken"
    words = [str(ROOT), str(done.out), str(path), "--clips", str(done.clips), "--device", "cpu"]
    killer = subprocess.run([sys.executable, "-c", KILLER, *words], capture_output=True, text=True, timeout=300)
    assert killer.stdout.split()[0] == f"{signal.SIGKILL:d}", killer.stderr
    assert done(path) == 0
    assert not list(done.file("").glob("*.work"))
    for name in ("table.md", "table.json", "base--waves--s0.nvc", "single--waves--s0.nvc"):
        assert done.file(name).read_bytes() == (finished / "tiny" / name).read_bytes()


class _Killed(BaseException):
    pass


def _kill_after(saves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an encode save its state after every step, and end without any ceremony after so many."""
    save, left = Checkpoint.save_state, iter(range(saves))

    def save_or_die(self: Checkpoint, *state: Any) -> None:
        if next(left, None) is None:
            raise _Killed
        save(self, *state)

    monkeypatch.setattr(Checkpoint, "save_state", save_or_die)
    monkeypatch.setattr("nvcodec.encoder.resume.autosave._SPACING_S", 0.0)
    monkeypatch.setattr("nvcodec.encoder.fit.fit._EVENT_SPACING_S", 0.0)


def test_an_unfinished_run_goes_on_elsewhere(
    program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = make_study()
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        _kill_after(3, patch)
        program(path)
    moved = tmp_path / "moved"
    program.out.rename(moved)
    program.clips.rename(tmp_path / "renamed")
    program.out, program.clips = moved, tmp_path / "renamed"
    taken, step = [], Fit._step
    monkeypatch.setattr(Fit, "_step", lambda fit, progress: (taken.append(progress), step(fit, progress)))
    assert program(path, "--only", "base") == 0
    assert len(taken) == 5 and program.record("base")["fit_steps"] == 8
    assert Path(program.record("base")["file"]).parent == moved / "tiny"


def test_ctrl_c_keeps_the_state(program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, step = [], Fit._step

    def interrupted(fit: Fit, progress: float) -> None:
        taken.append(progress)
        step(fit, progress)
        if len(taken) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Fit, "_step", interrupted)
    assert program(make_study()) == 130
    assert "the same command goes on" in program.said and _cells(program.shown, "base")[0] == "pending"
    assert program(make_study(), "--only", "base") == 0 and "goes on where" in program.said
    assert len(taken) == 8


def test_killed_while_the_resume_folder_was_made(done: Ablate, make_study: MakeStudy) -> None:
    result, work = done.file("base--waves--s0.json"), done.file("base--waves--s0.work")
    run = json.loads(result.read_text())["run"]
    work.mkdir()
    (work / "run.json").write_text(json.dumps(run))
    (work / "job.json").write_text('{"inputs": ["wav')
    result.unlink()
    assert done(make_study()) == 0
    assert result.exists() and not work.exists()


@pytest.mark.parametrize(
    ("replaced", "named"),
    [
        (("epochs = 1", "epochs = 4"), "epochs = 1.0, not 4.0"),
        (("target_size = 1200", "bpp = 0.5"), "bpp = None, not 0.5"),
        (("window = 1", "window = 3"), "set model.window = 1, not 3"),
        (('preset = "draft"', 'preset = "faster"'), "preset = draft, not faster"),
    ],
)
def test_results_of_other_settings_are_refused(
    done: Ablate, make_study: MakeStudy, replaced: tuple[str, str], named: str
) -> None:
    before = {path: path.read_bytes() for path in done.file("").iterdir()}
    for words in ((), ("--table-only",)):
        assert done(make_study(*replaced), *words) == 2
        assert f"waves--s0.json was made with {named}" in done.said and "Delete it" in done.said
    assert {path: path.read_bytes() for path in done.file("").iterdir()} == before


def test_another_machine_or_clip_is_refused(done: Ablate, make_study: MakeStudy) -> None:
    path = make_study()
    assert done(path, "--threads", "2") == 2 and "threads = 1, not 2" in done.said
    clip = done.clips / "waves.y4m"
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1
    clip.write_bytes(data)
    assert done(path) == 2 and "source_sha256" in done.said
    assert done(path, "--table-only") == 0


def test_an_unfinished_run_of_other_settings_is_refused(
    program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        _kill_after(2, patch)
        program(make_study())
    assert program(make_study("epochs = 1", "epochs = 4")) == 2
    assert "base--waves--s0.work was made with epochs = 1.0, not 4.0" in program.said


def test_a_run_that_fails_does_not_stop_the_others(
    program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wild(_progress: float, config: FitConfig) -> float:
        return 1e30 if config.learning_rate == 10 else config.learning_rate

    monkeypatch.setattr("nvcodec.encoder.fit.fit.learning_rate", wild)
    tail = '[[clips]]\nfile = "absent.mp4"\nframes = 9\n[[configurations]]\nname = "last"'
    path = make_study("set = { model.window = 1 }", "set = { fit.learning_rate = 10 }", tail=tail)
    assert program(path) == 3
    assert "left out: clip absent.mp4" in program.said and "--clips" in program.said
    assert "failed: the fit diverged" in program.said
    assert _cells(program.shown, "single")[0] == _cells(program.shown, "base")[1] == "pending"
    assert "2 of 6 runs done" in program.shown
    program.record("last")


def test_equal_time(program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_study("epochs = 1", "steps = 8", head="equal_time = true")
    timed = []

    def seconds(part: Part, clock: Callable[[], float]) -> float:
        timed.append(part)
        return 0.004 if part.plan.settings.model.get("window") == 1 else 0.002

    monkeypatch.setattr(step_time, "step_seconds", seconds)
    assert program(path) == 0 and timed
    assert [program.record(name)["fit_steps"] for name in ("base", "single")] == [8, 4]
    timed.clear()
    program.file("single--waves--s0.json").unlink()
    assert program(path) == 0 and not timed  # continued with what was measured before
    assert program.record("single")["fit_steps"] == 4
    more = make_study("epochs = 1", "steps = 8", head="equal_time = true", tail='[[configurations]]\nname = "new"')
    assert program(more) == 0
    assert program.record("new")["fit_steps"] == 8 and len({id(part) for part in timed}) == 2
    assert program(more, "--threads", "2") == 2 and "equal_time.json was made with threads = 1" in program.said


def test_steps_are_timed_over_the_whole_schedule(
    program: Ablate, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_time, "_ROUNDS", 1)
    seen, step = set(), Fit._step
    monkeypatch.setattr(Fit, "_step", lambda fit, progress: (seen.add(round(progress, 3)), step(fit, progress)))
    path = make_study(head="equal_time = true")
    loaded = study.load_study(path)
    times = equal_time.Times(loaded, program.clips / "equal_time.json")
    place = runs.Place.of(program.clips / "waves.y4m", "cpu", 1)
    clip, rows = loaded.clips[0], loaded.configurations
    times.measure(clip, rows, place, lambda: False)
    assert seen == {0.25, 0.75}
    base, single = (times.of(runs.Run(loaded, row, clip, 3), place) for row in rows)
    assert base.time_ratio == 1 and single.time_ratio is not None and 0.05 < single.time_ratio < 20
    assert single.options.epochs == pytest.approx(1 / single.time_ratio, rel=1e-3)


def test_a_clip_is_found_by_name(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    (other / "samples").mkdir(parents=True)
    for path in (clips / "waves.mp4", other / "samples" / "waves.mp4", other / "samples" / "far.mkv"):
        path.touch()
    assert runs.find_clip("waves.mp4", [clips, other]) == clips / "waves.mp4"
    assert runs.find_clip("samples/waves.mp4", [clips, other]) == clips / "waves.mp4"
    assert runs.find_clip("samples/far.mkv", [clips, other]) == other / "samples" / "far.mkv"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # without PyAV only Y4M can be read
    assert runs.find_clip("waves.mp4", [clips, other]) == clips / "waves.y4m"


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        (("epochs = 1", "epoch = 3"), ("'epoch'", "Did you mean epochs?")),
        (("epochs = 1", ""), ("no budget",)),
        (("epochs = 1", "epochs = 1\nsteps = 4"), ("more than one of epochs, steps",)),
        (("epochs = 1", "epochs = -1"), ("cannot be -1",)),
        (("frames = 8", 'frames = "8"'), ("cannot be '8'",)),
        (("frames = 8", ""), ("needs the key 'frames'",)),
        (('reference = "base"', 'reference = "basis"'), ("no configuration 'basis'", "base, single")),
        (('name = "single"', 'name = "base"'), ("two configurations are called 'base'",)),
        (('name = "single"', 'name = "../single"'), ("'../single'",)),
        (('name = "single"', 'name = "single"\nconfig = "none.toml"'), ("none.toml",)),
        (("model.window = 1", 'model.window = "wide"'), ("configuration single", "cannot be 'wide'", "a whole number")),
        (('preset = "draft"', 'preset = "drift"'), ("preset: 'drift' is not one of draft", "Did you mean 'draft'?")),
        (("epochs = 1", 'epochs = 1\ndomain = "rbg"'), ("domain: 'rbg' is not one of", "Did you mean 'rgb'?")),
        (('preset = "draft"', 'preset = "draft'), ("no valid TOML",)),
    ],
)
def test_mistakes_in_a_study(
    program: Ablate, make_study: MakeStudy, replaced: tuple[str, str], said: tuple[str, ...]
) -> None:
    assert program(make_study(*replaced)) in (2, 3)
    assert all(word in program.said for word in said), program.said
    assert not program.out.exists()


def test_mistakes_on_the_command_line(program: Ablate, make_study: MakeStudy, tmp_path: Path) -> None:
    assert program(make_study(), "--only", "sinle") == 2 and "base, single" in program.said
    assert program(make_study(), "--seeds", "1,b") == 2
    assert program(tmp_path / "none.toml") == 3 and "none.toml" in program.said
    program.out = make_study() / "below_a_file"
    assert program(make_study()) == 2


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_plan_networks_of_the_size_they_say(path: Path) -> None:
    loaded = study.load_study(path)
    assert all(row.paper for row in loaded.configurations if row.name == loaded.reference) == ("table" in path.stem)
    assert loaded.clips[0].file == "samples/bunny_320x180_25.mkv"
    for row in loaded.configurations:
        assert row.not_built is not None or row.model in [model.name for model in MODELS]
        if row.not_built is None:
            options = runs.Run(loaded, row, loaded.clips[0], 0).options
            options = replace(options, parameters=options.parameters or 40_000)
            assert options.frames and options.parameters
            video = VideoFormat(*options.scale) if isinstance(options.scale, tuple) else VIDEO
            plan = make_plan([(video, options.frames)], options)
            geometry = plan.geometry(plan.spans[0], video)
            network = network_of(plan.preset, geometry, round(options.parameters), plan.settings, pinned=True)
            assert plan.network in (network, None)
            size = sum(spec.size for spec in network.tensor_specs(geometry))
            assert size == pytest.approx(options.parameters, rel=0.15), row.name


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "benchmarks" / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "example.toml"
    path.write_text(example.replace('"configurations/', f'"{ROOT}/benchmarks/studies/configurations/'))
    loaded = study.load_study(path)
    short = runs.Run(loaded, loaded.configurations[1], loaded.clips[0], 0).options
    assert short.settings["model.window"] == 3 and short.settings["model.fusion"] is True
    assert (short.parameters, short.bpp, short.epochs) == (30_000, 0.1, 40)


def test_runs_without_installation_and_without_pyav(tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise ModuleNotFoundError('av')")
    libraries = Path(torch.__file__).parents[1]
    words = [ROOT / "benchmarks" / "ablate.py", ROOT / "benchmarks" / "studies" / "smoke.toml", "-o", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-S", *words, "--table-only"],
        cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{libraries}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "0 of 3 runs done" in done.stdout
