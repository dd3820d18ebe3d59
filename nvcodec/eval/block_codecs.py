"""The conventional codecs of ``nvc bench``, by name."""

from __future__ import annotations

from nvcodec.eval.codecs import BenchCodec
from nvcodec.eval.ffmpeg_codecs import LibAom, VVenC
from nvcodec.eval.pyav_codecs import X264, X265, SvtAv1

BLOCK_CODECS: dict[str, type[BenchCodec]] = {kind.name: kind for kind in (X264, X265, SvtAv1, VVenC, LibAom)}
