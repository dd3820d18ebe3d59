"""A step as the device takes it: nothing waits, nothing is compiled late, and too little memory is made do with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.utils import counters

from nvcodec.config.fit import FitConfig, GopConfig, LossConfig, Rounding
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit import draw, recorder
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.gauge import Clerk, Gauge
from nvcodec.encoder.fit.order import FrameOrder
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.rate import TargetWeight
from nvcodec.encoder.fit.recorder import Recorder
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.fit.segments import Segments
from nvcodec.encoder.fit.step import Kind
from nvcodec.encoder.fit.way import Way
from nvcodec.encoder.footage.clip import Clip
from nvcodec.errors import DeviceError
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat, VideoFormat

CPU, META = torch.device("cpu"), torch.device("meta")
"""The latter has shapes and autograd but no numbers: what would wait for a GPU to tell one fails."""
VIDEO, FRAMES = VideoFormat(64, 48), 8
GEOMETRY = FieldGeometry(FRAMES, VIDEO.height, VIDEO.width, ChromaFormat.YUV420, (0, 5))
GROUPED = MSNeRVConfig(
    (2, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2),), shuffle=4, local_levels=1, gop_kernels=True
)
EAGER, COMPILED = Way(), Way(compiled=True)


class _Moving(Clip):
    """A clip of which nobody asks whether it moves."""

    levels = (None, None, None)


def _fit(
    device: torch.device = CPU, way: Way = EAGER, steps: int = 40, video: VideoFormat = VIDEO, **loss: object
) -> Fit:
    torch.manual_seed(0)
    planes = tuple(torch.randint(0, 256, (FRAMES, *shape), dtype=torch.uint8) for shape in video.plane_shapes)
    geometry = replace(GEOMETRY, height=video.height, width=video.width)
    painter = Painter(FlatField(MSNeRV(GROUPED, geometry).to(device)), [], lambda event: None, way=way)
    clip = _Moving(video, Clip(video, planes).to(device).planes)
    return Fit(painter, clip, FitConfig(), LossConfig(**loss), TargetWeight(2e4), Budget(steps), GopConfig())  # type: ignore[arg-type]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kind", ["fit", "round", "rate", "supervised"])
def test_a_step_waits_for_nothing(
    kind: str, apart: bool, monkeypatch: pytest.MonkeyPatch, unwaited: Callable[[], AbstractContextManager[None]]
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no such device
    fit = _fit(META, multi_resolution=kind == "supervised", high_frequency=kind == "supervised")
    monkeypatch.setattr(fit.optimiser._adam, "step", lambda: None)  # torch's own; there is none for this device
    fit.grouping.field.groups.apart = apart  # type: ignore[union-attr]
    rounding = Rounding.NONE if kind == "fit" else Rounding.HARD
    frames = torch.zeros(1, dtype=torch.int64, device=META)
    with unwaited():
        fit.stepper.take(Kind(rounding, kind == "rate", kind == "supervised", False, apart), frames, frames)
        assert torch.stack([fit.stepper.mean_error, fit.stepper.psnr_db, fit.stepper.bits]).device == META


@pytest.mark.parametrize("loss", ["psnr", "adaptive", "hinerv", "ssim"])
@pytest.mark.parametrize("size", [VIDEO, VideoFormat(96, 80)], ids=["few scales", "five scales"])
def test_gradients_ask_for_nothing(loss: str, size: VideoFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = _fit(video=size, kind=loss, multi_resolution=True, high_frequency=True)
    monkeypatch.setattr(fit.optimiser._adam, "step", lambda: None)  # torch's own, made to be recorded on CUDA alone
    frames = torch.zeros(1, dtype=torch.int64)
    # gradients go another way where somebody looks on, but for the profiler
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        fit.stepper.take(Kind(Rounding.HARD, True, True, False, True), frames, frames)
    done = {event.key for event in profiler.key_averages()}
    assert "aten::convolution_backward" in done
    assert not done & {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::equal"}


def test_steps_of_a_kind_are_recorded_once_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    _pretend_graphs(monkeypatch, events)
    recording = Recorder(True, lambda error: events.append(f"failed: {error}"))
    for kind in ["a", "a", "b", *"aaab"]:
        recording.run(kind, lambda kind=kind: events.append(kind))  # type: ignore[misc]
    assert events == [*"aaba", "record", "a", "recorded", "replay", "replay", "b"]


def test_what_cannot_be_recorded_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    inside = _pretend_graphs(monkeypatch, events)
    recording = Recorder(True, lambda error: events.append(f"failed: {error}"))

    def step() -> None:
        if inside:
            raise RuntimeError("not while recording")
        events.append("step")

    for _ in range(6):
        recording.run("a", step)
    assert events == [*["step"] * 3, "record", "back", "failed: not while recording", *["step"] * 3]
    assert not recording.recording and not Recorder(True, lambda error: None).recording


def _pretend_graphs(monkeypatch: pytest.MonkeyPatch, events: list[str]) -> list[None]:
    """CUDA graphs that say what is done to them; gives what is not empty while one is recorded."""
    inside: list[None] = []

    class Graph:
        def replay(self) -> None:
            events.append("replay")

        def pool(self) -> None:
            return None

    @contextmanager
    def graph(_graph: Graph, **_: Any) -> Iterator[None]:
        events.append("record")
        inside.append(None)
        try:
            yield
        finally:
            inside.clear()
        events.append("recorded")

    @contextmanager
    def beside() -> Iterator[None]:
        yield

    monkeypatch.setattr(Recorder, "can_record", True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: events.append("back"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(recorder, "_beside", beside)
    return inside


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_segments_are_what_indexing_is(owners: list[int]) -> None:
    owner, values = torch.tensor(owners), torch.arange(6.0).mul(0.3).requires_grad_()
    elements = torch.linspace(-1, 1, len(owners)).requires_grad_()
    segments = Segments(owner, 6, CPU)
    assert torch.equal(segments.spread(values), values[owner])
    sums = torch.zeros(6).index_add(0, owner, elements)
    torch.testing.assert_close(segments.sums(elements), sums)
    ours = torch.autograd.grad((segments.spread(values) * elements).sum(), [values, elements])
    theirs = torch.autograd.grad((values[owner] * elements).sum(), [values, elements])
    torch.testing.assert_close(ours, theirs)
    weights = torch.arange(6.0)
    ours = torch.autograd.grad((segments.sums(elements) * weights).sum(), [elements])
    torch.testing.assert_close(ours[0], weights[owner])


@given(st.integers(1, 9), st.integers(1, 12))
def test_the_order_goes_on_where_it_was(count: int, batch: int) -> None:
    torch.manual_seed(0)
    order, again = FrameOrder(count, batch, CPU), FrameOrder(count, batch, CPU)
    order.take()
    again.waiting = order.waiting
    state = torch.get_rng_state()
    first = [order.take()[0].tolist() for _ in range(5)]
    torch.set_rng_state(state)
    assert [again.take()[1].tolist() for _ in range(5)] == first


def test_a_clerk_works_in_order_and_hands_on_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", lambda: SimpleNamespace(record=lambda: None))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(wait_event=lambda event: None))
    done: list[int] = []
    clerk = Clerk(CPU)
    clerk.hand(lambda: 1, done.append)
    assert done == [1]
    late = Clerk(torch.device("cuda"))
    late.hand(lambda: 2, done.append)
    late.hand(lambda: 3, done.append)
    assert done == [1, 2]
    late.collect()
    late.collect()
    assert done == [1, 2, 3]
    late.hand(lambda: 1 // 0, done.append)
    with pytest.raises(ZeroDivisionError):
        late.collect()


def test_readings_beside_a_gpu_are_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: Gauge[str] = Gauge(CPU)
    assert at_once.exchange(torch.tensor([1.0]), "a") == ([1.0], "a")
    monkeypatch.setattr(torch.cuda, "Event", lambda: SimpleNamespace(record=lambda: None, synchronize=lambda: None))
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory=False, **how: empty(*shape, **how))
    late: Gauge[str] = Gauge(torch.device("cuda"))
    assert late.exchange(torch.tensor([1.0]), "a") is None
    assert late.exchange(torch.tensor([2.0]), "b") == ([1.0], "a")
    late.forget()
    assert late.exchange(torch.tensor([3.0]), "c") is None


def _traced() -> int:
    return int(counters["stats"]["unique_graphs"])


def test_all_is_compiled_before_the_fit_begins() -> None:
    torch.compiler.reset()
    fit = _fit(way=COMPILED)
    assert fit.probe(1) > 0 and not fit.grouping.is_apart
    before = _traced()
    fit.run(lambda event: None)
    assert fit.grouping.is_apart and _traced() == before and not counters["graph_break"]


def test_more_networks_than_a_compiler_bears_are_all_compiled() -> None:
    torch.compiler.reset()
    for frames in range(4, 4 + 2 * draw._MOST_COMPILED):
        geometry = FieldGeometry(frames, 16, 16, ChromaFormat.YUV420)
        config = MSNeRVConfig((2,), (4,), (1,), (2,), (GridLevel(2, 1, 2),), shuffle=4, local_levels=1)
        painter = Painter(FlatField(MSNeRV(config, geometry)), [], lambda event: None, way=COMPILED)
        before = _traced()
        painter.compile()
        painter._call(painter.flat.vector, torch.tensor([1]), None)
        assert _traced() == before + 1


def test_without_a_compiler_fits_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[Event] = []

    def no_compiler(*_: Any, **__: Any) -> Callable[..., Any]:
        def call(*_: Any) -> None:
            raise RuntimeError("\n  cannot find a C compiler\nand so on")

        return call

    monkeypatch.setattr(torch, "compile", no_compiler)
    fit, plain = _fit(way=COMPILED, steps=12), _fit(steps=12)
    fit.painter.on_event = notices.append
    for each in (fit, plain):
        each.probe(1)
        torch.manual_seed(1)
        each.run(lambda event: None)
    assert torch.equal(fit.flat.vector, plain.flat.vector)
    assert [notice.message for notice in notices if isinstance(notice, Notice)] == [
        "torch.compile failed; running without it, which is slower: RuntimeError: cannot find a C compiler"
    ]


def test_errors_of_a_network_are_not_taken_for_the_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = _fit(way=COMPILED)
    monkeypatch.setattr(fit.flat.field, "forward", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        fit.probe(1)


def test_compiled_and_plain_steps_are_the_same_up_to_rounding() -> None:
    torch.compiler.reset()
    fits = [_fit(way=way, steps=10) for way in (EAGER, COMPILED)]
    for fit in fits:
        fit.probe(1)
        torch.manual_seed(1)
        fit.run(lambda event: None)
    torch.testing.assert_close(fits[0].flat.vector, fits[1].flat.vector, rtol=1e-3, atol=1e-4)


def test_where_memory_is_short_pictures_are_drawn_in_tiles(
    tiny_job: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, whole, notices = Painter.train, [], []

    def train_in_little_memory(self: Painter, *args: Any, **how: Any) -> Any:
        if not self.tiles or self.tiles[0].rows > 8:
            whole.append(len(self.tiles))
            raise torch.OutOfMemoryError("out of memory")
        return train(self, *args, **how)

    monkeypatch.setattr(Painter, "train", train_in_little_memory)
    result = encode(tiny_job(video=VideoFormat(192, 128)), on_event=notices.append)
    told = [event.message for event in notices if isinstance(event, Notice)]
    assert whole and result.psnr["yuv_611"] > 8
    assert told.count("memory is short: pictures are drawn in tiles, which is slower") == len(whole)


def test_where_no_tile_is_small_enough_it_says_so(
    tiny_job: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(self: Painter, *_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Painter, "train", train)
    with pytest.raises(DeviceError, match="ran out of memory"):
        encode(tiny_job(video=VideoFormat(192, 128)))
