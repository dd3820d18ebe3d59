"""Options in groups, types with units, and the options that several commands share."""

from __future__ import annotations

import difflib
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

import click

from nvcodec.cli._terminal import Terminal
from nvcodec.encoder.plan.presets import PRESETS

_Function = TypeVar("_Function", bound=Callable[..., Any])
MAX_WIDTH = 100


class GroupedOption(click.Option):
    """An option under a heading, with spellings of other programs that the help does not show."""

    def __init__(self, *args: Any, group: str = "General", aliases: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.group = group
        self.aliases = aliases

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Leave out the range, which is obvious or stands in the metavar."""
        record = super().get_help_record(ctx)
        bounds = f"  [{describe()}]" if (describe := getattr(self.type, "_describe_range", None)) else ""
        return record and (record[0], record[1].removesuffix(bounds))

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register the option, and its other spellings."""
        super().add_to_parser(parser, ctx)
        if self.aliases:
            parser.add_option(obj=self, opts=self.aliases, dest=self.name, action="store", nargs=self.nargs)


class Command(click.Command):
    """A command whose help lists its options by group, then examples."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **settings: Any) -> None:
        settings.setdefault("context_settings", {"max_content_width": MAX_WIDTH, "help_option_names": ["-h", "--help"]})
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in the order they first appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(getattr(parameter, "group", "General"), []).append(record)
        groups["General"] = groups.pop("General")  # last
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def option(*names: str, group: str, aliases: tuple[str, ...] = (), **settings: Any) -> Callable[[_Function], _Function]:
    """Declare an option of a :class:`Command`."""
    return click.option(*names, cls=GroupedOption, group=group, aliases=aliases, **settings)


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of a few words; a near miss is told so."""

    def __init__(self, choices: Iterable[str], spellings: Mapping[str, str] | None = None) -> None:
        super().__init__(list(choices))
        self.spellings = spellings or {}
        """Other words for some of the choices."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a word."""
        word = self.spellings.get(str(value), str(value))
        if word not in self.choices:
            message = f"'{value}' is not one of {', '.join(self.choices)}."
            near = difflib.get_close_matches(word, self.choices, 1)
            self.fail(f"{message} Did you mean '{near[0]}'?" if near else message, param, ctx)
        return word


class Quantity(click.ParamType):  # type: ignore[type-arg]
    """A positive number with a unit, or several that add up, as in ``1h30m``."""

    def __init__(self, name: str, units: Mapping[str, int], examples: str) -> None:
        self.name = name
        self.units = units
        self.examples = examples

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Turn text into a number of the smallest unit."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = repr(value)
        parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", str(value).strip().lower())
        whole = "".join(number + unit for number, unit in parts) == str(value).strip().lower()
        if not (parts and whole and all(unit in self.units for _, unit in parts)):
            self.fail(f"'{value}' is no {self.name}; write it as {self.examples}", param, ctx)
        total = math.fsum(float(number) * self.units[unit] for number, unit in parts)
        if not 0 < total < 1e18:
            self.fail(f"{value} is out of range", param, ctx)
        return int(total) if total.is_integer() else total


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


class PictureSize(click.ParamType):  # type: ignore[type-arg]
    """``WxH`` in luma samples."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Turn ``352x288`` into (352, 288)."""
        match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", str(value))
        if not match or not all(int(side) for side in match.groups()):
            self.fail(f"'{value}' is no picture size; write it as 1920x1080", param, ctx)
        return int(match[1]), int(match[2])


class FrameRate(click.ParamType):  # type: ignore[type-arg]
    """``N`` or ``N/D`` frames per second."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Turn ``30000/1001`` into a fraction."""
        match = re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?|(\d{1,9})[/:](\d{1,9})", str(value))
        if not match or not float(match[2] or 1):
            self.fail(f"'{value}' is no frame rate; write it as 30 or 30000/1001", param, ctx)
        rate = Fraction(str(value).replace(":", "/"))
        if not rate:
            self.fail("a frame rate must be above 0", param, ctx)
        return rate


class Number(click.FloatRange):
    """A number in a range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Turn text into a number of the range."""
        try:
            number = float(super().convert(value, param, ctx))
        except TypeError:  # a list or the like, from a configuration file
            number = math.nan
        if math.isnan(number):  # which no comparison with a bound refuses
            self.fail(f"'{value}' is not a valid number", param, ctx)
        return number


class Positive(Number):
    """A finite number above 0."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=1e9)

    def _describe_range(self) -> str:
        return "above 0"


class Whole(click.IntRange):
    """A whole number."""

    name = "whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Turn text into a whole number of the range."""
        try:
            return int(super().convert(value, param, ctx))
        except TypeError:  # a list or the like, from a configuration file
            self.fail(f"'{value}' is not a valid whole number", param, ctx)

    def _describe_range(self) -> str:
        return f"from {self.min}" + ("" if self.max is None else f" to {self.max}")


PIXEL_FORMAT = Choice(["yuv420p", "yuv420p10le"], {"8": "yuv420p", "10": "yuv420p10le"})
_RAW = "Raw .yuv input (else read from header or file name)"


def _stacked(*decorators: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    def apply(function: _Function) -> _Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def raw_options() -> Callable[[_Function], _Function]:
    """Geometry of raw video: ``size``, ``fps``, ``pix_fmt``."""
    return _stacked(
        option("-s", "--size", group=_RAW, type=PictureSize(), metavar="WxH", aliases=("--input-res",),
               help="Picture size."),
        option("-r", "--fps", group=_RAW, type=FrameRate(), metavar="N[/D]",
               help="Frame rate, e.g. 30 or 30000/1001."),
        option("--pix-fmt", group=_RAW, type=PIXEL_FORMAT, aliases=("--input-depth",),
               help="8 or 10 bit planar 4:2:0."),
    )  # fmt: skip


def frame_options() -> Callable[[_Function], _Function]:
    """Range of frames: ``seek``, ``frames``."""
    return _stacked(
        option("--seek", group="Frames", type=Whole(min=0), metavar="N", default=0,
               help="First frame to use.  [default: 0]"),
        option("-n", "--frames", group="Frames", type=Whole(min=1), metavar="N",
               help="Number of frames.  [default: to the end]"),
    )  # fmt: skip


def effort_options(preset: str, planned: str) -> Callable[[_Function], _Function]:
    """How long to fit: ``preset``, ``epochs``, ``max_time_s``.

    Args:
        preset: Which preset is the default, in words.
        planned: What ends in the time that is given.
    """
    return _stacked(
        option("--preset", group="Speed", type=Choice(PRESETS), help=f"Encoding effort.  [default: {preset}]"),
        option("--epochs", group="Speed", type=Positive(), metavar="N",
               help="Override the preset's passes over the clip."),
        option("--max-time", "max_time_s", group="Speed", type=DURATION, metavar="T",
               help=f"Plan the {planned} to end in this time: 90s, 30m, 6h."),
    )  # fmt: skip


def device_options() -> Callable[[_Function], _Function]:
    """Where to compute: ``device``, ``threads``."""
    return _stacked(
        option("--device", group="Compute", metavar="DEV", default="auto",
               help="auto, cpu, cuda, cuda:1 or mps.  [default: auto]"),
        option("--threads", group="Compute", type=Whole(1, 1024), metavar="N", default=1,
               help="CPU threads.  [default: 1]"),
    )  # fmt: skip


def seed_option() -> Callable[[_Function], _Function]:
    """``seed``."""
    return option("--seed", group="Compute", type=Whole(0, 2**32 - 1), metavar="N", default=0,
                  help="Random seed.  [default: 0]")  # fmt: skip


def json_option() -> Callable[[_Function], _Function]:
    """``as_json``."""
    return option("--json", "as_json", group="Output", is_flag=True, help="Print one JSON result on stdout when done.")


def progress_option() -> Callable[[_Function], _Function]:
    """``progress``."""
    return option("--progress", group="Output", type=Choice(["auto", "bar", "plain", "json", "none"]), default="auto",
                  help="Progress on stderr; auto = bar on a terminal, else plain lines.  [default: auto]")  # fmt: skip


def overwrite_option() -> Callable[[_Function], _Function]:
    """``overwrite``."""
    return option("-y", "--overwrite", group="Output", is_flag=True, help="Replace an existing output file.")


def verbosity_options() -> Callable[[_Function], _Function]:
    """``-v`` and ``-q``, which set the :class:`Terminal` and are no parameters of the command."""

    def set_verbose(ctx: click.Context, param: click.Parameter, value: int) -> None:
        ctx.ensure_object(Terminal).verbose = value
        if value >= 2:
            logging.basicConfig(level=logging.DEBUG)

    def set_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.ensure_object(Terminal).quiet = value

    return _stacked(
        option("-v", "--verbose", group="Output", count=True, expose_value=False, is_eager=True, callback=set_verbose,
               help="More detail; -vv also shows library logs."),
        option("-q", "--quiet", group="Output", is_flag=True, expose_value=False, is_eager=True, callback=set_quiet,
               help="Errors only."),
    )  # fmt: skip
