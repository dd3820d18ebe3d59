"""Encodes with previews: within their size, close to the pictures, and the same when they were interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nvcodec.encoder.previews.preview as preview_module
from nvcodec.config.job import Job
from nvcodec.config.target import TargetKind
from nvcodec.container import without_previews
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.shrink import mean_plane, shrunk
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.previews.head import Moments
from nvcodec.errors import InterruptedEncodeError
from nvcodec.types import Planes, VideoFormat

JobMaker = Callable[..., Job]
Moving = Callable[[VideoFormat, int], list[Planes]]
VIDEO = VideoFormat(93, 67, Fraction(25))


@pytest.fixture(autouse=True)
def easily_pleased(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted in a moment is hard to foretell; plain grey would be 13 dB from it."""
    monkeypatch.setattr(preview_module, "_LEAST_DB", 20.0)
    monkeypatch.setattr(preview_module, "_MOST_LOST_DB", 9.0)


def _psnr_db(path: str, divisor: int) -> float:
    """Of the first plane of previews, against whole pictures shrunk."""
    whole, small = VideoReader(path), VideoReader(path, scale=Fraction(1, divisor))
    assert small.pictures.without_preview(small.session, range(len(small.session.container.segments))) == []
    errors = []
    for planes, drawn in zip(whole.frames(), small.frames(), strict=True):
        wanted = shrunk(planes, whole.format, divisor)
        assert [plane.shape for plane in drawn] == list(small.format.plane_shapes)
        errors.append(np.mean((wanted[0].astype(float) - drawn[0]) ** 2) / small.format.peak**2)
    return float(-10 * np.log10(np.mean(errors)))


@pytest.mark.parametrize(
    ("video", "domain"),
    [(VIDEO, None), (VIDEO, "rgb"), (replace(VIDEO, bit_depth=10), None)],
    ids=["8 bit", "rgb", "10 bit"],
)
def test_previews_are_close_and_paid_for(tiny_job: JobMaker, video: VideoFormat, domain: str | None) -> None:
    job = tiny_job(value=6000, video=video, epochs=10, domain=domain, preview=True)
    result = encode(job)
    container = VideoReader(job.output).session.container
    assert result.bytes == Path(job.output).stat().st_size <= 6000
    assert result.preview_bytes == container.preview_bytes > 0
    assert {head.divisor for head in container.previews.values()} == {2}
    for divisor in (2, 4, 8):  # the smaller ones come of the larger one
        assert _psnr_db(job.output, divisor) > 22


def test_the_file_is_as_full_as_without(tiny_job: JobMaker) -> None:
    job = tiny_job(value=4000, video=VIDEO, epochs=10, preview=True)
    result = encode(job)
    assert 0.98 * 4000 <= result.bytes <= 4000
    assert result.to_json()["preview_bytes"] == result.preview_bytes


def test_every_segment_has_its_own(tiny_job: JobMaker) -> None:
    job = tiny_job(value=8000, video=VIDEO, epochs=10, segment=4, preview=True)
    result = encode(job)
    container = VideoReader(job.output).session.container
    assert set(container.previews) == {(0, 2), (1, 2)} and result.bytes <= 8000
    assert _psnr_db(job.output, 2) > 22


def test_constant_quality_spends_the_same_on_pictures(tiny_job: JobMaker) -> None:
    plain, seen = (
        tiny_job(TargetKind.CRF, 20, video=VIDEO, epochs=4, output=f"{preview}.nvc", preview=preview)
        for preview in (False, True)
    )
    encode(plain)
    encode(seen)
    assert without_previews(Path(seen.output).read_bytes()) == Path(plain.output).read_bytes()


def test_a_preview_that_shows_something_else_is_left_out(tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "_LEAST_DB", 99.0)
    said: list[Event] = []
    job = tiny_job(value=4000, video=VIDEO, epochs=12, preview=True)
    result = encode(job, on_event=said.append)
    assert result.preview_bytes == 0
    assert 0.98 * 4000 <= result.bytes <= 4000, "what was kept for it goes to the pictures"
    (notice,) = [event.message for event in said if isinstance(event, Notice)]  # and nothing about --params
    assert "no preview 1/2: it would be" in notice


