"""Whatever reads a bitstream reads it from standard input too, and says of it what it says of the file."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from nvcodec.cli.main import COMMANDS

HELD = Path(__file__).parents[1] / "conformance"
READ = {
    "info": "info {} --check --tensors --json",
    "decode": "decode {} -o out.y4m --check --device cpu --json",
    "decode all": "decode {} --all -o out/ --format y4m --device cpu --json",
    "strip": "strip {} --layers 1 -o out.nvc --json",
    "strip on": "strip {} --layers 0 -o - -q",
    "extract-layer": "extract-layer {} --layer 1 -o out.nvcl --json",
    "append": "append {} second.nvcl -o out.nvc --json",
    "append this": "append base.nvc {} -o out.nvc --json",
    "sheet": "sheet {} --device cpu -n 4 -o out.png --json",
    "eval": "eval clip.y4m {} --device cpu --json",
    "eval against it": "eval {} clip.y4m --device cpu --json",
}
"""Commands, with the place of the bitstream."""
OF = {"append": "one.nvc", "append this": "first.nvcl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("piped")


@pytest.fixture
def files(nvc, folder, monkeypatch):
    """A file of two layers, what is made of it, and its pictures."""
    monkeypatch.chdir(folder)
    if not (folder / "clip.y4m").exists():
        (folder / "whole.nvc").write_bytes((HELD / "layers.nvc").read_bytes())
        for words in (
            "strip whole.nvc --layers 0 -o base.nvc", "strip whole.nvc --layers 1 -o one.nvc",
            "extract-layer whole.nvc --layer 1 -o first.nvcl", "extract-layer whole.nvc --layer 2 -o second.nvcl",
            "decode whole.nvc --device cpu -o clip.y4m",
        ):  # fmt: skip
            assert nvc(*words.split()).code == 0
    return folder


def _pipe(monkeypatch, file: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(file.read_bytes()))))


def _taken(folder: Path) -> dict[str, bytes]:
    """What was written; it is removed."""
    written = {}
    for path in sorted(folder.glob("out*")):
        for file in [path] if path.is_file() else sorted(path.iterdir()):
            written[str(file.relative_to(folder))] = file.read_bytes()
            file.unlink()
    return written


@pytest.mark.parametrize("name", READ)
def test_as_from_a_file(nvc, files, monkeypatch, name):
    given = files / OF.get(name, "whole.nvc")
    from_file, wrote = nvc(*READ[name].format(given.name).split()), _taken(files)
    _pipe(monkeypatch, given)
    piped, wrote_too = nvc(*READ[name].format("-").split()), _taken(files)
    assert from_file.code == piped.code == 0, piped.err
    assert wrote == wrote_too

    def told(out: bytes) -> bytes:
        """Without names and times."""
        out = re.sub(rb'"(file|test|reference)": "[^"]*"', b"", out)
        return re.sub(rb'"(\w+_s|fps)": [\d.e-]+', b"", out)

    assert told(piped.out) == told(from_file.out) and len(piped.out) > 90


def test_every_reading_command_is_tried():
    writing = {"encode", "add-layer", "bench", "doctor", "completion", "recipes"}
    assert {words.split()[0] for words in READ.values()} == COMMANDS.keys() - writing


@pytest.mark.parametrize("words", ["strip - --layers 0", "append - first.nvcl", "add-layer - -i clip.y4m"])
def test_it_cannot_be_changed(nvc, files, monkeypatch, words):
    _pipe(monkeypatch, files / "whole.nvc")
    outcome = nvc(*words.split())
    assert outcome.code == 2 and "standard input" in outcome.err


def test_damage_is_that_of_standard_input(nvc, files, monkeypatch):
    (files / "nothing").write_bytes(b"nothing")
    _pipe(monkeypatch, files / "nothing")
    outcome = nvc("info", "-")
    assert outcome.code == 4 and outcome.err.startswith("error: standard input: ")
    monkeypatch.setattr(sys, "stdin", None)
    assert nvc("info", "-").code == 2
