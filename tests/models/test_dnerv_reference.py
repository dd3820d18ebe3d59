"""The network of D-NeRV once more, slow and in double precision, from bitstream_spec.md."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import erf

from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.key_groups import NO_KEY_FRAMES
from nvcodec.decoder.reader import VideoReader
from nvcodec.models.dnerv import DNeRV, DNeRVNetwork
from nvcodec.models.dnerv_config import DNeRVConfig, FlowAt, Fusing, Mixing
from nvcodec.models.geometry import FieldGeometry
from nvcodec.quant.steps import dequantise
from nvcodec.types import ChromaFormat

STREAMS = Path(__file__).parents[1] / "conformance"
SMALL = DNeRVConfig((2, 3), (6, 5), 4, 3, shuffle=2, clip=3, time_levels=6, time_width=5)


class Reference:
    """What a decoder computes; arrays are [frame, row, column, channel]."""

    def __init__(self, config: DNeRVConfig, chroma: ChromaFormat, network: DNeRVNetwork) -> None:
        self.config, self.chroma = config, chroma
        self.p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}

    def draw(self, code: np.ndarray, share: np.ndarray, keys: list[np.ndarray]) -> list[np.ndarray]:
        """Planes of a clip, [T, rows, columns] each."""
        config, blocks = self.config, len(self.config.strides)
        cells = keys[0].shape[1] // config.scale, keys[0].shape[2] // config.scale
        if not config.key_frames:
            x = self.stem(code, *cells)
            for n in range(blocks):
                x = self.block(n, x, None)
            return self.unpacked(self.head(x), keys)
        x = gelu(self.convolution(self.packed(keys), "keys.first"))
        features: list[np.ndarray] = []
        for n in reversed(range(blocks)):
            features.insert(0, x := gelu(self.patches(x, n)))
        x = np.concatenate([self.stem(code, *cells), mixed(*features[0], share)], axis=-1)
        x = (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 1e-5)
        first = None
        for n in range(blocks):
            flow = first
            if config.flow_at is FlowAt.EVERY or (config.flow_at is FlowAt.FIRST and n == 0):
                flow = self.flow(n, x)
            first = flow if config.flow_at is FlowAt.FIRST else None
            x = self.block(n, x, between(features[n], flow, share))
        flow = first if config.flow_at is FlowAt.FIRST else self.flow(blocks, x)
        carried = [between(plane[..., None], flow, share)[..., 0] for plane in keys]
        drawn = self.unpacked(self.head(np.concatenate([x, self.packed(carried)], axis=-1)), carried)
        return drawn if config.picture else [a + b for a, b in zip(carried, drawn, strict=True)]

    def stem(self, code: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Section 3.2, in front of equation 1: the time code, widened and put onto a grid."""
        config = self.config
        hidden = gelu(code @ self.p["time.0.weight"].T + self.p["time.0.bias"])
        flat = hidden @ self.p["time.2.weight"].T + self.p["time.2.bias"]
        grid = np.empty((len(code), config.stem_rows, config.stem_columns, config.stem))
        for c, i, j in itertools.product(range(config.stem), range(config.stem_rows), range(config.stem_columns)):
            grid[:, i, j, c] = flat[:, (c * config.stem_rows + i) * config.stem_columns + j]
        return resized(resized(grid, rows, 1), columns, 2)

    def head(self, x: np.ndarray) -> np.ndarray:
        return self.convolution(gelu(self.convolution(x, "head.0")), "head.2")

    def fused(self, n: int, x: np.ndarray, content: np.ndarray) -> np.ndarray:
        if self.config.fusing is Fusing.JOINED:
            return np.concatenate([x, content], axis=-1)
        fused, channels = self.convolution(content, f"blocks.{n}.fuse"), x.shape[-1]
        if self.config.fusing is Fusing.PER_PLACE:
            out = np.empty_like(x)
            for t, i, j in itertools.product(*map(range, x.shape[:3])):
                gamma, beta = fused[t, i, j]
                out[t, i, j] = [gamma * value + beta for value in x[t, i, j]]
            return out
        gain, shift = (1 + fused[..., :channels], fused[..., channels:]) if self.config.fusion else (1, fused)
        return x * gain + shift

    def block(self, n: int, x: np.ndarray, content: np.ndarray | None) -> np.ndarray:
        x = x if content is None else self.fused(n, x, content)
        z, stride = self.convolution(x, f"blocks.{n}.conv"), self.config.strides[n]
        y = np.zeros((len(z), z.shape[1] * stride, z.shape[2] * stride, self.config.channels[n]))
        for c, u, v in itertools.product(range(y.shape[-1]), range(stride), range(stride)):
            y[:, u::stride, v::stride, c] = gelu(z[..., c * stride**2 + u * stride + v])
        if not self.config.temporal:
            return y
        if self.config.mixing is Mixing.CONVOLUTION:
            return self.convolved_in_time(f"blocks.{n}.temporal", y)
        if self.config.mixing is Mixing.ATTENTION:
            return self.attended(f"blocks.{n}.temporal", y)
        weight, bias = self.p[f"blocks.{n}.temporal.weight"], self.p[f"blocks.{n}.temporal.bias"]
        out = y.copy()
        for c, u in itertools.product(range(y.shape[-1]), range(len(y))):
            out[u, ..., c] += bias[c, u] + sum(weight[c, u, t] * y[t, ..., c] for t in range(len(y)))
        return out

    def convolved_in_time(self, name: str, y: np.ndarray) -> np.ndarray:
        weight, bias = self.p[f"{name}.weight"], self.p[f"{name}.bias"]
        out, half = y + bias, self.config.taps // 2
        for t, tap in itertools.product(range(len(y)), range(self.config.taps)):
            if 0 <= t + tap - half < len(y):
                out[t] += weight[:, tap] * y[t + tap - half]
        return out

    def attended(self, name: str, y: np.ndarray) -> np.ndarray:
        into, from_, channels = self.p[f"{name}.into.weight"], self.p[f"{name}.into.bias"], y.shape[-1]
        out = y.copy()
        for i, j in itertools.product(*map(range, y.shape[1:3])):
            asked, offered, given = np.split(y[:, i, j] @ into.T + from_, 3, axis=-1)
            for t in range(len(y)):
                weights = np.array([math.exp(asked[t] @ other / math.sqrt(channels)) for other in offered])
                taken = sum(weight * value for weight, value in zip(weights / weights.sum(), given, strict=True))
                out[t, i, j] += self.p[f"{name}.out.weight"] @ taken + self.p[f"{name}.out.bias"]
        return out

    def flow(self, n: int, x: np.ndarray) -> np.ndarray | None:
        if not self.config.flow:
            return None
        return self.convolution(gelu(self.convolution(x, f"flows.{n}.0")), f"flows.{n}.2")

    def convolution(self, x: np.ndarray, name: str) -> np.ndarray:
        kernel = self.p[f"{name}.weight"]
        side, (_, rows, columns, _) = kernel.shape[-1], x.shape
        padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        return self.p[f"{name}.bias"] + sum(
            padded[:, i : i + rows, j : j + columns] @ kernel[:, :, i, j].T
            for i, j in itertools.product(range(side), range(side))
        )

    def patches(self, x: np.ndarray, n: int) -> np.ndarray:
        stride, kernel = self.config.strides[n], self.p[f"keys.patches.{n}.weight"]
        taps = itertools.product(range(stride), range(stride))
        patches = sum(x[:, i::stride, j::stride] @ kernel[:, :, i, j].T for i, j in taps)
        return self.p[f"keys.patches.{n}.bias"] + patches

    def packed(self, planes: list[np.ndarray]) -> np.ndarray:
        if self.chroma is ChromaFormat.YUV420 and self.config.shuffle % 2:
            planes = [planes[0], *(plane.repeat(2, axis=1).repeat(2, axis=2) for plane in planes[1:])]
        rows = planes[0].shape[1] // self.config.shuffle
        parts = []
        for plane in planes:
            q = plane.shape[1] // rows
            parts += [plane[:, u::q, v::q] for u, v in itertools.product(range(q), range(q))]
        return np.stack(parts, axis=-1)

    def unpacked(self, z: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
        halves = self.chroma is ChromaFormat.YUV420 and self.config.shuffle % 2 == 1
        planes, at = [], 0
        for index, shown in enumerate(like):
            full = 2 if halves and index else 1
            q = full * shown.shape[1] // z.shape[1]
            plane = np.zeros((len(z), q * z.shape[1], q * z.shape[2]))
            for u, v in itertools.product(range(q), range(q)):
                plane[:, u::q, v::q] = z[..., at + u * q + v]
            at += q * q
            planes.append(sum(plane[:, i::full, j::full] for i in range(full) for j in range(full)) / full**2)
        return planes


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def mixed(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Two images, or two for each frame, blended."""
    share = share[:, None, None, None]
    return (1 - share) * first + share * second


def between(images: np.ndarray, flow: np.ndarray | None, share: np.ndarray) -> np.ndarray:
    if flow is None:
        return mixed(images[0], images[1], share)
    rows, columns = images.shape[1:3]
    flow = resized(resized(flow, rows, 1), columns, 2) * (rows / flow.shape[1])
    warped = [
        np.stack([warp(image, part[..., 2 * end], part[..., 2 * end + 1]) for part in flow])
        for end, image in enumerate(images)
    ]
    return mixed(warped[0], warped[1], share)


def resized(x: np.ndarray, size: int, axis: int) -> np.ndarray:
    old = x.shape[axis]
    places = np.maximum((np.arange(size) + 0.5) * old / size - 0.5, 0)
    low = np.minimum(places.astype(int), old - 1)
    part = np.expand_dims(places - low, [other for other in range(4) if other != axis])
    return (1 - part) * x.take(low, axis) + part * x.take(np.minimum(low + 1, old - 1), axis)


def warp(image: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    rows, columns, _ = image.shape
    y = np.clip(np.arange(rows)[:, None] + dy, 0, rows - 1)[..., None]
    x = np.clip(np.arange(columns) + dx, 0, columns - 1)[..., None]
    top, left = y.astype(int), x.astype(int)
    low, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    at = lambda i, j: image[i[..., 0], j[..., 0]]
    upper = at(top, left) * (1 - (x - left)) + at(top, right) * (x - left)
    lower = at(low, left) * (1 - (x - left)) + at(low, right) * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def _network(config: DNeRVConfig, chroma: ChromaFormat, spread: float = 0.4) -> DNeRVNetwork:
    """A network that moves, bends and blends: no parameter is zero."""
    torch.manual_seed(0)
    network = DNeRVNetwork(config, chroma).requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(spread * torch.randn_like(parameter))
    return network


SWITCHES: list[dict[str, bool]] = [{}, {"flow": False}, {"fusion": False}, {"temporal": False}]
SHAPES = [((2, 3), 2), ((2, 2), 1), ((1, 3), 2), ((2,), 4), ((2, 1), 3)]


CHOICES: dict[str, dict[str, object]] = {
    "equations_5_and_6": {"fusing": Fusing.PER_PLACE},
    "u_net": {"fusing": Fusing.JOINED},
    "u_net_without_flow": {"fusing": Fusing.JOINED, "flow": False},
    "flow_at_the_first_scale": {"flow_at": FlowAt.FIRST},
    "flow_at_the_last_scale": {"flow_at": FlowAt.LAST},
    "three_taps": {"mixing": Mixing.CONVOLUTION},
    "eleven_taps": {"mixing": Mixing.CONVOLUTION, "taps": 11},
    "attention": {"mixing": Mixing.ATTENTION},
    "final_stage": {"picture": True},
    "stem_of_a_tile": {"stem_rows": 2, "stem_columns": 3},
    "stem_resized": {"stem_rows": 3, "stem_columns": 2},
    "nerv": {
        "key_frames": False, "flow": False, "fusion": False, "picture": True, "stem_rows": 2, "stem_columns": 3,
        "temporal": False,
    },
    "nerv_with_temporal_mlp": {
        "key_frames": False, "flow": False, "fusion": False, "picture": True, "stem_rows": 3, "stem_columns": 1,
    },
    "published": {"fusing": Fusing.PER_PLACE, "picture": True, "stem_rows": 2, "stem_columns": 3},
}  # fmt: skip


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.parametrize(("strides", "shuffle"), SHAPES)
@pytest.mark.parametrize("chroma", [ChromaFormat.YUV420, ChromaFormat.RGB])
def test_a_tile(switches: dict[str, bool], strides: tuple[int, ...], shuffle: int, chroma: ChromaFormat) -> None:
    _compare(replace(SMALL, strides=strides, channels=(6, 5)[: len(strides)], shuffle=shuffle, **switches), chroma)


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize(("shuffle", "chroma"), [(2, ChromaFormat.YUV420), (1, ChromaFormat.RGB)])
def test_what_the_paper_did(choices: dict[str, object], shuffle: int, chroma: ChromaFormat) -> None:
    _compare(replace(SMALL, shuffle=shuffle, **choices), chroma)


def _compare(config: DNeRVConfig, chroma: ChromaFormat) -> None:
    """Draw a tile of 2 x 3 cells by both."""
    network = _network(config, chroma)
    rng, scale = np.random.default_rng(1), config.scale
    sizes = [(2 * scale, 3 * scale)] * 3
    if chroma is ChromaFormat.YUV420:
        sizes[1:] = [(scale, 3 * scale // 2)] * 2
    keys = [rng.random((2 if config.key_frames else 0, *size)) for size in sizes]
    code, share = rng.normal(size=(3, 12)), np.array([0, 0.3, 1])
    expected = Reference(config, chroma, network).draw(code, share, keys)
    first, second, third = map(torch.from_numpy, keys)
    drawn = network.double()(torch.from_numpy(code), torch.from_numpy(share), (first, second, third))
    for plane, right in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(plane.numpy(), right, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("chroma", [ChromaFormat.YUV420, ChromaFormat.RGB])
@pytest.mark.parametrize(("frames", "clip"), [(7, 2), (7, 1), (6, 1), (2, 0), (1, 0)])
def test_a_clip_of_a_video(chroma: ChromaFormat, frames: int, clip: int) -> None:
    """Key frames, time code and shares, the short clip at the end, and the picture's odd size."""
    height, width, scale = 13, 21, SMALL.scale
    field = DNeRV(SMALL, FieldGeometry(frames, height, width, chroma)).requires_grad_(False)
    field.network.load_state_dict(_network(SMALL, chroma, 0.2).state_dict())
    times = sorted({*range(0, frames, 3), frames - 1})
    rng = np.random.default_rng(2)
    sizes = [(height, width)] * 3 if chroma is ChromaFormat.RGB else [(13, 21), (7, 11), (7, 11)]
    pictures = [rng.integers(0, 1024, (len(times), *size)).astype(np.int16) for size in sizes]
    first, second, third = map(torch.from_numpy, pictures)
    field.video.set_key_frames((first, second, third), 1023)

    begin, end = clip, min(clip + 1, len(times) - 1)
    inside = [min(3 * clip + t, frames - 1) for t in range(3)]
    span = times[end] - times[begin]
    share = np.array([(t - times[begin]) / span if span else 0 for t in inside])
    phases = np.array([[math.pi * 1.25**k * t / max(frames - 1, 1) for k in range(6)] for t in inside])
    code = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
    keys = []
    for plane in pictures:
        cell = scale // (1 if plane.shape[1] == height else 2)
        pad = [(0, -plane.shape[1] % cell), (0, -plane.shape[2] % cell)]
        keys.append(np.pad(plane[[begin, end]], [(0, 0), *pad], mode="edge") / 1023)
    expected = Reference(SMALL, chroma, field.network).draw(code, share, keys)
    shown = [t for t in range(3) if 3 * clip + t < frames]
    drawn = field(torch.tensor([3 * clip + t for t in shown])).planes
    for plane, right, (rows, columns) in zip(drawn, expected, sizes, strict=True):
        np.testing.assert_allclose(plane.numpy(), right[shown, :rows, :columns], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("file", "stream"), [("archive", 0), ("archive", 1), ("dnerv_published", 0), ("dnerv_published", 1), ("nerv", 0)]
)
def test_a_file_in_tiles(file: str, stream: int) -> None:
    """The conformance streams: what is stored, decoded again here, is within one code value of what is shown."""
    reader = VideoReader(STREAMS / f"{file}.nvc", device="cpu", stream=stream)
    session, video, frames = reader.session, reader.session.drawn_format(stream), len(reader)
    config, coded = session.config, session.container.key_frames.get(stream, NO_KEY_FRAMES)
    assert isinstance(config, DNeRVConfig) and 0 < config.tile < video.height
    reference = Reference(config, video.chroma, DNeRVNetwork(config, video.chroma))
    stored = {tensor.spec.name: dequantise(tensor).astype(float) for tensor in session.integers(stream)}
    reference.p = {name.removeprefix("network."): value for name, value in stored.items()}
    pictures, shown = decode_key_frames(coded.packets, video), list(reader.frames())
    scale, clip, halved = config.scale, config.clip, video.chroma is ChromaFormat.YUV420
    times = sorted({*range(0, frames, clip), frames - 1}) if config.key_frames else []
    for number in range(-(-frames // clip)):
        pair = (number, min(number + 1, len(times) - 1)) if times else ()
        begin, end = (times[key] for key in pair) if times else (0, 0)
        inside = [min(clip * number + t, frames - 1) for t in range(clip)]
        share = np.array([(t - begin) / (end - begin) if end > begin else 0 for t in inside])
        levels = range(config.time_levels)
        phases = np.array([[math.pi * 1.25**k * t / max(frames - 1, 1) for k in levels] for t in inside])
        code = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
        drawn = [np.full((clip, *shape), np.nan) for shape in video.plane_shapes]
        for vertical, horizontal in itertools.product(tiles(video.height, config), tiles(video.width, config)):
            keys = []
            for plane in range(3):
                cell = scale // 2 if plane and halved else scale
                last = np.array(video.plane_shapes[plane]) - 1
                rows, columns = (
                    np.minimum(np.arange(cell * span[0], cell * span[3]), most)
                    for span, most in zip((vertical, horizontal), last, strict=True)
                )
                shape = len(pair), len(rows), len(columns)
                parts = [pictures[key][plane][np.ix_(rows, columns)] / video.peak for key in pair]
                keys.append(np.array(parts).reshape(shape))
            for plane, part in enumerate(reference.draw(code, share, keys)):
                cell = scale // 2 if plane and halved else scale
                place = tuple(slice(cell * span[1], cell * span[2]) for span in (vertical, horizontal))
                own = tuple(slice(cell * (s[1] - s[0]), cell * (s[2] - s[0])) for s in (vertical, horizontal))
                room = drawn[plane][:, place[0], place[1]]
                room[:] = part[:, own[0], own[1]][:, : room.shape[1], : room.shape[2]]
        for t in range(min(clip, frames - clip * number)):
            frame = clip * number + t
            direct = frame in times and coded.direct[times.index(frame)]
            for plane in range(3):
                right = pictures[times.index(frame)][plane] if direct else drawn[plane][t] * video.peak
                expected = np.clip(np.rint(right), 0, video.peak)
                assert np.abs(shown[frame][plane] - expected).max() <= (0 if direct else 1)


def tiles(size: int, config: DNeRVConfig) -> list[tuple[int, int, int, int]]:
    """Cells of each tile along an axis: the first seen, the first drawn, the ends of what is drawn and seen."""
    cells, margin = -(-size // config.scale), -(-config.overlap // config.scale)
    count = -(-cells // max(1, config.tile // config.scale))
    edges = [number * cells // count for number in range(count + 1)]
    return [(max(a - margin, 0), a, b, min(b + margin, cells)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
