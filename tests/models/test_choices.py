"""Fields that came after the first files: written only where they are not as usual, and read back strictly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import BitstreamError
from nvcodec.models import registry
from nvcodec.models.config_bytes import Choice, choices_from_bytes, choices_to_bytes


class _Shade(IntEnum):
    LIGHT = 0
    DARK = 3


@dataclass(frozen=True)
class _Config:
    size: int
    on: bool = True
    shade: _Shade = _Shade.LIGHT
    taps: int = 7


_CHOICES = (Choice(9, "taps"), Choice(2, "on", bool), Choice(5, "shade", _Shade))


@given(st.booleans(), st.sampled_from(_Shade), st.integers(0, 255))
def test_they_come_back(on: bool, shade: _Shade, taps: int) -> None:
    config = _Config(1, on, shade, taps)
    coded = choices_to_bytes(config, _CHOICES)
    assert _Config(1, **choices_from_bytes(_Config, coded, _CHOICES)) == config
    assert len(coded) == 2 * ((not on) + (shade is _Shade.DARK) + (taps != 7))


def test_golden_bytes() -> None:
    assert choices_to_bytes(_Config(1), _CHOICES) == b""
    assert choices_to_bytes(_Config(1, False, _Shade.DARK, 8), _CHOICES).hex(" ") == "02 00 05 03 09 08"


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("02", "end early"),
        ("03 00", "choice 3 is not known"),
        ("02 00 02 00", "choice 2 comes behind choice 2"),
        ("05 03 02 00", "choice 2 comes behind choice 5"),
        ("02 02", "neither 0 nor 1"),
        ("02 01", "without being written"),
        ("09 07", "without being written"),
        ("05 01", "1 is not a valid"),
    ],
)
def test_what_no_writer_writes_is_refused(coded: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        choices_from_bytes(_Config, bytes.fromhex(coded), _CHOICES)


@pytest.mark.parametrize("model", registry.MODELS, ids=lambda model: model.name)
def test_models_number_their_choices_once(model: registry.Model) -> None:
    ids = [choice.id for choice in model.settings.choices]
    assert len(set(ids)) == len(ids) and all(1 <= id_ <= 255 for id_ in ids)
    with pytest.raises(BitstreamError, match="describes no"):
        model.config(b"", b"\xff\xff")
