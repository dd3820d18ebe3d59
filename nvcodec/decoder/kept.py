"""The few things that are made once and asked for often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar

_Made = TypeVar("_Made")


class Kept(Generic[_Made]):
    """Things by key, the last ``most`` asked for; threads wait for each other instead of making one thing twice.

    Unlike ``functools.lru_cache`` it does not hold what makes the things, so an owner that is dropped is freed at once.
    """

    def __init__(self, most: int) -> None:
        assert most >= 1
        self.most = most
        self._things: OrderedDict[Hashable, _Made] = OrderedDict()
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._things)

    def get(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What was made for a key, or is made now; what was not asked for longest goes first."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                return self._things[key]
            while len(self._things) >= self.most:  # before, so that there is never one more
                self._things.popitem(last=False)
            self._things[key] = made = make()
            return made
