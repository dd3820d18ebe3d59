"""Reduced-rank regression that ends in integers: from sums over places to the head of a preview. No torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.payload import encode_tensors
from nvcodec.models.previews import PreviewShape
from nvcodec.quant.steps import step_values, tensor_steps
from nvcodec.quant.tensors import MAX_STEP_CODE, MAX_SYMBOL, MIN_STEP_CODE, IntegerTensor, TensorSpec

_Matrix = npt.NDArray[np.float64]

_RIDGE = 1e-6
"""Share of the variance of a feature that is added to it: features that say the same share the work."""
_LOSS_DB = 0.1
"""What rounding may cost."""
_ENOUGH_DB = 41.0
"""A head that comes nearer to the picture may be rounded until it does not."""
_BIAS_SHARE = 0.01
"""Squared step of the biases in units of the smallest squared error: they cost little."""
_FINER = 16
"""Eighths of an octave by which steps of the matrix are finer: what it does wrong shows as a pattern of places."""
_COARSEST, _FINEST = 64, -64
"""Steps to try, in eighths of an octave around those that err as much as the head itself."""


class Moments:
    """Sums of products of features x and of samples y that a head is to make of them, in double precision."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self._count = 0
        self._x, self._y = np.zeros(inputs), np.zeros(outputs)
        self._xx, self._xy, self._yy = np.zeros((inputs, inputs)), np.zeros((inputs, outputs)), np.zeros(outputs)

    def add(self, x: _Matrix, y: _Matrix) -> None:
        """Take in places: [places, inputs] and [places, outputs]."""
        self._count += len(x)
        self._x += x.sum(0)
        self._y += y.sum(0)
        self._xx += x.T @ x
        self._xy += x.T @ y
        self._yy += (y * y).sum(0)

    @property
    def means(self) -> tuple[_Matrix, _Matrix]:
        """Of x and of y."""
        return self._x / self._count, self._y / self._count

    @property
    def covariances(self) -> tuple[_Matrix, _Matrix, _Matrix]:
        """Of x [inputs, inputs], of x and y [inputs, outputs], and the variances of y [outputs]."""
        x, y = self.means
        xx = self._xx / self._count - np.outer(x, x)
        return xx, self._xy / self._count - np.outer(x, y), self._yy / self._count - y * y


class _Rounded(NamedTuple):
    """A head of integers."""

    tensors: list[IntegerTensor]
    errors: _Matrix
    """Mean squared error of each output."""


