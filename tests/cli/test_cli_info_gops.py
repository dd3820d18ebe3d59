"""What ``nvc info`` says of groups of pictures, and whom it cites."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvcodec.container import BaseSegment, Domain, ModelId, SequenceHeader, StreamHeader, write_container
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import VideoFormat

STREAMS = Path(__file__).parents[1] / "conformance"


@pytest.fixture
def bitstream(tmp_path):
    """A file of segments in given groups of pictures, with numbers that nobody decodes."""

    def make(*segments: tuple[int, tuple[int, ...]], streams: int = 1, **switches: bool) -> Path:
        config = MSNeRVConfig((2,), (4,), (1,), (1,), (GridLevel(4, 1, 1),), **switches)
        frames = sum(count for count, _ in segments)
        stream = StreamHeader(VideoFormat(64, 48), frames)
        header = SequenceHeader(ModelId.TENERV, Domain.YUV420, (stream,) * streams, config.to_bytes())
        parts = []
        for index in range(streams):
            first = 0
            for count, gops in segments:
                parts.append(BaseSegment(index, first, count, b"numbers", gops))
                first += count
        (tmp_path / "x.nvc").write_bytes(write_container(header, parts))
        return tmp_path / "x.nvc"

    return make


def _gops(nvc, path):
    """The fact about groups of pictures; None where nothing is said."""
    outcome = nvc("info", path)
    assert outcome.code == 0 and outcome.err == ""
    lines = [line.split(maxsplit=1) for line in outcome.out.decode().splitlines()]
    return next((line[1] for line in lines if line and line[0] == "gops"), None)


def test_groups_begin_at_frames_of_the_clip(nvc, bitstream):
    path = bitstream((8, (0, 3, 5)), (6, (0,)), (9, (0, 1)))
    assert _gops(nvc, path) == "6, from frame 0, 3, 5, 8, 14, 15"
    segments = nvc("info", path, "--json").json["segments"]
    assert [segment["gops"] for segment in segments] == [[0, 3, 5], [8], [14, 15]]


def test_many_groups_are_told_by_their_lengths(nvc, bitstream):
    twelve, thirteen = tuple(range(0, 24, 2)), (*range(0, 24, 2), 27)
    assert _gops(nvc, bitstream((31, twelve))).startswith("12, from frame 0, 2, 4, ")
    assert _gops(nvc, bitstream((31, thirteen))) == "13 of 2 to 5 frames"
    # the last group of a segment ends with it
    assert _gops(nvc, bitstream((31, thirteen), (1, (0,)))) == "14 of 1 to 5 frames"


@pytest.mark.parametrize(
    ("switches", "fact"),
    [
        ({"gop_grid": False, "gop_kernels": False}, None),
        ({"gop_grid": True, "gop_kernels": False}, "2, from frame 0, 3"),
        ({"gop_grid": False, "gop_kernels": True}, "2, from frame 0, 3"),
    ],
    ids=["nothing of their own", "grids", "kernels"],
)
def test_groups_that_have_nothing_of_their_own_are_no_fact(nvc, bitstream, switches, fact):
    path = bitstream((8, (0, 3)), **switches)
    assert _gops(nvc, path) == fact
    assert nvc("info", path, "--json").json["segments"][0]["gops"] == [0, 3]  # they are in the file all the same


def test_streams_are_grouped_each_for_itself(nvc, bitstream):
    path = bitstream((8, (0, 3)), streams=2)
    assert _gops(nvc, path) is None
    assert [segment["gops"] for segment in nvc("info", path, "--json").json["segments"]] == [[0, 3], [0, 3]]


def test_of_a_file_that_was_really_encoded(nvc):
    outcome = nvc("info", STREAMS / "tenerv.nvc", "--check", "--tensors")
    text = outcome.out.decode()
    assert outcome.code == 0 and "model       tenerv, " in text and "gops        3, from frame 0, 2, 4\n" in text
    assert "blocks.0.layers.0.kernel.deltas" in text
    assert nvc("info", STREAMS / "tenerv.nvc", "--json").json["network"]["gop_kernels"] is True


@pytest.mark.parametrize(
    ("name", "authors", "entries"),
    [
        ("msnerv", ("Zhu, Jun", "Kwan, Ho Man"), 2),
        ("tenerv", ("Hierarchical Temporal Neural Representation", "Wang, Jia"), 1),
        ("qsnerv", ("Wu, Chang", "Chen, Hao"), 2),
    ],
)
def test_cite(nvc, name, authors, entries):
    outcome = nvc("info", STREAMS / f"{name}.nvc", "--cite")
    text = outcome.out.decode()
    assert outcome.code == 0 and all(author in text for author in authors)
    assert text.count("@") == entries and text.count("{") == text.count("}")


def test_cite_of_several_files_names_each_method_once(nvc):
    files = [STREAMS / f"{name}.nvc" for name in ("qsnerv", "tenerv", "qsnerv")]
    text = nvc("info", *files, "--cite").out.decode()
    assert text.count("@") == 3 and text.count("QS-NeRV") == 1
