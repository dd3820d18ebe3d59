"""Which layers of a decoded field are drawn by kernels: those that a look shows to draw the same, and sooner."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from nvcodec.decoder.kernels.layer import FusedLayer, LayerKernel
from nvcodec.decoder.render import full_float32
from nvcodec.models.msnerv import ConvNeXtLayer, FusionLayer

Field = TypeVar("Field", bound=nn.Module)

_MOST_APART = 1e-4
"""In units of the largest sample. A code value is 4e-3 of white at 8 bits and 1e-3 at 10."""
_WORTH_IT = 200
"""Pictures after which their compiler may take its seconds: as many as it would take to draw about so many."""
_TIMED_PLACES, _TIMES = 1 << 19, 5
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
    """Have layers of a field drawn by one kernel each, in place, where it is on a GPU that can.

    Parameters keep their names. A kernel that does not draw what its layer draws, or does not run, is not used, and
    that is warned of; where it draws later than its layer, or Triton is missing, nothing is said.

    Args:
        field: In evaluation mode, with its decoded parameters, which must not change from now on.
    """
    layers = list(_layers(field))
    if not layers or not can_run(layers[0][2].expand.device):
        return field
    kernels = [LayerKernel(layer) for _, _, layer in layers]
    alike = {kernel.plan: (layer, kernel) for (_, _, layer), kernel in zip(layers, kernels, strict=True)}
    with full_float32(), ThreadPoolExecutor() as pool:  # each takes its compiler seconds when it is seen first
        found = pool.map(lambda pair: trouble(*pair), alike.values())
        problems = dict(zip(alike, found, strict=True))
    sooner = {plan: problems[plan] is None and draws_sooner(*pair) for plan, pair in alike.items()}
    for (parent, name, layer), kernel in zip(layers, kernels, strict=True):
        if sooner[kernel.plan]:
            setattr(parent, name, FusedLayer(layer, kernel))
    for problem in [problem for problem in problems.values() if problem is not None][:1]:
        warnings.warn(f"layers are drawn without kernels of ours: {problem}", RuntimeWarning, stacklevel=2)
    return field


def trouble(layer: ConvNeXtLayer | FusionLayer, kernel: LayerKernel) -> str | None:
    """What is wrong with a kernel, found by drawing noise both ways; None: nothing."""
    batch, rows, columns = _LOOK
    device = layer.expand.device
    generator = torch.Generator(device).manual_seed(1)
    x = torch.randn(batch, rows, columns, kernel.plan.channels, device=device, generator=generator)
    deltas = layer.kernel.deltas
    gops: Tensor | None = None if deltas is None else torch.arange(batch, device=device) % len(deltas)
    with torch.inference_mode():
        try:
            drawn = kernel(x, gops)
        except Exception as error:  # of the compiler, which has many, of the driver, or for want of shared memory
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        expected = layer(x, gops)
        apart, largest = float((drawn - expected).abs().max()), float(expected.abs().max())
    if not apart <= _MOST_APART * largest:  # or not a number
        return f"samples are {apart:.3g} apart where the largest is {largest:.3g}"
    return None


def draws_sooner(layer: ConvNeXtLayer | FusionLayer, kernel: LayerKernel) -> bool:
    """Whether a kernel takes less time than its layer, for features of a large picture."""
    side = math.isqrt(_TIMED_PLACES)
    x = torch.randn(1, side, side, kernel.plan.channels, device=layer.expand.device)
    with torch.inference_mode(), full_float32():
        return _milliseconds(lambda: kernel(x, None)) < _milliseconds(lambda: layer(x, None))


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


def _layers(field: nn.Module) -> Iterator[tuple[nn.Module, str, ConvNeXtLayer | FusionLayer]]:
    for parent in list(field.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (ConvNeXtLayer, FusionLayer)):
                yield parent, name, child


def can_run(device: torch.device) -> bool:
    """Whether there is Triton, and tensor cores that take bf16."""
    if device.type != "cuda" or find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)
