"""MSNeRV (Zhu et al., 2025), TeNeRV (Zhu et al.) and, with all switches off, HiNeRV (Kwan et al., NeurIPS 2023).

    grids, window, GoP grid -> stem -> { norm, upsample + local grids, layers } x blocks -> head -> planes

Features are kept channels-last, [B, h, w, C], throughout: norms and MLPs then work on contiguous rows, and a permuted
view is what convolution wants in its channels-last format, so no copy is ever made.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import CellWindow, FlatPlane, PlaneTensors, at_times, lerp_rows
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.gops import DepthwiseKernel, GroupedField, Groups
from nvcodec.models.msnerv_config import MSNeRVConfig, Upsampling
from nvcodec.models.planes import begin_smooth, channels_of, cut, resize, unpack
from nvcodec.models.precision import in_float32, widened
from nvcodec.models.pyramid import head_channels

_NORM_EPS = 1e-6
_NEAREST = 2.0**-14
"""To black and white, which a sigmoid comes near to but never reaches; a quarter of a code value at 12 bit."""


class MSNeRV(GroupedField):
    """The whole representation of one segment.

    Source: MSNeRV sections 3.1 and 3.3, Figure 2, and TeNeRV section III, Figure 2; what the papers leave open is
    settled as in HiNeRV. Differences by default: the head is linear, not a sigmoid (planes are clamped when rendered),
    and may end in a pixel shuffle.
    """

    capturable = True

    def __init__(self, config: MSNeRVConfig, geometry: FieldGeometry) -> None:
        super().__init__()
        self.config, self.geometry, self.scale = config, geometry, config.scale
        self.interleaved = config.shuffle
        self.specs = config.tensor_specs(geometry)
        self.groups = Groups(geometry.frames, geometry.gops)
        self.encoder = TemporalEncoder(config, geometry)
        self.stem = Conv3x3(config.grid_channels, config.channels[0])
        incoming = config.channels[0]
        self.blocks = nn.ModuleList()
        for index, outgoing in enumerate(config.channels):
            self.blocks.append(Block(config, index, incoming, outgoing, geometry))
            incoming = outgoing
        head = Conv3x3 if config.head_size == 3 else Conv1x1
        self.head = head(incoming, head_channels(config.shuffle, geometry.chroma))
        if config.head_size == 3:
            begin_smooth(self.head.weight, config.shuffle, geometry.chroma)
        if not config.sigmoid:
            nn.init.constant_(self.head.bias, 0.5)  # mid-grey: the fit starts from a picture, not from black

    def features(self, frames: Tensor, window: CellWindow | None = None, levels: int | None = None) -> list[Tensor]:
        """See :meth:`PyramidField.features`. With a window, borders within its margin differ from the whole picture."""
        gops = self.groups(frames)
        x = self.encoder(frames, gops)  # [B, h, w, grid channels]
        if window is not None:
            x = cut(x, window)
        pyramid = [x]
        x = self.stem(x)
        for block in self.blocks:
            if len(pyramid) == levels:
                break
            x = block(x, frames, gops)
            pyramid.append(x)
        return pyramid

    def draw(self, finest: Tensor) -> PlaneTensors:
        """See :meth:`PyramidField.draw`."""
        packed = self.head(finest)
        return unpack(packed.sigmoid() if self.config.sigmoid else packed, self.config.shuffle, self.geometry.chroma)

    def flat_plane(self, plane: int, level: float) -> FlatPlane:
        """See :meth:`VideoField.flat_plane`."""
        channels = channels_of(plane, self.config.shuffle, self.geometry.chroma)
        if self.config.sigmoid:
            within = min(max(level, _NEAREST), 1 - _NEAREST)
            level = math.log(within / (1 - within))
        return FlatPlane("head.weight", "head.bias", channels, level)

    def temporal_features(self, frames: Tensor) -> Tensor:
        """See :meth:`GroupedField.temporal_features`: the fused grids (TeNeRV equation 2)."""
        return self.encoder.temporal(frames).flatten(1)

    def heirs(self) -> dict[str, str]:
        """See :meth:`GroupedField.heirs`. GoP grids are no heirs: together, their mean stands for them all."""
        deltas = [spec.name for spec in self.specs if spec.name.endswith(".deltas")]
        return {name: name.replace(".deltas", ".shared") for name in deltas}

    def regroup(self, gops: tuple[int, ...]) -> None:
        """See :meth:`GroupedField.regroup`."""
        assert len(gops) == len(self.geometry.gops)
        self.geometry = replace(self.geometry, gops=gops)
        self.groups.start_at(gops)


class TemporalEncoder(nn.Module):
    """Multi-scale temporal encoder: base grids, temporal window, GoP grid.

    Source: MSNeRV section 3.1, equations 1 to 4, which TeNeRV (equations 1 to 5) calls inter-frame feature fusion. Both
    the interpolation in time and the window are linear, so the two are one kernel over grid nodes per frame, and
    equation 2 is one small matrix product per level. The window looks ahead, as in equation 2, where the configuration
    says so; else it is centred.
    """

    def __init__(self, config: MSNeRVConfig, geometry: FieldGeometry) -> None:
        super().__init__()
        self.frames, self.size = geometry.frames, config.base_size(geometry)
        self.times, self.ahead = config.times(geometry), config.window_ahead
        shapes = [config.grid_shape(level, geometry) for level in config.grids]
        self.grids = nn.ParameterList(_small(shape) for shape in shapes)
        self.window = _window(self.frames + self.ahead * (config.second_window - 1), config.window)
        self.second_window = _window(self.frames, config.second_window)
        self.gop_grid: nn.Parameter | None = None
        if config.gop_grid:
            shape = (len(geometry.gops), *self.size, config.grid_channels)
            self.gop_grid = nn.Parameter(torch.zeros(shape))

    def forward(self, frames: Tensor, gops: Tensor | None) -> Tensor:
        """int64 [B], and their groups of pictures as :class:`Groups` has them -> fused grid [B, h, w, channels]."""
        fused = self.temporal(frames)
        if self.gop_grid is None:
            return fused
        return fused + (self.gop_grid.mean(0) if gops is None else self.gop_grid[gops])

    def temporal(self, frames: Tensor) -> Tensor:
        """int64 [B] -> the grids of single frames, windowed, without those of their groups [B, h, w, channels]."""
        levels = []
        with in_float32(frames):
            for grid in self.grids:
                nodes, rows, columns, channels = grid.shape
                kernel = self._kernel(frames, nodes)  # [B, nodes]
                level = (kernel @ grid.reshape(nodes, -1)).view(-1, rows, columns, channels)
                if (rows, columns) != self.size:
                    level = resize(level, self.size)
                levels.append(level)
        return torch.cat(levels, dim=-1)

    def _kernel(self, times: Tensor, nodes: int, windows: int = 2) -> Tensor:
        """Weights of the grid nodes at times [B], float32 [B, nodes], with so many windows between them."""
        if not windows:
            return lerp_rows(times, self.times, nodes)
        window = self.second_window if windows == 2 else self.window
        if window is None:
            return self._kernel(times, nodes, windows - 1)
        size = window.shape[1]
        steps = torch.arange(size, device=times.device) - (0 if self.ahead else size // 2)
        seen = times[:, None] + steps  # [B, window]
        if not self.ahead:
            seen = seen.clamp(0, self.frames - 1)
        rows = self._kernel(seen.flatten(), nodes, windows - 1).view(*seen.shape, nodes)
        return (at_times(window, times).unsqueeze(1) @ rows).squeeze(1)


class Block(nn.Module):
    """Multi-scale feature block.

    Source: MSNeRV section 3.3, Figure 5. The norm before upsampling is HiNeRV's.
    """

    def __init__(self, config: MSNeRVConfig, index: int, incoming: int, outgoing: int, geometry: FieldGeometry) -> None:
        super().__init__()
        stride, expansion = config.strides[index], config.expansions[index]
        self.incoming = incoming
        self.upsample = Upsample(config.upsampling, stride, incoming)
        shapes = config.local_shapes(index, geometry)
        self.local = LocalEncoding(shapes, incoming, geometry.frames) if shapes else None
        inputs = [incoming] + [outgoing] * (config.depths[index] - 1)
        gops = len(geometry.gops) if config.gop_kernels else 0
        self.layers = nn.ModuleList(
            FusionLayer(width, outgoing, expansion, gops, sliced_input=config.sliced_input)
            if config.fusion
            else ConvNeXtLayer(width, outgoing, expansion, gops)
            for width in inputs
        )
        self.cross_depth: nn.Parameter | None = None
        if config.cross_depth:
            self.cross_depth = nn.Parameter(torch.zeros(config.depths[index], outgoing, 1, 3, 3))

    def forward(self, x: Tensor, frames: Tensor, gops: Tensor | None) -> Tensor:
        """[B, h, w, incoming] -> [B, s*h, s*w, outgoing]."""
        return self.refine(self.enter(x, frames), gops)

    def enter(self, x: Tensor, frames: Tensor) -> Tensor:
        """What comes before the layers: [B, h, w, incoming] -> [B, s*h, s*w, incoming]."""
        x = self.upsample(_normalise(x))
        return x if self.local is None else self.local(x, frames)

    def refine(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """The layers: [B, h, w, incoming] -> [B, h, w, outgoing]."""
        outputs = []
        for layer in self.layers:
            x = layer(x, gops)
            outputs.append(x)
        if self.cross_depth is None:
            return x
        # equation 11: the concatenation followed by a depthwise convolution is one convolution of the stacked outputs
        depth, width = self.cross_depth.shape[:2]
        mixed = _convolve(torch.cat(outputs, dim=-1), self.cross_depth.flatten(0, 1), groups=depth * width)
        return x + mixed.view(*x.shape[:3], depth, width).sum(dim=-2)


class Upsample(nn.Module):
    """Bilinear, pixel shuffle of a depthwise convolution, or their sum.

    Source: MSNeRV equation 9. The convolution starts at zero for the hybrid, so a fit begins as HiNeRV, and at
    nearest-neighbour where it stands alone (Table 3, V5).
    """

    def __init__(self, kind: Upsampling, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.bilinear = stride, kind is not Upsampling.SHUFFLE
        self.kernel: nn.Parameter | None = None
        if kind is not Upsampling.BILINEAR and stride > 1:
            kernel = torch.zeros(channels * stride**2, 1, 3, 3)
            if kind is Upsampling.SHUFFLE:
                kernel[:, :, 1, 1] = 1
            self.kernel = nn.Parameter(kernel)

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, s*h, s*w, C]."""
        if self.stride == 1:
            return x
        parts = []
        if self.bilinear:
            parts.append(resize(x, (x.shape[1] * self.stride, x.shape[2] * self.stride)))
        if self.kernel is not None:
            wide = _convolve(x, self.kernel, groups=x.shape[-1])
            parts.append(F.pixel_shuffle(wide.permute(0, 3, 1, 2), self.stride).permute(0, 2, 3, 1))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


