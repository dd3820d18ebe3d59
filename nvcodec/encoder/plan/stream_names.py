"""What the videos of a file are called. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_MAX_NAME_BYTES = 64


def stream_name(source: str) -> str:
    """The source's file name without folder and suffix, as far as a file may hold it."""
    name = "".join(c for c in Path(source).stem if c.isprintable()) if source != "-" else ""
    return _cut(name, _MAX_NAME_BYTES)


def stream_names(sources: Sequence[str]) -> list[str]:
    """A name for each source that no other has: ``clip``, ``clip_2``. What has no name stays without."""
    names: list[str] = []
    taken: set[str] = set()
    for plain in map(stream_name, sources):
        name, number = plain, 1
        while name in taken:
            number += 1
            ending = f"_{number}"
            name = _cut(plain, _MAX_NAME_BYTES - len(ending)) + ending
        taken |= {name} - {""}
        names.append(name)
    return names


def _cut(name: str, nbytes: int) -> str:
    return name.encode("utf-8", "ignore")[:nbytes].decode("utf-8", "ignore")
