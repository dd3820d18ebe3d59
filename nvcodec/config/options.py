"""Everything that an encode or a decode can be told, as data: command line, Python, TOML and resume files come from it.

A field's metadata hold its :class:`Option`: the flags and the help of the command line, and the kind of its values.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from fractions import Fraction
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

from nvcodec.config.keywords import DomainName, ModelName, PixelFormatName, PresetName, RecipeName, TuneName
from nvcodec.config.kinds import (
    BIT_RATE,
    COUNT,
    CROP,
    DURATION,
    FLAG,
    FRAME_RATE,
    LIMITS,
    PATH,
    PICTURE_SIZE,
    SETTINGS,
    SIZE_BYTES,
    SIZE_OR_SHARE,
    STREAM,
    TEXT,
    TIME,
    Kind,
    number,
    one_of,
    positive,
    scale,
    several_of,
    whole,
)
from nvcodec.config.recipe import RECIPES, recipe
from nvcodec.container import PREVIEW_DIVISORS, Limits
from nvcodec.errors import UsageError, shown
from nvcodec.io.conversion import Conversion, Crop
from nvcodec.io.geometry import PIXEL_FORMATS
from nvcodec.metrics.psnr import MAX_PSNR_DB
from nvcodec.models.registry import MODELS, by_name

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import DecodeKeywords, EncodeKeywords, EvalKeywords, SheetKeywords

PRESETS: tuple[PresetName, ...] = ("draft", "faster", "fast", "medium", "slow", "slower")
"""From quick to good; every model has them all."""
TARGETS = ("crf", "bpp", "bitrate", "target_size", "target_psnr")
"""Of these, one can be asked for."""
MOST_BPP = 1e4
"""Even a single sample takes no more."""
MOST_EPOCHS = 1e6
"""A clip of one frame is drawn in as many steps."""
MAX_INTERPOLATE = 64
"""From 1 frame per second to 64."""
MANY = cast(ModelName, next(model.name for model in MODELS if model.settings.shares_parameters))
"""The model that draws several videos with one network."""
READ = ("size", "rate", "pix_fmt", "crop", "scale", "fps", "deinterlace")
"""What raw video is, and what is done to pictures as they are read: fields of whatever opens a source."""

_RAW, _MODEL, _RATE = "Raw .yuv input (else read from header or file name)", "Model", "Quality and size (at most one)"
_CONVERT, _CONVERT_REFERENCE = "Conversion while reading", "Conversion of REFERENCE, as it was encoded with"
PIXEL_FORMAT = one_of(PIXEL_FORMATS, {"8": "yuv420p", "10": "yuv420p10le", "12": "yuv420p12le"})


@dataclass(frozen=True)
class Option:
    """How a field is called and explained on the command line, and what its values are."""

    flags: tuple[str, ...]
    """The long one last; settings files and messages use that."""
    kind: Kind[Any]
    group: str
    """Heading in the help."""
    help: str
    metavar: str | None = None
    aliases: tuple[str, ...] = ()
    """Spellings of other programs."""
    repeated: bool = False
    """May be given several times."""


def option(
    flags: str,
    kind: Kind[Any],
    group: str,
    help: str,
    *,
    metavar: str | None = None,
    default: Any = None,
    factory: Callable[[], Any] | None = None,
    aliases: tuple[str, ...] = (),
    repeated: bool = False,
) -> Any:
    """A field of an options class; ``flags`` are separated by blanks."""
    described = Option(tuple(flags.split()), kind, group, help, metavar, aliases, repeated)
    metadata = {"option": described}
    return field(default_factory=factory, metadata=metadata) if factory else field(default=default, metadata=metadata)


class Reading(TypedDict):
    """The options that say how a source is opened."""

    size: tuple[int, int] | None
    fps: Fraction | None
    pix_fmt: str | None
    seek: int
    video_stream: int | None
    allow_truncated: bool
    conversion: Conversion
    assume_rate: bool


class Checked:
    """What options classes have in common: values are looked at where an object is made, wherever they come from."""

    def __init__(self, **given: Any) -> None:
        for name, value in self._completed(_values(type(self), given)).items():
            object.__setattr__(self, name, value)

    @classmethod
    def _completed(cls, values: dict[str, object]) -> dict[str, object]:
        """Values of all fields, where those that were asked for bring others along."""
        return values

    def __init_subclass__(cls) -> None:
        cls.__signature__ = _Signed()  # type: ignore[attr-defined]


class _Signed:
    """The signature of an options class, for editors and notebooks: its fields, by name."""

    def __get__(self, _: object, owner: type[Options]) -> Signature:
        return Signature(
            [Parameter(each.name, Parameter.KEYWORD_ONLY, default=_default(each)) for each in fields(owner)]
        )


@dataclass(frozen=True, init=False)
class EncodeOptions(Checked):
    """How an encode is made: everything but where from and where to.

    Values are those of the command line, as numbers or as its text: ``bitrate="800k"`` is ``bitrate=800_000``. A name
    is that of the field, or of the long flag: ``max_time="60s"`` is ``max_time_s=60``. ``None`` is the default, which
    may depend on something else.

    Raises:
        UsageError: There is no option of a name, or a value is none of its kind.
    """

    if TYPE_CHECKING:

        def __init__(self, **given: Unpack[EncodeKeywords]) -> None: ...

    size: tuple[int, int] | None = option(
        "-s --size", PICTURE_SIZE, _RAW, "Picture size.", metavar="WxH", aliases=("--input-res",)
    )
    """(width, height) of raw video."""
    rate: Fraction | None = option(
        "-r --rate", FRAME_RATE, _RAW, "Frame rate, e.g. 30 or 30000/1001, whatever the input says.", metavar="N[/D]"
    )
    """Frames per second; wins over what the source says, and leaves its frames what they are."""
    pix_fmt: PixelFormatName | None = option(
        "--pix-fmt", PIXEL_FORMAT, _RAW,
        "yuv420p, yuv422p, yuv444p or gray, of 8 bits or, with 10le or 12le behind it, of more. Other input is "
        "converted to it.",
        metavar="NAME", aliases=("--input-depth",),
    )  # fmt: skip
    """A name of :data:`nvcodec.io.geometry.PIXEL_FORMATS`: what raw video has, and what other video is converted to."""
    crop: Crop | None = option(
        "--crop", CROP, _CONVERT, "Keep this part; without X:Y that in the middle.", metavar="W:H[:X:Y]"
    )
    """What of every picture is kept, also as ``"W:H:X:Y"`` or a tuple."""
    scale: Fraction | tuple[int, int] | None = option(
        "--scale", SIZE_OR_SHARE, _CONVERT, "Make pictures so large: 1/2, 0.75 or 1280x720.", metavar="SIZE"
    )
    """Share of width and height, or (width, height) in luma samples; behind the crop."""
    fps: Fraction | None = option(
        "--fps", FRAME_RATE, _CONVERT, "Leave frames out, or show some again, to have so many a second.",
        metavar="N[/D]",
    )  # fmt: skip
    """Frames per second to have: frames are left out, or shown again; where the source says no rate, this is it."""
    deinterlace: bool = option(
        "--deinterlace", FLAG, _CONVERT, "Make whole pictures of interlaced ones, as many.", default=False
    )
    """Make whole pictures of those that hold two fields, as many as there are; they come first, before the crop."""
    seek: int = option("--seek", whole(0), "Frames", "First frame to use.  [default: 0]", metavar="N", default=0)
    """First frame to take of every source."""
    frames: int | None = option(
        "-n --frames", whole(1), "Frames", "Number of frames.  [default: to the end]", metavar="N"
    )
    """How many frames to take; of several sources as many of each, at most. None = to the end."""
    video_stream: int | None = option(
        "--video-stream",
        whole(0),
        "Frames",
        "Which video stream of an input, from 0.  [default: the best]",
        metavar="N",
    )
    """Which video stream of each source, from 0, still cover pictures not counted; None = the best, as for FFmpeg."""
    allow_truncated: bool = option(
        "--allow-truncated", FLAG, "Frames", "Take the frames in front of damage, or a cut, in an input.",
        default=False,
    )  # fmt: skip
    """Take the frames in front of where a source is damaged or cut off; else such a source is refused."""
    mask: str | None = option(
        "--mask", PATH, "Frames",
        "Hide samples from the fit; decoding fills them in: box:WxH, box:WxH+X+Y,..., boxes:N, scattered:N, or a "
        "video or picture that is white there.",
        metavar="MASK",
    )  # fmt: skip
    """What the fit must not see of each source, as :func:`nvcodec.io.mask.open_mask` takes it."""
    recipe: RecipeName | None = option(
        "--recipe", one_of(RECIPES), "Speed", "Encode as a paper did, see nvc recipes; give --params too."
    )
    """The network, losses, optimiser, schedule and quantisation of a paper, of the size ``parameters``; options that
    are given win, and ``model``, ``domain``, ``epochs`` and ``settings`` become those of the recipe where none are."""
    model: ModelName = option(
        "-m --model", one_of(model.name for model in MODELS), _MODEL,
        f"Representation; {MANY} takes several videos.  [default: {MODELS[0].name}]",
        default=MODELS[0].name,
    )  # fmt: skip
    """Name of the representation."""
    domain: DomainName | None = option(
        "--domain", one_of(("yuv420", "rgb"), {"yuv": "yuv420"}), _MODEL,
        "Planes to fit and measure.  [default: those of the input]",
    )  # fmt: skip
    """Coding domain, ``yuv420`` (YUV as it is stored, 4:2:0 or not) or ``rgb``; None = that of the source."""
    preview: bool = option(
        "--preview",
        FLAG,
        _MODEL,
        "Store small heads that make nvc decode --scale quick, where they show the picture well.",
        default=False,
    )
    """Whether to store heads that draw small pictures."""
    parameters: float | None = option(
        "--params", COUNT, _MODEL, "Size of the network: 3M, 750k.  [default: by rule from the target]", metavar="N"
    )
    """Size of the network in coded numbers; None = by rule from the target."""
    crf: float | None = option(
        "--crf", number(0, 63), _RATE, "Constant quality, lower is better.  [default: 32]",
        metavar="0-63", aliases=("--qp",),
    )  # fmt: skip
    """Constant quality, 0..63; the default, at 32."""
    bpp: float | None = option("--bpp", positive(MOST_BPP), _RATE, "Bits per pixel to stay under.", metavar="X")
    """Bits per luma sample to stay under, of all sources together."""
    bitrate: float | None = option(
        "-b --bitrate", BIT_RATE, _RATE, "Bit rate to stay under: 800k, 1.5M.", metavar="RATE"
    )
    """Bits per second to stay under, over the playing time of all sources."""
    target_size: float | None = option(
        "--target-size", SIZE_BYTES, _RATE, "File size to stay under: 2MB, 900KiB.", metavar="SIZE"
    )
    """Bytes to stay under."""
    target_psnr: float | None = option(
        "--target-psnr",
        positive(MAX_PSNR_DB),
        _RATE,
        "Smallest file with at least this PSNR (6:1:1 YUV).",
        metavar="DB",
    )
    """Least PSNR in dB, YUV 6:1:1 (RGB in the domain ``rgb``), mean over the sources; exact pictures count as 100."""
    preset: PresetName | None = option(
        "--preset", one_of(PRESETS), "Speed", "Encoding effort.  [default: medium on CUDA, else faster]"
    )
    """Effort; None = what suits the device."""
    epochs: float | None = option(
        "--epochs", positive(MOST_EPOCHS), "Speed", "Override the preset's passes over the clip.", metavar="N"
    )
    """Passes over the sources; None = the preset's."""
    max_time_s: float | None = option(
        "--max-time", DURATION, "Speed", "Plan the encode to end in this time: 90s, 30m, 6h.", metavar="T"
    )
    """Seconds after which the whole encode should be over; replaces the epochs."""
    tune: TuneName | None = option(
        "--tune", one_of(("psnr", "ssim")), "Speed", "Distortion to minimise.  [default: psnr]"
    )
    """``psnr`` or ``ssim``; the setting ``loss.kind``."""
    settings: Mapping[str, object] = option(
        "--set", SETTINGS, "Speed",
        "Any setting of fit, loss or model, e.g. --set fit.learning_rate=1e-3 (repeatable).",
        metavar="KEY=VALUE", factory=dict, repeated=True,
    )  # fmt: skip
    """Dotted keys of :class:`nvcodec.config.fit.Settings`, e.g. ``{"fit.learning_rate": 1e-3}``."""
    device: str = option(
        "--device", TEXT, "Compute", "auto, cpu, cuda, cuda:1 or mps.  [default: auto]", metavar="DEV", default="auto"
    )
    """Where to fit."""
    threads: int = option("--threads", whole(1, 1024), "Compute", "CPU threads.  [default: 1]", metavar="N", default=1)
    """CPU threads; on a CPU the same seed and number of threads give the same bytes."""
    segment: int | None = option(
        "--segment", whole(1), "Compute", "Frames per independent segment.  [default: whole clip]", metavar="N"
    )
    """Most frames of an independent segment; None = the whole clip is one."""
    seed: int = option("--seed", whole(0, 2**32 - 1), "Compute", "Random seed.  [default: 0]", metavar="N", default=0)
    """Of all random choices."""

    @classmethod
    def _completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["recipe"] is None:
            return values
        return recipe(values["recipe"]).completed(values, {each.name: _default(each) for each in fields(cls)})

    @property
    def reading(self) -> Reading:
        """How sources are opened, for :func:`nvcodec.io.source.open_source`."""
        kind, reading = by_name(self.model).settings, _reading(self)
        drawn = tuple((chroma, depth) for chroma in kind.sources for depth in kind.bit_depths)
        return {**reading, "conversion": replace(reading["conversion"], drawn=drawn), "assume_rate": True}


