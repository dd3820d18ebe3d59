"""Rows with enhancement layers: fitted one after the other or at once, into files like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import ablate
from benchmarks.ablation import runs, study
from benchmarks.ablation.joint import Jointly, Live
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.decoder.reader import VideoReader
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure
from nvcodec.models import pack_registry
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig
from nvcodec.types import ChromaFormat

MakeStudy = Callable[..., Path]
_SET = """
[set]
fit.fixed_bits = 6
fit.batch = 1
layer.shape = "hnerv"
layer.grid = false
layer.multi_scale = true
"""
_ROWS = """
[[configurations]]
name = "apart"
layers = [0.5, 0.5]
[[configurations]]
name = "joint"
layers = [0.5, 0.5]
joint = true
"""


@pytest.fixture
def path(make_study: MakeStudy) -> Path:
    """A study of a base and two layers."""
    written = make_study("epochs = 1\n", "epochs = 2\nparams = 3000\n", "target_size = 1200\n", "")
    text = written.read_text().replace("[set.model]", f"{_SET}[set.model]")
    written.write_text(text[: text.index('[[configurations]]\nname = "single"')] + _ROWS)
    return written


def test_both_ways_lead_to_a_file_with_layers(path: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    only = ["--only", "apart", "--only", "joint"]
    assert ablate.main([str(path), "--clips", str(clips), "-o", str(out), "--device", "cpu", *only]) == 0
    with open_source(clips / "waves.y4m") as source:
        truth = list(source)
    for name, steps in (("apart", 16 + 16 + 8), ("joint", 16)):
        record = json.loads((out / "tiny" / f"{name}--waves--s0.json").read_text())
        file = out / "tiny" / f"{name}--waves--s0.nvc"
        reader = VideoReader(file, device="cpu")
        assert reader.session.container.layers == 2 and record["layers"] == 3 and record["fit_steps"] == steps
        assert record["bytes"] == file.stat().st_size
        assert record["run"]["layers"] == [0.5, 0.5] and record["run"]["joint"] == (name == "joint")
        assert record["run"]["layer set layer.shape"] == "hnerv"
        video = reader.format
        quality = measure(truth, video, list(reader.frames()), video).psnr
        assert record["psnr"]["yuv_611"] == pytest.approx(quality["yuv_611"], abs=1e-3)
        below = measure(truth, video, list(VideoReader(file, device="cpu", layers=0).frames()), video).psnr
        assert quality["yuv_611"] != pytest.approx(below["yuv_611"], abs=1e-4)  # the base is a part of the file


def test_shares_of_base_and_layers(path: Path) -> None:
    loaded = study.load_study(path)
    run = runs.Run(loaded, loaded.configuration("apart"), loaded.clips[0], 0)
    layers = [run.configuration.layer_options(run.clip, number, run.options) for number in (1, 2)]
    assert [each.parameters for each in (run.options, *layers)] == [1500, 750, 750]
    assert [each.epochs for each in (run.options, *layers)] == [2, 2, 1]
    assert set(layers[0].settings) == {f"layer.{name}" for name in ("shape", "grid", "multi_scale")} | {
        "fit.fixed_bits", "fit.batch",
    }  # fmt: skip
    assert not any(key.startswith("layer.") for key in run.options.settings)


def test_one_field_of_all_draws_what_a_decoder_does() -> None:
    geometry = FieldGeometry(5, 24, 32, ChromaFormat.YUV420)
    config = QSNeRVConfig((2, 2), (1, 3), 4, (4, 3), embedding=3, shuffle=2, levels=1, skip_channels=3, growth=2)
    pyramid, live = config.pyramid(geometry), Live()
    torch.manual_seed(0)
    base = QSNeRV(config, geometry)
    packs = [
        pack_registry.build(each, geometry, pyramid, live)
        for each in (EENConfig((4, 3), (1, 3), multi_scale=True), EENConfig((2, 3), (3, 5), 2, 2))
    ]
    field = Jointly(base, packs, live)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    assert {spec.name: spec.shape for spec in field.specs} == {
        name: tuple(parameter.shape) for name, parameter in field.named_parameters()
    }
    frames = torch.tensor([0, 4, 2])
    drawn = field(frames).planes
    below = FinishedLayers(base, 1 << 20)
    for pack in packs:
        pack.below = below
        below.add(pack)
    for one, two in zip(drawn, below.planes(frames), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    for pack in packs:
        pack.below = live
    sum(plane.square().mean() for plane in field(frames).planes).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in base.parameters())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fit.fixed_bits = 6\n", "", "configuration joint is joint, which needs layers and fit.fixed_bits"),
        ("layers = [0.5, 0.5]\njoint", "joint", "configuration joint is joint"),
        ("layers = [0.5, 0.5]\n[", "layers = [0.5, 0]\n[", "layers of apart must be numbers above 0"),
        ('source = "A paper', 'equal_time = true\nsource = "A paper', "do not go with equal_time"),
        ("layer.grid = false", 'layer.grid = "of"', "layer.grid cannot be"),
    ],
)
def test_rows_that_make_no_sense(
    path: Path, old: str, new: str, said: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert ablate.main([str(path), "--clips", str(clips), "-o", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_every_row_of_qs_nerv_s_tables_can_run() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "studies"
    for number in (2, 8, 9):
        loaded = study.load_study(folder / f"qsnerv_table{number}.toml")
        assert all(row.not_built is None for row in loaded.configurations)
        assert loaded.seeds == (0, 1) and len(loaded.clips) == 2
        assert replace(loaded.clips[0], name="").frames == 16
