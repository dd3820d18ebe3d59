"""bitstream_spec.md and the code have the same entropy models, weights and scales."""

from __future__ import annotations

import re
from pathlib import Path

from nvcodec.entropy import payload
from nvcodec.entropy.context import CLASS_SCALES, WEIGHTS
from nvcodec.entropy.params import PARAMETRIC, ModelId
from nvcodec.entropy.tables import N_SCALES

SPEC = (Path(__file__).parents[2] / "bitstream_spec.md").read_text(encoding="utf-8")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def test_models() -> None:
    table = SPEC.split("**Table: entropy models**\n\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in table.splitlines()[2:]]
    assert {int(row[0]): row[1] for row in rows} == {model.value: model.name for model in ModelId}
    parametric = {int(row[0]) for row in rows if row[2].startswith("scale, below, above, mean")}
    assert parametric == set(PARAMETRIC)
    counts = re.search(r"\*\*Entropy model\*\*.* counts ([\d, ]+)\.\n", SPEC)
    assert counts and _numbers(counts[1]) == payload._MODELS.counts.tolist()


def test_contexts() -> None:
    weights = re.search(r"`W = ([\d, ]+)`", SPEC)
    assert weights and _numbers(weights[1]) == list(WEIGHTS)
    scales = re.search(r"CLASS_SCALES = ([\d ]+)\n", SPEC)
    assert scales and _numbers(scales[1]) == list(CLASS_SCALES)
    assert len(CLASS_SCALES) == 33 and all(0 <= scale < N_SCALES for scale in CLASS_SCALES)
