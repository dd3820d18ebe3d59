"""Enhancement layers drawn: how often the base is, in how much memory, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from nvcodec.container import Limits, PackSegment
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.render import render
from nvcodec.decoder.session import Session
from nvcodec.errors import BitstreamError, UnsupportedError, UsageError
from nvcodec.models.een import EEN
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import digest
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Coded = Callable[..., bytes]
Layered = Callable[..., bytes]
Close = Callable[[list[Planes], list[Planes]], bool]
FRAMES = 26


@pytest.fixture(scope="module")
def long(coded: Coded, layered: Layered) -> bytes:
    """More frames than a batch, with two layers."""
    return layered(layered(coded(frames=(FRAMES,))), seed=1)


def _layers(data: bytes, kept_bytes: int, packs: int = 0) -> FinishedLayers:
    """The base of a file with its first packs, drawn by nobody yet."""
    session = Session(data)
    layers = FinishedLayers(session.field(0), kept_bytes)
    for layer in range(1, packs + 1):
        layers.add(_on(session, layer, layers))
    return layers


def _on(session: Session, layer: int, below: FinishedLayers) -> EEN:
    """A pack of a file, on layers of ours."""
    pack = session.field(0, layers=layer)
    assert isinstance(pack, EEN)
    pack.below = below
    return pack


def _drawn_by(data: bytes, order: list[int], batch: int, kept_bytes: int) -> tuple[int, FinishedLayers, list[Planes]]:
    """Base draws, the cache, and the pictures of the first layer."""
    layers = _layers(data, kept_bytes)
    video = VideoReader(data, device="cpu").format
    pictures = list(render(_on(Session(data), 1, layers), order, video, batch))
    return layers.base_draws, layers, pictures


@pytest.mark.parametrize("batch", [1, 4, 7, 16])
@pytest.mark.parametrize("kept_bytes", [0, 1 << 28])
def test_playing_draws_each_base_frame_once(long: bytes, batch: int, kept_bytes: int) -> None:
    draws, _, _ = _drawn_by(long, list(range(FRAMES)), batch, kept_bytes)
    assert draws == FRAMES


@pytest.mark.parametrize("kept_bytes", [0, 1 << 28])
@pytest.mark.parametrize("batch", [1, 5])
def test_random_access_draws_three_base_frames_at_most(long: bytes, batch: int, kept_bytes: int) -> None:
    draws, _, _ = _drawn_by(long, [13], batch, kept_bytes)
    assert draws == 3
    assert _drawn_by(long, [0], batch, kept_bytes)[0] == _drawn_by(long, [FRAMES - 1], batch, kept_bytes)[0] == 2
    order = [3, 20, 10, 15, 24, 3, 22, 7]
    assert _drawn_by(long, order, batch, kept_bytes)[0] <= 3 * len(order)


def _frames_kept(layers: FinishedLayers) -> int:
    return max(len(layers._base), len(layers._enhanced))


def test_memory_is_bounded_and_changes_no_picture(long: bytes, close: Close) -> None:
    order = random.Random(0).sample(range(FRAMES), FRAMES)
    expected = _drawn_by(long, list(range(FRAMES)), 1, 1 << 28)[2]
    assert len({planes[0].tobytes() for planes in expected}) == FRAMES
    for batch in (1, 4):
        for kept_bytes in (0, 300_000, 1 << 28):
            _, layers, pictures = _drawn_by(long, order, batch, kept_bytes)
            assert close(pictures, [expected[frame] for frame in order])
            nbytes = sum(x.nbytes for frame in layers._base.values() for x in (*frame.planes, *frame.pyramid))
            assert nbytes <= kept_bytes or _frames_kept(layers) <= 3 * batch + 1
            if kept_bytes == 1 << 28:
                assert len(layers._base) == FRAMES


@pytest.mark.parametrize("kept_bytes", [0, 1 << 28])
def test_layers_between_cost_no_further_base_frames(long: bytes, kept_bytes: int, close: Close) -> None:
    layers = _layers(long, kept_bytes, packs=1)
    reader = VideoReader(long, device="cpu")
    pictures = list(render(_on(Session(long), 2, layers), range(FRAMES), reader.format, 4))
    assert layers.base_draws == FRAMES
    assert close(pictures, list(reader.frames()))
    assert kept_bytes or _frames_kept(layers) <= 13


def test_a_layer_added_later_is_drawn(long: bytes) -> None:
    layers = _layers(long, 1 << 28)
    with torch.no_grad():
        without = layers.planes(torch.tensor([3, 1, 3]))
        session = Session(long)
        layers.add(_on(session, 1, layers))
        once = layers.planes(torch.tensor([3, 1, 3]))
        layers.add(_on(session, 2, layers))
        twice = layers.planes(torch.tensor([3, 1, 3]))
    assert layers.base_draws <= 6
    for planes in (without, once, twice):
        assert torch.equal(planes[0][0], planes[0][2]) and not torch.equal(planes[0][0], planes[0][1])
    assert not torch.equal(without[0], once[0]) and not torch.equal(once[0], twice[0])


def test_pictures_do_not_depend_on_batch_or_order(coded: Coded, layered: Layered, close: Close) -> None:
    data = layered(coded(frames=(6, 4)))
    played = list(VideoReader(data, device="cpu", batch=1).frames())
    order = [5, 5, 2, 1, 9, 6, 8, 8, 7, 3, 4, 0]
    for batch in (None, 1, 3):
        reader = VideoReader(data, device="cpu", batch=batch)
        assert close(list(reader.frames(order)), [played[index] for index in order])
        assert close([reader.planes(-1), reader.planes(5)], [played[9], played[5]])
    assert not close(played, list(VideoReader(data, device="cpu", layers=0).frames()))


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("depth", [8, 10])
def test_every_kind_of_picture(coded: Coded, layered: Layered, chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(53, 37, None, depth, chroma)
    base = coded(video, (3,))
    data = layered(layered(base), seed=1)
    reader = VideoReader(data, device="cpu")
    for planes in reader.frames():
        assert [plane.shape for plane in planes] == list(video.plane_shapes)
        assert all(plane.dtype == video.dtype and plane.max() <= video.peak for plane in planes)
    check_segment(reader, 0)


def test_layers_to_draw_with(coded: Coded, layered: Layered) -> None:
    base = coded()
    one = layered(base)
    two = layered(one, seed=1)
    clips = [list(VideoReader(data, device="cpu", batch=8).frames()) for data in (base, one, two)]
    for layers, expected in ((0, clips[0]), (1, clips[1]), (2, clips[2]), (None, clips[2])):
        reader = VideoReader(two, device="cpu", layers=layers, batch=8)
        assert reader.layers == (2 if layers is None else layers)
        for ours, theirs in zip(reader.frames(), expected, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for wrong in (3, -1, 1 << 70):
        with pytest.raises(UsageError, match=f"no layer {wrong}: it holds base \\+ 2 layers") as caught:
            VideoReader(two, layers=wrong)
        assert "layers can be 0 to 2" in caught.value.hint
    with pytest.raises(UsageError, match="no layer 1: it holds the base alone"):
        VideoReader(base, layers=1)


def test_a_layer_that_cannot_be_used_is_an_error_only_when_asked_for(coded: Coded, layered: Layered) -> None:
    base = coded()
    one = layered(base)
    damaged = bytearray(layered(one, seed=1))
    damaged[len(one) + 60] ^= 1
    reader = VideoReader(bytes(damaged), device="cpu")
    assert reader.layers == 1
    with pytest.raises(BitstreamError, match="has no usable layer 2: ") as caught:
        VideoReader(bytes(damaged), layers=2)
    assert "layers can be 0 to 1" in caught.value.hint
    expected = VideoReader(one, device="cpu").planes(3)
    assert all(np.array_equal(a, b) for a, b in zip(reader.planes(3), expected, strict=True))


def test_check_notices_other_integers_in_a_pack(coded: Coded, layered: Layered) -> None:
    wrong = lambda pack: replace(pack, integers=bytes(16)) if pack.segment == 1 else pack
    data = layered(layered(coded(frames=(3, 2))), change=wrong)
    reader = VideoReader(data, device="cpu")
    check_segment(reader, 0)
    with pytest.raises(BitstreamError, match="layer 2 of segment 1 does not decode to the integers of its digest"):
        check_segment(reader, 1)
    for layers in (0, 1):
        check_segment(VideoReader(data, device="cpu", layers=layers), 1)


@pytest.mark.parametrize("spoilt", [lambda payload: bytes(9), lambda payload: payload[:-20]])
def test_check_notices_a_spoilt_payload(coded: Coded, layered: Layered, spoilt: Callable[[bytes], bytes]) -> None:
    data = layered(coded(), change=lambda pack: replace(pack, payload=spoilt(pack.payload)))
    with pytest.raises(BitstreamError, match="layer 1 of segment 0"):
        check_segment(VideoReader(data, device="cpu"), 0)


Change = Callable[[PackSegment], PackSegment]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda pack: replace(pack, config=b""), BitstreamError, "makes no sense"),
        (lambda pack: replace(pack, config=EENConfig((4,), (3,)).to_bytes()), BitstreamError, "of 1 levels; the base"),
        (lambda pack: replace(pack, payload=b""), BitstreamError, ""),
        (lambda pack: replace(pack, config=EENConfig((4, 4), (3, 3)).to_bytes()), BitstreamError, ""),
        (lambda pack: replace(pack, model_id=77), UnsupportedError, "enhancement network 77"),
    ],
)
def test_packs_that_cannot_be_drawn(
    coded: Coded, layered: Layered, change: Change, error: type[Exception], message: str
) -> None:
    data = layered(coded(), change=change)
    reader = VideoReader(data, device="cpu")
    with pytest.raises(error, match=f"layer 1 of segment 0 .*{message}"):
        reader.planes(0)
    assert len(list(VideoReader(data, device="cpu", layers=0).frames())) == 8


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on, fail where an enhancement network would be allocated."""

    def allocated(*_: object) -> None:
        raise AssertionError("a network was built before its size was checked")

    return lambda: monkeypatch.setattr(EEN, "__init__", allocated)


