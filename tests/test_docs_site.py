"""The site is built of what the repository holds: nothing is missing, no link is dead, nothing is fetched."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import nvcodec
from nvcodec import errors

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings_handlers.python")

ROOT = Path(__file__).parents[1]


@dataclass
class Held(HTMLParser):
    """What a page links to, loads, can be linked at, and says."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    paragraphs: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.loaded += [found[name] for name in ("src", "href") if name in found and tag != "a"]
        if tag == "p":
            self.paragraphs.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.paragraphs:
            self.paragraphs[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self.paragraphs.append("")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as ``make docs`` does."""
    folder: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    outcome = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert outcome.returncode == 0, outcome.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Held]:
    """Every page, read."""
    found = {}
    for path in site.rglob("*.html"):
        if path.name != "404.html":  # whose links are for the root of a server
            found[path] = Held()
            found[path].feed(path.read_text(encoding="utf-8"))
    return found


def dead_links(pages: dict[Path, Held]) -> list[tuple[str, str]]:
    """Links inside the site that lead to no file, or to no place in it: name of the page, and the link."""
    dead = []
    for path, held in pages.items():
        for link in held.links + held.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            lost = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors
            if lost or not target.is_file():
                dead.append((path.name, link))
    return dead


def test_dead_links_are_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    other.write_text('<h1 id="here">A</h1><a href="page.html">back</a>')
    links = ["other.html#here", "other.html#gone", "gone.html", "#gone", "https://elsewhere.example/#gone"]
    page.write_text("".join(f'<a href="{link}">b</a>' for link in links) + '<img src="gone.png">')
    pages = {path: Held() for path in (page, other)}
    for path, held in pages.items():
        held.feed(path.read_text())
    assert [link for _, link in dead_links(pages)] == ["other.html#gone", "gone.html", "#gone", "gone.png"]


def test_every_link_leads_somewhere(pages: dict[Path, Held]) -> None:
    assert len(pages) > 30 and not dead_links(pages)


def test_nothing_is_fetched(site: Path, pages: dict[Path, Held]) -> None:
    for path, held in pages.items():
        assert not [link for link in held.loaded if urlsplit(link).netloc], path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", path.read_text(encoding="utf-8")), path.name


def test_every_document_is_there(site: Path, pages: dict[Path, Held]) -> None:
    home = pages[site / "index.html"]
    for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]:
        name = "index.html" if path.name == "README.md" else f"{path.stem}.html"
        assert site / name in pages, path.name
        assert name in home.links or name == "index.html", path.name
    assert (site / "results/cpu/rd.png").is_file() and "schemas/index.html" in home.links
    for path in ROOT.glob("docs/schemas/*.json"):
        assert (site / "schemas" / path.name).read_bytes() == path.read_bytes()


def test_lists_and_tables_are_recognised(pages: dict[Path, Held]) -> None:
    """Where code hosts see a list, a stricter reader of Markdown must see one too."""
    for path, held in pages.items():
        assert "```" not in held.text, path.name
        for paragraph in held.paragraphs:
            assert not re.search(r"^\||\n(?:[*|-]|\d+\.) ", paragraph), (path.name, paragraph[:200])


def _plain(text: str) -> str:
    """Words alone: markup and line breaks are the renderer's."""
    return " ".join(re.findall(r"\w+", text))


def test_every_public_name_is_described(site: Path, pages: dict[Path, Held]) -> None:
    index = pages[site / "reference/index.html"]
    for name in nvcodec.__all__:
        assert name in index.text
        if name.startswith("__"):
            continue
        page, public = pages[site / f"reference/{name}.html"], getattr(nvcodec, name)
        assert f"{name}.html" in index.links and f"reference/{name}.html" in pages[site / "index.html"].links
        assert f"{public.__module__}.{name}" in page.anchors
        summary = inspect.getdoc(public).partition("\n\n")[0]
        assert _plain(re.sub(r":\w+:`", "", summary)) in _plain(page.text), name
        members = vars(public).items() if inspect.isclass(public) else ()
        for member, value in members:
            if not member.startswith("_") and inspect.isfunction(value):
                assert f"{public.__module__}.{name}.{member}" in page.anchors, member
        if inspect.isfunction(public):
            assert all(argument in page.text for argument in inspect.signature(public).parameters), name


def test_results_and_errors_are_described(site: Path, pages: dict[Path, Held]) -> None:
    held = {name: pages[site / f"reference/{name}.html"] for name in ("results", "types", "errors")}
    for name in ("EncodeResult", "LayerResult", "DecodeResult", "StreamOutcome", "Info"):
        assert any(anchor.endswith(f".{name}") for anchor in held["results"].anchors), name
        assert any(f"results.html#{anchor}" in page.links for page in pages.values() for anchor in
                   held["results"].anchors if anchor.endswith(f".{name}")), name  # fmt: skip
    for name in ("Limits", "Step", "Forecast", "Notice"):
        assert any(anchor.endswith(f".{name}") for anchor in held["types"].anchors), name
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.NvcError):
            assert f"nvcodec.errors.{name}" in held["errors"].anchors
            assert kind.__doc__ and _plain(kind.__doc__.partition("\n")[0]) in _plain(held["errors"].text)


def test_roles_became_links(site: Path, pages: dict[Path, Held]) -> None:
    assert not [path.name for path, held in pages.items() if re.search(r":(?:func|class|meth|data|attr):", held.text)]
    assert any(link.startswith("decode.html#") for link in pages[site / "reference/decode_all.html"].links)
