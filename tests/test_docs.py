"""What the documentation says is so: links lead somewhere, commands parse, examples run, messages exist."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from nvcodec import errors
from nvcodec.cli.main import COMMANDS
from nvcodec.encoder.plan import models, presets, size_dnerv

ROOT = Path(__file__).parents[1]
DOCS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "schemas" / "README.md", ROOT / "README.md"]
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCS}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FIELD = "\0"
"""What is filled into a message, in a template; the documentation writes an ellipsis."""


def _blocks(path: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(TEXTS[path])


def _prose(path: Path) -> str:
    return _BLOCK.sub("", TEXTS[path])


def _anchors(path: Path) -> set[str]:
    """Names of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _BLOCK.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", _prose(path)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/(\w+\.md)", TEXTS[ROOT / "README.md"]))
    assert linked == {path.name for path in DOCS if path.parent.name == "docs"}


def _commands(path: Path) -> Iterator[str]:
    shell = "".join(block for kind, block in _blocks(path) if kind in ("", "bash")).replace("\\\n", "")
    yield from re.findall(r"(?:^|\| )(nvc .*?)(?= [|>] |$)", shell, re.MULTILINE)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_parse(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("benchmarks", "examples"):  # for --config
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for command in _commands(path):
        words = shlex.split(command, comments=True)
        if "--save-config" in words:  # a later one reads it
            Path(words[words.index("--save-config") + 1]).touch()
        assert words[1] in COMMANDS, command
        parser = import_module(f"nvcodec.cli.{words[1].replace('-', '_')}").command
        assert parser.make_context(words[1], words[2:]), command


def test_commands_are_found() -> None:
    assert {command.split()[1] for path in DOCS for command in _commands(path)} == set(COMMANDS)


@pytest.mark.parametrize("name", ["quick_start", "how_it_works", "presets"])
def test_python_runs_and_prints_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {name: replace(preset, epochs=1, min_steps=8) for name, preset in presets.PRESETS.items()}
    if name == "quick_start":
        monkeypatch.setitem(models.ROWS, "msnerv", replace(models.ROWS["msnerv"], presets=quick))
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    blocks, scope = _blocks(ROOT / "docs" / f"{name}.md"), {}
    assert any(kind == "python" for kind, _ in blocks)
    for (kind, code), (next_kind, expected) in pairwise([*blocks, ("", "")]):
        if kind != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(re.sub(r"max_time_s=\d+", "epochs=1", code), scope)  # a test is not to take that time
        assert printed.getvalue()
        if next_kind == "text":
            assert printed.getvalue() == expected


def _modules(text: str) -> set[str]:
    """What a text names as ``folder/file.py``."""
    return set(re.findall(r"(?<![\w/.])((?:\w+/)+\w+\.py)\b", text))


@pytest.mark.parametrize("path", [*DOCS, ROOT / "docs" / "road.svg"], ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_exist(path: Path) -> None:
    for module in _modules(path.read_text(encoding="utf-8")):
        assert (ROOT / "nvcodec" / module).exists() or (ROOT / module).exists(), module


def test_the_road_leads_through_the_package() -> None:
    """Every station of the picture is in the text, and the way from one end of an encode to the other."""
    text, picture = (
        _modules((ROOT / "docs" / name).read_text(encoding="utf-8")) for name in ("how_it_works.md", "road.svg")
    )
    assert picture <= text and len(text) >= 35
    assert text >= {
        f"encoder/{name}.py" for name in ("encode", "plan/plan", "parts/segment", "fit/fit", "fit/pack", "file")
    }


def test_presets_are_those_of_the_code() -> None:
    text = TEXTS[ROOT / "docs" / "presets.md"]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \|", text, re.MULTILINE)
    ours = presets.PRESETS.values()
    assert [(name, *(float(number.replace(",", "")) for number in numbers)) for name, *numbers in rows] == [
        (preset.name, preset.epochs, preset.min_steps, preset.max_channels, preset.bits_per_parameter)
        for preset in ours
    ]
    archives = size_dnerv.PRESETS.values()
    assert f"| epochs of `dnerv` | {' | '.join(f'{preset.epochs:,}' for preset in archives)} |" in text
    assert f"| steps at least | {' | '.join(f'{preset.min_steps:,}' for preset in archives)} |" in text


@cache
def _templates() -> dict[str, set[str]]:
    """Every text of the sources, and the names of what is called with it first."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "nvcodec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                text = _template(node.args[0])
                if path.name == "kinds.py" and name == "ValueError":  # what the remedy stands behind in
                    name, text = "UsageError", text.partition("; ")[0].rstrip(".")
                found.setdefault(text, set()).add(name)
            elif isinstance(node, (ast.JoinedStr, ast.Constant)):
                found.setdefault(_template(node), set())
    return found


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template, node.values))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else _FIELD


def _sections() -> Iterator[tuple[int | None, str]]:
    """Exit codes of the sections, None where there is none, and the messages of their tables."""
    text = TEXTS[ROOT / "docs" / "troubleshooting.md"].partition("## Symptoms")[0]
    for title, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
        code = re.match(r"Exit code (\d+)", title)
        for message in re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE):
            yield int(code[1]) if code else None, message


def _pattern(message: str) -> re.Pattern[str]:
    """What matches the templates that a message of the tables may come from."""
    body = re.escape(message.removeprefix("… ")).replace("…", _FIELD)
    return re.compile((f"(?:{_FIELD} )?" if message.startswith("… ") else "") + body)  # a name is often put in front


def test_every_message_of_ours_is_listed() -> None:
    """Of wrong usage, unreadable input, newer files and stops; damage is listed by kinds, not one by one."""
    kinds = {"UsageError", "OutputError", "RescuedError", "InputError", "UnsupportedError", "InterruptedEncodeError"}
    ours = {template for template, names in _templates().items() if names & kinds}
    ours -= {_FIELD, f"{_FIELD}: {_FIELD}"}  # what a network's configuration, a value or the command-line parser says
    patterns = [_pattern(message) for _, message in _sections()]
    missing = [template for template in ours if not any(pattern.fullmatch(template) for pattern in patterns)]
    assert not missing, [template.replace(_FIELD, "…") for template in missing]


def test_every_message_is_one_of_ours() -> None:
    codes = {name: getattr(kind, "exit_code", None) for name, kind in vars(errors).items()}
    codes |= {"TruncatedError": 4, "LostError": 4, "print_error": None}
    messages = list(_sections())
    assert len(messages) > 100
    for code, message in messages:
        pattern = _pattern(message)
        makers = [names for template, names in _templates().items() if pattern.fullmatch(template)]
        assert makers, message
        known = {codes[name] for names in makers for name in names if name in codes} - {None}
        assert code is None or not known or code in known, (message, code, known)


def test_every_exit_code_has_a_section() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NvcError)]
    assert {kind.exit_code for kind in kinds} == {code for code, _ in _sections() if code is not None}
