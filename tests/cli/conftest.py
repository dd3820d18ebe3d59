"""A command line to try things with, and a tiny clip that was really encoded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvcodec.cli.main import main
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

FORMAT = VideoFormat(64, 48, Fraction(25))
FRAMES = 8


def _pictures() -> list[Planes]:
    rows, columns = np.mgrid[0:48, 0:64]
    small_rows, small_columns = np.mgrid[0:24, 0:32]
    clip: list[Planes] = []
    for frame in range(FRAMES):
        luma = 128 + 60 * np.sin((columns + 3 * frame) / 7) * np.cos((rows - 2 * frame) / 9)
        blue = 128 + 20 * np.sin((small_columns + frame) / 9)
        red = 128 + 20 * np.cos((small_rows - frame) / 8)
        clip.append((luma.astype(np.uint8), blue.astype(np.uint8), red.astype(np.uint8)))
    return clip


@dataclass(frozen=True)
class Outcome:
    """How a run of the program ended."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def nvc(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program in this process: exit code, stdout as bytes, stderr as text."""
    monkeypatch.setenv("CI", "1")

    def run(*words: object) -> Outcome:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Outcome(int(end.value.code or 0), out, err.decode())

    return run


@pytest.fixture
def interrupted() -> Callable[..., str]:
    """Run the program on its own, stop it with Ctrl-C in the middle of a fit, and return its stderr."""

    def run(*words: object) -> str:
        program = [sys.executable, "-m", "nvcodec", *map(str, words), "--progress", "json"]
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            for line in running.stderr:
                if '"step"' in line:
                    break
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=300)
        assert running.returncode == 130
        return err

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64x48, 8 frames, 25 fps, Y4M."""
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    with open_sink(path, FORMAT) as sink:
        for planes in _pictures():
            sink.write(planes)
    return path


@pytest.fixture(scope="session")
def coded(clip: Path) -> Path:
    """The clip in two segments, encoded in a moment and badly; not to be changed."""
    path = clip.with_name("clip.nvc")
    words = ["encode", str(clip), "-o", str(path), "--preset", "draft", "--epochs", "4", "--segment", "4", "-q"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code
    return path