class LocalEncoding(nn.Module):
    """Hierarchical encoding: grids over time and the position within an upsampled cell.

    Source: HiNeRV section 3.2 and its released code. The spatial index is the pixel's offset modulo the stride, so the
    encoding is the same in every cell.
    """

    def __init__(self, shapes: list[tuple[int, int, int, int]], channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.grids = nn.ParameterList(_small(shape) for shape in shapes)
        self.project = nn.Linear(sum(shape[3] for shape in shapes), channels)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """Add the encoding to x [B, h, w, C]."""
        cell = self.cell(frames)
        batch, height, width, channels = x.shape
        stride = cell.shape[1]
        cells = x.reshape(batch, height // stride, stride, width // stride, stride, channels)
        encoded: Tensor = cells + cell[:, None, :, None]
        return encoded.reshape(x.shape)

    def cell(self, frames: Tensor) -> Tensor:
        """The encoding of one cell at frames or times [B]: [B, s, s, C]."""
        levels = []
        with in_float32(frames):
            for grid in self.grids:
                nodes, stride, _, _ = grid.shape
                rows = lerp_rows(frames, self.frames, nodes)
                levels.append((rows @ grid.reshape(nodes, -1)).view(-1, stride, stride, grid.shape[3]))
        encoding: Tensor = self.project(torch.cat(levels, dim=-1))
        return encoding


class FusionLayer(nn.Module):
    """Depthwise convolution of two sizes, MLP, and a skip by channel slicing.

    Source: MSNeRV equation 10, Figure 5. The paper's parallel 3x3 and 5x5 depthwise branches are summed, which is
    exactly one 5x5 kernel; that is what is stored, with nine parameters per channel fewer. What is sliced is their sum,
    as the text has it, and the layer starts as the identity; or it is the layer's input, HiNeRV's skip made to suit
    every width, and branches start as in PyTorch: that learns quicker by Muon (docs/switches.md).
    """

    def __init__(self, incoming: int, outgoing: int, expansion: int, gops: int, *, sliced_input: bool = False) -> None:
        super().__init__()
        self.outgoing, self.sliced_input = outgoing, sliced_input
        self.kernel = DepthwiseKernel(incoming, 5, gops)
        with torch.no_grad():
            if sliced_input:
                self.kernel.shared[:, :, 1:4, 1:4] += _uniform((incoming, 1, 3, 3), fan_in=9)
            else:
                self.kernel.shared.mul_(0.25)
                self.kernel.shared[:, :, 2, 2] += 1
        self.expand = _matrix(outgoing * expansion, incoming)
        self.project = _matrix(outgoing, outgoing * expansion)

    def forward(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """[B, h, w, incoming] -> [B, h, w, outgoing]."""
        z: Tensor = self.kernel(x, gops)
        return _mlp(z, self.expand, self.project) + (x if self.sliced_input else z)[..., : self.outgoing]


class ConvNeXtLayer(nn.Module):
    """HiNeRV's layer: depthwise 3x3, norm, MLP; a skip where the width stays. Also Table 3's V6."""

    def __init__(self, incoming: int, outgoing: int, expansion: int, gops: int) -> None:
        super().__init__()
        self.kernel = DepthwiseKernel(incoming, 3, gops)
        self.expand = _matrix(outgoing * expansion, incoming)
        self.project = _matrix(outgoing, outgoing * expansion)
        self.skip = incoming == outgoing

    def forward(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """[B, h, w, incoming] -> [B, h, w, outgoing]."""
        y = _mlp(self.kernel(x, gops), self.expand, self.project)
        return x + y if self.skip else y


class Conv3x3(nn.Module):
    """A dense 3x3 convolution with bias, zero padded, on channels-last features."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((outgoing, incoming, 3, 3), fan_in=9 * incoming))
        self.bias = nn.Parameter(torch.zeros(outgoing))

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, incoming] -> [B, h, w, outgoing]."""
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=1).permute(0, 2, 3, 1)


class Conv1x1(nn.Module):
    """A linear layer with bias at every place, as a convolution's parameters."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((outgoing, incoming, 1, 1), fan_in=incoming))
        self.bias = nn.Parameter(torch.zeros(outgoing))

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, incoming] -> [B, h, w, outgoing]."""
        return F.linear(x, self.weight.flatten(1), self.bias)


def _convolve(x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    """Depthwise convolution of channels-last features, zero padded to the same size."""
    return F.conv2d(x.permute(0, 3, 1, 2), kernel, padding=kernel.shape[-1] // 2, groups=groups).permute(0, 2, 3, 1)


def _mlp(x: Tensor, expand: Tensor, project: Tensor) -> Tensor:
    return F.linear(F.gelu(F.linear(_normalise(x), expand)), project)


def _normalise(x: Tensor) -> Tensor:
    """Layer norm over channels without learned scale or shift, as in HiNeRV."""
    if not x.is_cuda:
        return F.layer_norm(x, x.shape[-1:], eps=_NORM_EPS)
    # torch's kernel gives every place a block of threads: with the few channels there are here, that was the most
    # expensive thing in a picture, 14 of 45 ms at 1080p
    centred = widened(x)
    centred = centred - centred.mean(-1, keepdim=True)
    normal: Tensor = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + _NORM_EPS)
    return normal


def _window(frames: int, size: int) -> nn.Parameter | None:
    """Weights [frames, size] that begin as if there were no window; None: there is none."""
    if size == 1:
        return None
    weights = torch.zeros(frames, size)
    weights[:, size // 2] = 1
    return nn.Parameter(weights)


def _small(shape: tuple[int, ...]) -> nn.Parameter:
    """Grid values start near zero, as in HiNeRV."""
    return nn.Parameter(torch.empty(shape).uniform_(-1e-3, 1e-3))


def _matrix(outgoing: int, incoming: int) -> nn.Parameter:
    return nn.Parameter(_uniform((outgoing, incoming), fan_in=incoming))


def _uniform(shape: tuple[int, ...], fan_in: int) -> Tensor:
    """PyTorch's default range for layers of this fan-in."""
    bound = fan_in**-0.5
    return torch.empty(shape).uniform_(-bound, bound)
