"""Configuration of the base layer of QS-NeRV: what the decoder must know to rebuild the network. No torch.

``skip=none`` is HNeRV (Chen et al., CVPR 2023); ``skip=inv`` is the self-learning
distribution mapping network of QS-NeRV.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from math import ceil, prod
from typing import ClassVar

from nvcodec.models.config import FieldConfig
from nvcodec.models.config_bytes import Choice, check_range, choices_from_bytes
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid, PyramidLevel, head_channels
from nvcodec.quant.tensors import Role, TensorSpec

DENSE_CONVOLUTIONS = 5
"""3x3 convolutions of a dense block; each sees the block's input and the outputs of all before it."""
MAX_BLOCKS = 8


class Skip(IntEnum):
    """How a frame's side information reaches the decoder (QS-NeRV, Table 8). The numbers are written to files."""

    NONE = 0
    """Not at all: HNeRV."""
    CONV = 1
    """Small maps through a dense block each."""
    INV = 2
    """Small maps and a fixed latent through the inverse of a coupling, the paper's InvNet."""


class Latent(IntEnum):
    """What stands for the features that were mapped to a normal distribution. The numbers are written to files."""

    ZERO = 0
    SHARED = 1
    """Normal numbers, the same for every frame, from a seed in the file (:mod:`nvcodec.models.latent`)."""


