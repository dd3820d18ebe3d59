"""What a picture is: the shapes and bytes of its planes."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import pytest

import nvcodec
from nvcodec.errors import shown
from nvcodec.types import ChromaFormat, Domain, VideoFormat

FULL, HALF, TALL = (5, 7), (3, 4), (5, 4)
PLANES = {
    ChromaFormat.YUV420: [FULL, HALF, HALF],
    ChromaFormat.RGB: [FULL, FULL, FULL],
    ChromaFormat.GREY: [FULL],
    ChromaFormat.YUV422: [FULL, TALL, TALL],
    ChromaFormat.YUV444: [FULL, FULL, FULL],
}


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_planes_of_every_format(chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(7, 5, None, depth, chroma)
    assert list(video.plane_shapes) == PLANES[chroma] and chroma.planes == len(PLANES[chroma])
    samples = sum(rows * columns for rows, columns in PLANES[chroma])
    assert video.frame_bytes == samples * (1 if depth == 8 else 2) and video.peak == 2**depth - 1


def test_what_people_call_them() -> None:
    assert [str(chroma) for chroma in ChromaFormat] == ["4:2:0", "RGB", "grey", "4:2:2", "4:4:4"]


@pytest.mark.parametrize("stored", ChromaFormat)
def test_what_is_drawn(stored: ChromaFormat) -> None:
    assert Domain.RGB.drawn(stored) is ChromaFormat.RGB and Domain.YUV420.drawn(stored) is stored


@pytest.mark.parametrize(
    "value", [Path("a.nvc"), ["a", 1], ("a",), {"a": Path("b")}, set(), ChromaFormat.YUV444, Fraction(1, 2), "x", None]
)
def test_values_in_messages_are_no_python(value: object) -> None:
    text = shown(value)
    assert text and not any(trace in text for trace in ("<", "Enum", "Path(", "Fraction(", "['", "{'", "('", "set("))


def test_no_message_asks_for_a_repr() -> None:
    for path in Path(nvcodec.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for one in ast.walk(tree):
            if isinstance(one, ast.FunctionDef) and one.name in (
                "__repr__",
                "__getattr__",
            ):  # what Python itself asks for
                one.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.FormattedValue):
                assert node.conversion != ord("r"), f"{path}:{node.lineno}: write shown(...)"
