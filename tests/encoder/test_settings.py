"""Settings by name, and jobs that are read back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.config.fit import Settings
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.config.settings import flatten
from nvcodec.encoder.plan.models import settings_for
from nvcodec.errors import InputError, UsageError
from nvcodec.models.msnerv_config import GridLevel, Upsampling


def _settings(values: dict[str, object], model: str = "msnerv") -> Settings:
    return settings_for(EncodeOptions(model=model, settings=values))


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
    settings = _settings(text)
    assert settings == _settings(toml)
    assert settings.fit.learning_rate == 2e-3 and settings.fit.batch == 2 and settings.loss.multi_resolution
    assert settings.loss.kind == "adaptive" and settings.fit.stages == Settings().fit.stages
    assert settings.model == {
        "grids": (GridLevel(4, 1, 2), GridLevel(8, 2, 4)),
        "strides": (3, 2, 2),
        "upsampling": Upsampling.BILINEAR,
        "fusion": False,
    }


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("fit.learning_rat", "Did you mean fit.learning_rate?"),
        ("model.windo", "Did you mean model.window?"),
        ("loss.xyz", "loss.kind"),
        ("fit.stages", "Known"),
        ("training.lr", "fit., loss., gop., keys., layer. or model."),
        ("window", "fit., loss., gop., keys., layer. or model."),
    ],
)
def test_unknown_keys(key: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"'{key}'") as caught:
        _settings({key: "1"})
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
        _settings({key: value})
    assert hint in caught.value.hint


def test_groups_of_key_frames() -> None:
    assert _settings({"keys.group": "8"}, "dnerv").keys.group == 8
    for value in ("0", "1025", "-3"):
        with pytest.raises(UsageError, match=f"keys.group must be 1 to 1024, not {value}"):
            _settings({"keys.group": value}, "dnerv")
    with pytest.raises(UsageError, match="keys.group cannot be 'all'"):
        _settings({"keys.group": "all"}, "dnerv")
    with pytest.raises(UsageError, match="msnerv has no key frames, which keys.group is about") as caught:
        _settings({"keys.group": "8"})
    assert 'model="dnerv"' in caught.value.hint


def test_a_loss_nobody_knows() -> None:
    with pytest.raises(UsageError, match="'vmaf'"):
        _settings({"loss.kind": "vmaf"})


def test_jobs_come_back_from_disk(tmp_path: Path) -> None:
    settings = {"model.grids": "4:1:2", "model.window": 3, "model.fusion": False, "loss.fill": 0.5}
    options = EncodeOptions(
        size=(64, 48), fps=Fraction(30000, 1001), pix_fmt="yuv420p10le", seek=3, frames=17, mask="box:8x8", bpp=0.25,
        domain="rgb", preview=True, segment=30, max_time_s=9.5, tune="ssim", preset="slow", settings=settings,
    )  # fmt: skip
    for job in (
        Job(("a.yuv",), "b.nvc", options),
        Job(("a.yuv", "c.y4m"), "b.nvc"),
        Job(("a",), "b", options, "c.nvc"),
    ):
        job.save(tmp_path / "job.json")
        assert Job.load(tmp_path / "job.json") == job


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"inputs": ["a"], "output": "b"}']
    + [f'{{"inputs": {inputs}, "output": "b", "base": null, {more}}}'
       for inputs, more in (("3", '"bpp": 1'), ('["a"]', '"bpp": "much"'), ('["a"]', '"config": 1'))],
)  # fmt: skip
def test_damaged_jobs(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(InputError, match="damaged"):
        Job.load(tmp_path / "job.json")


def test_missing_jobs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no interrupted encode"):
        Job.load(tmp_path / "job.json")
