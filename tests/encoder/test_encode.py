"""Whole encodes of a tiny clip: what is promised about the file and about failures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvcodec.config.job import Job
from nvcodec.config.options import changed
from nvcodec.config.target import TargetKind
from nvcodec.container.metadata import metadata_bytes
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder import encode as encode_module
from nvcodec.encoder import file as file_module
from nvcodec.encoder.encode import encode
from nvcodec.encoder.parts import segment as segment_module
from nvcodec.encoder.plan import floor
from nvcodec.encoder.plan.models import ROWS
from nvcodec.errors import BitstreamError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.metrics.measure import measure
from nvcodec.tongues import speaking_command_line
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

JobMaker = Callable[..., Job]
Moving = Callable[[VideoFormat, int], list[Planes]]
SMALL = VideoFormat(64, 48, Fraction(25))


def test_a_fit_learns_and_reports_what_the_file_is_worth(tiny_job: JobMaker, moving: Moving, tmp_path: Path) -> None:
    barely = encode(tiny_job(epochs=1, output="barely.nvc"))
    job = tiny_job(epochs=20)
    result = encode(job, work_dir=tmp_path / "work")
    assert result.psnr["yuv_611"] > barely.psnr["yuv_611"] + 5
    reader = VideoReader(job.output, device="cpu")
    truth = measure(moving(SMALL, 8), SMALL, list(reader.frames()), reader.format)
    assert result.psnr == pytest.approx(truth.psnr, abs=0.01)
    assert result.ms_ssim_y == pytest.approx(truth.ms_ssim_y, abs=1e-3)
    size = Path(job.output).stat().st_size
    assert result.bytes == size and result.bpp == pytest.approx(8 * size / (64 * 48 * 8))
    assert result.kbps == pytest.approx(8 * size * 25 / 8 / 1000)
    assert result.frames == 8 and result.fit_steps == 160 and result.shortfall is None
    assert not (tmp_path / "work").exists()


def test_same_seed_same_file(tiny_job: JobMaker) -> None:
    first, again, other = (
        tiny_job(epochs=2, seed=seed, output=f"{name}.nvc") for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    for job in (first, again, other):
        encode(job)
    data = Path(first.output).read_bytes()
    assert Path(again.output).read_bytes() == data
    assert VideoReader(other.output).session.integers(0)[0].symbols.tolist() != (
        VideoReader(first.output).session.integers(0)[0].symbols.tolist()
    )


@pytest.mark.parametrize(
    ("kind", "value", "limit"),
    [(TargetKind.BPP, 0.4, 1228), (TargetKind.BITRATE, 48_000, 1920), (TargetKind.SIZE, 1400, 1400)],
)
def test_the_file_fills_its_target(tiny_job: JobMaker, kind: TargetKind, value: float, limit: int) -> None:
    result = encode(tiny_job(kind, value))
    assert 0.95 * limit <= result.bytes <= limit
    assert result.shortfall is None


def test_wide_samples_are_paid_for(tiny_job: JobMaker, moving: Moving) -> None:
    # the digest of this clip takes two bytes a sample, which its first frame does not show
    video = replace(SMALL, bit_depth=10)
    job = tiny_job(video=video, domain="rgb")
    dark = tuple(np.full_like(plane, value) for plane, value in zip(moving(video, 1)[0], (64, 512, 512), strict=True))
    with open_sink(job.inputs[0], video, overwrite=True) as sink:
        for planes in [dark, *moving(video, 7)]:
            sink.write(planes)
    assert encode(job).bytes <= 1500


@pytest.mark.parametrize(("size", "segment"), [(310, None), (360, None)])
def test_a_size_out_of_reach(
    tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch, size: int, segment: int | None
) -> None:
    monkeypatch.setattr(floor, "_LEAST_BITS", 1)  # else it is refused at once
    job = tiny_job(TargetKind.SIZE, size, segment=segment)
    result = encode(job)
    assert result.shortfall is not None and f"{size} were asked for" in result.shortfall
    assert size < result.bytes == Path(job.output).stat().st_size < 1000
    assert len(list(VideoReader(job.output).frames())) == 8


@pytest.mark.parametrize(
    ("target", "hints"),
    [
        ({"target_size": 2}, "Did you mean --target-size 2kB?\nEnough to see something:  --target-size 1.2kB"),
        ({"target_size": 398}, "Enough to see something:  --target-size 1.2kB"),
        ({"bitrate": 50}, "Did you mean --bitrate 50k?\nEnough to see something:  --bitrate 30k"),
        ({"bpp": 1e-4}, "Enough to see something:  --bpp 0.39"),
        ({"target_size": 900, "segment": 2}, "Enough to see something:  --target-size 4.4kB"),
        ({"target_size": 5, "model": "tenerv"}, "Did you mean --target-size 5kB?\n"),
        ({"target_size": 5, "model": "qsnerv", "settings": None}, "Did you mean --target-size 5kB?\n"),
        ({"target_size": 5, "model": "dnerv", "settings": None}, "Did you mean --target-size 5kB?\n"),
    ],
    ids=str,
)
def test_what_can_hold_no_picture_is_refused(tiny_job: JobMaker, target: dict[str, Any], hints: str) -> None:
    job, told = tiny_job(), list[object]()
    settings = {**job.options.settings} if "settings" not in target else {}
    asked = changed(job.options, {"target_size": None, **target, "settings": settings})
    with speaking_command_line():
        with pytest.raises(UsageError, match="no picture fits into less than") as refused:
            encode(replace(job, options=asked), on_event=told.append)
        assert refused.value.hint.startswith(hints) and not told
    assert os.listdir(Path(job.output).parent) == [Path(job.inputs[0]).name]


def test_target_psnr(tiny_job: JobMaker, moving: Moving) -> None:
    jobs = [tiny_job(TargetKind.PSNR, db, output=f"{db}.nvc", epochs=15) for db in (33, 60)]
    with open_sink(jobs[0].inputs[0], SMALL, overwrite=True) as sink:
        for y, u, v in moving(SMALL, 8):  # little contrast: 31 dB would be plain grey
            sink.write((y // 8 + 112, u // 8 + 112, v // 8 + 112))
    low, high = (encode(job) for job in jobs)
    assert low.psnr["yuv_611"] >= 33 and low.shortfall is None
    assert high.shortfall is not None and "60 dB" in high.shortfall
    assert low.bytes < high.bytes


def test_segments_follow_each_other(tiny_job: JobMaker) -> None:
    job = tiny_job(value=3000, segment=3)
    result = encode(job)
    reader = VideoReader(job.output)
    segments = reader.session.container.segments
    assert [(segment.first_frame, segment.frames) for segment in segments] == [(0, 2), (2, 3), (5, 3)]
    assert len(list(reader.frames())) == 8
    assert 0.9 * 3000 <= result.bytes <= 3000


@pytest.mark.parametrize("domain", Domain)
def test_ten_bits_and_odd_sizes(tiny_job: JobMaker, domain: Domain) -> None:
    video = VideoFormat(53, 37, None, 10)
    result = encode(job := tiny_job(video=video, domain=domain.name.lower()))
    reader = VideoReader(job.output)
    assert reader.format == replace(video, chroma=domain.drawn(video.chroma), colour=reader.format.colour)
    for planes in reader.frames():
        assert [plane.shape for plane in planes] == list(reader.format.plane_shapes)
        assert all(plane.dtype == np.uint16 and plane.max() <= 1023 for plane in planes)
    assert result.kbps is None and set(result.psnr) == {"y", "u", "v", "yuv_611", "rgb"}


def test_a_picture_too_large_for_memory_is_fitted_in_tiles(tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = segment_module.tiles
    monkeypatch.setattr(segment_module, "available_bytes", lambda device: 1)
    monkeypatch.setattr(segment_module, "tiles", lambda *given: sizes.append(len(real(*given))) or real(*given))
    video = VideoFormat(160, 112, Fraction(25))
    result = encode(tiny_job(value=4000, video=video, frames=2, epochs=40))
    assert sizes[0] > 1
    assert result.psnr["y"] > 15


class _Broken(Exception):
    pass


def _broken(*_args: object, **_options: object) -> object:
    raise _Broken


@pytest.mark.parametrize(
    ("module", "where"),
    [
        (file_module, "write_container"),
        (file_module, "open_session"),
        (encode_module, "VideoReader"),
        (encode_module, "measured"),
        (os, "fsync"),
        (os, "link replace"),
    ],
)
def test_a_crash_harms_no_file(
    tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: object, where: str
) -> None:
    job = tiny_job(epochs=1)
    for name in where.split():
        monkeypatch.setattr(module, name, _broken)
    with pytest.raises(_Broken):
        encode(job)
    assert [path.suffix for path in tmp_path.iterdir()] == [".y4m"]
    Path(job.output).write_bytes(b"precious")
    with pytest.raises(_Broken):
        encode(job, overwrite=True)
    assert Path(job.output).read_bytes() == b"precious"


def test_a_file_that_decodes_to_something_else_is_not_kept(tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny_job(epochs=1)
    monkeypatch.setattr(segment_module, "digest", lambda tensors: bytes(16))
    with pytest.raises(BitstreamError, match="other integers"):
        encode(job)
    assert not Path(job.output).exists()


def test_an_existing_output_is_kept(tiny_job: JobMaker) -> None:
    job = tiny_job()
    Path(job.output).write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        encode(job)
    assert Path(job.output).read_bytes() == b"precious"


def test_rgb_sources_stay_rgb(tiny_job: JobMaker, moving: Moving, tmp_path: Path) -> None:
    video = VideoFormat(32, 24, chroma=ChromaFormat.RGB)
    with open_sink(f"{tmp_path}/pictures/", video) as sink:
        for planes in moving(video, 4):
            sink.write(planes)
    job = replace(tiny_job(value=1000), inputs=(f"{tmp_path}/pictures",))
    encode(job)
    reader = VideoReader(job.output)
    assert reader.format.chroma is ChromaFormat.RGB and len(reader) == 4
    with pytest.raises(UsageError, match="RGB"):
        encode(replace(job, output=f"{tmp_path}/b.nvc", options=replace(job.options, domain="yuv420")))


def test_the_psnr_in_the_metadata_never_takes_more_than_was_kept_back(tiny_job: JobMaker, moving: Moving) -> None:
    job = tiny_job(epochs=1)
    result = encode(job)
    metadata = VideoReader(job.output).session.container.metadata
    assert metadata["psnr"] == round(result.psnr["yuv_611"], 3)
    for creator in ("nvc 0.1.0", "nvc 0.98.7", "nvc 12.345.6"):
        sizes = [
            len(metadata_bytes({**metadata, "creator": creator, "psnr": psnr_mdb / 1000}))
            for psnr_mdb in (98_765, *range(1_000, 120_000, 97))
        ]
        assert max(sizes) <= sizes[0] + ROWS["msnerv"].slack_bytes
