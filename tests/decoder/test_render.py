"""From fields to pictures in memory: on a CPU, and on what pretends to be CUDA, where a batch is drawn ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nvcodec.decoder import on_cuda, render
from nvcodec.decoder.on_cuda import Function, OnCuda, Recording
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import BitstreamError
from nvcodec.models.base import CellWindow, Drawing, VideoField
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.types import ChromaFormat, Planes, Time, VideoFormat

CONFORMANCE = Path(__file__).parents[1] / "conformance"
FRAMES = 12
VIDEO = VideoFormat(5, 3, Fraction(25), 10)
Coded = Callable[..., bytes]


class Pretended(OnCuda):
    """Something like CUDA in memory of the host: what it is told to do is done as late as it may be."""

    affordable_bytes = 1 << 30  # type: ignore[assignment]
    idle = True  # type: ignore[assignment]

    def __init__(self, device: torch.device, refuses: bool = False) -> None:
        super().__init__(device)
        self.rooms = self.recordings = self.replays = 0
        self.refuses = refuses

    def room(self, count: int, dtype: torch.dtype) -> Tensor:
        self.rooms += 1
        return torch.full((count,), 77, dtype=dtype)

    def send(self, values: Tensor, room: Tensor) -> Callable[[], object]:
        # what is drawn next may overwrite the values; the room has them when somebody has waited, and not earlier
        sent = values.clone() if values.device.type == "cpu" else torch.zeros(values.shape, dtype=values.dtype)
        room.fill_(77)
        return torch.inference_mode()(lambda: room.copy_(sent))

    def record(self, function: Function, given: Tensor, beside: Sequence[Recording]) -> Recording:
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recordings += 1
        place, result = given.clone(), function(given).clone()

        def replay(given: Tensor) -> Tensor:
            self.replays += 1
            place.copy_(given)
            return result.copy_(function(place))

        assert all(other.pool == (0, 1) for other in beside)
        return Recording(replay, (0, 1))


class Numbers(VideoField):
    """Draws the number of a frame into every sample, notes what it draws, and fails at one frame."""

    capturable = True

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        self.weight, self.fails_at = nn.Parameter(torch.ones(1)), fails_at
        self.drawn: list[list[float]] = []

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        self.drawn.append(frames.tolist())
        if self.fails_at in self.drawn[-1]:
            raise BitstreamError("key frames are damaged")
        planes = (frames.view(-1, 1, 1) * torch.ones(shape) / VIDEO.peak for shape in VIDEO.plane_shapes)
        return Drawing(tuple(planes), [])


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[Pretended]:
    """Lets every device be CUDA; those that were used, the last one at the end."""
    used: list[Pretended] = []

    def pretended(device: torch.device) -> Pretended:
        used.append(Pretended(device))
        return used[-1]

    monkeypatch.setattr(render, "on_cuda", pretended)
    for kind in (MSNeRV, QSNeRV):
        monkeypatch.setattr(kind, "capturable", True)
    return used


@pytest.fixture(params=["cpu", "cuda"])
def ahead(request: pytest.FixtureRequest) -> int:
    """Batches that are drawn ahead: on the CPU none, on what pretends to be CUDA one."""
    if request.param == "cuda":
        request.getfixturevalue("cuda")
    return int(request.param == "cuda")


def _numbers(pictures: Iterator[Planes]) -> list[int]:
    """The frames that pictures are, each of which is of one value."""
    found = []
    for planes in pictures:
        (value,) = {int(value) for plane in planes for value in np.unique(plane)}
        found.append(value)
    return found


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("msnerv", {}),
        ("qsnerv", {}),
        ("tenerv", {}),
        ("archive", {"stream": 1}),
        ("layers", {}),
        ("two_segments", {}),
        ("preview", {"scale": "1/2"}),
        ("msnerv", {"scale": "1/2"}),
        ("yuv420_10bit", {}),
        ("grey_12bit", {}),
        ("rgb_source", {}),
        ("yuv422_odd_size", {}),
    ],
)
def test_drawing_ahead_shows_the_same(
    name: str, options: dict[str, Any], batch: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    source = CONFORMANCE / f"{name}.nvc"
    times: list[Time] = [*range(8), 3, 3, Fraction(5, 2), 0]
    expected = list(VideoReader(source, device="cpu", batch=batch, **options).frames(times))
    monkeypatch.setattr(on_cuda, "_IDLE_BEFORE", 2)
    used: list[Pretended] = request.getfixturevalue("cuda")
    drawn = list(VideoReader(source, device="cpu", batch=batch, **options).frames(times))
    for ours, theirs in zip(drawn, expected, strict=True):
        for plane, other in zip(ours, theirs, strict=True):
            assert plane.dtype == other.dtype and plane.flags.c_contiguous and np.array_equal(plane, other)
    assert name != "msnerv" or batch > 2 or used[-1].replays > 0


def test_a_batch_is_drawn_ahead_and_no_more(ahead: int) -> None:
    field, pictures = Numbers(), None
    pictures = render.render(field, range(FRAMES), VIDEO, 3)
    assert not field.drawn
    begun = []
    for number in range(FRAMES):
        assert _numbers(islice(pictures, 1)) == [number]
        begun.append(len(field.drawn))
    assert begun == [min(number // 3 + 1 + ahead, 4) for number in range(FRAMES)]


def test_the_first_picture_of_a_reader_waits_for_no_second_batch(coded: Coded, ahead: int) -> None:
    reader, drawn = VideoReader(coded(frames=(3, 5)), device="cpu", batch=2), []
    reader.session.field(0).register_forward_pre_hook(lambda _, given: drawn.append(given[0].tolist()))
    pictures = reader.frames()
    next(pictures)
    groups = [[0], [1, 2], [0]]  # of pictures, of which the third is in another segment
    assert drawn == groups[: 1 + ahead]
    next(pictures), next(pictures)
    assert drawn == groups[:2] and reader.session.fields_held == 1 + ahead


def test_pictures_come_in_order_and_are_nobody_elses(ahead: int) -> None:
    order = [5, 0, 5, 11, 2, 2, 7, 1]
    for batch in (1, 2, 3, 8, 50):
        pictures = list(render.render(Numbers(), order, VIDEO, batch))
        assert _numbers(iter(pictures)) == order
        for planes in pictures[::2]:
            for plane in planes:
                plane[:] = 99
        assert _numbers(iter(pictures[1::2])) == order[1::2]
        assert all(plane.base is None or plane.base.nbytes == VIDEO.frame_bytes for plane in pictures[1])


@pytest.mark.parametrize("taken", range(1, 8))
def test_who_stops_early_breaks_nothing(taken: int, ahead: int) -> None:
    field = Numbers()
    drawer = render.Drawer("cpu")

    def pictures() -> Iterator[Planes]:
        parts = (range(start, start + 3) for start in range(0, FRAMES, 3))
        for batch in drawer.in_turn(drawer.begin(field, part, VIDEO) for part in parts):
            yield from batch

    dropped, other = pictures(), pictures()
    for number in range(taken):
        assert _numbers(islice(dropped, 1)) == _numbers(islice(other, 1)) == [number]
    dropped.close()  # type: ignore[attr-defined]
    assert _numbers(other) == list(range(taken, FRAMES)), "one drawer serves several at once"
    assert _numbers(pictures()) == list(range(FRAMES))


@pytest.mark.parametrize("fails_at", range(FRAMES))
def test_a_failure_comes_behind_what_was_drawn_before(fails_at: int, ahead: int) -> None:
    field, seen = Numbers(fails_at), []
    with pytest.raises(BitstreamError, match="key frames are damaged"):
        for planes in render.render(field, range(FRAMES), VIDEO, 3):
            seen.append(int(planes[0][0, 0]))
    assert seen == list(range(fails_at // 3 * 3))
    assert len(field.drawn) == fails_at // 3 + 1, "nothing is begun behind a failure"


def test_what_the_consumer_raises_is_no_failure_to_draw(ahead: int) -> None:
    pictures = render.render(Numbers(), range(FRAMES), VIDEO, 3)
    next(pictures)
    with pytest.raises(KeyError):
        pictures.throw(KeyError("mine"))  # type: ignore[attr-defined]
    assert list(pictures) == []


def test_two_rooms_serve_a_long_video(cuda: list[Pretended]) -> None:
    assert _numbers(render.render(Numbers(), range(500), VIDEO, 4)) == list(range(500))
    assert cuda[-1].rooms == 2
    drawer, field = render.Drawer("cpu"), Numbers()
    parts = [range(size) for size in (1, 3, 2, 4) * 50]
    for batch, part in zip(drawer.in_turn(drawer.begin(field, part, VIDEO) for part in parts), parts, strict=True):
        assert _numbers(batch) == list(part)
    assert cuda[-1].rooms <= 5, "until there are two for the largest"


def test_threads_share_a_reader_that_draws_ahead(cuda: list[Pretended], coded: Coded) -> None:
    reader = VideoReader(coded(frames=(5, 7)), device="cpu", batch=2)
    expected = [[plane.copy() for plane in planes] for planes in reader.frames()]
    with ThreadPoolExecutor(3) as pool:
        for pictures in pool.map(lambda _: list(reader.frames()), range(6)):
            for ours, theirs in zip(pictures, expected, strict=True):
                assert all(map(np.array_equal, ours, theirs))


def test_batches_are_recorded_once_it_pays(cuda: list[Pretended]) -> None:
    drawer, field = render.Drawer("cpu"), Numbers()
    for start in range(10):
        for count in (3, 2):
            times = range(start, start + count)
            assert _numbers(drawer.begin(field, times, VIDEO)) == list(times)
    once = on_cuda._IDLE_BEFORE
    assert cuda[-1].recordings == 2 and cuda[-1].replays == 2 * (10 - once), "each size for itself"
    other = Numbers()
    for _ in range(once):
        assert _numbers(drawer.begin(other, [4, 5], VIDEO)) == [4, 5] and cuda[-1].recordings == 2
    assert _numbers(drawer.begin(other, [Fraction(9, 2), 5], VIDEO)) == [4, 5] and cuda[-1].recordings == 2
    assert _numbers(drawer.begin(other, [6, 7], VIDEO)) == [6, 7] and cuda[-1].recordings == 3


def test_nothing_is_recorded_for_a_device_that_is_busy(cuda: list[Pretended]) -> None:
    drawer, field = render.Drawer("cpu"), Numbers()
    cuda[-1].idle = False
    for start in range(50):
        assert _numbers(drawer.begin(field, [start], VIDEO)) == [start]
    assert cuda[-1].recordings == 0


def test_what_cannot_be_recorded_is_drawn_as_before(caplog: pytest.LogCaptureFixture) -> None:
    refusing = Pretended(torch.device("cpu"), refuses=True)
    doubled = on_cuda.Repeated(lambda given: 2 * given, refusing)
    with caplog.at_level("INFO"):
        assert [int(doubled(torch.tensor([number]))) for number in range(9)] == [2 * number for number in range(9)]
    assert doubled.refusal is not None and "stream is capturing" in doubled.refusal
    assert len(caplog.records) == 1 and "stream is capturing" in caplog.text


class _NoWaits(TorchDispatchMode):
    """Refuses copies between devices that somebody waits for; what asks the device "meta" for numbers fails anyway."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = {leaf.device for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dim()}
        device = kwargs.get("device")
        if found and func is torch.ops.aten._to_copy.default and device is not None and device not in found:
            assert kwargs.get("non_blocking"), "a copy waits"
        else:
            assert len(found) <= 1, f"{func} mixes devices"
        return func(*args, **kwargs)


