"""The file to be: everything in it but what the parts make, its size without that, and how it gets its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import final

import numpy as np

from nvcodec.config.job import Job
from nvcodec.container import (
    BaseSegment,
    KeyFrames,
    MetadataValue,
    ModelId,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    appended,
    write_container,
)
from nvcodec.decoder.check import sample
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.session import Session
from nvcodec.encoder.footage.read import SourceVideo
from nvcodec.encoder.parts.layer import new_pack
from nvcodec.encoder.parts.part import Fitted, Network
from nvcodec.encoder.plan.plan import Plan
from nvcodec.io.output import create, part_of, place_of
from nvcodec.io.replace import replace_with
from nvcodec.models.config import FieldConfig
from nvcodec.models.een_config import EENConfig
from nvcodec.version import __version__

_PSNR_TO_COME = 98.765
"""Keeps room for the number that is only known when the file is there."""


class OutputFile(ABC):
    """What is written; subclasses are final."""

    @abstractmethod
    def overhead(self, network: Network, key_frames: Mapping[int, KeyFrames]) -> int:
        """Bytes of the file, or of what is added to it, that are no coded parameters, or a few more.

        Args:
            network: Shape of the networks.
            key_frames: By segment; those of the others cost nothing yet.
        """

    @abstractmethod
    def draft(self, fitted: Sequence[Fitted]) -> Session:
        """Write the file under another name, or into memory, and open it as any decoder does.

        Raises:
            OSError: It cannot be written.
        """

    @abstractmethod
    def complete(self, fitted: Sequence[Fitted], psnr_db: float | None) -> int:
        """Give the file its name; its size in bytes.

        Args:
            fitted: All parts.
            psnr_db: Quality of the draft, to be noted in the file; None where it is not to say that.

        Raises:
            OSError, OutputError: It cannot be written.
            UsageError: Something else has changed it meanwhile.
            RescuedError: Its name is taken; it has another.
        """

    @abstractmethod
    def whole(self, fitted: Sequence[Fitted]) -> bytes:
        """What there is to keep where the file cannot be written: all its bytes, but for what was to be measured."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing behind but a file that was completed."""


