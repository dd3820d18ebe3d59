"""Encoders of other codecs take no more of the machine than they are given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.io.packets import encode_packets
from nvcodec.io.scheduling import usual_priority
from nvcodec.types import Planes, VideoFormat

VIDEO = VideoFormat(64, 48, Fraction(25))
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")


def _policies() -> set[int]:
    return {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}


@pytest.mark.parametrize("encoder", ["libsvtav1", "libx264", "libx265"])
def test_no_thread_gets_ahead_of_the_rest_of_the_machine(encoder: str) -> None:
    seen = []

    def frames() -> Iterator[Planes]:
        for level in range(3):
            seen.append(_policies())
            y, u, v = (np.full(shape, 60 * level, np.uint8) for shape in VIDEO.plane_shapes)
            yield y, u, v

    before = _policies()
    encode_packets(frames(), VIDEO, encoder, {"preset": "10" if encoder == "libsvtav1" else "ultrafast"})
    assert [*seen, _policies()] == 4 * [before]


def test_a_user_who_wants_less_gets_less() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        with usual_priority():
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
