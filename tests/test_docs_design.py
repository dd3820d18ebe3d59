"""Pages about the code say what is so: what they name exists, imports are as drawn, worked lists are complete."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from textwrap import indent

import pytest

from nvcodec.cli.main import COMMANDS
from nvcodec.config import options
from nvcodec.config.fit import Settings
from nvcodec.container.ids import CHUNK_TYPES, ModelId
from nvcodec.encoder.plan.models import ROWS
from nvcodec.models import registry
from nvcodec.models.registry import MODELS

ROOT = Path(__file__).parents[1]
CHANGES = ROOT / "docs" / "where_does_my_change_go.md"
PROMISES = ROOT / "docs" / "reliability.md"
PAPERS = ROOT / "docs" / "papers.md"
PAGES = [*sorted((ROOT / "docs" / "design").glob("*.md")), CHANGES, PAPERS, ROOT / "CONTRIBUTING.md"]
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"(?:[\w.*-]+/)*[\w*-]*(?:/|\.(?:json|md|nvc|py|toml|yml))(?:::\w+)?")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_ANYONES = {*dir(builtins), *CHUNK_TYPES, *COMMANDS, *options.PRESETS, *(model.name for model in MODELS)}
"""What is nobody's in particular."""
_INVENTED = {"job.options.every"}
"""Of a worked example."""


def _is_path(span: str) -> bool:
    return _PATH.fullmatch(span) is not None


def _files(path: str) -> list[Path]:
    """The files or folders that a path means, from the root or below the package; NAME stands for any."""
    pattern = path.partition("::")[0].replace("NAME", "*").rstrip("/")
    return [found for home in (ROOT, ROOT / "nvcodec") for found in home.glob(pattern)]


@cache
def _defined(file: Path) -> dict[str, set[str]]:
    """What a file defines, parameters and attributes too, under ""; what its classes define, under their names."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {"": set(_names(tree)), **{each.name: set(_names(each)) for each in classes}}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _is_defined(name: str, file: Path) -> bool:
    first, _, member = name.partition(".")
    known = _defined(file)
    return first in known[""] and (not member or member in known.get(first, ()))


def _is_dotted_path(name: str) -> bool:
    """Whether a name is that of a module of the package, or of something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        file, rest = ROOT.joinpath(*parts[:count]), ".".join(parts[count:])
        if file.is_dir() or file.with_suffix(".py").exists():
            file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
            return not rest or _is_defined(rest, file)
    return False


def _is_setting(name: str) -> bool:
    group, _, field = name.partition(".")
    kinds = [model.settings for model in MODELS] if group == "model" else [getattr(Settings(), group, None)]
    return any(is_dataclass(kind) and field in [each.name for each in fields(kind)] for kind in kinds)


def _unknown(text: str) -> Iterator[str]:
    """Names in backticks that are none of a file named in the same block, or in one above it."""
    files: list[Path] = []
    for block in re.split(r"\n\s*\n|\n(?=\||[*] |\d+\. )", _FENCE.sub("", text)):
        spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", block)]
        for path in filter(_is_path, spans):
            files += [file for file in _files(path) if file.suffix == ".py"]
        for span in spans:
            if not _is_fine(span, files):
                yield span


def _is_fine(span: str, files: list[Path]) -> bool:
    if _is_path(span):
        found, test = _files(span), span.partition("::")[2]
        return bool(found) and (not test or any(_is_defined(test, file) for file in found))
    if span.startswith("make "):
        return f"\n{span.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    if span.startswith("nvc "):
        return span.split()[1] in {*COMMANDS, "-h"}
    if re.fullmatch(r"[a-z]+\.\w+=\S+", span):
        return _is_setting(span.partition("=")[0])
    if " " in span:
        return all(_files(word) for word in span.split() if _is_path(word))
    if not _NAME.fullmatch(span) or span in _ANYONES | _INVENTED or span in ("nvc", "nvcodec"):
        return True
    if span.startswith("nvcodec."):
        return _is_dotted_path(span)
    package = ROOT / "nvcodec" / span
    return (
        package.is_dir()
        or package.with_suffix(".py").exists()
        or _is_setting(span)
        or any(_is_defined(span, file) for file in files)
    )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not list(_unknown(text))
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        named = re.findall(r"\b(?:benchmarks|docs|tests|tools)/[\w/.]+\.py(?:::\w+)?", block)
        assert all(_is_fine(each, []) for each in named), named