HOSTILE = EENConfig((4096, 4096), (7, 7), 1, 255)


@pytest.mark.parametrize("limits", [Limits(), Limits(max_parameters=1 << 62), Limits(max_drawing_bytes=1 << 62)])
def test_hostile_network_is_refused_before_it_is_allocated(
    coded: Coded, layered: Layered, limits: Limits, no_network: Callable[[], None]
) -> None:
    """Neither the announced parameters nor the pictures need to be paid for; a lie about both ends with the payload."""
    data = layered(coded(), change=lambda pack: replace(pack, config=HOSTILE.to_bytes()))
    no_network()
    reader = VideoReader(data, device="cpu", limits=limits)
    with pytest.raises((UnsupportedError, BitstreamError), match="layer 1 of segment 0|bytes of memory to draw"):
        reader.planes(0)


def test_drawing_memory_of_packs_is_limited(coded: Coded, layered: Layered, no_network: Callable[[], None]) -> None:
    data = layered(coded())
    no_network()
    session = Session(data)
    base, whole = session.drawing_bytes(0, 0), session.drawing_bytes(0, 1)
    assert base < whole
    limits = Limits(max_drawing_bytes=whole - 1)
    with pytest.raises(UnsupportedError, match=r"bytes of memory to draw a frame, above the limit") as caught:
        VideoReader(data, device="cpu", limits=limits).planes(0)
    assert f'"max_drawing_bytes": {whole}' in caught.value.hint
    assert VideoReader(data, device="cpu", layers=0, limits=limits).planes(0)[0].std() > 5