@pytest.mark.parametrize(("allowed_db", "epochs", "depth"), [(0.1, 6, 8), (1.0, 2, 8), (1.0, 10, 8), (5.0, 6, 10)])
def test_what_is_stored_is_hardly_worse_than_whole_pictures_shrunk(
    tiny_job: JobMaker, moving: Moving, monkeypatch: pytest.MonkeyPatch, allowed_db: float, epochs: int, depth: int
) -> None:
    monkeypatch.setattr(preview_module, "_LEAST_DB", 0.0)
    monkeypatch.setattr(preview_module, "_MOST_LOST_DB", allowed_db)
    said: list[Event] = []
    video = replace(VIDEO, bit_depth=depth)
    job = tiny_job(value=6000, video=video, epochs=epochs, preview=True)
    result = encode(job, on_event=said.append)
    whole, small = VideoReader(job.output), VideoReader(job.output, scale="1/2")
    missed = np.zeros(2)
    for source, drawn, planes in zip(moving(video, 8), small.frames(), whole.frames(), strict=True):
        wanted = mean_plane(source[0], 2)
        missed += [np.square(wanted - plane).sum() for plane in (drawn[0], mean_plane(planes[0], 2))]
    lost_db = 10 * np.log10(missed[0] / missed[1])
    if result.preview_bytes:
        assert lost_db <= allowed_db
    else:
        assert lost_db < 0.1, "whole pictures are shrunk instead, and rounded"
        (notice,) = [event.message for event in said if isinstance(event, Notice)]
        assert "from the source, whole pictures shrunk are" in notice


def test_a_head_that_does_not_fit_is_left_out(tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "_LEAST_DB", 0.0)
    said: list[Event] = []
    job = tiny_job(value=500, video=VIDEO, preview=True)
    result = encode(job, on_event=said.append)
    assert result.preview_bytes == 0
    assert any("does not fit" in event.message for event in said if isinstance(event, Notice))


def test_a_network_of_one_block_has_nothing_to_show_early(tiny_job: JobMaker) -> None:
    one: dict[str, object] = {f"model.{name}": "4" for name in ("strides", "channels")}
    one |= {"model.depths": "1", "model.expansions": "2"}
    said: list[Event] = []
    job = tiny_job(settings=one, preview=True)
    assert encode(job, on_event=said.append).preview_bytes == 0
    assert any("in its last block" in event.message for event in said if isinstance(event, Notice))


def test_a_stopped_encode_still_stores_them(tiny_job: JobMaker, tmp_path: Path) -> None:
    straight, broken = (
        tiny_job(value=4000, video=VIDEO, epochs=4, output=name, preview=True) for name in ("a.nvc", "b.nvc")
    )
    encode(straight)
    folder, asked = tmp_path / "work", iter(range(100))
    with pytest.raises(InterruptedEncodeError):
        encode(broken, work_dir=folder, should_stop=lambda: next(asked) >= 20)
    job = Job.load(folder / "job.json")
    assert job.options.preview
    assert encode(job, work_dir=folder).preview_bytes > 0
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()


def test_jobs_from_before_there_were_previews(tiny_job: JobMaker) -> None:
    plain = tiny_job().to_dict()
    del plain["preview"]
    assert not Job.from_dict(plain).options.preview


def test_moments_are_those_of_all_places_together() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (50, 4)), rng.normal(1, 1, (50, 2))
    moments = Moments(4, 2)
    for part in np.split(np.arange(50), [7, 30]):
        moments.add(x[part], y[part])
    both = np.cov(np.hstack((x, y)), rowvar=False, bias=True)
    xx, xy, yy = moments.covariances
    assert np.allclose(xx, both[:4, :4]) and np.allclose(xy, both[:4, 4:]) and np.allclose(yy, both.diagonal()[4:])
    assert np.allclose(moments.means[0], x.mean(0)) and np.allclose(moments.means[1], y.mean(0))
