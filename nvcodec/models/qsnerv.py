"""The base layer of QS-NeRV and, with no skip, HNeRV (Chen et al., CVPR 2023).

    embedding -> stem -> { convolution, pixel shuffle, GELU, + features recovered from a small map } x blocks -> head

Features are kept channels-last, [B, h, w, C], between the parts, as in every model.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import CellWindow, FlatPlane, PlaneTensors, PyramidField, at_times
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.latent import latent
from nvcodec.models.planes import begin_smooth, channels_of, cut, resize, unpack
from nvcodec.models.pyramid import head_channels
from nvcodec.models.qsnerv_config import Latent, QSNeRVConfig, Skip

_SLOPE = 0.2
"""Of the leaky ReLU in dense blocks, as in IRN."""
_NEAREST = 2.0**-14
"""To black and white, which the head comes near to but never reaches; a quarter of a code value at 12 bit."""


class QSNeRV(PyramidField):
    """The whole representation of one segment.

    Source: QS-NeRV sections 3.1 and 3.2, Figures 2 to 4; what the paper leaves open is settled as in HNeRV and in IRN.
    Differences: the head may end in a pixel shuffle; the coupling's scale may be bounded, see :class:`Coupling`, and
    the latent the same for all frames. The multi-branch convolutions are a fit's (:mod:`..encoder.fit.branches`): files
    and this network have the one kernel they amount to, as a decoder of the paper has.
    """

    capturable = True

    def __init__(self, config: QSNeRVConfig, geometry: FieldGeometry) -> None:
        super().__init__()
        self.config, self.geometry, self.scale = config, geometry, config.scale
        self.interleaved = config.shuffle
        self.specs = config.tensor_specs(geometry)
        self.branched = [f"blocks.{block}" for block in range(len(config.strides))]
        rows, columns = config.base_size(geometry)
        self.embedding = nn.Parameter(_same_for_all(geometry.frames, (rows, columns, config.embedding)))
        self.maps = nn.ParameterList()
        self.skips = nn.ModuleList()
        for level in range(1, config.levels + 1):
            size = rows * config.level_scale(level), columns * config.level_scale(level)
            self.maps.append(nn.Parameter(_same_for_all(geometry.frames, (*size, config.map_channels))))
            self.skips.append(_skip(config, level, size, geometry.frames))
        self.stem = Convolution(config.embedding, config.stem, 1)
        incoming = config.stem
        self.blocks = nn.ModuleList()
        for stride, kernel, outgoing in zip(config.strides, config.kernels, config.channels, strict=True):
            self.blocks.append(Convolution(incoming, outgoing * stride**2, kernel))
            incoming = outgoing
        self.head = Convolution(incoming, head_channels(config.shuffle, geometry.chroma), 3)
        begin_smooth(self.head.weight, config.shuffle, geometry.chroma)

    def features(self, frames: Tensor, window: CellWindow | None = None, levels: int | None = None) -> list[Tensor]:
        """See :meth:`PyramidField.features`. With a window, borders within its margin differ from the whole picture."""
        x = at_times(self.embedding, frames)  # [B, h, w, embedding]
        if window is not None:
            x = cut(x, window)
        pyramid = [x]
        x = F.gelu(self.stem(x))
        for index, (block, stride) in enumerate(zip(self.blocks, self.config.strides, strict=True)):
            if len(pyramid) == levels:
                break
            wide = block(x).permute(0, 3, 1, 2)
            x = F.gelu(F.pixel_shuffle(wide, stride)).permute(0, 2, 3, 1)
            if index < len(self.skips):
                recovered = self.skips[index](at_times(self.maps[index], frames), frames, window)
                x = x + resize(recovered, (x.shape[1], x.shape[2]))
            pyramid.append(x)
        return pyramid

    def draw_anew(self, on: bool) -> None:
        """See :meth:`VideoField.draw_anew`: latents that every frame has for itself."""
        for skip in self.skips:
            if isinstance(skip, InvertibleSkip):
                skip.anew = on

    def draw(self, finest: Tensor) -> PlaneTensors:
        """See :meth:`PyramidField.draw`."""
        packed = 0.5 * torch.tanh(self.head(finest)) + 0.5  # [B, h, w, head channels]
        return unpack(packed, self.config.shuffle, self.geometry.chroma)

    def flat_plane(self, plane: int, level: float) -> FlatPlane:
        """See :meth:`VideoField.flat_plane`."""
        channels = channels_of(plane, self.config.shuffle, self.geometry.chroma)
        within = min(max(level, _NEAREST), 1 - _NEAREST)
        return FlatPlane("head.weight", "head.bias", channels, math.atanh(2 * within - 1))


class Convolution(nn.Module):
    """A dense convolution with bias, zero padded, on channels-last features."""

    def __init__(self, incoming: int, outgoing: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((outgoing, incoming, kernel, kernel)))
        self.bias = nn.Parameter(torch.zeros(outgoing))

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, incoming] -> [B, h, w, outgoing]."""
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=padding).permute(0, 2, 3, 1)


