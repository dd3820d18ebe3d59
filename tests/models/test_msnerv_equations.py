"""MSNeRV's and TeNeRV's networks against their equations, written out in float64 sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nvcodec.encoder.plan.partition import divergence
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import HINERV_SWITCHES, GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat

Array = npt.NDArray[np.float64]

FRAMES, ROWS, COLUMNS = 9, 12, 16
GOPS = (0, 2, 7)
GOP_OF_FRAME = [0, 0, 1, 1, 1, 1, 1, 2, 2]
CLIP = FieldGeometry(FRAMES, ROWS, COLUMNS, ChromaFormat.RGB, GOPS)
MSNERV = MSNeRVConfig(
    strides=(2, 2), channels=(6, 4), depths=(2, 1), expansions=(2, 3), grids=(GridLevel(2, 1, 2), GridLevel(4, 2, 3)),
    local_channels=2, local_levels=2, window_ahead=True, sigmoid=True,
)  # fmt: skip
"""As published: every switch is on."""
VARIANTS: dict[str, dict[str, Any]] = {
    "msnerv": {},
    "sliced input": {"sliced_input": True},
    "centred window": {"window_ahead": False, "sigmoid": False},
    "two windows": {"window": 3, "second_window": 5},
    "two centred windows": {"window": 3, "second_window": 5, "window_ahead": False},
    "second window alone": {"window": 1, "second_window": 3},
    "hinerv": {**HINERV_SWITCHES, "window_ahead": False, "head_size": 1},
    "tenerv": {**HINERV_SWITCHES, "window": 5, "gop_grid": True, "gop_kernels": True},
}


def _field(config: MSNeRVConfig) -> MSNeRV:
    """A network whose parameters are all different from zero."""
    torch.manual_seed(0)
    field = MSNeRV(config, CLIP).requires_grad_(False).eval()
    for parameter in field.parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
    return field


def _node(grid: Array, time: float, times: int) -> Array:
    """Linear interpolation in time between the nodes of a grid, which are spread evenly over so many times."""
    position = min(max((time + 0.5) * len(grid) / times - 0.5, 0), len(grid) - 1)
    below = int(position)
    above = min(below + 1, len(grid) - 1)
    return grid[below] * (1 - (position - below)) + grid[above] * (position - below)


def _enlarged(x: Array, rows: int, columns: int) -> Array:
    """Bilinear: [h, w, C] -> [rows, columns, C], sample centres at half-integers, edges repeated."""
    height, width, channels = x.shape
    out = np.empty((rows, columns, channels))
    for row in range(rows):
        for column in range(columns):
            y = max((row + 0.5) * height / rows - 0.5, 0)
            z = max((column + 0.5) * width / columns - 0.5, 0)
            top, left = min(int(y), height - 1), min(int(z), width - 1)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = x[top, left] * (1 - (z - left)) + x[top, right] * (z - left)
            lower = x[bottom, left] * (1 - (z - left)) + x[bottom, right] * (z - left)
            out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out


def _everywhere(x: Array, size: int, draw: Callable[[Array], Array]) -> Array:
    """What is drawn of the neighbourhood [size, size, C] of every place, zeros beyond the edges."""
    reach = size // 2
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
    rows, columns, _ = x.shape
    return np.array([[draw(padded[i : i + size, j : j + size]) for j in range(columns)] for i in range(rows)])


def _depthwise(x: Array, kernel: Array) -> Array:
    """[h, w, C] with kernels [C r, 1, k, k] -> [h, w, C r]."""
    times = len(kernel) // x.shape[-1]

    def draw(near: Array) -> Array:
        return np.array([(kernel[o, 0] * near[..., o // times]).sum() for o in range(len(kernel))])

    return _everywhere(x, kernel.shape[-1], draw)


def _dense(x: Array, weight: Array, bias: Array) -> Array:
    def draw(near: Array) -> Array:
        return np.array([(weight[o] * near.transpose(2, 0, 1)).sum() + bias[o] for o in range(len(weight))])

    return _everywhere(x, weight.shape[-1], draw)


def _normal(x: Array) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-6)


def _mlp(x: Array, expand: Array, project: Array) -> Array:
    hidden = x @ expand.T
    erf = np.vectorize(math.erf)
    return (hidden * 0.5 * (1 + erf(hidden / math.sqrt(2)))) @ project.T


class _Equations:
    """A frame from the parameters of a network."""

    def __init__(self, field: MSNeRV) -> None:
        self.config = field.config
        self.p = {name: value.double().numpy() for name, value in field.named_parameters()}

    def base(self, time: int) -> list[Array]:
        """Equation 1; with a window ahead, equation 3 of TeNeRV: times 0 to T + l - 2."""
        c = self.config
        times = FRAMES + c.window_ahead * (c.window + c.second_window - 2)
        assert 0 <= time < times
        levels = [self.p[f"encoder.grids.{level}"] for level in range(len(c.grids))]
        return [_node(grid, time, times) for grid in levels]

    def seen(self, time: int, tap: int, size: int) -> int:
        return time + tap if self.config.window_ahead else min(max(time + tap - size // 2, 0), FRAMES - 1)

    def windowed(self, time: int, below: Callable[[int], list[Array]], name: str, size: int) -> list[Array]:
        """Equation 2."""
        if size == 1:
            return below(time)
        taps = [below(self.seen(time, tap, size)) for tap in range(size)]
        weights = self.p[name][time]
        return [np.asarray(sum(weights[i] * taps[i][level] for i in range(size))) for level in range(len(taps[0]))]

    def temporal(self, frame: int) -> Array:
        """Equation 2, and Table 6's two windows on top of each other, at the base resolution."""
        c, name = self.config, "encoder.window"
        levels = self.windowed(
            frame,
            lambda time: self.windowed(time, self.base, name, c.window),
            "encoder.second_window",
            c.second_window,
        )
        size = c.base_size(CLIP)
        return np.concatenate([_enlarged(level, *size) for level in levels], axis=-1)

    def fused(self, frame: int) -> Array:
        """Equations 3 and 4, equation 5 of TeNeRV."""
        x = self.temporal(frame)
        return x + self.p["encoder.gop_grid"][GOP_OF_FRAME[frame]] if self.config.gop_grid else x

    def upsampled(self, x: Array, block: int, frame: int) -> Array:
        """Equation 9 behind HiNeRV's norm."""
        c, stride, x = self.config, self.config.strides[block], _normal(x)
        height, width, channels = x.shape
        out = np.zeros((height * stride, width * stride, channels))
        if c.upsampling.name != "SHUFFLE":
            out += _enlarged(x, height * stride, width * stride)
        if c.upsampling.name != "BILINEAR":
            wide = _depthwise(x, self.p[f"blocks.{block}.upsample.kernel"])
            for row, column, channel in np.ndindex(*out.shape):
                of_cell = channel * stride**2 + row % stride * stride + column % stride
                out[row, column, channel] += wide[row // stride, column // stride, of_cell]
        grids = [self.p[f"blocks.{block}.local.grids.{level}"] for level in range(c.local_levels)]
        weight, bias = (self.p[f"blocks.{block}.local.project.{name}"] for name in ("weight", "bias"))
        for row, column in np.ndindex(*out.shape[:2]):
            at = [_node(grid, frame, FRAMES)[row % stride, column % stride] for grid in grids]
            out[row, column] += weight @ np.concatenate(at) + bias
        return out

    def layer(self, x: Array, name: str, frame: int) -> Array:
        """Equation 10, or HiNeRV's layer; section III-B of TeNeRV for the kernel of the frame's group."""
        c, kernel = self.config, self.p[f"{name}.kernel.shared"]
        if c.gop_kernels:
            kernel = kernel + self.p[f"{name}.kernel.deltas"][GOP_OF_FRAME[frame]]
        z = _depthwise(x, kernel)
        y = _mlp(_normal(z), self.p[f"{name}.expand"], self.p[f"{name}.project"])
        if c.fusion:
            return y + (x if c.sliced_input else z)[..., : y.shape[-1]]
        return y + x if x.shape == y.shape else y

    def block(self, x: Array, block: int, frame: int) -> Array:
        """Equations 9 to 11."""
        x = self.upsampled(x, block, frame)
        outputs = []
        for layer in range(self.config.depths[block]):
            x = self.layer(x, f"blocks.{block}.layers.{layer}", frame)
            outputs.append(x)
        if self.config.cross_depth:
            kernels = self.p[f"blocks.{block}.cross_depth"]
            x = x + sum(_depthwise(each, kernel) for each, kernel in zip(outputs, kernels, strict=True))
        return x

    def frame(self, frame: int) -> Array:
        """[rows, columns, 3]."""
        x = _dense(self.fused(frame), self.p["stem.weight"], self.p["stem.bias"])
        for block in range(len(self.config.strides)):
            x = self.block(x, block, frame)
        drawn = _dense(x, self.p["head.weight"], self.p["head.bias"])
        return 1 / (1 + np.exp(-drawn)) if self.config.sigmoid else drawn


@pytest.mark.parametrize("name", VARIANTS)
def test_a_frame_is_what_the_equations_say(name: str) -> None:
    field = _field(replace(MSNERV, **VARIANTS[name]))
    by_equations = _Equations(field)
    for frame in (0, 5) if name == "msnerv" else (8,):
        drawn = torch.stack(field(torch.tensor([frame])).planes, dim=-1)[0].numpy()
        np.testing.assert_allclose(drawn, by_equations.frame(frame), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_grids_of_every_frame(name: str) -> None:
    """Equations 1 to 4, both ends of the clip too; equation 4 of TeNeRV on what they give."""
    field = _field(replace(MSNERV, **VARIANTS[name]))
    by_equations = _Equations(field)
    together = field.encoder(torch.arange(FRAMES), torch.tensor(GOP_OF_FRAME)).numpy()
    features = [by_equations.temporal(frame).ravel() for frame in range(FRAMES)]
    for frame in range(FRAMES):
        np.testing.assert_allclose(together[frame], by_equations.fused(frame), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(
            field.temporal_features(torch.tensor([frame]))[0], features[frame], rtol=1e-3, atol=1e-5
        )
    distances = divergence(field.temporal_features(torch.arange(FRAMES)).numpy())
    for frame in range(1, FRAMES):
        now, before = features[frame], features[frame - 1]
        cosine = float(now @ before) / (math.sqrt(float(now @ now)) * math.sqrt(float(before @ before)))
        assert distances[frame] == pytest.approx(1 - cosine, abs=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_fit_begins_without_windows_and_groups(name: str) -> None:
    """Every frame is that of its own node, whichever windows there are."""
    config = replace(MSNERV, **VARIANTS[name])
    torch.manual_seed(0)
    encoder = MSNeRV(config, CLIP).encoder
    plain = replace(config, window=1, second_window=1, window_ahead=False, gop_grid=False)
    ahead = config.times(CLIP) - FRAMES
    longer = MSNeRV(plain, replace(CLIP, frames=FRAMES + ahead)).encoder
    longer.load_state_dict({key: value for key, value in encoder.state_dict().items() if key.startswith("grids")})
    frames, groups = torch.arange(FRAMES), torch.tensor(GOP_OF_FRAME)
    torch.testing.assert_close(encoder(frames, groups), longer(frames + ahead // 2, groups), rtol=1e-5, atol=1e-9)


def test_a_sigmoid_head_begins_grey_and_draws_flat_planes() -> None:
    field = MSNeRV(replace(MSNERV, channels=(8, 8)), CLIP).requires_grad_(False)
    assert all(0.3 < float(plane.mean()) < 0.7 for plane in field(torch.tensor([0])).planes)
    for level in (0.0, 0.25, 1.0):
        flat = field.flat_plane(1, level)
        field.head.weight[flat.channels] = 0
        field.head.bias[flat.channels] = flat.value
        assert (field(torch.tensor([0])).planes[1] - level).abs().max() < 0.25 / 4095 + 1e-6


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"second_window": 4}, "odd"),
        ({"second_window": 17}, "second_window must lie in 1..15"),
        ({"head_size": 5}, "1 or 3"),
    ],
)
def test_choices_that_make_no_sense(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(MSNERV, **change)


def test_golden_bytes_of_choices() -> None:
    config = replace(MSNERV, second_window=3, head_size=1, sliced_input=True)
    assert config.choices_to_bytes().hex(" ") == "01 01 02 01 03 03 04 01 05 01"
    assert MSNeRVConfig.from_bytes(config.to_bytes(), config.choices_to_bytes()) == config
