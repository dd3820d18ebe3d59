"""The finished layers of a segment: every frame is drawn once, however many packs and neighbours ask for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from nvcodec.decoder.render import full_float32
from nvcodec.models.base import PlaneTensors, VideoField
from nvcodec.models.een import EEN
from nvcodec.models.precision import in_float32

_Kept = TypeVar("_Kept")
_NEAR = 3
"""Frames that a pack looks at to draw one: it and its neighbours."""


class _Frame(NamedTuple):
    planes: PlaneTensors
    """[1, rows, columns]."""
    pyramid: list[Tensor]
    """[1, h, w, C]."""


class FinishedLayers:
    """Base and finished packs of one segment, as the packs above them see them.

    Frames are asked for on the CPU: where they are on the device, reading which they are waits for it.

    Args:
        base: The base's field.
        kept_bytes: Memory for frames that were drawn; a handful for each frame of a batch is always kept.
    """

    def __init__(self, base: VideoField, kept_bytes: int) -> None:
        self.base, self.kept_bytes = base, kept_bytes
        self.packs: list[EEN] = []
        self._base: OrderedDict[int, _Frame] = OrderedDict()
        self._enhanced: OrderedDict[int, PlaneTensors] = OrderedDict()
        self.base_draws = 0
        """Frames of the base drawn so far."""
        self._groups: list[tuple[bool, list[int]]] = []
        self._forgetful = False

    def add(self, pack: EEN) -> None:
        """Count another pack, made on top of these layers, among the finished ones."""
        self.packs.append(pack)
        self._enhanced.clear()

    def history(self) -> list[tuple[bool, list[int]]]:
        """The groups of frames that were drawn at once, in order, and whether with the packs.

        A frame depends, in its last bits, on those that it was drawn with. What did not fit into memory and is drawn
        again is left out.
        """
        return list(self._groups)

    def repeat(self, history: Iterable[tuple[bool, list[int]]]) -> None:
        """Draw what another of these layers has drawn, so that both give the same bits from here on.

        Args:
            history: Its :meth:`history`.

        Raises:
            IndexError: It names frames that there are not.
        """
        for enhanced, group in history:
            frames = torch.tensor(group)
            if enhanced:
                self.planes(frames)
            else:
                self._drawn(frames)

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        """See :class:`nvcodec.models.een.Below`."""
        drawn = self._drawn(frames.cpu())
        return [torch.cat(level) for level in zip(*(frame.pyramid for frame in drawn), strict=True)]

    def planes(self, frames: Tensor) -> PlaneTensors:
        """See :class:`nvcodec.models.een.Below`."""
        frames = frames.cpu()
        if not self.packs:
            return _stacked([frame.planes for frame in self._drawn(frames)])
        missing = self._missing(frames, self._enhanced)
        if len(missing):
            planes = _stacked([frame.planes for frame in self._drawn(missing)])
            self._note(True, missing)
            with _exactly(planes[0]):
                for pack in self.packs:
                    residual = pack.residual(missing)
                    planes = _sum(planes, residual)
            for index, frame in enumerate(missing.tolist()):
                self._enhanced[frame] = _part(planes, index)
        found = _taken(self._enhanced, frames)
        nbytes = sum(plane.nbytes for plane in found[0])
        self._forgetful |= _forget(self._enhanced, self.kept_bytes // 4, nbytes, len(frames))
        return _stacked(found)

    def _drawn(self, frames: Tensor) -> list[_Frame]:
        """Frames of the base, drawn now or before."""
        missing = self._missing(frames, self._base)
        if len(missing):
            self.base_draws += len(missing)
            self._note(False, missing)
            parameter = next(self.base.parameters())
            asked = missing.to(parameter.device, non_blocking=True) if self.base.capturable else missing
            with _exactly(parameter):
                planes, pyramid = self.base(asked)
            for index, frame in enumerate(missing.tolist()):
                self._base[frame] = _Frame(_part(planes, index), [level[index : index + 1] for level in pyramid])
        found = _taken(self._base, frames)
        least = _NEAR * len(frames) + 1  # all that this batch asks for in turn, and what the next one shares with it
        nbytes = sum(tensor.nbytes for tensor in (*found[0].planes, *found[0].pyramid))
        self._forgetful |= _forget(self._base, self.kept_bytes, nbytes, least)
        return found

    def _note(self, enhanced: bool, group: Tensor) -> None:
        if not self._forgetful:
            self._groups.append((enhanced, group.tolist()))

    def _missing(self, frames: Tensor, kept: OrderedDict[int, _Kept]) -> Tensor:
        """The frames, each once, that are not kept; same dtype, on the CPU."""
        missing = [frame for frame in dict.fromkeys(frames.tolist()) if frame not in kept]
        return torch.tensor(missing, dtype=frames.dtype)


@contextmanager
def _exactly(like: Tensor) -> Iterator[None]:
    """As the decoder draws on a tensor's device: float32 throughout, and nothing is trained."""
    with torch.no_grad(), in_float32(like), full_float32():
        yield


def _taken(kept: OrderedDict[int, _Kept], frames: Tensor) -> list[_Kept]:
    """What is kept of frames, which thereby become the last to be forgotten."""
    found = []
    for frame in frames.tolist():
        kept.move_to_end(frame)
        found.append(kept[frame])
    return found


def _forget(kept: OrderedDict[int, _Kept], limit: int, nbytes: int, least: int) -> bool:
    """Drop frames of ``nbytes`` each, those not asked for longest, until ``limit`` bytes or ``least`` are left.

    Returns:
        Whether there were any to drop.
    """
    most, dropped = max(least, limit // nbytes), False
    while len(kept) > most:
        kept.popitem(last=False)
        dropped = True
    return dropped


def _part(planes: PlaneTensors, index: int) -> PlaneTensors:
    return tuple(plane[index : index + 1] for plane in planes)


def _stacked(frames: Sequence[PlaneTensors]) -> PlaneTensors:
    return tuple(torch.cat(planes) for planes in zip(*frames, strict=True))


def _sum(planes: PlaneTensors, residual: PlaneTensors) -> PlaneTensors:
    return tuple(a + b for a, b in zip(planes, residual, strict=True))
