"""Causal contexts for 4-D grids: every element is predicted from known neighbours, and so is how well that works.

What is coded is the difference from the prediction, in one of 66 classes: by the errors that were made around the
element, and by the half of an integer on which the prediction falls. Every class has a table of its own, which follows
the symbols after each step (see lattice.py). Encoder and decoder get predictions and classes from the same functions.
All of it is 32 bit integer arithmetic, but sums over channels, which take 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.adaptive import followed, interleaved_bits, weighed
from nvcodec.entropy.coder import FrequencyTable, RangeReader, SymbolSink
from nvcodec.entropy.lattice import EVERYTHING, Integers, Step, lattice, steps, sums_everywhere, sums_of_step
from nvcodec.entropy.params import CodingParams
from nvcodec.entropy.tables import INVERSE_SCALES, gaussian_table
from nvcodec.errors import BitstreamError
from nvcodec.quant.tensors import MAX_SYMBOL

WEIGHTS = (0, 4, 16, 64, 256)
"""Weights that a neighbour may have in a prediction; halved with every doubling of its distance, and across corners."""
MEAN_WEIGHT = 16
"""Weight that the mean of the tensor has in a prediction."""
ERROR_WEIGHT = 2
"""Weight that the error at a neighbour has in the expected error; halved across corners."""
OVERALL_WEIGHT = 3
"""Weight that the usual error has in the expected error."""
OVERALL_ERROR = 5 << 28
"""Usual error times its weight, in units of 1/16, is this over the inverse scale: 2.5 standard deviations."""
PRIOR_TOTAL = 1 << 13
"""Weight of the Gaussian that a class starts from: as if 512 symbols had been seen."""
CLASS_SCALES = (
    4, 4, 4, 4, 5, 6, 7, 8, 10, 11, 12, 14, 17, 19, 21, 23, 25, 28, 30, 32, 34, 36, 39, 41, 43, 45, 48, 50, 52, 54, 57,
    59, 62,
)  # fmt: skip
"""Standard deviation of that Gaussian by the magnitude of the expected error, an index into INVERSE_SCALES. Magnitude 1
does not occur."""

_UNITS = 16
"""Predictions and errors are kept in units of 1/16; the expected error, in the end, in units of 1/64."""

Classes = npt.NDArray[np.uint8]
Tables = dict[int, FrequencyTable]


def write_context(sink: SymbolSink, symbols: Integers, params: CodingParams) -> None:
    """Write the symbols of a grid.

    Args:
        sink: Coder or counter.
        symbols: int32 [T, h, w, C]; their differences from the predictions are in ``params.low``..``params.high``.
        params: Parameters of the model.
    """
    differences, classes = _analyse(symbols, params)
    tables: Tables = {}
    for step in steps(*symbols.shape[:3]):
        coded = differences[step.part].ravel()
        for number, members in _by_class(classes[step.part].ravel()):
            table = tables.get(number) or _first_table(number, params.low, params.high)
            sink.write(coded[members], table)
            tables[number] = followed(table, coded[members])


def read_context(reader: RangeReader, shape: tuple[int, ...], params: CodingParams) -> Integers:
    """Read back what ``write_context`` wrote.

    Args:
        reader: Source of symbols.
        shape: T, h, w, C.
        params: The parameters they were written with.

    Returns:
        int32 [T, h, w, C], -MAX_SYMBOL..MAX_SYMBOL.

    Raises:
        BitstreamError: The data is damaged.
    """
    contexts = Contexts(shape, params)
    values, errors = np.zeros((2, shape[3], *shape[:3]), dtype=np.int32)
    tables: Tables = {}
    for step in steps(*shape[:3]):
        predictions = contexts.predictions(*sums_of_step(values, step), step)
        classes = contexts.classes(*sums_of_step(errors, step), predictions, step).ravel()
        coded = np.empty(classes.size, dtype=np.int32)
        for number, members in _by_class(classes):
            table = tables.get(number) or _first_table(number, params.low, params.high)
            coded[members] = reader.read(members.size, table)
            tables[number] = followed(table, coded[members])
        found = rounded(predictions) + coded.reshape(predictions.shape)
        if np.abs(found + np.int32(params.mean)).max() > MAX_SYMBOL:
            raise BitstreamError(f"symbol out of {-MAX_SYMBOL}..{MAX_SYMBOL}")
        values[step.part], errors[step.part] = found, errors_of(found, predictions)
    return np.ascontiguousarray(np.moveaxis(values + np.int32(params.mean), 0, 3))


def context_bits(symbols: Integers, params: CodingParams) -> float:
    """Return the bits that ``write_context`` spends on symbols; no coder runs."""
    return difference_bits(*_analyse(symbols, params), params)


def difference_bits(differences: Integers, classes: Classes, params: CodingParams) -> float:
    """Return the bits of the differences from the predictions, int32 [C, T, h, w], in classes of the same shape."""
    numbers = np.flatnonzero(np.bincount(classes.ravel()))
    sequence_of = np.zeros(int(numbers[-1]) + 1, dtype=np.int64)
    sequence_of[numbers] = np.arange(numbers.size)
    step_of = np.empty(differences.shape, dtype=np.int64)
    for number, step in enumerate(steps(*differences.shape[1:])):
        step_of[step.part] = number
    tables = [_first_table(number, params.low, params.high) for number in numbers.tolist()]
    return interleaved_bits(differences.ravel(), sequence_of[classes].ravel(), step_of.ravel(), tables)


def centred(symbols: Integers, mean: int) -> Integers:
    """Symbols, int32 [T, h, w, C], less their mean and with the channels first, int32 [C, T, h, w]."""
    values: Integers = np.ascontiguousarray(np.moveaxis(symbols, 3, 0)) - np.int32(mean)
    return values


class Contexts:
    """Predictions and classes of the elements of a grid, from sums over their known neighbours."""

    def __init__(self, shape: tuple[int, ...], params: CodingParams) -> None:
        self._known = known = lattice(*shape[:3])
        self._time_weight = np.int32(WEIGHTS[params.temporal]) >> known.span_log2
        self._slice_weight = np.int32(WEIGHTS[params.spatial]) >> known.reach_log2 + known.corners
        self._slice_error_weight = np.int32(ERROR_WEIGHT) >> known.corners
        self._overall = np.int32(OVERALL_ERROR // INVERSE_SCALES[params.scale_index])

    def predictions(self, in_time: Integers, in_slice: Integers, step: Step = EVERYTHING) -> Integers:
        """Predict values, in units of 1/16, from sums over the values at neighbours; all [C, ...] as the step is."""
        time, slice_ = self._time_weight[step.times], self._slice_weight[step.places]
        total = MEAN_WEIGHT + time * self._known.in_time[step.times] + slice_ * self._known.in_slice[step.places]
        predictions: Integers = (_UNITS * (time * in_time + slice_ * in_slice) + (total >> 1)) // total
        return predictions

    def classes(self, in_time: Integers, in_slice: Integers, predictions: Integers, step: Step = EVERYTHING) -> Classes:
        """Class of elements, 0..65, from sums over the errors at neighbours and from their prediction."""
        slice_ = self._slice_error_weight[step.places]
        total = ERROR_WEIGHT * self._known.in_time[step.times] + slice_ * self._known.in_slice[step.places]
        sums = self._overall + ERROR_WEIGHT * in_time + slice_ * in_slice
        mean = sums.sum(axis=0, dtype=np.int64) // sums.shape[0]
        expected = 2 * (sums + mean.astype(np.int32)) // (OVERALL_WEIGHT + total)
        classes: Classes = (2 * _magnitude(expected) + ((predictions + 4) >> 3 & 1)).astype(np.uint8)
        return classes


def rounded(predictions: Integers) -> Integers:
    """The integers that differences are taken from: predictions rounded to halves, and these down."""
    return (predictions + 4) >> 4


def errors_of(values: Integers, predictions: Integers) -> Integers:
    """How far values are from their predictions, in units of 1/16."""
    errors: Integers = np.abs(_UNITS * values - predictions)
    return errors


def _magnitude(numbers: Integers) -> Integers:
    """Twice the position of the highest binary digit plus the digit after it, 0..32: 0 0 2 3 4 4 5 5 6 6 6 6 7...

    Exponent and mantissa of a float32 say both; where it rounds up, the answer is 32 with and without.
    """
    magnitudes: Integers = np.clip((numbers.astype(np.float32).view(np.int32) >> 22) - 2 * 127, 0, 32)
    return magnitudes


def _analyse(symbols: Integers, params: CodingParams) -> tuple[Integers, Classes]:
    """Return the difference from its prediction, and the class, of every element of a grid, [C, T, h, w]."""
    contexts = Contexts(symbols.shape, params)
    values = centred(symbols, params.mean)
    predictions = contexts.predictions(*sums_everywhere(values))
    classes = contexts.classes(*sums_everywhere(errors_of(values, predictions)), predictions)
    return values - rounded(predictions), classes


def _by_class(classes: Classes) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield the classes that occur, in ascending order, and where."""
    order, start = np.argsort(classes, kind="stable"), 0
    for number, size in enumerate(np.bincount(classes).tolist()):
        if size:
            yield number, order[start : start + size]
        start += size


@lru_cache(maxsize=512)
def _first_table(number: int, low: int, high: int) -> FrequencyTable:
    """The table that a class starts from."""
    return weighed(gaussian_table(CLASS_SCALES[number >> 1], 0, low, high, number & 1), PRIOR_TOTAL)