def _reading(options: EncodeOptions | EvalOptions) -> Reading:
    return {
        "size": options.size,
        "fps": options.rate,
        "pix_fmt": options.pix_fmt,
        "seek": options.seek,
        "video_stream": options.video_stream,
        "allow_truncated": options.allow_truncated,
        "conversion": Conversion(options.crop, options.scale, options.fps, options.pix_fmt, options.deinterlace),
        "assume_rate": False,
    }


def _as_in_encode(
    name: str, default: Any = None, group: str | None = None, help: str | None = None, aliases: tuple[str, ...] = ()
) -> Any:
    """A field that is called and explained as that of :class:`EncodeOptions` with this name."""
    each: Option = EncodeOptions.__dataclass_fields__[name].metadata["option"]
    described = replace(each, group=group or each.group, help=help or each.help, aliases=(*each.aliases, *aliases))
    return field(default=default, metadata={"option": described})


@dataclass(frozen=True, init=False)
class DecodeOptions(Checked):
    """How a bitstream is decoded: everything but where from and where to.

    Names and values, and what is refused, as in :class:`nvcodec.EncodeOptions`.
    """

    if TYPE_CHECKING:

        def __init__(self, **given: Unpack[DecodeKeywords]) -> None: ...

    pix_fmt: PixelFormatName | None = _as_in_encode("pix_fmt", group="Files", help="[default: as encoded]")
    """A name of :data:`nvcodec.io.geometry.PIXEL_FORMATS` to convert to; None = planes and bit depth of the file."""
    rate: Fraction | None = _as_in_encode(
        "rate",
        group="Files",
        help="Frame rate of the output, whatever the file says of times.  [default: as encoded]",
        aliases=("--fps",),
    )
    """Frames per second of what is written; None = as the file says, or when each frame appears where it says that."""
    audio_from: str | None = option(
        "--audio-from", PATH, "Files",
        "Copy the sound of this video, which begins with its first picture, to an .mkv, .mp4 or .webm.", metavar="CLIP",
    )  # fmt: skip
    """A file whose sound is copied as it is into .mkv or .mp4; its first picture is the first one of the bitstream."""
    seek: int = _as_in_encode("seek", 0)
    """First frame."""
    frames: int | None = _as_in_encode("frames")
    """How many frames to write; None = to the end."""
    step: int = option("--step", whole(1), "Frames", "Every N-th frame.  [default: 1]", metavar="N", default=1)
    """Every n-th frame only."""
    frame: Fraction | None = option(
        "--frame", TIME, "Frames", "One picture: a frame, or between two, as 17.5.", metavar="T"
    )
    """Draw one picture only: a frame, or what lies between two of them, as 35/2 or 17.5."""
    interpolate: int = option(
        "--interpolate", whole(1, MAX_INTERPOLATE), "Frames",
        "Draw N-1 pictures between each two frames, none behind the last, at N times the rate.  [default: 1]",
        metavar="N", default=1,
    )  # fmt: skip
    """Draw ``interpolate - 1`` pictures between each two frames too, at as many times the frame rate."""
    stream: int | str = option(
        "--stream", STREAM, "Streams", "Which video of a multi-video file.  [default: 0]", metavar="N|NAME", default=0
    )
    """Which video of the file, by number or name."""
    layers: int | None = option(
        "--layers", whole(0, 255), "Streams",
        "The base and the first N layers; 0 = the base alone.  [default: all; 0 where --scale finds previews]",
        metavar="N",
    )  # fmt: skip
    """Enhancement layers to draw with; None = all that can be used, but none where previews are drawn."""
    scale: Fraction = option(
        "--scale", scale((1, *PREVIEW_DIVISORS)), "Frames",
        "Draw small pictures; quick if encoded with --preview, which shows the base alone.  [default: 1]",
        default=Fraction(1),
    )  # fmt: skip
    """Share of width and height to draw at: 1, 1/2, 1/4 or 1/8. Quick where the file holds
    previews; else whole pictures are drawn and shrunk."""
    device: str = _as_in_encode("device", "auto")
    """Where to draw."""
    threads: int | None = _as_in_encode("threads")
    """CPU threads; None = as torch is set."""
    batch: int | None = option(
        "--batch", whole(1, 4096), "Compute", "Frames per forward pass.  [default: fits memory]", metavar="N"
    )
    """Frames per forward pass; None = what fits memory."""
    limits: Limits | None = option(
        "--limit", LIMITS, "Compute",
        "Raise a limit that a large file runs into, e.g. max_frames=2000000 (repeatable).",
        metavar="NAME=VALUE", repeated=True,
    )  # fmt: skip
    """What to refuse before allocating; an open session has its own."""
    check: bool = option(
        "--check", FLAG, "Output",
        "Verify everything in the file first: checksums, and that pictures are within 1 of the stored digests; "
        "exit 4 if not. Needs no -o.",
        default=False,
    )  # fmt: skip
    """Verify everything in the file against checksums and digests first, other streams and layers too."""


