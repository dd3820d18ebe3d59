"""Whole encodes of several tiny videos with one network: real bytes, and what is promised about them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import nvcodec
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.container import read_container
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Forecast, Notice
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.parts.shared import SharedPart
from nvcodec.encoder.result import EncodeResult
from nvcodec.errors import InputError, InterruptedEncodeError, NvcError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.models.dnerv_config import key_times
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Pictures = Callable[[VideoFormat, int], list[Planes]]
VIDEOS = {
    "first": (VideoFormat(64, 48, Fraction(25)), 19),
    "second": (VideoFormat(37, 53, Fraction(30000, 1001), 10), 9),
    "third": (VideoFormat(20, 16), 1),
}
TINY: dict[str, object] = {
    "model.strides": "2,2",
    "model.channels": "8,8",
    "model.stem": "6",
    "model.key_channels": "8",
    "model.shuffle": "2",
    "model.time_levels": "8",
    "model.time_width": "8",
    "model.tile": "40",
}
TARGET = 6000


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, moving: Pictures) -> Job:
    """Three videos that have nothing in common, one of them a single picture."""
    folder = tmp_path_factory.mktemp("archive")
    for name, (video, frames) in VIDEOS.items():
        with open_sink(str(folder / f"{name}.y4m"), video) as sink:
            for planes in moving(video, frames):
                sink.write(planes)
    sources = tuple(str(folder / f"{name}.y4m") for name in VIDEOS)
    options = EncodeOptions(model="dnerv", target_size=TARGET, preset="draft", epochs=2, device="cpu", settings=TINY)
    return Job(sources, str(folder / "out.nvc"), options)


def _asking(job: Job, folder: Path, *inputs: str, **changes: object) -> Job:
    """The job of other inputs, if given, with other options, to a file in a folder."""
    options = replace(job.options, **changes)  # type: ignore[arg-type]
    return replace(job, inputs=inputs or job.inputs, output=str(folder / "out.nvc"), options=options)


@pytest.fixture(scope="module")
def result(job: Job) -> EncodeResult:
    """The job, encoded."""
    torch.set_num_threads(1)
    result = encode(job)
    assert isinstance(result, EncodeResult)
    return result


def test_the_file_is_as_large_as_asked_for(job: Job, result: EncodeResult) -> None:
    data = Path(job.output).read_bytes()
    assert result.bytes == len(data) <= TARGET and result.shortfall is None
    pixels = sum(video.width * video.height * frames for video, frames in VIDEOS.values())
    assert result.bpp == pytest.approx(8 * len(data) / pixels)
    assert result.key_frame_bytes == sum(stream.key_frame_bytes for stream in result.streams)
    assert 0.85 * len(data) < result.key_frame_bytes + result.network_bytes + 800 < 1.15 * len(data)
    assert not list(Path(job.output).parent.glob("*.part"))


def test_every_video_comes_back_as_it_was(job: Job, result: EncodeResult, moving: Pictures) -> None:
    assert [stream.name for stream in result.streams] == list(VIDEOS)
    for index, (measured, (video, frames)) in enumerate(zip(result.streams, VIDEOS.values(), strict=True)):
        reader = VideoReader(job.output, device="cpu", stream=index)
        assert (len(reader), reader.format) == (frames, video) and reader.session.stream(index).frames == frames
        times = key_times(frames, 8)
        assert (measured.key_frames, measured.frames) == (len(times), frames)
        pictures, source = list(reader.frames()), moving(video, frames)
        assert [plane.shape for plane in pictures[-1]] == list(video.plane_shapes)
        assert measured.psnr["y"] == pytest.approx(
            np.mean([_psnr_db(a, b, video) for a, b in zip(source, pictures, strict=True)])
        )
        assert min(_psnr_db(source[time], pictures[time], video) for time in times) > 25
        alone = reader.planes(frames // 2)
        assert all(np.array_equal(a, b) for a, b in zip(alone, pictures[frames // 2], strict=True))


def _psnr_db(source: Planes, drawn: Planes, video: VideoFormat) -> float:
    """Of luma."""
    error = np.mean((source[0].astype(float) - drawn[0]) ** 2)
    return float(10 * np.log10(video.peak**2 / error))


def test_digests_check(job: Job, result: EncodeResult) -> None:
    for index in range(len(VIDEOS)):
        check_segment(VideoReader(job.output, device="cpu", stream=index), index)
    container = VideoReader(job.output, device="cpu").session.container
    assert len({digest.integers for digest in container.digests.values()}) == 1
    assert [bool(segment.payload) for segment in container.segments] == [True, False, False]


def test_key_frames_that_are_nearer_are_shown(job: Job, result: EncodeResult, moving: Pictures) -> None:
    for index, (video, frames) in enumerate(VIDEOS.values()):
        reader = VideoReader(job.output, device="cpu", stream=index)
        coded = reader.session.container.key_frames[index]
        assert sum(coded.direct) == result.streams[index].direct
        pictures, source = decode_key_frames(coded.packets, video), moving(video, frames)
        for time, picture, direct in zip(key_times(frames, 8), pictures, coded.direct, strict=True):
            shown = reader.planes(time)
            if direct:
                assert all(np.array_equal(a, b) for a, b in zip(shown, picture, strict=True))
            else:
                assert _combined_db(source[time], shown, video) >= _combined_db(source[time], picture, video) - 1e-6


def _combined_db(source: Planes, drawn: Planes, video: VideoFormat) -> float:
    """6:1:1 over the planes."""
    pairs = zip(source, drawn, strict=True)
    db = [10 * math.log10(video.peak**2 / max(float(np.mean((a.astype(float) - b) ** 2)), 1e-9)) for a, b in pairs]
    return (6 * db[0] + db[1] + db[2]) / 8


def test_the_same_job_gives_the_same_bytes(job: Job, result: EncodeResult) -> None:
    again = replace(job, output=f"{job.output}.again")
    assert encode(again, verify=False).bytes == result.bytes
    assert Path(again.output).read_bytes() == Path(job.output).read_bytes()


def test_nothing_is_replaced_unasked(job: Job, result: EncodeResult) -> None:
    before = Path(job.output).read_bytes()
    with pytest.raises(UsageError, match="exists"):
        encode(job)
    assert Path(job.output).read_bytes() == before


@pytest.mark.parametrize("steps", [0, 3])
def test_a_stopped_encode_writes_nothing(job: Job, tmp_path: Path, steps: int) -> None:
    asked = iter(range(steps))
    with pytest.raises(InterruptedEncodeError):
        encode(_asking(job, tmp_path, job.inputs[2], epochs=8), should_stop=lambda: next(asked, None) is None)
    assert not list(tmp_path.iterdir())


def test_sources_and_targets_that_are_refused(job: Job, tmp_path: Path, moving: Pictures) -> None:
    rgb = VideoFormat(16, 16, chroma=ChromaFormat.RGB)
    with open_sink(f"{tmp_path}/pictures/", rgb) as sink:
        for planes in moving(rgb, 2):
            sink.write(planes)
    with pytest.raises(UsageError, match="the source is 8-bit 4:4:4"):
        encode(_asking(job, tmp_path, f"{tmp_path}/pictures/", pix_fmt="yuv444p"))
    with pytest.raises(UsageError, match=r"pictures.* is 8-bit 4:4:4"):
        nvcodec.encode(
            [f"{tmp_path}/pictures/"] * 2, tmp_path / "out.nvc", model="dnerv", device="cpu", pix_fmt="yuv444p"
        )
    with pytest.raises(UsageError, match="frame rate"):  # that of the third is not known
        encode(_asking(job, tmp_path, target_size=None, bitrate=1e5))
    with pytest.raises(UsageError, match="key_channels"):
        encode(_asking(job, tmp_path, settings={"model.key_channels": 0}))
    with pytest.raises(InputError):
        encode(_asking(job, tmp_path, *job.inputs, str(tmp_path / "nothing.y4m")))
    with pytest.raises(UsageError, match="cannot write"):
        encode(_asking(job, tmp_path / "no", job.inputs[2]))
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize(("names", "targets"), [((0,), (31.0, 36.0)), ((0, 1), (33.0,))])
def test_a_quality_is_reached_with_few_bytes(
    job: Job, tmp_path: Path, names: tuple[int, ...], targets: tuple[float, ...]
) -> None:
    sizes = []
    for psnr_db in targets:
        inputs = [job.inputs[name] for name in names]
        asked = _asking(job, tmp_path, *inputs, target_size=None, target_psnr=psnr_db, epochs=6)
        result = encode(asked, overwrite=True)
        assert isinstance(result, EncodeResult) and result.shortfall is None
        found = [
            np.mean([_yuv_db(a, b, reader.format) for a, b in zip(reader.frames(), _source(path), strict=True)])
            for stream, path in enumerate(inputs)
            for reader in [VideoReader(asked.output, device="cpu", stream=stream)]
        ]
        assert np.mean(found) == pytest.approx(result.psnr["yuv_611"], abs=0.02) and np.mean(found) >= psnr_db
        sizes.append(result.bytes)
    assert len(sizes) == 1 or sizes[0] < 0.8 * sizes[1]


def test_a_quality_out_of_reach_is_said_to_be(job: Job, tmp_path: Path) -> None:
    result = encode(_asking(job, tmp_path, job.inputs[0], target_size=None, target_psnr=70, epochs=1))
    assert result.shortfall is not None and "70 dB were asked for" in result.shortfall
    assert Path(result.file).stat().st_size == result.bytes


def _yuv_db(drawn: Planes, source: Planes, video: VideoFormat) -> float:
    each = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(drawn, source, strict=True)]
    return float(np.dot((6 / 8, 1 / 8, 1 / 8), -10 * np.log10(np.maximum(np.array(each) / video.peak**2, 1e-10))))


def _source(path: object) -> list[Planes]:
    with open_source(str(path)) as source:
        return list(source)


def test_segments_have_networks_of_their_own(job: Job, tmp_path: Path) -> None:
    """Of two videos the first segments share one, the second ones the next; each is fitted, sized and cut alone."""
    asked = _asking(job, tmp_path, *job.inputs[:2], segment=10, target_size=9000)
    result = encode(asked)
    assert isinstance(result, EncodeResult) and result.bytes <= 9000
    data = Path(result.file).read_bytes()
    container = read_container(data)
    spans = [(segment.stream, segment.first_frame, segment.frames) for segment in container.segments]
    assert spans == [(0, 0, 9), (1, 0, 9), (0, 9, 10)]
    assert [bool(segment.payload) for segment in container.segments] == [True, False, True]
    assert container.segments[0].payload != container.segments[2].payload
    info = nvcodec.probe(data)
    info.check()
    assert info.networks() == [0, 2] and info.parameters == result.parameters
    for ordinal, segment in enumerate(container.segments):
        check_segment(VideoReader(data, device="cpu", stream=segment.stream), ordinal)
    reader, second = VideoReader(data, device="cpu"), container.chunks
    cut = VideoReader(data[: [chunk.offset for chunk in second if chunk.type == "KEYF"][2]], device="cpu")
    assert len(reader) == 19 and len(cut) == 9
    for frame in (0, 8):
        assert all(np.array_equal(a, b) for a, b in zip(reader.planes(frame), cut.planes(frame), strict=True))
    far, near = reader.planes(12), reader.planes(3)  # there and back between two networks
    assert all(np.array_equal(a, b) for a, b in zip(reader.planes(12), far, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(reader.planes(3), near, strict=True))


@pytest.mark.parametrize("size", [9, 99, 300])
def test_a_target_too_small_for_the_coarsest_key_frames_is_refused(job: Job, tmp_path: Path, size: int) -> None:
    small = _asking(job, tmp_path, job.inputs[2], target_size=size)
    with pytest.raises(UsageError, match=f"leaves {size} bytes; no picture fits into less than") as refused:
        encode(small, on_event=lambda event: pytest.fail(f"{event}"))
    enough = re.search(r'Enough to see something:  target_size="([\d.]+)kB"', refused.value.hint)
    assert enough and not Path(small.output).exists()
    result = encode(_asking(job, tmp_path, job.inputs[2], target_size=1000 * float(enough[1])))
    assert result.shortfall is None, "what the hint names will do"


def test_no_layer_goes_on_an_archive(job: Job, tmp_path: Path) -> None:
    alone = _asking(job, tmp_path, job.inputs[2])
    encode(alone)
    with pytest.raises(UsageError, match="no layer can enhance"):
        encode(
            Job(alone.inputs, str(tmp_path / "layer.nvc"), EncodeOptions(preset="draft", device="cpu"), alone.output)
        )


def test_groups_of_key_frames_are_as_long_as_asked_for(job: Job, tmp_path: Path) -> None:
    grouped = _asking(job, tmp_path, epochs=0.1, settings={**TINY, "keys.group": "2"})
    encode(grouped)
    container = read_container(Path(grouped.output).read_bytes())
    assert [keys.group for keys in container.key_frames.values()] == [2, 2, 2]
    packets, video = container.key_frames[0].packets, container.header.streams[0].format
    assert len(packets) == 4 and len(decode_key_frames(packets[2:], video)) == 2  # needs nothing in front of it


@pytest.mark.parametrize("frames", [1, 8])
def test_what_is_fixed_in_a_file_counts(
    tmp_path: Path, moving: Pictures, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    """Header, digests and index are a large part of small files: key frames and network have to do with the rest."""
    video = VideoFormat(64, 48, Fraction(25))
    random = np.random.default_rng(0)
    with open_sink(str(tmp_path / "clip.y4m"), video) as sink:
        for luma, u, v in moving(video, frames):
            sink.write((luma // 2 + random.integers(0, 60, luma.shape, dtype=np.uint8), u, v))

    def encoded(target: int) -> EncodeResult:
        options = EncodeOptions(model="dnerv", target_size=target, preset="draft", epochs=1, device="cpu")
        job = Job((str(tmp_path / "clip.y4m"),), str(tmp_path / "out.nvc"), options)
        result = encode(job, overwrite=True)
        assert isinstance(result, EncodeResult)
        return result

    with pytest.raises(UsageError, match="no picture fits into less than") as refused:
        encoded(64)
    monkeypatch.setattr(SharedPart, "_check_room", lambda _part: None)  # else most of what follows is refused, too
    smallest = encoded(64).bytes
    (least,) = re.findall(r"less than ([\d,]+)", refused.value.message)
    assert 0.6 * smallest < int(least.replace(",", "")) <= smallest, "what is refused could not have been"
    for target in (smallest - 10, smallest, smallest + 20, smallest + 150, smallest + 400):
        result = encoded(target)
        assert result.bytes <= max(target, smallest)
        assert (result.shortfall is None) == (result.bytes <= target)
        assert result.bytes > 0.85 * min(target, 1000) or result.bytes == smallest  # and what is left is used


@pytest.mark.parametrize(("step_s", "late", "why"), [
    (1e-3, False, None), (0.1, False, "is short for"), (0.1, True, "all but the fit takes longer"),
    (1.0, False, "about 1 of the 40 steps"),
])  # fmt: skip
def test_a_short_time_is_told_before_the_fit(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float, late: bool, why: str | None
) -> None:
    monkeypatch.setattr(SharedPart, "probe", lambda _part, *_asked: step_s)
    monkeypatch.setattr(SharedPart, "time_for_fit", lambda _part, _deadline: 1.0)
    monkeypatch.setattr(SharedPart, "_best_pair", lambda part, _should_stop: part._pair(0.7))
    monkeypatch.setattr(Deadline, "is_late", lambda _deadline, _behind_s: late)
    told: list[Event] = []
    with pytest.raises(NvcError) as error:
        encode(_asking(job, tmp_path, job.inputs[2], max_time_s=2.0, epochs=None), on_event=told.append,
               should_stop=lambda: any(isinstance(event, Forecast) for event in told))  # fmt: skip
    said = [event.message for event in told if isinstance(event, Notice)]
    assert "measuring what this machine can do in the time" in said
    if isinstance(error.value, UsageError):
        assert why and why in error.value.message and "max_time=" in error.value.hint
    else:
        assert isinstance(error.value, InterruptedEncodeError)
        assert why is None or why in " ".join(said)
    assert isinstance(error.value, UsageError) == (late or step_s == 1.0)
