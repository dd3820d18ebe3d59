"""Every example of the README runs, as written, on a small clip."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.cli.main import main
from nvcodec.encoder.plan import models, presets
from nvcodec.io.sink import open_sink
from nvcodec.types import VideoFormat

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def clip_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small clip.mp4, and presets that take a second."""
    quick = {name: replace(preset, epochs=1, min_steps=16) for name, preset in presets.PRESETS.items()}
    monkeypatch.setitem(models.ROWS, "msnerv", replace(models.ROWS["msnerv"], presets=quick))
    monkeypatch.chdir(tmp_path)
    rows, columns = np.mgrid[0:96, 0:128]
    with open_sink("clip.mp4", VideoFormat(128, 96, Fraction(25))) as sink:
        for index in range(18):
            luma = (128 + 80 * np.sin((rows + columns + 4 * index) / 12)).astype(np.uint8)
            sink.write((luma, luma[::2, ::2].copy(), luma[1::2, 1::2].copy()))
    return tmp_path


@pytest.mark.usefixtures("clip_folder")
def test_commands() -> None:
    commands = [line for kind, block in BLOCKS if not kind for line in block.splitlines() if line.startswith("nvc ")]
    assert len(commands) >= 3
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(command)[1:])
        assert not end.value.code, command


@pytest.mark.usefixtures("clip_folder")
def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = (block for kind, block in BLOCKS if kind == "python")
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["y"].shape == (96, 128)  # type: ignore[attr-defined]
    assert capsys.readouterr().out.strip()


def test_make_targets_exist() -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", README):
        assert (Path(__file__).parent.parent / link).exists(), link