@final
class NewFile(OutputFile):
    """A file of its own.

    Args:
        job: What was asked for.
        plan: What is fitted.
        videos: What is in it.
        overwrite: Whether the output may be there.
    """

    def __init__(self, job: Job, plan: Plan, videos: Sequence[SourceVideo], overwrite: bool) -> None:
        self.plan, self.videos, self.overwrite = plan, videos, overwrite
        self._place = place_of(job.output)
        self._temporary = part_of(self._place.path)
        self.side_data = {stream: video.side_data for stream, video in enumerate(videos)}
        mask = videos[0].mask
        self.metadata: dict[str, MetadataValue] = {
            "creator": f"nvc {__version__}",
            "preset": plan.preset.name,
            "seed": job.options.seed,
            "psnr": _PSNR_TO_COME,
            **({"mask": mask.spec} if mask else {}),
        }

    def overhead(self, network: Network, key_frames: Mapping[int, KeyFrames]) -> int:
        """See :class:`OutputFile`."""
        segments, digests = [], []
        for span in self.plan.spans:
            video = self.videos[span.stream].source.format
            video = replace(video, chroma=self.plan.domain.drawn(video.chroma))
            gops = self.plan.geometry(span, video).gops
            segments.append(BaseSegment(span.stream, span.first, span.frames, b"", gops))
            white = tuple(np.full(shape, video.peak, video.dtype) for shape in video.plane_shapes)
            samples = sample(lambda _, white=white: white, video, span.frames)  # type: ignore[misc]
            digests.append(SegmentDigest(span.ordinal, bytes(16), samples))
        boundaries = sum(len(segment.gops) - 1 for segment in segments)  # which may lie further apart, in a byte more
        # with their payloads in front of them, segments lie further out and take up to three bytes more in the index
        further = boundaries + 3 * (len(self.plan.parts) - 1)
        whole = write_container(
            self._header(network),
            segments,
            digests,
            self.metadata,
            key_frames=key_frames,
            side_data=self.side_data,
        )
        return len(whole) + further + self.plan.slack_bytes

    def draft(self, fitted: Sequence[Fitted]) -> Session:
        """See :class:`OutputFile`."""
        self._write(fitted)
        return open_session(self._temporary)

    def complete(self, fitted: Sequence[Fitted], psnr_db: float | None) -> int:
        """See :class:`OutputFile`."""
        if psnr_db is None:
            del self.metadata["psnr"]
        else:
            self.metadata["psnr"] = round(psnr_db, 3)
        size = self._write(fitted)
        self._place.take(self._temporary, overwrite=self.overwrite)
        return size

    def discard(self) -> None:
        """See :class:`OutputFile`."""
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def whole(self, fitted: Sequence[Fitted]) -> bytes:
        """See :class:`OutputFile`."""
        self.metadata = {name: value for name, value in self.metadata.items() if value != _PSNR_TO_COME}
        return self._to_bytes(fitted)

    def _write(self, fitted: Sequence[Fitted]) -> int:
        with create(self._temporary) as file:
            return file.write(self._to_bytes(fitted))

    def _to_bytes(self, fitted: Sequence[Fitted]) -> bytes:
        chunks = [part.chunks for part in fitted]
        key_frames: dict[int, KeyFrames] = {}
        for each in chunks:
            key_frames |= each.key_frames
        return write_container(
            self._header(fitted[0].network),
            [segment for each in chunks for segment in each.segments],
            [digest for each in chunks for digest in each.digests],
            self.metadata,
            key_frames=key_frames,
            previews=[preview for each in chunks for preview in each.previews],
            side_data=self.side_data,
        )

    def _header(self, network: Network) -> SequenceHeader:
        assert isinstance(network, FieldConfig)
        streams = tuple(StreamHeader(video.source.format, len(video.source), video.name) for video in self.videos)
        return SequenceHeader(
            ModelId(self.plan.model.id),
            self.plan.domain,
            streams,
            network.to_bytes(),
            choices=network.choices_to_bytes(),
        )


@final
class LayeredFile(OutputFile):
    """One more layer behind what a file holds, whose bytes stay as they are.

    Args:
        job: What was asked for.
        plan: What is fitted.
        data: The file below.
        session: The same, opened.
        overwrite: Whether the output may be there; where it is the file below, it is there.
    """

    def __init__(self, job: Job, plan: Plan, data: bytes, session: Session, overwrite: bool) -> None:
        assert job.base is not None
        self.plan, self.output, self.base, self.overwrite = plan, job.output, job.base, overwrite or job.is_in_place
        self.data, self.session = data, session

    def overhead(self, network: Network, key_frames: Mapping[int, KeyFrames]) -> int:
        """See :class:`OutputFile`."""
        assert isinstance(network, EENConfig)
        packs = [new_pack(self.session, span.ordinal, network, [], b"", _PSNR_TO_COME) for span in self.plan.spans]
        return len(appended(self.data, packs)) + self.plan.slack_bytes

    def draft(self, fitted: Sequence[Fitted]) -> Session:
        """See :class:`OutputFile`."""
        return Session(self.data + self._tail(fitted))

    def complete(self, fitted: Sequence[Fitted], psnr_db: float | None) -> int:
        """See :class:`OutputFile`; packs say their quality themselves."""
        tail = self._tail(fitted)
        replace_with(self.base, tail, self.output, made_for=self.data, overwrite=self.overwrite)
        return len(self.data) + len(tail)

    def discard(self) -> None:
        """See :class:`OutputFile`."""

    def whole(self, fitted: Sequence[Fitted]) -> bytes:
        """See :class:`OutputFile`."""
        return self.data + self._tail(fitted)

    def _tail(self, fitted: Sequence[Fitted]) -> bytes:
        return appended(self.data, [pack for part in fitted for pack in part.chunks.packs])
