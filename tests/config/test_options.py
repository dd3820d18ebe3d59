"""Options as data: types say what fields say, values of every kind come back, and nonsense is a ``ValueError``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from fractions import Fraction
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.config.job import Job
from nvcodec.config.keywords import (
    DecodeKeywords,
    EncodeKeywords,
    EvalKeywords,
    LayerKeywords,
    MetricName,
    SheetKeywords,
)
from nvcodec.config.options import (
    DecodeOptions,
    EncodeOptions,
    EvalOptions,
    Options,
    SheetOptions,
    changed,
    described,
    keyword,
    plain,
)
from nvcodec.container import Limits
from nvcodec.errors import UsageError

CLASSES: tuple[type[Options], ...] = (EncodeOptions, DecodeOptions, SheetOptions, EvalOptions)
EVERY = [(options, name) for options in CLASSES for name in described(options)]
_MOST = (1 << 32) - 1

_setting = st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "size": st.tuples(st.integers(1, 99_999), st.integers(1, 99_999)),
    "fps": st.fractions(Fraction(1, _MOST), _MOST, max_denominator=_MOST).filter(lambda fps: fps.numerator <= _MOST),
    "rate": st.fractions(Fraction(1, _MOST), _MOST, max_denominator=_MOST).filter(lambda fps: fps.numerator <= _MOST),
    "crop": st.tuples(*[st.integers(1, 99_999)] * 2) | st.tuples(*[st.integers(1, 99_999)] * 4),
    "scale": st.tuples(*[st.integers(1, 99_999)] * 2) | st.fractions(Fraction(1, 1000), 16, max_denominator=1000),
    "frame": st.fractions(0, _MOST, max_denominator=1000),
    "columns": st.integers(1, _MOST),
    "width": st.integers(8, 4096),
    "seek": st.integers(0, _MOST),
    "frames": st.integers(1, _MOST),
    "video_stream": st.integers(0, _MOST),
    "allow_truncated": st.booleans(),
    "audio_from": st.text(),
    "mask": st.text(),
    "preview": st.booleans(),
    "deinterlace": st.booleans(),
    "parameters": st.floats(1, 1e9),
    "crf": st.floats(0, 63),
    "bpp": st.floats(1e-6, 1e4),
    "bitrate": st.floats(1e-3, 1e12),
    "target_size": st.floats(1, 1e12) | st.integers(1, 10**12),
    "target_psnr": st.floats(1e-6, 100),
    "epochs": st.floats(1e-6, 1e6),
    "max_time_s": st.floats(0.1, 366 * 24 * 3600),
    "settings": st.dictionaries(st.sampled_from(["fit.batch", "loss.kind", "gop.length", "model.strides"]), _setting),
    "device": st.text(),
    "threads": st.integers(1, 1024),
    "segment": st.integers(1, _MOST),
    "seed": st.integers(0, _MOST),
    "step": st.integers(1, _MOST),
    "interpolate": st.integers(1, 64),
    "stream": st.integers() | st.text(),
    "layers": st.integers(0, 255),
    "batch": st.integers(1, 4096),
    "metrics": st.lists(st.sampled_from(["psnr", "ms-ssim", "vmaf"])).map(tuple),
    "limits": st.builds(Limits, max_frames=st.integers(1, 10**18), max_width=st.integers(1, 10**18)),
    "check": st.booleans(),
}


def options_of(kind: type[Options]) -> st.SearchStrategy[Any]:
    """Options with any values in any of their fields."""
    values = {
        name: st.sampled_from(option.kind.choices) if option.kind.choices else _VALUES[name]
        for name, option in described(kind).items()
    }
    return st.fixed_dictionaries({}, optional=values).map(lambda found: changed(kind(), _agreeing(found)))


def _agreeing(found: dict[str, Any]) -> dict[str, Any]:
    """Without what a recipe says in other words."""
    return {name: value for name, value in found.items() if "recipe" not in found or name not in ("model", "preset")}


def _types(hint: Any) -> set[Any]:
    return set(get_args(hint)) if get_origin(hint) in (Union, UnionType) else {hint}


@pytest.mark.parametrize(
    ("options", "keywords", "wider"),
    [
        (
            EncodeOptions,
            EncodeKeywords,
            {
                **{name: {str} for name in ("size", "parameters", "bitrate", "target_size", "max_time_s")},
                **{name: {float, str} for name in ("rate", "fps", "scale")},
                "crop": {str, tuple[int, ...]},
                "settings": {NoneType},
                "mask": {Path},
            },
        ),
        (
            DecodeOptions,
            DecodeKeywords,
            {
                "rate": {float, str},
                "audio_from": {Path},
                "limits": {Mapping[str, int]},
                "frame": {str, float},
                "scale": {float, Literal["1", "1/2", "1/4", "1/8"]},
            },
        ),
        (SheetOptions, SheetKeywords, {}),
        (
            EvalOptions,
            EvalKeywords,
            {
                "size": {str},
                **{name: {float, str} for name in ("rate", "fps", "scale")},
                "crop": {str, tuple[int, ...]},
                "mask": {Path},
            },
        ),
    ],
)
def test_keywords_are_the_fields(options: type, keywords: type, wider: dict[str, set[type]]) -> None:
    """By their own names, and by those of the flags."""
    ours, theirs = get_type_hints(options), get_type_hints(keywords)
    flags = {keyword(option): name for name, option in described(options).items()}
    assert theirs.keys() == ours.keys() | flags.keys()
    assert all(theirs[flag] == theirs[name] for flag, name in flags.items())
    if "metrics" in ours:  # any sequence of names will do, and text
        assert _types(theirs["metrics"]) == {Sequence[MetricName], str}
        ours["metrics"] = theirs["metrics"]
    assert all(_types(ours[name]) <= _types(theirs[name]) for name in ours)
    assert {name: more for name in ours if (more := _types(theirs[name]) - _types(ours[name]))} == wider


def test_keywords_of_layers_are_some_of_them() -> None:
    of_layers, of_encodes = get_type_hints(LayerKeywords), get_type_hints(EncodeKeywords)
    assert of_layers.items() <= of_encodes.items() and len(of_layers) < len(of_encodes)


@pytest.mark.parametrize("options", CLASSES)
def test_every_field_has_an_option(options: type[Options]) -> None:
    for name, option in described(options).items():
        assert option.flags[-1].startswith("--") and all(flag.startswith("-") for flag in option.flags), name
        assert option.help and option.group and option.kind.name, name
    flags = [flag for option in described(options).values() for flag in (*option.flags, *option.aliases)]
    assert len(flags) == len(set(flags))
    assert all(field.default is not MISSING or field.default_factory is not MISSING for field in fields(options))


def _parameters(command: click.Command) -> Iterator[tuple[str, set[str]]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield str(parameter.name), {flag for flag in parameter.opts if flag.startswith("-")}


def test_commands_have_the_options_of_the_fields() -> None:
    from nvcodec.cli import add_layer, decode, encode, eval, sheet

    layers = {
        name: option for name, option in described(EncodeOptions).items() if name in get_type_hints(LayerKeywords)
    }
    for command, known in (
        (encode.command, described(EncodeOptions)),
        (decode.command, described(DecodeOptions)),
        (eval.command, described(EvalOptions)),
        (sheet.command, described(SheetOptions)),
        (add_layer.command, layers),
    ):
        found = dict(_parameters(command))
        assert {name: found[name] for name in known} == {name: set(option.flags) for name, option in known.items()}
    assert not found.keys() & (described(EncodeOptions).keys() - layers.keys())


@given(st.sampled_from(CLASSES).flatmap(options_of))
def test_plain_values_come_back(options: Options) -> None:
    assert changed(type(options)(), plain(options)) == options


@given(options_of(EncodeOptions), st.none() | st.text())
def test_jobs_come_back_as_json(options: EncodeOptions, base: str | None) -> None:
    job = Job(("a.y4m", "b.y4m"), "x.nvc", options, base)
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job


@pytest.mark.parametrize(("options", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
@given(
    value=st.text()
    | st.floats()
    | st.integers()
    | st.booleans()
    | st.binary()
    | st.lists(st.text() | st.floats() | st.integers())
    | st.dictionaries(st.text(), st.integers())
)
def test_nonsense_is_a_value_error(options: type[Options], name: str, value: object) -> None:
    """And what is none is the same value when it is read again."""
    kind = described(options)[name].kind
    try:
        found = kind.parse(value)
    except ValueError as error:
        assert str(error)
        with pytest.raises(UsageError, match=f"^{name}: "):
            changed(options(), {name: value})
        return
    assert kind.parse(kind.plain(found)) == found == getattr(changed(options(), {name: value}), name)


@pytest.mark.parametrize("text", ["9" * 308 + "b" + "9" * 308 + "b", "1e400", "9" * 5000, "٣", "1_0", "0x10", "²"])
@pytest.mark.parametrize(("options", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_numbers_nobody_writes(options: type[Options], name: str, text: str) -> None:
    try:
        described(options)[name].kind.parse(text)
    except ValueError as error:
        assert str(error)


_BOUNDS = {
    "crf": (0, 63), "bpp": (1e-300, 1e4), "bitrate": (1e-3, 1e12), "target_size": (1, 1e12),
    "target_psnr": (1e-300, 100), "epochs": (1e-300, 1e6), "max_time_s": (0.1, 31_622_400), "parameters": (1, 1e9),
    "seek": (0, _MOST), "frames": (1, _MOST), "segment": (1, _MOST), "step": (1, _MOST), "threads": (1, 1024),
    "seed": (0, _MOST), "interpolate": (1, 64), "layers": (0, 255), "batch": (1, 4096),
    "video_stream": (0, _MOST), "columns": (1, _MOST), "width": (8, 4096),
}  # fmt: skip
_NOT_ONE_NUMBER = {
    "rate",
    "size",
    "crop",
    "path",
    "time",
    "settings",
    "limits",
    "scale",
    "stream",
    "text",
    "flag",
    "choice",
    "list",
}


@pytest.mark.parametrize(("options", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_every_number_has_bounds(options: type[Options], name: str) -> None:
    """Its ends are taken, what lies beyond them is not, and neither is what is no number."""
    if described(options)[name].kind.name in _NOT_ONE_NUMBER:
        return
    low, high = _BOUNDS[name]
    for value in (low, high):
        assert getattr(changed(options(), {name: value}), name) == value
    for value in (
        -1,
        low - 1,
        low / 2 - 1,
        high * 1.01 + 1 if isinstance(high, float) else high + 1,
        10 * high,
        10**30,
    ):
        with pytest.raises(UsageError, match=f"^{name}: .*(is not in the range|is no |is not a valid)"):
            changed(options(), {name: value})
    for text in ("nan", "inf", "-inf", "1e999", ""):
        with pytest.raises(UsageError, match=f"^{name}: "):
            changed(options(), {name: text})


@pytest.mark.parametrize(
    ("value", "meant"), [("1/3", "1/4"), ("0.3", "1/4"), ("2", "1"), ("1/16", "1/8"), (0.45, "1/2"), ("1e-300", "1/8")]
)
def test_scales_that_are_meant(value: str | float, meant: str) -> None:
    with pytest.raises(UsageError, match="pictures cannot be drawn at scale") as caught:
        changed(DecodeOptions(), {"scale": value})
    assert f"Did you mean '{meant}'?" in caught.value.hint


def test_no_more_is_asked_for_than_the_metric_can_say() -> None:
    for value in (3300, 150, "100.01"):
        with pytest.raises(UsageError, match=r"target_psnr: .* is not in the range 0<x<=100"):
            changed(EncodeOptions(), {"target_psnr": value})


def test_none_is_the_default() -> None:
    options = EncodeOptions(seek=3, bpp=0.1, settings={"fit.batch": 2}, threads=2)
    assert changed(options, {"seek": None, "bpp": None, "settings": None, "threads": None}) == EncodeOptions()


def test_names_that_are_none() -> None:
    with pytest.raises(UsageError, match="no option is called 'presett'") as caught:
        changed(EncodeOptions(), {"presett": "draft"})
    assert caught.value.hint == "Did you mean preset?"
    with pytest.raises(UsageError, match="no option is called 'zzz'") as caught:
        changed(EncodeOptions(), {"zzz": 1})
    assert "target_psnr" in caught.value.hint


def test_a_dictionary_is_no_options() -> None:
    with pytest.raises(UsageError, match="options cannot be a dict") as caught:
        changed({"bpp": 1}, {})  # type: ignore[type-var]
    assert "EncodeOptions" in caught.value.hint


def test_limits_and_settings_may_be_dictionaries() -> None:
    assert changed(DecodeOptions(), {"limits": {"max_frames": 3}}).limits == Limits(max_frames=3)
    with pytest.raises(UsageError, match="no limit is called 'max_frams'"):
        changed(DecodeOptions(), {"limits": {"max_frams": 3}})
    assert changed(EncodeOptions(), {"settings": {"fit.batch": 2}}).settings == {"fit.batch": 2}


@pytest.mark.parametrize("base", [12, 15, 24, 30, 48, 60, 90, 96, 120, 240])
@pytest.mark.parametrize("digits", [2, 3, 4, 6])
def test_decimals_mean_rates_of_television(base: int, digits: int) -> None:
    exact = Fraction(base * 1000, 1001)
    written = f"{float(exact):.{digits}f}"
    parse = described(EncodeOptions)["fps"].kind.parse
    assert parse(written) == parse(float(written)) == exact
    assert described(DecodeOptions)["rate"].kind.parse(written) == exact


@pytest.mark.parametrize(
    "rate", ["25", "12.5", "29.5", "29.966", "23.9", "0.5", "2997/100", "2997:100", "24.25", "7.25"]
)
def test_other_rates_mean_what_they_say(rate: str) -> None:
    assert described(EncodeOptions)["fps"].kind.parse(rate) == Fraction(rate.replace(":", "/"))
