"""What of a decoded field is drawn by kernels, and by which: those that a look shows to draw the same, and sooner."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

from nvcodec.decoder.kernels.candidates import Kernel, Part, parts_of
from nvcodec.decoder.render import full_float32

Field = TypeVar("Field", bound=nn.Module)

_MOST_APART = 1e-4
"""In units of the largest sample. A code value is 4e-3 of white at 8 bits and 1e-3 at 10."""
_WORTH_IT = 200
"""Pictures after which their compiler may take its seconds: as many as it would take to draw about so many."""
_TIMED_VALUES, _TIMES = 1 << 26, 5
"""Of the most that is there at once without a kernel, 256 MiB; and how often that is drawn."""
_LOOK = (2, 11, 19)
"""Pictures, rows and columns that are drawn both ways: several tiles, and borders through them."""


_drawn: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""Pictures that fields have drawn."""


def fused_in_time(field: nn.Module, pictures: int) -> bool:
    """Count pictures that a field is to draw, and see to :func:`fused` when they are so many that it pays.

    Returns:
        Whether the field has changed just now.
    """
    before = _drawn.get(field, 0)
    _drawn[field] = before + pictures
    if before >= _WORTH_IT or before + pictures < _WORTH_IT:
        return False
    fused(field)
    return True


def fused(field: Field) -> Field:
    """Have layers, beginnings of blocks and the head of a field drawn by one kernel each, in place, on a GPU that can.

    Parameters keep their names. Of the kernels that draw what is drawn without them, the quickest is used. Where there
    is none, since all draw something else or do not run, that is warned of; where they draw later than without them, or
    Triton is missing, nothing is said.

    Args:
        field: In evaluation mode, with its decoded parameters, which must not change from now on.
    """
    parts = parts_of(field)
    if not parts or not can_run(parts[0].device):
        return field
    alike = {part.key: part for part in parts}
    best: dict[Hashable, int | None] = {}
    problems: list[str] = []
    with full_float32(), ThreadPoolExecutor() as pool:  # each takes its compiler seconds when it is seen first
        looks = {key: [pool.submit(trouble, part, kernel) for kernel in part.kernels] for key, part in alike.items()}
        found = {key: [look.result() for look in each] for key, each in looks.items()}
    for key, part in alike.items():
        good = [number for number, problem in enumerate(found[key]) if problem is None]
        best[key] = quickest(part, good) if good else None
        problems += [] if good else [str(found[key][0])]
    for part in parts:
        number = best[part.key]
        if number is not None:
            part.put(part.kernels[number])
    if problems:
        warnings.warn(f"layers are drawn without kernels of ours: {problems[0]}", RuntimeWarning, stacklevel=2)
    return field


def trouble(part: Part, kernel: Kernel) -> str | None:
    """What is wrong with a kernel, found by drawing noise both ways; None: nothing."""
    batch, rows, columns = _LOOK
    generator = torch.Generator(part.device).manual_seed(1)
    x = torch.randn(batch, rows, columns, part.channels, device=part.device, generator=generator)
    beside = part.beside(batch)
    with torch.inference_mode():
        try:
            drawn = kernel(x, *beside)
        except Exception as error:  # of the compiler, which has many, of the driver, or for want of shared memory
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        expected = part.draw(x, *beside)
        apart, largest = float((drawn - expected).abs().max()), float(expected.abs().max())
    if not apart <= _MOST_APART * largest:  # or not a number
        return f"samples are {apart:.3g} apart where the largest is {largest:.3g}"
    return None


def quickest(part: Part, good: Sequence[int]) -> int | None:
    """Which of some of its kernels draws a part of a large picture in the least time; None: it is sooner without."""
    side = math.isqrt(_TIMED_VALUES // (part.channels * part.growth))
    x = torch.randn(1, side, side, part.channels, device=part.device)
    beside = part.beside(1)
    with torch.inference_mode(), full_float32():
        times = {number: _milliseconds(partial(part.kernels[number], x, *beside)) for number in good}
        best = min(good, key=times.__getitem__)
        return best if times[best] < _milliseconds(partial(part.draw, x, *beside)) else None


def _milliseconds(draw: Callable[[], object]) -> float:
    """The shortest of a few times."""
    draw()
    times = []
    for _ in range(_TIMES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        draw()
        end.record()
        end.synchronize()
        times.append(float(start.elapsed_time(end)))
    return min(times)


def can_run(device: torch.device) -> bool:
    """Whether there is Triton, and tensor cores that take bf16."""
    if device.type != "cuda" or find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)
