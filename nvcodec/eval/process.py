"""A child process, and what it took."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nvcodec.errors import Terminated

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    returncode: int
    """Its exit code; negative = the signal that ended it."""
    stdout: bytes
    stderr: str
    """Undecodable bytes replaced, line ends ``\\n``."""
    wall_s: float
    """Seconds from its start to its end."""
    cpu_s: float | None
    """CPU seconds, of all cores and of the processes it waited for; None where the system does not tell (Windows)."""
    peak_bytes: int | None
    """Largest resident memory of it, or of a process that it waited for; None where the system does not tell."""


def run_measured(command: list[str], on_stderr_line: Callable[[str], None] | None = None) -> Finished:
    """Run a command to its end, with no standard input.

    Ctrl-C is left to the child, which gets it from the terminal as we do: we wait for it to end as it sees fit. Being
    terminated is passed on.

    Args:
        command: Program and arguments.
        on_stderr_line: Hears every line of standard error at once, without its line end.

    Raises:
        OSError: The program cannot be started.
        KeyboardInterrupt: There was one, or we were terminated; the child has ended.
    """
    measurable = hasattr(os, "wait4")
    # files, not pipes, so that nobody ever waits for us to read but the one stream that is read all the time
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() if measurable else nullcontext() as report:
        began = time.monotonic()
        process = _start(command, stdout, report)
        stderr, interrupted = _follow(process, on_stderr_line)
        seconds = time.monotonic() - began
        if interrupted is not None:
            raise interrupted
        stdout.seek(0)
        if report is not None:
            report.seek(0)
            if numbers := report.read().split():
                return _measured(command, numbers, stdout.read(), stderr)
        return Finished(process.returncode, stdout.read(), stderr, seconds, None, None)


def _start(command: list[str], stdout: IO[bytes], report: IO[bytes] | None) -> subprocess.Popen[bytes]:
    if report is None:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
    # -I -S: nothing of the user's own is loaded, which would only make it larger
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(report.fileno())]
    return subprocess.Popen(
        [*launcher, *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        pass_fds=[report.fileno()],
    )


def _follow(
    process: subprocess.Popen[bytes], on_line: Callable[[str], None] | None
) -> tuple[str, KeyboardInterrupt | None]:
    """Listen to a process until it ends; its standard error, and what interrupted us meanwhile."""
    assert process.stderr is not None
    said: list[str] = []
    interrupted: KeyboardInterrupt | None = None
    # leaving the block closes our end and waits, whatever the listener raises
    with process, io.TextIOWrapper(process.stderr, "utf-8", "replace") as lines:
        while True:
            try:
                for line in lines:
                    said.append(line)
                    if on_line is not None:
                        on_line(line.rstrip("\n"))
                process.wait()
                return "".join(said), interrupted
            except KeyboardInterrupt as stop:
                interrupted = stop
                if isinstance(stop, Terminated):
                    process.terminate()
            except BaseException:
                process.terminate()  # nobody is left to hear of it
                raise


def _measured(command: list[str], numbers: list[bytes], stdout: bytes, stderr: str) -> Finished:
    """What the launcher reported."""
    if len(numbers) == 1:
        errno = int(numbers[0])
        raise OSError(errno, os.strerror(errno), command[0])
    status, peak = int(numbers[0]), int(numbers[3])
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(
        os.waitstatus_to_exitcode(status), stdout, stderr, float(numbers[1]), float(numbers[2]), peak * unit
    )
