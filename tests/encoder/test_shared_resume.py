"""Encodes of several videos with one network that stop and go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Step
from nvcodec.encoder.parts import shared
from nvcodec.encoder.result import EncodeResult
from nvcodec.encoder.resume.work_folder import job_in
from nvcodec.errors import InputError, InterruptedEncodeError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

Pictures = Callable[[VideoFormat, int], list[Planes]]
JobMaker = Callable[..., Job]
VIDEOS = {"first": (VideoFormat(32, 24, Fraction(25)), 9), "second": (VideoFormat(21, 30, bit_depth=10), 3)}
SETTINGS: dict[str, object] = {
    "model.strides": "2,2",
    "model.channels": "8,8",
    "model.stem": "6",
    "model.key_channels": "8",
    "model.shuffle": "2",
    "model.time_levels": "8",
    "model.time_width": "8",
    "model.tile": "16",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, moving: Pictures) -> list[Path]:
    """Two videos that have nothing in common."""
    folder, paths = tmp_path_factory.mktemp("videos"), []
    for name, (video, frames) in VIDEOS.items():
        paths.append(folder / f"{name}.y4m")
        with open_sink(str(paths[-1]), video) as sink:
            for planes in moving(video, frames):
                sink.write(planes)
    return paths


@pytest.fixture
def job(sources: list[Path], tmp_path: Path) -> Job:
    """Both in one file, in an empty folder."""
    return _job(sources, tmp_path)


@pytest.fixture(scope="module")
def straight(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The job's file, made in one go."""
    job = _job(sources, tmp_path_factory.mktemp("straight"))
    encode(job, verify=False)
    return Path(job.output).read_bytes()


def _job(sources: list[Path], folder: Path) -> Job:
    options = EncodeOptions(model="dnerv", target_size=4000, preset="draft", epochs=3, device="cpu", settings=SETTINGS)
    return Job(tuple(map(str, sources)), str(folder / "out.nvc"), options)


class _Stop:
    """Says stop when so many steps of the fit have been taken, trials not counted."""

    def __init__(self, steps: int) -> None:
        self.left, self.is_fitting = steps, False

    def on_event(self, event: Event) -> None:
        self.is_fitting |= isinstance(event, Forecast)

    def __call__(self) -> bool:
        self.left -= self.is_fitting
        return self.left < 0


def _stopped(job: Job, folder: Path, steps: int, before: int = 0) -> None:
    """Let the encode take so many steps, after those it took before."""
    stop = _Stop(steps)
    with pytest.raises(InterruptedEncodeError, match=f"stopped at step {before + steps}; the state is saved") as caught:
        encode(job, work_dir=folder, on_event=stop.on_event, should_stop=stop)
    assert caught.value.hint == f"Go on with:  nvcodec.resume({str(folder)!r})"
    assert not Path(job.output).exists()


