"""Whether a source is what a bitstream was encoded from, before hours go into a layer that draws another video."""

from __future__ import annotations

from math import log10

from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.footage.clip import Clip
from nvcodec.errors import UsageError
from nvcodec.metrics.measure import domain_key, measure

_LOOKS = (6, 64)
"""Frames that are compared, evenly spread: a few, and more where those are not like the source."""
_FAR_DB = 6.0
"""So much below what the base was worth, the mean of a few frames does not get by chance."""
_OTHER_COPY_MSE = 10**-2.0
"""Mean square, of values in 0..1, that another copy of the source may differ by (20 dB): on a poor base, which
unrelated pictures are hardly further from, that is less than :data:`_FAR_DB`."""
_STRANGER_DB = 12.0
"""For files that do not say what theirs was: pictures that have nothing to do with each other have 7 to 13 dB."""


def check_kinship(base: VideoReader, source: Clip, names: tuple[str, str]) -> None:
    """Compare what a base draws with the source of a layer.

    Args:
        base: Draws without layers.
        source: As many frames, of the same format.
        names: Of the source and of the bitstream.

    Raises:
        UsageError: They are different videos.
    """
    session = base.session
    stored = session.container.metadata.get("psnr")
    own = float(stored) if isinstance(stored, (int, float)) else None
    least = _STRANGER_DB if own is None else _least_db(own)
    key, found = domain_key(session.container.header.domain), 0.0
    for looks in _LOOKS:
        count = min(looks, len(base))
        frames = [index * len(base) // count for index in range(count)]
        expected = (source.frame(frame) for frame in frames)
        found = measure(expected, source.format, base.frames(frames), base.format, ms_ssim=False).psnr[key]
        if found >= least:
            return
    before = "" if own is None else f", and had {own:.1f} dB against that"
    raise UsageError(
        f"{names[0]} is not what {names[1]} was encoded from: the base has {found:.1f} dB against it{before}",
        "Give the video it was encoded from; if that began later, say at which frame with --seek",
    )


def _least_db(own_db: float) -> float:
    """What a base of so many decibels has against any copy of its source."""
    return max(own_db - _FAR_DB, -10 * log10(10 ** (-own_db / 10) + _OTHER_COPY_MSE))
