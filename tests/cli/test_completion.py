"""What shells fill in, asked as their scripts ask."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from nvcodec.cli.completion import SHELLS, VARIABLE
from nvcodec.cli.main import COMMANDS
from nvcodec.config.options import PRESETS
from nvcodec.models.registry import MODELS


@pytest.fixture(params=SHELLS)
def ask(request, nvc, monkeypatch):
    """What a shell is told of a line whose last word is being typed: pairs of a kind and a word."""
    shell = request.param

    def complete(*words: str) -> list[tuple[str, str]]:
        line = ["nvc", *words]
        monkeypatch.setenv(VARIABLE, f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(line[:-1] if shell == "fish" else line))
        monkeypatch.setenv("COMP_CWORD", line[-1] if shell == "fish" else str(len(line) - 1))
        outcome = nvc()
        assert (outcome.code, outcome.err) == (0, "")
        lines = outcome.out.decode().splitlines()
        if shell == "zsh":  # in threes: kind, word, explanation
            return list(zip(lines[::3], lines[1::3], strict=False))
        return [tuple(re.split("[,\t]", line)[:2]) for line in lines if line]

    return complete


def _plain(*words: str) -> list[tuple[str, str]]:
    return [("plain", word) for word in words]


def test_commands_options_and_words(ask):
    assert ask("") == _plain(*COMMANDS)
    assert ask("ex") == _plain("extract-layer")
    assert ask("--vers") == _plain("--version")
    assert ask("encode", "--target-") == _plain("--target-size", "--target-psnr")
    assert ask("encode", "clip.y4m", "--preset", "") == _plain(*PRESETS)
    assert ask("encode", "--model", "t") == _plain("tenerv")
    assert ask("encode", "-m", "") == _plain(*(model.name for model in MODELS))
    assert ask("decode", "x.nvc", "--scale", "1/") == _plain("1/2", "1/4", "1/8")
    assert ask("completion", "") == _plain(*SHELLS)


def test_mistakes_on_the_way_are_nobodys_business_yet(ask):
    assert ask("encode", "--config", "no.toml", "--crf", "999", "-vv", "--model", "d") == _plain("dnerv")
    assert ask("nonsense", "--mod") == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_files(ask, name):
    """Every option of a file or folder, and every argument, completes names of files."""
    command: click.Command = import_module(f"nvcodec.cli.{name.replace('-', '_')}").command
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    named = {each.opts[-1] for each in options if each.metavar in ("FILE", "DIR", "PATH", "CLIP", "MASK")}
    assert named == {each.opts[-1] for each in options if ask(name, each.opts[-1], "dir/x") == [("file", "dir/x")]} - {
        each.opts[-1] for each in options if each.is_flag or each.count
    }
    if any(isinstance(parameter, click.Argument) for parameter in command.params):
        assert ask(name, "x") == [("file", "x")]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_what_shells_read(nvc, shell, tmp_path):
    outcome = nvc("completion", shell)
    assert outcome.code == 0 and f"{VARIABLE}={shell}_complete" in outcome.out.decode()
    if shutil.which(shell):
        script = tmp_path / "nvc"
        script.write_bytes(outcome.out)
        assert subprocess.run([shell, "-n", script], check=False).returncode == 0


def test_bash_fills_in(nvc, tmp_path):
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    program = Path(tmp_path, "nvc")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nvcodec "$@"\n')
    program.chmod(0o755)
    script = nvc("completion", "bash").out.decode()
    words = 'COMP_WORDS=(nvc encode --preset slow); COMP_CWORD=3; _nvc_completion nvc; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f'PATH="{tmp_path}:$PATH"\n{script}\n{words}'], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("slow slower\n", "")
    assert nvc("completion", "csh").code == 2
