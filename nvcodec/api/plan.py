"""What an encode would fit, without fitting it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvcodec.api.checks import check, settled, videos_of
from nvcodec.config.options import EncodeOptions, changed
from nvcodec.encoder.fit.events import EventHandler, ignore
from nvcodec.encoder.plan.plan import make_plan, network_of
from nvcodec.encoder.plan.sizing import schedule_steps
from nvcodec.io.source import open_source
from nvcodec.models.config import FieldConfig
from nvcodec.models.geometry import FieldGeometry

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import EncodeKeywords
    from nvcodec.io.arrays import FrameArray


@dataclass(frozen=True)
class EncodePlan:
    """What an encode would fit: all that is known before the first picture is drawn."""

    model: str
    preset: str
    """Preset or recipe."""
    width: int
    """Luma samples in a row."""
    height: int
    frames: int
    """Of all videos."""
    domain: str
    network: dict[str, Any] | None
    """Shape of the networks, as in ``nvc info``; None where it is found by weighing it against key frames."""
    summary: str | None
    """The same in a line, for people."""
    parameters: int | None
    """Coded numbers of the largest network, all tensors counted; None as above."""
    networks: int
    """How many are fitted one after another."""
    steps: int | None
    """Of all fits; None where a time decides that, or the network does, and is not known."""
    target_bytes: int | None
    """Size to stay under; None where quality decides, or a fixed number of bits a parameter."""
    fixed_bits: int
    """Bits that every parameter has; 0: what it costs is part of the fit."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, as ``nvc encode --dry-run --json`` prints them."""
        return {"schema": "nvc-plan/1", **asdict(self)}


def plan(
    source: str | Path | FrameArray | Sequence[str | Path],
    *,
    options: EncodeOptions | None = None,
    on_event: EventHandler = ignore,
    **changes: Unpack[EncodeKeywords],
) -> EncodePlan:
    """What :func:`nvcodec.encode` would fit for the same arguments; quick, and nothing is written.

    A time (``max_time_s``) may still make the network smaller: what this machine can do in it is measured first.

    Args:
        source: As in :func:`nvcodec.encode`; standard input would be read to its end.
        options: As there.
        on_event: Hears which preset was chosen.
        **changes: As there.

    Raises:
        InputError: A source cannot be read.
        UsageError: The options make no sense, or describe no network.
    """
    asked, inputs = changed(options or EncodeOptions(), changes), videos_of(source)
    check(asked, len(inputs))
    asked = settled(asked, on_event)
    sizes = []
    for video in inputs:
        with open_source(video, frames=asked.frames, **asked.reading) as opened:
            found = opened.frame_count
            sizes.append((opened.format, sum(1 for _ in opened) if found is None else found))
    made = make_plan(sizes, asked)
    longest = max(made.spans, key=lambda span: span.frames)
    format = sizes[longest.stream][0]
    network, steps, parameters = made.network, sum(made.steps) or None, None
    if network is None and asked.parameters is not None:
        geometry = FieldGeometry(longest.frames, format.height, format.width, made.domain.drawn(format.chroma))
        network = network_of(made.preset, geometry, round(asked.parameters), made.settings, pinned=True)
    if isinstance(network, FieldConfig):
        geometry = made.geometry(longest, format)
        parameters = sum(spec.size for spec in network.tensor_specs(geometry))
        if not made.steps and network.together is not None:
            steps = 0
            for spans in made.parts:
                units = sum(network.units(made.geometry(span, sizes[span.stream][0])) for span in spans)
                steps += schedule_steps(made.preset, made.settings.fit.batch, units, asked.epochs)
    return EncodePlan(
        model=asked.model,
        preset=made.preset.name,
        width=format.width,
        height=format.height,
        frames=sum(frames for _, frames in sizes),
        domain=made.domain.name.lower(),
        network=None if network is None else network.to_dict(),
        summary=network.summary() if isinstance(network, FieldConfig) else None,
        parameters=parameters,
        networks=len(made.parts),
        steps=None if asked.max_time_s is not None else steps,
        target_bytes=made.limit,
        fixed_bits=made.settings.fit.fixed_bits,
    )