@dataclass(frozen=True, init=False)
class SheetOptions(Checked):
    """What a contact sheet shows.

    Names and values, and what is refused, as in :class:`nvcodec.EncodeOptions`.
    """

    if TYPE_CHECKING:

        def __init__(self, **given: Unpack[SheetKeywords]) -> None: ...

    frames: int | None = option(
        "-n --frames", whole(1), "Sheet",
        "Frames of a video, evenly spread.  [default: 12; of several videos 6 each]", metavar="N",
    )  # fmt: skip
    """Frames of each video, evenly spread, the first and the last included; None = 12, or 6 each of several videos."""
    columns: int | None = option(
        "--columns", whole(1), "Sheet",
        "Frames in a row.  [default: 4; of several videos all, one row a video]", metavar="N",
    )  # fmt: skip
    """Frames in a row; None = 4, or all of a video where there are several."""
    width: int | None = option(
        "--width", whole(8, 4096), "Sheet", "Width of a frame.  [default: 240, no more than it has]", metavar="N"
    )
    """Samples in a row of each frame; None = 240, or its own where that is less."""
    stream: int | str | None = option(
        "--stream", STREAM, "Sheet", "Which video of a multi-video file.  [default: all of them]", metavar="N|NAME"
    )
    """Which video, by number or name; None = every video of the file."""
    layers: int | None = option(
        "--layers", whole(0, 255), "Sheet", "Use the base and the first N enhancement layers.  [default: all]",
        metavar="N",
    )  # fmt: skip
    """Enhancement layers to draw with; None = all."""
    device: str = _as_in_encode("device", "auto")
    """Where to draw."""
    threads: int | None = _as_in_encode("threads")
    """CPU threads; None = as torch is set."""


