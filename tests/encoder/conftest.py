"""One thread: the pictures here are tiny. And what nobody may do who must not wait for a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

DEVICE = torch.device("meta")
"""Has shapes and autograd but no numbers: what would wait for a GPU to tell one fails."""


class _NoConstants(TorchFunctionMode):
    """Refuses numbers of the host that are made into a tensor on the device.

    The copy waits; and in a recorded step it is repeated from where the number no longer is.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor):
            assert made.device != DEVICE, f"{func} copies to the device"
        if func is torch.Tensor.__setitem__:
            _, index, value = args
            chosen = any(isinstance(leaf, Tensor) for leaf in tree_leaves(index))
            assert isinstance(value, Tensor) or not chosen, "indexing copies a number to the device"
        return made


class _NoWaits(TorchDispatchMode):
    """Refuses operations across devices, but for copies to the device that nobody waits for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = {leaf.device for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dim()}
        if func is torch.ops.aten._to_copy.default and kwargs.get("device", DEVICE) not in found:
            assert kwargs.get("non_blocking"), "a copy to the device waits"
        else:
            assert len(found) <= 1, f"{func} mixes devices"
        return func(*args, **kwargs)


@contextmanager
def _unwaited() -> Iterator[None]:
    with _NoConstants(), _NoWaits():
        yield


@pytest.fixture
def unwaited() -> Callable[[], AbstractContextManager[None]]:
    """A block in which nothing may wait for the device ``meta``."""
    return _unwaited
