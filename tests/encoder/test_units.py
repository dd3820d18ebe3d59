"""Several videos as one thing to fit: what is drawn where, and against what."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.config.fit import FitConfig, LossConfig, Rounding
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.loss import picture_error
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.rate import TargetWeight
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.fit.step import Kind
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.units import UnitField, Units, geometry_of
from nvcodec.models.dnerv import DNeRV
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.types import ChromaFormat, VideoFormat


@settings(max_examples=8)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 19)), min_size=1, max_size=3),
    st.sampled_from([0, 8, 16, 24]),
    st.sampled_from([1, 4, 8]),
)
def test_every_sample_is_a_target_once(sizes: list[tuple[int, int, int]], tile: int, length: int) -> None:
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, tile=tile, overlap=8, clip=length)
    units = _numbered(config, sizes)
    field = UnitField(units).requires_grad_(False)
    seen = [[torch.zeros_like(plane) for plane in clip.planes] for clip in units.clips]
    for index, unit in enumerate(units.units):
        clip, frames = units.clips[unit.video], units.frames(index)
        chosen = torch.tensor([index])
        targets = units.targets(chosen)
        assert [tuple(p.shape) for p in field(chosen).planes] == [tuple(p.shape) for p in targets]
        assert units.peak(index) == clip.format.peak
        for target, plane, count in zip(targets, clip.planes, seen[unit.video], strict=True):
            assert len(target) == len(frames)
            halved = plane.shape[1:] != clip.planes[0].shape[1:]
            top, left = (span.inner.start // (2 if halved else 1) for span in (unit.rows, unit.columns))
            place = np.s_[frames.start : frames.stop, top : top + target.shape[1], left : left + target.shape[2]]
            assert torch.equal((target * clip.format.peak).round(), plane[place].float())
            count[place] += 1
    assert all((count == 1).all() for counts in seen for count in counts)
    assert units.pixels == sum(height * width * frames for height, width, frames in sizes)


def _numbered(config: DNeRVConfig, sizes: list[tuple[int, int, int]]) -> Units:
    """Videos of noise, in turn of 8 and 10 bits, with their own pictures as key frames."""
    rng, clips, keys = np.random.default_rng(0), [], []
    for index, (height, width, frames) in enumerate(sizes):
        video = VideoFormat(width, height, bit_depth=10 if index % 2 else 8)
        pictures = []
        for _ in range(frames):
            y, u, v = (rng.integers(0, video.peak + 1, shape).astype(video.dtype) for shape in video.plane_shapes)
            pictures.append((y, u, v))
        clips.append(Clip.load(pictures, video, frames))
        keys.append([pictures[time] for time in key_times(frames, config.clip)])
    return Units(config, clips, keys)


def test_units_are_drawn_as_the_decoder_draws_them() -> None:
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, tile=24, overlap=8)
    units = _numbered(config, [(48, 40, 11), (17, 30, 3)])
    torch.manual_seed(0)
    field = UnitField(units).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.15 * torch.randn_like(parameter))
    for video, clip in enumerate(units.clips):
        whole = DNeRV(config, geometry_of(clip)).requires_grad_(False)
        whole.network.load_state_dict(field.network.state_dict())
        whole.video = units.videos[video]
        planes = whole(torch.arange(len(clip))).planes
        for index, unit in enumerate(units.units):
            if unit.video == video:
                frames = units.frames(index)
                drawn = field(torch.tensor([index])).planes[0]
                torch.testing.assert_close(
                    drawn, planes[0][frames.start : frames.stop, unit.rows.inner, unit.columns.inner]
                )


def test_a_step_of_several_clips_is_one_of_their_mean() -> None:
    """Clips of videos of different sizes, one of them short: gradients and errors."""
    config = DNeRVConfig((2, 2), (4, 4), 4, 4, shuffle=2, tile=24, overlap=8)
    units = _numbered(config, [(48, 40, 11), (17, 30, 3)])
    torch.manual_seed(0)
    flat = FlatField(UnitField(units))
    flat.vector.data.copy_(0.15 * torch.randn_like(flat.vector))
    fit = Fit(
        Painter(flat, [], lambda event: None), units, FitConfig(batch=3), LossConfig(), TargetWeight(2e4), Budget(9)
    )
    chosen = torch.tensor([0, len(units) - 1, 3])
    seen = []
    fit.optimiser.step = lambda: seen.append(flat.vector.grad.clone())  # type: ignore[method-assign, union-attr]
    fit.stepper.clip_norm = 1e9
    fit.stepper.take(Kind(Rounding.NONE, False, False, False, False), chosen, chosen)
    flat.vector.grad = None
    errors = []
    for unit in chosen:
        (planes, _), targets, _ = fit.painter.train(flat.vector, units, unit.view(1))
        errors.append(picture_error(planes, targets, ChromaFormat.YUV420).mean())
    (sum(errors) / 3).backward()  # type: ignore[union-attr]
    torch.testing.assert_close(seen[0], flat.vector.grad)
    torch.testing.assert_close(fit.frame_errors[chosen], torch.stack(errors).detach())
    assert (fit.frame_errors >= 0).sum() == 3
