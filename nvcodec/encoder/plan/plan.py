"""From what was asked to what will be fitted: parts, network, steps. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

from nvcodec.color import yuv_format
from nvcodec.config.fit import GopConfig, Settings
from nvcodec.config.options import EncodeOptions
from nvcodec.config.target import DEFAULT_CRF, RateTarget, TargetKind
from nvcodec.container.segments import MAX_GOPS
from nvcodec.encoder.plan.models import ROWS, settings_for, shape_for
from nvcodec.encoder.plan.pace import useful_parameters
from nvcodec.encoder.plan.partition import group_count, uniform
from nvcodec.encoder.plan.presets import bpp_for_crf
from nvcodec.encoder.plan.sizing import Shape, schedule_steps
from nvcodec.errors import UsageError
from nvcodec.models import registry
from nvcodec.models.config import FieldConfig
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.registry import Model
from nvcodec.types import ChromaFormat, Domain, VideoFormat

_MAX_DERIVED_CRF = 45.0
"""Beyond, a short fit may give up the picture altogether; the search over steps still finds small files."""
_AT_DEFAULT_CRF_DB = 35.0
"""Where a target in dB starts from: 35 dB is about crf 32, and a decibel about one step."""


@dataclass(frozen=True)
class Span:
    """An independent range of frames: what one segment of the file shows."""

    ordinal: int
    """Position of the segment among all of the file."""
    stream: int
    first: int
    frames: int


@dataclass(frozen=True)
class Plan:
    """Everything about an encode that is decided before a picture is fitted."""

    model: Model
    domain: Domain
    network: FieldConfig | EENConfig | None
    """Shape of the networks of all parts; None where the first part weighs it against key frames."""
    parts: tuple[tuple[Span, ...], ...]
    """What each network draws."""
    steps: tuple[int, ...]
    """Steps of each part's fit when the schedule is not planned in time; empty where the network decides that."""
    limit: int | None
    """Largest size of the file, or of what is added to it, in bytes; None when quality decides."""
    size: int
    """Bytes that the networks are sized for."""
    crf: float
    """The weight of the rate when quality decides; also what sized the networks then."""
    preset: Shape
    settings: Settings
    slack_bytes: int
    """Bytes kept back for what grows in the file when payloads are there."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """All segments of the file, in its order."""
        return tuple(span for spans in self.parts for span in spans)

    def geometry(self, span: Span, video: VideoFormat) -> FieldGeometry:
        """What the field of a segment draws; as long as nothing is known of the content, in groups of equal length."""
        grouped = isinstance(self.network, FieldConfig) and self.network.has_gops
        gops = uniform(span.frames, group_count(span.frames, self.settings.gop)) if grouped else (0,)
        return FieldGeometry(span.frames, video.height, video.width, self.domain.drawn(video.chroma), gops)

    def parameters_for_bits(self, preset: Shape) -> int:
        """Parameters that the bits of the longest segment allow, were it drawn as by a preset."""
        frames = sum(span.frames for span in self.spans)
        return max(1, round(8 * self.size * self._longest / frames / preset.bits_per_parameter))

    def resized(self, video: VideoFormat, preset: Shape, parameters: int) -> Plan:
        """The same with segments of another size, drawn as by a preset.

        Raises:
            UsageError: The settings describe no network.
        """
        network = _network_by_rule(self._longest, video, self.domain, self.settings, preset, parameters)
        return replace(self, network=network, preset=preset)

    @property
    def _longest(self) -> int:
        """Frames of the longest segment."""
        return max(span.frames for span in self.spans)


def make_plan(videos: Sequence[tuple[VideoFormat, int]], options: EncodeOptions) -> Plan:
    """Choose domain, parts and network.

    Args:
        videos: Format and frames of each.
        options: What was asked for, its preset chosen.

    Raises:
        UsageError: The domain does not suit the sources, or the settings describe no network.
    """
    model, row, settings = registry.by_name(options.model), ROWS[options.model], settings_for(options)
    preset, target = shape_for(options, options.model), RateTarget.of(options)
    domain = choose_domain([video for video, _ in videos], options.domain, model)
    parts = plan_parts([frames for _, frames in videos], options.segment, model.settings.shares_parameters)
    limit, crf = target.files_bytes(videos), _crf(target)
    bits = sum(bpp_for_crf(crf) * video.width * video.height * frames for video, frames in videos)
    size = limit if limit is not None else round(bits / 8)
    network, steps = None, tuple[int, ...]()
    if not model.settings.shares_parameters:
        bits = 8 * limit if limit is not None else bits
        network = _segment_network(videos[0], parts, options, bits, preset, settings, domain)
        counts = [span.frames for (span,) in parts]
        steps = tuple(schedule_steps(preset, settings.fit.batch, count, options.epochs) for count in counts)
    return Plan(model, domain, network, parts, steps, limit, size, crf, preset, settings, row.slack_bytes)


def _segment_network(
    video: tuple[VideoFormat, int],
    parts: tuple[tuple[Span, ...], ...],
    options: EncodeOptions,
    bits: float,
    preset: Shape,
    settings: Settings,
    domain: Domain,
) -> FieldConfig:
    """The network of every segment: by rule, from the bits of the longest one and the steps that there are."""
    (format, frames), longest = video, max(span.frames for (span,) in parts)
    pinned = options.parameters is not None
    parameters = round(options.parameters or max(1, round(bits * longest / frames / preset.bits_per_parameter)))
    if not pinned and all(each is None for each in (options.epochs, options.max_time_s, options.recipe)):
        steps = schedule_steps(preset, settings.fit.batch, longest, None)
        parameters = min(parameters, useful_parameters(steps))
    return _network_by_rule(longest, format, domain, settings, preset, parameters, pinned=pinned)


def _network_by_rule(
    frames: int,
    video: VideoFormat,
    domain: Domain,
    settings: Settings,
    preset: Shape,
    parameters: int,
    *,
    pinned: bool = False,
) -> FieldConfig:
    """The network of a segment of so many frames that is closest to a number of parameters.

    Raises:
        UsageError: The settings describe none, or too many groups of pictures.
    """
    gops = uniform(frames, _checked_groups(frames, settings.gop))
    geometry = FieldGeometry(frames, video.height, video.width, domain.drawn(video.chroma), gops)
    return network_of(preset, geometry, parameters, settings, pinned=pinned)


def network_of(
    preset: Shape, geometry: FieldGeometry, parameters: int, settings: Settings, *, pinned: bool
) -> FieldConfig:
    """The network closest to a number of parameters, see :meth:`Shape.network`.

    Raises:
        UsageError: The settings describe none.
    """
    try:
        return preset.network(geometry, parameters, dict(settings.model), pinned=pinned)
    except ValueError as error:
        raise UsageError(str(error)) from None


def plan_parts(frames: Sequence[int], longest: int | None, shared: bool) -> tuple[tuple[Span, ...], ...]:
    """Which segments there are, and which of them one network draws.

    Args:
        frames: Of each video.
        longest: Most frames of a segment; None = a video is one.
        shared: One network draws the first segments of all videos, the next one the second ones, and so on; else every
            segment has its own.
    """
    ordinal, cuts = count(), [split(total, longest) for total in frames]
    if not shared:
        return tuple((Span(next(ordinal), stream, *cut),) for stream, each in enumerate(cuts) for cut in each)
    return tuple(
        tuple(Span(next(ordinal), stream, *each[turn]) for stream, each in enumerate(cuts) if turn < len(each))
        for turn in range(max(map(len, cuts)))
    )


def choose_domain(videos: Sequence[VideoFormat], asked: str | None, model: Model) -> Domain:
    """The coding domain: the sources' own unless RGB is asked for.

    Raises:
        UsageError: YUV is asked for but a source is RGB, or the model does not draw such pictures.
        UnsupportedError: RGB is asked for, and nobody knows what RGB a source shows.
    """
    rgb = any(video.chroma is ChromaFormat.RGB for video in videos)
    if rgb and asked == "yuv420":
        raise UsageError("--domain yuv420 needs a YUV source, and this one is RGB", "Leave --domain out")
    check_domain(asked, model)
    domain = Domain.RGB if rgb or asked == "rgb" else Domain.YUV420
    for video in videos:
        if video.chroma not in model.settings.draws or video.bit_depth not in model.settings.bit_depths:
            raise UsageError(
                f"the source is {video.bit_depth}-bit {video.chroma}; the key frames of {model.name} are 4:2:0 of 8 or "
                "10 bits",
                "Choose another --model, or have it converted:  --pix-fmt yuv420p",
            )
        if domain is Domain.RGB and video.chroma is not ChromaFormat.RGB:
            yuv_format(video)
    return domain


def check_domain(asked: str | None, model: Model) -> None:
    """Refuse a domain that the model does not draw in.

    Raises:
        UsageError: It is one.
    """
    if asked == "rgb" and ChromaFormat.RGB not in model.settings.draws:
        raise UsageError(f"--domain {asked} is not for {model.name}: its key frames are 4:2:0", "Leave it out")


def split(frames: int, longest: int | None) -> tuple[tuple[int, int], ...]:
    """Cut a clip into segments of nearly equal length, none longer than asked: (first frame, frames) of each."""
    count = ceil(frames / longest) if longest else 1
    edges = [index * frames // count for index in range(count + 1)]
    return tuple((first, last - first) for first, last in zip(edges, edges[1:], strict=False))


def _crf(target: RateTarget) -> float:
    if target.kind is TargetKind.PSNR:
        return min(max(DEFAULT_CRF + _AT_DEFAULT_CRF_DB - target.value, 0), _MAX_DERIVED_CRF)
    return target.value if target.kind is TargetKind.CRF else DEFAULT_CRF


def _checked_groups(frames: int, gop: GopConfig) -> int:
    """Groups of pictures of a segment.

    Raises:
        UsageError: There are more than a file can hold.
    """
    groups = group_count(frames, gop)
    if groups > MAX_GOPS:
        raise UsageError(f"gop.length {gop.length} makes {groups:,} groups of pictures", f"{MAX_GOPS:,} are allowed")
    return groups
