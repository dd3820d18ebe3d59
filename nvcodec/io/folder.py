"""Folders of pictures: which files are meant, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nvcodec.errors import InputError

KINDS: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
}
"""Kind of pictures -> how their files are called. Of a folder with several kinds, the first one is taken."""


def kind_of(path: Path) -> str | None:
    """The kind of pictures that a file of a name holds; None: it is none."""
    return next((kind for kind, suffixes in KINDS.items() if path.suffix.lower() in suffixes), None)


def pictures_in(folder: Path) -> tuple[str, list[Path], list[Path]]:
    """The pictures of a folder, in the natural order of their names: ``f2.png`` before ``f10.png``.

    Returns:
        Their kind, their files, and pictures of other kinds, which are left out.

    Raises:
        InputError: There is none, or what is called like a picture is no file.
    """
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in folder.iterdir():
        if (kind := kind_of(path)) is not None and not path.name.startswith("."):
            found[kind].append(path)
    kind = next((kind for kind, paths in found.items() if paths), None)
    if kind is None:
        raise InputError(f"{folder} holds no pictures", "Give a folder of PNG, JPEG or TIFF pictures, or a video file.")
    for path in found[kind]:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else "no file"
            raise InputError(f"{path} is {what}, not a picture", "Take it out of the folder.")
    others = [path for other, paths in found.items() if other != kind for path in paths]
    return kind, sorted(found[kind], key=_natural_order), others


def unlike(path: Path, size: Sequence[int], first: Path, first_size: Sequence[int]) -> InputError:
    """That a picture is not as large as the first one."""
    (width, height), (wide, high) = size, first_size
    return InputError(
        f"{path} is {width}x{height}, but {first.name} is {wide}x{high}",
        "All pictures of a folder must have the same size.",
    )


def _natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    words = re.findall(r"[0-9]+|[^0-9]+", path.name)
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words], path.name
