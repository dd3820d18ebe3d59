"""Encodes that stop and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nvcodec.config.job import Job
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Step
from nvcodec.encoder.parts.segment import SegmentFit
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.errors import InputError, InterruptedEncodeError

JobMaker = Callable[..., Job]


def _stop_after(steps: int) -> Callable[[], bool]:
    """Asked before every step; says stop when ``steps`` have been taken."""
    asked = iter(range(steps + 1))
    return lambda: next(asked, steps) >= steps


def _bytes(job: Job) -> bytes:
    return Path(job.output).read_bytes()


def test_a_stopped_encode_gives_the_same_file(tiny_job: JobMaker, tmp_path: Path) -> None:
    settings: dict[str, object] = {"loss.multi_resolution": True}
    straight, broken = (tiny_job(settings=settings, output=name) for name in ("straight.nvc", "broken.nvc"))
    encode(straight, work_dir=None)
    folder = tmp_path / "work"
    for steps in (0, 1, 12):  # before anything has a gradient, before the quantiser has one, in the middle
        with pytest.raises(InterruptedEncodeError, match="saved") as caught:
            encode(broken, work_dir=folder, should_stop=_stop_after(steps))
        assert str(folder) in caught.value.hint
        assert not Path(broken.output).exists()
    encode(Job.load(folder / "job.json"), work_dir=folder)
    assert _bytes(broken) == _bytes(straight)
    assert not folder.exists()


class _Killed(Exception):
    pass


def test_segments_that_were_finished_are_not_fitted_again(tiny_job: JobMaker, tmp_path: Path) -> None:
    straight, broken = (tiny_job(segment=4, value=2500, output=name) for name in ("straight.nvc", "broken.nvc"))
    encode(straight, work_dir=None)
    folder = tmp_path / "work"

    def kill_in_second(event: Event) -> None:
        if isinstance(event, Step) and "2/2" in event.stage:
            raise _Killed

    with pytest.raises(_Killed):
        encode(broken, work_dir=folder, on_event=kill_in_second)
    stages = []
    result = encode(broken, work_dir=folder, on_event=lambda e: stages.append(getattr(e, "stage", "")))
    assert not any("1/2" in stage for stage in stages)
    assert _bytes(broken) == _bytes(straight)
    assert result.frames == 8


def test_another_source_is_refused(tiny_job: JobMaker, tmp_path: Path) -> None:
    job, folder = tiny_job(), tmp_path / "work"
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    data = bytearray(Path(job.source).read_bytes())
    data[-1] ^= 1
    Path(job.source).write_bytes(data)
    with pytest.raises(InputError, match="has changed") as caught:
        encode(job, work_dir=folder)
    assert f"Delete {folder}" in caught.value.hint


def test_damaged_state_is_refused(tiny_job: JobMaker, tmp_path: Path) -> None:
    job, folder = tiny_job(), tmp_path / "work"
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    state = folder / "state.npz"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged") as caught:
        encode(job, work_dir=folder)
    assert str(folder) in caught.value.hint


def test_files_of_others_in_the_folder_are_kept(tiny_job: JobMaker, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    job = tiny_job(segment=4)
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    encode(job, work_dir=folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_plan_in_time_is_kept(tiny_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, folder = tiny_job(), tmp_path / "work"
    job = replace(job, config=replace(job.config, max_time_s=3.0))
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    with np.load(folder / "state.npz") as state:
        planned = float(state["planned_seconds"])
    assert 0 < planned < 3
    loaded: list[float | None] = []
    load = SegmentFit.load

    def spy(fit: SegmentFit, state: State) -> None:
        fit.fit.budget.seconds = 1000.0  # as another share of the time would have it
        load(fit, state)
        loaded.append(fit.fit.budget.seconds)

    monkeypatch.setattr(SegmentFit, "load", spy)
    encode(job, work_dir=folder)
    assert loaded == [planned]


def test_without_a_folder_nothing_is_kept(tiny_job: JobMaker, tmp_path: Path) -> None:
    job = tiny_job()
    with pytest.raises(InterruptedEncodeError, match="nothing was written"):
        encode(job, work_dir=None, should_stop=_stop_after(2))
    assert [path.suffix for path in tmp_path.iterdir()] == [".y4m"]


def test_forecast_comes_first(tiny_job: JobMaker) -> None:
    events: list[Event] = []
    result = encode(tiny_job(), work_dir=None, on_event=events.append)
    first = events[0]
    assert isinstance(first, Forecast)
    assert first.parameters == result.parameters and first.steps == result.fit_steps == 24
    assert first.target_bytes == 1500 and first.seconds > 0