def test_rot_is_found() -> None:
    """What was renamed, moved or never there."""
    page = """
`encoder/gone.py`, `tests/test_docs_design.py::test_gone`, `tests/gone/`, `models/NAME_gone.py`, `make gone`,
`nvc gone`, `python tools/gone.py x`, `nvcodec.encoder.gone`, `nvcodec.encoder.encode.gone`

* `Part` is in a file that is named below, and too late for this.
* `encoder/parts/part.py` has `Part`, `Part.run`, `Part.gone` and `Gone`. `fit.batch` is a setting,
  `model.window=3` too, `fit.gone` and `model.gone=3` are none.

`Part` is known by now, `nvcodec.errors.UsageError` always, `ValueError` and `BASE` to anyone. `metrics` is a package.
"""
    assert list(_unknown(page)) == [
        "encoder/gone.py", "tests/test_docs_design.py::test_gone", "tests/gone/", "models/NAME_gone.py", "make gone",
        "nvc gone", "python tools/gone.py x", "nvcodec.encoder.gone", "nvcodec.encoder.encode.gone",
        "Part", "Part.gone", "Gone", "fit.gone", "model.gone=3",
    ]  # fmt: skip


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", _FENCE.sub("", path.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in titles], link


def test_every_promise_has_its_tests() -> None:
    """Each row of the tables of promises names files of tests, and those that are named as single tests exist."""
    tables = re.findall(
        r"^\| Promise \| Held by \|\n\|---\|---\|\n((?:\|.*\n)+)", PROMISES.read_text(encoding="utf-8"), re.M
    )
    rows = [row.strip("|").split(" | ", 1) for table in tables for row in table.splitlines()]
    assert len(tables) == 3 and len(rows) > 20
    for promise, held in rows:
        named = [span for span in re.findall(r"`([^`]+)`", held) if span.startswith("tests/")]
        assert named, promise
        for name in named:
            assert name.partition("::")[0].endswith(".py") and _is_fine(name, []), name


def _rows() -> list[list[str]]:
    """Packages and modules in the picture of the walls, line by line, from the top."""
    (picture,) = [block for kind, block in _FENCE.findall(CHANGES.read_text(encoding="utf-8")) if kind == "text"]
    return [[word for word in re.split(r" {2,}", line) if word.isidentifier()] for line in picture.splitlines()]


def test_imports_go_down_only() -> None:
    height = {name: number for number, names in enumerate(reversed(_rows())) for name in names}
    files = {path.relative_to(ROOT).with_suffix("").parts: path for path in (ROOT / "nvcodec").rglob("*.py")}
    homes = {parts[1] for parts in files} - {"__init__", "__main__"}
    assert homes == set(height) and len(homes) == sum(map(len, _rows()))
    for (_, home, *_), path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if home in homes else ():
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("nvcodec.") and (other := module.split(".")[1]) != home:
                assert height[other] < height[home], (path, module)


def test_a_model_is_wherever_the_list_says() -> None:
    """The worked list of docs/design/axes_and_parts.md."""
    names = [model.name for model in MODELS]
    assert {model.name: model.id for model in MODELS} == {each.name.lower(): each.value for each in ModelId}
    assert names == list(ROWS) and all(registry.citation(name).startswith("@") for name in names)
    assert all(tuple(row.presets) == options.PRESETS for row in ROWS.values())


def test_the_option_of_the_example_is_one() -> None:
    text = (ROOT / "docs" / "design" / "options_as_data.md").read_text(encoding="utf-8")
    (code,) = [block for kind, block in _FENCE.findall(text) if kind == "python"]
    scope = {**vars(options), "dataclass": dataclass}
    lines = "\n".join(line.strip() for line in code.splitlines())
    exec(f"@dataclass(frozen=True)\nclass Example:\n{indent(lines, '    ')}", scope)
    (described,) = options.described(scope["Example"]).values()
    assert described.flags == ("--every",) and described.kind.parse("3") == 3
    assert "every" not in options.described(options.EncodeOptions), "take another example"
