"""The public decoder: any frame of a bitstream, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

from nvcodec.container import Limits
from nvcodec.decoder.frames import Frame, FrameBatch, rgb_tensor
from nvcodec.decoder.metadata import VideoMetadata
from nvcodec.decoder.opening import (
    BinaryFile,
    Precision,
    check_layers,
    check_precision,
    open_session,
    pick_device,
    stream_number,
)
from nvcodec.decoder.pictures import Pictures
from nvcodec.decoder.places import no_frame
from nvcodec.decoder.previews import Scale, check_scale
from nvcodec.decoder.session import Session
from nvcodec.decoder.timeline import Timeline
from nvcodec.errors import ClosedError, UsageError
from nvcodec.io.saying import plural
from nvcodec.types import NOTHING_SAID, Planes, Time

if TYPE_CHECKING:
    from torch import Tensor

    from nvcodec.decoder.render import Drawer


def _opened_again(source: str | bytes, how: dict[str, Any]) -> VideoReader:
    return VideoReader(source, **how)


class VideoReader:
    """Frames of a bitstream on demand: any of them, in any order, without those before.

    A sequence of frames, each a tensor uint8 [3, height, width] of RGB in CPU memory; uint16 of 10 and 12 bit video.
    Slices give [N, 3, height, width], and :meth:`planes` the code values behind them.

    >>> reader = VideoReader("samples/bunny_320x180.nvc", device="cpu")
    >>> len(reader), reader.metadata.fps
    (48, Fraction(25, 1))
    >>> reader[-1].shape, reader[0:48:20].shape
    (torch.Size([3, 180, 320]), torch.Size([3, 3, 180, 320]))
    >>> reader.get_frames_at([47, 3])
    FrameBatch(data=uint8 [2, 3, 180, 320], pts_seconds=float64 [2], duration_seconds=float64 [2])
    >>> reader.get_frame_played_at(1.5)
    Frame(data=uint8 [3, 180, 320], pts_seconds=1.48, duration_seconds=0.04)

    Frames are the same however they are asked for, up to the rounding of a code value. Threads may share a reader, and
    readers may share a session: they draw one after another. On CUDA, a batch is drawn ahead. A reader of a path or of
    bytes can be pickled, for workers that are spawned: they open the file again; bytes travel along. For training, a
    :class:`nvcodec.VideoDataset` does more.

    Args:
        source: Path of an .nvc file, or its bytes, or a binary file that is open, or what :func:`open_session` made of
            one: readers of several streams then decode what the streams share once.
        device: "cpu", "cuda", "cuda:1", "mps" or "auto".
        stream: Which video of the file, by number or name.
        layers: Enhancement layers to draw with; None = all that can be used, but none where previews are drawn.
        scale: Share of width and height to draw at: 1, 1/2, 1/4 or 1/8, as a number or written so. Stored previews show
            the base and are quick; without one, whole pictures are drawn and each square of samples becomes its mean.
        batch: Frames per forward pass, at least 1; None = what fits memory. Archives are drawn by clips all the same.
        limits: What to refuse before allocating; an open session has its own.
        precision: ``float32``; or ``bfloat16``, in which networks draw but for their heads: quicker where the processor
            has it, and up to some code values away from what the file says.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: There is no such stream, scale, batch or precision, or there are fewer layers.
        DeviceError: The device does not exist.
    """

    def __init__(
        self,
        source: str | Path | bytes | BinaryFile | Session,
        *,
        device: str = "auto",
        stream: int | str = 0,
        layers: int | None = None,
        scale: Scale = 1,
        batch: int | None = None,
        limits: Limits | Mapping[str, int] | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.precision = check_precision(precision)
        self._session: Session | None = source if isinstance(source, Session) else open_session(source, limits)
        # a worker may be started in another folder
        self._source = os.path.abspath(source) if isinstance(source, (str, Path)) else source
        self._how = {
            "device": device, "stream": stream, "layers": layers, "scale": scale, "limits": limits,
            "precision": precision,
        }  # fmt: skip
        self.stream = stream_number(stream, [header.name for header in self.session.container.header.streams])
        divisor, wanted = check_scale(scale), None if layers is None else check_layers(self.session, layers)
        if batch is not None and not (isinstance(batch, Integral) and batch >= 1):
            raise UsageError(f"there are no batches of {batch} frames", "Give 1 or more; None = what fits memory")
        self.device = pick_device(device)
        self.pictures = Pictures(self.session, self.stream, divisor, wanted, self.device)
        self.layers, self.format = self.pictures.layers, self.pictures.format
        self._batch = batch

    @property
    def session(self) -> Session:
        """The opened file.

        Raises:
            ValueError: The reader is closed.
        """
        if self._session is None:
            raise ClosedError("the reader is closed")
        return self._session

    @property
    def metadata(self) -> VideoMetadata:
        """Size, rate, length and the like."""
        video, container, timeline = self.format, self.session.container, self._timeline
        return VideoMetadata(
            width=video.width,
            height=video.height,
            fps=video.fps,
            num_frames=timeline.frames,
            duration_seconds=timeline.seconds,
            bit_depth=video.bit_depth,
            planes=video.chroma.name.lower(),
            colour=video.colour,
            layers=container.layers,
            streams=len(container.header.streams),
            stream=self.stream,
            stream_name=self.session.stream(self.stream).name,
            model=self.session.model.name,
            bpp=self.session.bpp,
        )

    def __len__(self) -> int:
        return self.session.frame_count(self.stream)

    def __repr__(self) -> str:
        if self._session is None:
            return "VideoReader(closed)"
        video = self.format
        size = f"{plural(len(self), 'frame')}, {video.width}x{video.height}, {video.bit_depth}-bit"
        return f"VideoReader({size}, {self.device})"

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """How a reader is opened again where it is unpickled.

        Raises:
            UsageError: It is of an open session or file, which other processes do not have.
            ValueError: It is closed.
        """
        source = self._source if self.session else None
        if not isinstance(source, (str, bytes, bytearray)):
            what = "session" if isinstance(source, Session) else "file"
            raise UsageError(f"a reader of an open {what} cannot be pickled", "Make it of a path, or of the bytes")
        return _opened_again, (source, {**self._how, "batch": self._batch})

    def close(self) -> None:
        """Let go of the file and of what was decoded; may be called again. Who reads on meets a ``ValueError``."""
        self._session = None
        self.pictures.forget()

    def __getitem__(self, key: SupportsIndex | slice) -> Tensor:
        """A frame [3, height, width] or a slice of them [N, 3, height, width]; indices and slices as those of a list.

        Raises:
            IndexError: There is no such frame.
        """
        if isinstance(key, slice):
            return self._rgb(range(len(self))[key])
        return self._rgb([self._timeline.index(key)])[0]

    def __iter__(self) -> Iterator[Tensor]:
        """All frames in order, each [3, height, width]."""
        return (rgb_tensor([([0], planes)], 1, self.format)[0] for planes in self.frames())

    def get_frame_at(self, index: SupportsIndex) -> Frame:
        """A frame and when it is on screen; negative indices count from the end.

        Raises:
            IndexError: There is no such frame.
        """
        return self.get_frames_at([index])[0]

    def get_frames_at(self, indices: Iterable[SupportsIndex]) -> FrameBatch:
        """Frames in the order given; what is asked for twice is drawn once.

        Raises:
            IndexError: There is no such frame.
        """
        timeline = self._timeline
        found = [timeline.index(index) for index in indices]
        return self._timed(found, self._rgb(found))

    def get_batch(self, indices: Iterable[SupportsIndex]) -> Tensor:
        """The data of :meth:`get_frames_at` alone, as decord has it."""
        return self.get_frames_at(indices).data

    def get_frame_played_at(self, seconds: SupportsFloat) -> Frame:
        """The frame on screen at a time, 0 <= ``seconds`` < ``metadata.duration_seconds``.

        Raises:
            UsageError: The video has no frame rate.
            ValueError: It has no such time.
        """
        return self.get_frames_played_at([seconds])[0]

    def get_frames_played_at(self, seconds: Iterable[SupportsFloat]) -> FrameBatch:
        """The frames on screen at several times, in the order given; errors as :meth:`get_frame_played_at`."""
        timeline = self._timeline
        return self.get_frames_at([timeline.index_at(time) for time in seconds])

    def batches(self, size: int) -> Iterator[FrameBatch]:
        """All frames in order, ``size`` at a time; the last batch may be smaller. Memory is that of a batch or two.

        Raises:
            UsageError: ``size`` is not positive.
        """
        if size < 1:
            raise UsageError(f"there are no batches of {size} frames", "Give 1 or more")
        return self._batches(range(len(self)), size)

    def _batches(self, indices: range, size: int) -> Iterator[FrameBatch]:
        pictures = self.frames(indices)
        for first in range(0, len(indices), size):
            part = indices[first : first + size]
            placed = (([place], planes) for place, planes in enumerate(islice(pictures, len(part))))
            yield self._timed(part, rgb_tensor(placed, len(part), self.format))

    @property
    def _timeline(self) -> Timeline:
        side = self.session.container.side_data.get(self.stream, NOTHING_SAID)
        return Timeline(len(self), self.format.fps, side.timestamps)

    def _rgb(self, indices: Sequence[int]) -> Tensor:
        """Frames [N, 3, height, width] of valid indices: drawn in the order of time, whichever is asked for."""
        places: dict[int, list[int]] = {}
        for place in sorted(range(len(indices)), key=indices.__getitem__):
            places.setdefault(indices[place], []).append(place)
        return rgb_tensor(zip(places.values(), self.frames(list(places)), strict=True), len(indices), self.format)

    def _timed(self, indices: Sequence[int], data: Tensor) -> FrameBatch:
        import torch

        timeline = self._timeline
        if timeline.seconds is None:
            return FrameBatch(data, None, None)
        times = [[timeline.start(index), timeline.length(index)] for index in indices]
        starts, lengths = torch.tensor(times, dtype=torch.float64).reshape(-1, 2).unbind(1)
        return FrameBatch(data, starts, lengths)

    def planes(self, frame: Time) -> Planes:
        """The code values of one frame: exactly what PSNR is measured on.

        Args:
            frame: Index; negative counts from the end. A fraction is a time between frames, see :meth:`frames`.

        Raises:
            IndexError: There is no such frame.
        """
        index = frame + len(self) if frame < 0 else frame
        if index < 0:
            raise no_frame(frame, len(self))
        return next(self.frames([index]))

    def frames(self, times: Sequence[Time] | None = None) -> Iterator[Planes]:
        """Draw frames in the order given (default: all), a batch at a time, in bounded memory.

        On CUDA the next batch is drawn while one is handed out; elsewhere when that was.

        Args:
            times: Indices. Fractions lie between frames: what a network stores for single frames is interpolated, and
                what it draws from it is neither of the two. Between segments the last frame of the first is drawn.

        Raises:
            IndexError: There is no such frame; behind the last one there is nothing.
        """
        from nvcodec.decoder.render import Drawer

        wanted = [self.session.locate(time, self.stream) for time in (times if times is not None else range(len(self)))]
        drawer = Drawer(self.device, self.precision)
        for pictures in drawer.in_turn(self._begun(wanted, drawer)):
            yield from pictures

    def _begun(self, wanted: Iterable[tuple[int, Time]], drawer: Drawer) -> Iterator[Iterator[Planes]]:
        """Begin one batch after another; segments, and times within them, come as they are to be drawn."""
        for (ordinal, _), group in groupby(wanted, key=lambda place: (place[0], self.session.company(*place))):
            frames = [local for _, local in group]
            with self.session.lock:
                batch = self.pictures.at_once(self.session, ordinal, self._batch)
            for start in range(0, len(frames), batch):
                with self.session.lock:  # not while the caller looks at the pictures
                    pictures = self.pictures.draw(self.session, ordinal, frames[start : start + batch], drawer)
                yield pictures
