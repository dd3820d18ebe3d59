"""Arguments that several functions share: mistakes in them are met before any work. No torch."""

from __future__ import annotations

import os

from nvcodec.encoder.presets import PRESETS
from nvcodec.encoder.target import RateTarget, TargetKind
from nvcodec.errors import UsageError

_PREVIEWED = ("msnerv", "tenerv")
"""Heads on earlier blocks of the others come no nearer than 17 to 26 dB to the picture."""


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


def check_preview(model: str) -> None:
    """Refuse to store previews of what only its last block turns into pictures.

    Raises:
        UsageError: The model is such a one.
    """
    if model not in _PREVIEWED:
        raise UsageError(
            f"--preview is for the models {' and '.join(_PREVIEWED)}; no earlier part of {model} shows its pictures",
            "Leave it out: nvc decode --scale shrinks whole pictures of any model",
        )


def check_preset(name: str | None) -> None:
    """Refuse a preset that does not exist.

    Raises:
        UsageError: It does not.
    """
    if name is not None and name not in PRESETS:
        raise UsageError(f"no preset is called {name!r}", f"Presets: {', '.join(PRESETS)}")
