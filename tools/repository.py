"""Show the address of the repository, or write another one wherever it is named.

pyproject.toml defines it; the other files name the same one, which ``tests/test_project.py`` holds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("pyproject.toml", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md")
"""Files that name it."""


def address() -> str:
    """What pyproject.toml says."""
    found = re.search(r'^Repository = "(.+?)"', (ROOT / PLACES[0]).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def main(arguments: list[str]) -> int:
    """Run the program."""
    old = address()
    if not arguments:
        print(old)
        return 0
    (new,) = arguments
    if not re.fullmatch(r"https://[^\s\"'<>()]+[^/\s\"'<>()]", new):
        print(f"{new} is no address; give it as https://HOST/PATH", file=sys.stderr)
        return 2
    for name in PLACES:
        text = (ROOT / name).read_text(encoding="utf-8")
        (ROOT / name).write_text(text.replace(old, new), encoding="utf-8")
        print(f"{name}: {text.count(old)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