class DirectSkip(nn.Module):
    """The encoder's features as they are (QS-NeRV Table 8, "direct")."""

    def __init__(self, config: QSNeRVConfig, level: int) -> None:
        super().__init__()
        self.scale = config.level_scale(level)
        self.merge = nn.Parameter(torch.zeros(config.channels[level - 1], config.skip_channels, 1, 1))

    def forward(self, features: Tensor, frames: Tensor, window: CellWindow | None) -> Tensor:
        """Map [B, h, w, skip_channels] -> features [B, h, w, channels of the block] of the window."""
        if window is not None:
            features = cut(features, window, self.scale)
        return F.conv2d(features.permute(0, 3, 1, 2), self.merge).permute(0, 2, 3, 1)


class ConvSkip(nn.Module):
    """A map through a dense block (QS-NeRV Table 8, "not invertible")."""

    def __init__(self, config: QSNeRVConfig, level: int) -> None:
        super().__init__()
        self.scale = config.level_scale(level)
        self.dense = DenseBlocks(1, config.dense_shapes(1, config.skip_channels))
        self.merge = nn.Parameter(torch.zeros(config.channels[level - 1], config.skip_channels, 1, 1))

    def forward(self, small: Tensor, frames: Tensor, window: CellWindow | None) -> Tensor:
        """Map [B, h, w, 1] -> features [B, h, w, channels of the block] of the window."""
        if window is not None:
            small = cut(small, window, self.scale)
        (recovered,) = self.dense(small.permute(0, 3, 1, 2))
        return F.conv2d(recovered, self.merge).permute(0, 2, 3, 1)


class InvertibleSkip(nn.Module):
    """A map and a latent through the inverse of a coupling (QS-NeRV section 3.2, Figure 4).

    The 1x1 convolution that brings the result to the width of the decoder starts at zero: a fit begins as HNeRV.
    """

    anew = False
    """Whether a latent per frame is drawn anew with each call, as in a step of a fit; else it is the file's."""

    def __init__(self, config: QSNeRVConfig, level: int, size: tuple[int, int], frames: int) -> None:
        super().__init__()
        self.scale, self.fresh = config.level_scale(level), config.fresh
        self.coupling = Coupling(config)
        self.merge = nn.Parameter(torch.zeros(config.channels[level - 1], config.skip_channels, 1, 1))
        shape = (frames if config.fresh else 1, *size, config.skip_channels)
        values = torch.zeros(shape)
        if config.latent is Latent.SHARED:
            values = torch.from_numpy(latent(config.seed, level, shape))  # frame by frame, where each has its own
        self.latent: Tensor
        self.register_buffer("latent", values, persistent=False)

    def forward(self, small: Tensor, frames: Tensor, window: CellWindow | None) -> Tensor:
        """Map [B, h, w, 1] -> features [B, h, w, channels of the block] of the window."""
        z = self.latent
        if self.fresh:
            z = torch.randn_like(z[frames.floor().long()]) if self.anew else z[frames.floor().long()]
        if window is not None:
            small, z = cut(small, window, self.scale), cut(z, window, self.scale)
        _, recovered = self.coupling.inverse(small.permute(0, 3, 1, 2), z.permute(0, 3, 1, 2))
        return F.conv2d(recovered, self.merge).permute(0, 2, 3, 1)


