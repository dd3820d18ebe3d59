"""The decoder's kernels against torch: what they get wrong, and their times with different blocks.

python benchmarks/gpu/fused_layer.py --deadline 60
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nvcodec.decoder.kernels.candidates import Part, parts_of
from nvcodec.decoder.kernels.layer import Blocks, LayerKernel, likely_blocks
from nvcodec.decoder.render import full_float32
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import ConvNeXtLayer, FusionLayer, MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling
from nvcodec.types import ChromaFormat

_SHAPES = [(1080, 1920, 34), (540, 960, 68), (270, 480, 136), (135, 240, 272)]
"""Rows, columns and channels of the network `medium` at 1920x1080, from the last block to the first."""
_CHOICES: dict[str, tuple[Any, ...]] = {
    "warps": (4, 8), "registers": (None, 128, 168), "pixels": (64, 128), "stages": (1, 2, 3), "units": (16, 32, 64),
    "tile_width": (8, 16, 64),
}  # fmt: skip
"""Tried one by one instead of the usual ones, the most promising first."""
Layer = ConvNeXtLayer | FusionLayer


def candidates(channels: int, outgoing: int) -> Iterator[Blocks]:
    """The likely blocks, then others that may be better."""
    likely = likely_blocks(channels, outgoing)
    yield from likely
    usual = likely[0]
    for name, values in _CHOICES.items():
        for value in values:
            other = replace(usual, **{name: value})
            if other not in likely:
                yield other


def milliseconds(call: Callable[[], object], repeats: int = 9) -> float:
    """Median time on the device, after warming up."""
    for _ in range(2):
        call()
    times = []
    for _ in range(repeats):
        begin, end = _event(), _event()
        begin.record()
        call()
        end.record()
        times.append((begin, end))
    torch.cuda.synchronize()
    return statistics.median(float(begin.elapsed_time(end)) for begin, end in times)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def layers(kind: type[Layer], channels: int, first: bool) -> Layer:
    incoming = 2 * channels if first and channels < 272 else channels
    return kind(incoming, channels, 4, 0).cuda().eval().requires_grad_(False)


class Truth:
    """A small picture drawn by a layer in float64, on the CPU."""

    def __init__(self, layer: Layer) -> None:
        (hidden, incoming), outgoing = layer.expand.shape, layer.project.shape[0]
        twin = type(layer)(incoming, outgoing, hidden // outgoing, 0)
        twin.load_state_dict(layer.state_dict())
        x = torch.randn(2, 23, 41, incoming)
        self.x, self.expected = x.cuda(), twin.double().eval()(x.double(), None)

    def errors(self, draw: Callable[[Tensor, Tensor | None], Tensor]) -> str:
        """Relative to it: by norm, and by the largest sample."""
        apart = draw(self.x, None).double().cpu() - self.expected
        by_norm, largest = apart.norm() / self.expected.norm(), apart.abs().max() / self.expected.abs().max()
        return f"error {float(by_norm):.1e} by norm, {float(largest):.1e} at most"


def edges() -> Iterator[tuple[Part, str, int, int]]:
    """What blocks of `medium` begin with, and its head, with the size of what they are given."""
    config = MSNeRVConfig(
        (2,) * 4, tuple(channels for _, _, channels in reversed(_SHAPES)), (1,) * 4, (1,) * 4, (GridLevel(2, 1, 4),),
        upsampling=Upsampling.BILINEAR, fusion=False, cross_depth=False,
    )  # fmt: skip
    field = MSNeRV(config, FieldGeometry(4, 1088, 1920, ChromaFormat.YUV444)).cuda().eval().requires_grad_(False)
    parts = {id(part.parent.get_submodule(part.name)): part for part in parts_of(field)}
    rows, columns, _ = _SHAPES[0]
    yield parts[id(field.head)], "head ", rows, columns
    for block, (rows, columns, _) in zip(reversed(field.blocks), _SHAPES, strict=True):
        yield parts[id(block)], "entry", rows // 2, columns // 2


def compiled(kernels: list[LayerKernel]) -> None:
    """Compile kernels side by side; what fails does so again where it is timed."""

    def compile_one(kernel: LayerKernel) -> None:
        with contextlib.suppress(Exception):
            kernel(torch.zeros(1, 8, 16, kernel.plan.channels, device="cuda"), None)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(compile_one, kernels))


class Bench:
    """Lines of a table, and a clock."""

    def __init__(self, deadline_s: float) -> None:
        self.ends = time.monotonic() + deadline_s
        self.rows: list[str] = []

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends

    def say(self, line: str) -> None:
        self.rows.append(line)
        print(line, flush=True)

    def layer(self, kind: type[Layer], size: tuple[int, int, int], first: bool, many: bool) -> None:
        """Time one layer: by torch and by the kernel with its likely blocks, or by the kernel with many others."""
        if self.over:
            return
        rows, columns, channels = size
        layer = layers(kind, channels, first)
        incoming = layer.expand.shape[1]
        name = f"{kind.__name__:13} {columns}x{rows} {incoming:3}->{channels:3}"
        x, truth = torch.randn(1, rows, columns, incoming, device="cuda"), Truth(layer)
        likely = likely_blocks(incoming, channels)
        if many:
            others = [blocks for blocks in candidates(incoming, channels) if blocks not in likely]
            kernels = [LayerKernel(layer, "bf16x3", blocks) for blocks in others]
        else:
            kernels = [LayerKernel(layer, "bf16x3", blocks) for blocks in likely]
            kernels.append(LayerKernel(layer, "tf32x3", likely[0]))
            self.say(f"{name} {'torch':57} {milliseconds(lambda: layer(x, None)):7.3f} ms  {truth.errors(layer)}")
        compiled(kernels)
        for kernel in kernels:
            if not self.over:
                self.say(f"{name} {self.kernel(kernel, x, truth)}")

    def part(self, part: Part, name: str, rows: int, columns: int) -> None:
        """Time the beginning of a block, or a head: by torch and by its kernels."""
        x, small = (torch.randn(1, *size, part.channels, device="cuda") for size in ((rows, columns), (23, 41)))
        beside = part.beside(1)
        expected = part.draw(small, *beside)
        for draw in (part.draw, *part.kernels):
            if self.over:
                return
            told = f"{name} {columns}x{rows} {part.channels:3} {'torch' if draw is part.draw else draw.plan}"
            try:
                apart = float((draw(small, *beside) - expected).abs().max() / expected.abs().max())
                took = milliseconds(partial(draw, x, *beside))
                self.say(f"{told:105} {took:7.3f} ms  {apart:.1e} from torch at most")
            except Exception as error:
                self.say(f"{told:105} {type(error).__name__}: {str(error)[:60]}")

    def kernel(self, kernel: LayerKernel, x: Tensor, truth: Truth) -> str:
        blocks = kernel.blocks
        cut = f"{blocks.pixels:3}/{blocks.tile_width:2} px {blocks.units:2} units {blocks.warps} warps"
        cut += f" {blocks.stages} stages {blocks.registers or 255} registers"
        name = f"{kernel.plan.precision} {cut:50}"
        try:
            right = truth.errors(kernel)
            return f"{name} {milliseconds(lambda: kernel(x, None)):7.3f} ms  {right}"
        except Exception as error:
            first_line = str(error).splitlines()[0] if str(error) else ""
            return f"{name}  {type(error).__name__}: {first_line[:60]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deadline", type=float, default=60.0, metavar="S", help="begin nothing after this time")
    parser.add_argument("--few", action="store_true", help="the likely blocks only")
    options = parser.parse_args()
    bench = measured(options.deadline, few=options.few)
    print("\n" + torch.cuda.get_device_name(), *bench.rows, sep="\n")


def measured(deadline_s: float, *, few: bool) -> Bench:
    """All of it, or with the likely blocks only."""
    bench = Bench(deadline_s)
    with torch.inference_mode(), full_float32():
        usual = [
            LayerKernel(layers(ConvNeXtLayer, channels, first), precision)
            for precision in ("bf16x3", "tf32x3") for _, _, channels in _SHAPES for first in (True, False)
        ]  # fmt: skip
        for edge in edges():
            bench.part(*edge)
        compiled(usual)
        print(f"compiled after {deadline_s - (bench.ends - time.monotonic()):.1f} s", flush=True)
        for first in (False, True):
            for size in _SHAPES:
                bench.layer(ConvNeXtLayer, size, first, many=False)
        bench.layer(FusionLayer, _SHAPES[0], first=False, many=False)
        if not few:
            for size in _SHAPES:
                bench.layer(ConvNeXtLayer, size, first=False, many=True)
    return bench


if __name__ == "__main__":
    main()