@dataclass(frozen=True, init=False)
class EvalOptions(Checked):
    """How a video is compared with its source.

    Names and values, and what is refused, as in :class:`nvcodec.EncodeOptions`.
    """

    if TYPE_CHECKING:

        def __init__(self, **given: Unpack[EvalKeywords]) -> None: ...

    size: tuple[int, int] | None = _as_in_encode("size")
    """(width, height) of raw video."""
    rate: Fraction | None = _as_in_encode("rate")
    """Frames per second of the source; wins over what it says."""
    pix_fmt: PixelFormatName | None = _as_in_encode(
        "pix_fmt",
        help="yuv420p, yuv422p, yuv444p or gray, of 8 bits or, with 10le or 12le behind it, of more. Another REFERENCE "
        "is converted to it.",
    )
    """A name of :data:`nvcodec.io.geometry.PIXEL_FORMATS`: what raw video has, and what another source is converted to
    as for encoding."""
    crop: Crop | None = _as_in_encode("crop", group=_CONVERT_REFERENCE)
    """What of every picture of the source is compared: what it was encoded with, like the three that follow."""
    scale: Fraction | tuple[int, int] | None = _as_in_encode("scale", group=_CONVERT_REFERENCE)
    """Share of its width and height, or (width, height) in luma samples."""
    fps: Fraction | None = _as_in_encode("fps", group=_CONVERT_REFERENCE)
    """Its frames per second."""
    deinterlace: bool = _as_in_encode("deinterlace", False, group=_CONVERT_REFERENCE)
    """Whether whole pictures were made of its fields."""
    seek: int = _as_in_encode("seek", 0)
    """First frame of both."""
    frames: int | None = _as_in_encode("frames")
    """How many frames of both to compare; None = all, and there must be equally many."""
    video_stream: int | None = _as_in_encode(
        "video_stream", help="Which video stream of REFERENCE, from 0.  [default: the best]"
    )
    """Which video stream of the source, from 0; None = the best, as it always is of what is compared with it."""
    allow_truncated: bool = _as_in_encode("allow_truncated", False)
    """Take the frames in front of where a file is damaged or cut off."""
    stream: int | str | None = option(
        "--stream", STREAM, "Streams",
        "Which video of a multi-video TEST; its bpp are those of all together.  [default: the one called as REFERENCE "
        "is, or the only one of its size and length]",
        metavar="N|NAME",
    )  # fmt: skip
    """Which video of a bitstream to test, by number or name; its bpp are those of all videos together. None = the one
    that is called as the reference is, or the only one of its size and length."""
    layers: int | None = option(
        "--layers", whole(0, 255), "Streams",
        "The base and the first N layers of TEST, and its bytes as if it had no more; 0 = the base alone.  "
        "[default: all]",
        metavar="N",
    )  # fmt: skip
    """Enhancement layers of a bitstream to test, whose bytes are those without the others; None = all."""
    metrics: tuple[str, ...] = option(
        "--metrics", several_of(("psnr", "ms-ssim", "vmaf")), "Metrics",
        "psnr, ms-ssim, vmaf (needs the extra 'bench').  [default: psnr,ms-ssim]",
        metavar="LIST", default=("psnr", "ms-ssim"),
    )  # fmt: skip
    """``psnr`` (always measured), ``ms-ssim``, ``vmaf`` (needs the package imageio-ffmpeg); in text, with commas."""
    mask: str | None = _as_in_encode(
        "mask", group="Metrics", help="Also measure inside and outside of a mask, as in nvc encode --mask."
    )
    """Measure inside and outside of a mask too, see :func:`nvcodec.io.mask.open_mask`."""
    device: str = _as_in_encode("device", "auto")
    """Where bitstreams are drawn."""
    threads: int | None = _as_in_encode("threads")
    """CPU threads; None = as torch is set."""

    @property
    def reading(self) -> Reading:
        """How the source is opened, for :func:`nvcodec.io.source.open_source`."""
        return _reading(self)


