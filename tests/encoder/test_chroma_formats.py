"""Every chroma format at every depth, through every model and every thing that can be done with a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.api.dataset import VideoDataset
from nvcodec.config.job import Job
from nvcodec.container import read_container
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.parts import segment as segment_module
from nvcodec.errors import InterruptedEncodeError
from nvcodec.eval.measure import evaluate
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Planes, VideoFormat

JobMaker = Callable[..., Job]
Moving = Callable[[VideoFormat, int], list[Planes]]

QSNERV: dict[str, object] = {
    "strides": "3,2,2", "kernels": "1,3,3", "stem": 8, "channels": "8,6,6", "embedding": 4, "shuffle": 2, "skip": "inv",
    "levels": 1, "skip_channels": 4, "growth": 2,
}  # fmt: skip
NEW = [ChromaFormat.GREY, ChromaFormat.YUV422, ChromaFormat.YUV444]
CASES = [
    *(("msnerv", chroma, depth) for chroma, depth in zip(NEW, (8, 10, 12), strict=True)),
    *(("tenerv", chroma, depth) for chroma, depth in zip(NEW, (12, 8, 10), strict=True)),
    *(("qsnerv", chroma, depth) for chroma, depth in zip(NEW, (10, 12, 8), strict=True)),
    ("msnerv", ChromaFormat.YUV420, 12),
    ("qsnerv", ChromaFormat.RGB, 12),
]
SMALL = VideoFormat(64, 48, Fraction(25))
KEYS = {"y", "u", "v", "yuv_611", "rgb"}


def _exact(path: Path, reader: VideoReader) -> bool:
    with open_source(path) as source:
        pairs = [pair for both in zip(source, reader.frames(), strict=True) for pair in zip(*both, strict=True)]
        return source.format.chroma is reader.format.chroma and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("model", "chroma", "depth"), CASES)
def test_every_model(tiny_job: JobMaker, tmp_path: Path, model: str, chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(53, 37, Fraction(25), depth, chroma)
    settings = {f"model.{name}": value for name, value in QSNERV.items()} if model == "qsnerv" else None
    job = tiny_job(value=3000, video=video, frames=4, epochs=2, model=model)
    if settings:
        job = replace(job, options=replace(job.options, settings=settings))
    result = encode(job)
    data, reader = Path(job.output).read_bytes(), VideoReader(job.output, device="cpu")
    assert read_container(data).version == (1, 1)
    assert (reader.format.chroma, reader.format.bit_depth) == (chroma, depth)
    assert reader.metadata.planes == chroma.name.lower()
    assert result.psnr.keys() == ({"y", "yuv_611"} if chroma is ChromaFormat.GREY else KEYS)
    assert result.to_json()["psnr"].keys() == KEYS  # type: ignore[attr-defined]
    check_segment(reader, 0)
    for suffix in (".mkv",) if chroma is ChromaFormat.RGB else (".mkv", ".y4m"):
        nvcodec.decode(job.output, tmp_path / f"out{suffix}")
        assert _exact(tmp_path / f"out{suffix}", reader)


@pytest.mark.parametrize("chroma", NEW)
def test_a_longer_fit_gets_better_in_every_plane(tiny_job: JobMaker, chroma: ChromaFormat) -> None:
    video = replace(SMALL, chroma=chroma)
    results = [
        encode(tiny_job(value=4000, video=video, frames=4, epochs=epochs, output=f"{epochs}.nvc")) for epochs in (2, 60)
    ]
    for name in {"y", "u", "v"} & results[0].psnr.keys():
        assert results[1].psnr[name] > results[0].psnr[name] + 3, name


@pytest.mark.parametrize("chroma", NEW)
def test_what_can_be_done_with_a_file(tiny_job: JobMaker, tmp_path: Path, chroma: ChromaFormat) -> None:
    """Previews, a layer, segments, times in between, other scales and planes, tensors, measurement."""
    video = replace(SMALL, chroma=chroma, bit_depth=10)
    job = tiny_job(value=8000, video=video, epochs=6, preview=True, segment=4)
    result, output = encode(job), job.output
    layer = nvcodec.add_layer(output, job.inputs[0], parameters=1500, preset="draft", epochs=2)
    assert layer.psnr.keys() == layer.psnr_below.keys() == result.psnr.keys()
    nvcodec.decode(output, None, check=True)
    reader = VideoReader(output, device="cpu")
    assert reader.layers == 1 and reader[0].shape == (3, 48, 64)
    shapes = [plane.shape for plane in reader.planes(Fraction(1, 2))]
    assert shapes == list(video.plane_shapes)
    for scale in (2, 4):
        small = VideoReader(output, device="cpu", scale=Fraction(1, scale))
        wanted = replace(video, width=64 // scale, height=48 // scale).plane_shapes
        assert [plane.shape for plane in small.planes(0)] == list(wanted)
    assert VideoDataset(output, clip_length=2)[0].frames.shape == (2, 3, 48, 64)
    assert evaluate(job.inputs[0], output).quality.psnr == pytest.approx(layer.psnr)
    for pix_fmt, planes in (("yuv420p", ChromaFormat.YUV420), ("yuv444p12le", ChromaFormat.YUV444)):
        nvcodec.decode(output, tmp_path / f"{pix_fmt}.y4m", pix_fmt=pix_fmt, frames=1)
        with open_source(tmp_path / f"{pix_fmt}.y4m") as source:
            assert source.format.chroma is planes and source.format.bit_depth == (12 if "12" in pix_fmt else 8)


@pytest.mark.parametrize("chroma", NEW)
def test_what_a_mask_hides_is_measured_apart(tiny_job: JobMaker, chroma: ChromaFormat) -> None:
    job = tiny_job(video=replace(SMALL, chroma=chroma), frames=4, mask="box:17x15+6+7")
    result = encode(job)
    measured = evaluate(job.inputs[0], job.output, mask="box:17x15+6+7").quality
    assert result.masked is not None and result.masked == measured.masked
    assert measured.psnr == pytest.approx(result.psnr)


@pytest.mark.parametrize("chroma", NEW)
def test_as_rgb(tiny_job: JobMaker, tmp_path: Path, chroma: ChromaFormat) -> None:
    job = tiny_job(value=3000, video=replace(SMALL, chroma=chroma), frames=4, epochs=2, domain="rgb")
    result, reader = encode(job), VideoReader(job.output, device="cpu")
    assert reader.format.chroma is ChromaFormat.RGB and reader.session.stream(0).format.chroma is chroma
    assert {"y", "rgb"} <= result.psnr.keys()
    nvcodec.decode(job.output, tmp_path / "out.y4m", pix_fmt="yuv444p")
    with open_source(tmp_path / "out.y4m") as source:
        assert source.format.chroma is ChromaFormat.YUV444


@pytest.mark.parametrize("chroma", [ChromaFormat.GREY, ChromaFormat.YUV422])
def test_tiles(tiny_job: JobMaker, monkeypatch: pytest.MonkeyPatch, chroma: ChromaFormat) -> None:
    sizes = []
    real = segment_module.tiles
    monkeypatch.setattr(segment_module, "available_bytes", lambda device: 1)
    monkeypatch.setattr(segment_module, "tiles", lambda *given: sizes.append(len(real(*given))) or real(*given))
    video = VideoFormat(160, 112, Fraction(25), 8, chroma)
    result = encode(tiny_job(value=4000, video=video, frames=2, epochs=40))
    assert sizes[0] > 1 and result.psnr["y"] > 15


def test_a_stopped_encode_goes_on(tiny_job: JobMaker, tmp_path: Path) -> None:
    video = VideoFormat(53, 37, None, 12, ChromaFormat.YUV422)
    straight, broken = (tiny_job(video=video, frames=4, output=name) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)
    steps = iter(range(5))
    with pytest.raises(InterruptedEncodeError):
        encode(broken, work_dir=tmp_path / "work", should_stop=lambda: next(steps, 5) >= 4)
    encode(Job.load(tmp_path / "work" / "job.json"), work_dir=tmp_path / "work")
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()
