"""Frames by index: any order, any batch, any part of a file that is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.container import BaseSegment, Limits
from nvcodec.decoder.check import check_segment, sampled_frames
from nvcodec.decoder.opening import pick_device, read_bitstream
from nvcodec.decoder.places import places_of
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError, DeviceError, InputError, UnsupportedError, UsageError
from nvcodec.quant.tensors import digest
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Coded = Callable[..., bytes]
Close = Callable[[list[Planes], list[Planes]], bool]


def test_random_access_draws_what_playing_draws(coded: Coded, close: Close) -> None:
    data = coded(frames=(3, 3, 2))
    played = list(VideoReader(data, batch=1).frames())
    assert len(played) == 8 and len({planes[0].tobytes() for planes in played}) == 8
    assert played[0][0].std() > 5
    reader = VideoReader(data)
    order = [7, 0, 5, 5, 2, 6, 1, 3, 4]
    assert close(list(reader.frames(order)), [played[index] for index in order])
    assert close([reader.planes(-1), reader.planes(3)], [played[7], played[3]])


def test_batches_and_threads_change_no_integer(coded: Coded, close: Close) -> None:
    data = coded(frames=(8,))
    clips, digests = [], []
    for batch, threads in ((1, 1), (4, 1), (3, 2)):
        torch.set_num_threads(threads)
        try:
            reader = VideoReader(data, batch=batch)
            clips.append(list(reader.frames()))
            digests.append(digest(reader.session.integers(0)))
        finally:
            torch.set_num_threads(1)
    assert digests[0] == digests[1] == digests[2]
    assert close(clips[0], clips[1]) and close(clips[0], clips[2])


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("depth", [8, 10])
def test_every_kind_of_picture(coded: Coded, chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(53, 37, None, depth, chroma)
    reader = VideoReader(coded(video, (2,)))
    assert reader.format == video and len(reader) == 2
    for planes in reader.frames():
        assert [plane.shape for plane in planes] == list(video.plane_shapes)
        assert all(plane.dtype == video.dtype and plane.max() <= video.peak for plane in planes)
    check_segment(reader, 0)


def test_a_cut_file_plays_as_far_as_it_goes(coded: Coded, close: Close) -> None:
    data = coded(frames=(3, 3, 2))
    whole = VideoReader(data)
    second = whole.session.container.index[1].offset
    for end in (second, second + 40):
        reader = VideoReader(data[:end])
        assert len(reader) == 3 and any("3 of 8 frames" in text for text in reader.session.container.warnings)
        assert close(list(reader.frames()), list(whole.frames(range(3))))
        with pytest.raises(IndexError, match=r"0\.\.2"):
            reader.planes(3)


@pytest.mark.parametrize("frame", [8, -9, 1000])
def test_frames_that_are_not_there(coded: Coded, frame: int) -> None:
    reader = VideoReader(coded())
    with pytest.raises(IndexError, match=rf"frame {frame} is not in 0\.\.7"):
        reader.planes(frame)
    with pytest.raises(IndexError):
        list(reader.frames([0, frame]))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=20), st.data())
def test_a_time_lies_in_the_segment_that_began_last(parts: list[tuple[int, int]], data: st.DataObject) -> None:
    segments, held = [], [0, 0, 0]
    for stream, frames in parts:
        segments.append(BaseSegment(stream, held[stream], frames, b""))
        held[stream] += frames
    stream = data.draw(st.integers(0, 2))
    time = data.draw(st.fractions(-1, 60, max_denominator=4) | st.integers(-1, 60))
    places = places_of(segments, 3)[stream]
    assert places.frames == held[stream]
    if not 0 <= time <= held[stream] - 1:
        with pytest.raises(IndexError, match=rf"frame {time} is not"):
            places.locate(time)
        return
    ordinal, local = places.locate(time)
    found = segments[ordinal]
    assert found.stream == stream and 0 <= time - found.first_frame < found.frames
    assert local == min(time - found.first_frame, found.frames - 1)


def test_a_stream_that_was_cut_away_says_so() -> None:
    data = (Path(__file__).parents[1] / "conformance" / "archive.nvc").read_bytes()
    whole = VideoReader(data, device="cpu")
    second = [chunk.offset for chunk in whole.session.container.chunks if chunk.type == "KEYF"][1]
    reader = VideoReader(data[:second], device="cpu", stream=1)
    assert len(reader) == 0 and list(reader.frames()) == []
    for ask in (reader.planes, reader.__getitem__, lambda frame: list(reader.frames([frame]))):
        for frame in (0, -1):
            with pytest.raises(IndexError, match="the file was cut before the first frame"):
                ask(frame)


@pytest.mark.parametrize("batch", [0, -1])
def test_batches_that_are_none(coded: Coded, batch: int) -> None:
    with pytest.raises(UsageError, match=f"no batches of {batch} frames"):
        VideoReader(coded(), batch=batch)


def test_streams_that_are_not_there(coded: Coded) -> None:
    for stream in (1, -1):
        with pytest.raises(UsageError, match=f"no stream {stream}"):
            VideoReader(coded(), stream=stream)


def test_files_that_cannot_be_read(tmp_path: Path, coded: Coded) -> None:
    with pytest.raises(InputError, match="folder"):
        read_bitstream(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        VideoReader(tmp_path / "none.nvc")
    (tmp_path / "bad.nvc").write_bytes(coded()[:30])
    with pytest.raises(BitstreamError, match=r"bad\.nvc: "):
        VideoReader(tmp_path / "bad.nvc")


def test_limits(coded: Coded) -> None:
    data = coded()
    session = VideoReader(data).session
    parameters = sum(spec.size for spec in session.specs(session.container.segments[0]))
    assert list(VideoReader(data, limits=Limits(max_parameters=parameters)).frames([0]))
    for name, value in (("max_parameters", parameters), ("max_frames", 8), ("max_width", 64), ("max_pixels", 3072)):
        with pytest.raises(UnsupportedError) as caught:
            list(VideoReader(data, limits=Limits(**{name: value - 1})).frames())
        assert f'limits={{"{name}": {value}}}' in caught.value.hint


def test_devices(coded: Coded) -> None:
    assert pick_device("cpu") == "cpu" and pick_device("auto") in ("cpu", "cuda")
    for name in ("gpu", "cuda:x", ""):
        with pytest.raises(UsageError, match="is no device"):
            pick_device(name)
    for name in ("cuda:99", "meta", "xpu"):
        with pytest.raises(DeviceError, match=name):
            VideoReader(coded(), device=name)


def test_reader_says_what_it_is(coded: Coded) -> None:
    with VideoReader(coded(), device="cpu") as reader:
        assert repr(reader) == "VideoReader(8 frames, 64x48, 8-bit, cpu)"


def test_sampled_frames() -> None:
    assert sampled_frames(3) == [0, 1, 2]
    assert sampled_frames(8) == list(range(8))
    assert sampled_frames(100) == [0, 12, 25, 37, 50, 62, 75, 87]


def test_networks_that_draw_no_numbers_give_code_values(coded: Coded) -> None:
    reader = VideoReader(coded(frames=(2,), digests=False))
    field = reader.session.field(0, "cpu")
    field.head.weight.fill_(float("nan"))  # type: ignore[union-attr, operator]
    for planes in reader.frames():
        assert all(np.array_equal(plane, np.zeros_like(plane)) for plane in planes)
