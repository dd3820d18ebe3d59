"""What recipes mean for the size of networks: the papers' own rules of scaling. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nvcodec.config.keywords import RecipeName
from nvcodec.config.recipe import recipe
from nvcodec.encoder.plan.paper_qsnerv import hnerv_network, qsnerv_network
from nvcodec.encoder.plan.presets import PRESETS, TENERV_PRESETS
from nvcodec.encoder.plan.size_dnerv import PRESETS as DNERV_PRESETS
from nvcodec.models.config import FieldConfig
from nvcodec.models.geometry import FieldGeometry

_Rule = Callable[[FieldGeometry, int, Mapping[str, object]], FieldConfig]


@dataclass(frozen=True)
class PaperShape:
    """A paper's network at any size; see :class:`nvcodec.encoder.plan.sizing.Shape`."""

    recipe: RecipeName
    rule: _Rule
    min_steps: int = 1
    bits_per_parameter: float = 8.0
    layer_effort: float = 1.0

    @property
    def name(self) -> str:
        """What stands where others have a preset."""
        return f"recipe {self.recipe}"

    @property
    def epochs(self) -> float:
        """Those of the recipe."""
        return recipe(self.recipe).epochs

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> FieldConfig:
        """The network closest to a number of parameters, as large as it is asked for."""
        return self.rule(geometry, parameters, switches or {})


def _as_preset(shape: object) -> _Rule:
    return lambda geometry, parameters, switches: shape.network(geometry, parameters, dict(switches), pinned=True)  # type: ignore[attr-defined]


SHAPES: Mapping[RecipeName, PaperShape] = {
    shape.recipe: shape
    for shape in (
        PaperShape("msnerv", _as_preset(PRESETS["medium"])),
        PaperShape("hinerv", _as_preset(PRESETS["medium"])),
        PaperShape("tenerv", _as_preset(TENERV_PRESETS["medium"])),
        PaperShape("qsnerv", qsnerv_network),
        PaperShape("hnerv", hnerv_network),
        PaperShape("dnerv", _as_preset(DNERV_PRESETS["medium"])),
    )
}
