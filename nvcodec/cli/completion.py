"""``nvc completion``."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click
from click.shell_completion import get_completion_class, shell_complete

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command, choice
from nvcodec.cli._terminal import say

VARIABLE = "_NVC_COMPLETE"
"""Where the scripts say what a shell wants to know."""
SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=(
        "nvc completion bash > ~/.local/share/bash-completion/completions/nvc",
        "nvc completion zsh > ~/.zfunc/_nvc",
        "nvc completion fish > ~/.config/fish/completions/nvc.fish",
    ),
)
@click.argument("shell", type=choice(*SHELLS), metavar="SHELL")
@options.output_options(progress=False, overwrite=False, json=False)
def command(shell: str) -> None:
    """Print the script that lets a shell fill in commands, options, their words and names of files.

    SHELL is bash (4.4 or newer), zsh or fish. Written to the files below it is there in new shells; for zsh the folder
    must be in fpath before compinit:  fpath=(~/.zfunc $fpath)
    """
    kind = get_completion_class(shell)
    assert kind is not None
    maker = kind(click.Command("nvc"), {}, "nvc", VARIABLE)
    say((kind.source_template % maker.source_vars()).rstrip("\n"))


def complete_if_asked(program: click.Command) -> None:
    """Answer a shell, and end, where it is one that calls."""
    if asked := os.environ.get(VARIABLE):
        _answer(program, asked)


def _answer(program: click.Command, asked: str) -> NoReturn:
    sys.exit(shell_complete(program, {}, "nvc", VARIABLE, asked))
