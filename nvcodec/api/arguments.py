"""What functions are given besides options: names of files."""

from __future__ import annotations

from os import PathLike, fspath

from nvcodec.errors import UsageError


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
