"""Layers: how large an enhancement network is, and how long it is fitted. No torch."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from nvcodec.config.fit import LayerConfig, LayerShape, Settings
from nvcodec.config.options import EncodeOptions
from nvcodec.config.recipe import settings_by_recipe
from nvcodec.config.settings import OF_LAYERS, suiting
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.decoder.session import Session
from nvcodec.encoder.plan.models import settings_for, shape_for
from nvcodec.encoder.plan.plan import Plan, Span
from nvcodec.encoder.plan.sizing import Shape, schedule_steps
from nvcodec.errors import UsageError
from nvcodec.io.saying import plural
from nvcodec.models import pack_registry
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid

USUAL_SHARE = 0.5
"""What a layer may add to the bytes of the base when nothing else is asked for."""
_BATCH = 2
"""Frames per step, where nothing else is asked for. A pair takes little longer than one: +0.07 to 0.12 dB at equal time
on carphone."""
_BITS_PER_PARAMETER = 2.0
_LEAST_BITS = 0.25
"""Of each parameter of the smallest network: what is added to a picture may be little, and mostly 0."""
_LATER_EFFORT = 0.5
"""Steps of the further layers, which start from the first, in units of its."""
_LEAST_STEPS = 300
"""With half as many, second layers on small bases made pictures worse."""
_WIDEST = 512
_NARROWING, _MIN_CHANNELS = 1.2, 12
"""HNeRV's: what a level has fewer channels than the one before, and how few at least."""
_GRID_CHANNELS = 4
_VARINT_GROWTH = 4
"""Bytes by which numbers in front of a payload may grow when it is there."""
_CRF = 32.0
_GRID_SHARE = 0.4
"""Largest share of the parameters that goes into the grid."""


def layer_settings(options: EncodeOptions) -> Settings:
    """The settings of a layer.

    Raises:
        UsageError: A key does not exist, or a value does not fit it.
    """
    asked = settings_by_recipe(options.recipe, suiting(options.settings, OF_LAYERS), OF_LAYERS)
    return settings_for(replace(options, recipe=None, settings={"fit.batch": _BATCH, **asked}))


def layer_steps(preset: Shape, frames: int, layer: int, settings: Settings, epochs: float | None) -> int:
    """Steps of the fit of a layer, 1 and up, on so many frames, on a base of this preset."""
    share = 1 if layer == 1 else _LATER_EFFORT
    if epochs is None and settings.layer.epochs:
        epochs = share * settings.layer.epochs
    if epochs is not None:
        return schedule_steps(preset, settings.fit.batch, frames, epochs)
    return max(_LEAST_STEPS, round(preset.layer_effort * share * schedule_steps(preset, 1, frames, None)))


def plan_layer(base: Pyramid, geometry: FieldGeometry, parameters: int, layer: LayerConfig) -> EENConfig:
    """The network closest to a number of parameters."""
    levels = len(base.levels) - 1

    def grid(interval: int) -> int:
        start = base.levels[0]
        return ceil(geometry.frames / interval) * start.rows * start.columns * _GRID_CHANNELS

    intervals = (4, 8, 16, 32, 64) if layer.grid else ()
    interval = next((n for n in intervals if grid(n) <= _GRID_SHARE * parameters), 0)

    def network(width: int) -> EENConfig:
        grid = interval, _GRID_CHANNELS if interval else 0
        return EENConfig(*_shape(layer.shape, width, levels), *grid, layer.multi_scale)

    widths = range(2, _WIDEST + 1, 2 if layer.shape is LayerShape.EVEN else 1)
    return min(
        map(network, widths),
        key=lambda config: abs(sum(spec.size for spec in config.tensor_specs(geometry, base)) - parameters),
    )


def _shape(shape: LayerShape, width: int, levels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and kernels of all levels, coarse to fine, the first one being so wide."""
    if shape is LayerShape.EVEN:
        return (width,) * levels, tuple(min(5, max(1, 5 - 2 * (levels - 2 - level))) for level in range(levels))
    floor, channels = min(_MIN_CHANNELS, width), [width]
    while len(channels) < levels:
        channels.append(max(round(channels[-1] / _NARROWING), floor))
    return tuple(channels), (1, 3, *(5,) * levels)[:levels]


def parameters_for(payload_bytes: int) -> int:
    """Size of the network for a payload."""
    return max(1, round(8 * payload_bytes / _BITS_PER_PARAMETER))


def least_layer_bytes(session: Session, layer: LayerConfig) -> int:
    """Bytes without which one more layer adds nothing: those of the smallest networks there are."""
    longest = session.geometry(max(session.container.segments, key=lambda segment: segment.frames))
    total = 0
    for segment in session.container.segments:
        geometry = session.geometry(segment)
        base, widest = session.config.pyramid(geometry), session.config.pyramid(longest)
        assert base is not None and widest is not None
        specs = plan_layer(widest, longest, 1, layer).tensor_specs(geometry, base)
        total += int(_LEAST_BITS * sum(spec.size for spec in specs)) // 8
    return total


def check_base(session: Session, path: str) -> None:
    """Refuse what no layer can go on.

    Raises:
        UsageError: It is drawn by a model without features for layers, or holds several videos.
    """
    if session.pyramid(session.container.segments[0]) is None:
        raise UsageError(
            f"{path} is an archive (model {session.model.name}), which no layer can enhance",
            "Layers go on files of the other models",
        )
    streams = len(session.container.header.streams)
    if streams > 1:
        raise UsageError(f"{path} holds {plural(streams, 'video')}", "Add layers to files of one video")


def make_layer_plan(session: Session, options: EncodeOptions) -> Plan:
    """One more layer on every segment of a bitstream of one video.

    The network is of the size asked for, that of the layer below where there is one, or by rule.

    Raises:
        UnsupportedError: This version does not know the layer below.
        UsageError: A setting does not exist, or a value does not fit it.
    """
    settings = layer_settings(options)
    container, frames = session.container, session.frame_count()
    preset, target = shape_for(options, session.model.name), RateTarget.of(options)
    base_bytes = int(USUAL_SHARE * sum(len(segment.payload) for segment in container.segments))
    limit = None if settings.fit.fixed_bits else base_bytes  # whose file is as large as it comes
    if target.kind is not TargetKind.CRF:
        limit = target.file_bytes(session.stream(0).format, frames)
    geometry = session.geometry(max(container.segments, key=lambda segment: segment.frames))
    base = session.config.pyramid(geometry)
    assert base is not None
    layer, size = container.layers + 1, limit or base_bytes
    if options.parameters is None and layer > 1:
        below = container.pack(0, layer - 1)
        network = pack_registry.config(below.model_id, below.config, base)
    else:
        by_rule = parameters_for(round(size * geometry.frames / frames))
        network = plan_layer(base, geometry, round(options.parameters or by_rule), settings.layer)
    segments = container.segments
    return Plan(
        model=session.model,
        domain=container.header.domain,
        network=network,
        parts=tuple((Span(n, 0, segment.first_frame, segment.frames),) for n, segment in enumerate(segments)),
        steps=tuple(layer_steps(preset, segment.frames, layer, settings, options.epochs) for segment in segments),
        limit=limit,
        size=size,
        crf=_CRF,
        preset=preset,
        settings=settings,
        slack_bytes=_VARINT_GROWTH * len(segments),
    )
