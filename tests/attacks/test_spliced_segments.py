"""Chunks of other files, or of the same file, put where they do not belong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nvcodec.container import read_container
from nvcodec.errors import NvcError

Refused = Callable[..., NvcError]


def test_same_segment_twice(honest: bytes, refused: Refused) -> None:
    container = read_container(honest)
    first, second = (entry.offset for entry in container.index)
    assert "starts at frame 0 of its stream instead of 4" in refused(honest[:second] + honest[first:]).message


def test_segments_swapped(honest: bytes, refused: Refused) -> None:
    container = read_container(honest)
    (first, second), index = (entry.offset for entry in container.index), container.chunks[-1].offset
    swapped = honest[:first] + honest[second:index] + honest[first:second] + honest[index:]
    assert "starts at frame 4 of its stream instead of 0" in refused(swapped).message


def test_segment_removed(honest: bytes, refused: Refused) -> None:
    first, second = (entry.offset for entry in read_container(honest).index)
    assert "starts at frame 4" in refused(honest[:first] + honest[second:]).message


def test_two_files_joined_without_the_signature(honest: bytes, refused: Refused) -> None:
    assert refused(honest + honest[10:]).hint == "Segments 0-1 of 4 are intact (frames 0-7)"


@pytest.mark.parametrize("cut", [None, -1], ids=["finished", "without index"])
@pytest.mark.parametrize("end", [lambda file: file, lambda file: bytes(64)], ids=["a second file", "zeros"])
def test_something_else_behind_the_file(
    honest: bytes, refused: Refused, end: Callable[[bytes], bytes], cut: int | None
) -> None:
    """What can no longer be part of the video is passed over, what might be is not."""
    container = read_container(honest)
    if cut is None:
        joined = read_container(honest + end(honest))
        assert joined.segments == container.segments and joined.index == container.index
        assert joined.warnings[0].endswith("has a damaged header; nothing behind it can be found")
    else:
        unfinished = honest[: container.chunks[cut].offset]
        error = refused(unfinished + end(honest))
        assert "damaged header" in error.message and error.hint == "Segments 0-1 are intact (frames 0-7)"
