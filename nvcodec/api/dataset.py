"""Bitstreams as training data: every clip of every video by index, in RGB, for ``torch.utils.data.DataLoader``."""

from __future__ import annotations

import operator
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nvcodec.api.arguments import file_name
from nvcodec.color import to_eight_bit, to_rgb, yuv_format
from nvcodec.container import Limits
from nvcodec.decoder.kept import Kept
from nvcodec.decoder.opening import Precision, check_layers, check_precision, open_session, pick_device
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.errors import NoFrameError, UsageError, naming, shown
from nvcodec.io.saying import plural
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Source = str | Path | bytes

_FILES_KEPT = 4
"""Files a process holds open; enough for shuffled clips of a few archives."""


class VideoClip(NamedTuple):
    """Successive frames of one video; the default collate makes one of tensors and tuples out of several."""

    frames: Tensor
    """RGB, uint8 [T, 3, height, width], 0..255, in CPU memory; or what ``transform`` made of it."""
    stream: int
    """Position in ``VideoDataset.streams``."""
    name: str
    """Name of the video in its file; may be empty."""
    first_frame: int
    """Index of the clip's first frame in its video."""


@dataclass(frozen=True)
class VideoStream:
    """One video of a dataset."""

    file: int
    """Position among the sources."""
    number: int
    """Of the stream within its file."""
    name: str
    """As the file says it; may be empty."""
    format: VideoFormat
    frames: int
    """Frames that can be decoded."""


