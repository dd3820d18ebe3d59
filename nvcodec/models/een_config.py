"""Configuration of an enhancement network: what the decoder must know besides the base. No torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil
from typing import ClassVar

from nvcodec.models.config_bytes import Choice, ConfigReader, choices_from_bytes, choices_to_bytes
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid, head_channels
from nvcodec.quant.tensors import Role, TensorSpec


@dataclass(frozen=True)
class EENConfig:
    """Shape of an enhancement network; everything about the levels it works on comes from the base.

    Source: QS-NeRV section 3.3, extensible enhancement network (EEN).
    """

    channels: tuple[int, ...]
    """Channels at each level of the base's pyramid above the embedding, coarse to fine."""
    kernels: tuple[int, ...]
    """Side of the convolution that leads to each level; odd."""
    grid_interval: int = 0
    """Frames per node of the pack's own grid; 0 = it has none and starts from the base's embedding alone, as in the
    paper."""
    grid_channels: int = 0
    multi_scale: bool = False
    """Whether the attention is the paper's: convolutions of three sizes side by side, and one that joins them. Off has
    a single 7x7 kernel instead, which can be the same but for the outermost ring of places: around the picture the one
    that joins sees zeros, not what the three would make of its surroundings."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(1, "multi_scale", bool),)
    """Fields that came after the first files."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.channels) <= 8 or len(self.channels) != len(self.kernels):
            raise ValueError("channels and kernels need one entry per level, 1 to 8 levels")
        if not all(1 <= channels <= 4096 for channels in self.channels):
            raise ValueError(f"channels must be 1 to 4096: {self.channels}")
        if not all(kernel in (1, 3, 5, 7) for kernel in self.kernels):
            raise ValueError(f"kernels must be 1, 3, 5 or 7: {self.kernels}")
        if (self.grid_interval == 0) != (self.grid_channels == 0):
            raise ValueError("the grid needs both an interval and channels")
        if not (0 <= self.grid_interval <= 65535 and 0 <= self.grid_channels <= 255):
            raise ValueError(f"grid out of range: {self.grid_channels} channels every {self.grid_interval} frames")

    def fits(self, base: Pyramid) -> bool:
        """Whether the base has as many levels as this network wants."""
        return len(base.levels) == len(self.channels) + 1

    def tensor_specs(self, geometry: FieldGeometry, base: Pyramid) -> list[TensorSpec]:
        """Every coded tensor in ascending order of id; names are those of the torch module's parameters.

        Ids: 0 grid, 2..3 head; the block that leads to level ``n`` (from 1) owns ``16 * n`` and the 15 ids above it.
        """
        start = base.levels[0]
        specs = []
        if self.grid_channels:
            shape = (ceil(geometry.frames / self.grid_interval), start.rows, start.columns, self.grid_channels)
            specs.append(TensorSpec(0, "grid", shape, Role.GRID, 3, 0))
        head = head_channels(base.shuffle, geometry.chroma)
        specs.append(TensorSpec(2, "head.weight", (head, self.channels[-1], 3, 3), Role.WEIGHT, 0, 1))
        specs.append(TensorSpec(3, "head.bias", (head,), Role.VECTOR, None))
        incoming = start.channels + self.grid_channels
        levels = zip(self.channels, self.kernels, base.strides, base.levels[1:], strict=True)
        for number, (outgoing, kernel, stride, level) in enumerate(levels, 1):
            name, id_, wide = f"blocks.{number - 1}", 16 * number, outgoing * stride**2
            specs += [
                TensorSpec(id_, f"{name}.conv.weight", (wide, incoming, kernel, kernel), Role.WEIGHT, 0, 1),
                TensorSpec(id_ + 1, f"{name}.conv.bias", (wide,), Role.VECTOR, None),
                TensorSpec(id_ + 2, f"{name}.squeeze", (3, level.channels, 3, 3), Role.WEIGHT, 0, 1),
            ]
            if not self.multi_scale:
                specs += [
                    TensorSpec(id_ + 3, f"{name}.attention", (1, 1, 7, 7), Role.WEIGHT, None),
                    TensorSpec(id_ + 4, f"{name}.attention_bias", (1,), Role.VECTOR, None),
                ]
            specs.append(TensorSpec(id_ + 5, f"{name}.project", (outgoing, level.channels), Role.WEIGHT, 0, 1))
            if self.multi_scale:
                specs += [
                    TensorSpec(id_ + 6, f"{name}.attend.one", (1, 1, 1, 1), Role.WEIGHT, None),
                    TensorSpec(id_ + 7, f"{name}.attend.three", (1, 1, 3, 3), Role.WEIGHT, None),
                    TensorSpec(id_ + 8, f"{name}.attend.five", (1, 1, 5, 5), Role.WEIGHT, None),
                    TensorSpec(id_ + 9, f"{name}.attend.join", (1, 3, 3, 3), Role.WEIGHT, None),
                    TensorSpec(id_ + 10, f"{name}.attend.biases", (5,), Role.VECTOR, None),
                ]
            incoming = outgoing
        return specs

    def drawing_bytes(self, base: Pyramid) -> int:
        """Memory that drawing one frame's residual takes at its peak, the base's features of three frames included."""
        widest = max(
            level.rows * level.columns * (4 * channels + 2 * level.channels)
            for level, channels in zip(base.levels[1:], self.channels, strict=True)
        )
        finest = base.levels[-1]
        return 4 * max(widest, finest.rows * finest.columns * 4 * base.shuffle**2) + 3 * base.nbytes

    def to_bytes(self) -> bytes:
        """The configuration as a pack stores it (bitstream_spec.md, "EEN configuration")."""
        wide = [byte for channels in self.channels for byte in divmod(channels, 256)]
        grid = [*divmod(self.grid_interval, 256), self.grid_channels]
        return bytes([len(self.channels), *wide, *self.kernels, *grid]) + choices_to_bytes(self, self.choices)

    @classmethod
    def from_bytes(cls, data: bytes) -> EENConfig:
        """Inverse of :meth:`to_bytes`.

        Raises:
            ValueError: The bytes do not describe a network.
        """
        reader = ConfigReader(data)
        (levels,) = reader.bytes(1)
        channels, kernels = reader.words(levels), reader.bytes(levels)
        (interval,), (grid_channels,) = reader.words(1), reader.bytes(1)
        choices = choices_from_bytes(cls, reader.rest(), cls.choices)
        return cls(channels, kernels, interval, grid_channels, **choices)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
