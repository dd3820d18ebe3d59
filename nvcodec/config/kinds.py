"""Kinds of values that options have: from text, or from what Python and TOML have, to one value."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from numbers import Rational
from typing import Any, Generic, TypeVar

from nvcodec.container.limits import Limits
from nvcodec.errors import shown
from nvcodec.io.conversion import Crop
from nvcodec.io.geometry import ntsc

_Value = TypeVar("_Value")
_MOST = (1 << 32) - 1
"""Of numerator and denominator of a frame rate in a file."""
MOST_FRAMES = (1 << 32) - 1
"""That a file can count."""
_FIRST = 0
"""Frame."""
_LARGEST_SHARE = 16
"""Of width and height."""
_PLAIN = 1001
"""Denominators of frame rates are no larger: what a float is a little off is rounded away."""


@dataclass(frozen=True)
class Kind(Generic[_Value]):
    """A kind of value."""

    name: str
    """What messages call it."""
    parse: Callable[[object], _Value]
    """The value that text, or a value of Python or TOML, stands for; ``ValueError``, in the words of the command line,
    where it stands for none."""
    plain: Callable[[Any], object] = lambda value: value
    """What JSON and TOML can hold of a value; ``parse`` reads it back."""
    choices: tuple[str, ...] = ()
    """The words it can be; empty: any."""


def one_of(words: Iterable[str], spellings: Mapping[str, str] | None = None) -> Kind[str]:
    """One of a few words, some of which have other spellings; a near miss is told so."""
    choices = tuple(words)

    def parse(value: object) -> str:
        word = (spellings or {}).get(str(value), str(value))
        if word not in choices:
            message = f"'{value}' is not one of {', '.join(choices)}."
            near = difflib.get_close_matches(word, choices, 1)
            raise ValueError(f"{message} Did you mean '{near[0]}'?" if near else message)
        return word

    return Kind("choice", parse, choices=choices)


def several_of(words: Iterable[str]) -> Kind[tuple[str, ...]]:
    """Some of a few words, in a list or parted by commas."""
    one = one_of(words)

    def parse(value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (tuple, list)):
            raise ValueError(f"{shown(value)} is no list of words")
        return tuple(one.parse(part.strip() if isinstance(part, str) else part) for part in parts)

    return Kind("list", parse, plain=list)


def number(low: float, high: float) -> Kind[float]:
    """A number in a range, its ends included."""
    return _number(lambda found: low <= found <= high, f"{low:g}<=x<={high:g}")


def positive(most: float) -> Kind[float]:
    """A number above 0, and not above ``most``."""
    return _number(lambda found: 0 < found <= most, f"0<x<={most:g}")


def _number(inside: Callable[[float], bool], bounds: str) -> Kind[float]:
    def parse(value: object) -> float:
        try:
            found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            found = math.nan
        if math.isnan(found):
            raise ValueError(f"'{value}' is not a valid number")
        if not inside(found):
            raise ValueError(f"{found} is not in the range {bounds}.")
        return found

    return Kind("number", parse)


def whole(low: int, high: int = MOST_FRAMES) -> Kind[int]:
    """A whole number in a range, its ends included; without an upper end, as many as a file can count."""

    def parse(value: object) -> int:
        try:
            found = None if isinstance(value, (bool, float)) else int(value)  # type: ignore[call-overload]
        except (TypeError, ValueError):
            found = None
        if found is None:
            raise ValueError(f"'{value}' is not a valid whole number")
        if not low <= found <= high:
            raise ValueError(f"{found} is not in the range from {low} to {high}.")
        return int(found)

    return Kind("whole number", parse)


def quantity(name: str, units: Mapping[str, int], examples: str, least: str, most: str) -> Kind[float]:
    """A positive number with a unit, or several that add up, as in ``1h30m``; whole ones of the smallest are whole.

    Args:
        name: What it is.
        units: What each unit multiplies by; the empty one is that of plain numbers.
        examples: How to write it.
        least: The smallest, as it is written.
        most: The largest.
    """

    def total_of(value: object) -> float:
        text = str(value).strip().lower()
        if isinstance(value, float) and math.isfinite(value):
            text = format(value, "f" if value.is_integer() else ".12f")  # not as Python writes large and small ones
        parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", text)
        complete = "".join(number + unit for number, unit in parts) == text
        if not (parts and complete and all(unit in units for _, unit in parts)):
            raise ValueError(f"'{value}' is no {name}; write it as {examples}")
        return sum((float(number) * units[unit] for number, unit in parts), 0.0)

    low, high = total_of(least), total_of(most)

    def parse(value: object) -> float:
        if not low <= (total := total_of(value)) <= high:
            raise ValueError(f"{value} is not in the range from {least} to {most}.")
        return int(total) if total.is_integer() else total

    return Kind(name, parse)


def pairs(
    name: str, read: Callable[[Iterable[str]], _Value], kind: type, plain: Callable[[Any], object]
) -> Kind[_Value]:
    """Words with ``=`` in them, several times or as a dictionary; or what they come to, of one ``kind``."""

    def parse(value: object) -> _Value:
        if isinstance(value, kind):
            return value  # type: ignore[return-value]
        words = (value,) if isinstance(value, str) else value
        if isinstance(words, Mapping):
            words = [f"{key}={each}" for key, each in words.items()]
        if not isinstance(words, (tuple, list)):
            raise ValueError(f"{shown(value)} is no list of words")
        return read(map(str, words))

    return Kind(name, parse, plain)


def _text(value: object) -> str:
    if isinstance(value, (bool, int, float, list, dict, bytes)):
        raise ValueError(f"{shown(value)} is not a text")
    return str(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def _size(value: object) -> tuple[int, int]:
    sides = value if isinstance(value, (tuple, list)) else str(value).lower().split("x")
    digits = [str(side) for side in sides]
    if len(digits) != 2 or not all(re.fullmatch(r"[0-9]{1,5}", side) and int(side) for side in digits):
        raise ValueError(f"'{value}' is no picture size; write it as 1920x1080")
    return int(digits[0]), int(digits[1])


def _frame_rate(value: object) -> Fraction:
    if isinstance(value, str):
        match = re.fullmatch(r"[0-9]{1,10}(?:\.[0-9]{1,6})?|([0-9]{1,10})[/:]([0-9]{1,10})", value)
        if not match or not float(match[2] or 1):
            raise ValueError(f"'{value}' is no frame rate; write it as 30 or 30000/1001")
        if not (exact := Fraction(value.replace(":", "/"))):
            raise ValueError("a frame rate must be above 0")
        value = exact if match[1] else ntsc(exact)
    try:
        exact = Fraction(value) if isinstance(value, Rational) else Fraction(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):  # nan and infinity
        raise ValueError(f"a frame rate of {value} is impossible") from None
    if not isinstance(value, Rational):  # as it is written, else the nearest plain fraction
        written, plain = Fraction(str(value)), exact.limit_denominator(_PLAIN)
        exact = plain if ntsc(written) == written else ntsc(written)
    rate = exact
    if rate <= 0 or max(rate.numerator, rate.denominator) > _MOST:
        raise ValueError(f"a frame rate of {value} is impossible")
    return rate


def _crop(value: object) -> Crop:
    if isinstance(value, Crop):
        return value
    numbers = value if isinstance(value, (tuple, list)) else re.split(r"[:x+]", str(value).lower())
    digits = [str(number) for number in numbers]
    if len(digits) not in (2, 4) or not all(re.fullmatch(r"[0-9]{1,5}", each) for each in digits):
        raise ValueError(f"'{value}' is no part of a picture; write it as 1280:640 or 1280:640:0:40")
    sides = [int(each) for each in digits]
    if not all(sides[:2]):
        raise ValueError(f"'{value}' holds nothing; write it as 1280:640 or 1280:640:0:40")
    return Crop(*sides)


def _plain_fraction(value: object) -> Fraction | None:
    """A number written as ``3``, ``0.75`` or ``3/4``; None: it is not written so."""
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?|[0-9]{1,18}/[0-9]{0,17}[1-9][0-9]{0,17}", str(value)):
        return None
    return Fraction(str(value))


def _size_or_share(value: object) -> tuple[int, int] | Fraction:
    if isinstance(value, (tuple, list)) or "x" in str(value).lower():
        return _size(value)
    share = _plain_fraction(value)
    if share is None or not 0 < share <= _LARGEST_SHARE:
        raise ValueError(f"pictures cannot be scaled to {value}; write 1/2, 0.75 or 1280x720")
    return share


def _time(value: object) -> Fraction:
    found = _plain_fraction(value)
    if found is None:
        raise ValueError(f"'{value}' is no frame, and no time between two; write it as 17 or 17.5")
    if found > MOST_FRAMES:
        raise ValueError(f"{value} is not in the range from {_FIRST} to {MOST_FRAMES}.")
    return found


def _stream(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{shown(value)} is neither the number of a stream nor its name")
    return value


def _settings(words: Iterable[str]) -> Mapping[str, object]:
    settings: dict[str, object] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"--set {word} has no value; write it as KEY=VALUE, e.g. fit.learning_rate=1e-3")
        settings[key.strip()] = text.strip()
    return settings


def _limits(words: Iterable[str]) -> Limits:
    limits = Limits()
    names = [field.name for field in fields(Limits)]
    for word in words:
        name, _, text = word.partition("=")
        if name not in names:
            raise ValueError(f"no limit is called {shown(name)}; limits are {', '.join(names)}")
        if not text.isdecimal() or len(text) > 20:
            raise ValueError(f"--limit {word} has no whole number; write it as {name}=1000000")
        limits = replace(limits, **{name: int(text)})
    return limits


def scale(divisors: Iterable[int]) -> Kind[Fraction]:
    """Share of width and height to draw at: one divided by one of ``divisors``, as a number or written so."""
    shares = {Fraction(1, divisor) for divisor in divisors}
    words = tuple(map(str, sorted(shares, reverse=True)))

    def parse(value: object) -> Fraction:
        try:
            above, _, below = str(value).partition("/")
            given = float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError, OverflowError):
            given = math.nan
        if given not in shares:
            meant = ""
            if 0 < given < math.inf:
                near = min(sorted(shares), key=lambda share: abs(math.log(share) - math.log(given)))
                meant = f". Did you mean '{near}'?"
            raise ValueError(f"pictures cannot be drawn at scale {value}; possible are {', '.join(words)}{meant}")
        return Fraction(given)

    return Kind("scale", parse, plain=str, choices=words)


TEXT = Kind("text", _text)
"""Anything."""
PATH = Kind("path", _text)
"""The name of a file or folder, of something to write or to read."""
FLAG = Kind("flag", _flag)
PICTURE_SIZE = Kind("size", _size, plain=lambda size: f"{size[0]}x{size[1]}")
"""(width, height) in luma samples; text is ``WxH``."""
CROP = Kind("crop", _crop, plain=str)
"""The part of pictures that is kept; text is ``W:H`` or ``W:H:X:Y``."""
SIZE_OR_SHARE: Kind[tuple[int, int] | Fraction] = Kind(
    "size", _size_or_share, plain=lambda to: f"{to[0]}x{to[1]}" if isinstance(to, tuple) else str(to)
)
"""(width, height) in luma samples, or a share of both; text is ``WxH``, ``N/D`` or a decimal."""
FRAME_RATE = Kind("rate", _frame_rate, plain=str)
"""Frames per second; text is ``N`` or ``N/D``. A float, which has no exact thirds, stands for the nearest fraction with
a small denominator; a decimal such as 29.97 for 30000/1001."""
TIME = Kind("time", _time, plain=str)
"""A time in frames; text is ``17``, ``17.5`` or ``35/2``."""
STREAM = Kind("stream", _stream)
"""A video of a file, by number or name."""
SETTINGS: Kind[Mapping[str, object]] = pairs("settings", _settings, Mapping, dict)
"""Settings by dotted key; text is ``KEY=VALUE``, several times."""
LIMITS: Kind[Limits] = pairs("limits", _limits, Limits, lambda limits: [f"{k}={v}" for k, v in asdict(limits).items()])
"""What a reader accepts; text is ``NAME=VALUE``, several times."""
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_BYTES = {f"{prefix}b": factor for prefix, factor in _DECIMAL.items()}
_BINARY = {f"{prefix}ib": 1 << 10 * power for power, prefix in enumerate("kmg", 1)}
SIZE_BYTES = quantity("file size", {**_DECIMAL, **_BYTES, **_BINARY}, "2MB, 900KiB or 500000", "1B", "1000GB")
BIT_RATE = quantity(
    "bit rate", {**_DECIMAL, "bps": 1, "kbps": 10**3, "mbps": 10**6}, "800k, 1.5M or 64000", "0.001", "1000G"
)
COUNT = quantity("number", _DECIMAL, "3M, 750k or 120000", "1", "1G")
DURATION = quantity("duration", {"": 1, "s": 1, "m": 60, "h": 3600}, "90s, 30m, 6h or 90", "0.1s", "8784h")
"""Up to a year."""
