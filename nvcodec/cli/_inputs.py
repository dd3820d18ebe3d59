"""Words on the command line to videos: lists and folders stand for what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nvcodec.errors import InputError
from nvcodec.io.folder import kind_of
from nvcodec.io.source import VIDEO_SUFFIXES


def expand(words: Iterable[str]) -> list[str]:
    """Paths of videos, in the order given.

    ``@list.txt`` stands for the paths in it, one a line, seen from its folder; blank lines and those that start with
    ``#`` do not count. A folder stands for the videos right in it, by name, folders of pictures among them; one that
    holds nothing but pictures is a video itself. A file that is called ``@...`` is itself.

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
        videos = [str(entry) for entry in sorted(_seen(path)) if _is_video(entry)]
        if videos or _holds_pictures(path):
            return videos or [path]
    except OSError as error:
        raise InputError(f"cannot read the folder {path}: {error.strerror}") from None
    raise InputError(f"the folder {path} holds no video", "Give files of other kinds by their own names")


def _seen(folder: str | Path) -> list[Path]:
    return [entry for entry in Path(folder).iterdir() if not entry.name.startswith(".")]


def _is_video(path: Path) -> bool:
    return _holds_pictures(path) if path.is_dir() else path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES


def _holds_pictures(folder: str | Path) -> bool:
    return any(kind_of(entry) is not None for entry in _seen(folder) if entry.is_file())
