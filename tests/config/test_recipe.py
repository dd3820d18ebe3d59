"""Recipes: what they bring along, what wins over them, and what they cannot be mixed with."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_args

import pytest

from nvcodec.api.checks import check
from nvcodec.config.fit import LayerConfig
from nvcodec.config.keywords import RecipeName
from nvcodec.config.options import EncodeOptions, changed, plain
from nvcodec.config.recipe import RECIPES, recipe
from nvcodec.config.settings import OF_FILES, suiting
from nvcodec.encoder.plan.layer import layer_settings
from nvcodec.encoder.plan.models import settings_for, shape_for
from nvcodec.errors import UsageError
from nvcodec.tongues import speaking_command_line


def test_there_is_a_file_for_each_and_no_other() -> None:
    shipped = {path.name for path in (files("nvcodec") / "recipes").iterdir()}
    assert shipped == {f"{name}.toml" for name in RECIPES} and get_args(RecipeName) == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_exists_and_every_line_is_used(name: RecipeName) -> None:
    """A misspelt key would be refused; what a recipe says is what the fit gets."""
    options = EncodeOptions(recipe=name)
    check(options)
    settings, found = settings_for(options), recipe(name)
    assert options.model == found.model and shape_for(options, found.model).epochs == found.epochs
    for key in suiting(found.settings, OF_FILES):
        group, _, field = key.partition(".")
        values = getattr(settings, group)
        assert field in values if group == "model" else hasattr(values, field)
    assert shape_for(options, found.model).name == f"recipe {name}"


@pytest.mark.parametrize("name", RECIPES)
def test_comments_say_where_lines_are_from(name: RecipeName) -> None:
    text = recipe(name).text
    assert text.startswith("# ") and recipe(name).about in text
    lines = [line for line in text.splitlines() if " = " in line and not line.startswith(("#", "about", "model"))]
    assert len(lines) > 15 and all(re.search(r"\S  # \w", line) for line in lines)


def test_what_is_asked_for_wins() -> None:
    options = EncodeOptions(
        recipe="msnerv", epochs=3, domain="yuv420", settings={"fit.learning_rate": 1e-3, "model.window": "3"}
    )
    settings = settings_for(options)
    assert options.domain == "yuv420"
    assert settings.fit.learning_rate == 1e-3 and settings.model["window"] == 3
    assert settings.fit.fixed_bits == recipe("msnerv").settings["fit.fixed_bits"]


def test_layers_have_lines_of_their_own() -> None:
    options = EncodeOptions(recipe="qsnerv")
    check(options, layer=True)
    settings, of_files = layer_settings(options), settings_for(options)
    assert settings.layer.epochs == recipe("qsnerv").settings["layer.epochs"] and not settings.layer.grid
    assert settings.fit == of_files.fit and of_files.layer == LayerConfig()
    with speaking_command_line(), pytest.raises(UsageError, match="--recipe msnerv says nothing of layers"):
        check(EncodeOptions(recipe="msnerv"), layer=True)


def test_it_comes_back_from_a_resume_file() -> None:
    options = EncodeOptions(recipe="dnerv", params="100k", settings={"fit.batch": 1})
    assert changed(EncodeOptions(), plain(options)) == options


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"recipe": "msnerf"}, "Did you mean 'msnerv'"),
        ({"recipe": "msnerv", "model": "dnerv"}, "--recipe msnerv is one of msnerv, not of dnerv"),
        ({"recipe": "msnerv", "preset": "draft"}, "both say how long a fit is"),
    ],
)
def test_contradictions_are_refused(keywords: dict[str, str], message: str) -> None:
    with speaking_command_line(), pytest.raises(UsageError) as caught:
        EncodeOptions(**keywords)  # type: ignore[arg-type]
    with speaking_command_line():
        assert message in f"{caught.value.message} {caught.value.hint}"
