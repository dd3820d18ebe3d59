"""Files of results, read with care."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nvcodec.errors import InputError


def read_json(path: Path) -> Any:
    """Whatever a JSON file holds.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None


class Fields:
    """A JSON object that says, by a ValueError, what is missing from it or is of the wrong kind."""

    def __init__(self, value: Any, where: str = "") -> None:
        """Begin with ``value``, found at ``where`` in its document; it may turn out to be no object."""
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'the file'} holds {_short(value)}, not an object")
        self.value: dict[str, Any] = value
        self._inside = f"{where}." if where else ""

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def object(self, key: str) -> Fields:
        """An object."""
        return Fields(self._get(key), self._inside + key)

    def objects(self, key: str) -> Iterator[Fields]:
        """A list of objects, one by one."""
        for index, item in enumerate(self._list(key)):
            yield Fields(item, f"{self._inside}{key}[{index}]")

    def text(self, key: str) -> str:
        """A string."""
        found = self._get(key)
        return found if isinstance(found, str) else self._wrong(key, "a text")

    def texts(self, key: str) -> dict[str, str]:
        """An object whose values are strings."""
        inner = self.object(key)
        return {name: inner.text(name) for name in inner.value}

    def whole(self, key: str, at_least: int = 0) -> int:
        """An integer."""
        found = self._get(key)
        if isinstance(found, bool) or not isinstance(found, int) or found < at_least:
            self._wrong(key, f"a whole number of at least {at_least}")
        return int(found)

    def number(self, key: str) -> float:
        """A finite number."""
        found = self._get(key)
        return float(found) if _is_number(found) else self._wrong(key, "a number")

    def numbers(self, key: str) -> list[float]:
        """A list of finite numbers."""
        found = self._list(key)
        for index, item in enumerate(found):
            if not _is_number(item):
                raise ValueError(f"{self._inside}{key}[{index}] is {_short(item)}, not a number")
        return [float(item) for item in found]

    def _list(self, key: str) -> list[Any]:
        found = self._get(key)
        return found if isinstance(found, list) else self._wrong(key, "a list")

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise ValueError(f"{self._inside}{key} is missing")
        return self.value[key]

    def _wrong(self, key: str, wanted: str) -> Any:
        raise ValueError(f"{self._inside}{key} is {_short(self.value[key])}, not {wanted}")


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
