"""Planes that never change come back exactly, at once and in a few hundred bytes, whatever draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.encoder.footage.clip import Clip
from nvcodec.io.sink import open_sink
from nvcodec.models.registry import MODELS, by_name
from nvcodec.types import SRGB, ChromaFormat, Planes, VideoFormat

Moving = Callable[[VideoFormat, int], list[Planes]]
EVERY = [model.name for model in MODELS]
SMALL = VideoFormat(64, 48, Fraction(25))
RGB = replace(SMALL, chroma=ChromaFormat.RGB, colour=SRGB)
FORMATS = {
    "8 bit": (SMALL, 8),
    "10 bit": (replace(SMALL, bit_depth=10), 8),
    "odd": (replace(SMALL, width=37, height=21), 1),
    "one sample": (replace(SMALL, width=1, height=1), 2),
    "RGB": (RGB, 3),
    "grey": (replace(SMALL, chroma=ChromaFormat.GREY, bit_depth=12), 3),
    "4:2:2": (replace(SMALL, width=37, chroma=ChromaFormat.YUV422), 2),
    "4:4:4": (replace(SMALL, chroma=ChromaFormat.YUV444, bit_depth=12), 2),
    "12 bit": (replace(SMALL, bit_depth=12), 2),
}
SHARES = {
    "black": (16 / 255, 128 / 255, 128 / 255),
    "grey": (126 / 255, 128 / 255, 128 / 255),
    "red": (81 / 255, 90 / 255, 240 / 255),
    "the ends": (1.0, 0.0, 1.0),
}


def _flat(video: VideoFormat, frames: int, shares: tuple[float, ...]) -> list[Planes]:
    planes = [
        np.full(shape, round(share * video.peak), video.dtype)
        for share, shape in zip(shares, video.plane_shapes, strict=False)
    ]
    return [tuple(planes)] * frames


def _saved(path: Path, video: VideoFormat, pictures: list[Planes]) -> Path:
    path = path.with_suffix(".mkv") if video.chroma is ChromaFormat.RGB else path
    with open_sink(path, video) as sink:
        for planes in pictures:
            sink.write(planes)
    return path


def _encoded(source: Path, model: str, **options: object) -> nvcodec.EncodeResult:
    how: dict[str, object] = {"preset": "draft", "device": "cpu", "overwrite": True, **options}
    return nvcodec.encode(source, source.with_suffix(".nvc"), model=model, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("format", "colour"),
    [
        *(("8 bit", colour) for colour in SHARES),
        ("10 bit", "the ends"),
        ("odd", "red"),
        ("one sample", "grey"),
        ("RGB", "red"),
        ("grey", "red"),
        ("4:2:2", "red"),
        ("4:4:4", "the ends"),
        ("12 bit", "the ends"),
    ],
)
@pytest.mark.parametrize("model", EVERY)
def test_one_colour_is_exact(tmp_path: Path, model: str, format: str, colour: str) -> None:
    video, frames = FORMATS[format]
    settings = by_name(model).settings
    if video.chroma not in settings.sources or video.bit_depth not in settings.bit_depths:
        return
    pictures = _flat(video, frames, SHARES[colour])
    result = _encoded(_saved(tmp_path / "clip.y4m", video, pictures), model)
    assert set(result.psnr.values()) == {100.0} and result.fit_steps == 0
    assert result.bytes < 700
    drawn = list(nvcodec.VideoReader(tmp_path / "clip.nvc").frames())
    assert len(drawn) == frames
    for expected, found in zip(pictures, drawn, strict=True):
        assert all(np.array_equal(*planes) for planes in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"target_size": 5000},
        {"target_size": 500},
        {"target_psnr": 100.0},
        {"crf": 0.0},
        {"segment": 3},
        {"mask": "box:16x12+8+4"},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", EVERY)
def test_whatever_is_asked_for(tmp_path: Path, model: str, options: dict[str, object]) -> None:
    source = _saved(tmp_path / "clip.y4m", SMALL, _flat(SMALL, 8, SHARES["red"]))
    result = _encoded(source, model, **options)
    assert set(result.psnr.values()) == {100.0} and result.shortfall is None and result.bytes < 900


def test_with_previews_layers_and_in_rgb(tmp_path: Path) -> None:
    source = _saved(tmp_path / "clip.y4m", SMALL, _flat(SMALL, 4, SHARES["red"]))
    assert _encoded(source, "msnerv", domain="rgb").psnr["rgb"] == 100.0
    assert _encoded(source, "msnerv", preview=True).psnr["yuv_611"] == 100.0
    layer = nvcodec.add_layer(tmp_path / "clip.nvc", source, epochs=2)
    assert layer.psnr["yuv_611"] == 100.0


def test_it_is_said_that_nothing_is_fitted(tmp_path: Path) -> None:
    source = _saved(tmp_path / "clip.y4m", SMALL, _flat(SMALL, 2, SHARES["grey"]))
    said: list[object] = []
    _encoded(source, "msnerv", on_event=said.append)
    notices = [event.message for event in said if hasattr(event, "message")]
    assert "the picture is of one colour and never changes: it is exact without a fit" in notices
    assert not any("collapsed" in notice for notice in notices)


@pytest.mark.parametrize("model", EVERY)
def test_grey_video_in_colour_has_exact_chroma(tmp_path: Path, moving: Moving, model: str) -> None:
    flat = _flat(SMALL, 1, (0, 128 / 255, 131 / 255))[0]
    pictures = [(luma, flat[1], flat[2]) for luma, _, _ in moving(SMALL, 4)]
    result = _encoded(_saved(tmp_path / "clip.y4m", SMALL, pictures), model, epochs=8)
    assert result.psnr["u"] == result.psnr["v"] == 100.0
    assert 12 < result.psnr["y"] < 100 and result.fit_steps > 0


def test_all_videos_of_an_archive_count(tmp_path: Path, moving: Moving) -> None:
    clips = {
        "grey": _flat(SMALL, 3, SHARES["grey"]),
        "black": _flat(SMALL, 9, SHARES["black"]),
        "waves": moving(SMALL, 3),
    }
    sources = [_saved(tmp_path / f"{name}.y4m", SMALL, pictures) for name, pictures in clips.items()]
    how = {"preset": "draft", "device": "cpu", "overwrite": True, "epochs": 2}
    flat = nvcodec.encode_archive(sources[:2], tmp_path / "a.nvc", **how)
    assert [stream.psnr["yuv_611"] for stream in flat.streams] == [100.0, 100.0] and flat.fit_steps == 0
    assert nvcodec.encode_archive(sources, tmp_path / "b.nvc", **how).fit_steps > 0


def test_what_counts_as_never_changing(moving: Moving) -> None:
    clip = Clip.load(_flat(SMALL, 3, SHARES["red"]), SMALL, 3)
    assert clip.levels == (81 / 255, 90 / 255, 240 / 255)
    clip.planes[1][2, 5, 7] += 1
    assert clip.levels == (81 / 255, None, 240 / 255)
    grey = replace(SMALL, chroma=ChromaFormat.GREY)
    assert Clip.load(_flat(grey, 3, SHARES["red"]), grey, 3).levels == (81 / 255,)
    assert Clip.load(moving(SMALL, 2), SMALL, 2).levels == (None, None, None)