def test_parameters_of_packs_are_limited(coded: Coded, layered: Layered, no_network: Callable[[], None]) -> None:
    data = layered(coded())
    no_network()
    session = Session(data)
    base = sum(spec.size for spec in session.specs(session.container.segments[0]))
    own = sum(spec.size for spec in session.pack_specs(session.container.pack(0, 1)))
    assert base < own
    with pytest.raises(UnsupportedError, match=f"layer 1 of segment 0 announces {own:,} parameters, above the limit"):
        VideoReader(data, device="cpu", limits=Limits(max_parameters=own - 1)).planes(0)
    with pytest.raises(UnsupportedError, match=f"announces {base + own:,} parameters in 2 layers, above the limit"):
        VideoReader(data, device="cpu", limits=Limits(max_parameters=base + own - 1)).planes(0)


def test_integers_are_the_same_however_they_are_read(long: bytes) -> None:
    session = Session(long)
    for layer in (1, 2):
        pack = session.container.pack(0, layer)
        assert digest(session.pack_integers(pack)) == pack.integers


@pytest.mark.parametrize("packs", [0, 2])
def test_what_was_drawn_can_be_drawn_again_in_the_same_groups(long: bytes, packs: int) -> None:
    """A frame depends, in its last bits, on those it was drawn with; a fit that goes on must see the same."""
    layers = _layers(long, 1 << 28, packs)
    with torch.no_grad():
        for frames in ([3, 4], [4, 5, 25], [3, 25], [0], [1, 2, 3, 4]):
            layers.pyramid(torch.tensor(frames[::-1]))
            layers.planes(torch.tensor(frames))
    again = _layers(long, 1 << 28, packs)
    again.repeat(layers.history())
    assert again.history() == layers.history() and again.base_draws == layers.base_draws
    again.repeat(layers.history())
    assert again.base_draws == layers.base_draws, "what is there is not drawn again"
    for frame, kept in layers._base.items():
        assert all(map(torch.equal, kept.planes, again._base[frame].planes))
    for frame, planes in layers._enhanced.items():
        assert all(map(torch.equal, planes, again._enhanced[frame]))


def test_history_ends_where_frames_are_forgotten(long: bytes) -> None:
    layers = _layers(long, 0)
    with torch.no_grad():
        for _ in range(3):
            for frame in range(FRAMES):
                layers.planes(torch.tensor([frame]))
    assert layers.base_draws == 3 * FRAMES and len(layers.history()) < FRAMES
