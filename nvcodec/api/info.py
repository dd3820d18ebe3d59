"""What a bitstream holds, without decoding a picture. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nvcodec.api.costs import (
    KeyFrameInfo,
    LayerInfo,
    PreviewInfo,
    key_frame_info,
    layer_infos,
    networks,
    preview_infos,
)
from nvcodec.container import (
    BaseSegment,
    ChunkInfo,
    Limits,
    MetadataValue,
    StreamHeader,
)
from nvcodec.container.ids import CHUNK_TYPES
from nvcodec.decoder.opening import called, open_session
from nvcodec.decoder.session import Session
from nvcodec.decoder.verdict import Verdict, check_stored, is_checkable
from nvcodec.entropy.payload import TensorCost, payload_costs
from nvcodec.errors import naming
from nvcodec.io.geometry import describe
from nvcodec.types import NOTHING_SAID, SideData

SCHEMA = "nvc-info/1"
_SHOWN = 4
"""Videos that the text of a probe names."""


@dataclass(frozen=True, repr=False)
class Info:
    """Everything a bitstream says about itself."""

    file: str
    """Path, or ``<bytes>``."""
    bytes: int
    """Size of the file."""
    bpp: float
    """Bits per luma sample of all frames that are there."""
    version: tuple[int, int]
    model: str
    network: Mapping[str, object]
    """Configuration of the model."""
    domain: str
    """``yuv420`` (planes as each stream stores them, 4:2:0 or not) or ``rgb``."""
    layers: tuple[LayerInfo, ...]
    """The base, then the enhancement layers that every segment has."""
    streams: tuple[StreamHeader, ...]
    segments: tuple[BaseSegment, ...]
    digests: int
    """How many segments can be verified."""
    pack_digests: int
    """How many packs can be verified."""
    chunks: tuple[ChunkInfo, ...]
    previews: Mapping[int, PreviewInfo]
    """By what they divide the sides of pictures by."""
    metadata: Mapping[str, MetadataValue]
    warnings: tuple[str, ...]
    """What is missing from a file that was cut."""
    session: Session
    """The opened file."""

    def __repr__(self) -> str:
        """What one looks for first, in a few lines; the rest is in the fields."""
        videos = [f"{one.name or number}: {describe(one.format)}" for number, one in enumerate(self.streams)]
        shown = {
            "file": self.file,
            "bytes": self.bytes,
            "bpp": round(self.bpp, 4),
            "model": self.model,
            "enhancement_layers": len(self.layers) - 1,
            "frames": self.frames,
            "parameters": self.parameters,
            "streams": [*videos[:_SHOWN], *([f"and {len(videos) - _SHOWN} more"] if videos[_SHOWN:] else [])],
            "segments": len(self.segments),
            "warnings": len(self.warnings),
        }
        return "Info(\n" + "".join(f"    {name}={value!r},\n" for name, value in shown.items()) + ")"

    @property
    def frames(self) -> int:
        """Frames that can be decoded, of all streams together."""
        return sum(segment.frames for segment in self.segments)

    @property
    def parameters(self) -> int:
        """Coded numbers, of all segments and layers together."""
        return sum(layer.parameters or 0 for layer in self.layers)

    @property
    def bits_per_parameter(self) -> float:
        """Bits of the file per coded number; coded key frames are none of its."""
        coded = sum(keys.bytes for index in range(len(self.streams)) if (keys := self.key_frames(index)))
        return 8 * (self.bytes - coded) / self.parameters

    def networks(self, layer: int = 0) -> list[int]:
        """The segments whose parameters in a layer are their own: all but those drawn with an earlier one's."""
        return networks(self.session) if layer == 0 else list(range(len(self.segments)))

    def key_frames(self, stream: int) -> KeyFrameInfo | None:
        """The key frames of a stream; None where nothing is drawn between key frames."""
        return key_frame_info(self.session, stream) if self.session.config.keyed else None

    def tensors(self, segment: int = 0, layer: int = 0) -> list[TensorCost]:
        """What each tensor of a segment takes, in the base or in one of the layers above it.

        Raises:
            BitstreamError: The coded parameters make no sense.
            UnsupportedError: This version does not know the layer's network.
        """
        with naming(self.file):
            if layer == 0:
                coded = self.segments[self.session.owner(segment)]
                return payload_costs(coded.payload, self.session.specs(coded))
            pack = self.session.container.pack(segment, layer)
            return payload_costs(pack.payload, self.session.pack_specs(pack))

    def verdict(self) -> Verdict:
        """Decode all integers and compare them with their digests; checksums were verified when the file was opened."""
        return check_stored(self.session)

    def check(self) -> None:
        """As :meth:`verdict`, for whoever cannot go on with a damaged file.

        Raises:
            BitstreamError: A digest does not match, key frames are missing or damaged, or the file was cut.
            UnsupportedError: A part is above a limit.
        """
        with naming(self.file):
            if (error := self.verdict().error()) is not None:
                raise error

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc info --json`` prints, schema ``nvc-info/1``."""
        container = self.session.container
        return {
            "schema": SCHEMA,
            "file": self.file,
            "bytes": self.bytes,
            "bpp": self.bpp,
            "version": "{}.{}".format(*self.version),
            "model": self.model,
            "network": dict(self.network),
            "domain": self.domain,
            "prior": container.header.prior_id.name.lower(),
            "render_profile": container.header.render_profile.name.lower(),
            "layers": len(self.layers),
            "enhancement_layers": len(self.layers) - 1,
            "layer_list": [asdict(layer) for layer in self.layers],
            "parameters": self.parameters,
            "bits_per_parameter": self.bits_per_parameter,
            "frames": self.frames,
            "streams": [_stream(index, stream, self) for index, stream in enumerate(self.streams)],
            "segments": [
                {
                    "stream": segment.stream,
                    "first_frame": segment.first_frame,
                    "frames": segment.frames,
                    "gops": [segment.first_frame + start for start in segment.gops],
                    "bytes": len(segment.payload),
                    "digest": ordinal in container.digests,
                }
                for ordinal, segment in enumerate(self.segments)
            ],
            "previews": [{"scale": f"1/{divisor}", **asdict(preview)} for divisor, preview in self.previews.items()],
            "preview_bytes": container.preview_bytes,
            "chunks": [
                {
                    "offset": chunk.offset,
                    "type": chunk.type,
                    "bytes": chunk.length,
                    "crc32": f"{chunk.crc:08x}",
                    "content": CHUNK_TYPES.get(chunk.type),
                }
                for chunk in self.chunks
            ],
            "metadata": dict(self.metadata),
            "warnings": list(self.warnings),
        }


def probe(source: str | Path | bytes, *, limits: Limits | Mapping[str, int] | None = None) -> Info:
    """Read what a bitstream holds.

    Args:
        source: Path of an .nvc file, ``-`` for standard input, or its bytes.
        limits: What to refuse before allocating.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
    """
    session = open_session(source, limits)
    container, header = session.container, session.container.header
    return Info(
        file=called(source),
        bytes=session.size,
        bpp=session.bpp,
        version=container.version,
        model=session.model.name,
        network=session.config.to_dict(),
        domain=header.domain.name.lower(),
        layers=layer_infos(session),
        streams=header.streams,
        segments=container.segments,
        digests=len(container.digests),
        pack_digests=sum(is_checkable(pack) for pack in container.packs),
        chunks=container.chunks,
        previews=preview_infos(session),
        metadata=container.metadata,
        warnings=container.warnings,
        session=session,
    )


def _stream(index: int, stream: StreamHeader, info: Info) -> dict[str, Any]:
    video, keys = stream.format, info.key_frames(index)
    return {
        "name": stream.name,
        "width": video.width,
        "height": video.height,
        "frames": info.session.frame_count(index),
        "announced_frames": stream.frames,
        "fps": None if video.fps is None else str(video.fps),
        "bit_depth": video.bit_depth,
        "chroma": video.chroma.name.lower(),
        "colour": asdict(video.colour),
        "side_data": _side_data(info.session.container.side_data.get(index, NOTHING_SAID)),
        "key_frames": keys.count if keys else 0,
        "key_frame_bytes": keys.bytes if keys else 0,
        "direct_key_frames": keys.direct if keys else 0,
        "key_frame_problem": keys.problem if keys else None,
    }


def _side_data(side: SideData) -> dict[str, Any]:
    display, light, times = side.mastering, side.light, side.timestamps
    return {
        "sample_aspect_ratio": None if side.aspect is None else str(side.aspect),
        "chroma_location": side.chroma_location,
        "mastering_display": None
        if display is None
        else {
            "green_blue_red": [[place / 50_000 for place in point] for point in display.primaries],
            "white": [place / 50_000 for place in display.white],
            "max_luminance": display.max_luminance / 10_000,
            "min_luminance": display.min_luminance / 10_000,
        },
        "content_light": None
        if light is None
        else {"max_content": light.max_content, "max_average": light.max_average},
        "timestamps": None
        if times is None
        else {
            "time_base": str(times.time_base),
            "seconds": float(times.starts[-1] * times.time_base),
            "shortest_s": float(min(times.ticks) * times.time_base),
            "longest_s": float(max(times.ticks) * times.time_base),
        },
    }
