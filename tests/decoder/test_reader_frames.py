"""Frames as tensors: whatever is asked for, and however, is what playing shows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from fractions import Fraction
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import nvcodec
from nvcodec.color import to_rgb
from nvcodec.decoder.frames import FrameBatch
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError, InputError, UsageError
from nvcodec.types import ChromaFormat, Planes, VideoFormat

torch.set_num_threads(1)

Coded = Callable[..., bytes]
Traced = Callable[[Callable[[int], None], int], tuple[int, int]]
CONFORMANCE = Path(__file__).parents[1] / "conformance"


def _videos() -> list[tuple[str, int, int]]:
    """(file, stream, layers) of everything that can be played."""
    videos = []
    for path in sorted(CONFORMANCE.glob("*.nvc")):
        streams = len(json.loads(path.with_suffix(".json").read_text()).get("streams", [0]))
        layers = VideoReader(path, device="cpu").layers
        videos += [(path.stem, stream, layer) for stream in range(streams) for layer in range(layers + 1)]
    return videos


VIDEOS = _videos()


@cache
def _reader(name: str, stream: int = 0, layers: int | None = None) -> VideoReader:
    return VideoReader(CONFORMANCE / f"{name}.nvc", device="cpu", stream=stream, layers=layers)


@cache
def _played(name: str, stream: int = 0, layers: int | None = None) -> Tensor:
    """All frames in order, converted by hand, int32 [T, 3, height, width]."""
    reader = _reader(name, stream, layers)
    return torch.from_numpy(np.stack([to_rgb(planes, reader.format) for planes in reader.frames()]).astype(np.int32))


def _same(data: Tensor, expected: Tensor) -> bool:
    """Whether frames differ by roundings of code values only: one in YUV is up to three in RGB, and rare."""
    if data.shape != expected.shape:
        return False
    difference = (data.to(torch.int32) - expected).abs()
    return not data.numel() or (int(difference.max()) <= 3 and float(difference.float().mean()) < 0.02)


def test_every_model_and_kind_of_file_is_here() -> None:
    assert {_reader(*video).metadata.model for video in VIDEOS} == {"msnerv", "tenerv", "qsnerv", "dnerv"}
    assert {stream for _, stream, _ in VIDEOS} >= {0, 1} and {layers for _, _, layers in VIDEOS} >= {0, 1}
    for video in VIDEOS:
        frames = _played(*video).float()
        assert len(frames) == 1 or (frames[1:] - frames[:-1]).abs().mean((1, 2, 3)).min() > 0.1, "all frames differ"


@pytest.mark.parametrize("video", VIDEOS, ids=str)
@settings(derandomize=True, deadline=None, max_examples=6)
@given(data=st.data())
def test_frames_are_those_of_playing(video: tuple[str, int, int], data: st.DataObject) -> None:
    reader, played = _reader(*video), _played(*video)
    count = len(reader)
    indices = data.draw(st.lists(st.integers(-count, count - 1), max_size=6))
    batch = reader.get_frames_at(indices)
    assert _same(batch.data, played[indices]) and len(batch) == len(indices)
    assert batch.data.dtype == (torch.uint8 if reader.format.bit_depth == 8 else torch.uint16)
    index = data.draw(st.integers(-count, count - 1))
    assert _same(reader[index], played[index])
    for plane, expected in zip(to_rgb(reader.planes(index), reader.format), reader[index], strict=True):
        assert np.array_equal(plane, expected.numpy()), "the one conversion to RGB that there is"


BOUND = st.none() | st.integers(-12, 12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(BOUND, BOUND, st.none() | st.integers(-5, 5).filter(bool))
def test_slices_are_those_of_a_list(start: int | None, stop: int | None, step: int | None) -> None:
    reader, played = _reader("msnerv"), _played("msnerv")
    chosen = list(range(len(reader)))[start:stop:step]
    assert _same(reader[start:stop:step], played[chosen])


@pytest.mark.parametrize(("name", "depth"), [("msnerv", 8), ("yuv420_10bit", 10)])
def test_nothing_asked_for_is_nothing(name: str, depth: int) -> None:
    reader = _reader(name)
    dtype = torch.uint8 if depth == 8 else torch.uint16
    for empty in (reader[3:3], reader.get_batch([]), reader.get_frames_played_at([]).data):
        assert empty.shape == (0, 3, reader.format.height, reader.format.width) and empty.dtype == dtype


def test_ten_bits_stay_ten_bits() -> None:
    frame = _reader("yuv420_10bit")[0]
    assert frame.dtype == torch.uint16 and 255 < int(frame.to(torch.int32).max()) <= 1023


def test_iteration_ends_and_starts_again() -> None:
    reader, played = _reader("msnerv"), _played("msnerv")
    for _ in range(2):
        assert _same(torch.stack(list(reader)), played)
    assert _same(next(iter(reader)), played[0])


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_batches_hold_all_frames_once(size: int) -> None:
    reader = _reader("msnerv")
    batches = list(reader.batches(size))
    assert [len(batch) for batch in batches] == [min(size, 8 - first) for first in range(0, 8, size)]
    assert _same(torch.cat([batch.data for batch in batches]), _played("msnerv"))
    times = torch.cat([batch.pts_seconds for batch in batches if batch.pts_seconds is not None])
    assert times.tolist() == [float(index / reader.format.fps) for index in range(8)]


class _Counting(VideoReader):
    """Notes what it draws."""

    drawn: list[object]

    def frames(self, times: Sequence[int | Fraction] | None = None) -> Iterator[Planes]:
        for time, planes in zip(range(len(self)) if times is None else times, super().frames(times), strict=True):
            self.drawn.append(time)
            yield planes


def test_nothing_is_drawn_twice_or_ahead() -> None:
    reader = _Counting(CONFORMANCE / "msnerv.nvc", device="cpu")
    reader.drawn = []
    reader.get_frames_at([5, 2, 5, -3, 2, 7])
    assert reader.drawn == [2, 5, 7]
    reader.drawn.clear()
    batches = reader.batches(3)
    assert reader.drawn == []
    next(batches)
    assert reader.drawn == [0, 1, 2]
    list(batches)
    assert reader.drawn == list(range(8))


def test_times() -> None:
    reader, played = _reader("yuv420_8bit"), _played("yuv420_8bit")
    rate = reader.format.fps
    assert rate is not None
    frame = reader.get_frame_at(-1)
    assert (frame.pts_seconds, frame.duration_seconds) == (float(7 / rate), float(1 / rate))
    middles = [float((index + Fraction(1, 2)) / rate) for index in (6, 0, 6)]
    batch = reader.get_frames_played_at(middles)
    assert _same(batch.data, played[[6, 0, 6]])
    assert batch.pts_seconds is not None and batch.pts_seconds.tolist() == [float(index / rate) for index in (6, 0, 6)]
    assert [one.pts_seconds for one in batch] == batch.pts_seconds.tolist()
    assert _same(reader.get_frame_played_at(0).data, played[0])
    with pytest.raises(ValueError, match="not in 0 <= seconds < "):
        reader.get_frame_played_at(float(8 / rate))


def test_videos_without_a_rate_have_no_times(coded: Coded) -> None:
    reader = VideoReader(coded(VideoFormat(64, 48), (2,)), device="cpu")
    assert reader.metadata.fps is reader.metadata.duration_seconds is None
    frame, batch = reader.get_frame_at(1), reader.get_frames_at([1, 0])
    assert frame.pts_seconds is frame.duration_seconds is batch.pts_seconds is batch.duration_seconds is None
    assert "pts_seconds=None" in repr(frame) and "pts_seconds=None" in repr(batch)
    assert batch[:1].pts_seconds is None and len(batch[:1]) == 1 and torch.equal(batch[:1].data[0], frame.data)
    for ask in (reader.get_frame_played_at, lambda time: reader.get_frames_played_at([time])):
        with pytest.raises(UsageError, match="no frame rate"):
            ask(0.0)


def test_they_say_what_they_are(coded: Coded) -> None:
    reader = VideoReader(coded(VideoFormat(64, 48, Fraction(30000, 1001), 10, ChromaFormat.YUV420)), device="cpu")
    assert repr(reader.get_frame_at(0)) == (
        "Frame(data=uint16 [3, 48, 64], pts_seconds=0.0, duration_seconds=0.03336666666666667)"
    )
    assert repr(reader.get_frames_at([0, 3])) == (
        "FrameBatch(data=uint16 [2, 3, 48, 64], pts_seconds=float64 [2], duration_seconds=float64 [2])"
    )
    batch = reader.get_frames_at([0, 3])
    assert torch.equal(batch[-1].data.to(torch.int32), batch.data[1].to(torch.int32))
    with pytest.raises(IndexError):
        batch[2]
    for part in (slice(1, None), slice(None), slice(None, None, -1), slice(5, 9)):
        some = batch[part]
        assert isinstance(some, FrameBatch) and len(some) == len(range(2)[part])
        assert batch.pts_seconds is not None and some.pts_seconds is not None and some.duration_seconds is not None
        assert some.pts_seconds.tolist() == batch.pts_seconds.tolist()[part]
        assert [frame.pts_seconds for frame in some] == [frame.pts_seconds for frame in batch][part]
        assert len(some.duration_seconds) == len(some)
    with pytest.raises(FrozenInstanceError):
        batch.data = batch.data  # type: ignore[misc]


def test_metadata(coded: Coded) -> None:
    video = VideoFormat(53, 37, Fraction(30000, 1001), 10)
    data = coded(video, (3, 2))
    metadata = VideoReader(data, device="cpu").metadata
    assert (metadata.width, metadata.height, metadata.fps) == (53, 37, video.fps)
    assert (metadata.num_frames, metadata.bit_depth, metadata.planes) == (5, 10, "yuv420")
    assert metadata.duration_seconds == float(5 * Fraction(1001, 30000)) and metadata.colour == video.colour
    assert (metadata.model, metadata.layers, metadata.streams, metadata.stream) == ("msnerv", 0, 1, 0)
    assert metadata.stream_name == "waves" and metadata.bpp == 8 * len(data) / (53 * 37 * 5)
    assert metadata.bpp == nvcodec.probe(data).bpp
    assert "    fps=30000/1001,\n    num_frames=5,\n" in repr(metadata)
    second = _reader("archive", 1).metadata
    assert (second.streams, second.stream, second.num_frames, second.model) == (2, 1, 10, "dnerv")
    assert _reader("layers", 0, 0).metadata.layers == 2, "what there is, not what is drawn with"
    assert _reader("rgb_from_yuv").metadata.planes == "rgb"


def test_streams_by_name() -> None:
    names = [header.name for header in _reader("archive").session.container.header.streams]
    for stream in (names[1], 1, "1", np.int64(1)):
        reader = VideoReader(CONFORMANCE / "archive.nvc", device="cpu", stream=stream)  # type: ignore[arg-type]
        assert reader.stream == 1 and reader.metadata.stream_name == names[1]
    for wrong in ("nothing", 2, -1, "\N{SUPERSCRIPT ONE}", True, "1" * 5000):
        with pytest.raises(UsageError, match="the file has no stream") as caught:
            VideoReader(CONFORMANCE / "archive.nvc", device="cpu", stream=wrong)
        assert repr(names[1]) in caught.value.hint and len(caught.value.message) < 120


def test_sources(tmp_path: Path) -> None:
    path = CONFORMANCE / "msnerv.nvc"
    data = path.read_bytes()
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), BytesIO(data), file, open_session(path)]
        for source in sources:
            assert _same(VideoReader(source, device="cpu")[3], _played("msnerv")[3])  # type: ignore[arg-type]
        assert not file.closed
    whole = BytesIO(b"before" + data)
    whole.seek(6)
    assert len(VideoReader(whole, device="cpu")) == 8, "a file is read from where it stands"


def test_sources_that_are_none(tmp_path: Path) -> None:
    for wrong, message in ((StringIO("text"), "gives str, not bytes"), (7, "from int"), (None, "from NoneType")):
        with pytest.raises(UsageError, match=message) as caught:
            VideoReader(wrong, device="cpu")  # type: ignore[arg-type]
        assert "open(path, 'rb')" in caught.value.hint
    (tmp_path / "bad.nvc").write_bytes(b"no bitstream")
    with (tmp_path / "bad.nvc").open("rb") as file, pytest.raises(BitstreamError, match=r"bad\.nvc: "):
        VideoReader(file, device="cpu")
    with (tmp_path / "bad.nvc").open("wb") as file, pytest.raises(InputError, match=r"cannot read .*bad\.nvc"):
        VideoReader(file, device="cpu")
    with pytest.raises(BitstreamError):
        VideoReader(BytesIO(b"no bitstream"), device="cpu")
    text = (CONFORMANCE / "msnerv.nvc").open(encoding="utf-8")
    with text, pytest.raises(UsageError, match=r"msnerv\.nvc gives str, not bytes"):
        VideoReader(text, device="cpu")  # type: ignore[arg-type]
    for closed in (text, "a\0b", BytesIO()):
        if isinstance(closed, BytesIO):
            closed.close()
        with pytest.raises(InputError, match="cannot read ") as caught_too:
            VideoReader(closed, device="cpu")  # type: ignore[arg-type]
        assert caught_too.value.message.isprintable()


def test_frames_that_are_not_there() -> None:
    reader = _reader("msnerv")
    for wrong in (8, -9, 10**20):
        for ask in (reader.__getitem__, reader.get_frame_at, lambda index: reader.get_batch([0, index])):
            with pytest.raises(IndexError, match=rf"frame {wrong} is not in 0\.\.7"):
                ask(wrong)
    for nonsense in (1.5, "1", [1, 2], None):
        with pytest.raises(TypeError, match="integer"):
            reader[nonsense]  # type: ignore[index]
    with pytest.raises(ValueError, match="step"):
        reader[::0]
    for size in (0, -1):
        with pytest.raises(UsageError, match=f"batches of {size} frames"):
            reader.batches(size)


def test_integers_of_all_kinds() -> None:
    reader, played = _reader("msnerv"), _played("msnerv")
    for index in (np.int64(2), np.uint8(2), torch.tensor(2)):
        assert _same(reader[index], played[2])  # type: ignore[index]
    assert _same(reader[np.int64(1) : np.int32(5)], played[1:5])
    for several in (np.array([4, 1]), torch.tensor([4, 1]), (4, 1), range(4, 0, -3), iter([4, 1])):
        assert _same(reader.get_batch(several), played[[4, 1]])  # type: ignore[arg-type]


def test_a_closed_reader_says_so() -> None:
    session = open_session(CONFORMANCE / "msnerv.nvc")
    with VideoReader(session, device="cpu") as reader:
        frame, going = reader[0], iter(reader)
        next(going)
    reader.close()
    asks: list[Callable[[], object]] = [
        lambda: reader[0],
        lambda: reader[0:2],
        lambda: len(reader),
        lambda: reader.planes(0),
        lambda: reader.metadata,
        lambda: reader.session,
        lambda: reader.get_frames_at([0]),
        lambda: next(reader.batches(2)),
        lambda: next(iter(reader)),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match="reader is closed"):
            ask()
    assert repr(reader) == "VideoReader(closed)"
    assert _same(frame, _played("msnerv")[0]), "what was read stays"
    assert len(VideoReader(session, device="cpu")) == 8, "others may use the session"


def test_threads_may_share_a_reader() -> None:
    reader, played = VideoReader(CONFORMANCE / "two_segments.nvc", device="cpu"), _played("two_segments")
    order = [random.Random(0).randrange(8) for _ in range(64)]
    with ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order, pool.map(reader.__getitem__, order), strict=True):
            assert _same(frame, played[index])


def test_a_thousand_reads_leave_no_trace(traced: Traced) -> None:
    reader, choose = VideoReader(CONFORMANCE / "rgb_source.nvc", device="cpu"), random.Random(0)

    def read(count: int) -> None:
        for _ in range(count):
            reader[choose.randrange(8)]

    growth, peak = traced(read, 1000)
    # numpy's arrays are traced: a frame is 4.6 kB
    assert growth < 50_000 and peak < 1_000_000
