"""Packages that the machine lacks, from wheels brought along; nothing is installed."""

from __future__ import annotations

import sys
import zipfile
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from nvcodec.errors import InputError

NEEDED = ("torch", "numpy", "click", "constriction", "pytorch_msssim")
OPTIONAL = ("av", "rich")


def provide(wheels: Path | None, folder: Path) -> list[str]:
    """Make what is missing importable.

    Args:
        wheels: Folder of wheels; None = nothing was brought along.
        folder: Where to unpack them; has to stay as long as the program runs.

    Returns:
        Names of the wheels used.

    Raises:
        InputError: A package is neither installed nor brought along.
    """
    used = []
    for package in (*NEEDED, *OPTIONAL):
        if find_spec(package) is not None:
            continue
        found = sorted(wheels.glob(f"{package}-*.whl")) if wheels is not None else []
        if found:
            with zipfile.ZipFile(found[-1]) as wheel:
                wheel.extractall(folder)
            used.append(found[-1].name)
        elif package in NEEDED:
            raise InputError(
                f"the package {package} is missing",
                f"Put a wheel of it into {wheels or 'CARRY/wheels'}:  python benchmarks/gpu/prepare.py -h",
            )
    if used:
        sys.path.append(str(folder))
        invalidate_caches()
    return used
