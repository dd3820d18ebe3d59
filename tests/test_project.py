"""What the project says of itself is said once: its address, its name, its version, the papers."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from nvcodec.models.registry import MODELS, citation
from nvcodec.version import UPGRADE, __version__, install
from tools import repository

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_all_places_name_one_address() -> None:
    address = repository.address()
    assert PROJECT["urls"]["Repository"] == address and f'repository-code: "{address}"' in CITATION
    for name in repository.PLACES:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert address in text, name
        others = set(re.findall(r"https?://[^\s\"'`<>)]+", text)) - {address, "https://..."}
        assert not [other for other in others if re.search(r"git(hub|lab)|invalid|codeberg|/nvc\b", other)], name
    assert "tools/repository.py" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_address_is_filled_in_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in repository.PLACES:
        shutil.copy(ROOT / name, tmp_path / name)
    old = repository.address()
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert repository.main(["ftp://x"]) == 2
    assert repository.main(["https://code.example.org/somebody/nvc"]) == 0
    for name in repository.PLACES:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "https://code.example.org/somebody/nvc" in text and old not in text
    assert repository.address() == "https://code.example.org/somebody/nvc"
    assert (
        tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] == PROJECT["name"]
    )


def test_hints_install_from_the_checkout() -> None:
    """As README does: no registry has the package."""
    assert "checkout" in UPGRADE and UPGRADE.endswith("pip install .")
    assert install("bench") == "In the checkout of nvc:  pip install '.[bench]'"
    package = PROJECT["name"]
    known = set(PROJECT["optional-dependencies"])
    for path in sorted((ROOT / "nvcodec").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert package not in text, path
        assert set(re.findall(r"\binstall\(['\"](\w+)['\"]\)", text)) <= known, path
        assert not re.search(r"pip install[^\"]*\bnvcodec\b", text), path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(rf"pip install[^\n`]*\b(nvcodec|{package})\b", text), path
        for extras in re.findall(r"pip install '\.\[([\w,]+)\]'", text):
            assert set(extras.split(",")) <= known, path


def test_the_release_is_dated_and_the_numbers_are_told_apart() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changes, re.MULTILINE)
    assert headings[0] == ("Unreleased", "") and headings[1][0] == __version__ and headings[1][1]
    assert f"date-released: {headings[1][1]}" in CITATION and f"\nversion: {__version__}\n" in CITATION
    assert "program" in changes.split("## ")[0] and "bitstream" in changes.split("## ")[0]


@pytest.mark.parametrize("model", [model.name for model in MODELS])
def test_all_papers_can_be_cited(model: str) -> None:
    """Those that ``nvc info --cite`` prints, with their authors and years."""
    told = {re.search(r'title: "(.+)"', entry)[1]: entry for entry in CITATION.split("\n  - type: ")[1:]}  # type: ignore[index]
    for entry in citation(model).split("\n@"):
        fields = {name: re.sub(r"[{}]|\s+(?=\s)", "", value.replace("\n", " ")) for name, value in
                  re.findall(r"^\s*(\w+)\s*=\s*\{(.*?)\},?$", entry, re.MULTILINE | re.DOTALL)}  # fmt: skip
        ours = told[fields["title"]]
        authors = [tuple(author.split(", ")) for author in re.split(r" and\s+", fields["author"])]
        assert re.findall(r"family-names: (.+?), given-names: (.+?)\}", ours) == authors
        assert "year" not in fields or f"year: {fields['year']}" in ours


def test_the_readme_says_what_it_takes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "https://download.pytorch.org/whl/cpu" in readme and "GB" in readme.split("## Use")[0]
    assert "$(TORCH)" in (ROOT / "Makefile").read_text(encoding="utf-8")
