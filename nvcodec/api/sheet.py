"""Contact sheets: some frames of every video of a bitstream in one picture, to see at a glance what is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nvcodec.api.arguments import strict
from nvcodec.api.stamp import stamp
from nvcodec.api.written import seconds_of
from nvcodec.color import to_eight_bit, to_rgb
from nvcodec.config.options import SheetOptions, changed
from nvcodec.decoder.opening import check_layers, open_session, pick_device, stream_number
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.errors import BitstreamError, UsageError, naming
from nvcodec.io.conversion import scaling
from nvcodec.io.geometry import MAX_SIDE
from nvcodec.io.sink import open_sink
from nvcodec.io.standard import standard_input
from nvcodec.types import NOTHING_SAID, SRGB, ChromaFormat, VideoFormat

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import SheetKeywords

_Picture = npt.NDArray[np.uint8]
"""[height, width, 3]."""
_PICTURES = (".png", ".jpg", ".jpeg")
_FRAMES, _FRAMES_OF_SEVERAL, _COLUMNS, _WIDTH = 12, 6, 4, 240
_GAP, _GROUND = 4, 24


@dataclass(frozen=True)
class SheetRow:
    """What of a video is on a sheet."""

    stream: int
    """Which video of the file."""
    name: str
    frames: tuple[int, ...]
    """Which of its frames, in order."""


@dataclass(frozen=True)
class SheetResult:
    """A contact sheet that was written."""

    file: str
    width: int
    """Samples in a row."""
    height: int
    streams: tuple[SheetRow, ...]
    """From top to bottom."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc sheet --json`` prints, schema ``nvc-sheet/1``."""
        return {"schema": "nvc-sheet/1", **asdict(self)}


@strict
def sheet(
    source: str | Path | bytes,
    output: str | Path,
    *,
    options: SheetOptions | None = None,
    overwrite: bool = False,
    **changes: Unpack[SheetKeywords],
) -> SheetResult:
    """Draw a contact sheet: frames evenly spread over each video, with the time at which they appear.

    Args:
        source: Path of an .nvc file, its bytes, or ``-`` for standard input.
        output: .png or .jpg.
        options: What to show; see :class:`nvcodec.config.options.SheetOptions`.
        overwrite: Replace an existing output.
        **changes: Fields of the options, which win over ``options``: ``frames=20, columns=5``.

    Raises:
        InputError: The bitstream cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have, or nobody knows what RGB it shows.
        UsageError: The options make no sense, the output is no picture or exists, or the sheet would be too large.
        DeviceError: The device is missing.
    """
    asked = changed(options or SheetOptions(), changes)
    if Path(output).suffix.lower() not in _PICTURES or "%" in Path(output).name:
        raise UsageError(
            f"a contact sheet is one picture, which {output} is not", "Name a .png or a .jpg:  -o sheet.png"
        )
    name = "<bytes>" if isinstance(source, bytes) else "standard input" if str(source) == "-" else str(source)
    session = open_session(standard_input() if str(source) == "-" else source)
    with naming(name):
        names = [header.name for header in session.container.header.streams]
        numbers = range(len(names)) if asked.stream is None else [stream_number(asked.stream, names)]
        check_layers(session, asked.layers)
        rows = [_row(session, number, names[number], asked, len(numbers)) for number in numbers]
        plans = [_Plan(session.drawn_format(row.stream), row, asked, len(rows)) for row in rows]
        width = max(plan.width for plan in plans)
        height = sum(plan.height for plan in plans) + _GAP
        if max(width, height) > MAX_SIDE:
            raise UsageError(
                f"the sheet would be {width}x{height}, and pictures have at most {MAX_SIDE} samples a side",
                "Take fewer frames, a smaller --width or one video:  --stream N",
            )
        video = VideoFormat(width, height, None, 8, ChromaFormat.RGB, SRGB)
        read = () if isinstance(source, bytes) else (source,)
        with open_sink(output, video, overwrite=overwrite, inputs=read) as sink:
            device = pick_device(asked.device)
            if asked.threads is not None:
                import torch

                torch.set_num_threads(asked.threads)
            ground = np.full((height, width, 3), _GROUND, np.uint8)
            top = 0
            for plan in plans:
                reader = VideoReader(session, device=device, stream=plan.row.stream, layers=asked.layers)
                plan.draw(reader, ground[top : top + plan.height])
                top += plan.height
            sink.write(tuple(np.ascontiguousarray(ground[:, :, channel]) for channel in range(3)))
    return SheetResult(str(output), width, height, tuple(rows))


def _row(session: Session, number: int, name: str, asked: SheetOptions, videos: int) -> SheetRow:
    """The frames of a video that are shown: the first, the last, and as many between them."""
    total = session.frame_count(number)
    if not total:
        raise BitstreamError(f"stream {number} is missing", "The file was cut")
    count = min(total, asked.frames or (_FRAMES if videos == 1 else _FRAMES_OF_SEVERAL))
    places = [round(place * (total - 1) / max(1, count - 1)) for place in range(count)]
    return SheetRow(number, name, tuple(places))


class _Plan:
    """Where the frames of a video stand.

    Args:
        video: Its format.
        row: What of it is shown.
        asked: How.
        videos: How many there are on the sheet.
    """

    def __init__(self, video: VideoFormat, row: SheetRow, asked: SheetOptions, videos: int) -> None:
        self.row = row
        self._columns = min(len(row.frames), asked.columns or (_COLUMNS if videos == 1 else len(row.frames)))
        self._across = asked.width or min(_WIDTH, video.width)
        self._down = max(1, round(video.height * self._across / video.width))
        lines = -(-len(row.frames) // self._columns)
        self.width = self._columns * (self._across + _GAP) + _GAP
        self.height = lines * (self._down + _GAP)

    def draw(self, reader: VideoReader, ground: _Picture) -> None:
        """Draw the frames into their part of the sheet, uint8 [height, width, 3]."""
        from nvcodec.io.filtering import Filter

        drawn, side = reader.format, reader.session.container.side_data.get(self.row.stream, NOTHING_SAID)
        whole = VideoFormat(drawn.width, drawn.height, None, 8, ChromaFormat.RGB, SRGB)
        tile = replace(whole, width=self._across, height=self._down)
        smaller = Filter(whole, tile, [scaling(tile.width, tile.height)], Fraction(1))
        for place, (frame, planes) in enumerate(zip(self.row.frames, reader.frames(self.row.frames), strict=True)):
            (small,) = smaller.push(to_eight_bit(to_rgb(planes, drawn), drawn), place, 1)
            picture: _Picture = np.stack(small, axis=-1).astype(np.uint8)
            says_time = drawn.fps is not None or side.timestamps is not None
            stamp(picture, _clock(seconds_of(drawn, side, frame)) if says_time else str(frame))
            line, column = divmod(place, self._columns)
            top, left = line * (self._down + _GAP) + _GAP, column * (self._across + _GAP) + _GAP
            ground[top : top + self._down, left : left + self._across] = picture


def _clock(seconds: Fraction) -> str:
    """Minutes and seconds, as in ``1:05.40``."""
    hundredths = int(100 * seconds)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"
