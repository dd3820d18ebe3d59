"""The example of the specification is the file it says it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_is_what_the_tool_prints() -> None:
    spec = (ROOT / "bitstream_spec.md").read_text(encoding="utf-8")
    example = spec.split("```text\n")[1].split("```")[0]
    printed = subprocess.run(
        [sys.executable, ROOT / "tools" / "annotate.py"], capture_output=True, text=True, check=True
    ).stdout
    assert example == printed, "run: python tools/annotate.py --update"