Options = EncodeOptions | DecodeOptions | SheetOptions | EvalOptions
_Value = TypeVar("_Value")
_Options = TypeVar("_Options", EncodeOptions, DecodeOptions, SheetOptions, EvalOptions)


def described(options: type[Options]) -> Mapping[str, Option]:
    """The options of a class by the names of their fields, in order."""
    return {each.name: each.metadata["option"] for each in fields(options)}


def changed(options: _Options, changes: Mapping[str, object]) -> _Options:
    """Options with others in place of some of them, each a value of its kind.

    Args:
        options: Where to start from.
        changes: Values by names of fields or flags, as text or as Python or TOML have them; None = the default.

    Raises:
        UsageError: There is no option of a name, or a value is none of its kind.
    """
    if not isinstance(options, Checked):
        raise UsageError(
            f"options cannot be a {type(options).__name__}", "Give nvcodec.EncodeOptions(...), or keywords"
        )
    return replace(options, **_read(type(options), changes))


def plain(options: Options) -> dict[str, object]:
    """Everything as JSON can hold it; :func:`changed` reads it back."""
    known = described(type(options))
    values = {name: getattr(options, name) for name in known}
    return {name: None if value is None else known[name].kind.plain(value) for name, value in values.items()}


def keyword(option: Option) -> str:
    """What a field is called after its long flag: ``max_time`` for ``--max-time``."""
    return _keyword(option.flags[-1])


