"""What recipes mean for the size of networks: the papers' own rules of scaling. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nvcodec.encoder.plan.paper_qsnerv import hnerv_network, qsnerv_network
from nvcodec.encoder.plan.presets import PRESETS, TENERV_PRESETS
from nvcodec.encoder.plan.size_dnerv import PRESETS as DNERV_PRESETS
from nvcodec.models.config import FieldConfig
from nvcodec.models.geometry import FieldGeometry

_Rule = Callable[[FieldGeometry, int, Mapping[str, object]], FieldConfig]


@dataclass(frozen=True)
class PaperShape:
    """A paper's network at any size; see :class:`nvcodec.encoder.plan.sizing.Shape`."""

    name: str
    rule: _Rule
    epochs: float = 300
    """Where nobody says how many, as in ``--set`` without a recipe's own."""
    min_steps: int = 1
    bits_per_parameter: float = 8.0
    layer_effort: float = 1.0

    def network(
        self, geometry: FieldGeometry, parameters: int, switches: dict[str, object] | None = None, pinned: bool = False
    ) -> FieldConfig:
        """The network closest to a number of parameters, as large as it is asked for."""
        return self.rule(geometry, parameters, switches or {})


def _as_preset(shape: object) -> _Rule:
    return lambda geometry, parameters, switches: shape.network(geometry, parameters, dict(switches), pinned=True)  # type: ignore[attr-defined]


SHAPES: Mapping[str, PaperShape] = {
    shape.name.removeprefix("recipe "): shape
    for shape in (
        PaperShape("recipe msnerv", _as_preset(PRESETS["medium"])),
        PaperShape("recipe hinerv", _as_preset(PRESETS["medium"])),
        PaperShape("recipe tenerv", _as_preset(TENERV_PRESETS["medium"])),
        PaperShape("recipe qsnerv", qsnerv_network),
        PaperShape("recipe hnerv", hnerv_network),
        PaperShape("recipe dnerv", _as_preset(DNERV_PRESETS["medium"])),
    )
}
