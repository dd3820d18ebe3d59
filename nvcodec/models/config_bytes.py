"""What configurations share: reading themselves from bytes that may be hostile, checking their numbers. No torch."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple


class ConfigReader:
    """The numbers of a configuration, in order. Running out of them, or having some left, is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def bytes(self, count: int) -> tuple[int, ...]:
        """The next numbers of one byte each."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("the configuration ends early")
        self._at += count
        return tuple(taken)

    def words(self, count: int) -> tuple[int, ...]:
        """The next numbers of two bytes each, the higher one first."""
        pairs = self.bytes(2 * count)
        return tuple(256 * high + low for high, low in zip(pairs[::2], pairs[1::2], strict=True))

    def rest(self) -> builtins.bytes:
        """What is left."""
        taken, self._at = self._data[self._at :], len(self._data)
        return taken

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise ValueError("the configuration has bytes left over")


def check_range(name: str, values: Iterable[int], low: int, high: int) -> None:
    """Refuse numbers outside of a range with a ValueError."""
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{name} must lie in {low}..{high}, not {value}")


class Choice(NamedTuple):
    """A field that a file names only where its value is not the one that files have had from the start."""

    id: int
    """Number in files, 1..255; never used again for another field."""
    field: str
    """Name in the dataclass, whose default there is the value that is not written."""
    kind: type[int] = int
    """``int``, ``bool`` or an ``IntEnum``: values are 0..255."""


def choices_to_bytes(config: Any, choices: Sequence[Choice]) -> bytes:
    """What differs from the defaults, as pairs of an id and a value in ascending order of ids."""
    defaults = _defaults(config)
    out = bytearray()
    for choice in sorted(choices):
        value = getattr(config, choice.field)
        if value != defaults[choice.field]:
            out += bytes((choice.id, int(value)))
    return bytes(out)


def choices_from_bytes(kind: Any, data: bytes, choices: Sequence[Choice]) -> dict[str, Any]:
    """Inverse of :func:`choices_to_bytes`: values of fields, those left out that have their default.

    Raises:
        ValueError: An id is unknown, comes twice or too late, or a value is none of its field or its default.
    """
    if len(data) % 2:
        raise ValueError("the choices end early")
    known, defaults = {choice.id: choice for choice in choices}, _defaults(kind)
    found: dict[str, Any] = {}
    last = 0
    for id_, value in zip(data[::2], data[1::2], strict=True):
        if id_ not in known:
            raise ValueError(f"choice {id_} is not known")
        if id_ <= last:
            raise ValueError(f"choice {id_} comes behind choice {last}")
        last, choice = id_, known[id_]
        if choice.kind is bool and value > 1:
            raise ValueError(f"choice {id_} is neither 0 nor 1")
        found[choice.field] = choice.kind(value)
        if found[choice.field] == defaults[choice.field]:
            raise ValueError(f"choice {id_} is what it is without being written")
    return found


def _defaults(config: Any) -> Mapping[str, Any]:
    return {field.name: field.default for field in fields(config)}
