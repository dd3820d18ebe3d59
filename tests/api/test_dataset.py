"""Bitstreams as training data: real archives, real worker processes."""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader

import nvcodec
from nvcodec.api.dataset import VideoClip, VideoDataset
from nvcodec.color import to_eight_bit, yuv_to_rgb
from nvcodec.container import Limits
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError, DeviceError, InputError, UnsupportedError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.types import Domain, Planes, VideoFormat

torch.set_num_threads(1)

CONFORMANCE = Path(__file__).parents[1] / "conformance"
TINY = {"strides": "2,2", "channels": "8,6", "stem": 6, "key_channels": 4, "shuffle": 4, "clip": 4}
VIDEOS = {
    "waves_a": (VideoFormat(64, 48, Fraction(25)), 19),
    "odd": (VideoFormat(37, 35, Fraction(25)), 8),
    "deep": (VideoFormat(64, 48, Fraction(25), bit_depth=10), 9),
    "short": (VideoFormat(64, 48, Fraction(25)), 3),
}
SAME_SIZE = ["waves_a", "deep", "short"]

Moving = Callable[[VideoFormat, int], list[Planes]]
Pictures = dict[str, Tensor]
Traced = Callable[[Callable[[int], None], int], tuple[int, int]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, moving: Moving) -> Path:
    """Four videos of several sizes, lengths and depths."""
    folder, sources = tmp_path_factory.mktemp("dataset"), []
    for number, (name, (video, frames)) in enumerate(VIDEOS.items()):
        sources.append(folder / f"{name}.y4m")
        with open_sink(sources[-1], video) as sink:
            for planes in moving(video, frames + 5 * number)[5 * number :]:
                sink.write(planes)
    output = folder / "archive.nvc"
    options = {f"model.{name}": value for name, value in TINY.items()}
    nvcodec.encode_archive(sources, output, crf=40, preset="draft", epochs=1, settings=options, device="cpu")
    return output


@pytest.fixture(scope="module")
def played(archive: Path) -> Pictures:
    """Every video from beginning to end, by a reader of its own: uint8 [frames, 3, height, width]."""
    return {name: _played(archive, stream) for stream, name in enumerate(VIDEOS)}


def _played(file: Path, stream: int = 0) -> Tensor:
    reader = VideoReader(file, device="cpu", stream=stream)
    video, pictures = reader.format, []
    for planes in reader.frames():
        rgb = planes if reader.session.container.header.domain == Domain.RGB else yuv_to_rgb(planes, video)
        pictures.append(np.stack(to_eight_bit(rgb, video)))
    return torch.from_numpy(np.stack(pictures))


def _close(clip: Tensor, expected: Tensor) -> bool:
    if clip.shape != expected.shape:
        return False
    difference = (clip.int() - expected.int()).abs().float()
    # one code value more of each plane is up to three in RGB; and few samples may differ at all
    return difference.max().item() <= 3 and difference.mean().item() < 0.01


@pytest.mark.parametrize(("length", "stride"), [(8, None), (4, None), (4, 4), (5, 3), (1, 1), (3, 7), (19, None)])
def test_clips_are_what_playing_shows(archive: Path, played: Pictures, length: int, stride: int | None) -> None:
    dataset = VideoDataset(archive, clip_length=length, stride=stride)
    expected = [
        (number, name, first)
        for number, (name, (_, frames)) in enumerate(VIDEOS.items())
        for first in range(0, frames - length + 1, stride or length)
    ]
    assert len(dataset) == len(expected)
    order = list(range(len(dataset)))
    random.Random(length).shuffle(order)
    for index in order[:20]:
        clip = dataset[index]
        assert (clip.stream, clip.name, clip.first_frame) == expected[index]
        assert clip.frames.dtype == torch.uint8 and clip.frames.is_contiguous()
        assert _close(clip.frames, played[clip.name][clip.first_frame : clip.first_frame + length])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_batch_is_its_clips(archive: Path, played: Pictures, data: st.DataObject) -> None:
    length, stride = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 6))
    dataset = VideoDataset(archive, clip_length=length, stride=stride)
    indices = data.draw(st.lists(st.integers(-len(dataset), len(dataset) - 1), max_size=6))
    clips = dataset.__getitems__(indices)
    assert len(clips) == len(indices)
    for index, clip in zip(indices, clips, strict=True):
        assert index % len(dataset) in dataset.clips_of(clip.stream)
        assert clip.first_frame == (index % len(dataset) - dataset.clips_of(clip.stream)[0]) * stride
        assert _close(clip.frames, played[clip.name][clip.first_frame : clip.first_frame + length])


