"""``nvc add-layer``: what it prints, what it leaves behind, and what kills leave behind."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nvcodec.container import read_container
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source


@pytest.fixture
def file(coded, tmp_path):
    """The coded clip, to be changed."""
    path = tmp_path / "clip.nvc"
    path.write_bytes(coded.read_bytes())
    return path


QUICK = ("--epochs", "2", "--params", "900", "--device", "cpu")


def test_by_a_recipe(nvc, clip, tmp_path):
    """Bits are fixed: nothing but the network says how large it gets."""
    words = ("--recipe", "qsnerv", "--params", "4k", "--epochs", "1", "--device", "cpu")
    assert nvc("encode", clip, "-o", tmp_path / "r.nvc", *words).code == 0
    added = nvc("add-layer", tmp_path / "r.nvc", "-i", clip, *words, "--json")
    assert added.code == 0, added.err
    network = added.json["network"]
    assert network["grid_interval"] == 0 and network["kernels"][:2] == [1, 3] and network["multi_scale"] is True
    assert network["channels"] == sorted(network["channels"], reverse=True)
    assert 8 * added.json["added_bytes"] > 7 * added.json["parameters"]
    assert nvc("decode", tmp_path / "r.nvc", "--check").code == 0


def test_from_one_end_to_the_other(nvc, clip, file, tmp_path):
    old = file.read_bytes()
    outcome = nvc("add-layer", file, "--source", clip, *QUICK, "--bpp", "0.4", "--json")
    assert outcome.code == 0 and "Traceback" not in outcome.err
    assert f"{file}  layer 1: " in outcome.err and "dB 6:1:1" in outcome.err
    result = outcome.json
    assert result["schema"] == "nvc-add-layer/1"
    assert set(result) == {
        *("schema", "file", "layer", "added_bytes", "bytes", "bpp", "added_bpp", "frames", "parameters", "psnr"),
        *("psnr_below", "ms_ssim_y", "encode_s", "fit_steps", "device", "seed", "versions", "network"),
        "target_reached",
    }
    data = file.read_bytes()
    assert data[: len(old)] == old and len(data) == result["bytes"] == len(old) + result["added_bytes"]
    assert result["layer"] == 1 and result["frames"] == 8 and result["target_reached"] is True
    assert result["added_bpp"] <= 0.4 and result["device"] == "cpu" and result["file"] == str(file)

    for name, bitstream, words in (("old", "old.nvc", ()), ("base", file, ("--layers", 0)), ("all", file, ())):
        (tmp_path / "old.nvc").write_bytes(old)
        outcome = nvc("decode", tmp_path / bitstream, "-o", tmp_path / f"{name}.yuv", "--check", *words)
        assert outcome.code == 0, outcome.err
    assert nvc("decode", file, "-o", tmp_path / "one.yuv", "--layers", 1).code == 0
    pictures = {name: (tmp_path / f"{name}.yuv").read_bytes() for name in ("old", "base", "all", "one")}
    assert pictures["base"] == pictures["old"] and pictures["all"] == pictures["one"] != pictures["old"]
    outcome = nvc("decode", file, "-o", tmp_path / "two.yuv", "--layers", 2)
    assert outcome.code == 2 and not (tmp_path / "two.yuv").exists()
    assert "the file has no layer 2: it holds base + 1 layer" in outcome.err and "--layers can be 0 to 1" in outcome.err

    measured = nvc("eval", clip, file, "--json").json
    assert measured["psnr"]["yuv_611"] == pytest.approx(result["psnr"]["yuv_611"], abs=0.01)
    assert nvc("info", file, "--json").json["layers"] == 2
    assert nvc("strip", file, "--layers", 0).code == 0 and file.read_bytes() == old


def test_settings_of_the_command_and_of_a_file(nvc, clip, file, tmp_path):
    """The paper's layer; what is given wins over the file, and settings of what is not made are refused."""
    config = tmp_path / "layer.toml"
    config.write_text(
        'epochs = 2\nparams = "900"\ndevice = "cpu"\nbpp = 0.4\n[layer]\nshape = "hnerv"\ngrid = true\n'
        "[fit]\nbatch = 1\nbranches = true\n"
    )
    words = ("--config", config, "--set", "layer.grid=off", "--set", "layer.multi_scale=on", "--bpp", "0.5")
    outcome = nvc("add-layer", file, "--source", clip, *words, "--json")
    assert outcome.code == 0, outcome.err
    network = outcome.json["network"]
    wide, narrow = network["channels"][0], network["channels"][-1]
    assert network["kernels"] == [1, 3, 5, 5, 5][: len(network["kernels"])] and wide >= narrow
    assert network["grid_channels"] == 0 and network["multi_scale"] is True
    assert outcome.json["fit_steps"] == 16 and 0.4 < outcome.json["added_bpp"] <= 0.5
    assert nvc("decode", file, "-o", tmp_path / "out.yuv", "--check").code == 0
    for setting, said in (("model.shuffle=2", "model.shuffle is not for layers"), ("layer.grit=1", "'layer.grit'")):
        outcome = nvc("add-layer", file, "--source", clip, "--set", setting)
        assert outcome.code == 2 and said in outcome.err
    outcome = nvc("encode", clip, "-o", tmp_path / "new.nvc", "--set", "layer.grid=off")
    assert (
        outcome.code == 2 and "the setting layer.grid is for layers" in outcome.err and "nvc add-layer" in outcome.err
    )


