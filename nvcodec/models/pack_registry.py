"""Which enhancement networks exist. Reading a configuration needs no torch; building its network does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvcodec.container.ids import PackModelId
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid
from nvcodec.version import UPGRADE

if TYPE_CHECKING:
    from nvcodec.models.een import EEN, Below


def config(model_id: int, data: bytes, base: Pyramid) -> EENConfig:
    """The configuration in a pack, on a base of this shape.

    Raises:
        BitstreamError: The bytes describe no network, or none for this base.
        UnsupportedError: This version does not have the network.
    """
    if model_id != PackModelId.EEN:
        raise UnsupportedError(
            f"uses the enhancement network {model_id}, which this nvc does not have",
            f"Decode the layers below with --layers. {UPGRADE}",
        )
    try:
        config = EENConfig.from_bytes(data)
    except ValueError as error:
        raise BitstreamError(f"has a configuration that makes no sense: {error}") from None
    if not config.fits(base):
        levels = len(base.levels) - 1
        raise BitstreamError(f"has a network of {len(config.channels)} levels; the base has {levels}")
    return config


def citation_name(model_id: int) -> str | None:
    """Name of what to cite for an enhancement network, see :func:`nvcodec.models.registry.citation`; None: unknown."""
    return "qsnerv" if model_id == PackModelId.EEN else None


def build(config: EENConfig, geometry: FieldGeometry, base: Pyramid, below: Below) -> EEN:
    """A network of this configuration, with fresh parameters. Imports torch."""
    from nvcodec.models.een import EEN

    return EEN(config, geometry, base, below)
