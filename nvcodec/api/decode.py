"""A bitstream to a video file, or every video of it to one of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvcodec.api.arguments import file_name, strict
from nvcodec.api.info import probe
from nvcodec.api.shown import Hearing, shown
from nvcodec.api.written import as_asked, seconds_of, timed
from nvcodec.color import converted
from nvcodec.config.options import DecodeOptions, changed
from nvcodec.container import Limits
from nvcodec.decoder.notices import notices
from nvcodec.decoder.opening import called, check_layers, pick_device, read_bitstream, stream_number
from nvcodec.decoder.previews import check_scale
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.decoder.shrink import shrunk_format
from nvcodec.decoder.verdict import Verdict
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError, UsageError, naming, quoted
from nvcodec.io.output import check_apart
from nvcodec.io.saying import too_far
from nvcodec.io.sink import VideoSink, open_sink
from nvcodec.types import NOTHING_SAID, Time

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import DecodeKeywords

UNNAMED = "the file"
"""What messages call a bitstream that somebody else opened."""


_FORBIDDEN = set('/\\:*?"<>|')
"""Characters that part folders, or that some systems have no file names with."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that mean devices to Windows, whatever comes behind a dot."""


@dataclass(frozen=True)
class DecodeResult:
    """What a decode did."""

    frames: int
    """Frames drawn and written."""
    decode_s: float
    """Seconds from the opened file to the closed output; reading it and starting torch are not counted."""
    entropy_s: float
    """Seconds of that spent in entropy decoding."""
    fps: float
    """Frames per second over the whole of it."""
    device: str
    stream: int = 0
    """Which video of the file it was."""
    stream_name: str = ""
    streams: int = 1
    """Videos in the file."""
    check: Verdict | None = None
    """What a check of the whole file has found; None: there was none."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc decode --json`` prints, schema ``nvc-decode/1``."""
        plain = asdict(replace(self, check=None))
        return {"schema": "nvc-decode/1", **plain, "check": self.check and self.check.to_json()}


class CheckFailedError(BitstreamError):
    """A check of a whole file found damage, and nothing was written.

    Args:
        error: What it found.
        result: The decode that was not made; ``result.check`` is all that was found.
    """

    def __init__(self, error: NvcError, result: DecodeResult) -> None:
        super().__init__(error.message, error.hint)
        self.exit_code = error.exit_code
        self.result = result


@dataclass(frozen=True)
class StreamOutcome:
    """What became of one stream."""

    stream: int
    name: str
    """As the file has it: not to be used as a path."""
    output: str | None
    """The video that was to be written; None where streams were only checked."""
    result: DecodeResult | None
    """None: it could not be decoded."""
    error: NvcError | None
    """Why not."""
    check: Verdict | None = None
    """What a check of the whole file has found, the same for all its streams; None: there was none."""

    def to_json(self) -> dict[str, Any]:
        """What ``nvc decode --all --json`` prints of each stream."""
        return {
            "stream": self.stream,
            "name": self.name,
            "file": self.output if self.result else None,
            "error": self.error and self.error.message,
            "result": self.result and self.result.to_json(),
        }


