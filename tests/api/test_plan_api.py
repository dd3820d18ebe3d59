"""What an encode would fit is what it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.config.keywords import ModelName, RecipeName
from nvcodec.config.recipe import RECIPES

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 48), dtype=np.uint8)


@pytest.mark.parametrize("model", ["msnerv", "tenerv", "qsnerv"])
def test_it_is_what_is_fitted(model: ModelName, tmp_path: Path) -> None:
    how = {"model": model, "preset": "draft", "epochs": 2, "bpp": 2.0, "device": "cpu"}
    planned = nvcodec.plan(FRAMES, **how)  # type: ignore[arg-type]
    result = nvcodec.encode(FRAMES, tmp_path / "a.nvc", **how)  # type: ignore[arg-type]
    assert planned.parameters == result.parameters and planned.steps == 10
    assert planned.network == result.config["network"]
    assert (planned.frames, planned.width, planned.height, planned.domain) == (5, 48, 32, "rgb")
    assert planned.target_bytes is not None and planned.target_bytes >= result.bytes


def test_a_network_that_is_weighed_is_not_known(tmp_path: Path) -> None:
    clip = Path(__file__).parents[2] / "samples" / "bunny_320x180_25.mkv"
    planned = nvcodec.plan(clip, model="dnerv", preset="draft", bpp=0.1, device="cpu")
    assert planned.parameters is planned.network is planned.steps is None
    known = nvcodec.plan(clip, model="dnerv", preset="draft", bpp=0.1, params="50k", epochs=1, device="cpu")
    assert known.parameters == pytest.approx(50_000, rel=0.2) and known.steps


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_encode_decode_and_verify(name: RecipeName, tmp_path: Path) -> None:
    """The whole road in a step or two: what is fixed at so many bits is a file like others."""
    file = tmp_path / "a.nvc"
    result = nvcodec.encode(FRAMES, file, recipe=name, params="20k", epochs=1, device="cpu")
    assert result.parameters == nvcodec.plan(FRAMES, recipe=name, params="20k", device="cpu").parameters
    assert nvcodec.probe(file).metadata["preset"] == f"recipe {name}"
    assert result.bits_per_parameter < 9
    nvcodec.decode(file, None, check=True, device="cpu")
    assert sum(1 for _ in nvcodec.VideoReader(file, device="cpu")) == len(FRAMES)
