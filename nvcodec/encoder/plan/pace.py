"""What a time can make of a network: how large it may be, and when there is too little. No torch.

Parameters per step, the floor and the pixels per parameter come from a few fits of 100 to 1,000 steps of ``msnerv``
(docs/presets.md). What a doubling brings, and when to refuse, are guesses on the careful side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor, log
from typing import Protocol, TypeVar

from nvcodec.encoder.plan.sizing import Shape

_PARAMETERS_PER_STEP = 100
"""A larger network has learned less in the same time than one of this size. With 30 to 150, quality is about the same:
where the machine is slower than it was when it was tried, the small ones lose less."""
_LEAST_STEPS, _LEAST_PASSES = 300, 2
"""With so many, and so many passes over the frames, pictures come to 26 to 28 dB."""
LEAST_SHARE = 0.1
"""With less than this share of them there is nothing to see, and no reason to begin."""
_PIXELS_PER_PARAMETER = 30
"""Networks with fewer parameters for a picture do not show it, however many steps there are."""
_RUNG = 1.25
"""Sizes are tried in units of this."""
LONG_S = 1800.0
"""Whoever has not asked for a time may not have expected a longer one."""
_DB_PER_DOUBLING = 1.5
"""What twice the time brings, roughly."""
_MOST_DOUBLINGS = 7
"""Beyond, nobody knows."""


class Tried(Protocol):
    """A network, tried on this machine."""

    @property
    def parameters(self) -> int:
        """Its size."""

    @property
    def steps(self) -> float:
        """Steps of it that the time allows."""


_Tried = TypeVar("_Tried", bound=Tried)


def useful_parameters(steps: float) -> int:
    """Parameters of the largest network that so many steps can fit."""
    return max(1, round(_PARAMETERS_PER_STEP * steps))


def least_steps(frames: int, batch: int = 1) -> int:
    """Steps that watchable pictures take."""
    return max(_LEAST_STEPS, ceil(_LEAST_PASSES * frames / batch))


def smallest_size(height: int, width: int) -> int:
    """Parameters below which time makes no network."""
    return max(1, height * width // _PIXELS_PER_PARAMETER)


def suited(wanted: int, smallest: int, attempt: Callable[[int], _Tried]) -> _Tried:
    """The largest network up to a size that can be fitted in the time there is.

    Args:
        wanted: Parameters that the bits allow.
        smallest: Where there is no time for more, the network has so many.
        attempt: Tries a number of parameters.

    Returns:
        That of ``wanted`` if it can; else of the largest rung, a power of 1.25, that can; so it does not depend on
        what was wanted.
    """
    tried = attempt(wanted)
    if wanted <= smallest or _fits(tried):
        return tried
    # smaller networks take shorter steps: what these steps could fit, those of a network of that size can
    low = _rung_below(max(smallest, useful_parameters(tried.steps)))
    high = ceil(round(log(wanted, _RUNG), 6))
    best = None
    while high - low > 1:
        middle = (low + high) // 2
        tried = attempt(round(_RUNG**middle))
        if _fits(tried):
            low, best = middle, tried
        else:
            high = middle
    return best or attempt(round(_RUNG**low))


def quickest_first(presets: Mapping[str, Shape], asked: str) -> list[Shape]:
    """The presets that are no slower than the one asked for."""
    names = list(presets)
    return [presets[name] for name in names[: names.index(asked) + 1]]


def time_for(seconds: float) -> str:
    """A time as ``--max-time`` takes it, rounded up to what one would say."""
    for unit, length in (("s", 1), ("m", 60), ("h", 3600)):
        if seconds < 90 * length or unit == "h":
            step = 5 if seconds > 20 * length else 1
            return f"{step * ceil(seconds / length / step)}{unit}"
    raise AssertionError


def time_to_gain(seconds: float, gain_db: float) -> float | None:
    """Seconds that would do where so many of them missed a quality by ``gain_db``, roughly; None: nobody knows."""
    doublings = gain_db / _DB_PER_DOUBLING
    return None if doublings > _MOST_DOUBLINGS else seconds * 2**doublings


def _fits(tried: Tried) -> bool:
    return tried.parameters <= _RUNG * useful_parameters(tried.steps)


def _rung_below(parameters: int) -> int:
    return floor(round(log(parameters, _RUNG), 6))
