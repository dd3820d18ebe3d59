"""Words on the command line to videos: lists and folders stand for what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nvcodec.errors import InputError
from nvcodec.io.source import VIDEO_SUFFIXES


def expand(words: Iterable[str]) -> list[str]:
    """Paths of videos, in the order given.

    ``@list.txt`` stands for the paths in it, one a line, seen from its folder; blank lines and those that start with
    ``#`` do not count. A folder stands for the videos right in it, by name. A file that is called ``@...`` is itself.

    Raises:
        InputError: A list or folder cannot be read, or there is no video in it.
    """
    videos: list[str] = []
    for word in words:
        if word.startswith("@") and not Path(word).exists():
            for path in _listed(Path(word[1:])):
                videos += _videos(path)
        else:
            videos += _videos(word)
    return videos


def _listed(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise InputError(f"cannot read the list {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"the list {file} is no UTF-8 text", "Write one path on each line") from None
    paths = [str(file.parent / line) for line in lines if line and not line.startswith("#")]
    if not paths:
        raise InputError(f"the list {file} names no video", "Write one path on each line")
    return paths


def _videos(path: str) -> list[str]:
    """The path itself, or of a folder the videos in it."""
    if not Path(path).is_dir():
        return [path]
    try:
        files = sorted(entry for entry in Path(path).iterdir() if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read the folder {path}: {error.strerror}") from None
    videos = [str(file) for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        pictures = any(file.suffix.lower() == ".png" for file in files)
        hint = "PNG pictures are RGB, archives hold 4:2:0: make a .mkv of them first" if pictures else ""
        raise InputError(f"the folder {path} holds no video", hint or "Give files of other kinds by their own names")
    return videos
