"""``--set KEY=VALUE`` and TOML files: text onto configuration dataclasses, strictly. No torch."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from enum import Enum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from nvcodec.config.fit import FitConfig, GopConfig, KeyFrameConfig, LayerConfig, LossConfig, Settings
from nvcodec.errors import UsageError, shown
from nvcodec.models.msnerv_config import GridLevel
from nvcodec.models.registry import MODELS, Model

_Config = TypeVar("_Config", FitConfig, LossConfig, GopConfig, KeyFrameConfig, LayerConfig)
_NOT_SETTABLE = {"stages"}
OF_FILES, OF_LAYERS = ("fit", "loss", "gop", "keys", "model"), ("fit", "loss", "layer")
"""Groups of settings that a new file has a use for, and one more layer on a file."""


def settings_of(values: Mapping[str, object], model: Model, gop: GopConfig) -> Settings:
    """The settings of an encode.

    Args:
        values: Dotted keys, ``fit.*``, ``loss.*``, ``gop.*``, ``keys.*``, ``layer.*`` and ``model.*``, to values: text
            as on a command line, or values as TOML has them.
        model: The representation, which ``model.*`` is about.
        gop: How it groups the pictures where nothing else is asked for.

    Raises:
        UsageError: A key does not exist or a value does not fit it.
    """
    groups: dict[str, dict[str, object]] = {group: {} for group in dict.fromkeys((*OF_FILES, *OF_LAYERS))}
    for key, value in values.items():
        group, dot, name = str(key).partition(".")
        if not dot or group not in groups:
            raise UsageError(
                f"no setting is called {shown(key)}", "Settings start with fit., loss., gop., keys., layer. or model."
            )
        groups[group][name] = value
    if groups["keys"] and not model.settings.keyed:
        keyed = " or ".join(other.name for other in MODELS if other.settings.keyed)
        raise UsageError(
            f"{model.name} has no key frames, which keys.{min(groups['keys'])} is about", f"Use --model {keyed}"
        )
    return Settings(
        fit=_replaced(FitConfig(), "fit", groups["fit"]),
        loss=_replaced(LossConfig(), "loss", groups["loss"]),
        gop=_replaced(gop, "gop", groups["gop"]),
        keys=_replaced(KeyFrameConfig(), "keys", groups["keys"]),
        layer=_replaced(LayerConfig(), "layer", groups["layer"]),
        model=_parsed(model.settings, "model", groups["model"]),
    )


def plain_settings(settings: Settings) -> dict[str, object]:
    """Settings of a new file as JSON can hold them, group by group."""
    plain = {group: asdict(getattr(settings, group)) for group in OF_FILES if group != "model"}
    return {**{group: _plain(values) for group, values in plain.items()}, "model": _plain(settings.model)}


def suiting(values: Mapping[str, object], groups: Iterable[str]) -> dict[str, object]:
    """Those of some settings, by dotted keys, that belong to some of the groups."""
    return {key: value for key, value in values.items() if key.partition(".")[0] in groups}


def flatten(tables: Mapping[str, object]) -> dict[str, object]:
    """TOML tables to dotted keys."""
    flat: dict[str, object] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}.{inner}": item for inner, item in flatten(value).items()})
        else:
            flat[key] = value
    return flat


def _replaced(config: _Config, group: str, values: Mapping[str, object]) -> _Config:
    parsed = _parsed(type(config), group, values)
    try:
        return replace(config, **parsed)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _parsed(kind: type, group: str, values: Mapping[str, object]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name not in _NOT_SETTABLE]
    parsed = {}
    for name, value in values.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {group}.{near[0]}?" if near else f"Known: {', '.join(f'{group}.{n}' for n in names)}"
            raise UsageError(f"no setting is called '{group}.{name}'", hint)
        try:
            parsed[name] = _parse(hints[name], value)
        except (ValueError, KeyError, TypeError, OverflowError):
            raise UsageError(f"{group}.{name} cannot be {shown(value)}", f"It wants {_wanted(hints[name])}") from None
    return parsed


def _parse(kind: Any, value: object) -> object:
    """One value of a field's type, from text or from a TOML value."""
    if kind is bool:
        if isinstance(value, bool):
            return value
        return {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}[str(value).lower()]
    if get_origin(kind) is tuple:
        item: Callable[[object], object] = lambda part: _parse(get_args(kind)[0], part)  # noqa: E731
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(item(part) for part in parts)  # type: ignore[attr-defined]
    if kind is GridLevel:
        numbers = value.split(":") if isinstance(value, str) else value
        return GridLevel(*(int(number) for number in numbers))  # type: ignore[attr-defined]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[str(value).upper()]
    if kind in (int, float, str):
        return kind(value)
    raise TypeError(kind)


def _wanted(kind: Any) -> str:
    if kind is bool:
        return "on or off"
    if get_origin(kind) is tuple:
        return f"a list: {_wanted(get_args(kind)[0])}, separated by commas"
    if kind is GridLevel:
        return "frames per node : cells per node : channels, e.g. 4:1:2"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(member.name.lower() for member in kind)
    return {int: "a whole number", float: "a number", str: "text"}.get(kind, str(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, GridLevel):
        return [value.interval, value.shrink, value.channels]
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.name.lower() if isinstance(value, Enum) else value