class VideoDataset(Dataset[VideoClip]):
    """Clips of all videos of one or several bitstreams, by index: file after file, stream after stream, in time.

    Only whole clips count: what is left over at the end of a video is in none, and a video shorter than a clip has
    none. Videos may differ in size; batches of the default collate need one size, which is for ``transform`` to see to,
    or for ``streams``.

    A process opens the files when it first reads, so the dataset goes to DataLoader workers of any start method; a CUDA
    ``device`` needs ``spawn``. Each process decodes an archive's network once, and of each of a few files it holds at
    most ``streams_kept`` videos ready. What is ready of a video of an archive are its key frames: one of eight
    pictures, a byte or two for each sample, in groups that are decoded together (``keys.group``, 64 by default), of
    which it holds 256 MB, or two groups. Threads may share a dataset; they draw one after another.

    Frames are what :class:`nvcodec.VideoReader` draws, within one code value, converted to RGB as by all commands; 10
    bit is rounded to 8. Clips that begin and end with those of an archive's network (multiples of its length, 8 by
    default) are drawn without waste; others cost the whole of all that they touch.

    Args:
        source: Path of an .nvc file, or its bytes, or several of them.
        clip_length: Frames of a clip.
        stride: Frames from the start of a clip to that of the next; None = ``clip_length``.
        streams: Which video or videos, by name or by position in the order above; None = all.
        transform: Makes something else of a clip's frames, e.g. crops or scales them.
        device: Where to draw: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto``.
        layers: Enhancement layers to draw with; None = all that can be used.
        limits: What to refuse before allocating.
        streams_kept: Decoded videos that a process holds of each file.
        precision: As of :class:`nvcodec.VideoReader`: ``bfloat16`` is quicker where the processor has it.

    Raises:
        InputError: A file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: An option makes no sense, or no clip is left.
        DeviceError: The device does not exist.
    """

    def __init__(
        self,
        source: Source | Sequence[Source],
        *,
        clip_length: int = 8,
        stride: int | None = None,
        streams: str | int | Iterable[str | int] | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
        device: str = "cpu",
        layers: int | None = None,
        limits: Limits | Mapping[str, int] | None = None,
        streams_kept: int = 8,
        precision: Precision = "float32",
    ) -> None:
        stride = clip_length if stride is None else stride
        for name, value in (("clip_length", clip_length), ("stride", stride), ("streams_kept", streams_kept)):
            if not (isinstance(value, Integral) and value >= 1):
                raise UsageError(f"{name} is {value}", "Give 1 or more")
        sources = list(source) if isinstance(source, (list, tuple)) else [source]
        # a worker may be started in another folder
        self._sources = [one if isinstance(one, bytes) else os.path.abspath(file_name(one)) for one in sources]
        self.clip_length, self.stride, self.transform = clip_length, stride, transform
        self.layers, self._limits, self._streams_kept = layers, limits, streams_kept
        self.device, self.precision = pick_device(device), check_precision(precision)
        self._forget()
        every = [stream for file in range(len(sources)) for stream in self._streams_of(file)]
        if streams is not None:
            asked = [streams] if isinstance(streams, (str, int)) else streams
            every = list(dict.fromkeys(_chosen(every, wanted) for wanted in asked))
        self.streams = tuple(every)
        """The videos, in the order of their clips."""
        counts = [max(0, (stream.frames - clip_length) // self.stride + 1) for stream in self.streams]
        self._firsts = list(accumulate(counts, initial=0))
        if not len(self):
            longest = max((stream.frames for stream in self.streams), default=0)
            raise UsageError(
                f"there is no clip of {plural(clip_length, 'frame')} in {plural(len(self.streams), 'video')}",
                f"The longest has {plural(longest, 'frame')}: lower clip_length" if longest else "",
            )

    def __len__(self) -> int:
        return self._firsts[-1]

    def __repr__(self) -> str:
        size = f"{plural(len(self), 'clip')} of {plural(self.clip_length, 'frame')}"
        return f"VideoDataset({size}, {plural(len(self.streams), 'video')}, {self.device})"

    def __getitem__(self, index: SupportsIndex) -> VideoClip:
        """One clip; negative indices count from the end.

        Raises:
            IndexError: There is no such clip.
            BitstreamError: Its video is damaged.
            UnsupportedError: Its video needs something this version does not have, or more than the limits allow.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[VideoClip]:
        """Several clips in the order given, as a DataLoader asks for a batch: no frame is drawn twice.

        Raises:
            IndexError: See :meth:`__getitem__`, like the others.
        """
        places = [self._place(index) for index in indices]
        wanted: dict[int, set[int]] = {}
        for stream, first in places:
            wanted.setdefault(stream, set()).update(range(first, first + self.clip_length))
        drawn = {stream: self._pictures(stream, sorted(frames)) for stream, frames in wanted.items()}
        clips = []
        for stream, first in places:
            pictures = [drawn[stream][frame] for frame in range(first, first + self.clip_length)]
            frames = torch.from_numpy(np.stack(pictures))
            frames = frames if self.transform is None else self.transform(frames)
            clips.append(VideoClip(frames, stream, self.streams[stream].name, first))
        return clips

    def clips_of(self, stream: int | str) -> range:
        """Indices of the clips of a video.

        Args:
            stream: Position in ``streams``, or a name.

        Raises:
            UsageError: There is no such video, or several have the name.
        """
        at = self.streams.index(_chosen(self.streams, stream))
        return range(self._firsts[at], self._firsts[at + 1])

    def __getstate__(self) -> dict[str, object]:
        """All but what this process has open."""
        return {**self.__dict__, "_sessions": None, "_process": None}

    def _forget(self) -> None:
        self._process: int | None = os.getpid()
        self._sessions: Kept[Session] = Kept(_FILES_KEPT)

    def _session(self, file: int) -> Session:
        if self._process != os.getpid():  # unpickled, or forked: another process' locks may be held for ever
            self._forget()
        source = self._sources[file]
        return self._sessions.get(file, lambda: open_session(source, self._limits, self._streams_kept))

    def _name(self, file: int) -> str | None:
        source = self._sources[file]
        return None if isinstance(source, bytes) else str(source)

    def _streams_of(self, file: int) -> list[VideoStream]:
        session = self._session(file)
        found = []
        with naming(self._name(file)):
            check_layers(session, self.layers)
            for number, header in enumerate(session.container.header.streams):
                video = session.drawn_format(number)
                if video.chroma is not ChromaFormat.RGB:
                    yuv_format(video)  # colours that cannot be converted are met here
                found.append(VideoStream(file, number, header.name, video, session.frame_count(number)))
        return found

    def _place(self, index: SupportsIndex) -> tuple[int, int]:
        """Stream and first frame of a clip."""
        asked = operator.index(index)
        at = asked + len(self) if asked < 0 else asked
        if not 0 <= at < len(self):
            raise NoFrameError(f"clip {asked} is not in 0..{len(self) - 1}")
        stream = bisect_right(self._firsts, at) - 1
        return stream, (at - self._firsts[stream]) * self.stride

    def _pictures(self, stream: int, frames: list[int]) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        """Frames of a video, uint8 [3, height, width] each."""
        chosen = self.streams[stream]
        session = self._session(chosen.file)
        with naming(self._name(chosen.file)):
            how: dict[str, Any] = {"device": self.device, "layers": self.layers, "precision": self.precision}
            reader = VideoReader(session, stream=chosen.number, **how)
            drawn = zip(frames, reader.frames(frames), strict=True)
            return {frame: np.stack(_eight_bit_rgb(planes, chosen.format)) for frame, planes in drawn}


def _eight_bit_rgb(planes: Planes, video: VideoFormat) -> Planes:
    return to_eight_bit(to_rgb(planes, video), video)


def _chosen(streams: Sequence[VideoStream], wanted: str | int) -> VideoStream:
    """A stream by name or position.

    Raises:
        UsageError: There is none, or the name belongs to several.
    """
    if not isinstance(wanted, str):
        if 0 <= wanted < len(streams):
            return streams[wanted]
        raise UsageError(f"there is no video {wanted}", f"Videos are numbered 0 to {len(streams) - 1}")
    found = [stream for stream in streams if stream.name == wanted]
    if not found:
        raise UsageError(f"there is no video called {shown(wanted)}", f"There are: {_some(streams)}")
    if len(found) > 1:
        raise UsageError(f"{len(found)} videos are called {shown(wanted)}", "Give their positions")
    return found[0]


def _some(streams: Sequence[VideoStream]) -> str:
    names = ", ".join(repr(stream.name) for stream in streams[:5])
    return names + (f" and {len(streams) - 5} more" if len(streams) > 5 else "")
