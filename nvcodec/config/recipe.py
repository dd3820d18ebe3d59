"""Recipes: what a paper did, as options and settings. They lie in ``nvcodec/recipes``, a TOML file each. No torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from nvcodec.config.keywords import ModelName, RecipeName
from nvcodec.config.settings import flatten, suiting
from nvcodec.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

RECIPES: tuple[RecipeName, ...] = ("msnerv", "hinerv", "tenerv", "qsnerv", "hnerv", "dnerv")


@dataclass(frozen=True)
class Recipe:
    """How a paper fitted a network."""

    name: RecipeName
    about: str
    """The paper, in a line."""
    model: ModelName
    epochs: float
    """Passes over the clip."""
    options: Mapping[str, object]
    """Fields of :class:`nvcodec.EncodeOptions` where nothing else is asked for."""
    settings: Mapping[str, object]
    """As in ``--set``, those of files and of layers; those that are asked for win."""
    text: str
    """The file, whose comments say where each line comes from."""

    def completed(self, given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
        """Values of all options, where some were asked for.

        Args:
            given: Those of an encode by this recipe.
            usual: What each is where nothing is asked for.

        Raises:
            UsageError: Another model, or a preset, was asked for.
        """
        if given["model"] not in (usual["model"], self.model):
            raise UsageError(
                f"--recipe {self.name} is one of {self.model}, not of {given['model']}", "Leave --model out"
            )
        if given["preset"] is not None:
            raise UsageError(
                f"--preset {given['preset']} and --recipe {self.name} both say how long a fit is", "Choose one of them"
            )
        options = {name: value for name, value in self.options.items() if given[name] == usual[name]}
        return {**given, **options, "model": self.model}


def settings_by_recipe(
    name: RecipeName | None, settings: Mapping[str, object], groups: Iterable[str]
) -> dict[str, object]:
    """Settings that are asked for, and behind them those of a recipe.

    Args:
        name: The recipe; None = there is none.
        settings: What is asked for, by dotted keys.
        groups: Of the recipe's, which.
    """
    of_recipe = {} if name is None else suiting(recipe(name).settings, groups)
    return {**of_recipe, **settings}


@lru_cache
def recipe(name: RecipeName) -> Recipe:
    """The recipe of this name."""
    text = (files("nvcodec") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    options = dict(content.pop("encode"))
    about, model = content.pop("about"), options.pop("model")
    return Recipe(name, about, model, options.pop("epochs"), options, flatten(content), text)
