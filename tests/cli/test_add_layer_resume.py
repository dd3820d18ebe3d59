"""Ctrl-C while a layer is fitted, and how it goes on."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import nvcodec
from nvcodec.encoder.result import LayerResult
from nvcodec.errors import InterruptedEncodeError

FIT = ("--epochs", "60", "--params", "900", "--device", "cpu")


@pytest.fixture
def here(coded, clip, tmp_path, monkeypatch):
    """The clip and its bitstream in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.y4m")
    shutil.copy(coded, "clip.nvc")
    return tmp_path


@pytest.fixture
def straight(here):
    """The same with a layer that nothing interrupted."""
    shutil.copy("clip.nvc", "straight.nvc")
    nvcodec.add_layer("straight.nvc", "clip.y4m", epochs=60, parameters=900, device="cpu")
    data = (here / "straight.nvc").read_bytes()
    os.remove("straight.nvc")
    return data


def test_interrupt_and_resume(nvc, interrupted, here, straight):
    base = (here / "clip.nvc").read_bytes()
    err = interrupted("add-layer", "clip.nvc", "-i", "clip.y4m", *FIT)
    assert err.endswith("the state is saved\n  Go on with:  nvc add-layer --resume clip.nvc.layer.work\n")
    assert (here / "clip.nvc").read_bytes() == base
    assert sorted(os.listdir()) == ["clip.nvc", "clip.nvc.layer.work", "clip.y4m"]

    other = nvc("add-layer", "clip.nvc", "-i", "clip.y4m", *FIT, "--epochs", "61")
    assert other.code == 2 and "clip.nvc.layer.work holds an interrupted encode with --epochs 60" in other.err
    assert "nvc add-layer --resume clip.nvc.layer.work" in other.err

    resumed = nvc("add-layer", "--resume", "clip.nvc.layer.work", "--json")
    assert resumed.code == 0 and resumed.json["layer"] == 1 and resumed.json["schema"] == "nvc-add-layer/1"
    assert sorted(os.listdir()) == ["clip.nvc", "clip.y4m"]
    assert (here / "clip.nvc").read_bytes() == straight and straight.startswith(base)
    assert nvc("decode", "clip.nvc", "--check").code == 0


def test_the_same_command_goes_on_in_a_folder_of_its_own(nvc, interrupted, here, straight):
    words = ("add-layer", "clip.nvc", "-i", "clip.y4m", "-o", "new.nvc", *FIT, "--work-dir", "w")
    assert interrupted(*words).endswith("Go on with:  nvc add-layer --resume w\n")
    assert sorted(os.listdir()) == ["clip.nvc", "clip.y4m", "w"]
    assert nvc(*words).code == 0 and (here / "new.nvc").read_bytes() == straight
    assert sorted(os.listdir()) == ["clip.nvc", "clip.y4m", "new.nvc"]


def test_what_may_be_replaced_may_be_replaced_again(nvc, interrupted, here, straight):
    (here / "taken.nvc").write_bytes(b"old")
    err = interrupted("add-layer", "clip.nvc", "-i", "clip.y4m", "-o", "taken.nvc", "-y", *FIT)
    assert err.endswith("Go on with:  nvc add-layer --resume taken.nvc.layer.work -y\n")
    outcome = nvc("add-layer", "--resume", "taken.nvc.layer.work")
    assert outcome.code == 2 and "taken.nvc exists; add -y" in outcome.err
    assert (here / "taken.nvc").read_bytes() == b"old"
    assert nvc("add-layer", "--resume", "taken.nvc.layer.work", "-y").code == 0
    assert (here / "taken.nvc").read_bytes() == straight


def test_the_other_command_is_named(nvc, interrupted, here):
    interrupted("add-layer", "clip.nvc", "-i", "clip.y4m", *FIT)
    interrupted("encode", "clip.y4m", "-o", "x.nvc", "--preset", "draft", "--epochs", "60")
    outcome = nvc("encode", "--resume", "clip.nvc.layer.work")
    assert outcome.code == 2 and "clip.nvc.layer.work is of a layer\n" in outcome.err
    assert "Go on with it:  nvc add-layer --resume clip.nvc.layer.work" in outcome.err
    outcome = nvc("add-layer", "--resume", "x.nvc.work")
    assert outcome.code == 2 and "x.nvc.work is of a new file\n" in outcome.err
    assert "Go on with it:  nvc encode --resume x.nvc.work" in outcome.err
    assert sorted(os.listdir()) == ["clip.nvc", "clip.nvc.layer.work", "clip.y4m", "x.nvc.work"]


def test_files_that_have_changed(nvc, interrupted, here, coded):
    interrupted("add-layer", "clip.nvc", "-i", "clip.y4m", *FIT)
    source, base = (here / "clip.y4m").read_bytes(), (here / "clip.nvc").read_bytes()
    for name, changed in (("clip.y4m", source[:-9] + bytes(9)), ("clip.nvc", base + base)):
        before = (here / name).read_bytes()
        (here / name).write_bytes(changed)
        outcome = nvc("add-layer", "--resume", "clip.nvc.layer.work")
        assert outcome.code in (3, 4) and name in outcome.err and (here / "clip.nvc.layer.work").exists()
        (here / name).write_bytes(before)
    assert nvc("add-layer", "--resume", "clip.nvc.layer.work", "-q").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("clip.nvc --resume w", "BITSTREAM cannot be given with --resume\n  A resumed encode keeps its input"),
        ("--resume w -i clip.y4m", "--source cannot be given with --resume"),
        ("--resume w --bpp 1", "--bpp cannot be given with --resume"),
        ("--resume w --work-dir v", "--work-dir cannot be given with --resume"),
    ],
)
def test_nothing_else_can_be_given(nvc, here, words, message):
    outcome = nvc("add-layer", *words.split())
    assert outcome.code == 2 and message in outcome.err


def test_a_folder_without_a_layer(nvc, here):
    outcome = nvc("add-layer", "--resume", "w")
    assert outcome.code == 3 and "w holds no interrupted encode" in outcome.err


def test_from_python(here, straight):
    steps = iter(range(100))
    with pytest.raises(InterruptedEncodeError, match="the state is saved") as caught:
        nvcodec.add_layer(
            "clip.nvc", "clip.y4m", epochs=60, parameters=900, device="cpu", work_dir="w",
            should_stop=lambda: next(steps) > 20,
        )  # fmt: skip
    assert caught.value.hint == "Go on with:  nvcodec.resume('w')"
    (saved,) = here.glob("w/*.npz")
    assert np.load(saved)["below.lengths"].min() > 1, "the groups in which the base was drawn"
    result = nvcodec.resume("w")
    assert isinstance(result, LayerResult) and result.layer == 1
    assert (here / "clip.nvc").read_bytes() == straight
