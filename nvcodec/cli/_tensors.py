"""Where the bits of a file's parameters went: by part of the network, and tensor by tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from nvcodec.api.info import Info
from nvcodec.cli._format import table
from nvcodec.entropy.payload import TensorCost


def part_table(costs: Iterable[TensorCost]) -> list[str]:
    """Lines of a table with a row for each part of the network, in the order of the file."""
    parts: dict[str, list[TensorCost]] = {}
    for cost in costs:
        parts.setdefault(part_name(cost.spec.name), []).append(cost)
    total = sum(_bits(group) for group in parts.values())
    rows = [
        (
            name,
            f"{sum(cost.spec.size for cost in group):,}",
            f"{sum(cost.bits for cost in group):,.0f}",
            f"{sum(cost.step_bits for cost in group):,.0f}",
            f"{_bits(group) / sum(cost.spec.size for cost in group):.2f}",
            f"{_bits(group) / max(total, 1):.1%}",
            ", ".join(f"{count} {model}" for model, count in _models(group).most_common()),
        )
        for name, group in parts.items()
    ]
    return table(("part", "parameters", "bits", "step bits", "bits/param", "share", "models"), rows, {0, 6})


def tensor_table(costs: Sequence[TensorCost]) -> list[str]:
    """Lines of a table with a row for each tensor."""
    rows = [
        (
            str(cost.spec.id),
            cost.spec.name,
            "x".join(map(str, cost.spec.shape)),
            cost.model_id.name.lower(),
            f"{cost.bits:,.0f}",
            f"{cost.step_bits:,.0f}",
            f"{_bits([cost]) / cost.spec.size:.2f}",
        )
        for cost in costs
    ]
    return table(("id", "tensor", "shape", "model", "bits", "step bits", "bits/param"), rows, {1, 2, 3})


def part_name(name: str) -> str:
    """The part of the network that a tensor belongs to: ``blocks.0`` of ``blocks.0.layers.1.expand``."""
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first


def all_costs(info: Info, layer: int = 0) -> list[TensorCost]:
    """Costs of the tensors of all segments in one layer; of a network that they share, once."""
    return [cost for ordinal in info.networks(layer) for cost in info.tensors(ordinal, layer)]


def _bits(costs: Iterable[TensorCost]) -> float:
    return sum(cost.bits + cost.step_bits for cost in costs)


def _models(costs: Iterable[TensorCost]) -> Counter[str]:
    return Counter(cost.model_id.name.lower() for cost in costs)
