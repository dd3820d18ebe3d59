"""nvc: a neural video codec. Videos become small networks, networks become files, files become videos again."""

from __future__ import annotations

__version__ = "0.1.0"
