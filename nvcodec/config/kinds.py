"""Kinds of values that options have: from the text of a command line, or from what Python and TOML have, to one value.

A value that is no such thing raises ``ValueError``, whose message says so in the words of the command line.
"""

from __future__ import annotations

import difflib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from fractions import Fraction
from numbers import Rational
from typing import Generic, TypeVar, final

from nvcodec.container.limits import Limits

_Value = TypeVar("_Value")
_MOST = (1 << 32) - 1
"""Of numerator and denominator of a frame rate in a file."""
_PLAIN = 1001
"""Denominators of frame rates are no larger: what a float is a little off is rounded away."""


class Kind(ABC, Generic[_Value]):
    """A kind of value."""

    name: str
    """What messages call it."""
    choices: tuple[str, ...] = ()
    """The words it can be; empty: any."""

    @abstractmethod
    def parse(self, value: object) -> _Value:
        """The value that text, or a value of Python or TOML, stands for.

        Raises:
            ValueError: It stands for none.
        """

    def plain(self, value: _Value) -> object:
        """What JSON and TOML can hold of a value; :meth:`parse` reads it back."""
        return value


@final
class Text(Kind[str]):
    """Anything; paths too."""

    name = "text"

    def parse(self, value: object) -> str:
        """See :class:`Kind`."""
        if isinstance(value, (bool, int, float, list, dict, bytes)):
            raise ValueError(f"{value!r} is not a text")
        return str(value)


@final
class Flag(Kind[bool]):
    """On or off."""

    name = "flag"

    def parse(self, value: object) -> bool:
        """See :class:`Kind`."""
        if not isinstance(value, bool):
            raise ValueError(f"'{value}' is neither true nor false")
        return value


@final
class OneOf(Kind[str]):
    """One of a few words; a near miss is told so.

    Args:
        choices: The words.
        spellings: Other words for some of them.
    """

    name = "choice"

    def __init__(self, choices: Iterable[str], spellings: Mapping[str, str] | None = None) -> None:
        self.choices = tuple(choices)
        self._spellings = spellings or {}

    def parse(self, value: object) -> str:
        """See :class:`Kind`."""
        word = self._spellings.get(str(value), str(value))
        if word not in self.choices:
            message = f"'{value}' is not one of {', '.join(self.choices)}."
            near = difflib.get_close_matches(word, self.choices, 1)
            raise ValueError(f"{message} Did you mean '{near[0]}'?" if near else message)
        return word


class Number(Kind[float]):
    """A number in a range.

    Args:
        low: The least.
        high: The largest.
        above: Whether the least itself is too little.
        described: The range in words; None = by its bounds.
    """

    name = "number"

    def __init__(self, low: float, high: float, *, above: bool = False, described: str | None = None) -> None:
        self.low, self.high, self._above = low, high, above
        self.described = described or f"{low:g}<=x<={high:g}"

    def parse(self, value: object) -> float:
        """See :class:`Kind`."""
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isnan(number) or isinstance(value, bool):
            raise ValueError(f"'{value}' is not a valid number")
        if not (self.low < number if self._above else self.low <= number) or number > self.high:
            raise ValueError(f"{number} is not in the range {self.described}.")
        return number


def positive() -> Number:
    """A finite number above 0."""
    return Number(0, 1e9, above=True, described="above 0")


@final
class Whole(Kind[int]):
    """A whole number in a range.

    Args:
        low: The least.
        high: The largest; None = any.
    """

    name = "whole number"

    def __init__(self, low: int, high: int | None = None) -> None:
        self.low, self.high = low, high

    def parse(self, value: object) -> int:
        """See :class:`Kind`."""
        try:
            if isinstance(value, (bool, float)):
                raise TypeError
            number = int(value)  # type: ignore[call-overload]
        except (TypeError, ValueError):
            raise ValueError(f"'{value}' is not a valid whole number") from None
        if number < self.low or (self.high is not None and number > self.high):
            bounds = f"from {self.low}" + ("" if self.high is None else f" to {self.high}")
            raise ValueError(f"{number} is not in the range {bounds}.")
        return int(number)


@final
class Quantity(Kind[float]):
    """A positive number with a unit, or several that add up, as in ``1h30m``.

    Args:
        name: What it is.
        units: What each unit multiplies by; the empty one is that of plain numbers.
        examples: How to write it.
    """

    def __init__(self, name: str, units: Mapping[str, int], examples: str) -> None:
        self.name, self._units, self._examples = name, units, examples

    def parse(self, value: object) -> float:
        """See :class:`Kind`; whole numbers of the smallest unit are whole."""
        text = repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
        text = text.strip().lower()
        if re.fullmatch(r"\d+(\.\d+)?e[+-]?\d+", text):  # how Python writes large and small floats
            text = format(float(text), ".20f")
        parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", text)
        whole = "".join(number + unit for number, unit in parts) == text
        if not (parts and whole and all(unit in self._units for _, unit in parts)):
            raise ValueError(f"'{value}' is no {self.name}; write it as {self._examples}")
        total = math.fsum(float(number) * self._units[unit] for number, unit in parts)
        if not 0 < total < 1e18:
            raise ValueError(f"{value} is out of range")
        return int(total) if total.is_integer() else total


