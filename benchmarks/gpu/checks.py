"""What the machine is, and whether it decodes as every other machine does."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import time
import traceback
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.bench import DONE, FAILED, Bench, Record, Task
from nvcodec.container import read_container
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import NvcError
from nvcodec.quant.tensors import digest

STREAMS = Path(__file__).parents[2] / "tests" / "conformance"
_PACKAGES = ("torch", "triton", "numpy", "constriction", "pytorch-msssim", "av", "click", "rich")


@dataclass(frozen=True)
class Doctor(Task):
    """Versions, the GPU, the state of its short-cuts in float32, and whether there is a compiler."""

    @property
    def least_s(self) -> float:
        return 1.0

    @property
    def expected_s(self) -> float:
        return 12.0

    @property
    def limit_s(self) -> float:
        return 60.0

    def run(self, bench: Bench) -> Record:
        record: Record = {
            "status": DONE,
            "system": platform.platform(),
            "python": platform.python_version(),
            "cpu_threads": os.cpu_count(),
            "pyav": importlib.util.find_spec("av") is not None,
            "cuda": torch.version.cuda,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn": {
                "version": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
                "allow_tf32": torch.backends.cudnn.allow_tf32,
                "benchmark": torch.backends.cudnn.benchmark,
            },
        }
        name = "cpu"
        if bench.on_cuda:
            properties = torch.cuda.get_device_properties(bench.device)
            name = properties.name
            record["gpu"] = {
                "name": name,
                "memory_bytes": properties.total_memory,
                "capability": f"{properties.major}.{properties.minor}",
                "multiprocessors": properties.multi_processor_count,
                "bf16": torch.cuda.is_bf16_supported(),
            }
        line = f"{name}, torch {torch.__version__}, Python {platform.python_version()}"
        record |= {"packages": {name: _version(name) for name in _PACKAGES}}
        try:
            began = time.perf_counter()
            _compile_a_line(bench)
            record["compile_s"] = time.perf_counter() - began
        except Exception:
            return {**record, "status": FAILED, "line": f"{line}; no compiler", "traceback": traceback.format_exc()}
        return {**record, "line": f"{line}; compiled a line in {record['compile_s']:.1f} s"}


def _compile_a_line(bench: Bench) -> None:
    """Forward and backward, the least that a fit needs."""
    x = torch.linspace(-1, 1, 1000, device=bench.device, requires_grad=True)
    backend = "inductor" if bench.on_cuda else "aot_eager"  # which needs no compiler
    torch.compile(lambda x: (x.sin() * x).sum(), backend=backend)(x).backward()
    expected = x.detach().sin() + x.detach() * x.detach().cos()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, expected, rtol=1e-4, atol=1e-5)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Conformance(Task):
    """The conformance streams: the same integers, and pictures within one code value of those drawn by the CPU.

    Each for itself: what one fails of says nothing of the others.
    """

    @property
    def least_s(self) -> float:
        return 10.0

    @property
    def expected_s(self) -> float:
        return 20.0

    @property
    def limit_s(self) -> float:
        return 90.0

    def run(self, bench: Bench) -> Record:
        streams = {path.stem: _outcome(path, bench.device) for path in sorted(STREAMS.glob("*.nvc"))}
        skipped = [name for name, outcome in streams.items() if "skipped" in outcome]
        compared = {name: outcome for name, outcome in streams.items() if name not in skipped}
        wrong = {name: outcome for name, outcome in compared.items() if not outcome["ok"]}
        worst = max((outcome.get("worst", 0) for outcome in compared.values()), default=0)
        share = max((outcome.get("differing_share", 0.0) for outcome in compared.values()), default=0.0)
        line = (
            f"{len(compared) - len(wrong)} of {len(compared)} streams right; "
            f"at most {worst} off, {share:.4%} of samples"
        )
        if skipped:
            line += f"; needs PyAV: {', '.join(skipped)}"
        record: Record = {"status": DONE, "line": line, "streams": streams}
        if wrong:
            record |= {"status": FAILED, "line": f"{line}; wrong: {', '.join(wrong)}"}
            failed = [f"{name}:\n{outcome['traceback']}" for name, outcome in wrong.items() if "traceback" in outcome]
            record |= {"traceback": "\n".join(failed)} if failed else {}
        return record


def _outcome(path: Path, device: str) -> Record:
    """The comparison of one stream, or why there is none."""
    needs_pyav = bool(read_container(path.read_bytes()).key_frames)
    if needs_pyav and importlib.util.find_spec("av") is None:
        return {"skipped": "needs PyAV"}
    try:
        return _compare(path, device)
    except Exception as error:
        return {"ok": False, "problem": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def _compare(path: Path, device: str) -> Record:
    """One file on the device and on the CPU, all its videos."""
    expected = json.loads(path.with_suffix(".json").read_text())
    here = VideoReader(path, device=device)
    segments = here.session.container.segments
    integers = [digest(here.session.integers(o)).hex() for o in range(len(segments))] == expected["integers"]
    problem = None
    worst = differing = samples = 0
    # a file of one video says at the top what others say for each
    for number, wanted in enumerate(expected.get("streams", [expected])):
        here, reference = (VideoReader(path, device=name, stream=number) for name in (device, "cpu"))
        try:
            for ordinal, segment in enumerate(segments):
                if segment.stream == number:
                    check_segment(here, ordinal)
        except NvcError as error:
            problem = str(error)
        for ours, theirs in zip(here.frames(), reference.frames(), strict=True):
            for mine, other in zip(ours, theirs, strict=True):
                off = np.abs(mine.astype(np.int32) - other.astype(np.int32))
                worst, differing = max(worst, int(off.max())), differing + int(np.count_nonzero(off))
                samples += off.size
        for frame, plane, row, column, value in wanted["samples"]:
            worst = max(worst, abs(int(here.planes(frame)[plane][row, column]) - value))
    return {
        "ok": integers and problem is None and worst <= 1,
        "integers": integers,
        "problem": problem,
        "worst": worst,
        "differing_share": differing / samples,
    }