class Coupling(nn.Module):
    """An invertible coupling of features and a map: one step of InvNet.

    Source: QS-NeRV section 3.2, the equations before "During the decoding". The paper multiplies by what its networks K
    and H say, which cannot be undone where they say 0; where ``config.bounded``, scales are IRN's,
    exp(2 sigmoid(u) - 1), between 1/e and e. Tensors are [B, C, h, w].
    """

    def __init__(self, config: QSNeRVConfig) -> None:
        super().__init__()
        self._scale = _bounded if config.bounded else _as_said
        self.widening = DenseBlocks(2, config.dense_shapes(1, config.skip_channels))
        """K and F: the map's scale and shift for the features."""
        self.narrowing = DenseBlocks(2, config.dense_shapes(config.skip_channels, 1))
        """H and G: the features' scale and shift for the map."""
        if not config.bounded:  # a fit begins near the identity, not next to a division by nothing
            for pair in (self.widening, self.narrowing):
                with torch.no_grad():
                    pair.last_biases()[0].fill_(1)

    def forward(self, small: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's way: map and features to the map that is coded and features that should be normal."""
        scale, shift = self.widening(small)
        features = features * self._scale(scale) + shift
        scale, shift = self.narrowing(features)
        return small * self._scale(scale) + shift, features

    def inverse(self, small: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's way back; either argument may have a batch of one for all frames."""
        scale, shift = self.narrowing(features)
        small = (small - shift) / self._scale(scale)
        scale, shift = self.widening(small)
        return small, (features - shift) / self._scale(scale)


class DenseBlocks(nn.Module):
    """One or two of IRN's dense blocks that see the same input, side by side in grouped convolutions.

    Args:
        count: Blocks.
        shapes: (outputs, inputs) of the convolutions of one block.
    """

    def __init__(self, count: int, shapes: list[tuple[int, int]]) -> None:
        super().__init__()
        self.count = count
        self.kernels = nn.ParameterList(_uniform((count * outputs, inputs, 3, 3)) for outputs, inputs in shapes)
        self.bias = nn.Parameter(torch.zeros(count * sum(outputs for outputs, _ in shapes)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, incoming, h, w] -> [B, outgoing, h, w] for each block."""
        seen = x.unsqueeze(1).expand(-1, self.count, -1, -1, -1)  # [B, blocks, C, h, w]
        biases = torch.split(self.bias, [len(kernel) for kernel in self.kernels])
        *inner, (last, last_bias) = zip(self.kernels, biases, strict=True)
        for kernel, bias in inner:
            seen = torch.cat((seen, F.leaky_relu(self._convolve(seen, kernel, bias), _SLOPE)), dim=2)
        return self._convolve(seen, last, last_bias).unbind(1)

    def last_biases(self) -> Tensor:
        """Those of the last convolution, [blocks, outgoing], as a view."""
        return self.bias[-len(self.kernels[-1]) :].view(self.count, -1)

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """[B, blocks, inputs, h, w] -> [B, blocks, outputs, h, w]."""
        out = F.conv2d(x.flatten(1, 2), kernel, bias, padding=1, groups=self.count)
        return out.view(len(x), self.count, -1, *x.shape[3:])


def _skip(config: QSNeRVConfig, level: int, size: tuple[int, int], frames: int) -> nn.Module:
    if config.direct:
        return DirectSkip(config, level)
    if config.skip is Skip.CONV:
        return ConvSkip(config, level)
    return InvertibleSkip(config, level, size, frames)


def _bounded(u: Tensor) -> Tensor:
    """A scale between 1/e and e."""
    return torch.exp(2 * torch.sigmoid(u) - 1)


def _as_said(u: Tensor) -> Tensor:
    """A scale of any size, 0 too."""
    return u


def _same_for_all(frames: int, shape: tuple[int, ...]) -> Tensor:
    """Every frame starts with the same random values: what differs between frames has to be paid for."""
    return torch.empty(shape).uniform_(-0.5, 0.5).repeat(frames, *[1] * len(shape))


def _uniform(shape: tuple[int, int, int, int]) -> Tensor:
    """PyTorch's default range for convolutions of this fan-in."""
    bound = (shape[1] * shape[2] * shape[3]) ** -0.5
    return torch.empty(shape).uniform_(-bound, bound)
