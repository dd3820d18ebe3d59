"""Layers added to tiny files: what is promised about the bytes, the pictures and failures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec import add_layer
from nvcodec.api.layers import strip
from nvcodec.config.job import Job
from nvcodec.container import read_container, write_container
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Notice, Step
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.parts.layer import LayerPart
from nvcodec.encoder.result import LayerResult
from nvcodec.errors import BitstreamError, InputError, InterruptedEncodeError, NvcError, UsageError
from nvcodec.io.replace import exclusive
from nvcodec.io.sink import open_sink
from nvcodec.metrics.measure import measure
from nvcodec.models.een import EEN
from nvcodec.types import Domain, Planes, VideoFormat

JobMaker = Callable[..., Job]
Moving = Callable[[VideoFormat, int], list[Planes]]
Finished = Callable[..., Job]
SMALL = VideoFormat(64, 48, Fraction(25))
DEEP = VideoFormat(36, 28, Fraction(25), 10)
FRAMES = 4
_CODED: dict[str, bytes] = {}


@pytest.fixture
def finished(tiny_job: JobMaker) -> Finished:
    """A job that was done; the encode itself is shared by all tests."""

    def make(video: VideoFormat = SMALL, **options: object) -> Job:
        job = tiny_job(video=video, **{"frames": FRAMES, "value": 1200, "epochs": 3, **options})
        name = f"{video} {options}"
        if name not in _CODED:
            encode(job)
            _CODED[name] = Path(job.output).read_bytes()
        Path(job.output).write_bytes(_CODED[name])
        return job

    return make


def _add(job: Job, *, epochs: float | None = 2, parameters: int | None = 900, **options: object) -> LayerResult:
    """A layer that takes a moment."""
    bitstream, source = options.pop("bitstream", job.output), options.pop("source", job.inputs[0])
    return add_layer(bitstream, source, epochs=epochs, parameters=parameters, device="cpu", **options)  # type: ignore[arg-type]


def _bytes(job: Job) -> bytes:
    return Path(job.output).read_bytes()


def _pictures(data: bytes, layers: int | None = None) -> list[Planes]:
    return list(VideoReader(data, device="cpu", layers=layers).frames())


def _equal(first: list[Planes], second: list[Planes]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)
    )


def _write(path: Path, video: VideoFormat, pictures: list[Planes]) -> Path:
    with open_sink(path, video) as sink:
        for planes in pictures:
            sink.write(planes)
    return path


def test_what_is_there_stays_and_the_layer_betters_it(finished: Finished, moving: Moving, tmp_path: Path) -> None:
    job = finished()
    old = _bytes(job)
    os.chmod(job.output, 0o640)
    result = _add(job, epochs=40)
    data = _bytes(job)
    assert data[: len(old)] == old and len(data) == len(old) + result.added_bytes == result.bytes
    assert os.stat(job.output).st_mode & 0o777 == 0o640
    assert result.psnr["yuv_611"] > result.psnr_below["yuv_611"] + 0.1
    for layers, psnr in ((None, result.psnr), (0, result.psnr_below)):
        truth = measure(moving(SMALL, FRAMES), SMALL, _pictures(data, layers), SMALL)
        assert psnr == pytest.approx(truth.psnr, abs=0.01)
    container = read_container(data)
    assert container.layers == 1 and container.warnings == () and container.layer_problem is None
    assert container.packs[0].psnr_mdb / 1000 == pytest.approx(result.psnr["yuv_611"], abs=0.01)
    assert result.bpp == pytest.approx(8 * len(data) / (64 * 48 * FRAMES))
    assert result.added_bpp == pytest.approx(8 * result.added_bytes / (64 * 48 * FRAMES))
    assert (result.layer, result.frames, result.fit_steps, result.shortfall) == (1, FRAMES, 80, None)
    assert _equal(_pictures(data, 0), _pictures(old))
    check_segment(VideoReader(data, device="cpu"), 0)
    strip(job.output, layers=0)
    assert _bytes(job) == old
    assert {path.name for path in tmp_path.iterdir()} == {Path(job.output).name, Path(job.inputs[0]).name}


@pytest.mark.parametrize(("bpp", "segment"), [(0.2, None), (0.9, None), (0.9, 2)])
def test_the_layer_takes_no_more_than_was_asked_for(finished: Finished, bpp: float, segment: int | None) -> None:
    job = finished(segment=segment)
    result = _add(job, bpp=bpp, parameters=None)
    assert result.shortfall is None
    assert 0.8 * bpp < result.added_bpp <= bpp
    assert result.added_bytes <= bpp * 64 * 48 * FRAMES / 8


def test_half_the_base_when_nothing_is_asked_for(finished: Finished) -> None:
    job = finished()
    base = len(read_container(_bytes(job)).segments[0].payload)
    assert _add(job, parameters=None).added_bytes <= base / 2


def test_too_few_bytes_for_any_layer(finished: Finished) -> None:
    job = finished()
    with pytest.raises(UsageError, match="bpp=0.01 leaves 15 bytes; no picture fits into less than 55"):
        _add(job, bpp=0.01)
    assert read_container(_bytes(job)).layers == 0
    result = _add(job, bpp=0.04)
    assert result.shortfall is not None
    assert f"the layer takes {result.added_bytes} bytes; 61 were asked for" in result.shortfall
    assert read_container(_bytes(job)).layers == 1


def test_a_quality_that_is_not_reached_is_said(finished: Finished) -> None:
    job = finished()
    result = _add(job, target_psnr=70)
    assert result.shortfall is not None and "70 dB were asked for" in result.shortfall
    assert f"{result.psnr['yuv_611']:.2f} dB" in result.shortfall
    assert result.to_json()["target_reached"] is False
    assert result.psnr["yuv_611"] >= result.psnr_below["yuv_611"]


def test_a_quality_that_is_there_already_costs_next_to_nothing(finished: Finished) -> None:
    job = finished()
    result = _add(job, target_psnr=5, epochs=20)
    assert result.shortfall is None and result.psnr["yuv_611"] >= 5
    assert result.added_bytes < _add(finished(), target_psnr=70, epochs=20).added_bytes


def test_second_layer_starts_from_the_trunk_of_the_first(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    job = finished()
    _add(job)
    one = _bytes(job)
    field = VideoReader(one, device="cpu").session.field(0, layers=1)
    started: list[EEN] = []
    fresh = LayerPart._fresh
    monkeypatch.setattr(LayerPart, "_fresh", lambda self: started.append(fresh(self)) or _copied(started[-1]))
    result = _add(job, parameters=None, epochs=30)
    assert result.layer == 2 and result.network == _top_network(one)
    for name, value in field.state_dict().items():
        if not name.startswith("head."):
            assert (started[0].state_dict()[name] == value).all(), name
    assert not any(value.any() for name, value in started[0].state_dict().items() if name.startswith("head."))
    two = _bytes(job)
    assert two[: len(one)] == one
    assert result.psnr["yuv_611"] >= result.psnr_below["yuv_611"]
    assert result.psnr_below == pytest.approx(measure(_source(job), SMALL, _pictures(one), SMALL).psnr, abs=1e-6)
    assert _equal(_pictures(two, 1), _pictures(one))
    assert not _equal(_pictures(two), _pictures(one))
    check_segment(VideoReader(two, device="cpu"), 0)
    strip(job.output, layers=1)
    assert _bytes(job) == one


def test_layers_as_published_take_their_epochs_and_bits(finished: Finished, moving: Moving, tmp_path: Path) -> None:
    """Half as many epochs for the second; stopped and gone on with, the same bytes."""
    settings = {
        "layer.shape": "hnerv", "layer.grid": False, "layer.multi_scale": True, "layer.epochs": 5, "fit.batch": 1,
        "fit.fixed_bits": 6, "fit.fixed_from": 1, "fit.branches": True, "fit.optimiser": "adam",
        "fit.learning_rate": 5e-3,
    }  # fmt: skip
    job = finished()
    base = _bytes(job)
    results = [_add(job, epochs=None, settings=settings) for _ in range(2)]
    assert [result.fit_steps for result in results] == [5 * FRAMES, round(2.5 * FRAMES)]
    straight = _bytes(job)
    assert read_container(straight).layers == 2
    Path(job.output).write_bytes(base)
    folder = tmp_path / "work"
    asked = iter(range(8))
    with pytest.raises(InterruptedEncodeError):
        _add(job, epochs=None, settings=settings, work_dir=folder, should_stop=lambda: next(asked, 8) >= 7)
    _add(job, epochs=None, settings=settings, work_dir=folder)
    _add(job, epochs=None, settings=settings)
    assert _bytes(job) == straight


def test_second_layer_of_another_shape(finished: Finished) -> None:
    job = finished()
    first, second = _add(job), _add(job, parameters=6000)
    assert second.layer == 2 and second.parameters > first.parameters
    assert second.psnr_below == pytest.approx(first.psnr)


@pytest.mark.parametrize("domain", Domain)
def test_segments_domains_and_ten_bits(finished: Finished, domain: Domain) -> None:
    job = finished(DEEP, frames=5, segment=3, domain=domain.name.lower())
    old = _bytes(job)
    stages: list[float] = []
    result = _add(job, epochs=4, on_event=lambda event: stages.append(event.progress) if _is_step(event) else None)
    data = _bytes(job)
    assert data[: len(old)] == old
    container = read_container(data)
    assert [pack.segment for pack in container.packs] == [0, 1] and container.layers == 1
    assert container.packs[0].config == container.packs[1].config
    name = "yuv_611" if domain is Domain.YUV420 else "rgb"
    assert result.psnr[name] >= result.psnr_below[name]
    means = [pack.psnr_mdb * segment.frames for pack, segment in zip(container.packs, container.segments, strict=True)]
    assert sum(means) / 5000 == pytest.approx(result.psnr[name], abs=0.01)
    assert stages == sorted(stages) and stages[-1] == pytest.approx(1)
    reader = VideoReader(data, device="cpu")
    assert reader.format.bit_depth == 10 and reader.format.chroma is domain.drawn(DEEP.chroma)
    for ordinal in (0, 1):
        check_segment(reader, ordinal)
    strip(job.output, layers=0)
    assert _bytes(job) == old
    with_target = _add(job, target_psnr=60)
    assert "60 dB were asked for" in (with_target.shortfall or "")
    assert f"{with_target.psnr[name]:.2f} dB" in (with_target.shortfall or "")


def _is_step(event: Event) -> bool:
    return isinstance(event, Step)


def test_a_longer_source_is_the_same_as_its_beginning(finished: Finished, moving: Moving, tmp_path: Path) -> None:
    job, result = finished(), []
    pictures = moving(SMALL, FRAMES)
    for name, longer, seek in (
        ("same", pictures, 0),
        ("longer", [*pictures, *pictures[:3]], 0),
        ("later", [*pictures[2:], *pictures, *pictures[2:]], 2),
    ):
        source = _write(tmp_path / f"{name}.y4m", SMALL, longer)
        output = tmp_path / f"{name}.nvc"
        _add(job, source=source, output=output, seek=seek)
        result.append(output.read_bytes())
    assert result[0] == result[1] == result[2]


def test_a_shorter_source_is_an_error(finished: Finished, moving: Moving, tmp_path: Path) -> None:
    job = finished()
    old = _bytes(job)
    short = _write(tmp_path / "short.y4m", SMALL, moving(SMALL, 3))
    with pytest.raises(InputError, match="3 frames"):
        _add(job, source=short)
    with pytest.raises(InputError):
        _add(job, seek=1)
    assert _bytes(job) == old


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (VideoFormat(48, 64, Fraction(25)), "48x64.*64x48"),
        (VideoFormat(64, 46, Fraction(25)), "64x46.*64x48"),
        (VideoFormat(64, 48, Fraction(25), 10), "10.bit"),
    ],
)
def test_another_kind_of_source(
    finished: Finished, moving: Moving, tmp_path: Path, video: VideoFormat, message: str
) -> None:
    job = finished()
    old = _bytes(job)
    other = _write(tmp_path / "other.y4m", video, moving(video, FRAMES))
    with pytest.raises(UsageError, match=message) as caught:
        _add(job, source=other)
    assert "it was encoded from" in caught.value.hint
    assert _bytes(job) == old


@pytest.mark.parametrize("steps", [0, 3])
def test_stopped(finished: Finished, steps: int, tmp_path: Path) -> None:
    job = finished()
    old, names = _bytes(job), sorted(tmp_path.iterdir())
    asked = iter(range(steps))
    with pytest.raises(InterruptedEncodeError, match="is as it was"):
        _add(job, should_stop=lambda: next(asked, None) is None)
    assert _bytes(job) == old and sorted(tmp_path.iterdir()) == names
    with exclusive(job.output):
        pass


def test_same_seed_same_bytes(finished: Finished, tmp_path: Path) -> None:
    job = finished()
    datas = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        _add(job, seed=seed, output=tmp_path / f"{name}.nvc")
        datas.append((tmp_path / f"{name}.nvc").read_bytes())
    assert datas[0] == datas[1] != datas[2]


def test_another_output(finished: Finished, tmp_path: Path) -> None:
    job = finished()
    old, output = _bytes(job), tmp_path / "richer.nvc"
    result = _add(job, output=output)
    assert _bytes(job) == old and result.file == str(output)
    data = output.read_bytes()
    assert data[: len(old)] == old and len(data) == result.bytes
    with pytest.raises(UsageError, match="exists; add overwrite=True"):
        _add(job, output=output)
    output.write_bytes(b"other")
    _add(job, output=output, overwrite=True)
    assert output.read_bytes() == data
    for wrong in (job.output, job.inputs[0]):
        before = Path(wrong).read_bytes()
        with pytest.raises(UsageError, match="is the input itself"):
            _add(job, output=wrong, overwrite=True)
        assert Path(wrong).read_bytes() == before


def test_only_one_at_a_time(finished: Finished) -> None:
    job = finished()
    old, refused = _bytes(job), []

    def again(event: Event) -> None:
        if isinstance(event, Forecast):
            with pytest.raises(UsageError, match="is being changed by another nvc") as caught:
                _add(job)
            refused.append(caught.value)
            assert _bytes(job) == old

    assert _add(job, on_event=again).layer == 1
    assert len(refused) == 1
    assert _add(job).layer == 2


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_that_changes_meanwhile_is_left_alone(finished: Finished, tmp_path: Path, in_place: bool) -> None:
    job = finished()
    other = _bytes(job)[:-1]

    def change(event: Event) -> None:
        if isinstance(event, Forecast):
            Path(job.output).write_bytes(other)

    with pytest.raises(UsageError, match="was changed by something else meanwhile"):
        _add(job, on_event=change, output=None if in_place else tmp_path / "new.nvc")
    assert _bytes(job) == other and not (tmp_path / "new.nvc").exists()


def test_planned_in_time(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LayerPart, "least_steps", 1)  # however busy the machine is
    monkeypatch.setattr(Deadline, "is_late", lambda _deadline, _behind_s: False)
    job = finished()
    forecasts: list[Event] = []
    result = _add(job, epochs=None, max_time_s=1.5, on_event=forecasts.append)
    (forecast,) = (event for event in forecasts if isinstance(event, Forecast))
    assert forecast.steps is None and forecast.seconds <= 1.5
    assert result.fit_steps >= 1 and read_container(_bytes(job)).layers == 1


@pytest.mark.parametrize(("step_s", "refused"), [(1e-3, False), (2e-2, False), (1.0, True)])
def test_a_short_time_is_told_before_the_fit(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, step_s: float, refused: bool
) -> None:
    monkeypatch.setattr(LayerPart, "probe", lambda _part, *_asked: step_s)
    monkeypatch.setattr(LayerPart, "time_for_fit", lambda _part, _deadline: 1.0)
    monkeypatch.setattr(LayerPart, "crowding", 1.0)
    monkeypatch.setattr(Deadline, "is_late", lambda _deadline, _behind_s: False)
    job, told = finished(), list[Event]()
    before = _bytes(job)
    if refused:
        with pytest.raises(
            UsageError, match="2 s is too short for 4 frames of 64x48: about 1 of the 300 steps"
        ) as error:
            _add(job, epochs=None, max_time_s=2, on_event=told.append)
        assert "max_time=" in error.value.hint and _bytes(job) == before
    else:
        with pytest.raises(InterruptedEncodeError):
            _add(job, epochs=None, max_time_s=2, on_event=told.append,
                 should_stop=lambda: any(isinstance(event, Forecast) for event in told))  # fmt: skip
    said = [event.message for event in told if isinstance(event, Notice)]
    assert "measuring what this machine can do in the time" in said
    assert len([line for line in said if "is short for" in line]) == (step_s == 2e-2)


def test_a_file_of_several_videos(finished: Finished, tmp_path: Path) -> None:
    """Which of them the source would be is nowhere said."""
    job = finished()
    container = read_container(_bytes(job))
    (stream,), (segment,) = container.header.streams, container.segments
    header = replace(container.header, streams=(stream, replace(stream, name="second")))
    data = write_container(header, [segment, replace(segment, stream=1)])
    Path(job.output).write_bytes(data)
    with pytest.raises(UsageError, match="holds 2 videos"):
        _add(job, on_event=_never)
    assert _bytes(job) == data


def _never(event: Event) -> None:
    assert not isinstance(event, (Forecast, Step)), "fitted for nothing"


def test_files_that_cannot_take_a_layer_are_refused_at_once(finished: Finished) -> None:
    job = finished()
    base = _bytes(job)
    _add(job)
    grown = _bytes(job)
    first = read_container(grown).index[-1].offset
    damaged = bytearray(grown)
    damaged[first + 60] ^= 1
    spoiled = (b"", b"nonsense" * 9, base[:-5], base[: len(base) // 2], base + b"\0" * 9, grown[:-9], bytes(damaged))
    for data in spoiled:
        Path(job.output).write_bytes(data)
        for target in ({}, {"target_psnr": 40.0}):
            with pytest.raises(NvcError) as caught:
                _add(job, on_event=_never, **target)
            assert isinstance(caught.value, (BitstreamError, InputError)) and job.output in caught.value.message
        assert _bytes(job) == data


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_refused_at_once(finished: Finished, tmp_path: Path) -> None:
    job = finished()
    os.chmod(tmp_path, 0o500)
    try:
        with pytest.raises(UsageError, match="cannot be written"):
            _add(job, on_event=_never)
    finally:
        os.chmod(tmp_path, 0o700)


def _source(job: Job) -> list[Planes]:
    from nvcodec.io.source import open_source

    with open_source(job.inputs[0]) as source:
        return list(source)


def _copied(network: EEN) -> EEN:
    """Another with the same parameters, so that the fit does not change the first."""
    from copy import deepcopy

    below, network.below = network.below, None  # type: ignore[assignment]
    twin = deepcopy(network)
    network.below = twin.below = below
    return twin


def _top_network(data: bytes) -> dict[str, object]:
    """The network of the top layer."""
    session = VideoReader(data, device="cpu").session
    top = session.container.packs[-1]
    network = session.field(top.segment, layers=top.layer)
    assert isinstance(network, EEN)
    return network.config.to_dict()
