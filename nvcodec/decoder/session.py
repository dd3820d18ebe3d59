"""An open bitstream: container taken apart, parameters decoded and fields built when they are first needed."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from nvcodec.container import BaseSegment, Container, Limits, StreamHeader, read_container
from nvcodec.entropy.payload import decode_tensors
from nvcodec.errors import BitstreamError
from nvcodec.models import registry
from nvcodec.models.geometry import FieldGeometry
from nvcodec.quant.steps import dequantise
from nvcodec.quant.tensors import IntegerTensor, TensorSpec
from nvcodec.types import VideoFormat

if TYPE_CHECKING:
    from nvcodec.models.base import VideoField

_FIELDS_KEPT = 2
"""Decoded segments held at once: enough to read across a boundary without decoding twice."""


class Session:
    """A bitstream ready to be decoded.

    Args:
        data: The whole file.
        limits: What to refuse before allocating.

    Raises:
        BitstreamError: The file is damaged.
        UnsupportedError: The file needs something this version does not have.
    """

    def __init__(self, data: bytes, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.size = len(data)
        self.container: Container = read_container(data, self.limits)
        header = self.container.header
        self.model = registry.by_id(header.model_id)
        self.config = self.model.config(header.model_config)
        self.entropy_s = 0.0
        """Seconds spent in entropy decoding so far."""
        self._field = lru_cache(_FIELDS_KEPT)(self._build)

    def stream(self, index: int) -> StreamHeader:
        """The header of a stream."""
        return self.container.header.streams[index]

    def drawn_format(self, stream: int = 0) -> VideoFormat:
        """Format of the planes that are drawn: that of the source, but RGB where the coding domain is ``rgb``."""
        return replace(self.stream(stream).format, chroma=self.container.header.domain.chroma)

    def frame_count(self, stream: int = 0) -> int:
        """Frames that can be decoded; fewer than announced when the file was cut."""
        return sum(segment.frames for segment in self.container.segments if segment.stream == stream)

    def geometry(self, segment: BaseSegment) -> FieldGeometry:
        """What the field of a segment draws."""
        video = self.stream(segment.stream).format
        return FieldGeometry(segment.frames, video.height, video.width, self.container.header.domain)

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
        segment = self.container.segments[ordinal]
        started = time.perf_counter()
        try:
            tensors = decode_tensors(segment.payload, self.specs(segment))
        except BitstreamError as error:
            raise BitstreamError(f"chunk 'BASE' of segment {ordinal}: {error.message}", error.hint) from None
        self.entropy_s += time.perf_counter() - started
        return tensors

    def locate(self, frame: int, stream: int = 0) -> tuple[int, int]:
        """Segment that holds a frame, and the frame's index within it."""
        for ordinal, segment in enumerate(self.container.segments):
            if segment.stream == stream and 0 <= frame - segment.first_frame < segment.frames:
                return ordinal, frame - segment.first_frame
        raise IndexError(f"frame {frame} is not in 0..{self.frame_count(stream) - 1}")

    def field(self, ordinal: int, device: str = "cpu") -> VideoField:
        """The network of a segment with its decoded parameters, in evaluation mode, on ``device``."""
        return self._field(ordinal, device)

    def _build(self, ordinal: int, device: str) -> VideoField:
        import torch

        segment = self.container.segments[ordinal]
        tensors = self.integers(ordinal)
        geometry = self.geometry(segment)
        memory = self.config.drawing_bytes(geometry)
        self.limits.check("max_drawing_bytes", memory, "takes about {} bytes of memory to draw a frame")
        field = self.model.build(self.config, geometry)
        named = dict(field.named_parameters())
        with torch.no_grad():
            for tensor in tensors:
                named[tensor.spec.name].copy_(torch.from_numpy(dequantise(tensor)))
        return field.requires_grad_(False).eval().to(device)
