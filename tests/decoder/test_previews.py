"""Small pictures: drawn by stored heads, or whole pictures shrunk; the base does not notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nvcodec.container import Limits, PreviewHead, chunk_bytes, without_previews
from nvcodec.decoder import pictures, previews
from nvcodec.decoder.check import check_file, check_segment
from nvcodec.decoder.notices import notices
from nvcodec.decoder.previews import Scale, check_scale, head_integers, head_shape
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.decoder.shrink import shrunk, shrunk_format
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import BitstreamError, UnsupportedError, UsageError
from nvcodec.models.base import PyramidField
from nvcodec.models.previews import PreviewShape, choose_level, most_rank, preview_shape
from nvcodec.quant.steps import dequantise
from nvcodec.quant.tensors import IntegerTensor
from nvcodec.types import ChromaFormat, Planes, VideoFormat

CONFORMANCE = Path(__file__).parents[1] / "conformance"
Coded = Callable[..., bytes]
Layered = Callable[..., bytes]
Close = Callable[[list[Planes], list[Planes]], bool]


def _shape(session: Session, divisor: int, ordinal: int = 0) -> PreviewShape:
    geometry = session.geometry(session.container.segments[ordinal])
    pyramid = session.config.pyramid(geometry)
    level = choose_level(pyramid, divisor)
    assert level is not None
    return preview_shape(pyramid, geometry, divisor, level, min(3, most_rank(pyramid, geometry, divisor, level)))


def _head(data: bytes, divisor: int, ordinal: int = 0) -> PreviewHead:
    """A random head whose pictures are neither flat nor saturated."""
    shape, rng = _shape(Session(data), divisor, ordinal), np.random.default_rng(divisor)
    tensors = []
    for spec, spread, code in zip(shape.specs, (10, 10, 1), (-56, -48, -32), strict=True):
        symbols = rng.normal(0 if spec.name != "bias" else 8, spread, spec.shape).round().astype(np.int32)
        codes = np.full(spec.n_steps, code, np.int16)
        codes[spec.n_first_steps :] = 0  # offsets are differences
        tensors.append(IntegerTensor(spec, symbols, codes))
    return PreviewHead(ordinal, divisor, shape.level, shape.rank, encode_tensors(tensors))


def _with(data: bytes, *heads: PreviewHead) -> bytes:
    return data + b"".join(chunk_bytes("pREV", head.to_bytes()) for head in heads)


def _pairs(plane: np.ndarray, axis: int) -> np.ndarray:
    """The mean of every two samples along an axis; an odd last one stays."""
    whole = np.concatenate([plane, plane.take([-1], axis)], axis) if plane.shape[axis] % 2 else plane
    return (whole.take(range(0, whole.shape[axis], 2), axis) + whole.take(range(1, whole.shape[axis], 2), axis)) / 2


def _means(plane: np.ndarray, divisor: int) -> np.ndarray:
    """Square by square, as the specification says it."""
    rows, columns = (-(-extent // divisor) for extent in plane.shape)
    out = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            ys = [min(divisor * row + i, plane.shape[0] - 1) for i in range(divisor)]
            xs = [min(divisor * column + i, plane.shape[1] - 1) for i in range(divisor)]
            out[row, column] = plane[np.ix_(ys, xs)].astype(float).mean()
    return out


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_without_a_preview_it_is_the_mean(coded: Coded, chroma: ChromaFormat, divisor: int) -> None:
    video = VideoFormat(53, 37, Fraction(25), 10, chroma)
    data = coded(video, (2,))
    small = VideoReader(data, scale=Fraction(1, divisor))
    assert small.format == replace(video, width=-(-53 // divisor), height=-(-37 // divisor))
    for whole, planes in zip(VideoReader(data).frames(), small.frames(), strict=True):
        for plane, drawn, shape in zip(whole, planes, small.format.plane_shapes, strict=True):
            assert drawn.shape == shape and drawn.dtype == np.uint16
            assert np.array_equal(drawn, np.rint(_means(plane, divisor)))


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_a_stored_head_draws_what_the_specification_says(coded: Coded, chroma: ChromaFormat, divisor: int) -> None:
    data = coded(VideoFormat(53, 37, None, 8, chroma), (3,))
    seen = _with(data, _head(data, divisor))
    reader = VideoReader(seen, scale=f"1/{divisor}", batch=2)
    session, shape = reader.session, _shape(reader.session, divisor)
    kernel, mixing, bias = (
        torch.from_numpy(dequantise(t)) for t in head_integers(session, session.container.previews[0, divisor])
    )
    field = session.field(0)
    assert isinstance(field, PyramidField)
    drawn = list(reader.frames())
    for frame, planes in enumerate(drawn):
        x = field.features(torch.tensor([frame]))[shape.level].detach()[0]
        z = F.conv2d(x.permute(2, 0, 1)[None], kernel, padding=1)[0]
        z = torch.einsum("hr,rij->ijh", mixing, z) + bias
        k, at = shape.shuffle, 0
        for index, (plane, (rows, columns)) in enumerate(zip(planes, reader.format.plane_shapes, strict=True)):
            halved = {ChromaFormat.YUV420: (True, True), ChromaFormat.YUV422: (False, True)}.get(chroma, (False, False))
            q, r = (k // 2 if index and half and k % 2 == 0 else k for half in halved)
            full = np.zeros((q * z.shape[0], r * z.shape[1]))
            for u in range(q):
                for v in range(r):
                    full[u::q, v::r] = z[:, :, at + u * r + v]
            at += q * r
            if index and k % 2:
                for axis in (axis for axis, half in enumerate(halved) if half):
                    full = _pairs(full, axis)
            wanted = np.rint(full[:rows, :columns] * 255).clip(0, 255)
            assert abs(wanted - plane).max() <= 1
    assert np.ptp(drawn[0][0]) > 20 and len({planes[0].tobytes() for planes in drawn}) == 3


def test_a_smaller_picture_is_the_next_larger_shrunk(coded: Coded) -> None:
    data = coded(VideoFormat(53, 37), (2,))
    seen = _with(data, _head(data, 2))
    half = VideoReader(seen, scale="1/2")
    for divisor in (4, 8):
        wanted = [shrunk(planes, half.format, divisor // 2) for planes in half.frames()]
        found = list(VideoReader(seen, scale=1 / divisor).frames())
        assert all(np.array_equal(a, b) for x, y in zip(wanted, found, strict=True) for a, b in zip(x, y, strict=True))
    for scale in ("1/2", "1/4"):  # but never the smaller one enlarged
        eighth = _with(data, _head(data, 8))
        whole = VideoReader(data, scale=scale)
        assert np.array_equal(VideoReader(eighth, scale=scale).planes(0)[0], whole.planes(0)[0])


def test_whole_pictures_do_not_notice(coded: Coded, close: Close) -> None:
    data = coded(frames=(3, 2))
    seen = _with(data, _head(data, 2), _head(data, 2, 1))
    assert close(list(VideoReader(seen).frames()), list(VideoReader(data).frames()))
    check_segment(VideoReader(seen, scale="1/2"), 1)
    assert without_previews(seen) == data


def test_random_access_over_segments_that_have_one_and_not(coded: Coded, close: Close) -> None:
    data = coded(frames=(3, 2, 3))
    seen = _with(data, _head(data, 2), _head(data, 2, 2))
    reader, plain = VideoReader(seen, scale="1/2"), VideoReader(data, scale="1/2")
    assert reader.pictures.without_preview(reader.session, range(3)) == [1]
    played = list(reader.frames())
    assert close(played[3:5], list(plain.frames([3, 4]))) and not close(played[:3], list(plain.frames([0, 1, 2])))
    order = [7, 0, 4, 4, 3, 2]
    assert close(list(reader.frames(order)), [played[index] for index in order])
    assert reader[0].shape == (3, 24, 32)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: replace(head, level=2**64 - 1),
        lambda head: replace(head, level=2),  # there is one, but its places are too small a fit for this payload
        lambda head: replace(head, rank=0),
        lambda head: replace(head, rank=2**63),
        lambda head: replace(head, payload=b""),
        lambda head: replace(head, payload=head.payload[::-1]),
        lambda head: replace(head, payload=head.payload + bytes(8)),
    ],
)
def test_a_head_that_makes_no_sense_is_passed_over(
    coded: Coded, close: Close, change: Callable[[PreviewHead], PreviewHead]
) -> None:
    data = coded(frames=(2,))
    seen = _with(data, change(_head(data, 4)))
    assert close(list(VideoReader(seen, scale="1/4").frames()), list(VideoReader(data, scale="1/4").frames()))
    session = Session(seen)
    with pytest.raises(BitstreamError, match="preview 1/4 of segment 0"):
        head_integers(session, session.container.previews[0, 4])


def test_limits_hold_for_heads(coded: Coded, close: Close) -> None:
    data = coded(frames=(2,))
    limits = Limits(max_parameters=_shape(Session(data), 2).parameters - 1)
    session = Session(_with(data, _head(data, 2)), limits)
    assert VideoReader(session, scale="1/2").pictures.without_preview(session, [0]) == [0]


def test_previews_show_the_base(coded: Coded, layered: Layered, close: Close) -> None:
    data = layered(_with(base := coded(frames=(2,)), _head(base, 2)))
    reader = VideoReader(data, scale="1/2")
    assert reader.layers == 0 and VideoReader(data).layers == 1
    assert close(list(reader.frames()), list(VideoReader(data, scale="1/2", layers=0).frames()))
    top = VideoReader(data, layers=1)
    wanted = [shrunk(planes, top.format, 2) for planes in top.frames()]
    assert close(list(VideoReader(data, scale="1/2", layers=1).frames()), wanted)
    plain = VideoReader(layered(base), scale="1/2")  # nothing stored: all layers, as ever
    assert plain.layers == 1 and close(list(plain.frames()), wanted)


def test_one_that_cannot_be_used_takes_no_layer_away(coded: Coded, layered: Layered, close: Close) -> None:
    base = coded(frames=(2,))
    data = layered(_with(base, replace(_head(base, 2), rank=2**63)))
    reader = VideoReader(data, scale="1/2")
    assert reader.layers == 1 and reader.pictures.layers_left_out == 0
    assert close(list(reader.frames()), list(VideoReader(layered(base), scale="1/2").frames()))


def test_a_head_is_read_once(coded: Coded, monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = coded(frames=(4,)), []
    monkeypatch.setattr(pictures, "head_integers", lambda *given: calls.append(given) or head_integers(*given))
    reader = VideoReader(_with(data, _head(data, 2)), scale="1/2", batch=1)
    assert notices(reader, range(4)) == [] and calls == []
    assert len(list(reader.frames())) == 4 and reader[2].shape == (3, 24, 32)
    assert len(calls) == 1
    reader.close()
    assert len(reader.pictures._small) == 0


def test_what_is_said_of_small_pictures(coded: Coded, layered: Layered) -> None:
    base = coded(frames=(3, 2))
    detour = "whole frames are drawn and shrunk"
    none = f"no preview stored for 1/2: {detour}; encode with --preview for speed"
    heads = [_head(base, 2), _head(base, 2, 1)]
    spoilt = bytearray(_with(base, heads[0]))
    spoilt[-1] ^= 1
    unfit = _with(base, heads[0], replace(heads[1], level=99))
    both, eighth = layered(_with(base, *heads)), layered(_with(base, replace(heads[0], divisor=8)))

    def said(data: bytes, frames: range = range(5), **options: object) -> list[str]:
        return notices(VideoReader(data, device="cpu", **options), frames)  # type: ignore[arg-type]

    assert said(base) == said(both, layers=1) == said(_with(base, *heads), scale="1/4") == []
    assert said(base, scale="1/2") == [none]
    assert said(_with(base, heads[0]), scale="1/2") == [none.replace("shrunk", "shrunk for 1 of 2 segments")]
    assert said(_with(base, heads[0]), range(3), scale="1/2") == []
    assert said(bytes(spoilt), scale="1/2") == [f"no preview for 1/2 that can be used; {detour}"]
    assert said(unfit, scale="1/2") == [
        f"preview 1/2 of segment 1 cannot be drawn: level 99 is not in 0..2; {detour} for 1 of 2 segments"
    ]
    assert said(both, scale="1/2") == [f"previews show the base alone, its layer is left out; for --layers 1 {detour}"]
    assert said(both, scale="1/2", layers=0) == []
    assert said(both, scale="1/2", layers=1) == [f"previews show the base alone; for --layers 1 {detour}"]
    assert said(eighth, scale="1/2", layers=1) == [f"no preview stored for 1/2: {detour}"]
    for name in ("qsnerv", "archive"):
        (sentence,) = said((CONFORMANCE / f"{name}.nvc").read_bytes(), scale="1/2")
        assert sentence == f"no preview stored for 1/2: {detour}"


def test_a_check_leaves_nothing_out(coded: Coded, layered: Layered) -> None:
    base = coded(frames=(2,))
    head = _head(base, 2)
    assert check_file(Session(layered(_with(base, head))), "cpu").ok
    wrong = layered(_with(base, head), change=lambda pack: replace(pack, integers=bytes(16)))
    (problem,) = check_file(Session(wrong), "cpu").problems
    assert "layer 1 of segment 0 does not decode to the integers" in problem.error.message
    spoilt = bytearray(_with(base, head))
    spoilt[-1] ^= 1
    for data in (_with(base, replace(head, payload=b"")), _with(base, replace(head, level=99)), bytes(spoilt)):
        error = check_file(Session(data), "cpu").error()
        assert isinstance(error, BitstreamError) and "preview" in error.message and "drop_previews=True" in error.hint


def test_a_head_is_small_beside_its_segment(coded: Coded, monkeypatch: pytest.MonkeyPatch) -> None:
    data = coded(frames=(2,))
    session = Session(_with(data, _head(data, 2)))
    head, shape = session.container.previews[0, 2], _shape(session, 2)
    both = shape.parameters + sum(spec.size for spec in session.specs(session.container.segments[0]))
    session.limits = Limits(max_parameters=both)
    assert head_shape(session, head) == shape
    session.limits = Limits(max_parameters=both - 1)
    with pytest.raises(UnsupportedError, match=f"announces {both:,} parameters with its segment"):
        head_shape(session, head)
    monkeypatch.setattr(previews, "_MOST_PER_PARAMETER", 0)
    with pytest.raises(BitstreamError, match=f"announces {shape.parameters:,} parameters on top of"):
        head_shape(session, head)


NOT_THERE = ["1/3", "2", "0", 0.3, -1, "", "half", "1/0", float("inf"), float("nan"), "1/16", None, "1e-999999999", [1]]


@pytest.mark.parametrize("scale", NOT_THERE)
def test_scales_that_are_not_there(coded: Coded, scale: str | float) -> None:
    with pytest.raises(UsageError, match="cannot be drawn at scale"):
        VideoReader(coded(), scale=scale)


@pytest.mark.parametrize("scale", ["1/2", "0.5", 0.5, Fraction(1, 2), np.float32(0.5), np.float64(0.5), "5e-1"])
def test_ways_to_say_a_half(scale: Scale) -> None:
    assert check_scale(scale) == 2 and check_scale(1) == check_scale(np.int64(1)) == check_scale("1") == 1


def test_small_formats() -> None:
    assert shrunk_format(VideoFormat(53, 37), 8) == VideoFormat(7, 5)
