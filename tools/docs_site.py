"""The hook of mkdocs.yml: what the site has besides the files in docs/.

It adds the pages that lie at the root of the repository, and a reference that is made from what ``nvcodec`` exports:
neither is kept twice. Links are written for readers of the repository; those that leave the site become text.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "bitstream_spec.md": "bitstream_spec.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
}
"""Pages at the root of the repository, and what they are in the site."""
REFERENCE = "Python reference"
"""Section of mkdocs.yml that the pages of public names are put into."""

_BLOCK = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")
_ITEM = re.compile(r"(?:\d+\.|[*-]) (?=\S)")
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>([^<]+)</code>")
_RECORDS = {"NamedTuple", "IntEnum", "Enum"}
_SPECIAL = {"__getitem__", "__iter__", "__len__", "__call__"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the reference, and name headings as a code host does, for links to them."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    for section in config.nav or ():
        if REFERENCE in section:
            section[REFERENCE] = list(_reference())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in docs/."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
        for image, _, link in _links((ROOT / path).read_text(encoding="utf-8")):
            if image and ":" not in link and link not in files.src_uris:
                files.append(File.generated(config, link, abs_src_path=str(ROOT / link)))
    files.append(File.generated(config, "site.css", content=_style()))
    for uri, text in _reference().items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Lead links to where the site has the page, and make text of those that it has not; indent lists further."""
    uri = page.file.src_uri
    home = next((path for path, there in PAGES.items() if there == uri), f"docs/{uri}")

    def lead(match: re.Match[str]) -> str:
        image, text, link = match.groups()
        path, mark, anchor = link.partition("#")
        if ":" in path or not path:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(home), path))
        there = PAGES.get(target, target.removeprefix("docs/"))
        if there in files.src_uris and (target in PAGES or target.startswith("docs/") or image):
            return f"{image}[{text}]({posixpath.relpath(there, posixpath.dirname(uri) or '.')}{mark}{anchor})"
        if not (ROOT / target).exists():
            return match[0]  # mkdocs says what is wrong with it
        return f"`{target}`" if text.rstrip("/") in target else f"{text} (`{target}`)"

    markdown = "\n".join(_indented(markdown.split("\n")))
    return "".join(part if number % 2 else _LINK.sub(lead, part) for number, part in enumerate(_BLOCK.split(markdown)))


def on_page_content(html: str, **_: Any) -> str:
    """Make links of the roles in docstrings, where the reference has what they name."""
    from nvcodec import _HOMES

    def link(match: re.Match[str]) -> str:
        name, *rest = match[1].removeprefix("nvcodec.").split(".")
        path = ".".join([_HOMES[name], name, *rest]) if name in _HOMES else match[1]
        return f'<autoref identifier="{path}" optional><code>{match[1]}</code></autoref>'

    return _ROLE.sub(link, html)


