"""What recipes mean for the size of networks: the papers' own rules of scaling. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nvcodec.config.keywords import RecipeName
from nvcodec.config.recipe import recipe
from nvcodec.encoder.plan import paper_sizes
from nvcodec.encoder.plan.paper_qsnerv import hnerv_network, qsnerv_network
from nvcodec.encoder.plan.size_dnerv import paper_network
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


SHAPES: Mapping[RecipeName, PaperShape] = {
    shape.recipe: shape
    for shape in (
        PaperShape("msnerv", paper_sizes.msnerv),
        PaperShape("hinerv", paper_sizes.hinerv),
        PaperShape("tenerv", paper_sizes.tenerv),
        PaperShape("qsnerv", qsnerv_network),
        PaperShape("hnerv", hnerv_network),
        PaperShape("dnerv", paper_network),
    )
}
