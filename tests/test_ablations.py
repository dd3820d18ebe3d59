"""The configurations of the ablation table say what they claim to, and are accepted as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvcodec.cli._config import tomllib
from nvcodec.config.fit import Settings
from nvcodec.config.options import EncodeOptions
from nvcodec.config.settings import flatten
from nvcodec.encoder.plan.models import settings_for
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.models.msnerv_config import HINERV_SWITCHES
from nvcodec.models.registry import MODELS
from nvcodec.types import VideoFormat

FOLDER = Path(__file__).parent.parent / "benchmarks" / "studies" / "configurations"
FILES = sorted(FOLDER.glob("*.toml"))


def _options(path: Path) -> EncodeOptions:
    model = next((known.name for known in MODELS if path.stem.startswith(known.name)), "msnerv")
    settings = flatten(tomllib.loads(path.read_text()))
    return EncodeOptions(model=model, preset="draft", parameters=150_000, settings=settings)


def _settings(path: Path) -> Settings:
    return settings_for(_options(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_configuration_plans_a_network_of_equal_size(path: Path) -> None:
    video = VideoFormat(352, 288)
    plan = make_plan([(video, 60)], _options(path))
    size = sum(spec.size for spec in plan.network.tensor_specs(plan.geometry(plan.spans[0], video)))
    assert 140_000 < size < 160_000


def test_variants_differ_from_the_paper_in_one_part() -> None:
    paper = _settings(FOLDER / "msnerv_paper.toml")
    for path in FILES:
        if path.stem.startswith("v"):
            variant = _settings(path)
            network = {name for name, value in variant.model.items() if value != paper.model[name]}
            loss = {name for name in ("multi_resolution", "high_frequency") if not getattr(variant.loss, name)}
            assert len(network | loss) == (2 if path.stem == "v1_no_temporal" else 1), path.stem


def test_all_switches_off_is_hinerv() -> None:
    settings = _settings(FOLDER / "hinerv.toml")
    assert settings.model == HINERV_SWITCHES
    assert (settings.loss.kind, settings.loss.multi_resolution, settings.loss.high_frequency) == (
        "hinerv",
        False,
        False,
    )