def test_a_batch_draws_nothing_twice(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nvcodec.models.base import PlaneTensors
    from nvcodec.models.dnerv import DNeRV

    drawn, draw = [], DNeRV._clip

    def counted(self: DNeRV, clip: int, late: float) -> PlaneTensors:
        drawn.append((self.geometry, clip))
        return draw(self, clip, late)

    monkeypatch.setattr(DNeRV, "_clip", counted)
    dataset = VideoDataset(archive, clip_length=4, stride=1)
    dataset.__getitems__([0, 20, 1, 2, 0])  # frames 0 to 5 of one video, and four of another
    first = [clip for geometry, clip in drawn if geometry.frames == 19]
    assert first == [0, 1] and len(drawn) == len(set(drawn))
    drawn.clear()
    assert dataset[4].first_frame == 4 and [clip for _, clip in drawn] == [1]  # aligned: nothing but itself


def test_what_is_shared_is_decoded_once(archive: Path, played: Pictures) -> None:
    session = open_session(archive, fields_kept=2)
    readers = [VideoReader(session, device="cpu", stream=stream) for stream in range(len(VIDEOS))]
    readers[0].planes(0)
    spent = session.entropy_s
    networks = set()
    for stream, reader in enumerate(readers):
        reader.planes(-1)
        networks.add(id(session.field(stream, "cpu").network))
        assert session.fields_held <= 2
    assert session.entropy_s == spent > 0 and len(networks) == 1
    for reader, whole in zip(readers, played.values(), strict=True):
        alone = list(reader.frames())
        assert len(alone) == len(whole)


def test_reading_leaves_random_numbers_alone(archive: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert VideoDataset([archive, CONFORMANCE / "layers.nvc"], clip_length=2)[-1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_give_every_clip_once(archive: Path, played: Pictures, method: str) -> None:
    dataset = VideoDataset(archive, clip_length=4, streams=SAME_SIZE)
    assert dataset[0].name == "waves_a"  # so that there is something open that workers must not use
    loader = DataLoader(dataset, batch_size=2, shuffle=True, num_workers=2, multiprocessing_context=method)
    seen = []
    for batch in loader:
        assert isinstance(batch, VideoClip) and batch.frames.shape[1:] == (4, 3, 48, 64)
        for frames, name, first in zip(batch.frames, batch.name, batch.first_frame.tolist(), strict=True):
            assert _close(frames, played[name][first : first + 4])
            seen.append((name, first))
    everything = [(clip.name, clip.first_frame) for clip in dataset]
    assert sorted(seen) == sorted(everything) and len(set(everything)) == len(dataset) == 6


def test_threads_may_share_it(archive: Path, played: Pictures) -> None:
    dataset, wrong = VideoDataset(archive, clip_length=3, stride=2, streams_kept=1), []

    def read(seed: int) -> None:
        for index in random.Random(seed).choices(range(len(dataset)), k=12):
            clip = dataset[index]
            if not _close(clip.frames, played[clip.name][clip.first_frame : clip.first_frame + 3]):
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memory_stays_flat(archive: Path, traced: Traced) -> None:
    dataset, choose = VideoDataset(archive, clip_length=2, streams_kept=2), random.Random(0)
    session = dataset._session(0)

    def read(count: int) -> None:
        for _ in range(count):
            dataset[choose.randrange(len(dataset))]
            assert session.fields_held <= 2

    growth, peak = traced(read, 300)
    # numpy's arrays are traced: one clip is 18 kB of RGB, one video's key frames about as much
    assert growth < 100_000 and peak < 3_000_000


def test_files_are_closed_that_are_not_asked_for(archive: Path) -> None:
    dataset = VideoDataset([archive.read_bytes()] * 7, clip_length=8)
    assert len(dataset.streams) == 28 and len(dataset._sessions) <= 4
    for index in range(0, len(dataset), 4):
        dataset[index]
    assert len(dataset._sessions) <= 4


def test_pickles_by_path(archive: Path, played: Pictures, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(archive.parent)
    dataset = VideoDataset(archive.name, clip_length=4)
    dataset[0]
    parcel = pickle.dumps(dataset)
    assert len(parcel) < 4000
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(parcel)  # noqa: S301
    assert len(again) == len(dataset) and again.streams == dataset.streams
    assert _close(again[1].frames, played["waves_a"][4:8])
    whole = pickle.loads(pickle.dumps(VideoDataset(archive.read_bytes(), clip_length=4)))  # noqa: S301
    assert _close(whole[1].frames, played["waves_a"][4:8])


def test_several_files_of_any_model(archive: Path, played: Pictures) -> None:
    others = [CONFORMANCE / "layers.nvc", CONFORMANCE / "rgb_source.nvc"]
    dataset = VideoDataset([archive, *others], clip_length=2)
    assert [stream.file for stream in dataset.streams] == [0, 0, 0, 0, 1, 2]
    for number, stream in enumerate(dataset.streams):
        whole = played[stream.name] if stream.file == 0 else _played(others[stream.file - 1])
        assert len(whole) == stream.frames and len(dataset.clips_of(number)) == stream.frames // 2
        for index in dataset.clips_of(number):
            clip = dataset[index]
            assert clip.stream == number and _close(clip.frames, whole[clip.first_frame : clip.first_frame + 2])
    base = VideoDataset(others[0], clip_length=2, layers=0)
    assert not _close(base[0].frames, VideoDataset(others[0], clip_length=2)[0].frames)


def test_streams_are_chosen_by_name_or_number(archive: Path) -> None:
    dataset = VideoDataset(archive, clip_length=3, streams=["deep", 0, "deep"])
    assert [stream.name for stream in dataset.streams] == ["deep", "waves_a"]
    assert dataset.clips_of("deep") == dataset.clips_of(0) == range(3)
    assert dataset.clips_of("waves_a") == range(3, 9) and dataset[3].name == "waves_a"
    assert [stream.name for stream in VideoDataset(archive, streams="odd").streams] == ["odd"]
    assert repr(dataset) == "VideoDataset(9 clips of 3 frames, 2 videos, cpu)"
    long = VideoDataset(archive, clip_length=9)
    assert len(long.clips_of("odd")) == len(long.clips_of("short")) == 0 and len(long) == 3
    for wrong, words in (("even", "no video called 'even'"), (4, "no video 4"), (-1, "no video -1")):
        for ask in (dataset.clips_of, lambda wanted: VideoDataset(archive, streams=[wanted])):
            with pytest.raises(UsageError, match=words):
                ask(wrong)
    with pytest.raises(UsageError, match="2 videos are called 'odd'"):
        VideoDataset([archive, archive], streams="odd")


def test_transform_brings_sizes_together(archive: Path) -> None:
    dataset = VideoDataset(archive, clip_length=2, transform=lambda frames: frames[..., 1:33, 2:34].float() / 255)
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    assert batch.frames.shape == (len(dataset), 2, 3, 32, 32) and batch.frames.max() <= 1


@pytest.mark.parametrize("index", [20, -21, 1000])
def test_clips_that_are_not_there(archive: Path, index: int) -> None:
    dataset = VideoDataset(archive, clip_length=1, streams=["waves_a"], stride=1)
    assert len(dataset) == 19
    with pytest.raises(IndexError, match=rf"clip {index} is not in 0\.\.18"):
        dataset[index]
    with pytest.raises(IndexError):
        dataset.__getitems__([0, index])
    for odd in (0.5, "0", slice(3)):
        with pytest.raises(TypeError):
            dataset[odd]
    last = dataset[-1]
    assert last.first_frame == dataset[np.int64(18)].first_frame == dataset[torch.tensor(18)].first_frame == 18


def test_wrong_options(archive: Path, tmp_path: Path) -> None:
    for options in ({"clip_length": 0}, {"stride": 0}, {"stride": -1}, {"streams_kept": 0}, {"layers": 1}):
        with pytest.raises(UsageError):
            VideoDataset(archive, **options)
    with pytest.raises(UsageError, match="no precision 'float16'"):
        VideoDataset(archive, precision="float16")
    with pytest.raises(UsageError, match="no clip of 20 frames in 4 videos") as caught:
        VideoDataset(archive, clip_length=20)
    assert "19 frames" in caught.value.hint
    with pytest.raises(UsageError, match="no clip"):
        VideoDataset([])
    with pytest.raises(DeviceError, match="cuda:99"):
        VideoDataset(archive, device="cuda:99")
    with pytest.raises(InputError, match=r"missing\.nvc"):
        VideoDataset(tmp_path / "missing.nvc")
    with pytest.raises(UnsupportedError, match="announces 19 frames"):
        VideoDataset(archive, limits=Limits(max_frames=18))


def test_damage_names_file_and_video_and_spares_the_others(archive: Path, tmp_path: Path, played: Pictures) -> None:
    data = bytearray(archive.read_bytes())
    packets = open_session(archive).container.key_frames[1].packets
    at = data.find(packets[0])
    data[at + len(packets[0]) // 2] ^= 0x40
    (tmp_path / "bad.nvc").write_bytes(data)
    dataset = VideoDataset(tmp_path / "bad.nvc", clip_length=4)
    with pytest.raises(BitstreamError, match=r"bad\.nvc: .*\(odd\)"):
        dataset[dataset.clips_of("odd")[0]]
    assert _close(dataset[dataset.clips_of("deep")[0]].frames, played["deep"][:4])


@pytest.mark.parametrize(
    ("file", "mean", "most"), [("archive", 0.2, 6), ("msnerv", 0.8, 8), ("dnerv_published", 0.4, 6), ("nerv", 0.6, 8)]
)
def test_bfloat16_is_near(file: str, mean: float, most: float) -> None:
    path = CONFORMANCE / f"{file}.nvc"
    exact, near = (VideoDataset(path, precision=precision)[0].frames.int() for precision in ("float32", "bfloat16"))
    assert 0 < (exact - near).abs().float().mean() < mean and (exact - near).abs().max() <= most
    reader = pickle.loads(pickle.dumps(VideoReader(path, device="cpu", precision="bfloat16")))  # noqa: S301
    assert torch.equal(torch.stack([reader[index] for index in range(8)]).int(), near)
