"""``nvc encode`` is killed (kill -9) in front of everything it does to a file, and in the middle of what it writes.

Then an output is whole or absent, and the same command, or ``--resume``, ends as if nothing had been.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.container import read_container
from nvcodec.io.sink import open_sink
from nvcodec.types import VideoFormat

_KILLED = """
import json, os, shutil, signal, sys
from nvcodec.cli.main import main
from nvcodec.encoder.resume import autosave

autosave._SPACING_S = -1.0  # saves after every step
NETWORK = {"strides": 2, "channels": 4, "depths": 1, "expansions": 1, "grids": "2:1:2", "shuffle": 4, "local_levels": 0}
WORDS = ["encode", "clip.y4m", "-o", "out.nvc", "--crf", "20", "--epochs", "1", "--preset", "draft", "--device", "cpu"]
WORDS += [word for name, value in NETWORK.items() for word in ("--set", f"model.{name}={value}")]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
seen, deadly, in_half = [], 0, False

def hook(event, words):
    writes = event == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)
    if not (writes or event in CHANGES) or isinstance(words[0], int):
        return
    if not os.path.abspath(os.fsdecode(words[0])).startswith(os.getcwd()):
        return
    seen.append(event)
    if len(seen) == deadly:
        if in_half:
            os.truncate(words[0], os.path.getsize(words[0]) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

def run(words):
    try:
        main([*words, "-q"])
    except SystemExit as end:
        return end.code or 0

def read(name):
    return open(name, "rb").read() if os.path.exists(name) else None

def in_child(function):
    pid = os.fork()
    if pid == 0:
        os._exit(function())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def moment(number, half):
    global deadly, in_half
    deadly, in_half = number, half
    seen.clear()
    return run(WORDS)

sys.addaudithook(hook)
assert run(WORDS) == 0  # brings what is imported late, once for all processes
os.remove("out.nvc")
seen.clear()
assert run(WORDS) == 0
straight, events = read("out.nvc"), list(seen)
os.remove("out.nvc")
moments = [(number, False) for number in range(1, len(events) + 1)]
moments += [(number, True) for number, event in enumerate(events, 1) if event == "os.rename"]
for number, half in moments:
    code = in_child(lambda: moment(number, half))
    after = read("out.nvc")
    resumed = number % 2 == 0 and os.path.exists("out.nvc.work/job.json")
    again = ["encode", "--resume", "out.nvc.work"] if resumed else WORDS
    ended = in_child(lambda: run([*again, "-y"] if after else again))
    print(json.dumps({
        "event": f"{number}, {events[number - 1]}{', half written' if half else ''}",
        "code": code, "after": after and after.hex(), "resumed": resumed, "ended": ended,
        "same": read("out.nvc") == straight, "left": sorted(os.listdir(".")),
    }))
    for name in os.listdir("."):
        if name != "clip.y4m":
            shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
def test_killed_anywhere(tmp_path: Path) -> None:
    video = VideoFormat(16, 16, Fraction(25))
    with open_sink(tmp_path / "clip.y4m", video) as sink:
        for frame in range(4):
            ramps = [np.indices(shape).sum(axis=0).astype(np.uint8) * 3 + 20 * frame for shape in video.plane_shapes]
            sink.write((ramps[0], ramps[1], ramps[2]))
    done = subprocess.run([sys.executable, "-c", _KILLED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    moments = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(moments) > 15
    for moment in moments:
        assert moment["code"] == -9, moment
        if moment["after"] is not None:
            assert read_container(bytes.fromhex(moment["after"])).warnings == (), moment
        assert moment["ended"] == 0 and moment["same"], moment
        assert moment["left"] == ["clip.y4m", "out.nvc"], moment
    assert any(moment["after"] for moment in moments) and any(moment["resumed"] for moment in moments)