def test_another_video_is_refused(nvc, clip, file, tmp_path):
    old = file.read_bytes()
    with open_source(clip) as source, open_sink(tmp_path / "other.y4m", source.format) as sink:
        for planes in source:
            sink.write(tuple(np.full_like(plane, 255) for plane in planes))
    outcome = nvc("add-layer", file, "--source", tmp_path / "other.y4m", *QUICK, "-o", tmp_path / "x.nvc")
    assert outcome.code == 2 and f"other.y4m is not what {file} was encoded from: the base has " in outcome.err
    assert "--seek" in outcome.err and " dB against that" in outcome.err
    assert file.read_bytes() == old and not (tmp_path / "x.nvc").exists()


def test_a_target_that_is_not_reached(nvc, clip, file):
    outcome = nvc("add-layer", file, "--source", clip, *QUICK, "--target-psnr", "70", "--json")
    assert outcome.code == 6 and outcome.json["target_reached"] is False
    assert "target not reached: the file has" in outcome.err and "70 dB were asked for" in outcome.err
    assert "The best layer found was written" in outcome.err
    assert read_container(file.read_bytes()).layers == 1


def test_quiet_means_quiet(nvc, clip, file, tmp_path):
    outcome = nvc("add-layer", file, "--source", clip, *QUICK, "-o", tmp_path / "new.nvc", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "")
    assert (tmp_path / "new.nvc").read_bytes().startswith(file.read_bytes())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("add-layer", 2, "missing argument 'BITSTREAM'"),
        ("add-layer clip.nvc", 2, "missing option"),
        ("add-layer clip.nvc -i clip.y4m --bpp 0.1 --target-psnr 30", 2, "--bpp and --target-psnr both given"),
        ("add-layer clip.nvc -i clip.y4m --bpp 0", 2, "not in the range 0<x<=10000"),
        ("add-layer clip.nvc -i clip.y4m --bpp nan", 2, "'nan' is not a valid number"),
        ("add-layer clip.nvc -i clip.y4m --preset slo", 2, "Did you mean 'slow'?"),
        ("add-layer clip.nvc -i clip.y4m --crf 30", 2, "no such option '--crf'"),
        ("add-layer clip.nvc -i clip.y4m --seed -1", 2, "not in the range"),
        ("add-layer clip.nvc -i clip.y4m -o taken.nvc", 2, "taken.nvc exists; add -y"),
        ("add-layer clip.nvc -i clip.y4m -o clip.nvc -y", 2, "clip.nvc is the input itself"),
        ("add-layer clip.nvc -i clip.y4m -o clip.y4m -y", 2, "clip.y4m is the input itself"),
        ("add-layer clip.nvc -i clip.y4m -o no/x.nvc", 2, "no is not a folder"),
        ("add-layer clip.nvc -i clip.y4m -s 32x32", 2, "clip.y4m says 64x48"),
        ("add-layer clip.nvc -i clip.y4m --device warp", 2, "'warp' is no device"),
        ("add-layer clip.nvc -i other.y4m", 2, "other.y4m is "),
        ("add-layer clip.nvc -i missing.y4m", 3, "missing.y4m"),
        ("add-layer clip.nvc -i clip.nvc", 3, "clip.nvc"),
        ("add-layer clip.nvc -i short.y4m", 3, "short.y4m"),
        ("add-layer missing.nvc -i clip.y4m", 3, "cannot read missing.nvc"),
        ("add-layer . -i clip.y4m", 3, "is a folder, not a bitstream"),
        ("add-layer clip.y4m -i clip.y4m", 4, "clip.y4m"),
        ("add-layer cut.nvc -i clip.y4m", 4, "cut.nvc"),
        ("add-layer taken.nvc -i clip.y4m", 4, "taken.nvc"),
    ],
)
def test_what_goes_wrong(nvc, clip, file, tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    data, whole = clip.read_bytes(), file.read_bytes()
    frame = 64 * 48 * 3 // 2 + len(b"FRAME\n")
    (tmp_path / "clip.y4m").write_bytes(data)
    (tmp_path / "short.y4m").write_bytes(data[:-frame])
    (tmp_path / "other.y4m").write_bytes(data.replace(b"W64 H48", b"W48 H64"))
    (tmp_path / "cut.nvc").write_bytes(whole[:-7])
    (tmp_path / "taken.nvc").write_bytes(b"")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcome = nvc(*words.split())
    assert (outcome.code, outcome.out) == (code, b""), outcome.err
    assert message in outcome.err and "Traceback" not in outcome.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


_GUARD = """
import sys
from nvcodec.cli.main import main
for words in sys.argv[1:]:
    try:
        main(words.split())
    except SystemExit as end:
        print(end.code)
print(*sorted({name.split(".")[0] for name in sys.modules} & {"torch", "av", "rich"}), "loaded")
"""


def test_mistakes_are_reported_without_torch(clip, file, tmp_path):
    (tmp_path / "clip.y4m").write_bytes(clip.read_bytes())
    commands = [
        "add-layer -h",
        "add-layer clip.nvc",
        "add-layer clip.nvc -i clip.y4m --bpp 1 --target-psnr 1",
        "add-layer clip.nvc -i clip.y4m -o clip.nvc -y",
        "add-layer clip.nvc -i missing.y4m",
        "add-layer missing.nvc -i clip.y4m",
        "add-layer --resume w",
        "add-layer --resume w --bpp 1",
        "encode --resume w",
        "encode --crf 20 --save-config nvc.toml",
        "encode clip.y4m clip.y4m -o x.nvc -m dnerv --recon x.y4m",
        "encode clip.y4m -o x.nvc -m dnerv --preview",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _GUARD, *commands], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    lines = done.stdout.split("\n")
    assert [line for line in lines if line.isdigit()] == ["0", "2", "2", "2", "3", "3", "3", "2", "3", "0", "2", "2"]
    assert lines[-2] == "loaded"
    assert "Traceback" not in done.stderr


_KILLED = """
import os, signal, sys
from nvcodec.io import replace as appending
from nvcodec.cli.main import main
from nvcodec.encoder import file as files
from nvcodec.encoder.fit import fit

file, source = sys.argv[1:]
part = os.path.join(os.path.dirname(file), f".{os.path.basename(file)}.nvc-part")
old = open(file, "rb").read()

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    return lambda *a, **k: (function(*a, **k), die())

def half(path, data, mode):
    with open(path, "wb") as part:
        part.write(data[: len(data) - 50])
    die()

MOMENTS = {
    "temporary file half written": (appending, "_write_through", half),
    "temporary file written": (os, "replace", die),
    "renamed": (os, "replace", after(os.replace)),
}
step, replace_with = fit.Fit._step, files.replace_with

def untouched_step(*words):
    assert open(file, "rb").read() == old and not os.path.exists(part)
    return step(*words)

def killed_again_and_again(*words, **named):
    for moment, fate in MOMENTS.items():
        pid = os.fork()
        if pid == 0:
            setattr(*fate)
            replace_with(*words, **named)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), moment
        now = open(file, "rb").read()
        print(moment, now[: len(old)] == old, len(now) - len(old), os.path.exists(part), sep="; ")
        open(file, "wb").write(old)
    replace_with(*words, **named)

fit.Fit._step, files.replace_with = untouched_step, killed_again_and_again
main(["add-layer", file, "--source", source, "--epochs", "2", "--params", "900", "--device", "cpu", "-q"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
def test_killed_at_any_moment(nvc, clip, file, tmp_path):
    """In the fit nothing is touched; at the end the old file or the new one is there."""
    old = file.read_bytes()
    program = [sys.executable, "-c", _KILLED, str(file), str(clip)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    data = file.read_bytes()
    grown = len(data) - len(old)
    assert done.stdout.splitlines() == [
        "temporary file half written; True; 0; True",
        "temporary file written; True; 0; True",
        f"renamed; True; {grown}; False",
    ]
    assert data[: len(old)] == old and grown > 0
    assert read_container(data).layers == 1 and read_container(data).warnings == ()
    assert sorted(os.listdir(tmp_path)) == [file.name]
    assert nvc("decode", file, "-o", tmp_path / "x.yuv", "--check").code == 0
