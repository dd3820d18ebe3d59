"""Whole encodes with QS-NeRV, its presets, and the network that only its encoder has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.config.target import TargetKind
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.companion import Guide, new_companion
from nvcodec.encoder.fit.content_encoder import ContentEncoder, Stage, distribution_loss
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.plan.models import ROWS, settings_for
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.encoder.plan.size_qsnerv import PRESETS, choose_strides
from nvcodec.errors import InterruptedEncodeError, UsageError
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat, Planes, VideoFormat

JobMaker = Callable[..., Job]
TINY: dict[str, object] = {
    "model.strides": "2,2,2",
    "model.kernels": "1,3,3",
    "model.stem": "8",
    "model.channels": "8,6,6",
    "model.embedding": "4",
    "model.shuffle": "2",
    "model.skip_channels": "4",
    "model.growth": "2",
}
QUICK = {"fit__fixed_bits": 6, "fit__learning_rate": 0.02}
"""Without the rate in the loss a fit of a moment takes a moment."""
CLIP = FieldGeometry(8, 48, 64, ChromaFormat.YUV420)


@pytest.fixture
def qsnerv_job(tiny_job: JobMaker) -> JobMaker:
    """A job as ``tiny_job`` makes them, with a network of some thousand parameters."""

    def make(output: str = "out.nvc", epochs: float = 3, **sets: object) -> Job:
        named = {name.replace("__", "."): value for name, value in sets.items()}
        job = tiny_job(TargetKind.CRF, 30, output=output, epochs=epochs, model="qsnerv")
        return replace(job, options=replace(job.options, settings={**TINY, **named}))

    return make


_DIRECT, _PAPER = {"model__direct": True}, {"model__bounded": False, "model__fresh": True, "fit__companion_until": 1}


@pytest.mark.parametrize(
    ("skip", "more"), [*((skip.name.lower(), {}) for skip in Skip), ("conv", _DIRECT), ("inv", _PAPER)]
)
def test_encode_and_decode(qsnerv_job: JobMaker, skip: str, more: dict[str, object]) -> None:
    job = qsnerv_job(epochs=8, model__skip=skip, **{**QUICK, **more})
    result = encode(job)
    assert result.model == "qsnerv" and result.psnr["y"] > 14
    reader = VideoReader(job.output)
    assert len(reader) == 8 and [plane.shape for plane in reader.planes(7)] == [(48, 64), (24, 32), (24, 32)]
    network = reader.session.config
    assert isinstance(network, QSNeRVConfig) and network.skip.name.lower() == skip
    assert network.levels == (0 if skip == "none" else 2)


def test_jobs_come_back_from_disk(qsnerv_job: JobMaker, tmp_path: Path) -> None:
    job = qsnerv_job(model__skip="inv", model__latent="zero")
    job.save(tmp_path / "job.json")
    assert Job.load(tmp_path / "job.json") == job


def _stop_after(steps: int) -> Callable[[], bool]:
    asked = iter(range(steps + 1))
    return lambda: next(asked, steps) >= steps


@pytest.mark.parametrize("until", [0.5, 1])
def test_a_stopped_encode_gives_the_same_file(qsnerv_job: JobMaker, tmp_path: Path, until: float) -> None:
    """Stopped before the companion has done anything, while it is at work, and when it is gone, where it goes."""
    settings = {"model__skip": "inv", "model__levels": 1, "fit__companion_until": until, **QUICK}
    if until == 1:
        settings |= {"model__fresh": True, "fit__branches": True}
    straight, broken = (qsnerv_job(name, **settings) for name in ("straight.nvc", "broken.nvc"))
    encode(straight)
    folder = tmp_path / "work"
    for steps in (0, 5, 9):  # 14 in all of 24
        with pytest.raises(InterruptedEncodeError):
            encode(broken, work_dir=folder, should_stop=_stop_after(steps))
    encode(Job.load(folder / "job.json"), work_dir=folder)
    assert Path(broken.output).read_bytes() == Path(straight.output).read_bytes()


@pytest.fixture
def guide(moving: Callable[[VideoFormat, int], list[Planes]]) -> Guide:
    torch.manual_seed(0)
    video = VideoFormat(64, 48)
    config = QSNeRVConfig((2, 2, 2), (1, 3, 3), 8, (8, 6, 6), 4, 2, skip_channels=4, growth=2)
    field = QSNeRV(config, CLIP)
    return Guide(
        ContentEncoder(field), FlatField(field), Clip.load(moving(video, 8), video, 8), until=0.5, penalty_weight=0.5
    )


def test_a_companion_fills_the_rows_of_the_frames_it_sees(guide: Guide) -> None:
    before = {name: part.clone() for name, part in guide.flat.split(guide.flat.vector.detach()).items()}
    vector, _ = guide.place(torch.tensor([2, 5]))
    after = guide.flat.split(vector)
    for name, part in before.items():
        if name.startswith(("embedding", "maps")):
            changed = [bool((part[frame] != after[name][frame]).any()) for frame in range(8)]
            assert changed == [frame in (2, 5) for frame in range(8)], name
        else:
            assert torch.equal(part, after[name]), name
    assert torch.equal(vector, guide.flat.vector)
    (after["embedding"] ** 2).sum().backward()
    gradient = guide.flat.split(guide.flat.vector.grad)["embedding"]
    assert not gradient[[2, 5]].any() and gradient[[0, 1, 3, 4, 6, 7]].all()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in guide.parameters())
    guide.hold()
    assert not gradient.any()


def test_then_it_is_dropped(guide: Guide) -> None:
    guide.update(0.4)
    assert guide.active and guide.weight(0.4) == pytest.approx(0.5 * 0.2)
    guide.update(0.5)
    assert not guide.active and guide.weight(0.5) == 0
    vector = guide.flat.vector
    embedding = guide.flat.split(vector.detach())["embedding"]
    assert all((embedding[frame] != embedding[0]).any() for frame in range(1, 8))
    settled = vector.detach().clone()
    guide.update(0.6)
    assert torch.equal(settled, guide.flat.vector)


def test_or_it_is_kept_and_makes_what_the_file_has(guide: Guide) -> None:
    guide.until = 1
    guide.update(0.999)
    assert guide.active and guide.weight(0.2) == guide.weight(0.999) == 0.5
    guide.place(torch.tensor([3]))
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter += 0.01
    guide.refresh()
    assert guide.active
    kept = guide.flat.split(guide.flat.vector.detach().clone())
    assert guide.companion is not None
    rows = guide.companion(guide.clip.targets(torch.arange(8)), kept).values
    for name, value in rows.items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5)
    guide.update(1.0)
    assert not guide.active


def test_shares_of_a_fit_for_which_there_can_be_a_companion() -> None:
    for until in (0.0, 0.8, 1.0):
        assert settings_for(EncodeOptions(model="qsnerv", settings={"fit.companion_until": until}))
    with pytest.raises(UsageError, match="0 to 0.8, or 1 for all of the fit, not 0.9"):
        settings_for(EncodeOptions(model="qsnerv", settings={"fit.companion_until": 0.9}))


def test_distribution_loss() -> None:
    """-E[log p(F^)] of a normal distribution, but for what does not depend on F^."""
    values = torch.tensor([[0.5, -1.25], [3.0, 0.0]])
    density = [math.exp(-(float(value) ** 2) / 2) / math.sqrt(2 * math.pi) for value in values.flatten()]
    expected = -sum(map(math.log, density)) / 4 - math.log(2 * math.pi) / 2
    assert float(distribution_loss(values)) == pytest.approx(expected)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_stage_is_hnerv_s(is_first: bool) -> None:
    """Norms over channels, behind the cells of the first stage and in front of those of the others."""
    torch.manual_seed(0)
    stage = Stage(3, 4, 2, is_first=is_first).requires_grad_(False)
    for parameter in stage.parameters():
        parameter.copy_(0.5 * torch.randn_like(parameter))
    x = torch.randn(1, 3, 6, 4)

    def normed(at: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
        return (at - at.mean()) / ((at - at.mean()).square().mean() + 1e-6).sqrt() * norm.weight + norm.bias

    def cells(row: int, column: int) -> torch.Tensor:
        total = stage.patches.bias.clone()
        for u in range(2):
            for v in range(2):
                at = x[0, :, 2 * row + u, 2 * column + v]
                at = at if is_first else normed(at, stage.patch_norm)
                total += stage.patches.weight[:, :, u, v] @ at
        return normed(total, stage.patch_norm) if is_first else total

    for row in range(3):
        for column in range(2):
            y = stage.depthwise.bias.clone()
            for u in range(7):
                for v in range(7):
                    at = row + u - 3, column + v - 3
                    if 0 <= at[0] < 3 and 0 <= at[1] < 2:
                        y += stage.depthwise.weight[:, 0, u, v] * cells(*at)
            y = normed(y, stage.norm)
            y = stage.expand.weight @ y + stage.expand.bias
            y = y / 2 * (1 + torch.erf(y / 2**0.5))
            expected = cells(row, column) + stage.gain * (stage.project.weight @ y + stage.project.bias)
            torch.testing.assert_close(stage(x)[0, :, row, column], expected, rtol=1e-4, atol=1e-4)


def test_models_without_a_companion_do_without(guide: Guide, tiny_job: JobMaker) -> None:
    kind = ROWS["qsnerv"].companion
    assert kind is not None and isinstance(new_companion(kind, guide.flat.field), ContentEncoder)
    assert ROWS["msnerv"].companion is None
    settings: dict[str, object] = {"fit.companion_until": 0.5}
    jobs = [tiny_job(epochs=1, settings=each, output=f"{len(each)}.nvc") for each in ({}, settings)]
    for job in jobs:
        encode(job)
    assert Path(jobs[0].output).read_bytes() == Path(jobs[1].output).read_bytes()


@pytest.mark.parametrize(
    ("size", "strides"),
    [((640, 1280), (5, 4, 4, 2, 2)), ((960, 1920), (5, 4, 4, 3, 2)), ((480, 960), (5, 4, 3, 2, 2))],
)
def test_strides_of_the_paper(size: tuple[int, int], strides: tuple[int, ...]) -> None:
    assert choose_strides(5, 1, *size) == strides


def _parameters(config: QSNeRVConfig, geometry: FieldGeometry) -> int:
    return sum(spec.size for spec in config.tensor_specs(geometry))


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(PRESETS)),
    st.integers(1, 2160),
    st.integers(1, 3840),
    st.integers(1, 600),
    st.integers(1, 20_000_000),
    st.sampled_from(Skip),
)
def test_any_picture_and_budget_has_a_network(
    name: str, height: int, width: int, frames: int, parameters: int, skip: Skip
) -> None:
    geometry, preset = FieldGeometry(frames, height, width, ChromaFormat.YUV420), PRESETS[name]
    network = preset.network(geometry, parameters, {"skip": skip})
    rows, columns = network.base_size(geometry)
    assert 1 <= rows <= 100 and 1 <= columns <= 180
    assert 0 <= rows * network.scale - height < network.scale and 0 <= columns * network.scale - width < network.scale
    smallest = _parameters(preset.network(geometry, 1, {"skip": skip}), geometry)
    assert _parameters(network, geometry) <= max(1.25 * parameters, 1.1 * smallest)


@pytest.mark.parametrize("skip", Skip)
@pytest.mark.parametrize("parameters", [750_000, 3_000_000])
def test_pinned_parameters_are_met_by_every_preset(skip: Skip, parameters: int) -> None:
    video = VideoFormat(1280, 640)
    for name in PRESETS:
        settings = {"model.skip": skip.name.lower()}
        plan = make_plan(
            [(video, 132)], EncodeOptions(model="qsnerv", preset=name, parameters=parameters, settings=settings)
        )
        assert _parameters(plan.network, plan.geometry(plan.spans[0], video)) == pytest.approx(parameters, rel=0.03)


def test_the_paper_s_sizes_of_side_information() -> None:
    network = PRESETS["medium"].network(FieldGeometry(600, 960, 1920, ChromaFormat.RGB), 3_000_000, {"skip": Skip.INV})
    assert (network.levels, network.skip_channels, network.growth) == (2, 64, 8)
    small = PRESETS["medium"].network(FieldGeometry(132, 640, 1280, ChromaFormat.RGB), 750_000, {"skip": Skip.INV})
    assert (small.levels, small.skip_channels, small.growth) == (2, 64, 4)


def test_only_networks_that_can_afford_a_skip_have_one() -> None:
    geometry, preset = FieldGeometry(24, 144, 176, ChromaFormat.YUV420), PRESETS["draft"]
    assert [preset.network(geometry, size).skip for size in (100_000, 750_000)] == [Skip.NONE, Skip.INV]
    assert preset.network(geometry, 100_000, {"skip": Skip.CONV}).skip is Skip.CONV


def test_settings_that_describe_no_network() -> None:
    with pytest.raises(UsageError, match="levels"):
        make_plan(
            [(VideoFormat(64, 48), 8)], EncodeOptions(model="qsnerv", preset="medium", settings={"model.levels": 1})
        )
    with pytest.raises(UsageError, match=r"model\.window"):
        settings_for(EncodeOptions(model="qsnerv", settings={"model.window": "3"}))
