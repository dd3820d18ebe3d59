"""Settings by name, and jobs that are read back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.config.fit import EncodeConfig, Rounding
from nvcodec.config.job import Job
from nvcodec.config.settings import apply, flatten
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.errors import InputError, UsageError
from nvcodec.models.msnerv_config import GridLevel, Upsampling
from nvcodec.types import Domain


def test_text_and_toml_values_mean_the_same() -> None:
    text = {
        "fit.learning_rate": "2e-3", "fit.batch": "2", "loss.multi_resolution": "on", "loss.kind": "adaptive",
        "model.grids": "4:1:2,8:2:4", "model.strides": "3,2,2", "model.upsampling": "bilinear", "model.fusion": "off",
    }  # fmt: skip
    toml = flatten(
        {
            "fit": {"learning_rate": 2e-3, "batch": 2},
            "loss": {"multi_resolution": True, "kind": "adaptive"},
            "model": {"grids": [[4, 1, 2], [8, 2, 4]], "strides": [3, 2, 2], "upsampling": "bilinear", "fusion": False},
        }
    )
    config = apply(EncodeConfig(), text)
    assert config == apply(EncodeConfig(), toml)
    assert config.fit.learning_rate == 2e-3 and config.fit.batch == 2 and config.loss.multi_resolution
    assert config.model == {
        "grids": (GridLevel(4, 1, 2), GridLevel(8, 2, 4)),
        "strides": (3, 2, 2),
        "upsampling": Upsampling.BILINEAR,
        "fusion": False,
    }
    assert config.fit.stages == EncodeConfig().fit.stages


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("fit.learning_rat", "Did you mean fit.learning_rate?"),
        ("model.windo", "Did you mean model.window?"),
        ("loss.xyz", "loss.kind"),
        ("fit.stages", "Known"),
        ("training.lr", "fit., loss., gop., keys. or model."),
        ("window", "fit., loss., gop., keys. or model."),
    ],
)
def test_unknown_keys(key: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"'{key}'") as caught:
        apply(EncodeConfig(), {key: "1"})
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("fit.batch", "two", "whole number"),
        ("fit.learning_rate", "fast", "number"),
        ("loss.multi_resolution", "maybe", "on or off"),
        ("model.upsampling", "cubic", "bilinear, shuffle, hybrid"),
        ("model.strides", "2,x", "list: a whole number"),
        ("model.grids", "4:1", "4:1:2"),
    ],
)
def test_values_that_do_not_fit(key: str, value: str, hint: str) -> None:
    with pytest.raises(UsageError, match=value) as caught:
        apply(EncodeConfig(), {key: value})
    assert hint in caught.value.hint


def test_groups_of_key_frames() -> None:
    assert apply(EncodeConfig(), {"keys.group": "8"}, "dnerv").keys.group == 8
    for value in ("0", "1025", "-3"):
        with pytest.raises(UsageError, match=f"keys.group must be 1 to 1024, not {value}"):
            apply(EncodeConfig(), {"keys.group": value}, "dnerv")
    with pytest.raises(UsageError, match="keys.group cannot be 'all'"):
        apply(EncodeConfig(), {"keys.group": "all"}, "dnerv")
    with pytest.raises(UsageError, match="msnerv has no key frames, which keys.group is about") as caught:
        apply(EncodeConfig(), {"keys.group": "8"})
    assert "--model dnerv" in caught.value.hint


def test_a_loss_nobody_knows() -> None:
    with pytest.raises(UsageError, match="'vmaf'"):
        apply(EncodeConfig(), {"loss.kind": "vmaf"})


def test_jobs_come_back_from_disk(tmp_path: Path) -> None:
    settings = {"model.grids": "4:1:2", "model.upsampling": "shuffle", "model.window": "3", "model.fusion": "off"}
    config = apply(EncodeConfig(domain=Domain.RGB, segment=30, max_time_s=9.5), {**settings, "loss.kind": "ssim"})
    stages = (replace(config.fit.stages[0], rounding=Rounding.HARD), *config.fit.stages[1:])
    job = Job(
        "a.yuv", "b.nvc", (64, 48), Fraction(30000, 1001), "yuv420p10le", 3, 17, RateTarget(TargetKind.BPP, 0.25),
        replace(config, fit=replace(config.fit, stages=stages)),
    )  # fmt: skip
    job.save(tmp_path / "job.json")
    assert Job.load(tmp_path / "job.json") == job


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"config": {}, "target": {}}'])
def test_damaged_jobs(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(InputError, match="damaged"):
        Job.load(tmp_path / "job.json")


def test_missing_jobs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no interrupted encode"):
        Job.load(tmp_path / "job.json")
