"""Outputs of every command: into streams, never over an input, never over what appeared meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nvcodec import decode
from nvcodec.api.layers import extract
from nvcodec.container import PackSegment, appended, read_container
from nvcodec.encoder import file as files
from nvcodec.encoder.resume.work_folder import in_use
from nvcodec.io.replace import exclusive

QUICK = ["--preset", "draft", "--epochs", "1", "--params", "2000", "-q"]
posix = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


@pytest.fixture
def here(clip, coded, tmp_path, monkeypatch):
    """A folder to work in: a clip, its bitstream, one with a layer, the layer, pictures, a list, a configuration."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.y4m")
    shutil.copy(clip, "other.y4m")
    shutil.copy(coded, "clip.nvc")
    data = coded.read_bytes()
    base = read_container(data)
    packs = [PackSegment(n, 1, base.layer_id(n, 0), 1, b"", bytes(16), 0, b"pack") for n in range(len(base.segments))]
    Path("layers.nvc").write_bytes(data + appended(data, packs))
    extract("layers.nvc", "layer.nvcl", layer=1)
    Path("list.txt").write_text("clip.y4m\nother.y4m\n")
    Path("conf.toml").write_text("epochs = 1\n")
    Path("frames").mkdir()
    decode("clip.nvc", "frames/", frames=2)
    os.link("clip.y4m", "hard.y4m")
    os.link("clip.nvc", "hard.mkv")
    return tmp_path


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "encode clip.y4m -o clip.y4m",
        "encode clip.y4m -o hard.y4m",
        "encode frames -o frames/00001.png",
        "encode frames/00001.png -o frames/00002.png --mask frames/00002.png",
        "encode clip.y4m -o conf.toml --config conf.toml",
        "encode clip.y4m -o x.nvc --config conf.toml --save-config conf.toml",
        "encode clip.y4m -o x.nvc --save-config x.nvc",
        "encode clip.y4m -o x.nvc --save-config hard.y4m",
        "encode clip.y4m -o x.yuv --recon x.yuv",
        "encode clip.y4m -o x.yuv --recon ./x.yuv",
        "encode clip.y4m -o x.nvc --recon hard.y4m",
        "encode clip.y4m -o x.nvc --work-dir x.nvc",
        "encode @list.txt -o list.txt -m dnerv",
        "encode @list.txt -o other.y4m -m dnerv",
        "encode @list.txt -o x.nvc -m dnerv --recon .",
        "encode clip.y4m other.y4m -o other.y4m -m dnerv",
        "decode hard.mkv -o hard.mkv",
        "decode clip.nvc -o hard.mkv",
        "decode frames/00001.png -o frames/",
        "decode frames/00001.png -o frames/%05d.png",
        "eval clip.y4m other.y4m --per-frame clip.y4m",
        "eval clip.y4m other.y4m --per-frame hard.y4m",
        "eval other.y4m clip.y4m --per-frame hard.y4m",
        "eval frames frames --per-frame frames/00002.png",
        "eval clip.y4m other.y4m --mask conf.toml --per-frame conf.toml",
        "extract-layer layers.nvc --layer 1 -o layers.nvc",
        "append clip.nvc layer.nvcl -o layer.nvcl",
        "append clip.nvc layer.nvcl -o hard.mkv",
        "strip layers.nvc --layers 0 -o stripped.nvc",
        "add-layer clip.nvc -i clip.y4m -o hard.mkv",
        "add-layer clip.nvc -i clip.y4m -o hard.y4m",
        "bench --from frames/00001.png --plot frames/00001.png",
    ],
)
def test_no_output_is_an_input(nvc, here, words):
    if words.startswith("decode frames"):  # where a bitstream is called like a picture
        shutil.copy("clip.nvc", "frames/00001.png")
    if words.startswith("strip"):
        os.link("layers.nvc", "stripped.nvc")
    before = _files(here)
    outcome = nvc(*words.split(), *([] if words.startswith("bench") else ["-y"]))
    assert outcome.code == 2 and ("is the input itself" in outcome.err or "are one file" in outcome.err), outcome.err
    assert _files(here) == before


def test_changing_in_place_is_no_mistake(nvc, here):
    base, layered = Path("clip.nvc").read_bytes(), Path("layers.nvc").read_bytes()
    assert nvc("append", "clip.nvc", "layer.nvcl", "-o", "./clip.nvc").code == 0
    assert Path("clip.nvc").read_bytes() == layered
    assert nvc("strip", "clip.nvc", "--layers", "0").code == 0
    assert Path("clip.nvc").read_bytes() == base


@posix
def test_every_command_writes_into_a_stream(nvc, here):
    plain = nvc("decode", "clip.nvc", "-o", "-").out
    layered, base = Path("layers.nvc").read_bytes(), Path("clip.nvc").read_bytes()
    for words, expected in {
        "decode clip.nvc -o /dev/stdout": plain,
        "append clip.nvc layer.nvcl -o /dev/stdout": layered,
        "append clip.nvc layer.nvcl -o -": layered,
        "strip layers.nvc --layers 0 -o /dev/fd/1": base,
        "extract-layer layers.nvc --layer 1 -o /dev/stdout": Path("layer.nvcl").read_bytes(),
    }.items():
        assert (found := nvc(*words.split())).code == 0 and found.out == expected, words
    assert nvc("encode", "clip.y4m", "-o", "x.nvc", *QUICK).code == 0
    found = nvc("encode", "clip.y4m", "-o", "/dev/stdout", "--recon", "x.y4m", *QUICK)
    assert found.code == 0 and found.out == Path("x.nvc").read_bytes()
    assert nvc("decode", "x.nvc", "-o", "-").out == Path("x.y4m").read_bytes()
    assert b"epochs = 1" in nvc("encode", "--epochs", "1", "--save-config", "/dev/stdout").out
    rows = nvc("eval", "clip.y4m", "x.nvc", "--per-frame", "/dev/stdout", "-n", "2").out
    assert rows.startswith(b"frame,psnr_y,")