@strict
def decode(
    source: str | Path | bytes | Session,
    output: str | Path | None,
    *,
    options: DecodeOptions | None = None,
    overwrite: bool = False,
    progress: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_warning: Callable[[str], None] = lambda message: None,
    **changes: Unpack[DecodeKeywords],
) -> DecodeResult:
    """Render a bitstream to a video file.

    Args:
        source: Path of an .nvc file, its bytes, ``-`` for standard input, or an open session, which has its own limits.
        output: .y4m, .yuv, .mp4, .mkv, .webm, .gif, .png, .jpg, a folder ending in ``/``, ``-`` for Y4M on stdout; None
            writes nothing.
        options: How; see :class:`nvcodec.DecodeOptions`.
        overwrite: Replace an existing output.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_progress: Hears of frames done and frames in all.
        on_warning: Hears of what is missing from a file that was cut, and what small pictures cost or lack.
        **changes: Fields of the options, which win over ``options``: ``seek=120, frames=1``.

    Raises:
        InputError: The bitstream cannot be read, or has no such frames.
        BitstreamError: It is damaged, or ``check`` found that something in it is; nothing is written then.
        UnsupportedError: It needs something this version does not have.
        UsageError: The options make no sense, or the output exists.
        DeviceError: The device is missing.
    """
    asked, output = changed(options or DecodeOptions(), changes), None if output is None else file_name(output)
    name, session = _opened(source, asked.limits)
    with (
        naming(None if session is source else name),  # who opened a session knows its name
        shown(progress, "decode", on_frames=on_progress, say=on_warning) as hears,
    ):
        container = session.container
        for warning in () if asked.check else container.warnings:  # a check says them itself
            hears.say(f"{name}: {warning}")
        names = [header.name for header in container.header.streams]
        number = stream_number(asked.stream, names)
        wanted = _times(name, session.frame_count(number), asked)
        check_layers(session, asked.layers)
        drawn = shrunk_format(session.drawn_format(number), check_scale(asked.scale))
        written = as_asked(drawn, asked.pix_fmt)
        read = () if isinstance(source, (bytes, Session)) else (source,)
        if asked.audio_from is not None:
            read = (*read, asked.audio_from)
        side = container.side_data.get(number, NOTHING_SAID)
        start = seconds_of(drawn, side, wanted[0])
        written, side, mean = timed(written, side, wanted, asked, output)
        if mean is not None:
            hears.say(f"{name}: {mean}")
        sink: VideoSink | nullcontext[None] = nullcontext()
        if output is not None:
            sink = open_sink(
                output,
                written,
                overwrite=overwrite,
                inputs=read,
                side_data=side,
                audio_from=asked.audio_from,
                audio_start=start,
            )
        with sink as opened:
            reader = VideoReader(
                session,
                device=asked.device,
                stream=number,
                layers=asked.layers,
                scale=asked.scale,
                batch=asked.batch,
            )
            for notice in notices(reader, wanted) if output is not None else ():
                hears.say(f"{name}: {notice}")
            _set_threads(asked.threads)
            began, entropy_before_s = time.monotonic(), session.entropy_s

            def result(count: int) -> DecodeResult:
                seconds, entropy_s = time.monotonic() - began, session.entropy_s - entropy_before_s
                speed = count / max(seconds, 1e-9)
                return DecodeResult(
                    count, seconds, entropy_s, speed, reader.device, number, names[number], len(names), verdict
                )

            verdict = _checked(session, reader.device) if asked.check else None
            if verdict is not None and (failure := verdict.error()) is not None:
                raise CheckFailedError(failure, result(0))
            if opened is not None:
                for done, planes in enumerate(reader.frames(wanted), 1):
                    opened.write(converted(planes, drawn, written))
                    hears.on_frames(done, len(wanted))
    return result(0 if output is None else len(wanted))


def _checked(session: Session, device: str) -> Verdict:
    from nvcodec.decoder.check import check_file

    return check_file(session, device)


@strict
def decode_all(
    source: str | Path | bytes,
    folder: str | Path | None,
    *,
    suffix: str = ".mkv",
    options: DecodeOptions | None = None,
    overwrite: bool = False,
    progress: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_warning: Callable[[str], None] = lambda message: None,
    **changes: Unpack[DecodeKeywords],
) -> list[StreamOutcome]:
    """Render every stream of a bitstream to a video of its name; a stream that is damaged does not stop the others.

    Args:
        source: Path of an .nvc file, its bytes, or ``-`` for standard input.
        folder: Where to write, made when it is missing; None writes nothing.
        suffix: ``.mkv``, ``.y4m``, ``.yuv``, ``.mp4``, ``.webm`` or ``.gif``.
        options: As in :func:`decode`, like all that follows; every stream is drawn whole.
        overwrite: Replace existing videos.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_progress: Hears of frames done and frames in all, of all streams together.
        on_warning: Hears of what is the matter with several streams once.
        **changes: Fields of the options, which win over ``options``.

    Returns:
        One outcome for each stream, in the order of the file.

    Raises:
        InputError: The bitstream cannot be read.
        BitstreamError: It is damaged as a whole.
        UnsupportedError: It needs something this version does not have.
        UsageError: The options make no sense, or a video exists.
        DeviceError: The device is missing.
    """
    asked, folder = changed(options or DecodeOptions(), changes), None if folder is None else file_name(folder)
    for name in ("stream", "seek", "frames", "step", "frame", "audio_from"):
        if getattr(asked, name) != getattr(DecodeOptions(), name):
            raise UsageError(
                f"--{name.replace('_', '-')} cannot be given with --all, which writes every video whole",
                "Leave one of them out",
            )
    file, session = _opened(source, asked.limits)
    with naming(file):
        check_layers(session, asked.layers)
        check_scale(asked.scale)
    container = session.container
    names = [header.name for header in container.header.streams]
    outputs: list[str | None] = [None] * len(names)
    if folder is not None:
        outputs = [os.path.join(folder, name + suffix) for name in file_names(names)]
        _make_room(Path(folder), outputs, overwrite, () if isinstance(source, bytes) else (source,))
    counts = [session.frame_count(index) for index in range(len(names))]
    pictures = [max(asked.interpolate * (count - 1) + 1, 0) for count in counts]
    asked = replace(asked, device=pick_device(asked.device))
    with shown(progress, "decode", on_frames=on_progress, say=on_warning) as hears:
        return list(_drawn(session, file, names, outputs, pictures, asked, overwrite, hears))


