"""The FFmpeg program that the package ``imageio-ffmpeg`` brings: VVenC, libaom and VMAF, which PyAV's wheel lacks."""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress

from nvcodec.errors import UsageError
from nvcodec.version import install

_INSTALL = f"{install('bench')}   (or only: pip install imageio-ffmpeg)"


def program(purpose: str) -> str:
    """Path of the bundled FFmpeg.

    Args:
        purpose: What it is needed for, as in ``the codec vvenc``; for the message.

    Raises:
        UsageError: The package is not installed, or brings no program for this platform.
    """
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise UsageError(f"{purpose} needs the package imageio-ffmpeg, which is not installed", _INSTALL) from None


@functools.cache
def version(purpose: str) -> str:
    """Version of the bundled FFmpeg, as in ``9.0.2``; errors as :func:`program`."""
    found = re.match(r"ffmpeg version (\S+)", run(purpose, ["-version"]))
    return found[1] if found else "unknown"


def run(purpose: str, arguments: list[str], stdin: Iterable[bytes] | None = None) -> str:
    """Run the program to its end.

    Args:
        purpose: As for :func:`program`.
        arguments: Its command line without the program.
        stdin: What to feed it, a piece at a time; None = nothing.

    Returns:
        What it printed, standard output and error together.

    Raises:
        UsageError: The program is missing, or ended with an error.
    """
    command = [program(purpose), "-hide_banner", "-nostats", *arguments]
    # into a file: a pipe that nobody reads while pictures are written would block both sides once it is full
    with tempfile.TemporaryFile() as output:
        source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        with subprocess.Popen(command, stdin=source, stdout=output, stderr=subprocess.STDOUT) as process:
            try:
                if process.stdin is not None and stdin is not None:
                    with suppress(BrokenPipeError), process.stdin:  # it ended early; its exit code and words say why
                        for piece in stdin:
                            process.stdin.write(piece)
                process.wait()
            except BaseException:
                process.terminate()  # nobody is left to use what it makes
                raise
        output.seek(0)
        return _checked(purpose, process.returncode, output.read())


def _checked(purpose: str, code: int, output: bytes) -> str:
    text = output.decode("utf-8", "replace")
    if code:
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        raise UsageError(f"{purpose} failed: FFmpeg ended with code {code}", last)
    return text