@posix
@pytest.mark.parametrize(
    "words",
    [
        "encode clip.y4m -o /dev/null --recon /dev/null",
        "decode clip.nvc -o /dev/null",
        "append clip.nvc layer.nvcl -o /dev/null",
        "strip layers.nvc --layers 0 -o /dev/null",
        "extract-layer layers.nvc --layer 1 -o /dev/null",
        "eval clip.y4m other.y4m -n 2 --per-frame /dev/null",
        "encode --epochs 1 --save-config /dev/null",
    ],
)
def test_devices_stay_devices(nvc, here, words):
    words = words.split() + (QUICK if "clip.y4m" in words and "encode" in words else [])
    for overwrite in ([], ["-y"]):
        assert nvc(*words, *overwrite).code == 0
        assert Path("/dev/null").is_char_device() and not os.path.exists("/dev/null.work")


@posix
def test_a_finished_encode_that_a_stream_does_not_take_is_kept(nvc, here):
    assert nvc("encode", "clip.y4m", "-o", "x.nvc", *QUICK).code == 0
    outcome = nvc("encode", "clip.y4m", "-o", "/dev/full", *QUICK)
    assert outcome.code == 2 and "cannot write to /dev/full: No space left on device" in outcome.err
    kept = Path(outcome.err.split("what was made is ")[1].splitlines()[0])
    assert kept.read_bytes() == Path("x.nvc").read_bytes()
    shutil.rmtree(kept.parent)


def test_what_is_no_place_for_a_file_is_refused_first(nvc, here):
    commands = ("encode clip.y4m -o frames", "encode --save-config frames", "bench clip.y4m -o clip.y4m")
    for words in commands:
        outcome = nvc(*words.split())
        assert outcome.code == 2 and ("is a folder" in outcome.err or "cannot make the folder" in outcome.err)


def test_a_link_is_followed(nvc, here):
    Path("real").mkdir()
    os.symlink(Path("real") / "x.nvc", "link.nvc")
    assert nvc("encode", "clip.y4m", "-o", "link.nvc", *QUICK).code == 0
    assert os.path.islink("link.nvc") and os.listdir("real") == ["x.nvc"]
    os.symlink(Path("real") / "x.csv", "rows.csv")
    assert nvc("eval", "clip.y4m", "other.y4m", "--per-frame", "rows.csv", "-n", "1").code == 0
    assert os.path.islink("rows.csv") and sorted(os.listdir("real")) == ["x.csv", "x.nvc"]


@pytest.mark.parametrize("second", ["x.nvc", "y.nvc"])
def test_of_two_encodes_the_second_is_refused(nvc, here, second):
    with exclusive("x.nvc") if second == "x.nvc" else in_use(Path("w")):
        outcome = nvc("encode", "clip.y4m", "-o", second, "--work-dir", "w", *QUICK)
    name = "x.nvc is being changed" if second == "x.nvc" else "w is being used"
    assert outcome.code == 2 and f"{name} by another nvc" in outcome.err
    assert not os.path.exists(second) and not os.path.exists("w")
    assert nvc("encode", "clip.y4m", "-o", second, "--work-dir", "w", *QUICK).code == 0
    assert not os.path.exists("w")


def test_a_file_that_appears_while_an_encode_runs_is_left_alone(nvc, here, monkeypatch):
    whole = files.NewFile.complete

    def complete(self, *words):
        Path("x.nvc").write_bytes(b"precious")
        return whole(self, *words)

    monkeypatch.setattr(files.NewFile, "complete", complete)
    outcome = nvc("encode", "clip.y4m", "-o", "x.nvc", *QUICK)
    assert outcome.code == 2 and "x.nvc appeared meanwhile and was left alone" in outcome.err
    assert Path("x.nvc").read_bytes() == b"precious"
    assert nvc("decode", "x.rescued.nvc", "--check").code == 0 and not os.path.exists("x.nvc.work")


@posix
@pytest.mark.parametrize(
    ("redirect", "words", "code", "message"),
    [
        (">/dev/full", "info clip.nvc", 2, "cannot write to standard output: No space left on device"),
        (">/dev/full", "info clip.nvc --json --chunks", 2, "cannot write to standard output"),
        (">/dev/full", "decode -h", 2, "cannot write to standard output"),
        (">&-", "info clip.nvc", 2, "standard output is closed"),
        (">&-", "-h", 2, "standard output is closed"),
        (">&-", "decode clip.nvc -o -", 2, "standard output is closed"),
        (">&-", "append clip.nvc layer.nvcl -o new.nvc", 0, ""),
        ("<&-", "decode - -o x.y4m", 2, "standard input is closed"),
        ("<&-", "encode - -o x.nvc --preset draft", 2, "standard input is closed"),
        ("2>&-", "info missing.nvc", 3, ""),
        ("2>/dev/full", "append clip.nvc layer.nvcl -o new.nvc", 0, ""),
        ("<&- >&- 2>&-", "append clip.nvc layer.nvcl -o new.nvc", 0, ""),
    ],
)
def test_standard_streams_that_are_closed_or_full(here, redirect, words, code, message):
    program = ["sh", "-c", f'exec "$0" -m nvcodec {words} {redirect}', sys.executable]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == code and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "bug" not in done.stderr and "Exception ignored" not in done.stderr
    if "new.nvc" in words:
        assert Path("new.nvc").read_bytes() == Path("layers.nvc").read_bytes()
    assert not os.path.exists("x.y4m") and not os.path.exists("x.nvc")
