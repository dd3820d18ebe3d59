"""An open bitstream: container taken apart, parameters decoded and fields built when they are first needed."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from nvcodec.container import BaseSegment, Container, Limits, PackSegment, StreamHeader, read_container
from nvcodec.decoder.kept import Kept
from nvcodec.decoder.key_groups import KeyGroups, naming_stream
from nvcodec.decoder.places import owners_of, places_of
from nvcodec.entropy.payload import decode_tensors
from nvcodec.errors import BitstreamError, UnsupportedError, saying_of
from nvcodec.models import pack_registry, registry
from nvcodec.models.config import FieldConfig
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid
from nvcodec.quant.steps import dequantise
from nvcodec.quant.tensors import IntegerTensor, TensorSpec, digest
from nvcodec.types import Time, VideoFormat

if TYPE_CHECKING:
    from nvcodec.models.base import VideoField

_KEPT_BYTES = 1 << 28
"""Memory for frames of the base that packs will ask for again."""
FIELDS_KEPT = 2
"""Decoded segments held at once: enough to read across a boundary without decoding twice."""


class Session:
    """A bitstream ready to be decoded.

    Args:
        data: The whole file.
        limits: What to refuse before allocating.
        fields_kept: Decoded segments to hold at once, at least 1. One of an archive is a stream: it takes the memory of
            a few groups of the stream's key frames, while the network is there once for all streams.

    Raises:
        BitstreamError: The file is damaged.
        UnsupportedError: The file needs something this version does not have.
    """

    def __init__(self, data: bytes, limits: Limits | None = None, fields_kept: int = FIELDS_KEPT) -> None:
        self.limits = limits or Limits()
        self.size = len(data)
        self.container: Container = read_container(data, self.limits)
        header = self.container.header
        self.model = registry.by_id(header.model_id)
        self.config: FieldConfig = self.model.config(header.model_config, header.choices)
        for stream in header.streams:
            drawn = header.domain.drawn(stream.format.chroma)
            if drawn not in self.config.draws or stream.format.bit_depth not in self.config.bit_depths:
                raise BitstreamError(
                    f"chunk 'HEAD' has {stream.format.bit_depth}-bit {drawn} pictures, which its model cannot draw"
                )
        self._places = places_of(self.container.segments, len(header.streams))
        self._owners = owners_of(self.container.segments, self.config.shares_parameters)
        self.entropy_s = 0.0
        """Seconds spent in entropy decoding so far."""
        self.lock = RLock()
        """To be held while a field draws: fields of one file share parts."""
        self._fields: Kept[VideoField] = Kept(fields_kept)
        self._shared_integers: Kept[list[IntegerTensor]] = Kept(1)
        self._networks: Kept[VideoField] = Kept(1)

    def stream(self, index: int) -> StreamHeader:
        """The header of a stream."""
        return self.container.header.streams[index]

    def drawn_format(self, stream: int = 0) -> VideoFormat:
        """Format of the planes that are drawn: that of the source, but RGB where the coding domain is ``rgb``."""
        video = self.stream(stream).format
        return replace(video, chroma=self.container.header.domain.drawn(video.chroma))

    def frame_count(self, stream: int = 0) -> int:
        """Frames that can be decoded; fewer than announced when the file was cut."""
        return self._places[stream].frames

    @property
    def bpp(self) -> float:
        """Bits of the file per luma sample of all frames that are there, of all streams together."""
        return 8 * self.size / self.pixels

    @property
    def pixels(self) -> int:
        """Luma samples of all frames that are there, of all streams together."""
        sizes = ((self.stream(segment.stream).format, segment.frames) for segment in self.container.segments)
        return sum(video.width * video.height * frames for video, frames in sizes)

    def geometry(self, segment: BaseSegment) -> FieldGeometry:
        """What the field of a segment draws."""
        video = self.drawn_format(segment.stream)
        return FieldGeometry(segment.frames, video.height, video.width, video.chroma, segment.gops)

    def owner(self, ordinal: int) -> int:
        """The segment whose parameters a segment is drawn with: itself, or one in front of it."""
        return self._owners[ordinal]

    def pyramid(self, segment: BaseSegment) -> Pyramid | None:
        """Shape of the features behind pictures of a segment; None: there are none that a layer can draw from."""
        return self.config.pyramid(self.geometry(segment))

    def specs(self, segment: BaseSegment) -> list[TensorSpec]:
        """The coded tensors of a segment.

        Raises:
            UnsupportedError: There are more parameters than the limits allow.
        """
        specs = self.config.tensor_specs(self.geometry(segment))
        self.limits.check("max_parameters", sum(spec.size for spec in specs), "announces {} parameters")
        return specs

    def integers(self, ordinal: int) -> list[IntegerTensor]:
        """The decoded integers of a segment; the same on every machine.

        Raises:
            BitstreamError: The coded parameters make no sense.
        """
        return self._base_integers(ordinal, self.specs(self.container.segments[ordinal]))

    def locate(self, time: Time, stream: int = 0) -> tuple[int, Time]:
        """Segment that holds a frame, or a time between two, and the time within it.

        Segments know nothing of each other: between the last frame of one and the first of the next is the last one.

        Raises:
            IndexError: There is no such frame; behind the last one there is nothing.
        """
        return self._places[stream].locate(time)

    def company(self, ordinal: int, time: Time) -> int:
        """Number of the frames of a segment that a picture is best drawn with: its clip, or its group of pictures."""
        if self.config.together is not None:
            return int(time // self.config.together)
        return self.container.segments[ordinal].gop_of(int(time))

    def pack_specs(self, pack: PackSegment) -> list[TensorSpec]:
        """The coded tensors of a pack.

        Raises:
            BitstreamError: Its configuration makes no sense on this base.
            UnsupportedError: This version does not have it, or there are more parameters than the limits allow.
        """
        config, base = self._pack_network(pack)
        specs = config.tensor_specs(self.geometry(self.container.segments[pack.segment]), base)
        with naming_pack(pack):
            self.limits.check("max_parameters", sum(spec.size for spec in specs), "announces {} parameters")
        return specs

    def _pack_network(self, pack: PackSegment) -> tuple[EENConfig, Pyramid]:
        """The network of a pack, and what it draws from; errors as :meth:`pack_specs`."""
        with naming_pack(pack):
            base = self.pyramid(self.container.segments[pack.segment])
            if base is None:
                raise UnsupportedError(
                    f"is for {self.model.name}, which no layer can enhance", "Decode with --layers 0"
                )
            return pack_registry.config(pack.model_id, pack.config, base), base

    def pack_integers(self, pack: PackSegment) -> list[IntegerTensor]:
        """The decoded integers of a pack; the same on every machine.

        Raises:
            BitstreamError: The coded parameters make no sense.
            UnsupportedError: This version does not have its network.
        """
        return self._pack_integers(pack, self.pack_specs(pack))

    def check_pack(self, pack: PackSegment) -> None:
        """Decode the integers of a pack and compare them with its digest.

        Raises:
            BitstreamError: They differ, or the coded parameters make no sense.
            UnsupportedError: This version does not have its network, or there are more parameters than the limits
                allow.
        """
        if digest(self.pack_integers(pack)) != pack.integers:
            raise BitstreamError(
                f"layer {pack.layer} of segment {pack.segment} does not decode to the integers of its digest"
            )

    def check_key_frames(self, ordinal: int) -> int:
        """Decode all key frames of a segment, where its model has any, and count them.

        Raises:
            BitstreamError: They are missing or damaged.
        """
        if not self.config.keyed:
            return 0
        groups = self.key_groups(ordinal, "cpu")
        groups.check()
        return len(groups.coded.packets)

    def drawing_bytes(self, ordinal: int, layers: int) -> int:
        """Memory that drawing one frame of a segment takes at its peak, roughly."""
        packs = [self._pack_network(self.container.pack(ordinal, layer)) for layer in range(1, layers + 1)]
        whole = self.config.drawing_bytes(self.geometry(self.container.segments[ordinal]))
        return whole + max((config.drawing_bytes(base) for config, base in packs), default=0)

    def field(self, ordinal: int, device: str = "cpu", layers: int = 0) -> VideoField:
        """What draws a segment, with its decoded parameters, in evaluation mode, on ``device``.

        Args:
            ordinal: Which segment.
            device: Where.
            layers: Enhancement layers to draw with, 0 to ``container.layers``.
        """
        return self._fields.get((ordinal, device, layers), lambda: self._quietly_built(ordinal, device, layers))

    @property
    def fields_held(self) -> int:
        """Decoded segments that are held now; never more than ``fields_kept``."""
        return len(self._fields)

    def _quietly_built(self, ordinal: int, device: str, layers: int) -> VideoField:
        """Whoever draws random numbers beside us does not notice those that networks begin with."""
        import torch

        with torch.random.fork_rng(devices=[]):
            return self._build(ordinal, device, layers)

    def _build(self, ordinal: int, device: str, layers: int) -> VideoField:
        segment = self.container.segments[ordinal]
        geometry = self.geometry(segment)
        self.limits.check(
            "max_drawing_bytes", self.drawing_bytes(ordinal, layers), "takes about {} bytes of memory to draw a frame"
        )
        packs = [self.container.pack(ordinal, layer) for layer in range(1, layers + 1)]
        base_specs, pack_specs = self.specs(segment), [self.pack_specs(pack) for pack in packs]
        parameters = sum(spec.size for specs in (base_specs, *pack_specs) for spec in specs)
        self.limits.check("max_parameters", parameters, f"announces {{}} parameters in {1 + layers} layers")
        tensors = self._base_integers(ordinal, base_specs)  # first, so that nothing is built for a damaged payload
        field: VideoField

        def network() -> VideoField:
            return finished(self.model.build(self.config, geometry), tensors, device)

        if self.config.keyed:
            groups = self.key_groups(ordinal, device)
            trained = self._networks.get((device, self.owner(ordinal)), network)
            field = self.model.bind(self.config, geometry, trained, groups).eval().to(device)
        else:
            field = network()
        if layers == 0:
            return field
        from nvcodec.decoder.layers import FinishedLayers

        below = FinishedLayers(field, _KEPT_BYTES)
        for layer, (pack, specs) in enumerate(zip(packs, pack_specs, strict=True), 1):
            tensors = self._pack_integers(pack, specs)
            config, base = self._pack_network(pack)
            enhancement = pack_registry.build(config, geometry, base, below)
            field = finished(enhancement, tensors, device)
            if layer < layers:
                below.add(enhancement)
        return field

    def key_groups(self, ordinal: int, device: str) -> KeyGroups:
        """The key frames of a segment; none is decoded yet.

        Raises:
            BitstreamError: There are none, or too few or too many.
        """
        segment = self.container.segments[ordinal]
        stream = segment.stream, self.stream(segment.stream).name
        with naming_stream(*stream):
            problem = self.container.key_frame_problems.get(ordinal, "are missing")
            coded = self.container.key_frames.get(ordinal)
            if coded is None:
                raise BitstreamError(problem)
            wanted = len(self.config.key_times(segment.frames))
            if len(coded.packets) != wanted:
                raise BitstreamError(f"are {len(coded.packets):,}; {segment.frames:,} frames need {wanted:,}")
            groups = KeyGroups(coded, self.drawn_format(segment.stream), device, stream)
            self.limits.check("max_drawing_bytes", groups.most_bytes, "take {} bytes of memory")
            return groups

    def _base_integers(self, ordinal: int, specs: list[TensorSpec]) -> list[IntegerTensor]:
        owner = self.owner(ordinal)
        payload = self.container.segments[owner].payload
        try:
            if self.config.shares_parameters:
                return list(self._shared_integers.get(owner, lambda: self.decoded(payload, specs)))
            return self.decoded(payload, specs)
        except BitstreamError as error:
            raise BitstreamError(f"chunk 'BASE' of segment {owner}: {error.message}", error.hint) from None

    def _pack_integers(self, pack: PackSegment, specs: list[TensorSpec]) -> list[IntegerTensor]:
        with naming_pack(pack):
            return self.decoded(pack.payload, specs)

    def decoded(self, payload: bytes, specs: list[TensorSpec]) -> list[IntegerTensor]:
        """The coded parameters of a payload; the time is counted.

        Raises:
            BitstreamError: They make no sense.
        """
        started = time.perf_counter()
        tensors = decode_tensors(payload, specs)
        self.entropy_s += time.perf_counter() - started
        return tensors


def naming_pack(pack: PackSegment) -> AbstractContextManager[None]:
    """Say which pack an error is about."""
    return saying_of(f"layer {pack.layer} of segment {pack.segment}")


def finished(field: VideoField, tensors: list[IntegerTensor], device: str) -> VideoField:
    """Give a network its decoded parameters, for drawing on ``device``."""
    import torch

    named = dict(field.named_parameters())
    with torch.no_grad():
        for tensor in tensors:
            named[tensor.spec.name].copy_(torch.from_numpy(dequantise(tensor)))
    return field.requires_grad_(False).eval().to(device)
