"""Configuration of D-NeRV: what the decoder must know to rebuild the network. No torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from math import ceil, prod
from typing import ClassVar, NamedTuple

from nvcodec.models.config import FieldConfig
from nvcodec.models.config_bytes import Choice, ConfigReader, check_range, choices_from_bytes
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


class Fusing(IntEnum):
    """How the key frames' features join a block's input ``x``. The numbers are written to files."""

    PER_CHANNEL = 0
    """x * (1 + gamma) + beta with a gamma and a beta for every channel, as in the released code."""
    PER_PLACE = 1
    """gamma * x + beta with one of each for all channels of a place (D-NeRV equations 5 and 6)."""
    JOINED = 2
    """They are further channels of the block's input, as in a U-Net (Table 5)."""


class FlowAt(IntEnum):
    """Where flow is estimated (Table 6, which does not say which single scale it means)."""

    EVERY = 0
    """In front of every block, and of the head: the paper's multi-scale flow."""
    FIRST = 1
    """In front of the first block; enlarged for all that follow."""
    LAST = 2
    """In front of the head: key frames are warped, their features blended as they are."""


class Mixing(IntEnum):
    """How the frames of a clip see each other (Table 4)."""

    MATRICES = 0
    """By a matrix for every channel: the global temporal MLP (equation 8)."""
    CONVOLUTION = 1
    """By a kernel of ``taps`` frames for every channel."""
    ATTENTION = 2
    """By attention of one head, at every place for itself."""


