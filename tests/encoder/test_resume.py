"""Encodes that stop and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nvcodec import resume
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions, described
from nvcodec.container import read_container
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Step
from nvcodec.encoder.parts.segment import SegmentPart
from nvcodec.encoder.result import LayerResult
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.encoder.resume.work_folder import check_work_dir
from nvcodec.errors import InputError, InterruptedEncodeError, UsageError
from nvcodec.tongues import speaking_command_line

JobMaker = Callable[..., Job]


def _stop_after(steps: int) -> Callable[[], bool]:
    """Asked before every step; says stop when ``steps`` have been taken."""
    asked = iter(range(steps + 1))
    return lambda: next(asked, steps) >= steps


def _bytes(job: Job) -> bytes:
    return Path(job.output).read_bytes()


_OTHER: dict[str, object] = {
    "size": (64, 48), "rate": 24, "pix_fmt": "gray", "crop": "8:8", "scale": "1/2", "fps": 25, "deinterlace": True,
    "seek": 2, "frames": 3, "video_stream": 1, "allow_truncated": True, "mask": "boxes:2", "model": "qsnerv",
    "domain": "rgb", "preview": True, "parameters": 3000, "crf": 20, "bpp": 0.5, "bitrate": 8000, "target_size": 900,
    "target_psnr": 30, "recipe": "msnerv", "preset": "fast", "epochs": 3, "max_time_s": 60, "tune": "ssim",
    "settings": {"fit.batch": 2}, "device": "cuda", "threads": 2, "segment": 4, "seed": 5,
}  # fmt: skip


@pytest.mark.parametrize("name", described(EncodeOptions))
@pytest.mark.parametrize("newer", [True, False])
def test_a_folder_of_another_encode_says_so_in_options(tmp_path: Path, name: str, newer: bool) -> None:
    jobs = [Job(("a.y4m",), "x.nvc", each) for each in (EncodeOptions(), EncodeOptions(**{name: _OTHER[name]}))]
    kept, asked = jobs if newer else jobs[::-1]
    kept.save(tmp_path / "job.json")
    flag = described(EncodeOptions)[name].flags[-1]
    with pytest.raises(UsageError) as caught:
        check_work_dir(tmp_path, asked)
    with speaking_command_line():
        said = caught.value.message
    assert f" {'--set fit.batch' if name == 'settings' else flag}" in said
    assert " = " not in said and "None" not in said and "--" not in str(caught.value)
    check_work_dir(tmp_path, kept)


def test_a_stopped_encode_gives_the_same_file(tiny_job: JobMaker, tmp_path: Path) -> None:
    settings: dict[str, object] = {"loss.multi_resolution": True}
    straight, broken = (tiny_job(settings=settings, output=name) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)
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


def _killed_in_second(job: Job, folder: Path) -> None:
    """Let the encode die when the first of two segments is done."""

    def kill(event: Event) -> None:
        if isinstance(event, Step) and "2/2" in event.stage:
            raise _Killed

    with pytest.raises(_Killed):
        encode(job, work_dir=folder, on_event=kill)


def test_segments_that_were_finished_are_not_fitted_again(tiny_job: JobMaker, tmp_path: Path) -> None:
    straight, broken = (tiny_job(segment=4, value=2500, output=name) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)
    folder = tmp_path / "work"
    _killed_in_second(broken, folder)
    stages = []
    result = encode(broken, work_dir=folder, on_event=lambda e: stages.append(getattr(e, "stage", "")))
    assert not any("1/2" in stage for stage in stages)
    assert _bytes(broken) == _bytes(straight)
    assert result.frames == 8


@pytest.mark.parametrize("layer", [False, True])
def test_what_was_done_before_is_counted(tiny_job: JobMaker, tmp_path: Path, layer: bool) -> None:
    job, folder = tiny_job(segment=4, value=2500), tmp_path / "work"
    if layer:
        encode(job)
        job = _layer(job)
    _killed_in_second(job, folder)
    finished = folder / "part-00000.npz"
    with np.load(finished) as file:
        state = {name: file[name] for name in file.files}
    steps = 8 if layer else 12
    assert state["steps"] == steps and 0 < state["seconds"] < 60
    np.savez(finished, **{**state, "seconds": np.float64(1000)})
    result = resume(folder)
    assert result.fit_steps == 2 * steps and 1000 < result.encode_s < 1060


def _layer(base: Job, **changes: object) -> Job:
    """A layer on a finished file: 8 steps for each segment of four frames, 16 for one of eight."""
    options = replace(EncodeOptions(preset="draft", device="cpu", epochs=4, parameters=900), **changes)  # type: ignore[arg-type]
    return Job(base.inputs, base.output, options, base.output)


@pytest.mark.parametrize("segment", [None, 4])
@pytest.mark.parametrize("below", [0, 1])
def test_a_stopped_layer_gives_the_same_file(
    tiny_job: JobMaker, tmp_path: Path, segment: int | None, below: int
) -> None:
    base, folder = tiny_job(epochs=1, value=2500, segment=segment), tmp_path / "work"
    encode(base)
    for _ in range(below):
        encode(_layer(base))
    old, job = _bytes(base), _layer(base)
    straight = replace(job, output=str(tmp_path / "straight.nvc"))
    whole = encode(straight)
    for steps in (0, 1, 11):  # before anything has a gradient, before the quantiser has one, in the second segment
        with pytest.raises(InterruptedEncodeError, match="the state is saved") as caught:
            encode(job, work_dir=folder, should_stop=_stop_after(steps))
        assert caught.value.hint == f"Go on with:  nvcodec.resume({str(folder)!r})"
        assert _bytes(base) == old and read_container(old).layers == below
    assert (folder / "part-00000.npz").exists() is (segment is not None)
    assert Job.load(folder / "job.json") == job
    result = resume(folder)
    assert isinstance(whole, LayerResult) and isinstance(result, LayerResult)
    assert (result.layer, result.fit_steps, result.psnr) == (below + 1, whole.fit_steps, whole.psnr)
    assert _bytes(straight)[: len(old)] == old and _bytes(base) == _bytes(straight)
    assert not folder.exists()


@pytest.mark.parametrize("change", ["another base", "a layer more", "another source"])
def test_a_layer_goes_on_with_what_it_began_with(tiny_job: JobMaker, tmp_path: Path, change: str) -> None:
    base, folder = tiny_job(epochs=1), tmp_path / "work"
    encode(base)
    job = _layer(base)
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    if change == "another base":
        encode(tiny_job(epochs=1, seed=1), overwrite=True)
    elif change == "a layer more":
        encode(job)
    else:
        source = Path(job.inputs[0])
        source.write_bytes(source.read_bytes()[:-1] + b"\0")
    before = _bytes(base)
    with pytest.raises(InputError, match=f"{job.inputs[0]}, or {base.output}, has changed") as caught:
        encode(job, work_dir=folder)
    assert f"Delete {folder}" in caught.value.hint
    assert _bytes(base) == before


def test_another_source_is_refused(tiny_job: JobMaker, tmp_path: Path) -> None:
    job, folder = tiny_job(), tmp_path / "work"
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    source = Path(job.inputs[0])
    data = bytearray(source.read_bytes())
    data[-1] ^= 1
    source.write_bytes(data)
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
    job, folder = tiny_job(max_time_s=3.0), tmp_path / "work"
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=folder, should_stop=_stop_after(2))
    with np.load(folder / "state.npz") as state:
        planned = float(state["planned_seconds"])
    assert 0 < planned < 3
    loaded: list[float | None] = []
    load = SegmentPart.load

    def spy(part: SegmentPart, state: State) -> None:
        part.budget.seconds = 1000.0  # as another share of the time would have it
        load(part, state)
        loaded.append(part.budget.seconds)

    monkeypatch.setattr(SegmentPart, "load", spy)
    encode(job, work_dir=folder)
    assert loaded == [planned]


def test_without_a_folder_nothing_is_kept(tiny_job: JobMaker, tmp_path: Path) -> None:
    job = tiny_job()
    with pytest.raises(InterruptedEncodeError, match="nothing was written"):
        encode(job, should_stop=_stop_after(2))
    assert [path.suffix for path in tmp_path.iterdir()] == [".y4m"]


def test_forecast_comes_first(tiny_job: JobMaker) -> None:
    events: list[Event] = []
    result = encode(tiny_job(), on_event=events.append)
    first = events[0]
    assert isinstance(first, Forecast)
    assert first.parameters == result.parameters and first.steps == result.fit_steps == 24
    assert first.target_bytes == 1500 and first.seconds > 0