def slug(title: str, separator: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", separator)


def _indented(lines: Sequence[str]) -> list[str]:
    """Lists whose items are indented by four columns: Python-Markdown takes less for the end of the item."""
    done: list[str] = []
    todo = list(lines)
    fenced = False
    while todo:
        line = todo.pop(0)
        fenced ^= line.startswith("```")
        marker = None if fenced else _ITEM.match(line)
        if marker is None:
            done.append(line)
            continue
        width, item = marker.end(), [line[marker.end() :]]
        while todo and (not todo[0].strip() or todo[0].startswith(" " * width)):
            item.append(todo.pop(0)[width:])
        first, *rest = _indented(item)
        done += [marker[0] + first, *("    " + line if line else line for line in rest)]
        if "" in rest and rest[-1]:  # or the next item would be taken for more of its last paragraph
            done.append("")
    return done


def _links(markdown: str) -> Iterator[tuple[str, str, str]]:
    for number, part in enumerate(_BLOCK.split(markdown)):
        if number % 2 == 0:
            yield from (match.groups() for match in _LINK.finditer(part))  # type: ignore[misc]


_made: dict[str, str] = {}


def _reference() -> dict[str, str]:
    """Pages of the reference by their place in the site, in the order of the navigation."""
    if not _made:
        _made.update(_make_reference())
    return _made


def _make_reference() -> dict[str, str]:
    sys.path.insert(0, str(ROOT))  # this tree, not one that is installed
    import nvcodec

    package = _Package()
    names = [name for name in nvcodec.__all__ if name in nvcodec._HOMES]
    public = {name: package.find(f"{nvcodec._HOMES[name]}.{name}") for name in names}
    functions = [item for item in public.values() if item.is_function]
    errors = [item for item in package.root["errors"].members.values() if isinstance(item, griffe.Class)]
    results = package.closure(functions, [*public.values(), *errors], returned=True)
    types = package.closure(public.values(), [*public.values(), *errors, *results], returned=False)

    rows = [f"| [`{name}`]({name}.md) | {_summary(item)} |" for name, item in public.items()]
    index = [
        f"# {REFERENCE}\n\n`import nvcodec` takes milliseconds: each name is imported when it is first used.",
        "\n".join(["| name | what it is |", "|---|---|", *rows, "| `__version__` | The version, as text. |"]),
        "[Results](results.md) are what functions return, [types](types.md) what arguments and attributes are made of, "
        "and [errors](errors.md) what is raised.",
    ]
    pages = {"reference/index.md": "\n\n".join(index)}
    for name, item in public.items():
        title = f"nvcodec.{name}"
        options = f"    options:\n      heading: {title}\n      heading_level: 1\n"
        pages[f"reference/{name}.md"] = f"---\ntitle: {title}\n---\n\n::: {item.path}\n{options}"
    pages["reference/results.md"] = _page("Results", results, values=True)
    pages["reference/types.md"] = _page("Types", types, values=True)
    pages["reference/errors.md"] = _page("Errors", errors)
    return pages


class _Package:
    """The sources, read and not run."""

    def __init__(self) -> None:
        self.root = griffe.load("nvcodec", search_paths=[ROOT])

    def find(self, path: str) -> griffe.Object:
        """What is defined or imported there."""
        found = self.root[path.removeprefix("nvcodec.")]
        return found.final_target if isinstance(found, griffe.Alias) else found

    def closure(
        self, begin: Iterable[griffe.Object], known: Iterable[griffe.Object], *, returned: bool
    ) -> list[griffe.Object]:
        """Records and type aliases that signatures mention, and those that these are made of, by name.

        Args:
            begin: Functions and classes.
            known: What is documented elsewhere.
            returned: Look at what functions return, and not at their arguments too.
        """
        seen = {item.path for item in known}
        found, todo = [], [*begin]
        while todo:
            for item in self._mentioned(todo.pop(0), returned):
                if item.path not in seen and _is_plain(item):
                    seen.add(item.path)
                    found.append(item)
                    todo.append(item)
        return sorted(found, key=lambda item: item.name)

    def _mentioned(self, item: griffe.Object, returned: bool) -> Iterator[griffe.Object]:
        if isinstance(item, griffe.Function):
            arguments = [] if returned else [parameter.annotation for parameter in item.parameters]
            yield from self._named([item.returns, *arguments])
        elif isinstance(item, griffe.Attribute):
            yield from self._named([item.annotation, item.value])
        elif isinstance(item, griffe.Class):
            for name, member in item.members.items():
                if not isinstance(member, griffe.Alias) and (not name.startswith("_") or name in _SPECIAL):
                    yield from self._mentioned(member, returned)

    def _named(self, expressions: Sequence[str | griffe.Expr | None]) -> Iterator[griffe.Object]:
        for expression in expressions:
            for part in expression.iterate() if isinstance(expression, griffe.Expr) else ():
                if isinstance(part, griffe.ExprName) and part.canonical_path.startswith("nvcodec."):
                    try:
                        yield self.find(part.canonical_path)
                    except KeyError:  # a member of an enumeration, say
                        continue


def _is_plain(item: griffe.Object) -> bool:
    """Whether it is a record or an alias: not something that does work, which is nobody's to use."""
    if isinstance(item, griffe.Class):
        return "dataclass" in item.labels or not _RECORDS.isdisjoint(map(str, item.bases))
    return isinstance(item, griffe.Attribute) and re.fullmatch(r"([A-Z][a-z]+)+", item.name) is not None


def _page(title: str, items: Iterable[griffe.Object], *, values: bool = False) -> str:
    """A page of several objects, each with a heading; with values those of aliases and enumerations."""
    options = f"    options:\n      show_attribute_values: {str(values).lower()}"
    return "\n\n".join([f"# {title}", *(f"::: {item.path}\n{options}" for item in items)]) + "\n"


def _style() -> str:
    """Colours of code, and a line beside what belongs to a class."""
    inside = ".doc-children .doc-contents { padding-left: 1.5em; border-left: .2em solid #e1e4e5; }"
    return f"{HtmlFormatter(style='default').get_style_defs('.highlight')}\n{inside}\n"


def _summary(item: griffe.Object) -> str:
    return item.docstring.value.partition("\n")[0].replace("|", "\\|") if item.docstring else ""
