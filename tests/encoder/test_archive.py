"""Archives: real bytes of several tiny videos, and the units that they are fitted in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.config.archive_job import ArchiveJob
from nvcodec.config.fit import EncodeConfig
from nvcodec.config.layer_job import LayerJob
from nvcodec.config.settings import apply
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.container import read_container
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.add_layer import add_layer
from nvcodec.encoder.archive import encode_archive
from nvcodec.encoder.archive_result import ArchiveResult
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.units import Archive, ArchiveField, geometry_of
from nvcodec.encoder.plan.size_dnerv import PRESETS
from nvcodec.errors import InputError, InterruptedEncodeError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.models.dnerv import DNeRV
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

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
def job(tmp_path_factory: pytest.TempPathFactory, moving: Pictures) -> ArchiveJob:
    """Three videos that have nothing in common, one of them a single picture."""
    folder = tmp_path_factory.mktemp("archive")
    for name, (video, frames) in VIDEOS.items():
        with open_sink(str(folder / f"{name}.y4m"), video) as sink:
            for planes in moving(video, frames):
                sink.write(planes)
    sources = tuple(str(folder / f"{name}.y4m") for name in VIDEOS)
    config = apply(EncodeConfig(preset="draft", epochs=2), TINY, "dnerv")
    return ArchiveJob(sources, str(folder / "out.nvc"), RateTarget(TargetKind.SIZE, TARGET), config)


@pytest.fixture(scope="module")
def result(job: ArchiveJob) -> ArchiveResult:
    """The job, encoded."""
    torch.set_num_threads(1)
    return encode_archive(job)


def test_the_file_is_as_large_as_asked_for(job: ArchiveJob, result: ArchiveResult) -> None:
    data = Path(job.output).read_bytes()
    assert result.bytes == len(data) <= TARGET and result.shortfall is None
    pixels = sum(video.width * video.height * frames for video, frames in VIDEOS.values())
    assert result.bpp == pytest.approx(8 * len(data) / pixels)
    assert result.key_frame_bytes == sum(stream.key_frame_bytes for stream in result.streams)
    assert 0.85 * len(data) < result.key_frame_bytes + result.network_bytes + 800 < 1.15 * len(data)
    assert not list(Path(job.output).parent.glob("*.part"))


def test_every_video_comes_back_as_it_was(job: ArchiveJob, result: ArchiveResult, moving: Pictures) -> None:
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


def test_digests_check(job: ArchiveJob, result: ArchiveResult) -> None:
    for index in range(len(VIDEOS)):
        check_segment(VideoReader(job.output, device="cpu", stream=index), index)
    container = VideoReader(job.output, device="cpu").session.container
    assert len({digest.integers for digest in container.digests.values()}) == 1
    assert [bool(segment.payload) for segment in container.segments] == [True, False, False]


def test_key_frames_that_are_nearer_are_shown(job: ArchiveJob, result: ArchiveResult, moving: Pictures) -> None:
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


def test_the_same_job_gives_the_same_bytes(job: ArchiveJob, result: ArchiveResult) -> None:
    again = replace(job, output=f"{job.output}.again")
    assert encode_archive(again, verify=False).bytes == result.bytes
    assert Path(again.output).read_bytes() == Path(job.output).read_bytes()


def test_nothing_is_replaced_unasked(job: ArchiveJob, result: ArchiveResult) -> None:
    before = Path(job.output).read_bytes()
    with pytest.raises(UsageError, match="exists"):
        encode_archive(job)
    assert Path(job.output).read_bytes() == before


@pytest.mark.parametrize("steps", [0, 3])
def test_a_stopped_encode_writes_nothing(job: ArchiveJob, tmp_path: Path, steps: int) -> None:
    asked = iter(range(steps))
    stopped = replace(job, sources=job.sources[2:], output=str(tmp_path / "out.nvc"))
    stopped = replace(stopped, config=replace(job.config, epochs=8))
    with pytest.raises(InterruptedEncodeError):
        encode_archive(stopped, should_stop=lambda: next(asked, None) is None)
    assert not list(tmp_path.iterdir())


def test_sources_and_targets_that_are_refused(job: ArchiveJob, tmp_path: Path, moving: Pictures) -> None:
    rgb = VideoFormat(16, 16, chroma=ChromaFormat.RGB)
    with open_sink(f"{tmp_path}/pictures/", rgb) as sink:
        for planes in moving(rgb, 2):
            sink.write(planes)
    job = replace(job, output=str(tmp_path / "out.nvc"))
    with pytest.raises(UsageError, match=r"pictures.* is RGB"):
        encode_archive(replace(job, sources=(*job.sources, f"{tmp_path}/pictures/")))
    with pytest.raises(UsageError, match="target-psnr"):
        encode_archive(replace(job, target=RateTarget(TargetKind.PSNR, 30)))
    with pytest.raises(UsageError, match="frame rate"):  # that of the third is not known
        encode_archive(replace(job, target=RateTarget(TargetKind.BITRATE, 1e5)))
    with pytest.raises(UsageError, match="key_channels"):
        encode_archive(replace(job, config=replace(job.config, model={"key_channels": 0})))
    with pytest.raises(InputError):
        encode_archive(replace(job, sources=(*job.sources, str(tmp_path / "nothing.y4m"))))
    with pytest.raises(UsageError, match="cannot write"):
        encode_archive(replace(job, sources=job.sources[2:], output=str(tmp_path / "no" / "out.nvc")))
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_a_target_too_small_is_said_to_be(job: ArchiveJob, tmp_path: Path) -> None:
    small = replace(
        job, sources=job.sources[2:], output=str(tmp_path / "out.nvc"), target=RateTarget(TargetKind.SIZE, 99)
    )
    result = encode_archive(small)
    assert result.shortfall is not None and "99" in result.shortfall and result.bytes > 99
    assert len(VideoReader(small.output, device="cpu")) == 1


def test_no_layer_goes_on_an_archive(job: ArchiveJob, tmp_path: Path) -> None:
    alone = replace(job, sources=job.sources[2:], output=str(tmp_path / "out.nvc"))
    encode_archive(alone)
    with pytest.raises(UsageError, match="no layer can enhance"):
        add_layer(LayerJob(alone.output, alone.sources[0], str(tmp_path / "layer.nvc")))


@settings(max_examples=8)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 19)), min_size=1, max_size=3),
    st.sampled_from([0, 8, 16, 24]),
    st.sampled_from([1, 4, 8]),
)
def test_every_sample_is_a_target_once(sizes: list[tuple[int, int, int]], tile: int, length: int) -> None:
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, tile=tile, overlap=8, clip=length)
    archive = _numbered(config, sizes)
    field = ArchiveField(archive).requires_grad_(False)
    seen = [[torch.zeros_like(plane) for plane in clip.planes] for clip in archive.clips]
    for index, unit in enumerate(archive.units):
        clip, frames = archive.clips[unit.video], archive.frames(index)
        chosen = torch.tensor([index])
        targets = archive.targets(chosen)
        assert [tuple(p.shape) for p in field(chosen).planes] == [tuple(p.shape) for p in targets]
        assert archive.peak(index) == clip.format.peak
        for target, plane, count in zip(targets, clip.planes, seen[unit.video], strict=True):
            assert len(target) == len(frames)
            halved = plane.shape[1:] != clip.planes[0].shape[1:]
            top, left = (span.inner.start // (2 if halved else 1) for span in (unit.rows, unit.columns))
            place = np.s_[frames.start : frames.stop, top : top + target.shape[1], left : left + target.shape[2]]
            assert torch.equal((target * clip.format.peak).round(), plane[place].float())
            count[place] += 1
    assert all((count == 1).all() for counts in seen for count in counts)
    assert archive.pixels == sum(height * width * frames for height, width, frames in sizes)


def _numbered(config: DNeRVConfig, sizes: list[tuple[int, int, int]]) -> Archive:
    """Videos of noise, in turn of 8 and 10 bits, with their own pictures as key frames."""
    rng, clips, keys = np.random.default_rng(0), [], []
    for index, (height, width, frames) in enumerate(sizes):
        video = VideoFormat(width, height, bit_depth=10 if index % 2 else 8)
        pictures = []
        for _ in range(frames):
            y, u, v = (rng.integers(0, video.peak + 1, shape).astype(video.dtype) for shape in video.plane_shapes)
            pictures.append((y, u, v))
        clips.append(Clip.load(pictures, video, frames))
        keys.append([pictures[time] for time in key_times(frames, config.clip)])
    return Archive(config, clips, keys)


def test_units_are_drawn_as_the_decoder_draws_them() -> None:
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, tile=24, overlap=8)
    archive = _numbered(config, [(48, 40, 11), (17, 30, 3)])
    torch.manual_seed(0)
    field = ArchiveField(archive).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.15 * torch.randn_like(parameter))
    for video, clip in enumerate(archive.clips):
        whole = DNeRV(config, geometry_of(clip)).requires_grad_(False)
        whole.network.load_state_dict(field.network.state_dict())
        whole.video = archive.videos[video]
        planes = whole(torch.arange(len(clip))).planes
        for index, unit in enumerate(archive.units):
            if unit.video == video:
                frames = archive.frames(index)
                drawn = field(torch.tensor([index])).planes[0]
                torch.testing.assert_close(
                    drawn, planes[0][frames.start : frames.stop, unit.rows.inner, unit.columns.inner]
                )


def _parameters(network: DNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in network.tensor_specs(geometry))


GEOMETRY = FieldGeometry(8, 1080, 1920, Domain.YUV420)


@settings(max_examples=40)
@given(st.sampled_from(sorted(PRESETS)), st.integers(200_000, 2_000_000))
def test_pinned_parameters_are_met(name: str, parameters: int) -> None:
    network = PRESETS[name].network(GEOMETRY, parameters, pinned=True)
    widest = PRESETS[name].network(GEOMETRY, 10**9, pinned=True)
    found, most = _parameters(network, GEOMETRY), _parameters(widest, GEOMETRY)
    assert found == pytest.approx(min(parameters, most), rel=0.05)


@settings(max_examples=40)
@given(st.sampled_from(sorted(PRESETS)), st.integers(1, 10_000_000), st.integers(0, 1_000_000))
def test_more_room_is_never_a_smaller_network(name: str, parameters: int, more: int) -> None:
    preset = PRESETS[name]
    small, large = (preset.network(GEOMETRY, count) for count in (parameters, parameters + more))
    assert small.stem <= large.stem <= preset.max_stem + 1
    assert _parameters(small, GEOMETRY) <= _parameters(large, GEOMETRY)


def test_groups_of_key_frames_are_as_long_as_asked_for(job: ArchiveJob, tmp_path: Path) -> None:
    config = apply(replace(job.config, epochs=0.1), {"keys.group": "2"}, "dnerv")
    output = tmp_path / "groups.nvc"
    encode_archive(replace(job, output=str(output), config=config))
    container = read_container(output.read_bytes())
    assert [keys.group for keys in container.key_frames.values()] == [2, 2, 2]
    packets, video = container.key_frames[0].packets, container.header.streams[0].format
    assert len(packets) == 4 and len(decode_key_frames(packets[2:], video)) == 2  # needs nothing in front of it
