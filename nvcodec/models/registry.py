"""Which representations exist. Looking one up by name or id needs no torch; building its network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from nvcodec.errors import BitstreamError, UnsupportedError, UsageError
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import MSNeRVConfig
from nvcodec.models.qsnerv_config import QSNeRVConfig

if TYPE_CHECKING:
    from nvcodec.models.base import FieldConfig, VideoField


@dataclass(frozen=True)
class Model:
    """A representation."""

    id: int
    """Number in files (bitstream_spec.md, "Models")."""
    name: str
    """Name on the command line."""
    settings: type
    """The class of its configuration."""
    parse: Callable[[bytes], FieldConfig]
    """Header bytes to configuration; ValueError when they make no sense."""
    field: str
    """``module:class`` of the network."""
    previewed: bool = False
    """Whether its earlier blocks show the picture well enough for heads of previews: those of others come no nearer
    than 17 to 26 dB to it."""

    def config(self, data: bytes) -> FieldConfig:
        """The configuration in a header.

        Raises:
            BitstreamError: The bytes describe no network.
        """
        try:
            return self.parse(data)
        except ValueError as error:
            raise BitstreamError(f"chunk 'HEAD' describes no {self.name} network: {error}") from None

    def build(self, config: FieldConfig, geometry: FieldGeometry) -> VideoField:
        """A network of this configuration, with fresh parameters. Imports torch."""
        module, _, name = self.field.partition(":")
        field: VideoField = getattr(import_module(module), name)(config, geometry)
        return field


# TeNeRV is MSNeRV's network with other switches: the decoder draws both alike, the number says what an encoder meant
MODELS = (
    Model(1, "msnerv", MSNeRVConfig, MSNeRVConfig.from_bytes, "nvcodec.models.msnerv:MSNeRV", previewed=True),
    Model(2, "tenerv", MSNeRVConfig, MSNeRVConfig.from_bytes, "nvcodec.models.msnerv:MSNeRV", previewed=True),
    Model(3, "qsnerv", QSNeRVConfig, QSNeRVConfig.from_bytes, "nvcodec.models.qsnerv:QSNeRV"),
    Model(4, "dnerv", DNeRVConfig, DNeRVConfig.from_bytes, "nvcodec.models.dnerv:DNeRV"),
)


def by_id(id_: int) -> Model:
    """The model with this number.

    Raises:
        UnsupportedError: This version does not have it.
    """
    for model in MODELS:
        if model.id == id_:
            return model
    known = ", ".join(f"{model.id} {model.name}" for model in MODELS)
    raise UnsupportedError(f"uses model {id_}; this nvc has {known}", "Upgrade with: pip install -U neural-video-codec")


def by_name(name: str) -> Model:
    """The model with this name.

    Raises:
        UsageError: There is none.
    """
    for model in MODELS:
        if model.name == name:
            return model
    raise UsageError(f"no model is called {name!r}", "Models: " + ", ".join(model.name for model in MODELS))
