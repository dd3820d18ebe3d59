"""What the encoder knows of each model, one row each. No torch.

What decoders know too is in :mod:`nvcodec.models.registry`. A fifth model has files of its own, a row here, a row
there, and an id in the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nvcodec.config.fit import GopConfig, Partition, Settings
from nvcodec.config.options import EncodeOptions
from nvcodec.config.recipe import settings_by_recipe
from nvcodec.config.settings import OF_FILES, settings_of
from nvcodec.encoder.plan import presets, size_dnerv, size_qsnerv
from nvcodec.encoder.plan.recipes import SHAPES
from nvcodec.encoder.plan.sizing import Shape
from nvcodec.errors import UsageError
from nvcodec.models import registry


@dataclass(frozen=True)
class ModelRow:
    """One model."""

    presets: Mapping[str, Shape]
    """What presets, whose names are the same for all, mean for it."""
    part: str = "nvcodec.encoder.parts.segment:SegmentPart"
    """``module:class`` of what fits its networks."""
    gop: GopConfig = GopConfig()
    """How it groups the pictures where nothing else is asked for."""
    companion: str | None = None
    """``module:class`` of a network that fills its per-frame values while it is fitted; see :mod:`..fit.companion`."""
    slack_bytes: int = 5
    """What a file may take beyond the structure that is known before the fit: digits of numbers, mostly."""


ROWS: Mapping[str, ModelRow] = {
    "msnerv": ModelRow(presets.PRESETS),
    "tenerv": ModelRow(presets.TENERV_PRESETS, gop=GopConfig(Partition.EXACT, count=5)),
    "qsnerv": ModelRow(size_qsnerv.PRESETS, companion="nvcodec.encoder.fit.content_encoder:ContentEncoder"),
    "dnerv": ModelRow(size_dnerv.PRESETS, part="nvcodec.encoder.parts.shared:SharedPart", slack_bytes=9),
}


def shape_for(options: EncodeOptions, model: str) -> Shape:
    """What the preset or the recipe of an encode means for a model."""
    if options.recipe is not None:
        return SHAPES[options.recipe]
    assert options.preset is not None
    return ROWS[model].presets[options.preset]


def settings_for(options: EncodeOptions) -> Settings:
    """The settings of an encode.

    Raises:
        UsageError: A key does not exist, or a value does not fit it.
    """
    tuned = {"loss.kind": options.tune} if options.tune else {}
    values = {**settings_by_recipe(options.recipe, options.settings, OF_FILES), **tuned}
    model = registry.by_name(options.model)
    settings = settings_of(values, model, ROWS[model.name].gop)
    if model.settings.keyed and settings.fit.batch > 1:
        raise UsageError(f"fit.batch must be 1 for {model.name}, which draws a clip a step", "Leave it out")
    return settings
