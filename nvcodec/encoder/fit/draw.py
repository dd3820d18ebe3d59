"""Drawing inside a fit: autocast and compilation on CUDA, plain float32 on a CPU, tiles where memory is short."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

import torch
from torch import Tensor
from torch.func import functional_call

from nvcodec.decoder.render import full_float32
from nvcodec.encoder.fit.events import EventHandler, Notice
from nvcodec.encoder.fit.loss import picture_error
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.way import Way, usual_way
from nvcodec.encoder.footage.clip import Footage
from nvcodec.encoder.footage.hiding import exempt
from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, region

_BACKENDS = {"cuda": "inductor"}
"""Of torch.compile; where there need not be a compiler, all of the way but the last step."""
_MOST_COMPILED = 6
"""Networks that the compiler is trusted with: it gives up at eight."""
_compiled: set[Hashable] = set()
_LONGEST_SAYING = 300
TILE_MARGIN_CELLS = 4
"""Base cells around a tile that convolutions see; only training pictures are tiled, so a narrow margin suffices."""


class Painter:
    """Runs a field on a parameter vector.

    Args:
        flat: The field.
        tiles: Windows to train on one at a time; empty = whole frames.
        on_event: Hears of fallbacks.
        fill: See :func:`nvcodec.encoder.footage.hiding.exempt`; for steps, not for errors.
        way: How steps are run; None = as usual on this device. Tiles are neither compiled nor recorded: each is another
            step.
    """

    def __init__(
        self,
        flat: FlatField,
        tiles: list[CellWindow],
        on_event: EventHandler,
        fill: float = 0,
        way: Way | None = None,
    ) -> None:
        self.flat, self.tiles, self.on_event, self.fill = flat, tiles, on_event, fill
        self.device = flat.vector.device
        way = way or usual_way(flat.field, self.device)
        self.way = Way(way.bf16) if tiles else way
        self._call: Callable[..., Drawing] = self._eager

    @property
    def frames_device(self) -> torch.device:
        """Where frames lie that are to be drawn: on the device, or where a field reads them."""
        return self.device if self.flat.field.capturable else torch.device("cpu")

    def compile(self) -> None:
        """Have torch.compile translate the field; it does so when it first draws, and when it first learns."""
        _make_room_for((type(self.flat.field), tuple(spec.shape for spec in self.flat.specs), self.flat.field.geometry))
        # dynamic shapes would save nothing: a fit draws in one shape
        self._call = torch.compile(self._eager, dynamic=False, backend=_BACKENDS.get(self.device.type, "eager"))

    def do_not_compile(self, error: Exception) -> None:
        """Draw without it from now on."""
        self._call, self.way = self._eager, replace(self.way, compiled=False)
        self.on_event(Notice(f"torch.compile failed; running without it, which is slower: {said(error)}"))

    def use(self, tiles: list[CellWindow]) -> None:
        """Train on these windows from now on."""
        self.tiles, self.way, self._call = tiles, Way(self.way.bf16), self._eager

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def train(
        self, vector: Tensor, clip: Footage, frames: Tensor, *, compiled: bool = True
    ) -> tuple[Drawing, PlaneTensors]:
        """Draw frames int64 [B] for a training step, with their targets; a tile comes without its features.

        Args:
            vector: Parameters.
            clip: The source.
            frames: What to draw.
            compiled: By what was compiled, if anything was; False where the field does what will soon be over.
        """
        self.flat.field.draw_anew(True)
        try:
            return self._train(vector, clip, frames, compiled)
        finally:
            self.flat.field.draw_anew(False)

    def _train(self, vector: Tensor, clip: Footage, frames: Tensor, compiled: bool) -> tuple[Drawing, PlaneTensors]:
        targets, hidden = clip.targets(frames), clip.hidden_in(frames)
        if not self.tiles:
            with self._autocast():
                drawing = _as_float((self._call if compiled else self._eager)(vector, frames, None))
            return drawing, exempt(targets, drawing.planes, hidden, self.fill)
        tile = self.tiles[int(torch.randint(len(self.tiles), ()))]
        with self._autocast():
            drawing = self._call(vector, frames, tile)
        inside = region(self.flat.field.geometry, self.flat.field.scale, tile)
        drawing = _as_float(Drawing(drawing.planes, []))
        return drawing, exempt(_cut(targets, inside), drawing.planes, hidden and _cut(hidden, inside), self.fill)

    @torch.no_grad()
    def errors(self, vector: Tensor, clip: Footage, frames: Iterable[int]) -> Tensor:
        """Error of each of some frames, float32 [n], drawn whole and rounded to code values."""
        chroma, errors = self.flat.field.geometry.chroma, []
        every = list(frames)
        places = torch.tensor(every).to(self.frames_device, non_blocking=True).view(-1, 1)
        with full_float32():
            for frame, chosen in zip(every, places, strict=True):
                peak = clip.peak(frame)
                planes = self._eager(vector, chosen, None).planes
                drawn = tuple((plane * peak).round().clamp(0, peak) / peak for plane in planes)
                targets = exempt(clip.targets(chosen), drawn, clip.hidden_in(chosen))
                errors.append(picture_error(drawn, targets, chroma).mean())
        return torch.stack(errors)

    def psnr_db(self, vector: Tensor, clip: Footage) -> float:
        """Mean PSNR over all frames, in the sense of the coding domain."""
        errors = self.errors(vector, clip, range(len(clip)))
        return float(-10 * torch.log10(errors.clamp_min(1e-10)).mean())

    def _eager(self, vector: Tensor, frames: Tensor, window: CellWindow | None) -> Drawing:
        drawing: Drawing = functional_call(self.flat.field, self.flat.split(vector), (frames, window))
        return drawing

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.way.bf16:
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()


def _make_room_for(network: Hashable) -> None:
    """Let the compiler forget what it has made before that is too much for it: then it makes nothing more, silently."""
    if network not in _compiled and len(_compiled) >= _MOST_COMPILED:
        torch.compiler.reset()
        _compiled.clear()
    _compiled.add(network)


def said(error: Exception) -> str:
    """What an error says, in a line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:_LONGEST_SAYING]


def _as_float(drawing: Drawing) -> Drawing:
    return Drawing(tuple(plane.float() for plane in drawing.planes), [feature.float() for feature in drawing.features])


def _cut(planes: PlaneTensors, inside: list[tuple[slice, slice]]) -> PlaneTensors:
    """The part of planes [B, rows, columns] that a tile covers."""
    return tuple(plane[:, rows, columns] for plane, (rows, columns) in zip(planes, inside, strict=True))


def tiles(cells: tuple[int, int] | None, base: tuple[int, int]) -> list[CellWindow]:
    """Windows of ``cells`` base cells that cover a picture of ``base`` cells; none for whole frames."""
    if cells is None:
        return []
    rows, columns = cells
    return [
        CellWindow(top, left, min(rows, base[0] - top), min(columns, base[1] - left), TILE_MARGIN_CELLS)
        for top in range(0, base[0], rows)
        for left in range(0, base[1], columns)
    ]