@final
class PictureSize(Kind[tuple[int, int]]):
    """Width and height in luma samples; text is ``WxH``."""

    name = "size"

    def parse(self, value: object) -> tuple[int, int]:
        """See :class:`Kind`."""
        sides = value if isinstance(value, (tuple, list)) else str(value).lower().split("x")
        digits = [str(side) for side in sides]
        if len(digits) != 2 or not all(re.fullmatch(r"\d{1,5}", side) and int(side) for side in digits):
            raise ValueError(f"'{value}' is no picture size; write it as 1920x1080")
        return int(digits[0]), int(digits[1])

    def plain(self, value: tuple[int, int]) -> str:
        """See :class:`Kind`."""
        return f"{value[0]}x{value[1]}"


@final
class FrameRate(Kind[Fraction]):
    """Frames per second; text is ``N`` or ``N/D``.

    A float, which has no exact thirds, stands for the nearest fraction with a small denominator.
    """

    name = "rate"

    def parse(self, value: object) -> Fraction:
        """See :class:`Kind`."""
        if not isinstance(value, str):
            return self._of_number(value)
        match = re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?|(\d{1,9})[/:](\d{1,9})", value)
        if not match or not float(match[2] or 1):
            raise ValueError(f"'{value}' is no frame rate; write it as 30 or 30000/1001")
        rate = Fraction(value.replace(":", "/"))
        if not rate:
            raise ValueError("a frame rate must be above 0")
        return rate

    def plain(self, value: Fraction) -> str:
        """See :class:`Kind`."""
        return str(value)

    def _of_number(self, value: object) -> Fraction:
        try:
            exact = Fraction(value) if isinstance(value, Rational) else Fraction(float(value))  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):  # nan and infinity
            raise ValueError(f"a frame rate of {value} is impossible") from None
        rate = exact if isinstance(value, Rational) else exact.limit_denominator(_PLAIN)
        if rate <= 0 or max(rate.numerator, rate.denominator) > _MOST:
            raise ValueError(f"a frame rate of {value} is impossible")
        return rate


@final
class StreamName(Kind[int | str]):
    """A video of a file, by number or name."""

    name = "stream"

    def parse(self, value: object) -> int | str:
        """See :class:`Kind`."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError(f"'{value}' is neither the number of a stream nor its name")
        return value


@final
class Scale(Kind[Fraction]):
    """Share of width and height to draw at: 1, 1/2, 1/4 or 1/8, as a number or written so."""

    name = "scale"

    def __init__(self, divisors: Iterable[int]) -> None:
        self._divisors = tuple(divisors)
        self.choices = tuple("1" if divisor == 1 else f"1/{divisor}" for divisor in self._divisors)

    def parse(self, value: object) -> Fraction:
        """See :class:`Kind`."""
        try:
            share, _, whole = str(value).partition("/")
            for divisor in self._divisors:
                if float(share) / float(whole or 1) == 1 / divisor:
                    return Fraction(1, divisor)
        except (ValueError, ZeroDivisionError):
            pass
        raise ValueError(f"pictures cannot be drawn at scale {value}; possible are {', '.join(self.choices)}")

    def plain(self, value: Fraction) -> str:
        """See :class:`Kind`."""
        return str(value)


@final
class SettingPairs(Kind[Mapping[str, object]]):
    """Settings by dotted key; text is ``KEY=VALUE``, several times."""

    name = "settings"

    def parse(self, value: object) -> Mapping[str, object]:
        """See :class:`Kind`."""
        if isinstance(value, Mapping):
            return dict(value)
        settings: dict[str, object] = {}
        for word in (value,) if isinstance(value, str) else value:  # type: ignore[attr-defined]
            key, equals, text = str(word).partition("=")
            if not equals:
                raise ValueError(f"--set {word} has no value; write it as KEY=VALUE, e.g. fit.learning_rate=1e-3")
            settings[key.strip()] = text.strip()
        return settings

    def plain(self, value: Mapping[str, object]) -> object:
        """See :class:`Kind`."""
        return dict(value)


@final
class LimitPairs(Kind[Limits]):
    """What a reader accepts; text is ``NAME=VALUE``, several times."""

    name = "limits"

    def parse(self, value: object) -> Limits:
        """See :class:`Kind`."""
        if isinstance(value, Limits):
            return value
        limits = Limits()
        names = [field.name for field in fields(Limits)]
        for word in (value,) if isinstance(value, str) else value:  # type: ignore[attr-defined]
            name, _, text = str(word).partition("=")
            if name not in names:
                raise ValueError(f"no limit is called {name!r}; limits are {', '.join(names)}")
            if not text.isdecimal() or len(text) > 18:
                raise ValueError(f"--limit {word} has no whole number; write it as {name}=1000000")
            limits = replace(limits, **{name: int(text)})
        return limits


_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
SIZE_BYTES = Quantity(
    "file size",
    {
        **_DECIMAL,
        "b": 1,
        **{f"{prefix}b": factor for prefix, factor in _DECIMAL.items() if prefix},
        **{f"{prefix}ib": 1 << 10 * power for power, prefix in enumerate("kmg", 1)},
    },
    "2MB, 900KiB or 500000",
)
BIT_RATE = Quantity("bit rate", {**_DECIMAL, "bps": 1, "kbps": 10**3, "mbps": 10**6}, "800k, 1.5M or 64000")
COUNT = Quantity("number", _DECIMAL, "3M, 750k or 120000")
DURATION = Quantity("duration", {"": 1, "s": 1, "m": 60, "h": 3600}, "90s, 30m, 6h or 90")
