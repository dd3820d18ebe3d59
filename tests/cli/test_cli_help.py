"""Help texts: complete, grouped, and every example in them parses."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module

import click
import pytest

from nvcodec.cli._errors import EXIT_CODES
from nvcodec.cli.main import COMMANDS

GROUPS = {
    "encode": [
        "Files", "Raw .yuv input (else read from header or file name)", "Conversion while reading", "Frames", "Model",
        "Quality and size (at most one)", "Speed", "Compute", "Output", "General", "Examples",
    ],
    "decode": ["Files", "Frames", "Streams", "Compute", "Output", "General", "Examples"],
    "sheet": ["Files", "Sheet", "Compute", "Output", "General", "Examples"],
    "info": ["Output", "General", "Examples"],
    "add-layer": [
        "Files", "Raw .yuv input (else read from header or file name)", "Conversion while reading", "Frames",
        "Quality and size (at most one of --bpp, --target-psnr)", "Speed", "Compute", "Output", "General", "Examples",
    ],
    "strip": ["What to take off", "Files", "Output", "General", "Examples"],
    "extract-layer": ["Layers", "Files", "Output", "General", "Examples"],
    "append": ["Files", "Output", "General", "Examples"],
    "eval": [
        "Raw .yuv input (else read from header or file name)", "Conversion of REFERENCE, as it was encoded with",
        "Frames", "Streams", "Metrics", "Compute", "Output", "General", "Examples",
    ],
    "bench": [
        "What to run", "Raw .yuv input (else read from header or file name)", "Conversion while reading", "Frames",
        "Report", "Compute", "Output", "General", "Examples",
    ],
    "recipes": ["Output", "General", "Examples"],
    "doctor": ["Output", "General", "Examples"],
    "completion": ["Output", "General", "Examples"],
}  # fmt: skip


def _command(name: str) -> click.Command:
    command: click.Command = import_module(f"nvcodec.cli.{name.replace('-', '_')}").command
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_groups(nvc, name):
    outcome = nvc(name, "-h")
    assert outcome.code == 0 and outcome.err == ""
    text = outcome.out.decode()
    assert text.startswith(f"Usage: nvc {name} ")
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == GROUPS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_visible_option_says_what_it_does(name):
    context = click.Context(_command(name), info_name=name)
    for parameter in _command(name).get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name):
    command = _command(name)
    assert command.examples
    for example in command.examples:
        calls = [part.strip() for part in re.split("[|>]", example) if part.strip().startswith("nvc ")]
        assert len(calls) == 1, example
        words = shlex.split(calls[0])
        assert words[1] == name
        assert command.make_context(name, words[2:])


def test_program_help_lists_commands_and_exit_codes(nvc):
    text = nvc("-h").out.decode()
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in COMMANDS)
    assert all(
        re.search(rf"^  {code} +{re.escape(meaning)}", text, re.MULTILINE) for code, meaning in EXIT_CODES.items()
    )
    assert nvc().out.decode() == text


def test_hidden_spellings_of_other_programs(nvc, clip, tmp_path):
    raw = tmp_path / "clip.yuv"
    raw.write_bytes(bytes(64 * 48 * 3 // 2))
    # a bad device ends the command behind everything that is parsed
    words = ["--qp", "30", "--input-res", "64x48", "--input-depth", "8", "--device", "abacus"]
    outcome = nvc("encode", "-i", raw, "-o", tmp_path / "x.nvc", *words)
    assert outcome.code == 2 and "'abacus' is no device" in outcome.err
    assert "geometry 64x48 8-bit" in outcome.err
    text = nvc("encode", "-h").out.decode()
    assert not any(hidden in text for hidden in ("--qp", "--input-res", "--input-depth", "-i,"))


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "nvcodec", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nvc 0.")
