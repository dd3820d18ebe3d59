"""What D-NeRV draws of a video: clips, tiles, key frames, and what a fit starts from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.models.dnerv import DNeRV
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.models.dnerv_time import TemporalMLP
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.keyed_video import KeyedVideo, time_code
from nvcodec.models.planes import pack, unpack
from nvcodec.types import ChromaFormat, VideoFormat

SMALL = DNeRVConfig((2, 2), (6, 5), 4, 3, shuffle=2, clip=4, time_levels=6, time_width=5)
EVERY_SWITCH = [SMALL, *(replace(SMALL, **{name: False}) for name in ("flow", "fusion", "temporal"))]
CLIP = FieldGeometry(11, 37, 53, ChromaFormat.YUV420)


def _sizes(geometry: FieldGeometry) -> list[tuple[int, int]]:
    half = (geometry.height + 1) // 2, (geometry.width + 1) // 2
    whole = geometry.height, geometry.width
    return [whole, half, half] if geometry.chroma is ChromaFormat.YUV420 else [whole] * 3


def _give_key_frames(field: DNeRV, direct: list[bool] | None = None) -> list[torch.Tensor]:
    """Random pictures as key frames; returns them in units of the largest code value."""
    generator = torch.Generator().manual_seed(4)
    shapes = [(field.video.key_count, *size) for size in _sizes(field.geometry)]
    first, second, third = (torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for shape in shapes)
    field.video.set_key_frames((first, second, third), 255, direct)
    return [plane / 255 for plane in (first, second, third)]


def _field(config: DNeRVConfig, geometry: FieldGeometry, spread: float = 0.15) -> DNeRV:
    """A network whose parameters are all different from zero, with key frames."""
    torch.manual_seed(0)
    field = DNeRV(config, geometry).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(spread * torch.randn_like(parameter))
    _give_key_frames(field)
    return field


@pytest.mark.parametrize("config", EVERY_SWITCH)
@pytest.mark.parametrize("chroma", [ChromaFormat.YUV420, ChromaFormat.RGB])
@pytest.mark.parametrize("shuffle", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(37, 53), (32, 48), (1, 7), (1, 1)])
def test_planes_have_the_size_of_the_picture(
    config: DNeRVConfig, chroma: ChromaFormat, shuffle: int, size: tuple[int, int]
) -> None:
    geometry = FieldGeometry(6, *size, chroma)
    planes = _field(replace(config, shuffle=shuffle), geometry)(torch.tensor([0, 5])).planes
    assert [tuple(plane.shape) for plane in planes] == [(2, *shape) for shape in _sizes(geometry)]


@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("frames", [1, 4, 5, 11, 13])
@pytest.mark.parametrize("chroma", [ChromaFormat.YUV420, ChromaFormat.RGB])
@pytest.mark.parametrize("flow", [True, False])
def test_a_fit_begins_with_the_blend_of_the_key_frames(
    frames: int, tile: int, chroma: ChromaFormat, flow: bool
) -> None:
    geometry = replace(CLIP, frames=frames, chroma=chroma)
    field = DNeRV(replace(SMALL, tile=tile, flow=flow), geometry).requires_grad_(False)
    keys, times = _give_key_frames(field), key_times(frames, 4)
    for drawn, plane in zip(field(torch.arange(frames)).planes, keys, strict=True):
        for frame in range(frames):
            before, after = frame // 4, min(frame // 4 + 1, len(times) - 1)
            share = (frame - times[before]) / max(times[after] - times[before], 1)
            expected = (1 - share) * plane[before] + share * plane[after]
            # warping by nothing still goes through places from -1 to 1
            torch.testing.assert_close(drawn[frame], expected, rtol=0, atol=1e-5 if flow else 1e-6)


@settings(max_examples=30)
@given(st.data(), st.sampled_from(EVERY_SWITCH), st.integers(1, 13), st.sampled_from([0, 16]))
def test_frames_in_any_order_and_batch(data: st.DataObject, config: DNeRVConfig, frames: int, tile: int) -> None:
    field = _field(replace(config, tile=tile), replace(CLIP, frames=frames, height=17, width=20))
    together = field(torch.arange(frames)).planes
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, frames - 1), min_size=1, max_size=6)))
    for plane, drawn in zip(together, field(chosen).planes, strict=True):
        torch.testing.assert_close(drawn, plane[chosen], rtol=1e-4, atol=1e-5)


def test_a_short_clip_repeats_its_last_frame() -> None:
    video = KeyedVideo(SMALL, CLIP)
    assert torch.equal(video.code[10], video.code[11]) and len(video.code) == len(video.share) == 12
    assert video.share[8:].tolist() == [0.0, 0.5, 1.0, 1.0]


@given(st.integers(1, 100), st.integers(1, 32))
def test_shares_are_how_far_frames_are(frames: int, clip: int) -> None:
    video, times = KeyedVideo(replace(SMALL, clip=clip), replace(CLIP, frames=frames)), key_times(frames, clip)
    for frame in range(frames):
        before = frame // clip
        after = times[min(before + 1, len(times) - 1)]
        exact = Fraction(frame - times[before], after - times[before]) if after > times[before] else Fraction(0)
        assert 0 <= exact <= 1
        assert float(video.share[frame]) == pytest.approx(float(exact), abs=1e-7)


def test_time_code() -> None:
    code = time_code([0, 3, 11], 12, 40).numpy()
    assert code.shape == (3, 80) and code.dtype == np.float32
    exact = [
        [float(Fraction(5, 4) ** level * Fraction(time, 11)) * np.pi for level in range(40)] for time in (0, 3, 11)
    ]
    np.testing.assert_allclose(code, np.concatenate([np.sin(exact), np.cos(exact)], axis=1), atol=1e-7)
    assert time_code([0], 1, 2).tolist() == [[0.0, 0.0, 1.0, 1.0]]


@pytest.mark.parametrize("direct", [(True, False, False, True), (False, True, True, False), (True,) * 4])
def test_direct_key_frames_are_shown_exactly(direct: tuple[bool, ...]) -> None:
    field = _field(SMALL, CLIP)
    without = field(torch.arange(11)).planes
    keys, times = _give_key_frames(field, list(direct)), key_times(11, 4)
    for before, after, shown in zip(without, field(torch.arange(11)).planes, keys, strict=True):
        for frame in range(11):
            if frame in times and direct[times.index(frame)]:
                assert torch.equal(after[frame], shown[times.index(frame)])
            else:
                assert torch.equal(after[frame], before[frame])


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([8, 16, 24]), st.sampled_from([0, 3, 8, 16]))
def test_tiles_draw_the_whole_picture(height: int, width: int, tile: int, overlap: int) -> None:
    geometry = replace(CLIP, frames=5, height=height, width=width)
    planes = _field(replace(SMALL, tile=tile, overlap=overlap), geometry)(torch.tensor([2])).planes
    assert [tuple(plane.shape[1:]) for plane in planes] == _sizes(geometry)
    assert all(plane.isfinite().all() for plane in planes)


def test_what_lies_beyond_a_margin_changes_nothing() -> None:
    config, geometry = replace(SMALL, tile=16, overlap=8), FieldGeometry(4, 64, 64, ChromaFormat.YUV420)
    field, frames = _field(config, geometry), torch.arange(4)
    keys = [(255 * plane).round().to(torch.uint8) for plane in _give_key_frames(field)]
    before = field(frames).planes
    for plane, cell in zip(keys, (1, 2, 2), strict=True):
        plane[:, 24 // cell :] = 0  # the first tile sees rows 0 to 23, the second all from 8 to 39
    field.video.set_key_frames((keys[0], keys[1], keys[2]), 255)
    for drawn, plane, cell in zip(field(frames).planes, before, (1, 2, 2), strict=True):
        assert torch.equal(drawn[:, : 16 // cell], plane[:, : 16 // cell])
        assert not torch.equal(drawn[:, 16 // cell : 32 // cell], plane[:, 16 // cell : 32 // cell])


def test_a_tile_as_large_as_the_picture_is_the_picture() -> None:
    for whole, tiled in zip(
        *(_field(replace(SMALL, tile=tile), CLIP)(torch.arange(11)).planes for tile in (0, 56)), strict=True
    ):
        assert torch.equal(whole, tiled)


def test_planes_are_cut_at_the_picture_and_repeat_its_edge() -> None:
    field = _field(SMALL, replace(CLIP, frames=4))
    keys = _give_key_frames(field)
    (rows,), (columns,) = SMALL.spans(37), SMALL.spans(53)
    _, _, planes = field.video.inputs(0, rows, columns)
    assert [tuple(plane.shape) for plane in planes] == [(2, 40, 56), (2, 20, 28), (2, 20, 28)]
    for plane, key in zip(planes, keys, strict=True):
        bottom, right = plane.shape[1] - key.shape[1], plane.shape[2] - key.shape[2]
        expected = F.pad(key.unsqueeze(1), (0, right, 0, bottom), mode="replicate").squeeze(1)
        torch.testing.assert_close(plane, expected)


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_packed_planes_can_be_unpacked(factor: int, chroma: ChromaFormat) -> None:
    # with an odd factor, positions come in pairs where chroma has half of luma's size
    shapes = VideoFormat(6 * factor, 4 * factor, chroma=chroma).plane_shapes
    planes = tuple(torch.rand(3, *shape) for shape in shapes)
    packed = pack(planes, factor, chroma)
    assert packed.shape[:3] == (3, 4, 6)
    for plane, back in zip(planes, unpack(packed, factor, chroma), strict=True):
        torch.testing.assert_close(back, plane)
    if factor % max(chroma.cell) == 0:
        channels = torch.rand_like(packed)
        torch.testing.assert_close(pack(unpack(channels, factor, chroma), factor, chroma), channels)


def test_temporal_mlp_one_channel_at_a_time() -> None:
    torch.manual_seed(0)
    layer = TemporalMLP(3, 4).requires_grad_(False)
    x = torch.randn(4, 2, 5, 3)
    assert torch.equal(layer(x), x)
    layer.weight.normal_()
    layer.bias.normal_()
    drawn = layer(x)
    for channel in range(3):
        flat = x[..., channel].flatten(1)
        expected = flat + layer.weight[channel] @ flat + layer.bias[channel, :, None]
        torch.testing.assert_close(drawn[..., channel].flatten(1), expected, rtol=1e-4, atol=1e-5)


def test_every_parameter_can_learn_from_the_third_step_on() -> None:
    """What starts at zero must not meet another zero: nothing would ever move."""
    for config in EVERY_SWITCH:
        torch.manual_seed(0)
        field = DNeRV(config, CLIP)
        _give_key_frames(field)
        for _ in range(3):
            field.zero_grad()
            sum((plane - 0.3).square().mean() for plane in field(torch.arange(11)).planes).backward()
            with torch.no_grad():
                for parameter in field.parameters():
                    parameter -= 0.1 * parameter.grad
        assert all(parameter.grad.any() for parameter in field.parameters())
