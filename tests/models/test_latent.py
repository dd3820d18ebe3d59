"""Numbers that every decoder must draw alike."""

from __future__ import annotations

import hashlib
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from nvcodec.models.latent import NORMAL, latent, mixed


def _reference(seed: int, level: int, index: int) -> float:
    """One element, in whole numbers of Python."""

    def mix(x: int) -> int:
        x = (x ^ (x >> 16)) * 0x85EBCA6B % 2**32
        x = (x ^ (x >> 13)) * 0xC2B2AE35 % 2**32
        return x ^ (x >> 16)

    word = mix((index * 0x9E3779B9 + mix(mix(level) ^ seed)) % 2**32)
    return float(NORMAL[word >> 24]) / 256


@pytest.mark.parametrize(("seed", "level"), [(0, 1), (7, 2), (2**32 - 1, 3)])
def test_against_whole_numbers(seed: int, level: int) -> None:
    values = latent(seed, level, (2, 3, 5))
    assert values.dtype == np.float32 and values.shape == (2, 3, 5)
    assert values.ravel().tolist() == [_reference(seed, level, index) for index in range(30)]


def test_golden_values() -> None:
    assert (latent(0, 1, (8,)) * 256).tolist() == [-104, 26, -187, 150, -184, 366, 132, -174]
    assert mixed(np.array([0, 1, 2], dtype=np.uint32)).tolist() == [0, 0x514E28B7, 0x30F4C306]
    many = latent(1, 2, (1000,)).astype("<f4").tobytes()
    assert hashlib.sha256(many).hexdigest() == "f56dae6510d7d886a5e07e557e58012852c7d0fe789709a3949d979779915ca9"


def test_the_table_is_that_of_the_normal_distribution() -> None:
    quantile = NormalDist().inv_cdf
    assert NORMAL.tolist() == [round(256 * quantile((index + 0.5) / 256)) for index in range(256)]


def test_the_specification_has_the_same_table() -> None:
    spec = (Path(__file__).parents[2] / "bitstream_spec.md").read_text(encoding="utf-8")
    table = spec.split("from b = 128 on it is\n\n```\n")[1].split("```")[0]
    assert [int(number) for number in table.split()] == NORMAL[128:].tolist()


def test_values_look_normal() -> None:
    values = latent(3, 1, (200, 100))
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    assert abs(np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(values.ravel(), latent(3, 2, (200, 100)).ravel())[0, 1]) < 0.03
