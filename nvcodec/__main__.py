"""``nvc`` and ``python -m nvcodec``: hardly anything is imported before Ctrl-C ends the program without a traceback."""

from __future__ import annotations

import os

try:
    import signal
except KeyboardInterrupt:
    os._exit(130)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # not an exception: in the middle of an import, libraries turn it into others, or print and forget it
    os.write(2, b"interrupted\n")
    os._exit(128 + number)


def main() -> NoReturn:
    """Run ``nvc``, the console entry point."""
    signal.signal(signal.SIGINT, _end)
    from nvcodec.cli.main import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and Python is leaving


if __name__ == "__main__":
    main()
