"""A reference and a test file to rate and distortion, a frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nvcodec.api.arguments import file_name, strict
from nvcodec.api.shown import shown
from nvcodec.color import yuv_format
from nvcodec.config.options import EvalOptions, changed
from nvcodec.container import layers_end
from nvcodec.container.ids import SIGNATURE
from nvcodec.decoder.opening import called, open_session, read_bitstream
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.errors import InputError, UsageError, naming
from nvcodec.errors import shown as worded
from nvcodec.eval.vmaf import Vmaf, check_vmaf_size, measure_vmaf, require_libvmaf
from nvcodec.io.conversion import AS_IT_IS
from nvcodec.io.geometry import describe, parse_name, pixel_format_of
from nvcodec.io.mask import open_mask
from nvcodec.io.saying import plural, too_far
from nvcodec.io.source import open_source
from nvcodec.io.standard import standard_input
from nvcodec.io.y4m import MAGIC
from nvcodec.metrics.masked import MaskedMeasurement
from nvcodec.metrics.measure import Measurement, in_common, in_planes_of, measure, with_nulls
from nvcodec.metrics.psnr import is_rgb
from nvcodec.types import Planes, VideoFormat

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import EvalKeywords

SCHEMA = "nvc-eval/1"
_UNCOMPRESSED = {".y4m", ".yuv", ".raw", ".png"}
_LENGTH_HINT = "Compare only the first N frames of both with -n N; or give --seek and --fps as for encoding"
_MOST_LISTED = 20
"""Videos that a hint names."""
_Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How close a test video is to its reference, and what it costs."""

    reference: str
    test: str
    quality: Measurement
    """Per frame and on average."""
    bytes: int | None
    """Size of the test file; None where the file is not compressed."""
    bpp: float | None
    """Bits per luma sample of the test file; None where only part of it was measured and its length is not known."""
    ms_ssim: bool
    """Whether MS-SSIM was measured."""
    vmaf: Vmaf | None
    """None where it was not measured."""
    stream: int | None = None
    """Which video of the bitstream that was tested; None: it is none."""
    layers: int | None = None
    """Enhancement layers it was drawn with; None likewise."""

    def __repr__(self) -> str:
        """Every number but those of single frames."""
        psnr = {name: round(db, 2) for name, db in self.quality.psnr.items()}
        shown = {
            "reference": self.reference,
            "test": self.test,
            "frames": self.quality.frames,
            "bytes": self.bytes,
            "bpp": None if self.bpp is None else round(self.bpp, 4),
            "psnr": psnr,
            "ms_ssim_y": round(self.quality.ms_ssim_y, 4) if self.ms_ssim else None,
            "vmaf": None if self.vmaf is None else round(self.vmaf.mean, 2),
            "masked": self.quality.masked,
            "stream": self.stream,
            "layers": self.layers,
        }
        lines = [f"    {name}={value!r},\n" for name, value in shown.items() if value is not None]
        return f"Evaluation(\n{''.join(lines)})"

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc eval --json`` prints, schema ``nvc-eval/1``."""
        frame, db = self.quality.worst_frame
        return {
            "schema": SCHEMA,
            "reference": self.reference,
            "test": self.test,
            "frames": self.quality.frames,
            "bytes": self.bytes,
            "bpp": self.bpp,
            "psnr": with_nulls(self.quality.psnr),
            "ms_ssim_y": self.quality.ms_ssim_y if self.ms_ssim else None,
            "vmaf": None if self.vmaf is None else self.vmaf.to_json(),
            "worst_frame": {"index": frame, "psnr_yuv_611": db},
            "masked": None if self.quality.masked is None else asdict(self.quality.masked),
            "stream": self.stream,
            "layers": self.layers,
        }


_UNSPECIFIED = 2
_ALIKE = {6: 5}
"""Code points of H.273 that mean the same matrix, and nearly the same primaries: BT.601 in two countries."""


@dataclass(frozen=True)
class _Side:
    """One of the two videos."""

    pictures: Iterable[Planes]
    format: VideoFormat
    origin: str
    """What its geometry is, and how that is known."""
    frames: int | None
    """Frames that ``pictures`` yields; None while unknown."""
    total: int | None
    """Frames of the whole file; None when not known."""
    says_colour: bool = True
    """Whether it could say what its code values mean; raw video cannot."""
    notices: Sequence[str] = ()
    """What was chosen, turned or left out; complete when all pictures were read."""
    coded: _Coded | None = None
    """Where it is a bitstream: what of it is drawn."""


class _Coded(NamedTuple):
    """A bitstream, or what is left of it without the layers that are not drawn."""

    bytes: int
    bpp: float
    """Of all its videos together."""
    stream: int
    layers: int


@strict
def evaluate(
    reference: str | Path,
    test: str | Path,
    *,
    options: EvalOptions | None = None,
    test_seek: int | None = None,
    progress: bool = False,
    on_notice: Callable[[str], None] = lambda message: None,
    on_progress: _Progress = lambda done, total: None,
    **changes: Unpack[EvalKeywords],
) -> Evaluation:
    """Compare a video, or a bitstream, with its source; both are read a frame at a time.

    Args:
        reference: The source: any video, or an .nvc file.
        test: The same. Raw video whose name says nothing has the geometry of the reference.
        options: How; see :class:`nvcodec.config.options.EvalOptions`.
        test_seek: First frame of the test where it is another: 0 for what was coded from ``seek`` on.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_notice: Hears what the geometry of each video is, and how that is known.
        on_progress: Hears of frames done and, where known, frames in all.
        **changes: Fields of the options, which win over ``options``.

    Raises:
        InputError: A video cannot be read, or the two differ in size, depth, chroma format or length.
        BitstreamError: A bitstream is damaged.
        UnsupportedError: One is RGB, and nobody knows what RGB the other shows.
        UsageError: There is no such stream or layer, or it is not plain which is meant; VMAF cannot be measured here,
            or not on pictures this small; said before anything is drawn.
    """
    asked = changed(options or EvalOptions(), changes)
    reference, test = file_name(reference), file_name(test)
    at = asked.seek if test_seek is None else test_seek
    ms_ssim, vmaf = "ms-ssim" in asked.metrics, "vmaf" in asked.metrics
    if vmaf:
        require_libvmaf()
    with ExitStack() as stack:
        hears = stack.enter_context(shown(progress, "eval", on_frames=on_progress, say=on_notice))
        on_notice, on_progress = hears.say, hears.on_frames
        source = _open(stack, reference, None, replace(asked, stream=0, layers=None))
        on_notice(f"{reference}: {source.origin}")
        drawn = _open(stack, test, (str(reference), source), replace(asked, seek=at))
        on_notice(f"{test}: {drawn.origin}")
        _check_match(str(reference), source, str(test), drawn)
        if source.says_colour and drawn.says_colour and (unlike := _unlike_colours(source.format, drawn.format)):
            on_notice(f"warning: {test} and {reference} differ in {unlike}; code values are compared as they are")
        if vmaf:
            check_vmaf_size(source.format)
        if asked.threads is not None and (ms_ssim or drawn.coded is not None):
            import torch

            torch.set_num_threads(asked.threads)
        quality, masked = Measurement(), None
        if asked.mask is not None:
            length = drawn.frames if source.frames is None else source.frames
            if length is None:
                raise UsageError("the videos do not say how long they are, which --mask needs", "Give -n N")
            masked = MaskedMeasurement(open_mask(asked.mask, source.format, length, asked.seek), drawn.format)
        # pictures are drawn once: PSNR is measured as pairs pass by, on their way to VMAF or to nowhere
        pairs = _measured(str(reference), source, str(test), drawn, quality, masked, ms_ssim, on_progress)
        scores = measure_vmaf(pairs, source.format, drawn.format, asked.threads) if vmaf else None
        for _ in pairs:
            pass
        for path, side in ((reference, source), (test, drawn)):
            for notice in side.notices:
                on_notice(f"{path}: {notice}")
        quality.masked = None if masked is None else masked.result()
    if (coded := drawn.coded) is not None:
        rest = coded.stream, coded.layers
        return Evaluation(str(reference), str(test), quality, coded.bytes, coded.bpp, ms_ssim, scores, *rest)
    size_bytes = _compressed_bytes(Path(test))
    total = quality.frames if drawn.total is None and asked.frames is None and at == 0 else drawn.total
    bpp = None
    if size_bytes is not None and total is not None:
        bpp = 8 * size_bytes / (drawn.format.width * drawn.format.height * total)
    return Evaluation(str(reference), str(test), quality, size_bytes, bpp, ms_ssim, scores)


def _measured(
    reference: str,
    source: _Side,
    test: str,
    drawn: _Side,
    quality: Measurement,
    masked: MaskedMeasurement | None,
    ms_ssim: bool,
    on_progress: _Progress,
) -> Iterator[tuple[Planes, Planes]]:
    """Pass the pictures of both sides on in pairs, and add what they are worth to ``quality``."""
    length = drawn.frames if source.frames is None else source.frames
    for expected, found in zip_longest(source.pictures, drawn.pictures):
        if expected is None or found is None:
            longer, shorter = (test, reference) if expected is None else (reference, test)
            raise InputError(f"{shorter} ends after {plural(quality.frames, 'frame')}, {longer} does not", _LENGTH_HINT)
        quality.per_frame += measure([expected], source.format, [found], drawn.format, ms_ssim=ms_ssim).per_frame
        if masked is not None:
            masked.add(in_planes_of(drawn.format, expected, source.format), found)
        on_progress(quality.frames, length)
        yield expected, found


def _open(stack: ExitStack, path: str | Path, other: tuple[str, _Side] | None, asked: EvalOptions) -> _Side:
    """Open one side; raw video that says nothing of its geometry takes that of the other side, the reference."""
    seek, frames = asked.seek, asked.frames
    pix_fmt: str | None = asked.pix_fmt
    like = None if other is None else other[1].format
    size = asked.size if like is None or (asked.crop, asked.scale) == (None, None) else None
    if is_bitstream(path):
        if like is None and replace(asked.reading["conversion"], pix_fmt=None) != AS_IT_IS:
            raise UsageError(
                f"{path} is a bitstream, whose pictures are compared as they are",
                "Leave out --crop, --scale, --fps and --deinterlace, or decode it and compare with that",
            )
        data = read_bitstream(path)
        with naming(called(path)):
            session = open_session(data)
        stream = asked.stream
        if stream is None:
            stream = 0 if other is None else _stream_like(str(path), session, *other, frames is None and seek == 0)
        with naming(path):
            reader = VideoReader(session, device=asked.device, stream=stream, layers=asked.layers)
        wanted = range(len(reader))[seek : None if frames is None else seek + frames]
        if not wanted or (frames is not None and len(wanted) < frames):
            raise too_far(str(path), len(reader), f"frame {max(seek, len(reader))} was")
        origin = f"geometry {describe(reader.format)} (from the bitstream)"
        if len(session.container.header.streams) > 1:
            origin = f"stream {reader.stream} {worded(session.stream(reader.stream).name)}, {origin}"
        kept = len(data) if asked.layers is None else layers_end(session.container, data, reader.layers)
        return _Side(
            _named(reader.frames(wanted), called(path)),
            reader.format,
            origin,
            len(wanted),
            len(reader),
            coded=_Coded(kept, 8 * kept / session.pixels, reader.stream, reader.layers),
        )
    inherited = False
    raw = Path(path).suffix.lower() in (".yuv", ".raw")
    if like is not None and raw:
        named = parse_name(Path(path).name)
        if size is None and named.size is None:
            size, inherited = (like.width, like.height), True
        if pix_fmt is None and named.bit_depth is None and named.sampling is None and not is_rgb(like):
            pix_fmt = pixel_format_of(like)
    reading = asked.reading
    if like is not None:  # it is what the reference is converted to
        reading = {**reading, "size": size, "fps": None, "pix_fmt": pix_fmt, "video_stream": None}
        reading["conversion"] = AS_IT_IS
    source = stack.enter_context(open_source(path, frames=frames, **reading))
    whole = source.frame_count if frames is None and seek == 0 else None
    origin = f"geometry {describe(source.format)} (from the reference)" if inherited else source.origin
    return _Side(source, source.format, origin, source.frame_count, whole, says_colour=not raw, notices=source.notices)


def _stream_like(test: str, session: Session, reference: str, source: _Side, is_whole: bool) -> int:
    """Which video of a bitstream is meant: the one that is called as the reference is, or the only one like it.

    Raises:
        UsageError: Several could be meant, or none.
    """
    streams = session.container.header.streams
    found = [number for number, stream in enumerate(streams) if stream.name == Path(reference).stem]
    if len(found) != 1:
        size = (source.format.width, source.format.height)
        found = [n for n, stream in enumerate(streams) if (stream.format.width, stream.format.height) == size]
        if is_whole and source.frames is not None:
            found = [n for n in found if session.frame_count(n) == source.frames]
    if len(streams) == 1 or len(found) == 1:
        return found[0] if len(found) == 1 else 0
    listed = ", ".join(f"{number} {worded(stream.name)}" for number, stream in list(enumerate(streams))[:_MOST_LISTED])
    raise UsageError(
        f"{test} holds {len(streams)} videos, and {'several are' if found else 'none is'} like {reference}",
        f"Say which with --stream:  {listed}{', ...' if len(streams) > _MOST_LISTED else ''}",
    )


def _named(pictures: Iterator[Planes], file: str) -> Iterator[Planes]:
    with naming(file):
        yield from pictures


def is_bitstream(path: str | Path) -> bool:
    """Whether a file, or standard input, is one of ours, by its first bytes or, where those are damaged, its name."""
    if str(path) == "-":
        stream = standard_input()
        return isinstance(stream, BufferedReader) and stream.peek(len(SIGNATURE)).startswith(SIGNATURE)
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE or Path(path).suffix.lower() == ".nvc"
    except OSError:
        return False


def _check_match(reference: str, source: _Side, test: str, drawn: _Side) -> None:
    ours, theirs = source.format, drawn.format
    if (ours.width, ours.height) != (theirs.width, theirs.height):
        raise InputError(
            f"{test} is {theirs.width}x{theirs.height}, but {reference} is {ours.width}x{ours.height}",
            f"Convert the source as it was for encoding, e.g. with --scale {theirs.width}x{theirs.height}, or --crop",
        )
    if ours.bit_depth != theirs.bit_depth:
        raise InputError(
            f"{test} has {theirs.bit_depth} bits per sample, but {reference} has {ours.bit_depth}",
            f"Decode to the depth of the source:  --pix-fmt {_with_depth_of(ours, theirs)}   "
            f"(or convert that as for encoding:  --pix-fmt {_with_depth_of(theirs, ours)})",
        )
    rgb = [is_rgb(video) for video in (ours, theirs)]
    if not any(rgb) and ours.chroma is not theirs.chroma:
        raise InputError(
            f"{test} has planes of {theirs.chroma}, but {reference} of {ours.chroma}",
            f"Decode to the planes of the source:  --pix-fmt {pixel_format_of(ours)}   "
            f"(or convert that as for encoding:  --pix-fmt {pixel_format_of(theirs)})",
        )
    if any(rgb) and not all(rgb):
        yuv_format(theirs if rgb[0] else ours)  # where nobody knows what RGB it shows, nothing can be compared
    if source.frames is not None and drawn.frames is not None and source.frames != drawn.frames:
        raise InputError(
            f"{test} has {plural(drawn.frames, 'frame')}, but {reference} has {source.frames}", _LENGTH_HINT
        )


def _with_depth_of(video: VideoFormat, other: VideoFormat) -> str:
    return pixel_format_of(replace(in_common(video, other), bit_depth=video.bit_depth))


def _unlike_colours(ours: VideoFormat, theirs: VideoFormat) -> str:
    """In which respects code values of two videos mean other colours, with those of the second first; "" in none."""
    if is_rgb(ours) or is_rgb(theirs):  # which are converted
        return ""
    found = []
    if ours.colour.full_range != theirs.colour.full_range:
        found.append("range (full and limited)" if theirs.colour.full_range else "range (limited and full)")
    for name in ("matrix", "primaries"):
        first, second = (_ALIKE.get(code, code) for code in (getattr(theirs.colour, name), getattr(ours.colour, name)))
        if first != second and _UNSPECIFIED not in (first, second):
            found.append(f"{name} ({getattr(theirs.colour, name)} and {getattr(ours.colour, name)})")
    return " and ".join(found)


def _compressed_bytes(path: Path) -> int | None:
    if not path.is_file() or path.suffix.lower() in _UNCOMPRESSED:
        return None
    with path.open("rb") as file:
        return None if file.read(len(MAGIC)) == MAGIC else path.stat().st_size
