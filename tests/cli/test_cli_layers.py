"""Enhancement layers from the command line: shown, checked, taken off, taken out, put on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nvcodec.container import PackModelId, PackSegment, appended, chunk_bytes, pack_file, read_container
from nvcodec.decoder.session import Session
from nvcodec.entropy.payload import encode_tensors
from nvcodec.io.replace import exclusive
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import IntegerTensor, digest

Change = Callable[[PackSegment], PackSegment]


def _packs(data: bytes, psnr_mdb: int) -> list[PackSegment]:
    """A layer that changes nothing, but is coded like any other."""
    session = Session(data)
    container, packs = session.container, []
    for ordinal, segment in enumerate(container.segments):
        geometry = session.geometry(segment)
        pyramid = session.config.pyramid(geometry)
        config = EENConfig((2,) * (len(pyramid.levels) - 1), (3,) * (len(pyramid.levels) - 1))
        tensors = [
            IntegerTensor(spec, np.zeros(spec.shape, np.int32), np.full(spec.n_steps, -48, np.int16))
            for spec in config.tensor_specs(geometry, pyramid)
        ]
        packs.append(
            PackSegment(
                segment=ordinal,
                layer=container.layers + 1,
                parent=container.layer_id(ordinal, container.layers),
                model_id=PackModelId.EEN,
                config=config.to_bytes(),
                integers=digest(tensors),
                psnr_mdb=psnr_mdb + 100 * ordinal,
                payload=encode_tensors(tensors),
            )
        )
    return packs


@pytest.fixture(scope="session")
def files(coded: Path) -> list[bytes]:
    """The coded clip with no, one and two layers."""
    datas = [coded.read_bytes()]
    for psnr_mdb in (36_000, 37_000):
        datas.append(datas[-1] + appended(datas[-1], _packs(datas[-1], psnr_mdb)))
    return datas


@pytest.fixture
def layered(files: list[bytes], tmp_path: Path) -> Path:
    """A file with two layers, to be changed."""
    path = tmp_path / "clip.nvc"
    path.write_bytes(files[2])
    return path


def test_info(nvc, layered, files):
    outcome = nvc("info", layered, "--check")
    text = outcome.out.decode()
    assert outcome.code == 0 and outcome.err == ""
    table = [line.split() for line in text[text.index("  layer ") :].splitlines()[1:4]]
    sizes = [len(files[0]), len(files[1]) - len(files[0]), len(files[2]) - len(files[1])]
    assert [row[:2] for row in table] == [
        [name, f"{size:,}"] for name, size in zip(("base", "1", "2"), sizes, strict=True)
    ]
    assert table[1][3:5] == ["36.05", "dB"] and table[2][3:5] == ["37.05", "dB"]
    assert "integers match 6 digests" in text


def test_info_json(nvc, layered, files, coded):
    info = nvc("info", layered, "--json").json
    assert info["layers"] == 3 and [layer["layer"] for layer in info["layer_list"]] == [0, 1, 2]
    assert sum(layer["bytes"] for layer in info["layer_list"]) == info["bytes"] == len(files[2])
    assert [layer["psnr_db"] for layer in info["layer_list"]][1:] == [36.05, 37.05]
    counts = [layer["parameters"] for layer in info["layer_list"]]
    assert sum(counts) == info["parameters"] and counts[1] == counts[2] > 0
    alone = nvc("info", coded, "--json").json
    assert alone["layers"] == 1 and alone["layer_list"] == info["layer_list"][:1]


def test_the_psnr_of_the_base_is_stored(nvc, clip, coded):
    stored = nvc("info", coded, "--json").json
    measured = nvc("eval", clip, coded, "--json").json
    assert stored["metadata"]["psnr"] == round(measured["psnr"]["yuv_611"], 3) == stored["layer_list"][0]["psnr_db"]


def test_info_knows_no_psnr_and_no_network(nvc, files, tmp_path):
    packs = [replace(pack, model_id=99, config=b"?", psnr_mdb=0) for pack in _packs(files[0], 1)]
    (tmp_path / "new.nvc").write_bytes(files[0] + appended(files[0], packs))
    layer = nvc("info", tmp_path / "new.nvc", "--json").json["layer_list"][1]
    assert layer["psnr_db"] is None and layer["parameters"] is None
    outcome = nvc("info", tmp_path / "new.nvc", "--check")
    assert outcome.code == 0 and "?" in outcome.out.decode()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda pack: replace(pack, integers=bytes(16)), "layer 1 of segment 1 does not decode to the integers"),
        (lambda pack: replace(pack, payload=pack.payload + bytes(8)), "layer 1 of segment 1 range-coded data goes on"),
        (lambda pack: replace(pack, config=b""), "layer 1 of segment 1 has a configuration that makes no sense"),
        (lambda pack: replace(pack, config=b"\xff" * 50), "layer 1 of segment 1 has a configuration"),
        (lambda pack: replace(pack, parent=bytes(16)), "was made for another base of segment 1"),
    ],
)
def test_bad_packs_fail_the_check_and_nothing_else(nvc, files, tmp_path, change: Change, complaint):
    packs = _packs(files[0], 36_000)
    packs[1] = change(packs[1])
    path = tmp_path / "bad.nvc"
    foreign = packs[1].parent == bytes(16)
    tail = b"".join(chunk_bytes("pACK", pack.to_bytes()) for pack in packs) if foreign else appended(files[0], packs)
    path.write_bytes(files[0] + tail)
    outcome = nvc("info", path, "--check")
    assert outcome.code == 4 and outcome.out == b"" and complaint in outcome.err
    assert nvc("info", path).code == 0


def test_damaged_layer(nvc, layered, files):
    data = bytearray(files[2])
    data[len(files[1]) + 60] ^= 1
    layered.write_bytes(data)
    outcome = nvc("info", layered)
    assert outcome.code == 0 and "fails its checksum" in outcome.err
    assert nvc("info", layered, "--check").code == 4
    assert nvc("info", layered, "--json").json["layers"] == 2
    assert nvc("strip", layered, "--layers", "1").code == 0
    assert layered.read_bytes() == files[1]


def test_the_base_plays_under_a_damaged_layer(nvc, layered, files, coded, tmp_path):
    data = bytearray(files[2])
    data[len(files[0]) + 60] ^= 1
    layered.write_bytes(data)
    outcome = nvc("decode", layered, "-o", tmp_path / "damaged.y4m")
    assert outcome.code == 0 and "warning: " in outcome.err and "fails its checksum" in outcome.err
    assert nvc("decode", coded, "-o", tmp_path / "base.y4m").code == 0
    assert (tmp_path / "damaged.y4m").read_bytes() == (tmp_path / "base.y4m").read_bytes()


def test_strip_in_place(nvc, layered, files):
    outcome = nvc("strip", layered, "--layers", "1", "--json")
    assert outcome.code == 0 and layered.read_bytes() == files[1]
    changed = len(files[1]) - len(files[2])
    assert outcome.json == {
        "schema": "nvc-strip/1", "file": str(layered), "bytes": len(files[1]), "layers": 2,
        "enhancement_layers": 1, "changed_bytes": changed,
    }  # fmt: skip
    assert f"{layered}  " in outcome.err and "base + 1 layer; " in outcome.err and "removed" in outcome.err
    assert nvc("strip", layered, "--layers", "1").err.endswith("nothing to remove\n")
    assert nvc("strip", layered, "--layers", "0").code == 0 and layered.read_bytes() == files[0]


def test_layers_travel_alone(nvc, layered, files, tmp_path):
    for layer in ("1", "2"):
        outcome = nvc("extract-layer", layered, "--layer", layer, "-o", tmp_path / f"{layer}.nvcl", "--json")
        assert outcome.code == 0 and outcome.json["layer"] == int(layer)
        assert outcome.json["bytes"] == (tmp_path / f"{layer}.nvcl").stat().st_size
    base = tmp_path / "base.nvc"
    assert nvc("strip", layered, "--layers", "0", "-o", base).code == 0
    assert layered.read_bytes() == files[2] and base.read_bytes() == files[0]
    outcome = nvc("append", base, tmp_path / "1.nvcl", "--json")
    assert outcome.code == 0 and base.read_bytes() == files[1]
    assert outcome.json["layers"] == 2 and outcome.json["changed_bytes"] == len(files[1]) - len(files[0])
    assert nvc("append", base, tmp_path / "2.nvcl", "-o", tmp_path / "both.nvc").code == 0
    assert base.read_bytes() == files[1] and (tmp_path / "both.nvc").read_bytes() == files[2]


def test_a_layer_is_refused_by_any_other_file(nvc, layered, files, clip, tmp_path):
    for layer in ("1", "2"):
        assert nvc("extract-layer", layered, "--layer", layer, "-o", tmp_path / f"{layer}.nvcl").code == 0
    base = read_container(files[0]).layer_id(0, 0).hex()
    other = tmp_path / "other.nvc"
    assert nvc("encode", clip, "-o", other, "--preset", "draft", "--epochs", "1", "--segment", "4", "-q").code == 0
    other_id = read_container(other.read_bytes()).layer_id(0, 0).hex()
    before = other.read_bytes()
    outcome = nvc("append", other, tmp_path / "1.nvcl")
    assert outcome.code == 4 and f"error: {other}: " in outcome.err
    assert base in outcome.err and other_id in outcome.err
    assert other.read_bytes() == before and nvc("decode", other, "--check").code == 0


def test_the_layer_that_is_missing_is_named(nvc, layered, files, tmp_path):
    for layer in ("1", "2"):
        assert nvc("extract-layer", layered, "--layer", layer, "-o", tmp_path / f"layer {layer}.nvcl").code == 0
    layered.write_bytes(files[0])
    outcome = nvc("append", layered, tmp_path / "layer 2.nvcl")
    assert outcome.code == 4 and "holds the base alone, on which layer 2 cannot be put" in outcome.err
    assert f"Append layer 1 first:  nvc append {layered} '{tmp_path / 'layer 1.nvcl'}'" in outcome.err
    assert layered.read_bytes() == files[0]
    (tmp_path / "layer 1.nvcl").write_bytes(b"not that one")
    assert nvc("append", layered, tmp_path / "layer 2.nvcl").err.endswith("  Append layer 1 first\n")
    layered.write_bytes(files[1])
    (tmp_path / "1.nvcl").write_bytes(pack_file(read_container(files[1]), 1))
    outcome = nvc("append", layered, tmp_path / "1.nvcl")
    assert outcome.code == 4 and "holds base + 1 layer: this layer 1 is one of them" in outcome.err


def test_info_reads_layer_files(nvc, layered, files, tmp_path):
    for layer in (1, 2):
        path = tmp_path / f"{layer}.nvcl"
        path.write_bytes(pack_file(read_container(files[2]), layer))
        found, below = nvc("info", path, "--json").json, nvc("info", layered, "--json").json["layer_list"][layer - 1]
        assert found["layer"] == layer and found["bytes"] == path.stat().st_size and found["frames"] == 8
        assert found["made_for"] == below["ids"] and found["psnr_db"] == {1: 36.05, 2: 37.05}[layer]
        text = nvc("info", path, layered, "--check").out.decode()
        assert f"layer {layer} for 8 frames in 2 segments" in text and found["made_for"][0] in text
        assert "base + 2 layers, with the id " in text
        assert b"QS-NeRV" in nvc("info", path, "--cite").out
    path.write_bytes(path.read_bytes()[:-3])
    assert nvc("info", path).code == 4


def test_layers_are_cited(nvc, layered, coded):
    one, both = (nvc("info", path, "--cite").out.decode() for path in (coded, layered))
    assert both.startswith(one.strip()) and "QS-NeRV" in both and "QS-NeRV" not in one


def test_wrong_kinds_of_files(nvc, layered, tmp_path):
    layer = tmp_path / "1.nvcl"
    assert nvc("extract-layer", layered, "--layer", "1", "-o", layer).code == 0
    for words in (["decode", layer, "-o", tmp_path / "x.y4m"], ["append", layer, layer]):
        outcome = nvc(*words)
        assert outcome.code == 4
        assert f"error: {layer}: is an enhancement layer without its base\n  Attach it:  nvc append" in outcome.err
    outcome = nvc("append", layered, layered)
    assert outcome.code == 4 and f"{layered}: is a video, not a layer" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("strip clip.nvc", 2, "nothing to take off was named"),
        ("strip clip.nvc --layers 3", 2, "clip.nvc has no layer 3: it holds base + 2 layers"),
        ("strip clip.nvc --layers 0 -o taken", 2, "taken exists; add -y to replace it"),
        ("strip no.nvc --layers 0", 3, "cannot read no.nvc"),
        ("strip taken --layers 0", 4, "taken: is truncated"),
        ("extract-layer clip.nvc -o x", 2, "no layer given"),
        ("extract-layer clip.nvc --layer 1", 2, "no output given"),
        ("extract-layer clip.nvc --layer 3 -o x", 2, "clip.nvc has no layer 3: it holds base + 2 layers"),
        ("extract-layer clip.nvc --layer 1 -o taken", 2, "taken exists; add -y to replace it"),
        ("extract-layer clip.nvc --layer 1 -o no/x", 2, "no is not a folder; cannot write no/x"),
        ("append clip.nvc no.nvcl", 3, "cannot read no.nvcl"),
        ("append clip.nvc taken", 4, "taken: is truncated"),
        ("append clip.nvc", 2, "missing argument 'LAYER'"),
    ],
)
def test_mistakes(nvc, layered, tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_bytes(b"")
    before = layered.read_bytes()
    outcome = nvc(*words.split())
    assert (outcome.code, outcome.out) == (code, b"") and f"error: {message}" in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["clip.nvc", "taken"]
    assert layered.read_bytes() == before and (tmp_path / "taken").read_bytes() == b""


def test_overwrite(nvc, layered, files, tmp_path):
    taken = tmp_path / "taken"
    taken.write_bytes(b"")
    assert nvc("strip", layered, "--layers", "0", "-o", taken, "-y").code == 0
    assert taken.read_bytes() == files[0]


def test_one_writer_at_a_time(nvc, layered, files):
    with exclusive(layered):
        outcome = nvc("strip", layered, "--layers", "0")
    assert outcome.code == 2 and "is being changed by another nvc" in outcome.err
    assert layered.read_bytes() == files[2]


def test_no_torch_is_needed(layered, files):
    program = (
        "import sys\nfrom nvcodec.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code or 0, 'torch' in sys.modules)"
    )
    for words in (["info", layered, "--check", "--json"], ["strip", layered, "--layers", "0", "-q"]):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "0 False", words
    assert layered.read_bytes() == files[0]


@pytest.mark.parametrize("spoil", ["nothing", "first layer", "second layer", "cut"])
def test_eval_counts_the_bytes_that_strip_leaves(nvc, clip, layered, files, tmp_path, spoil):
    """Of every number of layers that there are, whatever is behind those that can be used."""
    data = bytearray(files[2])
    if spoil.endswith("layer"):
        data[len(files[0 if spoil == "first layer" else 1]) + 60] ^= 1
    layered.write_bytes(data[:-9] if spoil == "cut" else data)
    held = {"nothing": 2, "first layer": 0, "second layer": 1, "cut": 2}[spoil]
    for layers in range(held + 1):
        left = tmp_path / f"{layers}.nvc"
        assert nvc("strip", layered, "--layers", layers, "-o", left).code == 0
        found = nvc("eval", clip, layered, "--layers", layers, "--metrics", "psnr", "--json").json
        alone = nvc("eval", clip, left, "--metrics", "psnr", "--json").json
        assert found["bytes"] == left.stat().st_size
        assert (layers, spoil) == (2, "cut") or left.read_bytes() == files[layers]
        assert {**found, "test": ""} == {**alone, "test": ""}
    whole = nvc("eval", clip, layered, "--metrics", "psnr", "--json").json
    assert whole["bytes"] == layered.stat().st_size and whole["layers"] == held


@pytest.mark.parametrize("spoil", ["layer", "cut"])
def test_a_check_looks_at_layers_and_the_end(nvc, layered, files, tmp_path, spoil):
    data = bytearray(files[2])
    if spoil == "layer":
        data[len(files[0]) + 60] ^= 1
    layered.write_bytes(data if spoil == "layer" else data[:-9])
    for command in ("decode", "info"):
        outcome = nvc(command, layered, "--check", "--json")
        assert outcome.code == 4 and outcome.json["check"]["problems"] and not outcome.json["check"]["ok"]
