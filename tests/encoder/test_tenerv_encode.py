"""Whole encodes with TeNeRV: groups of pictures that follow the content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nvcodec.api.info import probe
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Step
from nvcodec.encoder.fit.step import Stepper
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.errors import InputError, InterruptedEncodeError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

TINY: dict[str, object] = {
    "model.strides": "2,2",
    "model.channels": "8,6",
    "model.depths": "1,1",
    "model.expansions": "2,2",
    "model.grids": "2:1:4",
    "model.shuffle": "4",
    "model.local_levels": "1",
    "gop.count": "3",
    "gop.min_length": "3",
}
VIDEO = VideoFormat(64, 48)
JOINS = (0, 5, 12)
FRAMES = 20

ShotsJob = Callable[..., Job]


def _shots() -> list[Planes]:
    """Three shots of waves, each of another direction and length."""
    clip = []
    for frame in range(FRAMES):
        shot = sum(frame >= join for join in JOINS) - 1
        planes = []
        for rows, columns in VIDEO.plane_shapes:
            y, x = np.mgrid[0:rows, 0:columns] * (VIDEO.height / rows)
            wave = 0.5 + 0.4 * np.sin(((x, y, x + y)[shot] + frame) / (5, 7, 9)[shot])
            planes.append(np.rint(wave * VIDEO.peak).astype(VIDEO.dtype))
        clip.append((planes[0], planes[1], planes[2]))
    return clip


@pytest.fixture
def shots_job(tmp_path: Path) -> ShotsJob:
    """A job that encodes the three shots with a network of some thousand parameters.

    Without the rate in the loss unless asked for: a fit of a moment takes a moment.
    """
    source = tmp_path / "shots.y4m"
    with open_sink(str(source), VIDEO) as sink:
        for planes in _shots():
            sink.write(planes)

    def make(output: str = "out.nvc", epochs: float = 8, segment: int | None = None, **sets: object) -> Job:
        settings = {"fit.fixed_bits": 6, **{name.replace("__", "."): value for name, value in sets.items()}}
        options = EncodeOptions(
            model="tenerv", crf=30, preset="draft", epochs=epochs, segment=segment, device="cpu",
            settings={**TINY, **settings},
        )  # fmt: skip
        return Job((str(source),), str(tmp_path / output), options)

    return make


@pytest.mark.parametrize("way", ["exact", "greedy"])
def test_groups_begin_where_shots_do(shots_job: ShotsJob, way: str) -> None:
    job = shots_job(epochs=16, gop__partition=way, gop__together_until=0.5)
    result = encode(job)
    info = probe(job.output)
    assert info.model == result.model == "tenerv"
    assert info.segments[0].gops == JOINS
    assert info.to_json()["segments"][0]["gops"] == list(JOINS)
    assert any(cost.spec.name.endswith("kernel.deltas") for cost in info.tensors())


def test_groups_of_equal_length_need_no_time_together(shots_job: ShotsJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """MSNeRV's, equations 3 and 4: there from the first step, without TeNeRV's holistic stage."""
    apart, take = [], Stepper.take
    monkeypatch.setattr(Stepper, "take", lambda self, kind, *rest: (apart.append(kind.apart), take(self, kind, *rest)))
    job = shots_job(epochs=2, gop__partition="uniform", gop__together_until=0, model__gop_kernels="off")
    job = replace(job, options=replace(job.options, model="msnerv"))
    encode(job)
    assert len(apart) == 2 * FRAMES and all(apart)
    (segment,) = probe(job.output).segments
    grids = next(cost.spec for cost in probe(job.output).tensors() if cost.spec.name == "encoder.gop_grid")
    assert segment.gops == (0, 7, 14) and grids.shape[0] == 3
    field = VideoReader(job.output).session.field(0, "cpu")
    assert not torch.equal(field.encoder.gop_grid[0], field.encoder.gop_grid[1])


def test_settings_may_suit_one_preset_alone(shots_job: ShotsJob) -> None:
    """Four blocks, of which the quickest preset, which a forecast looks at, has two."""
    job = shots_job(epochs=0.2)
    settings = {"model.strides": "3,2,2,2", "gop.count": "1"}
    encode(replace(job, options=replace(job.options, preset="medium", parameters=20_000, settings=settings)))
    assert VideoReader(job.output).session.field(0, "cpu").config.strides == (3, 2, 2, 2)


def test_every_way_of_drawing_gives_the_same_pictures(shots_job: ShotsJob) -> None:
    job = shots_job(epochs=4)
    encode(job)
    alone = VideoReader(job.output, batch=1)
    for batch, order in ((7, range(FRAMES)), (20, range(FRAMES)), (4, [19, 3, 12, 11, 4, 5])):
        for frame, drawn in zip(order, VideoReader(job.output, batch=batch).frames(list(order)), strict=True):
            for one, other in zip(drawn, alone.planes(frame), strict=True):
                assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_a_batch_never_spans_two_groups(shots_job: ShotsJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job = shots_job(epochs=2)
    encode(job)
    reader = VideoReader(job.output, batch=FRAMES)
    starts, drawn = reader.session.container.segments[0].gops, []
    field = reader.session.field(0, "cpu")
    forward = field.forward
    monkeypatch.setattr(field, "forward", lambda frames: (drawn.append(frames.tolist()), forward(frames))[1])
    list(reader.frames())
    assert drawn == [list(range(a, b)) for a, b in zip(starts, (*starts[1:], FRAMES), strict=True)]


def test_groups_of_each_segment(shots_job: ShotsJob) -> None:
    """Segments of ten frames: the second begins inside a shot. Starts are printed as frames of the video."""
    job = shots_job(epochs=16, segment=10, gop__count=2, gop__together_until=0.5)
    encode(job)
    first, second = (segment["gops"] for segment in probe(job.output).to_json()["segments"])
    assert first == [0, 5]
    assert second[0] == 10 and len(second) == 2 and 13 <= second[1] <= 17  # 12 would leave a group of two frames


@pytest.mark.parametrize("steps", [3, 8, 30])  # frames still together, just apart, with a rate
def test_a_stopped_encode_gives_the_same_file(shots_job: ShotsJob, tmp_path: Path, steps: int) -> None:
    straight, broken = (shots_job(name, epochs=3, fit__fixed_bits=0) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)
    asked = iter(range(steps))
    with pytest.raises(InterruptedEncodeError):
        encode(broken, work_dir=tmp_path / "work", should_stop=lambda: next(asked, None) is None)
    encode(Job.load(tmp_path / "work" / "job.json"), work_dir=tmp_path / "work")
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()


def test_finished_segments_keep_their_groups(shots_job: ShotsJob, tmp_path: Path) -> None:
    straight, broken = (shots_job(name, segment=10, epochs=4) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)

    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, Step) and "2/2" in event.stage:
            raise Killed

    with pytest.raises(Killed):
        encode(broken, work_dir=tmp_path / "work", on_event=kill)
    kept = tmp_path / "work" / "part-00000.npz"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:3])
    with pytest.raises(InputError, match=r"part-00000.npz is damaged"):
        encode(broken, work_dir=tmp_path / "work")
    kept.write_bytes(whole)
    encode(broken, work_dir=tmp_path / "work")
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()


def test_a_short_clip_has_one_group(shots_job: ShotsJob) -> None:
    job = shots_job(epochs=2, gop__min_length=0)
    job = replace(job, options=replace(job.options, frames=7))
    encode(job)
    assert probe(job.output).segments[0].gops == (0,)
    assert len(VideoReader(job.output)) == 7


def test_without_anything_per_group_there_is_one(shots_job: ShotsJob) -> None:
    job = shots_job(epochs=2, model__gop_grid="off", model__gop_kernels="off")
    encode(job)
    assert probe(job.output).segments[0].gops == (0,)


def test_parameters_of_all_groups_are_in_the_budget() -> None:
    """1080p, 600 frames: 3 and 6 million with five sets of kernels and grids, within 3 %."""
    video = VideoFormat(1920, 1080)
    for preset in ("medium", "slow", "slower"):
        for parameters in (3_000_000, 6_000_000):
            options = EncodeOptions(model="tenerv", preset=preset, parameters=parameters)
            plan = make_plan([(video, 600)], options)
            specs = plan.network.tensor_specs(plan.geometry(plan.spans[0], video))
            assert abs(sum(spec.size for spec in specs) / parameters - 1) < 0.03
            deltas = [spec for spec in specs if spec.name.endswith("kernel.deltas")]
            assert len(deltas) == 12 and all(spec.shape[0] == 5 for spec in deltas)


def test_too_many_groups_are_refused() -> None:
    settings = {"gop.partition": "fixed", "gop.length": 1}
    with pytest.raises(UsageError, match=r"gop.length 1 makes 5,000 groups"):
        make_plan([(VIDEO, 5000)], EncodeOptions(model="tenerv", preset="medium", settings=settings))