def _drawn(
    session: Session,
    file: str,
    names: Sequence[str],
    outputs: Sequence[str | None],
    pictures: Sequence[int],
    asked: DecodeOptions,
    overwrite: bool,
    hears: Hearing,
) -> Iterator[StreamOutcome]:
    """Draw one stream after another; what is said of several is told once."""
    told: set[str] = set()

    def tell(warning: str) -> None:
        if warning not in told:
            told.add(warning)
            hears.say(f"{file}: {warning}")

    for warning in () if asked.check else session.container.warnings:
        tell(warning)
    verdict = _checked(session, asked.device) if asked.check else None
    before, total = 0, sum(pictures)
    for index, (name, output) in enumerate(zip(names, outputs, strict=True)):
        result = failure = None
        try:
            with naming(file):
                if not pictures[index]:
                    raise BitstreamError(f"stream {index} is missing", "The file was cut")
                if verdict is not None and (damage := verdict.of_stream(index)) is not None:
                    raise type(damage)(damage.message, damage.hint)  # which is named here, and not in the verdict
                result = decode(
                    session,  # one for all, so that what streams share is decoded once
                    output,
                    options=replace(asked, stream=index, check=False),
                    overwrite=overwrite,
                    on_progress=lambda done, _, before=before: hears.on_frames(before + done, total),  # type: ignore[misc]
                    on_warning=lambda text: tell(text.removeprefix(f"{UNNAMED}: ")),
                )
        except (BitstreamError, UnsupportedError, UsageError) as error:
            failure = error
        before += pictures[index]
        yield StreamOutcome(index, name, output, result, failure, verdict)


def file_names(names: Sequence[str]) -> list[str]:
    """File names without suffix for streams called ``names``, all different, in whatever folder they are put.

    Names come from a file that anyone may have written: nothing in them may lead out of the folder, hide a file or
    steer a terminal. What is left without a name becomes ``stream_003``.
    """
    found: list[str] = []
    taken: set[str] = set()
    for index, name in enumerate(names):
        plain = "".join("_" if c in _FORBIDDEN else c for c in name if c.isprintable()).strip(". ")
        plain = f"_{plain}" if plain.split(".")[0].lower() in _DEVICES else plain or f"stream_{index:03}"
        unique, number = plain, 1
        while unique.lower() in taken:
            number += 1
            unique = f"{plain}_{number}"
        taken.add(unique.lower())
        found.append(unique)
    return found


def _make_room(folder: Path, outputs: Sequence[str | None], overwrite: bool, inputs: Iterable[str | Path]) -> None:
    """Make the folder, and refuse to write over what is in it, before any work."""
    existing = [output for output in outputs if output is not None and os.path.lexists(output)]
    check_apart(existing, inputs)
    if existing and not overwrite:
        raise UsageError(f"{existing[0]} exists; add -y to replace it")
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise UsageError(
            f"{folder.parent} is not a folder; cannot make {folder}",
            f"Make it first:  mkdir -p {quoted(folder.parent)}",
        ) from None
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}", "Choose another --output") from None


def _opened(source: str | Path | bytes | Session, limits: Limits | None) -> tuple[str, Session]:
    """What messages call a bitstream, and its session; without torch, so that mistakes are reported at once."""
    if isinstance(source, Session):
        return UNNAMED, source
    name, data = called(source), read_bitstream(source)
    with naming(name):
        return name, probe(data, limits=limits).session


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _times(name: str, total: int, asked: DecodeOptions) -> Sequence[Time]:
    """The frames asked for, and times between them.

    Raises:
        InputError: The file ends before them.
        UsageError: Options contradict each other.
    """
    if asked.frame is not None:
        for other in ("seek", "frames", "step", "interpolate"):
            if getattr(asked, other) != getattr(DecodeOptions(), other):
                raise UsageError(f"--{other} chooses frames, and --frame draws one picture", "Choose one")
        if asked.frame > total - 1:
            raise too_far(name, total, f"frame {_plain(asked.frame)} was", "--frame")
        return [int(asked.frame) if asked.frame.denominator == 1 else asked.frame]
    seek, count, step, interpolate = asked.seek, asked.frames, asked.step, asked.interpolate
    frames = range(seek, total if count is None else seek + count * step, step)
    if not frames or frames[-1] >= total:
        raise too_far(name, total, f"frame {seek if not frames else frames[-1]} was")
    if interpolate == 1:
        return frames
    if step > 1:
        raise UsageError("--step leaves frames out, --interpolate adds some", "Choose one")
    first, last = interpolate * frames[0], interpolate * frames[-1]
    return [Fraction(tick, interpolate) for tick in range(first, last + 1)]


def _plain(time: Fraction) -> str:
    return str(time) if time.denominator == 1 else f"{float(time):g}"
