"""What is to be compared with what, from the words of a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from nvcodec.errors import UsageError, shown
from nvcodec.eval.bench import Contestant
from nvcodec.eval.registry import make_codec


def words_of(name: str, value: object) -> list[str]:
    """What the words of an option of the command line are that a keyword of Python stands for.

    Args:
        name: The keyword.
        value: None, such a word, several of them, or a dictionary by codec; of numbers one, or several.

    Raises:
        UsageError: It is something else.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{key}={word}" for key, each in value.items() for word in words_of(name, each)]
    if isinstance(value, str):
        return [value]
    parts: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, bytes) else [value]
    if parts and all(isinstance(part, str) for part in parts):
        return parts
    if all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
        return [",".join(map(str, parts))]
    raise UsageError(f"{name}: {shown(value)} is no list of words or numbers", "Give a list, or a dictionary by codec")


def parse_codecs(codecs: str, points: Iterable[str], extra: Iterable[str] = ()) -> list[Contestant]:
    """``name:preset`` words, and the points and further options of each.

    Raises:
        UsageError: A codec, preset, point or option does not exist, or a codec is named twice.
    """
    chosen, options = _parse_points(points), _parse_options(extra)
    contestants = []
    for word in filter(None, (part.strip() for part in codecs.split(","))):
        kind, _, variant = word.partition("@")
        name, _, preset = kind.partition(":")
        if variant and not re.fullmatch(r"[\w-]+", variant):
            raise UsageError(f"--codecs {word}: a variant is named by letters, digits, _ and -")
        codec = make_codec(name, preset or None, options.get(variant or name, ""), variant)
        common = chosen.get("") if codec.unit != "bpp" else None
        wanted = chosen.get(variant or name) or chosen.get(name) or common or codec.default_points
        for point in wanted:
            codec.check_point(point)
        contestants.append(Contestant(codec, wanted))
    names = [name for one in contestants for name in (one.codec.name, one.codec.variant)]
    if not names:
        raise UsageError("--codecs names no codec", "For example:  --codecs nvc:draft,x264")
    for flag, given in (("--points", chosen), ("--options", options)):
        if unused := given.keys() - {"", *names}:
            raise UsageError(f"{flag} {min(unused)}=... is for a codec that --codecs does not name")
    labels = [one.codec.label for one in contestants]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UsageError(f"--codecs names {twice} twice")
    return contestants


def _parse_points(words: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """``[CODEC=]LIST`` words by codec; the empty name is for all that have none of their own."""
    chosen: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, _, values = word.rpartition("=")
        try:
            chosen[name.strip()] = tuple(dict.fromkeys(float(value) for value in values.split(",")))
        except ValueError:
            raise UsageError(f"--points {word} is no list of numbers", "As in --points x265=22,27,32,37") from None
    return chosen


def _parse_options(words: Iterable[str]) -> dict[str, str]:
    """``CODEC=OPTIONS`` words by codec, several of one codec joined."""
    options: dict[str, str] = {}
    for word in words:
        name, equals, more = word.partition("=")
        if not equals or name.startswith("-"):
            raise UsageError(f"--options {word} names no codec", "As in --options x265='-tune psnr'")
        options[name.strip()] = f"{options.get(name.strip(), '')} {more}".strip()
    return options
