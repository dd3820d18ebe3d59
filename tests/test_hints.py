"""Names in hints: what is said to be typed can be typed, whatever a file is called."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from nvcodec.config.job import Job
from nvcodec.errors import NvcError, quoted
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import VideoFormat

ROOT = Path(__file__).parent.parent / "nvcodec"
NAMES = ["plain", "two words", "it's", 'a "quote"', "$HOME", "-dash", "--y", "a;b", "a\nb", "ümlaut", "`x`", "*"]
COMMAND = re.compile(r"(?:ffmpeg|mkdir|nvc|rm|cp) |:  -[a-z-]+ $|Delete $|or name the file $")
OF_FILES = re.compile(r"path|name|folder|file|output|source|parent|stem", re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_has_the_name_back(name: str) -> None:
    (word,) = shlex.split(quoted(name))
    assert Path(word) == Path(name) and not word.startswith("-")


def test_names_that_need_nothing_are_as_they_are() -> None:
    assert [quoted(name) for name in ("clip.y4m", "a/b_c-d.mkv", "-", Path("x/y"))] == [
        "clip.y4m", "a/b_c-d.mkv", "-", "x/y",
    ]  # fmt: skip


def _hint_of(action: str, folder: Path, name: str) -> str:
    with pytest.raises(NvcError) as caught:
        if action == "write":
            open_sink(folder / name / "x.y4m", VideoFormat(4, 4))
        else:
            (folder / f"{name}.yuv").write_bytes(b"x")
            open_source(folder / f"{name}.yuv")
    return caught.value.hint


@pytest.mark.parametrize("name", NAMES)
def test_hints_can_be_typed(tmp_path: Path, name: str) -> None:
    command = _hint_of("write", tmp_path, name).partition(":  ")[2]
    assert shlex.split(command) == ["mkdir", "-p", str(tmp_path / name)]
    command = _hint_of("read", tmp_path, name).partition("convert:  ")[2].removesuffix(")")
    assert Path(shlex.split(command)[-2]) == tmp_path / f"{name}.yuv"
    command = Job(("a.y4m",), "b.nvc").resume_command(Path(name))
    assert shlex.split(command)[:3] == ["nvc", "encode", "--resume"] and Path(shlex.split(command)[3]) == Path(name)


def _unquoted(path: Path) -> Iterator[str]:
    """Names of files that stand in a command as they are."""
    for text in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(text, ast.JoinedStr):
            continue
        before = ""
        for part in text.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                called = ast.unparse(part.value)
                if COMMAND.search(before) and OF_FILES.search(called) and not called.startswith("quoted("):
                    yield f"{path.name}:{text.lineno}: {called}"
                before += " "


def test_every_command_of_a_hint_quotes_its_files() -> None:
    assert not [place for path in sorted(ROOT.rglob("*.py")) for place in _unquoted(path)]
