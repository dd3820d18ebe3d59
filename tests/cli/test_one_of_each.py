"""One of something is not several: whatever commands say of files of one frame, video, layer or step."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HELD = Path(__file__).parents[1] / "conformance"
_NOUNS = "frame|video|layer|stream|segment|byte|digest|checksum|parameter|step|clip|group|picture|point|key frame"
ONE_TOO_MANY = re.compile(rf"(?<![\d.,x])1 (?:{_NOUNS})s\b")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return tmp_path_factory.mktemp("one")


@pytest.mark.parametrize(
    "words",
    [
        "encode clip.y4m -n 1 -o new.nvc --preset draft --epochs 1 --set fit.batch=1 -y -v --preview",
        "encode clip.y4m -n 1 -o set.nvc --model dnerv --preset draft --epochs 0.01 --target-size 3kB -y -v",
        "info coded.nvc --check --chunks --tensors",
        "info archive.nvc --check",
        "decode coded.nvc -n 1 -o out.y4m -y --check",
        "decode coded.nvc -n 99 -o out.y4m -y",
        "decode archive.nvc --all -o out/ --format y4m -y",
        "eval clip.y4m coded.nvc -n 1",
        "eval clip.y4m single.y4m",
        "strip layers.nvc --layers 0 -o out.nvc -y",
        "strip layers.nvc --layers 9 -o out.nvc -y",
        "extract-layer layers.nvc --layer 1 -o out.nvcl -y",
        "encode clip.y4m -o tiny.nvc --preset draft --target-size 1 -y",
    ],
)
def test_what_is_said(nvc, clip, coded, one, monkeypatch, words):
    monkeypatch.chdir(one)
    for name, file in {
        "clip.y4m": clip,
        "coded.nvc": coded,
        **{f"{n}.nvc": HELD / f"{n}.nvc" for n in ("archive", "layers")},
    }.items():
        if not (one / name).exists():
            (one / name).write_bytes(file.read_bytes())
    if not (one / "single.y4m").exists():
        assert nvc("decode", "coded.nvc", "-n", "1", "-o", "single.y4m").code == 0
    outcome = nvc(*words.split())
    said = outcome.out.decode() + outcome.err
    assert said and "unexpected" not in said and "Traceback" not in said
    assert not ONE_TOO_MANY.search(said), said


def test_the_pattern_finds_them():
    assert ONE_TOO_MANY.search("holds 1 frames, but") and ONE_TOO_MANY.search("(1 key frames)")
    assert not ONE_TOO_MANY.search("11 frames, 2.1 bytes, 1 frame, 0.1 layers")
