"""The codecs that ``nvc bench`` knows, by name."""

from __future__ import annotations

from nvcodec.errors import UsageError, shown
from nvcodec.eval.block_codecs import BLOCK_CODECS
from nvcodec.eval.codecs import BenchCodec, suggest
from nvcodec.eval.nvc_codec import NvcCodec

CODECS: dict[str, type[BenchCodec]] = {"nvc": NvcCodec, **BLOCK_CODECS}


def make_codec(name: str, preset: str | None = None, options: str = "", variant: str = "") -> BenchCodec:
    """A codec at a preset; None = the slow one that it is usually compared at.

    Raises:
        UsageError: There is no such codec or preset.
    """
    kind = CODECS.get(name)
    if kind is None:
        raise UsageError(f"no codec is called {shown(name)}", suggest(name, tuple(CODECS), "Codecs"))
    return kind(preset or kind.default_preset, options, variant)
