"""Encodes with a mask: what it hides is in no file, and what is drawn there is scored apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from nvcodec import add_layer, resume
from nvcodec.api.info import probe
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.config.target import TargetKind
from nvcodec.encoder.encode import encode
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.hiding import exempt, hide
from nvcodec.encoder.result import EncodeResult
from nvcodec.errors import InputError, InterruptedEncodeError, UsageError
from nvcodec.eval.measure import evaluate
from nvcodec.io.mask import open_mask
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Planes, VideoFormat

JobMaker = Callable[..., Job]
Moving = Callable[[VideoFormat, int], list[Planes]]
SMALL = VideoFormat(64, 48, Fraction(25))
BOX, SCATTERED = "box:20x16", "scattered:11"


def _defaced(path: str, spec: str, frames: int) -> str:
    """A copy of a video with a checkerboard where a mask will be."""
    with open_source(path) as source:
        mask, video = open_mask(spec, source.format, frames), source.format
        other = Path(path).parent / "defaced" / Path(path).name  # the stream's name takes bytes, too
        other.parent.mkdir()
        with open_sink(other, video) as sink:
            for index, planes in enumerate(source):
                for plane, hidden in zip(planes, mask.planes(index, video.chroma), strict=True):
                    y, x = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]]
                    plane[hidden] = (255 * ((x + y) % 2)).astype(np.uint8)[hidden]
                sink.write(planes)
    return str(other)


@pytest.mark.parametrize("spec", [BOX, SCATTERED])
@pytest.mark.parametrize("domain", ["yuv420", "rgb"])
def test_what_is_hidden_leaves_no_trace_in_the_file(tiny_job: JobMaker, spec: str, domain: str) -> None:
    job = tiny_job(epochs=2, mask=spec, domain=domain)
    first = encode(job)
    other = replace(job, inputs=(_defaced(job.inputs[0], spec, 8),), output=f"{job.output}.2")
    second = encode(other)
    assert Path(job.output).read_bytes() == Path(other.output).read_bytes()
    assert first.masked is not None and second.masked is not None
    assert second.masked.inside < first.masked.inside
    # colours at the edge of a mask are made of chroma behind it
    assert second.masked.outside == pytest.approx(first.masked.outside, abs=1e-6 if domain == "yuv420" else 2)


def test_key_frames_do_not_show_what_is_hidden(tiny_job: JobMaker, tmp_path: Path) -> None:
    (source,), files = tiny_job(frames=12).inputs, []
    options = EncodeOptions(model="dnerv", target_size=4000, mask=SCATTERED, preset="draft", epochs=2, device="cpu")
    for index, path in enumerate((source, _defaced(source, SCATTERED, 12))):
        output = str(tmp_path / f"{index}.nvc")
        result = encode(Job((path,), output, options))
        assert result.streams[0].masked is not None and "inside" in result.to_json()["streams"][0]["masked"]  # type: ignore[index]
        files.append(Path(output).read_bytes())
    assert files[0] == files[1]


def test_both_protocols_are_reported_and_the_file_says_so(tiny_job: JobMaker) -> None:
    job = tiny_job(epochs=20, mask=BOX)
    result = encode(job)
    assert result.masked is not None and result.masked.share == pytest.approx(20 * 16 / (64 * 48))
    assert result.masked.outside > result.psnr["yuv_611"] > 15
    assert result.to_json()["masked"] == {
        "share": result.masked.share, "inside": result.masked.inside, "outside": result.masked.outside
    }  # fmt: skip
    assert probe(job.output).metadata["mask"] == BOX
    assert evaluate(job.inputs[0], job.output, mask=BOX).quality.masked == result.masked


def test_the_quality_asked_for_is_that_of_what_can_be_seen(tiny_job: JobMaker) -> None:
    result = encode(tiny_job(TargetKind.PSNR, 24, epochs=40, mask="box:40x40"))
    assert result.masked is not None and result.shortfall is None
    assert result.masked.outside >= 24


@pytest.mark.parametrize("domain", [None, "rgb"])
def test_targets_and_results_are_of_one_kind(tiny_job: JobMaker, domain: str | None) -> None:
    result = encode(tiny_job(TargetKind.PSNR, 45, epochs=1, domain=domain, mask=BOX))
    assert result.masked is not None and result.shortfall is not None
    assert f"{result.masked.outside:.2f} dB; 45 dB were asked for" in result.shortfall
    key = "yuv_611" if domain is None else "rgb"
    assert result.masked.outside == pytest.approx(result.psnr[key], abs=2)


def test_no_layer_shows_what_the_base_hides(tiny_job: JobMaker) -> None:
    job = tiny_job(epochs=1, mask=BOX)
    encode(job)
    before = Path(job.output).read_bytes()
    with pytest.raises(UsageError, match=f'was encoded with mask="{re.escape(BOX)}"'):
        add_layer(job.output, job.inputs[0])
    assert Path(job.output).read_bytes() == before


@pytest.mark.parametrize("kind", ["box", "file"])
def test_a_stopped_encode_gives_the_same_file(tiny_job: JobMaker, tmp_path: Path, kind: str) -> None:
    mask, folder = BOX if kind == "box" else _drawn(tmp_path / "mask.y4m", 30), tmp_path / "work"
    straight, broken = (tiny_job(epochs=3, mask=mask, output=f"{name}.nvc") for name in ("straight", "broken"))
    whole, calls = encode(straight), iter(range(8))
    with pytest.raises(InterruptedEncodeError):
        encode(broken, work_dir=folder, should_stop=lambda: next(calls, None) is None)
    assert Job.load(folder / "job.json") == broken
    result = resume(folder)
    assert isinstance(result, EncodeResult) and whole.masked is not None and result.masked == whole.masked
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()


def test_resuming_with_another_mask_is_refused(tiny_job: JobMaker, tmp_path: Path) -> None:
    mask, calls = tmp_path / "mask.y4m", iter(range(1000))
    job = tiny_job(epochs=20, mask=_drawn(mask, 30))
    with pytest.raises(InterruptedEncodeError):
        encode(job, work_dir=tmp_path / "work", should_stop=lambda: next(calls) > 5)
    _drawn(mask, 31)
    with pytest.raises(InputError, match="has changed since"):
        encode(job, work_dir=tmp_path / "work")
    _drawn(mask, 30)
    assert encode(job, work_dir=tmp_path / "work").masked is not None


def _drawn(mask: Path, columns: int) -> str:
    """A picture that hides a few columns, written."""
    y, u, v = (np.zeros(shape, np.uint8) for shape in SMALL.plane_shapes)
    y[10:20, 10:columns] = 255
    with open_sink(mask, SMALL, overwrite=True) as sink:
        sink.write((y, u, v))
    return str(mask)


def _clip(video: VideoFormat, pictures: list[Planes]) -> Clip:
    return Clip.load(pictures, video, len(pictures))


@pytest.mark.parametrize("video", [SMALL, replace(SMALL, bit_depth=10), replace(SMALL, chroma=ChromaFormat.RGB)])
def test_nothing_but_the_hidden_is_changed(moving: Moving, video: VideoFormat) -> None:
    for spec in (BOX, SCATTERED):
        clip = _clip(video, moving(video, 6))
        mask = open_mask(spec, video, 6)
        hidden = hide(clip, mask)
        for frame in range(6):
            for before, after, where in zip(
                clip.frame(frame), hidden.frame(frame), mask.planes(frame, video.chroma), strict=True
            ):
                assert (before[~where] == after[~where]).all() and (before[where] != after[where]).any()


def test_what_moves_behind_a_mask_comes_from_the_nearest_frame() -> None:
    video = VideoFormat(16, 8)
    pictures = [tuple(np.full(shape, 10 * frame, np.uint8) for shape in video.plane_shapes) for frame in range(5)]
    clip = _clip(video, pictures)  # type: ignore[arg-type]
    mask = open_mask("box:4x4", video, 5)
    only_third = replace(mask, pictures=tuple(mask[0] if frame in (2, 3) else ~mask[0] & False for frame in range(5)))
    hidden = hide(clip, only_third)
    assert set(hidden.planes[0][2][mask[0]].tolist()) == {10}
    assert set(hidden.planes[0][3][mask[0]].tolist()) == {40}


def test_a_hole_in_a_ramp_is_filled_with_the_ramp() -> None:
    video = VideoFormat(64, 64)
    ramp = tuple(
        np.broadcast_to(np.linspace(40, 200, shape[1]).astype(np.uint8), shape) for shape in video.plane_shapes
    )
    clip = _clip(video, [ramp])  # type: ignore[list-item]
    filled = hide(clip, open_mask("box:24x24", video, 1)).frame(0)[0]
    assert np.abs(filled.astype(int) - ramp[0]).max() <= 16


def test_hidden_samples_pull_at_nothing() -> None:
    drawn = torch.rand(1, 6, 8, requires_grad=True)
    hidden = torch.zeros(1, 6, 8, dtype=torch.bool)
    hidden[:, 2:4, 1:5] = True
    planes = (drawn, drawn * 1, drawn * 1)
    targets = exempt((torch.zeros(1, 6, 8),) * 3, planes, (hidden,) * 3)
    sum((p - t).square().sum() for p, t in zip(planes, targets, strict=True)).backward()  # type: ignore[union-attr]
    assert drawn.grad is not None and (drawn.grad[hidden] == 0).all() and (drawn.grad[~hidden] != 0).all()


def test_a_fill_asks_for_part_of_the_way() -> None:
    drawn = torch.full((1, 2, 4), 0.8, requires_grad=True)
    hidden = torch.zeros(1, 2, 4, dtype=torch.bool)
    hidden[..., 1:3] = True
    stand_in = torch.full((1, 2, 4), 0.3)
    targets = exempt((stand_in,) * 3, (drawn,) * 3, (hidden,) * 3, fill=0.2)
    assert torch.allclose(targets[0][hidden], torch.tensor(0.7)) and torch.equal(targets[0][~hidden], stand_in[~hidden])
