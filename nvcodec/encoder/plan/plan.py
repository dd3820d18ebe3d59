"""From what was asked to what will be fitted: segments, network, size of every part. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from nvcodec.config.fit import EncodeConfig, GopConfig, gops_of
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.container.segments import MAX_GOPS
from nvcodec.encoder.plan.partition import group_count, uniform
from nvcodec.encoder.plan.presets import bpp_for_crf
from nvcodec.encoder.plan.sizing import presets_of, schedule_steps
from nvcodec.errors import UsageError
from nvcodec.models.geometry import FieldGeometry
from nvcodec.types import ChromaFormat, Domain, VideoFormat

if TYPE_CHECKING:
    from nvcodec.models.config import FieldConfig

_MAX_DERIVED_CRF = 45.0
"""Beyond, a short fit may give up the picture altogether; the search over steps still finds small files."""
_CRF_AT_35_DB = 32.0
"""Where a target in dB starts from: 35 dB is about crf 32, and a decibel about one step."""


@dataclass(frozen=True)
class Plan:
    """One network shape, fitted to every segment."""

    domain: Domain
    network: FieldConfig
    segments: tuple[tuple[int, int], ...]
    """(first frame, frames), in order."""
    steps: tuple[int, ...]
    """Steps of each segment's fit when the schedule is not planned in time."""
    crf: float
    """The weight of the rate when quality decides; also what sized the network then."""
    gop: GopConfig

    def geometry(self, segment: int, video: VideoFormat) -> FieldGeometry:
        """What the field of a segment draws; as long as nothing is known of the content, in groups of equal length."""
        frames = self.segments[segment][1]
        gops = uniform(frames, group_count(frames, self.gop)) if self.network.has_gops else (0,)
        return FieldGeometry(frames, video.height, video.width, self.domain, gops)


def make_plan(video: VideoFormat, frames: int, target: RateTarget, config: EncodeConfig, model: str = "msnerv") -> Plan:
    """Choose domain, segments and network.

    Raises:
        UsageError: The domain does not suit the source, or the settings describe no network.
    """
    domain = choose_domain(video, config.domain)
    segments = split(frames, config.segment)
    longest = max(count for _, count in segments)
    gop = config.gop or gops_of(model)
    gops = group_count(longest, gop)
    if gops > MAX_GOPS:
        raise UsageError(f"gop.length {gop.length} makes {gops:,} groups of pictures", f"{MAX_GOPS:,} are allowed")
    geometry = FieldGeometry(longest, video.height, video.width, domain, uniform(longest, gops))
    crf = target.value if target.kind is TargetKind.CRF else _CRF_AT_35_DB
    if target.kind is TargetKind.PSNR:
        crf = min(max(_CRF_AT_35_DB + 35 - target.value, 0), _MAX_DERIVED_CRF)
    size = target.file_bytes(video, frames)
    bits = bpp_for_crf(crf) * video.width * video.height * frames if size is None else 8 * size
    preset = presets_of(model)[config.preset]
    parameters = config.parameters or max(1, round(bits * longest / frames / preset.bits_per_parameter))
    try:
        network = preset.network(geometry, parameters, config.model, pinned=config.parameters is not None)
    except ValueError as error:
        raise UsageError(str(error)) from None
    steps = tuple(schedule_steps(preset, config.fit.batch, count, config.epochs) for _, count in segments)
    return Plan(domain, network, segments, steps, crf, gop)


def choose_domain(video: VideoFormat, asked: Domain | None) -> Domain:
    """The coding domain: the source's own unless RGB is asked for.

    Raises:
        UsageError: 4:2:0 is asked for but the source is RGB.
    """
    if video.chroma is ChromaFormat.RGB:
        if asked is Domain.YUV420:
            raise UsageError("--domain yuv420 needs a 4:2:0 source, and this one is RGB", "Leave --domain out")
        return Domain.RGB
    return asked or Domain.YUV420


def split(frames: int, longest: int | None) -> tuple[tuple[int, int], ...]:
    """Cut a clip into segments of nearly equal length, none longer than asked."""
    count = ceil(frames / longest) if longest else 1
    edges = [index * frames // count for index in range(count + 1)]
    return tuple((first, last - first) for first, last in zip(edges, edges[1:], strict=False))