def _keyword(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _read(options: type[Checked], given: Mapping[str, object]) -> dict[str, Any]:
    """Values of their kinds by the names of fields, whichever of its names each was given by; messages have that.

    Raises:
        UsageError: There is no option of a name, one was given by two, or a value is none of its kind.
    """
    known = described(options)  # type: ignore[arg-type]
    fields_of = {_keyword(flag): name for name, each in known.items() for flag in (*each.aliases, each.flags[-1])}
    fields_of |= {name: name for name in known}
    called: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in fields_of:
            near = difflib.get_close_matches(name, fields_of, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Options: {', '.join(known)}"
            raise UsageError(f"no option is called {shown(name)}", hint)
        field = fields_of[name]
        if field in called:
            raise UsageError(f"{called[field]} and {name} are one option", "Give one of them")
        called[field] = name
        default = _default(options.__dataclass_fields__[field])  # type: ignore[attr-defined]
        found[field] = default if value is None else read_value(name, known[field].kind, value)
    return found


def _values(options: type[Checked], given: Mapping[str, object]) -> dict[str, object]:
    """All the values of an options object of which some are given."""
    return {each.name: _default(each) for each in fields(options)} | _read(options, given)  # type: ignore[arg-type]


def read_value(name: str, kind: Kind[_Value], value: object) -> _Value:
    """What a keyword of a function was given, as a value of its kind.

    Raises:
        UsageError: It is none.
    """
    try:
        return kind.parse(value)
    except ValueError as error:
        message, _, remedy = str(error).rstrip(".").partition("; ")
        raise UsageError(f"{name}: {message}", remedy[:1].upper() + remedy[1:]) from None


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()
