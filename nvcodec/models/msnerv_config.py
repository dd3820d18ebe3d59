"""Configuration of MSNeRV and TeNeRV: what the decoder must know to rebuild the network. No torch.

All switches off (:data:`HINERV_SWITCHES`) is HiNeRV's kind of network (Kwan et al., NeurIPS 2023); all on but
``gop_kernels`` MSNeRV's (Zhu et al., 2025); what the papers' own networks are besides is in
:mod:`nvcodec.encoder.plan.paper_sizes`. TeNeRV (Zhu et al.) is its window and GoP grids with ``gop_kernels``, on groups
of pictures that follow the content; which frame belongs to which group is not configuration but part of every segment.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from math import ceil, prod
from typing import ClassVar

from nvcodec.models.config import FieldConfig
from nvcodec.models.config_bytes import Choice, ConfigReader, check_range, choices_from_bytes
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid, PyramidLevel, head_channels
from nvcodec.quant.tensors import Role, TensorSpec


class Upsampling(IntEnum):
    """How a block enlarges its input (MSNeRV section 3.3, Table 3 V4 and V5). The numbers are written to files."""

    BILINEAR = 1
    """HiNeRV, and V4."""
    SHUFFLE = 2
    """Learned depthwise 3x3 and pixel shuffle, V5."""
    HYBRID = 3
    """The sum of both, MSNeRV equation 9."""


@dataclass(frozen=True)
class GridLevel:
    """One resolution of the base grid (MSNeRV equation 1)."""

    interval: int
    """Frames per node in time."""
    shrink: int
    """Cells of the base resolution per node in space, along each axis."""
    channels: int


@dataclass(frozen=True)
class MSNeRVConfig(FieldConfig):
    """Shape of the network, from the grids to the head.

    Block ``n`` enlarges its input by ``strides[n]`` and ends with ``channels[n]`` channels; the head's pixel shuffle
    enlarges by ``shuffle`` once more. Pictures are drawn at multiples of ``scale`` and cropped.
    """

    strides: tuple[int, ...]
    channels: tuple[int, ...]
    """Channels after each block; the stem has ``channels[0]``. Never rising, so that channels can be sliced."""
    depths: tuple[int, ...]
    """Layers in each block."""
    expansions: tuple[int, ...]
    """Hidden channels of the MLP in units of its output channels."""
    grids: tuple[GridLevel, ...]
    shuffle: int = 1
    """Enlargement by the head's pixel shuffle: 1 in the papers, 4 or 8 where a CPU must keep up."""
    window: int = 5
    """Frames the temporal window sees (equation 2); 1 = off."""
    gop_grid: bool = True
    """A grid of its own for every group of pictures (equation 3; TeNeRV equation 5)."""
    local_channels: int = 4
    """Channels of the finest local grid of the first block; halves from block to block."""
    local_levels: int = 3
    """Temporal resolutions of the local grids; 0 = off."""
    upsampling: Upsampling = Upsampling.HYBRID
    fusion: bool = True
    """Fusion layers (depthwise 3x3 + 5x5, sliced skip) instead of HiNeRV's ConvNeXt layers."""
    cross_depth: bool = True
    """Add every layer's output to the block's (equation 11)."""
    gop_kernels: bool = False
    """Depthwise kernels of the layers differ between groups of pictures (TeNeRV section III-B)."""
    sliced_input: bool = False
    """Fusion layers add to the MLP's result a slice of their input. Off: of what their convolutions make of it, as
    the text of equation 10 has it."""
    window_ahead: bool = False
    """Equation 2 as it stands: frame t sees the times t to t + window - 1 of base grids that are as much longer than
    the clip. Off: it sees as many on either side, and beyond the ends the outermost frame's again."""
    second_window: int = 1
    """Frames that a window on top of the first one sees (section C.2, Table 6: "3+5"); 1 = off."""
    head_size: int = 3
    """Side of the head's kernels: 1 as in HiNeRV, or 3."""
    sigmoid: bool = False
    """The head ends in a sigmoid, as in HiNeRV's code. Off: it is linear, and planes are clamped when they are
    rendered."""

    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(1, "sliced_input", bool),
        Choice(2, "window_ahead", bool),
        Choice(3, "second_window"),
        Choice(4, "head_size"),
        Choice(5, "sigmoid", bool),
    )

    def __post_init__(self) -> None:
        blocks = len(self.strides)
        if not 1 <= blocks <= 8 or not blocks == len(self.channels) == len(self.depths) == len(self.expansions):
            raise ValueError("strides, channels, depths and expansions need one entry per block, 1 to 8 blocks")
        if any(later > earlier for earlier, later in zip(self.channels, self.channels[1:], strict=False)):
            raise ValueError(f"channels must not rise from block to block: {self.channels}")
        check_range("strides", self.strides, 1, 8)
        check_range("channels", self.channels, 1, 4096)
        check_range("depths", self.depths, 1, 12)
        check_range("expansions", self.expansions, 1, 8)
        check_range("shuffle", (self.shuffle,), 1, 16)
        check_range("window", (self.window,), 1, 15)
        check_range("local_channels", (self.local_channels,), 1, 255)
        check_range("local_levels", (self.local_levels,), 0, 7)
        check_range("grid levels", (len(self.grids),), 1, 8)
        for level in self.grids:
            check_range("grid interval", (level.interval,), 1, 65535)
            check_range("grid shrink", (level.shrink,), 1, 16)
            check_range("grid channels", (level.channels,), 1, 255)
        if self.window % 2 == 0:
            raise ValueError(f"window must be odd, not {self.window}")
        check_range("second_window", (self.second_window,), 1, 15)
        if self.second_window % 2 == 0:
            raise ValueError(f"second_window must be odd, not {self.second_window}")
        if self.head_size not in (1, 3):
            raise ValueError(f"head_size must be 1 or 3, not {self.head_size}")

    @property
    def scale(self) -> int:
        """Luma samples per base cell along each axis."""
        return prod(self.strides) * self.shuffle

    @property
    def has_gops(self) -> bool:
        """Whether groups of pictures have parameters of their own."""
        return self.gop_grid or self.gop_kernels

    @property
    def grid_channels(self) -> int:
        """Channels of the fused grid, all levels together."""
        return sum(level.channels for level in self.grids)

    def base_size(self, geometry: FieldGeometry) -> tuple[int, int]:
        """Rows and columns of the base resolution, enough cells to cover the picture."""
        return ceil(geometry.height / self.scale), ceil(geometry.width / self.scale)

    def times(self, geometry: FieldGeometry) -> int:
        """Times that the base grids cover, T + l - 1 in equation 2: the frames, and how far windows look ahead."""
        return geometry.frames + self.window_ahead * (self.window - 1 + self.second_window - 1)

    def grid_shape(self, level: GridLevel, geometry: FieldGeometry) -> tuple[int, int, int, int]:
        """[nodes in time, rows, columns, channels] of one level of the base grid."""
        rows, columns = self.base_size(geometry)
        return (
            ceil(self.times(geometry) / level.interval),
            ceil(rows / level.shrink),
            ceil(columns / level.shrink),
            level.channels,
        )

    def local_shapes(self, block: int, geometry: FieldGeometry) -> list[tuple[int, int, int, int]]:
        """[nodes in time, stride, stride, channels] of the local grids of a block (HiNeRV's hierarchical encoding)."""
        stride, channels = self.strides[block], max(1, self.local_channels >> block)
        return [
            (ceil(geometry.frames / 2**level), stride, stride, channels << level) for level in range(self.local_levels)
        ]

    def pyramid(self, geometry: FieldGeometry) -> Pyramid:
        """Shape of the features behind a picture: the fused grid, then every block's output."""
        rows, columns = self.base_size(geometry)
        levels = [PyramidLevel(rows, columns, self.grid_channels)]
        for stride, channels in zip(self.strides, self.channels, strict=True):
            rows, columns = rows * stride, columns * stride
            levels.append(PyramidLevel(rows, columns, channels))
        return Pyramid(tuple(levels), self.shuffle)

    def training_bytes(self, rows: int, columns: int) -> int:
        """Activations that a training step on ``rows`` x ``columns`` base cells keeps for its backward pass."""
        floats, incoming, pixels = 0, self.channels[0], rows * columns
        for stride, outgoing, depth, expansion in zip(
            self.strides, self.channels, self.depths, self.expansions, strict=True
        ):
            pixels *= stride**2
            floats += pixels * incoming * 3
            for layer in range(depth):
                width = incoming if layer == 0 else outgoing
                floats += pixels * (4 * width + (2 + 3 * expansion) * outgoing)
            incoming = outgoing
        return 4 * (floats + pixels * self.shuffle**2 * 16)

    def drawing_bytes(self, geometry: FieldGeometry) -> int:
        """Memory that drawing one frame takes at its peak, roughly: the widest layer's input, hidden and output."""
        rows, columns = self.base_size(geometry)
        pixels, incoming, peak = rows * columns, self.channels[0], 0
        for stride, outgoing, expansion in zip(self.strides, self.channels, self.expansions, strict=True):
            pixels *= stride**2
            peak = max(peak, pixels * (2 * incoming + (2 * expansion + 2) * outgoing))
            incoming = outgoing
        return 4 * max(peak, pixels * 4 * self.shuffle**2)

    def tensor_specs(self, geometry: FieldGeometry) -> list[TensorSpec]:
        """Every coded tensor in ascending order of id; names are those of the torch module's parameters.

        Ids: 0 window, 1 GoP grid, 2..3 stem, 4..5 head, 6 second window, 8.. base grids by level; block ``n`` owns
        ``128 * (n + 1)`` and the 127 ids above it.
        """
        rows, columns = self.base_size(geometry)
        base = self.channels[0]
        specs = []
        if self.window > 1:
            seen = geometry.frames + self.window_ahead * (self.second_window - 1)
            specs.append(TensorSpec(0, "encoder.window", (seen, self.window), Role.VECTOR, None))
        if self.gop_grid:
            shape = (len(geometry.gops), rows, columns, self.grid_channels)
            specs.append(TensorSpec(1, "encoder.gop_grid", shape, Role.GRID, 3))
        specs.append(TensorSpec(2, "stem.weight", (base, self.grid_channels, 3, 3), Role.WEIGHT, 0, 1))
        specs.append(TensorSpec(3, "stem.bias", (base,), Role.VECTOR, None))
        head = head_channels(self.shuffle, geometry.chroma)
        kernels = (head, self.channels[-1], self.head_size, self.head_size)
        specs.append(TensorSpec(4, "head.weight", kernels, Role.WEIGHT, 0, 1))
        specs.append(TensorSpec(5, "head.bias", (head,), Role.VECTOR, None))
        if self.second_window > 1:
            shape2 = geometry.frames, self.second_window
            specs.append(TensorSpec(6, "encoder.second_window", shape2, Role.VECTOR, None))
        for index, level in enumerate(self.grids):
            shape = self.grid_shape(level, geometry)
            specs.append(TensorSpec(8 + index, f"encoder.grids.{index}", shape, Role.GRID, 3, 0))
        incoming = base
        for block, outgoing in enumerate(self.channels):
            specs += self._block_specs(block, incoming, outgoing, geometry)
            incoming = outgoing
        return specs

    def _block_specs(self, block: int, incoming: int, outgoing: int, geometry: FieldGeometry) -> list[TensorSpec]:
        first, name, stride = 128 * (block + 1), f"blocks.{block}", self.strides[block]
        specs = []
        if self.upsampling is not Upsampling.BILINEAR and stride > 1:
            shape = (incoming * stride**2, 1, 3, 3)
            specs.append(TensorSpec(first, f"{name}.upsample.kernel", shape, Role.WEIGHT, None))
        local = self.local_shapes(block, geometry)
        for level, shape4 in enumerate(local):
            specs.append(TensorSpec(first + 1 + level, f"{name}.local.grids.{level}", shape4, Role.WEIGHT, 3))
        if local:
            width = sum(shape4[3] for shape4 in local)
            specs.append(TensorSpec(first + 8, f"{name}.local.project.weight", (incoming, width), Role.WEIGHT, 0, 1))
            specs.append(TensorSpec(first + 9, f"{name}.local.project.bias", (incoming,), Role.VECTOR, None))
        kernel = 5 if self.fusion else 3
        for layer in range(self.depths[block]):
            inner = incoming if layer == 0 else outgoing
            hidden, id_, prefix = outgoing * self.expansions[block], first + 16 + 8 * layer, f"{name}.layers.{layer}"
            specs += [
                TensorSpec(id_, f"{prefix}.kernel.shared", (inner, 1, kernel, kernel), Role.WEIGHT, None),
                TensorSpec(id_ + 1, f"{prefix}.expand", (hidden, inner), Role.WEIGHT, 0, 1),
                TensorSpec(id_ + 2, f"{prefix}.project", (outgoing, hidden), Role.WEIGHT, 0, 1),
            ]
            if self.gop_kernels:
                deltas = (len(geometry.gops), inner, 1, kernel, kernel)
                specs.append(TensorSpec(id_ + 3, f"{prefix}.kernel.deltas", deltas, Role.WEIGHT, 0))
        if self.cross_depth:
            stack = (self.depths[block], outgoing, 1, 3, 3)
            specs.append(TensorSpec(first + 112, f"{name}.cross_depth", stack, Role.WEIGHT, None))
        return specs

    def to_bytes(self) -> bytes:
        """The configuration as the header stores it (bitstream_spec.md, "MSNeRV and TeNeRV configuration")."""
        blocks = [len(self.strides), *self.strides]
        for width in self.channels:
            blocks += divmod(width, 256)
        blocks += [*self.depths, *self.expansions, len(self.grids)]
        for level in self.grids:
            blocks += [*divmod(level.interval, 256), level.shrink, level.channels]
        blocks += [self.shuffle, self.window, self.gop_grid, self.local_channels, self.local_levels, self.upsampling]
        return bytes([*blocks, self.fusion, self.cross_depth, self.gop_kernels])

    @classmethod
    def from_bytes(cls, data: bytes, choices: bytes = b"") -> MSNeRVConfig:
        """Inverse of :meth:`to_bytes` and :meth:`choices_to_bytes`.

        Raises:
            ValueError: The bytes do not describe a network.
        """
        reader = ConfigReader(data)
        (blocks,) = reader.bytes(1)
        strides, channels = reader.bytes(blocks), reader.words(blocks)
        depths, expansions = reader.bytes(blocks), reader.bytes(blocks)
        (levels,) = reader.bytes(1)
        grids = [GridLevel(*reader.words(1), *reader.bytes(2)) for _ in range(levels)]
        shuffle, window, gop_grid, local_channels, local_levels, upsampling, *switches = reader.bytes(9)
        reader.end()
        if max(gop_grid, *switches) > 1:
            raise ValueError("a switch of the model configuration is neither 0 nor 1")
        fusion, cross_depth, gop_kernels = map(bool, switches)
        return cls(
            strides, channels, depths, expansions, tuple(grids), shuffle, window, bool(gop_grid),
            local_channels, local_levels, Upsampling(upsampling), fusion, cross_depth, gop_kernels,
            **choices_from_bytes(cls, choices, cls.choices),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["grids"] = [(level.interval, level.shrink, level.channels) for level in self.grids]
        plain["upsampling"] = self.upsampling.name.lower()
        return plain

    def summary(self) -> str:
        """The shape in a line, for people."""
        strides, channels = " x ".join(map(str, self.strides)), "-".join(map(str, self.channels))
        layers = "+".join(map(str, self.depths))
        return f"strides {strides}, shuffle {self.shuffle}, channels {channels}, layers {layers}"


HINERV_SWITCHES: dict[str, object] = {
    "window": 1,
    "gop_grid": False,
    "upsampling": Upsampling.BILINEAR,
    "fusion": False,
    "cross_depth": False,
}
"""The switches of what MSNeRV has and HiNeRV has not."""
