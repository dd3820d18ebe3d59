"""Whole encodes with what the D-NeRV paper does and this program by itself does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import nvcodec
from nvcodec.color import yuv_to_rgb
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.units import UnitField, Units
from nvcodec.errors import BitstreamError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

Pictures = Callable[[VideoFormat, int], list[Planes]]
VIDEOS = {"first": (VideoFormat(48, 32, Fraction(25)), 10), "second": (VideoFormat(37, 21, bit_depth=10), 3)}
TINY: dict[str, object] = {
    "model.strides": "2,2", "model.channels": "8,6", "model.stem": 6, "model.key_channels": 4, "model.shuffle": 2,
    "model.time_levels": 8, "model.time_width": 8, "model.tile": 24, "model.overlap": 0,
}  # fmt: skip
ALONE = {"model.key_frames": False, "model.flow": False, "model.fusion": False, "model.picture": True}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, moving: Pictures) -> list[Path]:
    """Two videos of other sizes and depths."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("published")
    for name, (video, frames) in VIDEOS.items():
        with open_sink(folder / f"{name}.y4m", video) as sink:
            for planes in moving(video, frames):
                sink.write(planes)
    return [folder / f"{name}.y4m" for name in VIDEOS]


def _encode(sources: list[Path], output: Path, settings: dict[str, object], **options: object) -> None:
    how = {"model": "dnerv", "preset": "draft", "epochs": 1, "bpp": 4.0, "device": "cpu", **options}
    nvcodec.encode(sources, output, settings={**TINY, **settings}, **how)  # type: ignore[call-overload]


def test_rgb_and_several_clips_in_a_step(sources: list[Path], tmp_path: Path) -> None:
    """Key frames are 4:2:0, all that is drawn and shown is RGB, and near the source."""
    _encode(sources, tmp_path / "out.nvc", {"fit.batch": 3}, domain="rgb")
    data = (tmp_path / "out.nvc").read_bytes()
    for stream, (video, frames) in enumerate(VIDEOS.values()):
        reader = VideoReader(data, device="cpu", stream=stream)
        container = reader.session.container
        assert container.header.domain is Domain.RGB and container.header.streams[stream].format == video
        check_segment(reader, stream)
        keys, shown = container.key_frames[stream], list(reader.frames())
        assert len(shown) == frames and {plane.shape for plane in shown[0]} == {(video.height, video.width)}
        coded = decode_key_frames(keys.packets, video)
        for time, picture, direct in zip(range(0, frames, 8), coded, keys.direct, strict=False):
            converted = yuv_to_rgb(picture, video)
            error = max(np.abs(a.astype(int) - b).mean() for a, b in zip(shown[time], converted, strict=True))
            assert error == 0 if direct else error < video.peak / 8
    with pytest.raises(BitstreamError, match="of version 1.2 in a file of version 1.1"):
        VideoReader(data.replace(b"\x01\x02", b"\x01\x01", 1), device="cpu")


def test_the_network_alone(sources: list[Path], tmp_path: Path) -> None:
    """No key frames in the file, and one video."""
    _encode(sources[:1], tmp_path / "out.nvc", {**ALONE, "model.stem_rows": 2, "model.stem_columns": 3})
    reader = VideoReader(tmp_path / "out.nvc", device="cpu")
    assert not reader.session.container.key_frames and len(list(reader.frames())) == 10
    info = nvcodec.probe(tmp_path / "out.nvc")
    keys = info.key_frames(0)
    assert keys is not None and (keys.count, keys.problem) == (0, None) and not info.warnings
    with pytest.raises(UsageError, match="draws one video, and 2 are given"):
        _encode(sources, tmp_path / "two.nvc", dict(ALONE))
    assert not (tmp_path / "two.nvc").exists()


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize("chroma", [ChromaFormat.YUV420, ChromaFormat.RGB])
def test_planes_of_one_value(picture: bool, chroma: ChromaFormat) -> None:
    """Where the head draws the picture, its bias is the value itself, else what key frames lack of it."""
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, picture=picture, flow=False, fusion=False)
    video = VideoFormat(16, 16, chroma=chroma)
    value = lambda code: tuple(np.full(shape, code, np.uint8) for shape in video.plane_shapes)
    clip = Clip.load([value(200)] * 3, video, 3)
    units = Units(config, [clip], [[value(190)] * 2])
    assert units.levels == pytest.approx([(200 if picture else 10) / 255] * 3)
    field = UnitField(units).requires_grad_(False)
    for plane, level in enumerate(units.levels):
        flat = field.flat_plane(plane, level or 0.0)
        for name in (flat.weight, flat.bias):
            dict(field.named_parameters())[name][flat.channels] = flat.value if name == flat.bias else 0
    drawn = field(torch.tensor([0])).planes
    assert all(torch.allclose(plane, torch.tensor(200 / 255), atol=1e-5) for plane in drawn)
    assert units.config == replace(config)
