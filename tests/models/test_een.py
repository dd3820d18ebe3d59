"""What an enhancement network draws, on every kind of base and against a slow and obvious reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nvcodec.models import pack_registry
from nvcodec.models.base import PlaneTensors, VideoField, lerp_rows
from nvcodec.models.config import FieldConfig
from nvcodec.models.een import EEN, EnhancementBlock
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig
from nvcodec.types import ChromaFormat

MSNERV = MSNeRVConfig((3, 2), (6, 4), (1, 1), (2, 2), (GridLevel(2, 1, 2), GridLevel(4, 2, 3)), shuffle=2)
CLIP = FieldGeometry(6, 37, 53, ChromaFormat.YUV420)
PACK = EENConfig((5, 4), (3, 5), 2, 3)


class _Base:
    """The layers below, drawn anew each time; notes which frames were asked for."""

    def __init__(self, field: VideoField) -> None:
        self.field = field
        self.asked: list[list[int]] = []

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        self.asked += [[int(frame)] for frame in frames]
        features: list[Tensor] = self.field(frames).features
        return features

    def planes(self, frames: Tensor) -> PlaneTensors:
        planes: PlaneTensors = self.field(frames).planes
        return planes


def _randomised(field: VideoField) -> VideoField:
    """Parameters that are all different from zero."""
    torch.manual_seed(0)
    for parameter in field.requires_grad_(False).parameters():
        parameter.copy_(0.2 * torch.randn_like(parameter))
    return field


def _base(model: str, shuffle: int, geometry: FieldGeometry) -> tuple[FieldConfig, VideoField]:
    if model == "msnerv":
        config = replace(MSNERV, shuffle=shuffle)
        return config, _randomised(MSNeRV(config, geometry))
    other = QSNeRVConfig((3, 2), (1, 3), 7, (6, 4), embedding=3, shuffle=shuffle, levels=1, skip_channels=4, growth=2)
    return other, _randomised(QSNeRV(other, geometry))


def _pack(
    config: EENConfig = PACK, geometry: FieldGeometry = CLIP, model: str = "msnerv", shuffle: int = 2
) -> tuple[EEN, _Base]:
    """A network that was never fitted, on a base that draws something."""
    base, field = _base(model, shuffle, geometry)
    below = _Base(field)
    torch.manual_seed(1)
    return pack_registry.build(config, geometry, base.pyramid(geometry), below), below


def _same(first: PlaneTensors, second: PlaneTensors, tolerance: float = 0.0) -> None:
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("model", ["msnerv", "qsnerv"])
@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("shuffle", [1, 2, 4])
@pytest.mark.parametrize("size", [(37, 53), (48, 64), (1, 1)])
@pytest.mark.parametrize("pack", [PACK, EENConfig((2, 300), (7, 1))])
def test_planes_are_those_of_the_base(
    model: str, chroma: ChromaFormat, shuffle: int, size: tuple[int, int], pack: EENConfig
) -> None:
    geometry = FieldGeometry(3, *size, chroma)
    network, below = _pack(pack, geometry, model, shuffle)
    frames = torch.tensor([0, 2])
    base = below.planes(frames)
    with torch.no_grad():
        assert all(torch.count_nonzero(plane) == 0 for plane in network.residual(frames))
        _same(network(frames).planes, base)
        _randomised(network)
        residual, planes = network.residual(frames), network(frames).planes
    assert [plane.shape for plane in planes] == [plane.shape for plane in base]
    assert all(torch.count_nonzero(plane) == plane.numel() for plane in residual)
    for drawn, under, own in zip(planes, base, residual, strict=True):
        torch.testing.assert_close(drawn, under + own)


@pytest.mark.parametrize("model", ["msnerv", "qsnerv"])
def test_features_have_the_sizes_of_the_base(model: str) -> None:
    network, below = _pack(model=model)
    frames = torch.tensor([3, 0])
    features, under = network.features(frames), below.pyramid(frames)
    assert [feature.shape[:3] for feature in features] == [feature.shape[:3] for feature in under]
    assert [feature.shape[3] for feature in features] == [under[0].shape[3] + 3, 5, 4]


def _reference_block(block: EnhancementBlock, x: Tensor, near: list[Tensor]) -> Tensor:
    """The block as the paper draws it: one convolution for each of three frames, then one over their sum."""
    _, _, wide, _ = block.conv.weight.shape
    z = F.conv2d(x.permute(0, 3, 1, 2), block.conv.weight, block.conv.bias, padding=wide // 2)
    batch, channels, rows, columns = z.shape
    s = block.stride
    y = torch.zeros(batch, s * rows, s * columns, channels // s**2)
    for row in range(s * rows):
        for column in range(s * columns):
            u, v = row % s, column % s
            for channel in range(channels // s**2):
                y[:, row, column, channel] = z[:, channel * s * s + u * s + v, row // s, column // s]
    y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
    maps = [F.conv2d(f.permute(0, 3, 1, 2), block.squeeze[k : k + 1], padding=1) for k, f in enumerate(near)]
    mask = torch.sigmoid(F.conv2d(sum(maps), block.attention, block.attention_bias, padding=3))  # type: ignore[arg-type]
    for batch_index in range(batch):
        for row in range(s * rows):
            for column in range(s * columns):
                attended = mask[batch_index, 0, row, column] * near[1][batch_index, row, column]
                y[batch_index, row, column] += block.project @ attended
    return y


def test_network_is_the_slow_reference() -> None:
    geometry = FieldGeometry(6, 12, 15, ChromaFormat.YUV420)
    network, below = _pack(geometry=geometry)
    _randomised(network)
    frames = torch.tensor([0, 2, 5])
    near = [below.pyramid(torch.tensor(shifted)) for shifted in ([0, 1, 4], [0, 2, 5], [1, 3, 5])]
    assert network.grid is not None
    nodes = (lerp_rows(frames, 6, 3) @ network.grid.reshape(3, -1)).reshape(3, *network.grid.shape[1:])
    x = torch.cat([near[1][0], nodes], dim=-1)
    expected = [x]
    for level, block in enumerate(network.blocks, 1):
        assert isinstance(block, EnhancementBlock)
        x = _reference_block(block, x, [features[level] for features in near])
        expected.append(x)
    for fast, slow in zip(network.features(frames), expected, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    z = F.conv2d(x.permute(0, 3, 1, 2), network.head.weight, network.head.bias, padding=1)
    luma = F.pixel_shuffle(z[:, :4], 2)[:, 0, :12, :15]
    torch.testing.assert_close(network.residual(frames)[0], luma, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.residual(frames)[1], z[:, 4, :6, :8], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.residual(frames)[2], z[:, 5, :6, :8], rtol=1e-4, atol=1e-4)


def test_attention_starts_as_a_plain_gate() -> None:
    """Its kernel is a single one, so that each feature is weighed by its own place alone."""
    network, _ = _pack()
    for block in network.blocks:
        assert isinstance(block, EnhancementBlock)
        assert block.attention.count_nonzero() == 1 and block.attention[0, 0, 3, 3] == 1
        assert block.project.count_nonzero() == 0


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_neighbours_are_repeated_at_the_ends(frames: int) -> None:
    network, below = _pack(geometry=replace(CLIP, frames=frames))
    last = frames - 1
    for frame in {0, last // 2, last}:
        below.asked.clear()
        network.features(torch.tensor([frame]))
        assert below.asked == [[max(frame - 1, 0)], [frame], [min(frame + 1, last)]]


@pytest.mark.parametrize("frame", [0, 3, 5])
def test_a_residual_sees_the_neighbours_and_nothing_else(frame: int) -> None:
    network, below = _pack(replace(PACK, grid_interval=0, grid_channels=0))
    _randomised(network)
    before = network.residual(torch.tensor([frame]))[0]
    seen = set()
    for other in range(6):
        true = below.pyramid

        def changed(frames: Tensor, other: int = other, true: object = true) -> list[Tensor]:
            here = (frames == other).view(-1, 1, 1, 1)
            return [torch.where(here, level + 1, level) for level in true(frames)]  # type: ignore[operator]

        below.pyramid = changed  # type: ignore[method-assign]
        if not torch.equal(network.residual(torch.tensor([frame]))[0], before):
            seen.add(other)
        below.pyramid = true  # type: ignore[method-assign]
    assert seen == {frame - 1, frame, frame + 1} & set(range(6))


@pytest.mark.parametrize("model", ["msnerv", "qsnerv"])
def test_a_frame_does_not_depend_on_the_others_of_its_batch(model: str) -> None:
    network, _ = _pack(model=model)
    _randomised(network)
    together = network(torch.tensor([5, 0, 1, 3, 3])).planes
    for place, frame in enumerate([5, 0, 1, 3, 3]):
        for alone, plane in zip(network(torch.tensor([frame])).planes, together, strict=True):
            assert (alone[0] - plane[place]).abs().max() < 1e-4 * plane.abs().max()


def test_everything_coded_is_trained_and_nothing_below_is() -> None:
    """A head of zeros hides the rest of the network from the first step only."""
    network, below = _pack()
    sum(plane.square().sum() for plane in network(torch.tensor([1, 4])).planes).backward()
    trained = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert trained == {"head.weight", "head.bias"}
    _randomised(network).requires_grad_(True)
    sum(plane.square().sum() for plane in network(torch.tensor([1, 4])).planes).backward()
    trained = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert trained == {spec.name for spec in network.specs}
    assert all(value.grad is None for value in below.field.parameters())
