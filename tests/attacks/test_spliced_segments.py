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


@pytest.mark.parametrize("skip", [0, 10])
def test_two_files_joined(honest: bytes, refused: Refused, skip: int) -> None:
    error = refused(honest + honest[skip:])
    assert error.hint == "Segments 0-1" + (" of 4" if skip else "") + " are intact (frames 0-7)"


def test_zeros_behind_the_file(honest: bytes, refused: Refused) -> None:
    assert "damaged header" in refused(honest + bytes(64)).message