class Head:
    """The best head of its rank in floats, and integers near it.

    Args:
        moments: What it is to do.
        shape: Of the head.
        peak: The largest code value.
    """

    def __init__(self, moments: Moments, shape: PreviewShape, peak: int) -> None:
        self.shape, (self._x, self._y) = shape, moments.means
        self._xx, self._xy, self._yy = moments.covariances
        self._least = 1 / (12 * peak**2)  # rounding to code values does as much
        full = _solved(self._xx, self._xy)
        # the samples that can be foretold lie near few directions: those in which what is foretold varies most
        _, directions = np.linalg.eigh(full @ self._xx @ full.T)
        self._narrow = directions[:, -shape.rank :].T @ full  # [rank, 9 x inputs]
        zz, zy = self._narrow @ self._xx @ self._narrow.T, self._narrow @ self._xy
        self._errors = self._left(_solved(zz, zy), zz, zy)

    @property
    def psnr_db(self) -> float:
        """Of the first plane, against the shrunk picture."""
        return self._psnr_db(self._errors)

    def integers(self, room: int, least_db: float) -> list[IntegerTensor] | None:
        """The head with the coarsest steps that lose next to nothing.

        Args:
            room: Largest coded size in bytes; steps are coarser where they have to be.
            least_db: How near to the shrunk picture it must come then.

        Returns:
            None where none of that size comes so near.
        """
        shift, coarsest = _FINEST, _COARSEST
        while coarsest - shift > 1:
            middle = (shift + coarsest) // 2
            shift, coarsest = (middle, coarsest) if self._loss_db(middle) <= _LOSS_DB else (shift, middle)
        rounded = self._rounded(shift)
        while len(encode_tensors(rounded.tensors)) > room:
            shift += 2
            rounded = self._rounded(shift)
            if shift > MAX_STEP_CODE - MIN_STEP_CODE or self._psnr_db(rounded.errors) < least_db:
                return None
        return rounded.tensors

    def _loss_db(self, shift: int) -> float:
        """What integers lose over floats, in the plane that loses most."""
        allowed = np.maximum(self._planes(self._errors), 10 ** (-_ENOUGH_DB / 10))
        return float(10 * np.log10(self._planes(self._rounded(shift).errors) / allowed).max())

    def _rounded(self, shift: int) -> _Rounded:
        """The head with steps of ``shift`` eighths of an octave more than those that would err as much as it does."""
        kernel_spec, mixing_spec, bias_spec = self.shape.specs
        # directions are at right angles: what is wrong in one is wrong in the samples, to the same amount
        shares = np.full(self.shape.rank, self._errors.sum() / self.shape.rank)
        kernel = _integers(kernel_spec, self._narrow, self._xx, shares, shift)
        narrow = _floats(kernel).reshape(self._narrow.shape)
        zz, zy = narrow @ self._xx @ narrow.T, narrow @ self._xy
        planes = np.repeat(self._planes(self._errors), self._counts)
        mixing = _integers(mixing_spec, _solved(zz, zy), zz, planes, shift - _FINER)
        matrix = _floats(mixing)
        code = np.clip(4 * np.log2(_BIAS_SHARE * self._errors.min()), MIN_STEP_CODE, MAX_STEP_CODE)
        codes = np.array([code], np.int16)
        wanted = self._y - matrix @ (narrow @ self._x)
        symbols = np.clip(np.rint(wanted / step_values(codes)), -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
        bias = IntegerTensor(bias_spec, symbols, codes)
        errors = self._left(matrix, zz, zy) + (wanted - _floats(bias)) ** 2
        return _Rounded([kernel, mixing, bias], errors)

    @property
    def _counts(self) -> tuple[int, ...]:
        """Outputs of each plane."""
        luma = self.shape.shuffle**2
        chroma = (self.shape.outputs - luma) // 2
        return (luma, chroma, chroma) if chroma else (luma,)

    def _psnr_db(self, errors: _Matrix) -> float:
        """Of the first plane."""
        return float(-10 * np.log10(self._planes(errors)[0]))

    def _planes(self, errors: _Matrix) -> _Matrix:
        """Mean squared error of each plane."""
        return np.array([part.mean() for part in np.split(errors, np.cumsum(self._counts)[:-1])])

    def _left(self, matrix: _Matrix, zz: _Matrix, zy: _Matrix) -> _Matrix:
        """Mean squared error of each output that a matrix makes of z, and what rounding to code values adds."""
        explained = 2 * (matrix * zy.T).sum(1) - ((matrix @ zz) * matrix).sum(1)
        errors: _Matrix = np.maximum(self._yy - explained, 0) + self._least
        return errors


def _solved(xx: _Matrix, xy: _Matrix) -> _Matrix:
    """The matrix [outputs, inputs] that makes the best of x."""
    weight: _Matrix = np.linalg.solve(_ridged(xx), xy).T
    return weight


def _ridged(xx: _Matrix) -> _Matrix:
    """Covariances, made invertible."""
    variances = np.maximum(xx.diagonal(), 0)
    floor = 1e-12 * max(float(variances.max()), 1e-18)
    ridged: _Matrix = xx + np.diag(_RIDGE * variances + floor)
    return ridged


def _integers(spec: TensorSpec, weight: _Matrix, xx: _Matrix, errors: _Matrix, shift: int) -> IntegerTensor:
    """Round a matrix whose rows may err by ``errors``, and by any input as much as by another.

    Inputs are rounded one after the other, and those to come make up for what the last one lost.

    Args:
        spec: Of the tensor: rows are its first axis, its second has offsets.
        weight: [rows, inputs].
        xx: Covariances of the inputs.
        errors: Mean squared error of each row that counts as large.
        shift: How much coarser, in eighths of an octave.
    """
    ridged = _ridged(xx)
    spread = 0.5 * np.log2(ridged.diagonal().reshape(spec.shape[1], -1).mean(1))
    rows = np.rint(4 * np.log2(12 * errors / len(xx)) - 8 * spread.mean() + shift)
    rows = np.clip(rows, MIN_STEP_CODE, MAX_STEP_CODE)
    columns = np.clip(np.rint(8 * (spread.mean() - spread)), MIN_STEP_CODE - rows.min(), MAX_STEP_CODE - rows.max())
    codes = np.concatenate((rows, columns)).astype(np.int16)
    steps = np.broadcast_to(tensor_steps(spec, codes), spec.shape).reshape(weight.shape)
    # upper triangle of the inverse: how the weights that are left make up for one that was rounded
    remedy = np.linalg.cholesky(np.linalg.inv(ridged)).T
    left, symbols = weight.copy(), np.zeros(weight.shape, np.int32)
    for column, scale in enumerate(remedy.diagonal()):
        symbols[:, column] = np.clip(np.rint(left[:, column] / steps[:, column]), -MAX_SYMBOL, MAX_SYMBOL)
        missed = (left[:, column] - symbols[:, column] * steps[:, column]) / scale
        left[:, column:] -= np.outer(missed, remedy[column, column:])
    return IntegerTensor(spec, symbols.reshape(spec.shape), codes)


def _floats(tensor: IntegerTensor) -> _Matrix:
    """The numbers of a tensor."""
    return np.asarray(tensor.symbols * tensor_steps(tensor.spec, tensor.step_codes), dtype=np.float64)
