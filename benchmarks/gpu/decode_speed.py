"""Frames per second of the decoder, from the opened file to code values in memory."""

from __future__ import annotations

import statistics
import time
import traceback
import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from benchmarks.gpu.bench import DONE, FAILED, Bench, Record, Task
from nvcodec.container import BaseSegment, Domain, ModelId, SequenceHeader, StreamHeader, write_container
from nvcodec.decoder.kernels.fuse import fused
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.render import default_batch
from nvcodec.encoder.plan.presets import PRESETS, plan_network
from nvcodec.entropy.payload import encode_tensors
from nvcodec.models.geometry import FieldGeometry
from nvcodec.quant.tensors import IntegerTensor
from nvcodec.types import VideoFormat

_STEP_CODE = -48
"""Steps of 2^-6: with the symbols drawn, weights about as large as fitted ones."""
_ROUNDS = 3


@dataclass(frozen=True)
class DecodeSpeed(Task):
    """One network at one batch size; its weights are random, for zeros would be drawn faster."""

    preset: str
    parameters: int
    batch: int | None
    """Frames per forward pass; None = the decoder's choice."""
    width: int = 1920
    height: int = 1080
    frames: int = 32

    @property
    def least_s(self) -> float:
        return 15.0

    @property
    def expected_s(self) -> float:
        return 11.0

    def run(self, bench: Bench) -> Record:
        frames = 4 if bench.tiny else self.frames
        reader = VideoReader(self.file(bench.tiny, frames), device=bench.device, batch=self.batch)
        list(reader.frames(range(min(frames, 4))))  # decodes the parameters, and warms up
        fps = _fps(reader, frames)
        field = reader.session.field(0, reader.device)
        batch = self.batch or default_batch(reader.session.config.drawing_bytes(field.geometry), reader.device)
        drawn_fps = self._drawn_fps(bench, reader, batch, frames)
        entropy_s = reader.session.entropy_s
        line = f"{fps:.1f} fps (drawing alone {drawn_fps:.1f}), batch {batch}, entropy decoding {entropy_s:.2f} s"
        return {
            "status": DONE,
            "line": line,
            "fps": fps,
            "drawn_fps": drawn_fps,
            "batch": batch,
            "entropy_s": entropy_s,
            "parameters": sum(spec.size for spec in field.specs),
            "size": [reader.format.width, reader.format.height],
            "frames": frames,
            "peak_memory_bytes": torch.cuda.max_memory_allocated() if bench.on_cuda else None,
            **self._fused(bench, reader, batch, frames, line),
        }

    def _fused(self, bench: Bench, reader: VideoReader, batch: int, frames: int, line: str) -> Record:
        """With the kernel for layers; the last thing that is done with this field. What fails costs nothing before."""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", RuntimeWarning)
                fused(reader.session.field(0, reader.device))
            list(reader.frames(range(min(frames, 4))))
            fps, drawn_fps = _fps(reader, frames), self._drawn_fps(bench, reader, batch, frames)
        except Exception:
            return {
                "status": FAILED,
                "line": f"{line}; the kernel for layers failed",
                "traceback": traceback.format_exc(),
            }
        messages = [str(warning.message) for warning in told]
        return {
            "line": "; ".join([line, f"with kernels {fps:.1f} fps (drawing alone {drawn_fps:.1f})", *messages]),
            "fused_fps": fps,
            "fused_drawn_fps": drawn_fps,
            "warnings": messages,
        }

    @torch.inference_mode()
    def _drawn_fps(self, bench: Bench, reader: VideoReader, batch: int, frames: int) -> float:
        """Without rounding and without the way to the CPU, in the decoder's full float32."""
        field = reader.session.field(0, reader.device)
        chosen = torch.split(torch.arange(frames, device=bench.device), batch)
        seconds = []
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for _ in range(_ROUNDS):
                _wait(bench)
                began = time.perf_counter()
                for part in chosen:
                    field(part)
                _wait(bench)
                seconds.append(time.perf_counter() - began)
        return frames / statistics.median(seconds)

    def file(self, tiny: bool, frames: int) -> bytes:
        """A bitstream of this network."""
        video = VideoFormat(96, 64, Fraction(25)) if tiny else VideoFormat(self.width, self.height, Fraction(25))
        geometry = FieldGeometry(frames, video.height, video.width, video.chroma)
        network = plan_network(
            PRESETS["draft" if tiny else self.preset], geometry, self.parameters // (200 if tiny else 1)
        )
        random = np.random.default_rng(0)
        tensors = [
            IntegerTensor(
                spec,
                random.normal(0, 3, spec.shape).round().astype(np.int32),
                np.full(spec.n_steps, _STEP_CODE, np.int16),
            )
            for spec in network.tensor_specs(geometry)
        ]
        header = SequenceHeader(
            ModelId.MSNERV, Domain.YUV420, (StreamHeader(video, frames),), network.to_bytes()
        )  # fmt: skip
        return write_container(header, [BaseSegment(0, 0, frames, encode_tensors(tensors))])


def _fps(reader: VideoReader, frames: int) -> float:
    """From the open file to code values in memory."""
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in reader.frames():
            pass
        seconds.append(time.perf_counter() - began)
    return frames / statistics.median(seconds)


def _wait(bench: Bench) -> None:
    if bench.on_cuda:
        torch.cuda.synchronize()