@dataclass(frozen=True)
class QSNeRVConfig(FieldConfig):
    """Shape of the network, from the embedding to the head.

    Block ``n`` enlarges its input by ``strides[n]`` and ends with ``channels[n]`` channels. Pictures are drawn at
    multiples of ``scale`` and cropped.
    """

    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    """Side of each block's kernel, odd."""
    stem: int
    """Channels that the embedding is widened to."""
    channels: tuple[int, ...]
    """Channels after each block."""
    embedding: int = 16
    """Channels of the embedding of a frame."""
    shuffle: int = 1
    """Enlargement by the head's pixel shuffle: 1 in the paper, 2 or 4 where a CPU must keep up."""
    skip: Skip = Skip.INV
    levels: int = 2
    """Maps of side information per frame; 0 where there is no skip. Level ``k`` (from 1) has the size of the embedding
    times the last ``k`` strides, which is that of the content encoder's features, and joins behind block ``k - 1``."""
    skip_channels: int = 64
    """Channels of the features recovered from a map."""
    growth: int = 8
    """Channels that each convolution of a dense block adds."""
    latent: Latent = Latent.SHARED
    seed: int = 0
    """Of the latent, 0..2^32-1."""
    bounded: bool = True
    """Whether the coupling's scales are bounded as in IRN; off multiplies and divides by what its networks say, as
    QS-NeRV's equations do (section 3.2)."""
    direct: bool = False
    """Whether a map is the encoder's features themselves, ``skip_channels`` of them, added without a dense block
    (QS-NeRV, Table 8, "direct"); only with ``skip=conv``."""
    fresh: bool = False
    """Whether every frame has a latent of its own, which a fit draws anew with each step, as in QS-NeRV; only with
    ``skip=inv`` and ``latent=shared``."""

    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(1, "bounded", bool), Choice(2, "direct", bool), Choice(3, "fresh", bool),
    )  # fmt: skip

    def __post_init__(self) -> None:
        blocks = len(self.strides)
        if not 1 <= blocks <= MAX_BLOCKS or not blocks == len(self.kernels) == len(self.channels):
            raise ValueError(f"strides, kernels and channels need one entry per block, 1 to {MAX_BLOCKS} blocks")
        check_range("strides", self.strides, 1, 8)
        check_range("kernels", self.kernels, 1, 9)
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels must be odd, not {self.kernels}")
        check_range("stem", (self.stem,), 1, 4096)
        check_range("channels", self.channels, 1, 4096)
        check_range("embedding", (self.embedding,), 1, 255)
        check_range("shuffle", (self.shuffle,), 1, 16)
        check_range("skip_channels", (self.skip_channels,), 1, 255)
        check_range("growth", (self.growth,), 1, 64)
        check_range("seed", (self.seed,), 0, (1 << 32) - 1)
        if self.skip is Skip.NONE and self.levels:
            raise ValueError(f"levels must be 0 without a skip, not {self.levels}")
        if self.skip is not Skip.NONE:
            check_range("levels", (self.levels,), 1, blocks - 1)
        if self.direct and self.skip is not Skip.CONV:
            raise ValueError("direct is for skip=conv")
        if not self.bounded and self.skip is not Skip.INV:
            raise ValueError("bounded is for skip=inv")
        if self.fresh and (self.skip is not Skip.INV or self.latent is not Latent.SHARED):
            raise ValueError("fresh is for skip=inv and latent=shared")

    @property
    def scale(self) -> int:
        """Luma samples per base cell along each axis."""
        return prod(self.strides) * self.shuffle

    def base_size(self, geometry: FieldGeometry) -> tuple[int, int]:
        """Rows and columns of the embedding, enough cells to cover the picture."""
        return ceil(geometry.height / self.scale), ceil(geometry.width / self.scale)

    @property
    def map_channels(self) -> int:
        """Channels of a map of side information."""
        return self.skip_channels if self.direct else 1

    def level_scale(self, level: int) -> int:
        """Places of a map per base cell along each axis; ``level`` counts from 1."""
        return prod(self.strides[len(self.strides) - level :])

    def pyramid(self, geometry: FieldGeometry) -> Pyramid:
        """Shape of the features behind a picture: the embedding, then every block's output."""
        rows, columns = self.base_size(geometry)
        levels = [PyramidLevel(rows, columns, self.embedding)]
        for stride, channels in zip(self.strides, self.channels, strict=True):
            rows, columns = rows * stride, columns * stride
            levels.append(PyramidLevel(rows, columns, channels))
        return Pyramid(tuple(levels), self.shuffle)

    def training_bytes(self, rows: int, columns: int) -> int:
        """Activations that a training step on ``rows`` x ``columns`` base cells keeps for its backward pass."""
        pixels, incoming, floats = rows * columns, self.stem, rows * columns * 4 * self.stem
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            pixels *= stride**2
            floats += pixels * 5 * outgoing + pixels // stride**2 * incoming
            incoming = outgoing
        return 4 * (floats + pixels * self.shuffle**2 * 16 + self._skip_floats(rows * columns))

    def drawing_bytes(self, geometry: FieldGeometry) -> int:
        """Memory that drawing one frame takes at its peak, roughly: a block's input, and its output three times."""
        rows, columns = self.base_size(geometry)
        pixels, incoming, peak = rows * columns, self.stem, 0
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            peak = max(peak, pixels * (incoming + 3 * stride**2 * outgoing))
            pixels, incoming = pixels * stride**2, outgoing
        latents = (geometry.frames - 1) * self.skip_channels if self.fresh else 0
        places = sum(rows * columns * self.level_scale(level) ** 2 for level in range(1, self.levels + 1))
        skips = self._skip_floats(rows * columns) + places * latents
        return 4 * (max(peak, pixels * 4 * self.shuffle**2) + skips)

    def _skip_floats(self, cells: int) -> int:
        """Numbers in the dense blocks of all levels, their latents included."""
        width = 8 * (self.skip_channels + DENSE_CONVOLUTIONS * self.growth)
        return sum(cells * self.level_scale(level) ** 2 * width for level in range(1, self.levels + 1))

    def tensor_specs(self, geometry: FieldGeometry) -> list[TensorSpec]:
        """Every coded tensor in ascending order of id; names are those of the torch module's parameters.

        Ids: 0 embedding, 2..3 stem, 4..5 head, 8.. side information by level; block ``n`` owns ``128 * (n + 1)`` and
        the 127 ids above it, those of the skip that joins behind it included.
        """
        rows, columns = self.base_size(geometry)
        head = head_channels(self.shuffle, geometry.chroma)
        specs = [
            TensorSpec(0, "embedding", (geometry.frames, rows, columns, self.embedding), Role.GRID, 3),
            TensorSpec(2, "stem.weight", (self.stem, self.embedding, 1, 1), Role.WEIGHT, 0, 1),
            TensorSpec(3, "stem.bias", (self.stem,), Role.VECTOR, None),
            TensorSpec(4, "head.weight", (head, self.channels[-1], 3, 3), Role.WEIGHT, 0, 1),
            TensorSpec(5, "head.bias", (head,), Role.VECTOR, None),
        ]
        for level in range(1, self.levels + 1):
            scale = self.level_scale(level)
            shape = (geometry.frames, scale * rows, scale * columns, self.map_channels)
            specs.append(TensorSpec(7 + level, f"maps.{level - 1}", shape, Role.GRID, 3))
        incoming = self.stem
        for block, (stride, kernel, outgoing) in enumerate(zip(self.strides, self.kernels, self.channels, strict=True)):
            first, wide = 128 * (block + 1), outgoing * stride**2
            shape = (wide, incoming, kernel, kernel)
            specs.append(TensorSpec(first, f"blocks.{block}.weight", shape, Role.WEIGHT, 0, 1))
            specs.append(TensorSpec(first + 1, f"blocks.{block}.bias", (wide,), Role.VECTOR, None))
            if block < self.levels:
                specs += self._skip_specs(first, f"skips.{block}", outgoing)
            incoming = outgoing
        return specs

    def _skip_specs(self, first: int, name: str, outgoing: int) -> list[TensorSpec]:
        width = self.skip_channels
        specs = [TensorSpec(first + 2, f"{name}.merge", (outgoing, width, 1, 1), Role.WEIGHT, 0, 1)]
        if self.direct:
            return specs
        if self.skip is Skip.CONV:
            return specs + self._dense_specs(first + 16, f"{name}.dense", 1, 1, width)
        specs += self._dense_specs(first + 16, f"{name}.coupling.widening", 2, 1, width)
        return specs + self._dense_specs(first + 32, f"{name}.coupling.narrowing", 2, width, 1)

    def _dense_specs(self, first: int, name: str, count: int, incoming: int, outgoing: int) -> list[TensorSpec]:
        specs = []
        for index, (wide, given) in enumerate(self.dense_shapes(incoming, outgoing)):
            shape = (count * wide, given, 3, 3)
            specs.append(TensorSpec(first + index, f"{name}.kernels.{index}", shape, Role.WEIGHT, 0, 1))
        biases = count * (outgoing + (DENSE_CONVOLUTIONS - 1) * self.growth)
        specs.append(TensorSpec(first + 8, f"{name}.bias", (biases,), Role.VECTOR, None))
        return specs

    def dense_shapes(self, incoming: int, outgoing: int) -> list[tuple[int, int]]:
        """(outputs, inputs) of each convolution of a dense block."""
        last = DENSE_CONVOLUTIONS - 1
        return [
            (self.growth if index < last else outgoing, incoming + index * self.growth)
            for index in range(DENSE_CONVOLUTIONS)
        ]

    def to_bytes(self) -> bytes:
        """The configuration as the header stores it (bitstream_spec.md, "QS-NeRV configuration")."""
        out = bytes([len(self.strides), *self.strides, *self.kernels])
        for width in (self.stem, *self.channels):
            out += width.to_bytes(2, "big")
        out += bytes([self.embedding, self.shuffle, self.skip, self.levels, self.skip_channels, self.growth])
        return out + bytes([self.latent]) + self.seed.to_bytes(4, "big")

    @classmethod
    def from_bytes(cls, data: bytes, choices: bytes = b"") -> QSNeRVConfig:
        """Inverse of :meth:`to_bytes` and :meth:`choices_to_bytes`.

        Raises:
            ValueError: The bytes do not describe a network.
        """
        blocks = data[0] if data else 0
        if len(data) != 1 + 4 * blocks + 2 + 11:
            raise ValueError(f"model configuration of {blocks} blocks has {len(data)} bytes")
        strides, kernels = tuple(data[1 : 1 + blocks]), tuple(data[1 + blocks : 1 + 2 * blocks])
        wide, rest = data[1 + 2 * blocks : -11], data[-11:]
        widths = [int.from_bytes(wide[at : at + 2], "big") for at in range(0, len(wide), 2)]
        embedding, shuffle, skip, levels, skip_channels, growth, latent = rest[:7]
        return cls(
            strides, kernels, widths[0], tuple(widths[1:]), embedding, shuffle, Skip(skip), levels, skip_channels,
            growth, Latent(latent), int.from_bytes(rest[7:], "big"), **choices_from_bytes(cls, choices, cls.choices),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["skip"], plain["latent"] = self.skip.name.lower(), self.latent.name.lower()
        return plain

    def summary(self) -> str:
        """The shape in a line, for people."""
        strides, channels = " x ".join(map(str, self.strides)), "-".join(map(str, self.channels))
        return f"strides {strides}, shuffle {self.shuffle}, channels {channels}, skip {self.skip.name.lower()}"
