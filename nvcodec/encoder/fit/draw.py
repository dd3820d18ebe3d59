"""Drawing inside a fit: autocast and compilation on CUDA, plain float32 on a CPU, tiles where memory is short."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import functional_call

from nvcodec.encoder.fit.events import EventHandler, Notice
from nvcodec.encoder.fit.loss import picture_error
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.way import Way
from nvcodec.encoder.footage.clip import Footage
from nvcodec.encoder.footage.hiding import exempt
from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, region

TILE_MARGIN_CELLS = 4
"""Base cells around a tile that convolutions see; only training pictures are tiled, so a narrow margin suffices."""


class Painter:
    """Runs a field on a parameter vector.

    Args:
        flat: The field.
        tiles: Windows to train on one at a time; empty = whole frames.
        on_event: Hears of fallbacks.
        fill: See :func:`nvcodec.encoder.footage.hiding.exempt`; for steps, not for errors.
    """

    def __init__(
        self, flat: FlatField, tiles: list[CellWindow], on_event: EventHandler, fill: float = 0, way: Way | None = None
    ) -> None:
        self.flat, self.tiles, self.on_event, self.fill = flat, tiles, on_event, fill
        self.on_cuda = flat.vector.device.type == "cuda"
        self._call: Callable[..., Drawing] = self._eager
        if self.on_cuda and not tiles:
            self._call = self._compiled_or_eager(torch.compile(self._eager))

    def train(self, vector: Tensor, clip: Footage, frames: Tensor) -> tuple[Drawing, PlaneTensors]:
        """Draw frames int64 [B] for a training step, with their targets; a tile comes without its features."""
        targets, hidden = clip.targets(frames), clip.hidden_in(frames)
        if not self.tiles:
            with self._autocast():
                drawing = _as_float(self._call(vector, frames, None))
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
        for frame in frames:
            peak = clip.peak(frame)
            chosen = torch.tensor([frame], device=vector.device)
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

    def _compiled_or_eager(self, compiled: Callable[..., Drawing]) -> Callable[..., Drawing]:
        def call(vector: Tensor, frames: Tensor, window: CellWindow | None) -> Drawing:
            try:
                return compiled(vector, frames, window)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # any failure of the compiler: its toolchain may be missing
                self.on_event(Notice(f"torch.compile is not available ({type(error).__name__}); running eagerly"))
                self._call = self._eager
                return self._eager(vector, frames, window)

        return call

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.on_cuda and torch.cuda.is_bf16_supported():
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return contextlib.nullcontext()


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
