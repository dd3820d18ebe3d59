"""From a source and a target to a network."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.config.options import EncodeOptions
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.encoder.plan.memory import activation_bytes, fit_bytes, tile_cells
from nvcodec.encoder.plan.plan import Plan, Span, choose_domain, make_plan, plan_parts, split
from nvcodec.encoder.plan.presets import PRESETS, bpp_for_crf, choose_strides, plan_network, weight_for_crf
from nvcodec.errors import UnsupportedError, UsageError
from nvcodec.models import registry
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat, Colour, Domain, VideoFormat

SMALL = VideoFormat(64, 48)
FULL_HD = FieldGeometry(600, 1080, 1920, ChromaFormat.YUV420)


def _parameters(config: MSNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry))


def _plan(video: VideoFormat = SMALL, frames: int = 8, preset: str = "medium", **options: object) -> Plan:
    return make_plan([(video, frames)], EncodeOptions(preset=preset, **options))  # type: ignore[arg-type]


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(PRESETS)),
    st.integers(48, 2160),
    st.integers(64, 3840),
    st.integers(1, 3000),
    st.integers(1, 20_000_000),
    st.sampled_from(ChromaFormat),
)
def test_any_picture_and_budget_has_a_network(
    name: str, height: int, width: int, frames: int, parameters: int, chroma: ChromaFormat
) -> None:
    geometry, preset = FieldGeometry(frames, height, width, chroma), PRESETS[name]
    network = plan_network(preset, geometry, parameters, max_channels=preset.max_channels)
    assert network.strides == choose_strides(preset, height, width)
    rows, columns = network.base_size(geometry)
    assert 1 <= rows <= 540 and 1 <= columns <= 960
    assert 0 <= rows * network.scale - height < network.scale
    assert 0 <= columns * network.scale - width < network.scale
    assert network.channels[0] <= preset.max_channels
    # never far above the budget unless the budget is below the smallest network there is
    smallest = _parameters(plan_network(preset, geometry, 1), geometry)
    assert _parameters(network, geometry) <= max(1.35 * parameters, 1.1 * smallest)


@pytest.mark.parametrize("name", PRESETS)
def test_pinned_parameters_are_met_by_every_preset(name: str) -> None:
    video = VideoFormat(1920, 1080)
    plan = _plan(video, 600, preset=name, parameters=3_000_000)
    assert 2_900_000 <= _parameters(plan.network, plan.geometry(plan.spans[0], video)) <= 3_100_000


def test_more_budget_never_means_a_smaller_network() -> None:
    sizes = [
        _parameters(plan_network(PRESETS["faster"], FULL_HD, budget), FULL_HD) for budget in range(10**5, 10**6, 10**5)
    ]
    assert all(later >= 0.97 * earlier for earlier, later in zip(sizes, sizes[1:], strict=False))


def test_three_million_parameters_at_full_hd() -> None:
    network = plan_network(PRESETS["medium"], FULL_HD, 3_000_000)
    assert 2.9e6 <= _parameters(network, FULL_HD) <= 3.1e6
    assert prod(network.strides) * network.shuffle == network.scale


def test_grids_can_be_given() -> None:
    assert len(_plan().network.grids) > 1
    level = _plan().network.grids[0]
    assert _plan(settings={"model.grids": [[level.interval, level.shrink, level.channels]]}).network.grids == (level,)


def test_settings_that_describe_no_network() -> None:
    with pytest.raises(UsageError, match="odd"):
        _plan(settings={"model.window": 4})


@given(st.integers(1, 5000), st.none() | st.integers(1, 700))
def test_segments_cover_the_clip(frames: int, longest: int | None) -> None:
    segments = split(frames, longest)
    assert [first for first, _ in segments] == [sum(count for _, count in segments[:i]) for i in range(len(segments))]
    counts = [count for _, count in segments]
    assert sum(counts) == frames and max(counts) - min(counts) <= 1 and max(counts) <= (longest or frames)


def test_one_network_draws_the_segments_of_all_videos_that_play_together() -> None:
    assert plan_parts([20, 9], 10, shared=True) == ((Span(0, 0, 0, 10), Span(1, 1, 0, 9)), (Span(2, 0, 10, 10),))
    assert plan_parts([20, 9], 10, shared=False) == ((Span(0, 0, 0, 10),), (Span(1, 0, 10, 10),), (Span(2, 1, 0, 9),))


def test_coding_domain() -> None:
    planar, rgb = VideoFormat(64, 48), VideoFormat(64, 48, chroma=ChromaFormat.RGB)
    msnerv, dnerv = registry.by_name("msnerv"), registry.by_name("dnerv")
    assert choose_domain([planar], None, msnerv) is choose_domain([planar, planar], None, dnerv) is Domain.YUV420
    assert choose_domain([planar], "rgb", msnerv) is Domain.RGB
    assert choose_domain([rgb], None, msnerv) is choose_domain([rgb], "rgb", msnerv) is Domain.RGB
    with pytest.raises(UsageError, match='domain="yuv420"'):
        choose_domain([rgb], "yuv420", msnerv)
    assert choose_domain([planar], "rgb", dnerv) is Domain.RGB
    with pytest.raises(UsageError, match="the source is 8-bit RGB"):
        choose_domain([planar, rgb], None, dnerv)


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_every_model_but_that_of_key_frames_draws_all_planes(chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(64, 48, bit_depth=depth, chroma=chroma)
    for name in ("msnerv", "tenerv", "qsnerv"):
        domain = choose_domain([video], None, registry.by_name(name))
        assert domain.drawn(chroma) is chroma
        assert choose_domain([video], "rgb", registry.by_name(name)).drawn(chroma) is ChromaFormat.RGB
    if chroma is ChromaFormat.YUV420 and depth < 12:
        assert choose_domain([video], None, registry.by_name("dnerv")) is Domain.YUV420
        return
    with pytest.raises(UsageError, match=f"the source is {depth}-bit {chroma}; the key frames of dnerv are 4:2:0"):
        choose_domain([video], None, registry.by_name("dnerv"))


@pytest.mark.parametrize("matrix", [3, 10, 13, 14])
def test_rgb_of_an_unknown_matrix_is_refused_before_the_fit(matrix: int) -> None:
    video, model = VideoFormat(64, 48, colour=Colour(matrix=matrix)), registry.by_name("msnerv")
    assert choose_domain([video], None, model) is Domain.YUV420
    with pytest.raises(UnsupportedError, match=f"colour matrix {matrix}"):
        choose_domain([video], "rgb", model)


def test_targets_in_bytes() -> None:
    video = VideoFormat(64, 48, Fraction(25))
    assert RateTarget(TargetKind.BPP, 0.5).file_bytes(video, 10) == 1920
    assert RateTarget(TargetKind.BITRATE, 8000).file_bytes(video, 50) == 2000
    assert RateTarget(TargetKind.SIZE, 777).file_bytes(video, 50) == 777
    assert RateTarget(TargetKind.CRF, 30).file_bytes(video, 50) is None
    with pytest.raises(UsageError, match="frame rate"):
        RateTarget(TargetKind.BITRATE, 8000).file_bytes(VideoFormat(64, 48), 50)


def test_a_lower_crf_is_a_better_picture() -> None:
    crfs = range(0, 64, 7)
    rates, weights = [bpp_for_crf(crf) for crf in crfs], [weight_for_crf(crf) for crf in crfs]
    assert rates == sorted(rates, reverse=True) and weights == sorted(weights)


def test_epochs_decide_the_steps() -> None:
    video = VideoFormat(64, 48)
    plan = _plan(video, 20, epochs=1.5, segment=10)
    assert plan.steps == (15, 15) and plan.parts == ((Span(0, 0, 0, 10),), (Span(1, 0, 10, 10),))
    assert plan.geometry(plan.spans[1], video) == FieldGeometry(10, 48, 64, ChromaFormat.YUV420)


@settings(max_examples=40)
@given(st.integers(48, 2160), st.integers(64, 3840), st.integers(20, 34))
def test_tiles_fit_the_memory_there_is(height: int, width: int, log2_available: int) -> None:
    geometry = FieldGeometry(60, height, width, ChromaFormat.YUV420)
    network = MSNeRVConfig((3, 2, 2, 2), (200, 100, 50, 26), (3,) * 4, (4,) * 4, (GridLevel(4, 1, 1),))
    available = 1 << log2_available
    cells = tile_cells(network, geometry, 4, available)
    if cells is None:
        assert activation_bytes(network, geometry) <= available
        return
    rows, columns = network.base_size(geometry)
    assert 1 <= cells[0] <= rows and 1 <= cells[1] <= columns
    taken = activation_bytes(network, geometry, (cells[0] + 8, cells[1] + 8))
    assert taken <= available or max(cells) <= 4
    assert fit_bytes(network, geometry, 10**6, cells, 4) > activation_bytes(network, geometry, cells)
