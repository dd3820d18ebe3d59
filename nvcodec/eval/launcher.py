"""Started as a program between us and a process to be measured: ``launcher.py REPORT_FD COMMAND...``.

Linux counts the memory of a process from before its ``exec`` on, when it still was a copy of its parent: a small child
of a large parent would seem as large. This file imports next to nothing, so that as a parent it is small.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def launch(report: int, command: list[str]) -> None:
    """Run ``command`` and write to ``report`` what it took: wait status, wall and CPU seconds, peak memory.

    Where it cannot be started, the number of the error alone is written.
    """
    os.set_inheritable(report, False)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C reaches the child too, whose business it is; a handler, unlike SIG_IGN, is not passed on to it
        signal.signal(signal.SIGINT, lambda number, frame: None)
    began = time.monotonic()
    try:
        # Python ignores these two, which a child would inherit
        child = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        os.write(report, str(error.errno).encode())
        return
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    os.write(report, f"{status} {seconds} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
