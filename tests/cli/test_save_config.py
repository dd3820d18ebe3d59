"""``--save-config``: what it writes is what ``--config`` reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nvcodec
from nvcodec.api.checks import check
from nvcodec.cli._config import save_config, tomllib
from nvcodec.cli.encode import command
from nvcodec.config.options import PRESETS, TARGETS, EncodeOptions, changed, described
from nvcodec.config.recipe import RECIPES
from nvcodec.models.registry import MODELS

ROOT = Path(__file__).parents[2]
_setting = st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "size": st.tuples(st.integers(1, 99_999), st.integers(1, 99_999)),
    "rate": st.sampled_from(["25", "30000/1001"]),
    "crop": st.sampled_from(["32:16", "32:16:4:8"]),
    "scale": st.sampled_from(["1/2", "64x48", "0.75"]),
    "fps": st.fractions(1, 999, max_denominator=1001),
    "deinterlace": st.booleans(),
    "pix_fmt": st.sampled_from(["yuv420p", "yuv420p10le"]),
    "seek": st.integers(0, (1 << 32) - 1),
    "frames": st.integers(1, (1 << 32) - 1),
    "video_stream": st.integers(0, 4095),
    "allow_truncated": st.booleans(),
    "mask": st.text(min_size=1),
    "model": st.sampled_from([model.name for model in MODELS]),
    "domain": st.sampled_from(["yuv420", "rgb"]),
    "preview": st.booleans(),
    "parameters": st.floats(1, 1e9),
    "preset": st.sampled_from(PRESETS),
    "recipe": st.sampled_from(RECIPES),
    "epochs": st.floats(1e-6, 1e6),
    "max_time_s": st.floats(0.1, 1e7),
    "tune": st.sampled_from(["psnr", "ssim"]),
    "settings": st.dictionaries(st.sampled_from(["fit.batch", "loss.kind", "model.window", "keys.group"]), _setting),
    "device": st.text(min_size=1),
    "threads": st.integers(1, 1024),
    "segment": st.integers(1, (1 << 32) - 1),
    "seed": st.integers(0, (1 << 32) - 1),
}


class Asked(Exception):
    """What an encode was called with."""


def _asked(*words: object) -> EncodeOptions:
    """The options that a command line comes to."""

    def encode(*_: object, options: EncodeOptions, **__: object) -> None:
        raise Asked(options)

    with mock.patch.object(nvcodec, "encode", encode), pytest.raises(Asked) as asked:
        command.main(["clip.y4m", "-o", "x.nvc", *map(str, words)], standalone_mode=False)
    options: EncodeOptions = asked.value.args[0]
    return options


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.toml")), ids=lambda file: file.name)
def test_examples_load_and_come_back(tmp_path: Path, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# nvc encode CLIP -o CLIP.nvc --config examples/{file.name}\n")
    options = _asked("--config", file)
    check(options)
    written = {key.replace("-", "_") for key in tomllib.loads(text)} - {"fit", "loss", "model"}
    known = {each.flags[-1][2:].replace("-", "_"): name for name, each in described(EncodeOptions).items()}
    assert all(getattr(options, known[key]) != getattr(EncodeOptions(), known[key]) for key in written - {"model"})
    save_config(str(tmp_path / "again.toml"), options, overwrite=False)
    assert _asked("--config", tmp_path / "again.toml") == options


def test_every_field_is_tried() -> None:
    assert {*_FIELDS, *TARGETS} == set(EncodeOptions.__dataclass_fields__)


@given(
    values=st.fixed_dictionaries({}, optional=_FIELDS),
    target=st.sampled_from([*TARGETS, None]),
    amount=st.floats(1, 63),
)
def test_the_same_options_come_back(tmp_path_factory, values, target, amount) -> None:
    wanted = {} if target is None else {target: amount}
    if "recipe" in values:  # which says these
        values = {name: value for name, value in values.items() if name not in ("model", "preset")}
    options, file = changed(EncodeOptions(), {**values, **wanted}), tmp_path_factory.getbasetemp() / "options.toml"
    save_config(str(file), options, overwrite=True)
    assert _asked("--config", file) == options


def test_without_a_video(nvc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--crf", "30", "--set", "model.window=3", "--set", "fit.learning_rate=1e-3", "--max-time", "1h", "-n", "9"]
    words += ["--fps", "30000/1001", "--preview", "--params", "4k", "--model", "tenerv"]
    outcome = nvc("encode", *words, "--save-config", "a.toml")
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "") and os.listdir() == ["a.toml"]
    assert _asked("--config", "a.toml") == _asked(*words)
    # options win, a target over the other one of the file too; what comes of both can be written again
    assert nvc("encode", "--config", "a.toml", "--bpp", "0.1", "-n", "8", "--save-config", "b.toml").code == 0
    assert _asked("--config", "b.toml") == _asked(*words[2:], "--bpp", "0.1", "-n", "8")


def test_the_same_encode(nvc, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--preset", "draft", "--epochs", "3", "--target-size", "2kB", "--set", "model.window=3", "--seed", "7"]
    words += ["--set", "fit.batch=2", "--device", "cpu", "--segment", "4", "-n", "6"]
    assert nvc("encode", clip, "-o", "given.nvc", *words, "--save-config", "nvc.toml").code == 0
    assert nvc("encode", clip, "-o", "read.nvc", "--config", "nvc.toml").code == 0
    with open("given.nvc", "rb") as ours, open("read.nvc", "rb") as theirs:
        assert ours.read() == theirs.read()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "there.toml exists; add -y to replace it"),
        ("clip.y4m -o x.nvc", "there.toml exists; add -y to replace it"),
        ("--crf 3 --bpp 1 -y", "--crf and --bpp both given"),
        ("--set fit.btch=3 -y", "no setting is called 'fit.btch'"),
        ("--set fit -y", "--set fit has no value\n  Write it as KEY=VALUE"),
        ("--model dnerv --preview -y", "--preview is for the models"),
        ("clip.y4m -y", "no output given"),
        ("-o x.nvc -y", "no input given"),
        ("--resume x.nvc.work", "--save-config cannot be given with --resume"),
    ],
)
def test_refusals_leave_the_file_alone(nvc, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.y4m").write_bytes(clip.read_bytes())
    (tmp_path / "there.toml").write_text("# mine\n")
    outcome = nvc("encode", *words.split(), "--save-config", "there.toml")
    assert outcome.code == 2 and message in outcome.err
    assert sorted(os.listdir()) == ["clip.y4m", "there.toml"] and (tmp_path / "there.toml").read_text() == "# mine\n"


def test_it_is_replaced_where_it_may_be(nvc, tmp_path):
    file = tmp_path / "nvc.toml"
    file.write_text("crf = 1\n")
    assert nvc("encode", "--seed", "3", "--save-config", file, "-y").code == 0
    assert _asked("--config", file) == EncodeOptions(seed=3)
    outcome = nvc("encode", "--save-config", tmp_path / "no" / "nvc.toml")
    assert outcome.code == 2 and "no is not a folder" in outcome.err


def test_nothing_is_written_where_the_inputs_are_refused(nvc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = nvc("encode", "a.y4m", "b.y4m", "-o", "x.nvc", "--save-config", "a.toml")
    assert outcome.code == 2 and "2 inputs given" in outcome.err and os.listdir() == []
