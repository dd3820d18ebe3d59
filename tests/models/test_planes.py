"""Heads begin without a pattern of their own, in every layout of planes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from nvcodec.models.base import PyramidField
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.models.planes import begin_smooth, unpack
from nvcodec.models.pyramid import head_channels
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig
from nvcodec.types import ChromaFormat


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_a_slope_of_features_begins_as_a_slope_of_samples(factor: int, chroma: ChromaFormat) -> None:
    torch.manual_seed(0)
    weight = torch.rand(head_channels(factor, chroma), 5, 3, 3) - 0.5
    begin_smooth(weight, factor, chroma)
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    packed = F.conv2d((rows + 2 * columns).expand(1, 5, 6, 7), weight)
    for plane in unpack(packed.permute(0, 2, 3, 1), factor, chroma):
        down, right = plane.diff(dim=1), plane.diff(dim=2)
        down, right = (whole[:, : -factor or None, : -factor or None] for whole in (down, right))  # odd ends of chroma
        steep = down.abs().mean()
        assert steep > 1e-3, "it says something"
        assert torch.allclose(down, down[:, :1, :1].expand_as(down), atol=1e-3 * float(steep))
        assert torch.allclose(right, right[:, :1, :1].expand_as(right), atol=1e-3 * float(steep))


@pytest.mark.parametrize("chroma", ChromaFormat)
def test_where_there_is_one_sample_to_a_place_nothing_changes(chroma: ChromaFormat) -> None:
    weight = torch.rand(head_channels(1, chroma), 5, 3, 3)
    before = weight.clone()
    begin_smooth(weight, 1, chroma)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("shuffle", [2, 4])
@pytest.mark.parametrize("model", ["msnerv", "qsnerv"])
def test_a_new_network_draws_no_grid(model: str, shuffle: int) -> None:
    torch.manual_seed(0)
    geometry = FieldGeometry(4, 48, 64, ChromaFormat.YUV420)
    field: PyramidField
    if model == "msnerv":
        field = MSNeRV(MSNeRVConfig((2, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2),), shuffle=shuffle), geometry)
    else:
        field = QSNeRV(QSNeRVConfig((2, 2), (1, 3), 7, (8, 6), embedding=3, levels=1, shuffle=shuffle), geometry)
    assert field.interleaved == shuffle
    with torch.no_grad():
        for plane in field.draw(torch.ones(1, 8, 8, 6)):
            inner = plane[:, 8:-8, 8:-8]
            assert torch.allclose(inner, inner.mean(), atol=1e-6)
