"""Small clips every test here is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import Planes, VideoFormat


def _noise(format: VideoFormat, count: int, seed: int = 0) -> list[Planes]:
    rng = np.random.default_rng(seed)
    clip = []
    for _ in range(count):
        planes = (rng.integers(0, format.peak + 1, shape).astype(format.dtype) for shape in format.plane_shapes)
        clip.append(tuple(planes))
    return clip


def _save(path: str | Path, format: VideoFormat, clip: list[Planes], *, overwrite: bool = False) -> None:
    with open_sink(path, format, overwrite=overwrite) as sink:
        for planes in clip:
            sink.write(planes)


def _load(path: str | Path, **options: object) -> list[Planes]:
    with open_source(path, **options) as source:  # type: ignore[arg-type]
        clip = list(source)
        assert source.frame_count == len(clip)
        for planes in clip:
            assert [plane.shape for plane in planes] == list(source.format.plane_shapes)
            assert all(plane.dtype == source.format.dtype and plane.flags.writeable for plane in planes)
        return clip


def _same(first: list[Planes], second: list[Planes]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(p, q) for a, b in zip(first, second, strict=True) for p, q in zip(a, b, strict=True)
    )


@pytest.fixture
def noise() -> Callable[..., list[Planes]]:
    """Random pictures of a format: every code value occurs."""
    return _noise


@pytest.fixture
def save() -> Callable[..., None]:
    """Write a clip to a path."""
    return _save


@pytest.fixture
def load() -> Callable[..., list[Planes]]:
    """Read a whole clip and check its shapes."""
    return _load


@pytest.fixture
def same() -> Callable[..., bool]:
    """Whether two clips are equal sample by sample."""
    return _same