@pytest.mark.parametrize("times", [[1, 2], [Fraction(1, 2)]], ids=["frames", "between"])
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.usefixtures("cuda")
def test_nothing_is_asked_of_the_device(times: list[Time], depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # "meta" has none to turn off
    video = VideoFormat(64, 48, bit_depth=depth)
    config = MSNeRVConfig((2, 2), (6, 4), (1, 1), (2, 2), (GridLevel(2, 1, 2),), 4, gop_kernels=True)
    field = MSNeRV(config, FieldGeometry(8, 48, 64, video.chroma, (0, 3))).to("meta").requires_grad_(False)
    drawer = render.Drawer("meta")
    with _NoWaits():
        begun = [drawer.begin(field, times, video) for _ in range(8)]
    assert [len(list(pictures)) for pictures in begun] == [len(times)] * 8


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_code_values_are_those_of_numpy(depth: int) -> None:
    """Halves to even, clamped, and zero for what is no number, whatever becomes of them later."""
    video = VideoFormat(8, 4, bit_depth=depth, chroma=ChromaFormat.YUV444)
    rng, peak = np.random.default_rng(depth), video.peak
    drawn = rng.uniform(-0.2, 1.2, (3, 2, 4, 8)).astype(np.float32)
    drawn[0, 0] = (rng.integers(0, peak, (4, 8)) + 0.5) / peak
    drawn[1, 1, 0, :4] = np.nan, np.inf, -np.inf, -0.0

    class Fixed(Numbers):
        def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
            return Drawing(tuple(torch.from_numpy(plane) for plane in drawn), [])

    kept, (first, second) = drawn.copy(), render.render(Fixed(), [0, 1], video, 2)
    expected = np.nan_to_num(np.clip(np.rint(drawn * np.float32(peak)), 0, peak)).astype(video.dtype)
    for index, planes in enumerate((first, second)):
        assert all(np.array_equal(plane, expected[number, index]) for number, plane in enumerate(planes))
        assert all(plane.dtype == video.dtype for plane in planes)
    assert np.array_equal(drawn, kept, equal_nan=True), "what a field keeps is not written into"


def test_batches_follow_the_memory_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for megabytes, frames in ((1, 16), (100, 10), (3000, 1)):
        assert render.default_batch(megabytes << 20) == frames
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (60 << 30, 80 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 5 << 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1 << 30)
    for megabytes, frames in ((1, 16), (100, 16), (3000, 5), (50_000, 1)):
        assert render.default_batch(megabytes << 20, "cuda:0") == frames
