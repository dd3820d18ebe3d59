"""Which representations exist. Looking one up by name or id needs no torch; building its network does."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nvcodec.errors import BitstreamError, UnsupportedError, UsageError, shown
from nvcodec.models.config import FieldConfig
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import MSNeRVConfig
from nvcodec.models.qsnerv_config import QSNeRVConfig
from nvcodec.version import UPGRADE

if TYPE_CHECKING:
    from nvcodec.models.base import VideoField
    from nvcodec.models.keyed_video import KeyFrameSource


@dataclass(frozen=True)
class Model:
    """A representation."""

    id: int
    """Number in files (bitstream_spec.md, "Models")."""
    name: str
    """Name on the command line."""
    settings: type[FieldConfig]
    """The class of its configuration."""
    field: str
    """``module:class`` of the network."""
    previewed: bool = False
    """Whether its earlier blocks show the picture well enough for heads of previews: those of others come no nearer
    than 17 to 26 dB to it."""

    def config(self, data: bytes, choices: bytes = b"") -> FieldConfig:
        """The configuration in a header.

        Raises:
            BitstreamError: The bytes describe no network.
        """
        try:
            return self.settings.from_bytes(data, choices)
        except ValueError as error:
            raise BitstreamError(f"chunk 'HEAD' describes no {self.name} network: {error}") from None

    def build(self, config: FieldConfig, geometry: FieldGeometry) -> VideoField:
        """A network of this configuration, with fresh parameters. Imports torch."""
        field: VideoField = self._network()(config, geometry)
        return field

    def bind(
        self, config: FieldConfig, geometry: FieldGeometry, trained: VideoField, keys: KeyFrameSource
    ) -> VideoField:
        """A video drawn by the network of another one, between key frames of its own.

        Args:
            config: Of both; a keyed one.
            geometry: What is drawn.
            trained: The other; its parameters are shared, not copied.
            keys: The key frames.
        """
        field: VideoField = self._network().bound(config, geometry, trained, keys)
        return field

    def _network(self) -> Any:
        module, _, name = self.field.partition(":")
        return getattr(import_module(module), name)


# TeNeRV is MSNeRV's network with other switches: the decoder draws both alike, the number says what an encoder meant
MODELS = (
    Model(1, "msnerv", MSNeRVConfig, "nvcodec.models.msnerv:MSNeRV", previewed=True),
    Model(2, "tenerv", MSNeRVConfig, "nvcodec.models.msnerv:MSNeRV", previewed=True),
    Model(3, "qsnerv", QSNeRVConfig, "nvcodec.models.qsnerv:QSNeRV"),
    Model(4, "dnerv", DNeRVConfig, "nvcodec.models.dnerv:DNeRV"),
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
    raise UnsupportedError(f"uses model {id_}; this nvc has {known}", UPGRADE)


def by_name(name: str) -> Model:
    """The model with this name.

    Raises:
        UsageError: There is none.
    """
    for model in MODELS:
        if model.name == name:
            return model
    raise UsageError(f"no model is called {shown(name)}", "Models: " + ", ".join(model.name for model in MODELS))


def citation(name: str) -> str:
    """BibTeX of what a paper that uses files of a model should cite."""
    return (files(__package__ or "") / "citations" / f"{name}.bib").read_text(encoding="utf-8").strip()
