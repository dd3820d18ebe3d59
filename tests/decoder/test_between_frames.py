"""Pictures at times between frames: from every model, whatever is asked for beside them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec import decode
from nvcodec.decoder import pictures
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import UsageError
from nvcodec.io.source import open_source
from nvcodec.types import Planes, Time

Coded = Callable[..., bytes]
Close = Callable[[list[Planes], list[Planes]], bool]
STREAMS = Path(__file__).parents[1] / "conformance"
EVERY = ("msnerv", "tenerv", "qsnerv", "layers", "archive", "two_segments", "rgb_source", "yuv420_10bit")


def _difference(first: Planes, second: Planes) -> float:
    return float(np.mean([np.abs(a.astype(int) - b.astype(int)).mean() for a, b in zip(first, second, strict=True)]))


@pytest.mark.parametrize("name", EVERY)
def test_frames_stay_what_they_are_beside_what_lies_between(name: str, close: Close) -> None:
    reader = VideoReader(STREAMS / f"{name}.nvc", device="cpu")
    count = len(reader)
    played = list(reader.frames())
    times: list[Time] = [Fraction(tick, 3) for tick in range(3 * count - 2)]
    drawn = list(reader.frames(times))
    assert len(drawn) == 3 * count - 2
    assert close(drawn[::3], played)


@pytest.mark.parametrize("name", ["msnerv", "tenerv", "qsnerv", "layers", "archive"])
def test_what_lies_between_is_near_both_frames_and_neither(name: str) -> None:
    reader = VideoReader(STREAMS / f"{name}.nvc", device="cpu")
    first, middle, second = reader.frames([2, Fraction(5, 2), 3])
    apart = _difference(first, second)
    assert apart > 0
    assert 0 < _difference(first, middle) < 1.5 * apart and 0 < _difference(middle, second) < 1.5 * apart


def test_order_and_batches_do_not_matter(coded: Coded, close: Close) -> None:
    data = coded(frames=(8,))
    times: list[Time] = [Fraction(9, 2), 0, Fraction(1, 3), 7, Fraction(9, 2), 4]
    one_by_one = [VideoReader(data, batch=1).planes(time) for time in times]
    assert close(list(VideoReader(data, batch=4).frames(times)), one_by_one)
    assert close([one_by_one[0]], [one_by_one[4]])


def test_clips_of_an_archive_may_be_mixed(close: Close) -> None:
    reader = VideoReader(STREAMS / "archive.nvc", device="cpu")
    times: list[Time] = [Fraction(21, 2), 3, Fraction(7, 2), 10, Fraction(3, 4)]
    together = list(reader.frames(times))
    assert close(together, [reader.planes(time) for time in times])


def test_a_clip_is_drawn_once_for_each_lateness() -> None:
    """However many pictures are asked for, a pass draws no more than the frames of a clip."""
    reader, passes = VideoReader(STREAMS / "archive.nvc", device="cpu"), []
    field = reader.session.field(0, "cpu")
    field.register_forward_pre_hook(lambda _, given: passes.append(given[0].tolist()))
    times: list[Time] = [Fraction(tick, 16) for tick in range(8 * 16)]
    drawn = list(reader.frames([*times, *times]))
    assert len(drawn) == 256 and all(np.array_equal(a, b) for a, b in zip(drawn[5], drawn[133], strict=True))
    assert sorted(time for one in passes for time in one) == times
    assert len(passes) == 16 and max(map(len, passes)) == 8
    drawn[0][0][:] = 0
    assert drawn[128][0].any(), "nobody's picture is another's"


def test_clips_are_bounded_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = VideoReader(STREAMS / "archive.nvc", device="cpu")
    monkeypatch.setattr(pictures, "_CLIP_BYTES", 20 * reader.format.frame_bytes)
    drawn = reader.pictures.draw
    sizes: list[int] = []
    monkeypatch.setattr(reader.pictures, "draw", lambda *given: sizes.append(len(given[2])) or drawn(*given))
    assert len(list(reader.frames([3] * 50))) == 50 and sizes == [20, 20, 10]


def test_between_segments_the_last_frame_stays(coded: Coded, close: Close) -> None:
    reader = VideoReader(coded(frames=(3, 3)), device="cpu")
    last, between, first = reader.frames([2, Fraction(5, 2), 3])
    assert close([last], [between]) and not close([between], [first])


@pytest.mark.parametrize("time", [Fraction(15, 2), Fraction(-17, 2), 8])
def test_there_is_nothing_behind_the_last_frame(coded: Coded, time: Time) -> None:
    reader = VideoReader(coded(frames=(8,)))
    for ask in (reader.planes, lambda time: list(reader.frames([time]))):
        with pytest.raises(IndexError, match=r"is not in 0\.\.7"):
            ask(time)


def test_decode_multiplies_the_frame_rate(coded: Coded, close: Close, tmp_path: Path) -> None:
    data = coded(frames=(8,))
    result = decode(data, tmp_path / "smooth.y4m", interpolate=4, seek=2, frames=3)
    with open_source(tmp_path / "smooth.y4m") as video:
        pictures = list(video)
        assert video.format.fps == 100
    assert len(pictures) == result.frames == 9
    reader = VideoReader(data)
    assert close(pictures[::4], [reader.planes(frame) for frame in (2, 3, 4)])
    assert close([pictures[3]], [reader.planes(Fraction(11, 4))])


def test_a_single_frame_has_nothing_between(coded: Coded, tmp_path: Path) -> None:
    assert decode(coded(frames=(1,)), tmp_path / "one.y4m", interpolate=8).frames == 1


@pytest.mark.parametrize(("options", "message"), [
    ({"interpolate": 0}, "interpolate: 0 is not in the range from 1 to 64"),
    ({"interpolate": 65}, "interpolate: 65 is not in the range from 1 to 64"),
    ({"interpolate": 2, "step": 2}, "step leaves frames out"),
])  # fmt: skip
def test_nonsense_is_refused(coded: Coded, tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decode(coded(frames=(8,)), tmp_path / "smooth.y4m", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
