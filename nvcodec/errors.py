"""Errors a user can meet. Each type carries the exit code the command line ends with.

A message says what is wrong, names the offending value, and (in ``hint``) what to do about it. Both are written for the
command line; whoever calls from Python reads them in Python's terms (:mod:`nvcodec.tongues`).
Programmer errors are plain assertions and end with exit code 1.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from pathlib import Path

from nvcodec.tongues import spoken

_MOST_SHOWN = 80
"""Letters of a value in a message."""


class NvcError(Exception):
    """Base of every error that is not a bug of ours.

    Args:
        message: What is wrong, with the offending value; one line, no full stop.
        hint: What to do about it; may span several lines.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def message(self) -> str:
        """What is wrong: in Python's terms, or in those of the command line where that runs."""
        return spoken(self._message)

    @message.setter
    def message(self, text: str) -> None:
        self._message = text

    @property
    def hint(self) -> str:
        """What to do about it, likewise; may be empty."""
        return spoken(self._hint)

    @hint.setter
    def hint(self, text: str) -> None:
        self._hint = text

    def __str__(self) -> str:
        return self.message  # which callers may have put a file name in front of


class UsageError(NvcError):
    """An option or argument makes no sense (exit code 2)."""

    exit_code = 2


class OutputError(UsageError):
    """A result cannot be written, and what was there before is as it was (exit code 2)."""


class RescuedError(UsageError):
    """A result could not go where it should, and was kept elsewhere (exit code 2)."""


class InputError(NvcError):
    """A source video cannot be read (exit code 3)."""

    exit_code = 3


class NoFrameError(InputError, IndexError):
    """A frame or a clip that is not there; an ``IndexError`` too, as of any sequence (exit code 3)."""


class NoTimeError(InputError, ValueError):
    """Nothing is on screen at a time; a ``ValueError`` too (exit code 3)."""


class ClosedError(UsageError, ValueError):
    """Something was closed; a ``ValueError`` too, as of any closed file (exit code 2)."""


class BitstreamError(NvcError):
    """A bitstream is damaged, or a check of its content failed (exit code 4)."""

    exit_code = 4


class UnsupportedError(NvcError):
    """A bitstream needs a version or feature this program does not have (exit code 5)."""

    exit_code = 5


class TargetNotReachedError(NvcError):
    """The rate or quality asked for was not reached; the best file was written all the same (exit code 6)."""

    exit_code = 6


class TargetNotReachedWarning(UserWarning):
    """What Python is told where the command line ends with exit code 6: the file is the best found, and is there."""


class DeviceError(NvcError):
    """A compute device is missing or memory does not suffice (exit code 7)."""

    exit_code = 7


class InterruptedEncodeError(NvcError):
    """The user stopped an encode; its state was saved and it can be resumed (exit code 130)."""

    exit_code = 130


class Terminated(KeyboardInterrupt):
    """The system or another program asked this one to end, by a signal; like Ctrl-C in all else.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def quoted(path: str | Path) -> str:
    """A file name as hints have it: a shell takes it for that name, whatever is in it, and no program for options."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") and text != "-" else text)


def shown(value: object) -> str:
    """A value as messages have it: a text in quotes, all else as people write it, and no more than a line of it."""
    if isinstance(value, str):
        text = f"'{''.join(each if each.isprintable() else repr(each)[1:-1] for each in value)}'"
    elif isinstance(value, Mapping):
        text = ", ".join(f"{key} {each}" for key, each in value.items()) or "nothing"
    elif isinstance(value, (list, tuple, set, frozenset)):
        text = ", ".join(map(shown, value)) or "nothing"
    elif isinstance(value, Enum):
        text = value.name.lower()
    else:
        text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


@contextmanager
def saying_of(subject: str) -> Iterator[None]:
    """Begin what is said of damage, or of what is not supported, with what it is about."""
    try:
        yield
    except (BitstreamError, UnsupportedError) as error:
        error.message = f"{subject} {error.message}"
        raise


def naming(file: str | Path | None) -> AbstractContextManager[None]:
    """Put the name of a bitstream in front of what is wrong with its bytes; None where it has no name."""
    return nullcontext() if file is None else saying_of(f"{file}:")
