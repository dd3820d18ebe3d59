"""Arguments that several functions share: mistakes in them are met before any work. No torch."""

from __future__ import annotations

import os
from fractions import Fraction
from numbers import Rational

from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.encoder.plan.presets import PRESETS
from nvcodec.errors import UsageError
from nvcodec.models import registry
from nvcodec.types import Domain

_MOST = (1 << 32) - 1
"""Of numerator and denominator of a frame rate in a file."""
_PLAIN = 1001
"""Denominators of frame rates are no larger: what a float is a little off is rounded away."""


def check_output(path: str, overwrite: bool, source: str = "-") -> None:
    """Refuse an output that could not be written, before any work is done.

    Raises:
        UsageError: It exists and may not be replaced, is a folder or the source, or its folder cannot be written to.
    """
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder", "Give the name of a file")
    if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise UsageError(f"{path} is the input itself", "Give the output another name")
    if os.path.exists(path) and not overwrite:
        raise UsageError(f"{path} exists; add -y to replace it")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} is not a folder; cannot write {path}", f"Make it first:  mkdir -p {folder}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written to", "Choose another folder, or change its permissions")


def only_target(**given: float | None) -> RateTarget:
    """The one target that was given, or the default.

    Raises:
        UsageError: There are two.
    """
    chosen = [(name, value) for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name, _ in chosen[:2])
        raise UsageError(f"{first} and {second} both given; choose one")
    if not chosen:
        return RateTarget()
    name, value = chosen[0]
    return RateTarget(TargetKind(name.removeprefix("target_")), value)


def frame_rate(fps: Fraction | float | None) -> Fraction | None:
    """A frame rate as files hold it; of a float, which has no exact thirds, the nearest with a small denominator.

    Raises:
        UsageError: It is not positive, no number, or has no place in a file.
    """
    if fps is None:
        return None
    hint = "Give frames per second, as in 30 or Fraction(30000, 1001)"
    try:
        exact = Fraction(fps if isinstance(fps, (Rational, str)) else float(fps))
    except (TypeError, ValueError, OverflowError):  # words, nan and infinity
        raise UsageError(f"a frame rate of {fps} is impossible", hint) from None
    rate = exact.limit_denominator(_PLAIN) if not isinstance(fps, Rational) else exact
    if rate <= 0 or max(rate.numerator, rate.denominator) > _MOST:
        raise UsageError(f"a frame rate of {fps} is impossible", hint)
    return rate


def domain_called(name: str | None) -> Domain | None:
    """The coding domain of a name; None stays None.

    Raises:
        UsageError: There is none.
    """
    names = [domain.name.lower() for domain in Domain]
    if name is not None and name.lower() not in names:
        raise UsageError(f"no domain is called {name!r}", f"Domains: {', '.join(names)}")
    return None if name is None else Domain[name.upper()]


def check_preview(model: str) -> None:
    """Refuse to store previews of what only its last block turns into pictures.

    Raises:
        UsageError: The model is such a one, or there is none of this name.
    """
    if not registry.by_name(model).previewed:
        able = [other.name for other in registry.MODELS if other.previewed]
        raise UsageError(
            f"--preview is for the models {' and '.join(able)}; no earlier part of {model} shows its pictures",
            "Leave it out: nvc decode --scale shrinks whole pictures of any model",
        )


def check_preset(name: str | None) -> None:
    """Refuse a preset that does not exist.

    Raises:
        UsageError: It does not.
    """
    if name is not None and name not in PRESETS:
        raise UsageError(f"no preset is called {name!r}", f"Presets: {', '.join(PRESETS)}")