@dataclass(frozen=True)
class DNeRVConfig(FieldConfig):
    """Shape of the network that all videos of a file share.

    Source: D-NeRV (He et al., CVPR 2023), Figure 3. Block ``n`` enlarges its input by ``strides[n]`` and ends with
    ``channels[n]`` channels; the head's pixel shuffle enlarges by ``shuffle`` once more. Pictures are drawn at
    multiples of ``scale`` and cropped.
    """

    sources: ClassVar[tuple[ChromaFormat, ...]] = (ChromaFormat.YUV420,)
    draws: ClassVar[tuple[ChromaFormat, ...]] = (ChromaFormat.YUV420, ChromaFormat.RGB)
    bit_depths: ClassVar[tuple[int, ...]] = (8, 10)
    shares_parameters: ClassVar[bool] = True
    keyed: ClassVar[bool] = True
    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(1, "key_frames", bool),
        Choice(2, "picture", bool),
        Choice(3, "stem_rows"),
        Choice(4, "stem_columns"),
        Choice(5, "fusing", Fusing),
        Choice(6, "flow_at", FlowAt),
        Choice(7, "mixing", Mixing),
        Choice(8, "taps"),
    )

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
    """Frequencies of the time code. The released code's 240 (the paper gives no number) are phases of up to 10^23, of
    which no two machines agree."""
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
    """Frames of a clip are mixed behind every block: by the global temporal MLP, or as ``mixing`` says."""
    key_frames: bool = True
    """Off: the network sees the time code alone, as NeRV's does, and the file holds no key frames. Then there is
    nothing to warp, to fuse, or to add to."""
    picture: bool = False
    """The head draws the picture, from the features and the warped key frames (section 3.2, "Final Stage"), instead of
    what is added to the key frames."""
    stem_rows: int = 1
    """The stem is drawn for a grid of so many rows and columns over a tile, and resized where the tile has others; 1 x
    1: it is the same everywhere. The paper's tiles of 256 x 320 have 4 x 5 cells."""
    stem_columns: int = 1
    fusing: Fusing = Fusing.PER_CHANNEL
    flow_at: FlowAt = FlowAt.EVERY
    mixing: Mixing = Mixing.MATRICES
    taps: int = 3
    """Frames that a kernel of the mixing by convolution sees, an odd number."""

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
        self._check_choices()

    def _check_choices(self) -> None:
        """Refuse choices about what is not there."""
        check_range("stem_rows", (self.stem_rows,), 1, 255)
        check_range("stem_columns", (self.stem_columns,), 1, 255)
        check_range("taps", (self.taps,), 1, 63)
        if not self.taps % 2:
            raise ValueError(f"taps must be odd, not {self.taps}")
        if not self.key_frames and (self.flow or self.fusion or not self.picture):
            raise ValueError("without key_frames, flow and fusion must be off and picture on")
        for choice, is_usual, needed, is_there in (
            ("fusing", self.fusing is Fusing.PER_CHANNEL, "fusion", self.fusion),
            ("flow_at", self.flow_at is FlowAt.EVERY, "flow", self.flow),
            ("mixing", self.mixing is Mixing.MATRICES, "temporal", self.temporal),
            ("taps", self.taps == 3, "mixing by convolution", self.mixing is Mixing.CONVOLUTION),
        ):
            if not (is_usual or is_there):
                raise ValueError(f"{choice} says nothing without {needed}")

    @property
    def scale(self) -> int:
        """Luma samples per base cell along each axis."""
        return prod(self.strides) * self.shuffle

    @property
    def together(self) -> int:
        """A clip."""
        return self.clip

    def units(self, geometry: FieldGeometry) -> int:
        """Tiles of clips."""
        return self.clips(geometry.frames) * len(self.spans(geometry.height)) * len(self.spans(geometry.width))

    @property
    def interval(self) -> int:
        """Frames from one key frame to the next: those of a clip; 0: there are no key frames."""
        return self.clip if self.key_frames else 0

    def key_times(self, frames: int) -> list[int]:
        """See :func:`key_times`."""
        return key_times(frames, self.interval)

    def has_flow(self, level: int) -> bool:
        """Whether flow is estimated in front of a block, or of the head, which counts as one more."""
        wanted = {FlowAt.FIRST: level == 0, FlowAt.LAST: level == len(self.strides)}
        return self.flow and wanted.get(self.flow_at, True)

    @property
    def joined(self) -> int:
        """Channels in front of the first block."""
        return self.stem + (self.key_channels if self.key_frames else 0)

    def fuse_outputs(self, incoming: int) -> int:
        """Channels that a block makes of the key frames' features, to fuse with its input's; 0: there is no layer."""
        if not self.key_frames or self.fusing is Fusing.JOINED:
            return 0
        if self.fusing is Fusing.PER_PLACE:
            return 2
        return 2 * incoming if self.fusion else incoming

    def convolved(self, incoming: int) -> int:
        """Channels that a block's convolution sees, of an input with ``incoming``."""
        return incoming + (self.key_channels if self.fusing is Fusing.JOINED else 0)

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
        pixels, incoming, floats = rows * columns, self.joined, 0
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            floats += pixels * (4 * incoming + 8 * self.key_channels)
            pixels *= stride**2
            floats += pixels * (5 * outgoing + self._attended(outgoing))
            incoming = outgoing
        return 4 * self.clip * (floats + pixels * (self.shuffle**2 * 24 + 8 * self.key_channels))

    def drawing_bytes(self, geometry: FieldGeometry) -> int:
        """Memory that drawing one frame takes at its peak, roughly: that of its clip, in the largest tile."""
        rows, columns = (
            max(span.outer.stop - span.outer.start for span in self.spans(size)) // self.scale
            for size in (geometry.height, geometry.width)
        )
        pixels: int = rows * columns
        incoming, peak = self.joined, 0
        for stride, outgoing in zip(self.strides, self.channels, strict=True):
            peak = max(peak, pixels * (2 * incoming + 6 * self.key_channels + 2 * stride**2 * outgoing))
            pixels, incoming = pixels * stride**2, outgoing
            peak = max(peak, pixels * (2 * outgoing + self._attended(outgoing)))
        return 4 * self.clip * max(peak, pixels * (2 * incoming + self.key_channels + 12 * self.shuffle**2))

    def _attended(self, channels: int) -> int:
        """Numbers that attention between the frames of a clip holds for each of a frame's places."""
        return 4 * channels + 2 * self.clip if self.mixing is Mixing.ATTENTION else 0

    def tensor_specs(self, geometry: FieldGeometry) -> list[TensorSpec]:
        """Every coded tensor in ascending order of id; names are those of the torch module's parameters.

        They depend on the layout of the planes alone, so all videos of a file can share them. Ids: 0..3 time code, 4..5
        head's first convolution, 6..7 its last, 8..9 the key frames' first; block ``n`` owns ``128 * (n + 1)`` and the
        127 ids above it, those of the key frames' features that join it included; the flow of the head has the 128
        behind.
        """
        packed = head_channels(self.shuffle, geometry.chroma)
        narrow, seen = max(self.channels[-1] // 4, 4), packed if self.key_frames else 0
        specs = [
            *_layer(0, "network.time.0", (self.time_width, 2 * self.time_levels)),
            *_layer(2, "network.time.2", (self.stem * self.stem_rows * self.stem_columns, self.time_width)),
            *_layer(4, "network.head.0", (narrow, self.channels[-1] + seen, 1, 1)),
            *_layer(6, "network.head.2", (packed, narrow, 3, 3)),
        ]
        if self.key_frames:
            specs += _layer(8, "network.keys.first", (self.key_channels, packed, 3, 3))
        incoming = self.joined
        for block, (stride, outgoing) in enumerate(zip(self.strides, self.channels, strict=True)):
            first, name = 128 * (block + 1), f"network.blocks.{block}"
            # the features of block n come from those of block n + 1, which are finer
            patch = (self.key_channels, self.key_channels, stride, stride)
            specs += _layer(first, f"network.keys.patches.{block}", patch) if self.key_frames else []
            specs += self._flow(block, incoming)
            if fused := self.fuse_outputs(incoming):
                specs += _layer(first + 6, f"{name}.fuse", (fused, self.key_channels, 1, 1))
            specs += _layer(first + 8, f"{name}.conv", (outgoing * stride**2, self.convolved(incoming), 3, 3))
            specs += self._mixing(first, f"{name}.temporal", outgoing) if self.temporal else []
            incoming = outgoing
        return specs + self._flow(len(self.strides), incoming)

    def _flow(self, level: int, incoming: int) -> list[TensorSpec]:
        if not self.has_flow(level):
            return []
        narrow, name = max(incoming // 4, 4), f"network.flows.{level}"
        first = 128 * (level + 1) + (2 if level < len(self.strides) else 0)
        return [
            *_layer(first, f"{name}.0", (narrow, incoming, 1, 1)),
            *_layer(first + 2, f"{name}.2", (4, narrow, 3, 3)),
        ]

    def _mixing(self, block: int, name: str, channels: int) -> list[TensorSpec]:
        """What mixes the frames of a clip behind the block that owns the ids from ``block`` on."""
        if self.mixing is Mixing.ATTENTION:
            return [
                *_layer(block + 14, f"{name}.into", (3 * channels, channels)),
                *_layer(block + 16, f"{name}.out", (channels, channels)),
            ]
        convolves = self.mixing is Mixing.CONVOLUTION
        first, frames = (block + 12, ()) if convolves else (block + 10, (self.clip,))
        taps = self.taps if convolves else self.clip
        return [
            TensorSpec(first, f"{name}.weight", (channels, *frames, taps), Role.WEIGHT, None),
            TensorSpec(first + 1, f"{name}.bias", (channels, *frames), Role.VECTOR, None),
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
        plain: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        for choice in ("fusing", "flow_at", "mixing"):
            plain[choice] = getattr(self, choice).name.lower()
        return plain

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
    """The frames of a video that are key frames: the first of every ``interval``, and the last of all; 0: none."""
    if not interval:
        return []
    starts = list(range(0, frames, interval))
    return starts if starts[-1] == frames - 1 else [*starts, frames - 1]
