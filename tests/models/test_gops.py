"""Parameters that differ between groups of pictures, against fields that have one group only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.gops import DepthwiseKernel, Groups
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat

SMALL = MSNeRVConfig(
    strides=(2, 2),
    channels=(6, 4),
    depths=(2, 1),
    expansions=(2, 2),
    grids=(GridLevel(2, 1, 2), GridLevel(4, 2, 3)),
    shuffle=2,
    gop_kernels=True,
)
GOPS = (0, 2, 7)
GOP_OF_FRAME = [0, 0, 1, 1, 1, 1, 1, 2, 2]
CLIP = FieldGeometry(9, 37, 53, ChromaFormat.YUV420, GOPS)
MIXED = torch.tensor([8, 0, 3, 1, 7, 2, 6])


def _field(config: MSNeRVConfig = SMALL, geometry: FieldGeometry = CLIP) -> MSNeRV:
    """A network whose parameters are all different from zero."""
    torch.manual_seed(0)
    field = MSNeRV(config, geometry).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.2 * torch.randn_like(parameter))
    return field.eval()


def _deltas(field: MSNeRV) -> list[Tensor]:
    """Every layer's differences between groups."""
    return [kernel.deltas for kernel in field.modules() if isinstance(kernel, DepthwiseKernel)]


def _assert_same(drawn: MSNeRV, other: MSNeRV, frames: Tensor = MIXED) -> None:
    for plane, expected in zip(drawn(frames).planes, other(frames).planes, strict=True):
        torch.testing.assert_close(plane, expected, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 40), st.data())
def test_a_frame_belongs_to_the_last_group_that_has_begun(frames: int, data: st.DataObject) -> None:
    gops = (0, *sorted(data.draw(st.sets(st.integers(1, frames - 1))) if frames > 1 else ()))
    groups = Groups(frames, gops)
    expected = [max(index for index, start in enumerate(gops) if start <= frame) for frame in range(frames)]
    found = groups(torch.arange(frames))
    assert found is not None and found.tolist() == expected
    groups.apart = False
    assert groups(torch.arange(frames)) is None


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("gops", [[2, 0, 0, 1], [1, 1, 1, 1], [2], None])
def test_each_frame_is_convolved_with_the_kernel_of_its_group(gops: list[int] | None, training: bool) -> None:
    torch.manual_seed(0)
    kernel = DepthwiseKernel(6, 5, 3).requires_grad_(False).train(training)
    kernel.deltas.normal_()
    x = torch.randn(len(gops or "four"), 7, 8, 6)
    drawn = kernel(x, None if gops is None else torch.tensor(gops))
    for frame, picture in enumerate(x):
        own = kernel.shared if gops is None else kernel.shared + kernel.deltas[gops[frame]]
        expected = F.conv2d(picture.permute(2, 0, 1), own, padding=2, groups=6).permute(1, 2, 0)
        torch.testing.assert_close(drawn[frame], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fusion", [False, True])
def test_a_frame_does_not_depend_on_the_groups_of_its_batch(fusion: bool, training: bool) -> None:
    field = _field(replace(SMALL, fusion=fusion)).train(training)
    together = field(MIXED).planes
    for place, frame in enumerate(MIXED.tolist()):
        for plane, alone in zip(together, field(torch.tensor([frame])).planes, strict=True):
            torch.testing.assert_close(plane[place], alone[0], rtol=1e-5, atol=1e-5)


def test_groups_without_differences_are_one() -> None:
    field, plain = _field(), _field(replace(SMALL, gop_kernels=False))
    shared = field.state_dict()
    plain.load_state_dict({name: shared[name] for name in plain.state_dict()})
    assert not torch.equal(field(MIXED).planes[0], plain(MIXED).planes[0])
    for deltas in _deltas(field):
        deltas.zero_()
    _assert_same(field, plain)


@pytest.mark.parametrize("gop", [0, 1, 2])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_kernels_of_a_group_are_for_its_frames_alone(gop: int, layer: int) -> None:
    field = _field()
    before = field(MIXED).planes
    _deltas(field)[layer][gop, :, 0, 2, 2] += 0.5
    after = field(MIXED).planes
    for place, frame in enumerate(MIXED.tolist()):
        for old, new in zip(before, after, strict=True):
            assert torch.equal(old[place], new[place]) == (GOP_OF_FRAME[frame] != gop)


def test_each_group_is_drawn_as_in_a_field_with_its_parameters_alone() -> None:
    """Kernels and grids of the group take the place of those for all."""
    field = _field()
    for gop in range(3):
        single = MSNeRV(SMALL, replace(CLIP, gops=(0,))).eval()
        per_gop = ("encoder.gop_grid", ".deltas")
        parameters = field.state_dict().items()
        single.load_state_dict(
            {name: value[gop : gop + 1] if name.endswith(per_gop) else value for name, value in parameters}
        )
        _assert_same(field, single, torch.tensor([frame for frame in range(9) if GOP_OF_FRAME[frame] == gop]))


def test_together_all_frames_share_kernels_and_the_mean_grid() -> None:
    field = _field()
    field.groups.apart = False
    plain = MSNeRV(replace(SMALL, gop_kernels=False), replace(CLIP, gops=(0,))).eval()
    parameters = {name: value for name, value in field.state_dict().items() if not name.endswith(".deltas")}
    parameters["encoder.gop_grid"] = parameters["encoder.gop_grid"].mean(0, keepdim=True)
    plain.load_state_dict(parameters)
    _assert_same(field, plain)


def test_other_groups_are_those_of_a_new_field() -> None:
    field, moved = _field(), _field(geometry=replace(CLIP, gops=(0, 5, 6)))
    field.regroup((0, 5, 6))
    assert field.geometry == moved.geometry
    _assert_same(field, moved)


def test_every_difference_has_a_kernel_to_begin_as() -> None:
    field = _field()
    parameters, heirs = dict(field.named_parameters()), field.heirs()
    assert len(heirs) == 3 and {id(parameters[name]) for name in heirs} == {id(deltas) for deltas in _deltas(field)}
    for heir, parent in heirs.items():
        assert parameters[heir].shape == (3, *parameters[parent].shape)
