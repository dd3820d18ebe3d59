"""Frozen tables: generated values, digests, and Gaussians compared with math.erf."""

from __future__ import annotations

import hashlib
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from nvcodec.entropy.tables import INVERSE_SCALES, N_SCALES, NORMAL_CDF, gaussian_table

GENERATOR = Path(__file__).parents[2] / "tools" / "make_tables.py"


def _sha256(values: tuple[int, ...]) -> str:
    return hashlib.sha256(np.array(values, dtype="<u4").tobytes()).hexdigest()


def test_tables_never_change() -> None:
    assert _sha256(NORMAL_CDF) == "6cbe3888e9d43e1e005a245f4a01efb9bc6e36d64a63caa849f964af96acdf63"
    assert _sha256(INVERSE_SCALES) == "a0650552f3d6542052fd3b9769625f5bee1ab4475689431f84f05de5a302f642"


def test_tables_are_what_the_generator_prints() -> None:
    generator = runpy.run_path(str(GENERATOR))
    assert tuple(generator["normal_cdf_table"]()) == NORMAL_CDF
    assert tuple(generator["inverse_scale_table"]()) == INVERSE_SCALES


def test_spot_values() -> None:
    assert len(NORMAL_CDF) == 353
    assert (NORMAL_CDF[0], NORMAL_CDF[64], NORMAL_CDF[352]) == (1 << 23, round(0.8413447460685429 * 2**24), 1 << 24)
    assert (INVERSE_SCALES[0], INVERSE_SCALES[63]) == (round(2**25 / 0.11), 1 << 14)


@pytest.mark.parametrize("scale_index", range(0, N_SCALES, 3))
@pytest.mark.parametrize("mean", [0, -7])
def test_gaussian_agrees_with_erf(scale_index: int, mean: int) -> None:
    sigma = 2**25 / INVERSE_SCALES[scale_index]
    reach = math.ceil(7 * sigma)
    table = gaussian_table(scale_index, mean, mean - reach, mean + reach + 3)
    assert table.low == mean - reach
    for index in range(0, table.counts.size, max(table.counts.size // 50, 1)):
        x = (index - reach) / (math.sqrt(2) * sigma)
        half = 0.5 / (math.sqrt(2) * sigma)
        expected = 2**20 * (math.erf(x + half) - math.erf(x - half)) / 2
        assert table.counts[index] == pytest.approx(expected, rel=0.01, abs=40)


def test_gaussian_is_symmetric_positive_and_sums_to_about_2_20() -> None:
    for scale_index in range(N_SCALES):
        counts = gaussian_table(scale_index, 3, 3 - 20000, 3 + 20000).counts
        assert counts.min() >= 1
        assert counts.tolist() == counts[::-1].tolist()
        assert 2**20 <= counts.sum() + counts.size <= 2**20 + 2 * counts.size


def test_extreme_supports() -> None:
    counts = gaussian_table(0, 32767, -32767, 32767).counts
    assert counts[:-2].tolist() == [1] * 65533
    assert counts[-2:].tolist() == [3, 1048571]
    assert gaussian_table(63, -32767, 0, 1).counts.tolist() == [1, 1]
    assert gaussian_table(10, 5, 5, 5).counts.size == 1
