"""The page that is followed in ten minutes: all of its commands and Python run, one after the other, on a tiny clip."""

from __future__ import annotations

import re
import shlex
import shutil
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.cli.main import main
from nvcodec.errors import TargetNotReachedWarning
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
_EPOCHS = {"encode": "1", "add-layer": "6"}
"""In place of a time: a layer that makes pictures worse is refused."""


def _run(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[:1] == ["nvc"]:
        if "--max-time" in words:
            at = words.index("--max-time")
            words[at : at + 2] = ["--epochs", _EPOCHS[words[1]]]
        with pytest.raises(SystemExit) as end:
            main(words[1:])
        assert not end.value.code, line
    elif words[:1] == ["cp"]:
        shutil.copy(*words[1:])
    else:
        assert not words or words[0] == "export", line


def test_the_page_can_be_followed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moving: Callable[[VideoFormat, int], list[Planes]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("samples").mkdir()
    video = VideoFormat(48, 32, Fraction(25))
    with open_sink("samples/bunny_320x180_25.mkv", video) as sink:
        for planes in moving(video, 48):
            sink.write(planes)
    scope: dict[str, object] = {}
    printed: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TargetNotReachedWarning)
        for kind, block in BLOCKS:
            if kind == "bash":
                for line in block.splitlines():
                    _run(line)
                continue
            capsys.readouterr()
            exec(re.sub(r'max_time="\w+"', "epochs=1", block).replace("num_workers=2", "num_workers=0"), scope)
            printed.append(capsys.readouterr().out)
    assert all(printed)
    assert Path("sent.nvc").read_bytes() == Path("clip.nvc").read_bytes()
    assert sorted(path.name for path in Path("videos").iterdir()) == ["back.mkv", "clip.mkv"]
    assert "Info(" in printed[0] and "bpp: -1.0 is not in the range" in printed[3] and "overwrite=True" in printed[3]
    assert "[2, 4, 3, 32, 48]" in printed[4]


def test_it_leads_from_a_clip_to_a_loader() -> None:
    commands = {
        line.split()[1] for kind, block in BLOCKS if kind == "bash" for line in re.findall("^nvc .*", block, re.M)
    }
    assert commands >= {"encode", "info", "decode", "eval", "add-layer", "extract-layer", "append"}
    assert "DataLoader" in PAGE and "VideoReader" in PAGE
