"""How much worse another copy of a source may look from a base, and an unrelated video does."""

from __future__ import annotations

import math

import pytest

from nvcodec.encoder.footage.kinship import _least_db


def _seen_db(own_db: float, difference_db: float) -> float:
    """A base against pictures that differ so much from its own source, both errors independent."""
    return -10 * math.log10(10 ** (-own_db / 10) + 10 ** (-difference_db / 10))


@pytest.mark.parametrize("own_db", [12.0, 18.0, 25.0, 33.0, 40.0])
def test_other_copies_are_taken_and_strangers_are_not(own_db: float) -> None:
    assert _seen_db(own_db, 36) > _least_db(own_db)  # the source, coded well in between
    assert _seen_db(own_db, 10) < _least_db(own_db)  # pictures that have nothing to do with each other: 7 to 13 dB
    assert _least_db(own_db) <= own_db - 1e-6


def test_a_poor_base_is_no_excuse() -> None:
    """Foreman on a base of akiyo with 18.0 dB had 12.95, which is within 6 dB of it."""
    assert 12.95 < _least_db(18.0) < 18.0 and _least_db(40.0) == pytest.approx(34.0)
