"""A small video that moves, and encodes of it that take a second."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions, changed
from nvcodec.config.target import TargetKind
from nvcodec.io.sink import open_sink
from nvcodec.types import ChromaFormat, Planes, VideoFormat

SMALL = VideoFormat(64, 48, Fraction(25))
TINY_MODEL: dict[str, object] = {
    "strides": "2,2",
    "channels": "8,6",
    "depths": "1,1",
    "expansions": "2,2",
    "grids": "2:1:2",
    "shuffle": 4,
    "local_levels": 1,
}


def _moving(video: VideoFormat, frames: int) -> list[Planes]:
    clip = []
    for frame in range(frames):
        planes = []
        for index, (rows, columns) in enumerate(video.plane_shapes):
            y, x = np.mgrid[0:rows, 0:columns] * (video.height / rows)
            wave = 0.5 + 0.25 * np.sin(x / 9 + frame / 3 + index) + 0.2 * np.cos(y / 7 - frame / 4 + x / 20)
            planes.append(np.rint(wave * video.peak).astype(video.dtype))
        clip.append(tuple(planes))
    return clip


@pytest.fixture(scope="session")
def moving() -> Callable[[VideoFormat, int], list[Planes]]:
    """Pictures of smooth waves that travel."""
    return _moving


@pytest.fixture(scope="session")
def traced() -> Callable[[Callable[[int], None], int], tuple[int, int]]:
    """Bytes that many readings leave behind, and the most that they take, once the first ones are over."""

    def measure(read: Callable[[int], None], count: int) -> tuple[int, int]:
        read(count // 4)
        gc.collect()
        gc.disable()  # nothing may wait for it
        tracemalloc.start()
        try:
            read(count // 4)  # until the free lists of Python, which collecting has emptied, are as long as they get
            before, _ = tracemalloc.get_traced_memory()
            read(count)
            after, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
        return after - before, peak

    return measure


@pytest.fixture
def tiny_job(tmp_path: Path) -> Callable[..., Job]:
    """A job that encodes eight moving frames of 64x48 with a network of some thousand parameters."""

    def make(
        kind: TargetKind = TargetKind.SIZE,
        value: float = 1500,
        *,
        video: VideoFormat = SMALL,
        frames: int = 8,
        epochs: float = 3,
        settings: dict[str, object] | None = None,
        output: str = "out.nvc",
        **options: object,
    ) -> Job:
        suffix = ".mkv" if video.chroma is ChromaFormat.RGB else ".y4m"
        planes = "" if video.chroma is ChromaFormat.YUV420 else f"_{video.chroma.name}"
        source = tmp_path / f"source_{video.width}x{video.height}_{video.bit_depth}{planes}{suffix}"
        if not source.exists():
            with open_sink(source, video) as sink:
                for planes in _moving(video, frames):
                    sink.write(planes)
        model = {f"model.{name}": value for name, value in TINY_MODEL.items()}
        target = {kind: kind.value, TargetKind.SIZE: "target_size", TargetKind.PSNR: "target_psnr"}[kind]
        asked = {"preset": "draft", "device": "cpu", "epochs": epochs, target: value, **options}
        asked["settings"] = {**model, **(settings or {})}
        return Job((str(source),), str(tmp_path / output), changed(EncodeOptions(), asked))

    return make
