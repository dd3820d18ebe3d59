"""Configuration of D-NeRV: what the decoder must know to rebuild the network. No torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil, prod
from typing import ClassVar, NamedTuple

from nvcodec.models.config import FieldConfig
from nvcodec.models.config_bytes import ConfigReader, check_range, choices_from_bytes
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import head_channels
from nvcodec.quant.tensors import Role, TensorSpec
from nvcodec.types import ChromaFormat


class Span(NamedTuple):
    """A tile along one axis of the picture, in luma samples."""

    outer: slice
    """What the network sees; ends at a multiple of the scale, which may lie outside of the picture."""
    inner: slice
    """What the tile draws of the picture."""


@dataclass(frozen=True)
class DNeRVConfig(FieldConfig):
    """Shape of the network that all videos of a file share.

    Source: D-NeRV (He et al., CVPR 2023), Figure 3. Block ``n`` enlarges its input by ``strides[n]`` and ends with
    ``channels[n]`` channels; the head's pixel shuffle enlarges by ``shuffle`` once more. Pictures are drawn at
    multiples of ``scale`` and cropped.
    """

    draws: ClassVar[tuple[ChromaFormat, ...]] = (ChromaFormat.YUV420,)
    bit_depths: ClassVar[tuple[int, ...]] = (8, 10)
    shares_parameters: ClassVar[bool] = True
    keyed: ClassVar[bool] = True

    strides: tuple[int, ...]
    channels: tuple[int, ...]
    stem: int
    """Channels that the time code is widened to."""
    key_channels: int
    """Channels of a key frame's features, at every resolution."""
    shuffle: int = 1
    """Enlargement by the head's pixel shuffle: 1 in the paper, 2 or 4 where a CPU must keep up."""
    clip: int = 8
    """Frames drawn together, from one key frame up to the next."""
    time_levels: int = 40
    """Frequencies of the time code. The paper's 240 are numbers of which no two machines agree."""
    time_width: int = 64
    """Hidden channels between time code and stem."""
    tile: int = 0
    """Largest side, in luma samples, of what is drawn at once, margins left out; 0 = whole pictures."""
    overlap: int = 16
    """Luma samples that tiles see of their neighbours."""
    flow: bool = True
    """Warp the key frames' features by estimated flow; off, they are only blended."""
    fusion: bool = True
    """Spatially-adaptive fusion; off, the features join by a sum."""
    temporal: bool = True
    """The global temporal MLP."""

    def __post_init__(self) -> None:
        blocks = len(self.strides)
        if not 1 <= blocks <= 8 or blocks != len(self.channels):
            raise ValueError("strides and channels need one entry per block, 1 to 8 blocks")
        check_range("strides", self.strides, 1, 8)
        check_range("channels", self.channels, 1, 4096)
        check_range("stem", (self.stem,), 1, 4096)
        check_range("key_channels", (self.key_channels,), 1, 255)
        check_range("shuffle", (self.shuffle,), 1, 16)
        check_range("clip", (self.clip,), 1, 32)
        check_range("time_levels", (self.time_levels,), 1, 40)
        check_range("time_width", (self.time_width,), 1, 4096)
        check_range("tile", (self.tile,), 0, 65535)
        check_range("overlap", (self.overlap,), 0, 255)
        if self.scale % 2:
            raise ValueError(f"strides and shuffle must enlarge by an even number in all, not by {self.scale}")
        if 0 < self.tile < self.scale:
            raise ValueError(f"tile must be 0 or at least the scale of {self.scale}, not {self.tile}")

    @property
    def scale(self) -> int:
        """Luma samples per base cell along each axis."""
        return prod(self.strides) * self.shuffle

    @property
    def together(self) -> int:
        """A clip."""
        return self.clip

    def key_times(self, frames: int) -> list[int]:
        """See :func:`key_times`; the interval is that of the clips."""
        return key_times(frames, self.clip)

    def base_size(self, geometry: FieldGeometry) -> tuple[int, int]:
        """Rows and columns of base cells, enough to cover the picture."""
        return ceil(geometry.height / self.scale), ceil(geometry.width / self.scale)

    def clips(self, frames: int) -> int:
        """Clips of a video; the last one may be short."""
        return ceil(frames / self.clip)

    def spans(self, size: int) -> list[Span]:
        """Tiles along an axis of the picture of ``size`` luma samples: as few and as equal as can be."""
        cells = ceil(size / self.scale)
        largest = max(1, self.tile // self.scale) if self.tile else cells
        count, margin = ceil(cells / largest), ceil(self.overlap / self.scale)
        edges = [index * cells // count for index in range(count + 1)]
        return [
            Span(
                slice(max(first - margin, 0) * self.scale, min(last + margin, cells) * self.scale),
                slice(first * self.scale, min(last * self.scale, size)),
            )
            for first, last in zip(edges, edges[1:], strict=False)
        ]

    def pyramid(self, geometry: FieldGeometry) -> None:
        """There is none: what the blocks make of a clip is made of key frames too."""

    def training_bytes(self, rows: int, columns: int) -> int:
        """Activations that a training step on ``rows`` x ``columns`` base cells keeps for its backward pass."""
        pixels, incoming, floats = rows * columns, self.stem + self.key_channels, 0
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            floats += pixels * (4 * incoming + 8 * self.key_channels)
            pixels *= stride**2
            floats += pixels * 5 * outgoing
            incoming = outgoing
        return 4 * self.clip * (floats + pixels * (self.shuffle**2 * 24 + 8 * self.key_channels))

    def drawing_bytes(self, geometry: FieldGeometry) -> int:
        """Memory that drawing one frame takes at its peak, roughly: that of its clip, in the largest tile."""
        rows, columns = (
            max(span.outer.stop - span.outer.start for span in self.spans(size)) // self.scale
            for size in (geometry.height, geometry.width)
        )
        pixels: int = rows * columns
        incoming, peak = self.stem + self.key_channels, 0
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            peak = max(peak, pixels * (2 * incoming + 6 * self.key_channels + 2 * stride**2 * outgoing))
            pixels, incoming = pixels * stride**2, outgoing
        return 4 * self.clip * max(peak, pixels * (2 * incoming + self.key_channels + 12 * self.shuffle**2))

    def tensor_specs(self, geometry: FieldGeometry) -> list[TensorSpec]:
        """Every coded tensor in ascending order of id; names are those of the torch module's parameters.

        They depend on the layout of the planes alone, so all videos of a file can share them. Ids: 0..3 time code, 4..5
        head's first convolution, 6..7 its last, 8..9 the key frames' first; block ``n`` owns ``128 * (n + 1)`` and the
        127 ids above it, those of the key frames' features that join it included; the flow of the head has the 128
        behind.
        """
        packed = head_channels(self.shuffle, geometry.chroma)
        narrow = max(self.channels[-1] // 4, 4)
        joined = self.channels[-1] + packed
        specs = [
            *_layer(0, "network.time.0", (self.time_width, 2 * self.time_levels)),
            *_layer(2, "network.time.2", (self.stem, self.time_width)),
            *_layer(4, "network.head.0", (narrow, joined, 1, 1)),
            *_layer(6, "network.head.2", (packed, narrow, 3, 3)),
            *_layer(8, "network.keys.first", (self.key_channels, packed, 3, 3)),
        ]
        incoming = self.stem + self.key_channels
        for block, (stride, outgoing) in enumerate(zip(self.strides, self.channels, strict=True)):
            first, name = 128 * (block + 1), f"network.blocks.{block}"
            # the features of block n come from those of block n + 1, which are finer
            patch = (self.key_channels, self.key_channels, stride, stride)
            specs += _layer(first, f"network.keys.patches.{block}", patch)
            specs += self._flow(first + 2, f"network.flows.{block}", incoming)
            if self.fusion:
                specs += _layer(first + 6, f"{name}.fuse", (2 * incoming, self.key_channels, 1, 1))
            else:
                specs += _layer(first + 6, f"{name}.fuse", (incoming, self.key_channels, 1, 1))
            specs += _layer(first + 8, f"{name}.conv", (outgoing * stride**2, incoming, 3, 3))
            if self.temporal:
                shape = (outgoing, self.clip, self.clip)
                specs.append(TensorSpec(first + 10, f"{name}.temporal.weight", shape, Role.WEIGHT, None))
                specs.append(TensorSpec(first + 11, f"{name}.temporal.bias", shape[:2], Role.VECTOR, None))
            incoming = outgoing
        blocks = len(self.strides)
        return specs + self._flow(128 * (blocks + 1), f"network.flows.{blocks}", incoming)

    def _flow(self, first: int, name: str, incoming: int) -> list[TensorSpec]:
        if not self.flow:
            return []
        narrow = max(incoming // 4, 4)
        return [
            *_layer(first, f"{name}.0", (narrow, incoming, 1, 1)),
            *_layer(first + 2, f"{name}.2", (4, narrow, 3, 3)),
        ]

    def to_bytes(self) -> bytes:
        """The configuration as the header stores it (bitstream_spec.md, "D-NeRV configuration")."""
        numbers = [len(self.strides), *self.strides]
        for width in (*self.channels, self.stem, self.time_width, self.tile):
            numbers += divmod(width, 256)
        numbers += [self.key_channels, self.shuffle, self.clip, self.time_levels, self.overlap]
        return bytes([*numbers, self.flow, self.fusion, self.temporal])

    @classmethod
    def from_bytes(cls, data: bytes, choices: bytes = b"") -> DNeRVConfig:
        """Inverse of :meth:`to_bytes` and :meth:`choices_to_bytes`.

        Raises:
            ValueError: The bytes do not describe a network.
        """
        reader = ConfigReader(data)
        (blocks,) = reader.bytes(1)
        strides, channels = reader.bytes(blocks), reader.words(blocks)
        stem, time_width, tile = reader.words(3)
        key_channels, shuffle, clip, time_levels, overlap, *switches = reader.bytes(8)
        reader.end()
        if max(switches) > 1:
            raise ValueError("a switch of the model configuration is neither 0 nor 1")
        flow, fusion, temporal = map(bool, switches)
        return cls(
            strides, channels, stem, key_channels, shuffle, clip, time_levels, time_width, tile, overlap,
            flow, fusion, temporal, **choices_from_bytes(cls, choices, cls.choices),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def summary(self) -> str:
        """The shape in a line, for people."""
        strides, channels = " x ".join(map(str, self.strides)), "-".join(map(str, (self.stem, *self.channels)))
        return f"strides {strides}, shuffle {self.shuffle}, channels {channels}, clips of {self.clip}"


def _layer(first: int, name: str, shape: tuple[int, ...]) -> list[TensorSpec]:
    """A convolution or linear layer: its weight, and its bias with the next id."""
    return [
        TensorSpec(first, f"{name}.weight", shape, Role.WEIGHT, 0, 1),
        TensorSpec(first + 1, f"{name}.bias", shape[:1], Role.VECTOR, None),
    ]


def key_times(frames: int, interval: int) -> list[int]:
    """The frames of a video that are key frames: the first of every ``interval``, and the last of all."""
    starts = list(range(0, frames, interval))
    return starts if starts[-1] == frames - 1 else [*starts, frames - 1]
