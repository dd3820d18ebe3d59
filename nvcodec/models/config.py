"""What the configuration of every model says of it: pure data, so that files can be inspected without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

from nvcodec.models.config_bytes import Choice, choices_to_bytes
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid
from nvcodec.quant.tensors import TensorSpec
from nvcodec.types import ChromaFormat


class FieldConfig(ABC):
    """Base of the configurations, which are final frozen dataclasses. Facts with a default hold for most models."""

    sources: ClassVar[tuple[ChromaFormat, ...]] = tuple(ChromaFormat)
    """Layouts of planes that videos may have."""
    draws: ClassVar[tuple[ChromaFormat, ...]] = tuple(ChromaFormat)
    """Layouts of planes that can be drawn."""
    bit_depths: ClassVar[tuple[int, ...]] = (8, 10, 12)
    """Bits per sample that can be drawn."""
    shares_parameters: ClassVar[bool] = False
    """Whether a segment without coded parameters is drawn with those of the nearest one in front of it that has some:
    then one network may draw several videos."""
    choices: ClassVar[tuple[Choice, ...]] = ()
    """Fields that came after the first files: :meth:`to_bytes` leaves them out."""
    keyed: ClassVar[bool] = False
    """Whether pictures are drawn between coded key frames, those of :meth:`key_times`."""

    @property
    @abstractmethod
    def scale(self) -> int:
        """Luma samples per base cell along each axis."""

    @property
    def has_gops(self) -> bool:
        """Whether groups of pictures have parameters of their own."""
        return False

    @property
    def together(self) -> int | None:
        """So many frames, from a multiple of it on, are drawn in one pass, whichever are asked for; None: one alone."""
        return None

    def units(self, geometry: FieldGeometry) -> int:
        """How many frames, or what takes their place, a fit draws one after another to see all of a segment."""
        return geometry.frames

    def key_times(self, frames: int) -> Sequence[int]:
        """Which frames of a segment of ``frames`` frames are coded as key frames, in order."""
        return ()

    @abstractmethod
    def base_size(self, geometry: FieldGeometry) -> tuple[int, int]:
        """Rows and columns of base cells, enough to cover the picture."""

    @abstractmethod
    def tensor_specs(self, geometry: FieldGeometry) -> list[TensorSpec]:
        """The coded tensors in ascending order of id."""

    @abstractmethod
    def training_bytes(self, rows: int, columns: int) -> int:
        """Activations that a training step on ``rows`` x ``columns`` base cells keeps for its backward pass."""

    @abstractmethod
    def pyramid(self, geometry: FieldGeometry) -> Pyramid | None:
        """Shape of the features behind a picture; None: there are none that a layer or a preview can draw from."""

    @abstractmethod
    def drawing_bytes(self, geometry: FieldGeometry) -> int:
        """Memory that drawing one frame takes at its peak, roughly."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The configuration as the header stores it."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, data: bytes, choices: bytes = b"") -> FieldConfig:
        """Inverse of :meth:`to_bytes` and :meth:`choices_to_bytes`.

        Raises:
            ValueError: The bytes do not describe a network.
        """

    @final
    def choices_to_bytes(self) -> bytes:
        """What of :attr:`choices` is not as usual, as the header stores it behind its streams."""
        return choices_to_bytes(self, self.choices)

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""

    @abstractmethod
    def summary(self) -> str:
        """The shape in a line, for people: what enlarges, and how wide it is."""
