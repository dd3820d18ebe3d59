"""Every way a command can fail, to a message on stderr, an exit code and, with ``--json``, a document on stdout."""

from __future__ import annotations

import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable

import click

from nvcodec.cli._terminal import Terminal, give_up_output, print_error, say_json
from nvcodec.errors import (
    DeviceError,
    InterruptedEncodeError,
    NvcError,
    OutputError,
    TargetNotReachedWarning,
    Terminated,
    UsageError,
)
from nvcodec.tongues import speaking_command_line
from nvcodec.version import __version__

EXIT_CODES = {
    0: "done",
    1: "unexpected error: a bug of nvc",
    2: "wrong usage",
    3: "input cannot be read",
    4: "bitstream damaged, or a check failed",
    5: "bitstream needs a newer nvc",
    6: "target not reached; the file is written all the same",
    7: "device missing, or out of memory",
    129: "the terminal was closed (SIGHUP); as 130",
    130: "interrupted (Ctrl-C); an encode can be resumed",
    143: "terminated (SIGTERM); as 130",
}
"""What each exit code means; the help of ``nvc`` prints it."""
INTERRUPTED = 130
SCHEMA = "nvc-error/1"


def run(command: Callable[[], int | None], terminal: Terminal) -> int:
    """Run a command; print its JSON document and what went wrong, and return the exit code.

    With ``--json`` whatever fails prints a document too: that of the command, where there is something to tell, or one
    of its own. Its key ``error`` has code, message and hint.
    """
    with speaking_command_line(), warnings.catch_warnings():
        warnings.simplefilter("ignore", TargetNotReachedWarning)  # commands end with its exit code
        code = _attempt(command, terminal)
        if terminal.document is not None:
            code = _attempt(lambda: say_json(terminal.document), terminal) or code
    return code


def _attempt(command: Callable[[], int | None], terminal: Terminal) -> int:
    """The exit code of a command; what went wrong is printed, and kept for the document."""
    try:
        return command() or 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        give_up_output()  # whoever read it has seen enough
        return 0
    except (KeyboardInterrupt, click.Abort) as stop:
        code = stop.exit_code if isinstance(stop, Terminated) else INTERRUPTED
        return _failed(terminal, code, "interrupted")
    except Exception as error:
        if terminal.verbose >= 2:
            traceback.print_exc()
        known = as_nvc_error(error)
        if known is None:
            return _failed(terminal, 1, f"unexpected {type(error).__name__}: {error}", _bug_hint(error))
        if isinstance(error, OutputError):
            give_up_output()  # if it was that
        # what the user asked for is no error
        label = "" if isinstance(known, InterruptedEncodeError) else "error: "
        return _failed(terminal, known.exit_code, known.message, known.hint, label)


def _failed(terminal: Terminal, code: int, message: str, hint: str = "", label: str = "error: ") -> int:
    """Say what went wrong: on stderr, and in the document."""
    print_error(message, hint, label)
    if terminal.as_json:
        found = terminal.document if isinstance(terminal.document, dict) else {"schema": SCHEMA}
        terminal.document = {**found, "error": {"code": code, "message": message, "hint": hint or None}}
    return code


def as_nvc_error(error: Exception) -> NvcError | None:
    """The error in our own terms; None when it is a bug."""
    if isinstance(error, NvcError):
        return error
    if isinstance(error, click.ClickException):
        return _usage_error(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _cannot_allocate(error):
        return DeviceError("out of memory", "Choose a smaller --preset, or fewer frames at once with --segment")
    return None


def _cannot_allocate(error: Exception) -> bool:
    # torch has no type of its own for this on a CPU
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _usage_error(error: click.ClickException) -> NvcError:
    """The message of click in the style of ours: lower case, no full stop, the remedy below."""
    if isinstance(error, click.NoSuchOption):
        message, rest = error.message.rstrip("."), ""
        suggestion = f" '{error.possibilities[0]}'?" if error.possibilities else ""
    else:
        message, _, rest = error.format_message().partition("\n")
        message, _, suggestion = message.partition(" Did you mean")
    message = message[:1].lower() + message[1:].rstrip(".")
    if suggestion:
        hint = f"Did you mean{suggestion}"
    else:
        context = getattr(error, "ctx", None)
        hint = rest.strip() or f"See:  {context.command_path if context else 'nvc'} -h"
    return UsageError(message, hint)


def _bug_hint(error: Exception) -> str:
    with tempfile.NamedTemporaryFile("w", prefix="nvc-", suffix=".log", delete=False) as file:
        file.write(f"nvc {__version__}, {' '.join(sys.argv)}\n\n")
        file.write("".join(traceback.format_exception(error)))
    return f"This is a bug of nvc; the trace is in {file.name}\nPlease report it with the output of:  nvc doctor --json"
