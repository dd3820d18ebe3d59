"""What a command says, and where: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import click

from nvcodec.errors import OutputError
from nvcodec.io.standard import check_standard_output
from nvcodec.progress.bars import Progress, make_progress
from nvcodec.progress.lines import tell_plainly


@dataclass
class Terminal:
    """How talkative a command is. One exists for each run of the program; commands get it as their context object."""

    verbose: int = 0
    """1: more detail; 2: library logs and tracebacks too."""
    quiet: bool = False
    """Errors only."""
    as_json: bool = False
    """One JSON document on stdout when done."""
    progress: str = "auto"
    """How progress is shown, see :func:`nvcodec.progress.bars.make_progress`."""
    document: Any = None
    """What ``--json`` prints when the command ends, see :func:`nvcodec.cli._errors.run`."""

    def shown(self) -> Progress:
        """The progress asked for; a context manager."""
        return make_progress(self.progress, self.note, quiet=self.quiet)

    def note(self, text: str) -> None:
        """Tell the user something on stderr."""
        if not self.quiet:
            tell_plainly(text)

    def detail(self, text: str) -> None:
        """Tell the user something that only ``-v`` wants to know."""
        if self.verbose:
            self.note(text)

    def warn(self, message: str) -> None:
        """Warn on stderr."""
        self.note(f"warning: {message}")


def print_error(message: str, hint: str = "", label: str = "error: ") -> None:
    """Print ``error: what`` and, indented, what to do about it."""
    lines = [f"{label}{message}", *(f"  {line.strip()}" for line in hint.splitlines())]
    tell_plainly("\n".join(lines))


def print_json(value: Any) -> None:
    """Make the one JSON document of a command; it is printed on stdout when the command ends, with what went wrong."""
    click.get_current_context().ensure_object(Terminal).document = value


def say_json(value: Any) -> None:
    """Print JSON on stdout; errors as :func:`say`."""
    say(json.dumps(value, indent=2, allow_nan=False))


def say(text: str) -> None:
    """Print a line or more on stdout.

    Raises:
        UsageError: It is closed.
        OutputError: It does not take them.
        BrokenPipeError: Nobody reads them.
    """
    check_standard_output()
    with writing_out():
        click.echo(text)


@contextmanager
def writing_out() -> Iterator[None]:
    """Around writing to stdout.

    Raises:
        OutputError: It does not take what is written.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write to standard output: {error.strerror}", "Check where it leads to, and space there"
        ) from None


def give_up_output() -> None:
    """Let Python not try to write at exit what stdout has not taken."""
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def use_utf8() -> None:
    """Never fail on a character that the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
