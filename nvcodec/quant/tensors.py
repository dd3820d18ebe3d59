"""What a coded tensor is: a specification both sides know, and the integers that are in the file."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

MAX_SYMBOL = 32767
"""Largest magnitude of a quantised value."""
MIN_STEP_CODE = -160
"""Finest quantiser step: 2^-20."""
MAX_STEP_CODE = 32
"""Coarsest quantiser step: 2^4."""


class Role(IntEnum):
    """What a tensor is for; decides how steps are laid out and which entropy models are worth trying."""

    WEIGHT = 0
    """Kernel of a convolution or linear layer."""
    GRID = 1
    """Learned feature grid or per-frame embedding."""
    VECTOR = 2
    """Bias, normalisation gain and other small vectors."""


@dataclass(frozen=True)
class TensorSpec:
    """Everything the decoder knows about a tensor before it reads the file.

    Raises:
        ValueError: The id is negative, a dimension is not positive, or the step axis does not exist.
    """

    id: int
    """Stable number of the tensor within its model, 0..2^32-1."""
    name: str
    """For messages only; never written to a file."""
    shape: tuple[int, ...]
    """Dimensions, each at least 1; () is a single number."""
    role: Role
    step_axis: int | None
    """Axis that has one quantiser step per element; None: one step for the whole tensor."""
    offset_axis: int | None = None
    """Another axis, whose elements each make the step finer or coarser by a factor of their own; None: there is none.
    Only beside a step axis."""

    def __post_init__(self) -> None:
        if not 0 <= self.id < 1 << 32:
            raise ValueError(f"{self}: id out of range: {self.id}")
        if any(dimension < 1 for dimension in self.shape):
            raise ValueError(f"{self}: empty shape {self.shape}")
        if self.step_axis is not None and not 0 <= self.step_axis < len(self.shape):
            raise ValueError(f"{self}: no axis {self.step_axis} in shape {self.shape}")
        if self.offset_axis is not None and (
            self.step_axis is None or self.offset_axis == self.step_axis or not 0 <= self.offset_axis < len(self.shape)
        ):
            raise ValueError(f"{self}: offset axis {self.offset_axis} beside axis {self.step_axis} of {self.shape}")

    def __str__(self) -> str:
        return f"tensor {self.id} ({self.name})"

    @property
    def size(self) -> int:
        """Number of symbols."""
        return math.prod(self.shape)

    @property
    def n_steps(self) -> int:
        """Number of step codes: those of the step axis, then the offsets."""
        return self.n_first_steps + (0 if self.offset_axis is None else self.shape[self.offset_axis])

    @property
    def n_first_steps(self) -> int:
        """Number of step codes without the offsets."""
        return 1 if self.step_axis is None else self.shape[self.step_axis]


@dataclass(frozen=True, eq=False)
class IntegerTensor:
    """A quantised tensor: exactly the integers that a file holds.

    Raises:
        ValueError: An array has the wrong type, shape or range.
    """

    spec: TensorSpec
    symbols: npt.NDArray[np.int32]
    """int32 of ``spec.shape``, -MAX_SYMBOL..MAX_SYMBOL."""
    step_codes: npt.NDArray[np.int16]
    """int16 [n_steps]: one for each element of the step axis, then one for each element of the offset axis. The step of
    a value is 2^(code/8), its code the sum of the two, MIN_STEP_CODE..MAX_STEP_CODE."""

    def __post_init__(self) -> None:
        _check(self.spec, "symbols", self.symbols, np.int32, self.spec.shape, -MAX_SYMBOL, MAX_SYMBOL)
        if self.step_codes.dtype != np.int16 or self.step_codes.shape != (self.spec.n_steps,):
            raise ValueError(f"{self.spec}: step codes are {self.step_codes.dtype}{self.step_codes.shape}")
        if not in_range(self.spec, self.step_codes):
            raise ValueError(f"{self.spec}: step codes out of {MIN_STEP_CODE}..{MAX_STEP_CODE}")


def in_range(spec: TensorSpec, step_codes: npt.NDArray[np.integer]) -> bool:
    """Whether all step codes of a tensor, with and without their offsets, are MIN_STEP_CODE..MAX_STEP_CODE."""
    first, offsets = np.split(step_codes.astype(np.int64), [spec.n_first_steps])
    low, high = (0, 0) if not offsets.size else (min(0, int(offsets.min())), max(0, int(offsets.max())))
    return int(first.min()) + low >= MIN_STEP_CODE and int(first.max()) + high <= MAX_STEP_CODE


def digest(tensors: Iterable[IntegerTensor]) -> bytes:
    """Return 16 bytes that identify the integers of tensors, on every machine the same.

    The first 16 bytes of the SHA-256 of, for each tensor in turn and little-endian: id (u32), number of dimensions
    (u32), dimensions (u32 each), step codes (i16 each), symbols in C order (i16 each).

    Args:
        tensors: Tensors in the order of the file.

    Returns:
        16 bytes.
    """
    sha = hashlib.sha256()
    for tensor in tensors:
        shape = tensor.spec.shape
        sha.update(struct.pack(f"<{2 + len(shape)}I", tensor.spec.id, len(shape), *shape))
        sha.update(tensor.step_codes.astype("<i2").tobytes())
        sha.update(tensor.symbols.astype("<i2").tobytes())
    return sha.digest()[:16]


def _check(
    spec: TensorSpec,
    what: str,
    values: npt.NDArray[np.signedinteger],
    dtype: type[np.signedinteger],
    shape: tuple[int, ...],
    low: int,
    high: int,
) -> None:
    """Refuse an array that is not of the promised type, shape and range."""
    if values.dtype != dtype or values.shape != shape:
        raise ValueError(f"{spec}: {what} are {values.dtype}{values.shape}, not {np.dtype(dtype)}{shape}")
    if values.min() < low or values.max() > high:
        raise ValueError(f"{spec}: {what} out of {low}..{high}: {values.min()}..{values.max()}")
