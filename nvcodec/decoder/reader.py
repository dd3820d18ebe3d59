"""The public decoder: any frame of a bitstream, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType

from nvcodec.container import Limits
from nvcodec.decoder.session import FIELDS_KEPT, Session
from nvcodec.errors import BitstreamError, DeviceError, InputError, NvcError, UsageError
from nvcodec.types import Planes, VideoFormat


def read_bitstream(source: str | Path | bytes) -> bytes:
    """The bytes of a bitstream file, or the bytes themselves.

    Raises:
        InputError: The file cannot be read.
    """
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except IsADirectoryError:
        raise InputError(f"{source} is a folder, not a bitstream") from None
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}") from None


def open_session(source: str | Path | bytes, limits: Limits | None = None, fields_kept: int = FIELDS_KEPT) -> Session:
    """Open a bitstream, see :class:`Session`; errors name the file.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
    """
    data = read_bitstream(source)
    try:
        return Session(data, limits, fields_kept)
    except NvcError as error:
        if not isinstance(source, bytes):
            error.message = f"{source}: {error.message}"
        raise


class VideoReader:
    """Frames of a bitstream by index.

    Threads may share a reader, and readers may share a session: they draw one after another.

    Args:
        source: Path of an .nvc file, or its bytes, or what :func:`open_session` made of one: readers of several streams
            then decode what the streams share once.
        device: "cpu", "cuda", "cuda:1", "mps" or "auto".
        stream: Which video of the file.
        layers: Enhancement layers to draw with; None = all that can be used.
        batch: Frames per forward pass; None = what fits memory.
        limits: What to refuse before allocating; an open session has its own.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: There is no such stream, or there are fewer layers.
        DeviceError: The device does not exist.
    """

    def __init__(
        self,
        source: str | Path | bytes | Session,
        *,
        device: str = "auto",
        stream: int = 0,
        layers: int | None = None,
        batch: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.session = source if isinstance(source, Session) else open_session(source, limits)
        streams = self.session.container.header.streams
        if not 0 <= stream < len(streams):
            raise UsageError(f"the file has no stream {stream}", f"Streams are numbered 0 to {len(streams) - 1}")
        self.stream = stream
        self.layers = check_layers(self.session, layers)
        self.device = pick_device(device)
        self.format: VideoFormat = self.session.drawn_format(stream)
        self._batch = batch

    def __len__(self) -> int:
        return self.session.frame_count(self.stream)

    def __repr__(self) -> str:
        video = self.format
        return f"VideoReader({len(self)} frames, {video.width}x{video.height}, {video.bit_depth}-bit, {self.device})"

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def planes(self, frame: int) -> Planes:
        """The code values of one frame: exactly what PSNR is measured on.

        Args:
            frame: Index; negative counts from the end.

        Raises:
            IndexError: There is no such frame.
        """
        index = frame + len(self) if frame < 0 else frame
        if not 0 <= index < len(self):
            raise IndexError(f"frame {frame} is not in 0..{len(self) - 1}")
        return next(self.frames([index]))

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[Planes]:
        """Draw frames in the order given (default: all), a batch at a time, in bounded memory."""
        from nvcodec.decoder.render import default_batch, render

        wanted = [
            self.session.locate(index, self.stream) for index in (indices if indices is not None else range(len(self)))
        ]
        for (ordinal, _), group in groupby(wanted, key=lambda place: (place[0], self.session.company(*place))):
            frames = [local for _, local in group]
            # what is drawn as one whole is not drawn in parts
            whole = len(frames) if self.session.config.has_key_frames else None
            batch = whole or self._batch or default_batch(self.session.drawing_bytes(ordinal, self.layers))
            for start in range(0, len(frames), batch):
                with self.session.lock:  # not while the caller looks at the pictures
                    field = self.session.field(ordinal, self.device, self.layers)
                    drawn = list(render(field, frames[start : start + batch], self.format, batch))
                yield from drawn


def check_layers(session: Session, layers: int | None) -> int:
    """Enhancement layers to draw with: those asked for, or all that can be used.

    Raises:
        BitstreamError: They are in the file, but cannot be used.
        UsageError: The file never had so many.
    """
    container = session.container
    if layers is None or 0 <= layers <= container.layers:
        return container.layers if layers is None else layers
    usable = f"Draw with what there is:  --layers {container.layers}"
    if container.layer_problem is not None:
        raise BitstreamError(f"has no usable layer {layers}: {container.layer_problem}", usable)
    raise UsageError(f"there is no layer {layers}: the file has {container.layers} above its base", usable)


def pick_device(name: str) -> str:
    """Resolve "auto" and make sure the device exists.

    Raises:
        UsageError: The name means nothing.
        DeviceError: There is no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        raise UsageError(f"{name!r} is no device", "Devices: auto, cpu, cuda, cuda:1, mps") from None
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (torch.device(name).index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(kind, False):
        raise DeviceError(f"device {name!r} is not available here", "See what there is with: nvc doctor")
    return name
