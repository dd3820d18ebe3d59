"""What a command says, and where: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import click


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
    """How progress is shown, see :func:`nvcodec.cli._progress.make_progress`."""

    def note(self, text: str) -> None:
        """Tell the user something on stderr."""
        if not self.quiet:
            click.echo(printable(text), err=True)

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
    click.echo(printable("\n".join(lines)), err=True)


def print_json(value: Any) -> None:
    """Print the one JSON document of a command on stdout."""
    click.echo(json.dumps(value, indent=2))


def printable(text: str) -> str:
    """Text without anything that a terminal would obey: file names and metadata are not ours."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def use_utf8() -> None:
    """Never fail on a character that the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
