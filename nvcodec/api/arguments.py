"""What functions are given besides options: names of files, and flags."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from os import PathLike, fspath
from typing import ParamSpec, TypeVar

from nvcodec.config.kinds import FLAG
from nvcodec.config.options import read_value
from nvcodec.errors import UsageError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def file_name(value: object) -> str:
    """The name of a file or a folder.

    Raises:
        UsageError: It is none.
    """
    text = fspath(value) if isinstance(value, (str, PathLike)) else None
    if not isinstance(text, str) or not text:
        what = "an empty text" if text == "" else f"a value of type {type(value).__name__}"
        raise UsageError(f"{what} is no name of a file", "Give a str or a pathlib.Path")
    return text


def strict(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """A function that takes nothing but True and False for what it declares as ``bool``, and looks at that first."""
    flags = [name for name, each in signature(function).parameters.items() if each.annotation == "bool"]

    @wraps(function)
    def called(*args: _Given.args, **given: _Given.kwargs) -> _Result:
        for name in flags:
            if name in given:
                read_value(name, FLAG, given[name])
        return function(*args, **given)

    return called
