"""A fitted field to integers, and the last few per cent to a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.quantiser import shifted, step_codes
from nvcodec.entropy.payload import encode_tensors, estimate_bytes
from nvcodec.models.base import VideoField
from nvcodec.quant.steps import dequantise
from nvcodec.quant.tensors import MAX_SYMBOL, IntegerTensor, TensorSpec

_DEAD_ZONES = [0.0, *np.geomspace(0.0005, 0.15, 30).tolist()]
"""Amounts by which rounding may lean towards zero; from one to the next, less than one per cent of the file."""
_WELL_USED = 0.97
"""Share of the room from which on a fitted state is left as it is: rounding it differently costs more than it gains."""
_HARDLY_LARGER = 1.5
_MAX_SHIFT = 96
_LOOKS_AT_ZONES, _LOOKS_AT_SHIFTS = 1 + len(_DEAD_ZONES).bit_length(), 1 + (2 * _MAX_SHIFT).bit_length()
MOST_LOOKS = _LOOKS_AT_ZONES + _LOOKS_AT_SHIFTS + 2
"""How often a search codes, at most."""
MOST_LOOKS_AT_PICTURES = _LOOKS_AT_ZONES
"""How often it draws all frames, where it is after a quality."""

_Knob = TypeVar("_Knob", int, float)


def integers(flat: FlatField, vector: Tensor, codes: Tensor, dead_zone: float = 0.0) -> list[IntegerTensor]:
    """Quantise a parameter vector.

    Args:
        flat: The field the vector belongs to.
        vector: float32 [P].
        codes: Step codes, int64 [steps].
        dead_zone: By how much the half-way point between symbols lies further out, 0..0.5. Leaning towards zero costs
            some quality and, up to a point, saves more bits than a coarser step does.
    """
    codes_np = codes.cpu().numpy()
    scaled = vector.detach().cpu().numpy() / flat.steps(codes_np).astype(np.float64)
    magnitude = np.minimum(np.rint(np.maximum(np.abs(scaled) - dead_zone, 0)), MAX_SYMBOL)
    symbols = np.copysign(magnitude, scaled).astype(np.int32)
    tensors: list[IntegerTensor] = []
    at = step_at = 0
    for spec in flat.specs:
        part = symbols[at : at + spec.size].reshape(spec.shape)
        step_codes = codes_np[step_at : step_at + spec.n_steps].astype(np.int16)
        before = int(tensors[-1].step_codes[0]) if tensors else int(step_codes[0])
        tensors.append(IntegerTensor(spec, part, _without_idle(spec, part, step_codes, before)))
        at, step_at = at + spec.size, step_at + spec.n_steps
    return tensors


def _without_idle(
    spec: TensorSpec, symbols: npt.NDArray[np.int32], codes: npt.NDArray[np.int16], before: int
) -> npt.NDArray[np.int16]:
    """Step codes that cost less and mean the same: steps of nothing but zeros repeat the one before.

    Args:
        spec: The tensor.
        symbols: Its symbols.
        codes: Its step codes, int16 [n_steps].
        before: First step code of the tensor before, which that of a tensor of zeros repeats.
    """
    own, offsets = np.split(codes, [spec.n_first_steps])
    parts = []
    for axis, steps in ((spec.step_axis, own), (spec.offset_axis, offsets)):
        others = tuple(other for other in range(symbols.ndim) if other != axis)
        used = np.atleast_1d(symbols.any(axis=others if axis is not None else None))
        if steps.size:
            last_used = np.maximum.accumulate(np.where(used, np.arange(steps.size), -1))
            start = 0 if steps is offsets else steps[used][0] if used.any() else before
            parts.append(np.where(last_used >= 0, steps[last_used], start).astype(np.int16))
    return np.concatenate(parts)


def real_bits(flat: FlatField, vector: Tensor, codes: Tensor) -> float:
    """Bits that parameters cost in a file, to about the byte."""
    return 8.0 * estimate_bytes(integers(flat, vector, codes))


def zeros_bytes(specs: Sequence[TensorSpec]) -> int:
    """Bytes of a payload in which all symbols are 0: the smallest."""
    return len(
        encode_tensors(
            [IntegerTensor(spec, np.zeros(spec.shape, np.int32), np.zeros(spec.n_steps, np.int16)) for spec in specs]
        )
    )


def load_integers(field: VideoField, tensors: list[IntegerTensor]) -> None:
    """Give a field the parameters that a decoder would give it."""
    named = dict(field.named_parameters())
    with torch.no_grad():
        for tensor in tensors:
            named[tensor.spec.name].copy_(torch.from_numpy(dequantise(tensor)))


class Search:
    """Integers near a fitted state, from fine to coarse.

    Two knobs are turned, for all tensors together: a shift of every step by eighths of an octave, and the dead zone,
    which closes the gaps between shifts. The payload shrinks as either grows.
    """

    def __init__(self, flat: FlatField, vector: Tensor, log2_steps: Tensor) -> None:
        self.flat, self.vector = flat, vector
        self.codes = step_codes(log2_steps)
        steps = flat.steps(self.codes.cpu().numpy())
        magnitudes = np.maximum(vector.detach().abs().cpu().numpy().astype(np.float64), 1e-30)
        # beyond this shift symbols would be clipped, and finer would be worse
        self.finest = -min(_MAX_SHIFT, int(np.floor(8 * np.log2(MAX_SYMBOL * steps / magnitudes).min())))

    def candidate(self, shift: int, dead_zone: float) -> list[IntegerTensor]:
        """The integers for one position of the knobs."""
        codes = shifted(self.flat, self.codes, shift)
        return integers(self.flat, self.vector, codes, dead_zone)

    def largest(self, room: int, zeros_show: bool = False) -> list[IntegerTensor]:
        """The best integers whose payload has at most ``room`` bytes.

        When none have: the smallest where ``zeros_show`` pictures; else the best that are hardly larger than these,
        which show nothing at all.
        """

        def size(shift: int, dead_zone: float) -> int:
            return len(encode_tensors(self.candidate(shift, dead_zone)))

        shifts = range(self.finest, _MAX_SHIFT + 1)
        shift = _first(shifts, lambda shift: size(shift, 0.0) <= room)
        if shift is None:
            enough = (1.0 if zeros_show else _HARDLY_LARGER) * size(_MAX_SHIFT, 0.0)
            shift = _first(shifts, lambda shift: size(shift, 0.0) <= enough)
            return self.candidate(shift or 0, 0.0)
        if size(shift, 0.0) < _WELL_USED * room and shift > self.finest:
            zone = _first(_DEAD_ZONES, lambda zone: size(shift - 1, zone) <= room)
            if zone is not None:
                return self.candidate(shift - 1, zone)
        return self.candidate(shift, 0.0)

    def smallest(self, good_enough: Callable[[list[IntegerTensor]], bool]) -> list[IntegerTensor]:
        """The coarsest integers that are good enough; those of the fitted state when none are.

        Only the dead zone is turned: coarser steps would undo roundings that were trained, finer ones would make a file
        many times larger and gain next to nothing.
        """
        zone = _first(_DEAD_ZONES[::-1], lambda zone: good_enough(self.candidate(0, zone)))
        return self.candidate(0, zone or 0.0)


def _first(values: Sequence[_Knob], accepted: Callable[[_Knob], bool]) -> _Knob | None:
    """The first value that is accepted, by bisection: once one is, so are all behind it."""
    if not accepted(values[-1]):
        return None
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if accepted(values[middle]) else (middle + 1, high)
    return values[high]
