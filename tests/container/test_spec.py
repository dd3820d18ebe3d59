"""bitstream_spec.md and the code say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import IntEnum
from pathlib import Path

import pytest

from nvcodec.container import Limits, header, ids, keyframes, metadata, packs, segments, side_data
from nvcodec.types import ChromaFormat

SPEC = (Path(__file__).parents[2] / "bitstream_spec.md").read_text(encoding="utf-8")


def _table(caption: str) -> list[list[str]]:
    """Rows of the table behind ``Table: caption``, without its head, code marks removed."""
    match = re.search(rf"^\*\*Table: {re.escape(caption)}\*\*\n\n((?:\|.*\n)+)", SPEC, re.MULTILINE)
    assert match, f"no table {caption!r}"
    rows = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in match[1].splitlines()]
    return list(rows[2:])


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


@pytest.mark.parametrize(
    ("caption", "enum"),
    [
        ("model ids", ids.ModelId),
        ("pack model ids", ids.PackModelId),
        ("coding domain ids", ids.Domain),
        ("prior ids", ids.PriorId),
        ("render profiles", ids.RenderProfile),
        ("index kinds", ids.IndexKind),
        ("key-frame codecs", ids.KeyFrameCodec),
        ("chroma formats", ChromaFormat),
        ("side data ids", side_data.SideDataId),
    ],
)
def test_id_tables(caption: str, enum: type[IntEnum]) -> None:
    rows = [row for row in _table(caption) if row[1] != "reserved"]
    assert {int(row[0]): row[1] for row in rows} == {member.value: member.name.lower() for member in enum}


def test_chunk_types() -> None:
    rows = _table("chunk types")
    assert {row[0]: row[2] for row in rows} == ids.CHUNK_TYPES
    for row in rows:
        assert row[1] == ("critical" if ids.is_critical(row[0]) else "ancillary")


def test_signature_and_version() -> None:
    assert ids.SIGNATURE.hex(" ").upper() in SPEC
    assert "version {}.{}".format(*ids.VERSION) in SPEC


def test_limits() -> None:
    rows = {row[0]: _number(row[1]) for row in _table("limits")}
    assert rows == {field.name: field.default for field in fields(Limits)}


def test_fixed_bounds() -> None:
    rows = {row[0]: _number(row[1]) for row in _table("fixed bounds")}
    assert rows == {
        "model configuration": header.MAX_MODEL_CONFIG_BYTES,
        "stream name": header.MAX_NAME_BYTES,
        "streams": header.MAX_STREAM_COUNT,
        "groups of pictures": segments.MAX_GOPS,
        "choices": header.MAX_CHOICES_BYTES,
        "pack configuration": packs.MAX_PACK_CONFIG_BYTES,
        "samples of a digest": segments.MAX_DIGEST_SAMPLES,
        "key frames": keyframes.MAX_KEY_FRAMES,
        "side data": side_data.MAX_SIDE_DATA_BYTES,
        "metadata": metadata.MAX_METADATA_BYTES,
    }


def test_places_for_later_text_are_marked() -> None:
    for mark in ("<!-- PARAMETER PAYLOAD -->", "<!-- ANNOTATED FILE -->"):
        assert SPEC.count(mark) == 1
