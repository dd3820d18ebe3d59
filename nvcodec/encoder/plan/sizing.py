"""What a preset means for a model, and how long a fit is. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nvcodec.models.geometry import FieldGeometry

if TYPE_CHECKING:
    from nvcodec.models.config import FieldConfig


class Shape(Protocol):
    """What a preset means for a model."""

    @property
    def name(self) -> str:
        """Of the preset."""

    @property
    def epochs(self) -> float:
        """Passes over the clip."""

    @property
    def min_steps(self) -> int:
        """Short clips get more epochs, so that there are at least so many steps."""

    @property
    def bits_per_parameter(self) -> float:
        """What a parameter may cost: the size of the network follows from the target."""

    @property
    def layer_effort(self) -> float:
        """Steps of an enhancement layer in units of the base's, so that it takes less than half of the time."""

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> FieldConfig:
        """The network closest to a number of parameters.

        Args:
            geometry: What is to be drawn.
            parameters: Coded parameters wanted, all tensors counted.
            switches: Fields of the model's configuration to set instead of the rule's.
            pinned: The number was asked for, so the preset's bound on the width does not hold.

        Raises:
            ValueError: The switches describe no network.
        """


def schedule_steps(preset: Shape, batch: int, frames: int, epochs: float | None) -> int:
    """Steps of a fit: the preset's epochs or those asked for, but never too few for a short clip to settle."""
    batch = min(batch, frames)
    if epochs is not None:
        return max(1, round(epochs * frames / batch))
    return max(round(preset.epochs * frames / batch), preset.min_steps)
