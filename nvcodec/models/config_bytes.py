"""What configurations share: reading themselves from bytes that may be hostile, checking their numbers. No torch."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigReader:
    """The numbers of a configuration, in order. Running out of them, or having some left, is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def bytes(self, count: int) -> tuple[int, ...]:
        """The next numbers of one byte each."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("the configuration ends early")
        self._at += count
        return tuple(taken)

    def words(self, count: int) -> tuple[int, ...]:
        """The next numbers of two bytes each, the higher one first."""
        pairs = self.bytes(2 * count)
        return tuple(256 * high + low for high, low in zip(pairs[::2], pairs[1::2], strict=True))

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise ValueError("the configuration has bytes left over")


def check_range(name: str, values: Iterable[int], low: int, high: int) -> None:
    """Refuse numbers outside of a range with a ValueError."""
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{name} must lie in {low}..{high}, not {value}")
