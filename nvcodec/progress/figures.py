"""Numbers and clocks as people read them."""

from __future__ import annotations

import math

from nvcodec.io.saying import plural


def size(n_bytes: float) -> str:
    """Bytes in decimal units, three significant digits: ``845 bytes``, ``1.47 MB``."""
    if n_bytes < 1000:
        return plural(round(n_bytes), "byte")
    return f"{_scaled(n_bytes, ('', 'k', 'M', 'G', 'T'))}B"


def bit_rate(bits_per_s: float) -> str:
    """Three significant digits: ``800 b/s``, ``357 kb/s``, ``10.3 Mb/s``."""
    return f"{_scaled(bits_per_s, ('', 'k', 'M', 'G', 'T'))}b/s"


def count(number: float) -> str:
    """A count, three significant digits: ``845``, ``3.02 M``."""
    return _scaled(number, ("", "k", "M", "G")).strip()


def _scaled(number: float, prefixes: tuple[str, ...]) -> str:
    power = 0
    while round(number, 1) >= 1000 and power < len(prefixes) - 1:
        number, power = number / 1000, power + 1
    digits = 0 if power == 0 or number >= 99.95 else 1 if number >= 9.995 else 2
    return f"{number:.{digits}f} {prefixes[power]}"


def rate(per_s: float) -> str:
    """A speed, three significant digits: ``3.12``, ``61.0``, ``1,270``."""
    return f"{per_s:.2f}" if per_s < 9.995 else f"{per_s:.1f}" if per_s < 99.95 else f"{per_s:,.0f}"


def clock(seconds: float) -> str:
    """``0:12``, ``1:58:04``, for what counts down; ``?`` while unknown. What is over is told by ``duration``."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def long_clock(seconds: float) -> str:
    """``01:58:04``, for logs."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