def test_a_stopped_encode_gives_the_same_file(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LEAST_TRIAL_STEPS", 1)  # so that there are trials, and a choice to be kept
    straight, folder = replace(job, output=str(tmp_path / "straight.nvc")), tmp_path / "work"
    whole = encode(straight)
    assert whole.fit_steps > 20
    before = 0
    for steps in (0, 1, 12):  # before anything has a gradient, before the quantiser has one, in the middle
        _stopped(job, folder, steps, before)
        before += steps
        monkeypatch.setattr(shared.SharedPart, "_best_pair", None)  # nothing is chosen twice
    result = nvcodec.resume(folder)
    assert isinstance(result, EncodeResult) and result.fit_steps == whole.fit_steps
    assert Path(job.output).read_bytes() == Path(straight.output).read_bytes()
    assert not folder.exists()


def test_every_part_can_be_stopped(job: Job, tmp_path: Path) -> None:
    job = replace(job, options=replace(job.options, segment=5, mask="box:8x8"))
    straight, folder = replace(job, output=str(tmp_path / "straight.nvc")), tmp_path / "work"
    whole = encode(straight)
    assert whole.fit_steps == 24 + 12  # the first part has segments of both videos, the second one that is left
    _stopped(job, folder, 5)
    stop = _Stop(22)
    with pytest.raises(InterruptedEncodeError, match="stopped at step 3; the state is saved"):
        encode(job, work_dir=folder, on_event=stop.on_event, should_stop=stop)
    assert (folder / "part-00000.npz").exists() and Job.load(folder / "job.json") == job
    result = nvcodec.resume(folder)
    assert isinstance(result, EncodeResult) and isinstance(whole, EncodeResult)
    assert result.fit_steps == whole.fit_steps and result.streams == whole.streams
    assert all(stream.masked is not None for stream in result.streams)
    assert Path(job.output).read_bytes() == Path(straight.output).read_bytes()


def test_a_killed_encode_goes_on_from_its_last_state(
    job: Job, straight: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.progress > 0.5:
            raise Killed

    monkeypatch.setattr("nvcodec.encoder.resume.autosave._SPACING_S", 0.0)
    monkeypatch.setattr("nvcodec.encoder.fit.fit._EVENT_SPACING_S", 0.0)
    folder = tmp_path / "work"
    with pytest.raises(Killed):
        encode(job, work_dir=folder, on_event=kill)
    with np.load(folder / "state.npz") as state:
        assert float(state["done_steps"]) > 5
    encode(job, work_dir=folder)
    assert Path(job.output).read_bytes() == straight


def test_a_stop_among_the_trials_leaves_nothing(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LEAST_TRIAL_STEPS", 1)
    before = set(tmp_path.iterdir())
    with pytest.raises(InterruptedEncodeError, match="stopped before the fit began; nothing was written"):
        encode(job, work_dir=tmp_path / "work", should_stop=lambda: True)
    with pytest.raises(InterruptedEncodeError, match="stopped; nothing was written"):  # in the fit, without a folder
        stop = _Stop(2)
        encode(job, on_event=stop.on_event, should_stop=stop)
    assert set(tmp_path.iterdir()) == before


def test_other_sources_are_refused(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    job = replace(job, inputs=tuple(shutil.copy(path, tmp_path) for path in job.inputs))
    _stopped(job, folder, 1)
    swapped = replace(job, inputs=job.inputs[::-1])
    last = Path(job.inputs[-1])
    honest = last.read_bytes()
    last.write_bytes(honest[:-2] + bytes([honest[-2] ^ 1, honest[-1]]))
    for changed in (job, swapped):
        with pytest.raises(InputError, match=r"one of 2 videos \(.*y4m\) has changed") as caught:
            encode(changed, work_dir=folder)
        assert f"Delete {folder}" in caught.value.hint
        last.write_bytes(honest)
    _stopped(job, folder, 1, before=1)


def test_damaged_states_are_refused(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    _stopped(job, folder, 1)
    path = folder / "state.npz"
    with np.load(path) as file:
        state = {name: file[name] for name in file.files}
    for change in ({"network": state["network"][:5]}, {"crf": np.zeros(2)}, {"vector": np.zeros(3, np.float32)}):
        np.savez(path, **{**state, **change})
        with pytest.raises(InputError, match="does not fit this network"):
            encode(job, work_dir=folder)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged") as caught:
        encode(job, work_dir=folder)
    assert str(folder) in caught.value.hint


def test_a_file_that_cannot_be_written_loses_no_fit(
    job: Job, straight: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outputs = tmp_path / "work", tmp_path / "no"
    outputs.mkdir()
    lost = replace(job, output=str(outputs / "out.nvc"))

    def take_away(_event: Event) -> None:
        shutil.rmtree(outputs, ignore_errors=True)

    with pytest.raises(UsageError, match="cannot write") as caught:
        encode(lost, work_dir=folder, on_event=take_away)
    assert f"The fit is saved. Make room, then:  nvcodec.resume({str(folder)!r})" in caught.value.hint
    outputs.mkdir()
    monkeypatch.setattr("nvcodec.encoder.fit.fit.Fit._step", None)  # no step is taken twice
    nvcodec.resume(folder)
    assert Path(lost.output).read_bytes() == straight


def test_kinds_of_encodes_are_not_mixed(job: Job, tiny_job: JobMaker, tmp_path: Path) -> None:
    single, archived = tmp_path / "single", tmp_path / "archived"
    _stopped(job, archived, 0)
    with pytest.raises(InterruptedEncodeError):
        encode(tiny_job(), work_dir=single, should_stop=lambda: True)
    options = tiny_job().options
    with pytest.raises(UsageError, match="single holds an interrupted encode with model=.msnerv., not dnerv") as caught:
        nvcodec.encode(tiny_job().inputs, tiny_job().output, options=options, model="dnerv", settings=None,
                       work_dir=single)  # fmt: skip
    assert f"nvcodec.resume({str(single)!r})" in caught.value.hint
    with pytest.raises(UsageError, match=r"archived holds an interrupted encode of .*second.y4m, not"):
        nvcodec.encode(job.inputs[0], job.output, options=job.options, work_dir=archived)
    with pytest.raises(UsageError, match=r"archived holds an interrupted encode with epochs=3, not 7"):
        nvcodec.encode_archive(job.inputs, job.output, options=job.options, epochs=7, work_dir=archived)
    (single / "state.npz").replace(archived / "state.npz")
    with pytest.raises(InputError, match="does not fit this network"):
        nvcodec.resume(archived)


def test_jobs_come_back_as_they_were(job: Job, tmp_path: Path) -> None:
    wanted = {"fit.learning_rate": 1e-3, "model.clip": 4, "model.flow": "off", "keys.group": 3}
    others = replace(job.options, settings=wanted, max_time_s=5.0, parameters=3000, fps=Fraction(30000, 1001), frames=3)
    for one in (job, replace(job, options=others)):
        one.save(tmp_path / "job.json")
        assert Job.load(tmp_path / "job.json") == one == Job.from_dict(one.to_dict())
        assert job_in(tmp_path).to_dict() == one.to_dict()
    (tmp_path / "job.json").write_text('{"inputs": 3}')
    with pytest.raises(InputError, match="damaged"):
        nvcodec.resume(tmp_path)
    with pytest.raises(InputError, match="holds no interrupted encode"):
        nvcodec.resume(tmp_path / "nothing")


def test_a_quality_is_gone_on_to(job: Job, tmp_path: Path) -> None:
    """What the feedback has seen of all pictures is part of the state."""
    options = replace(job.options, target_size=None, target_psnr=31, epochs=12)
    asked = replace(job, inputs=job.inputs[:1], output=str(tmp_path / "whole.nvc"), options=options)
    encode(asked)
    stopped, work = replace(asked, output=str(tmp_path / "stopped.nvc")), tmp_path / "work"
    _stopped(stopped, work, 30)
    _stopped(stopped, work, 25, before=30)
    encode(stopped, work_dir=work)
    assert Path(stopped.output).read_bytes() == Path(asked.output).read_bytes()
