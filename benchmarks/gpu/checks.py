"""What the machine is, and whether it decodes as every other machine does."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.bench import DONE, FAILED, Bench, Record, Task
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.reader import VideoReader
from nvcodec.errors import NvcError
from nvcodec.quant.tensors import digest

STREAMS = Path(__file__).parents[2] / "tests" / "conformance"
_PACKAGES = ("torch", "triton", "numpy", "constriction", "pytorch-msssim", "av", "click", "rich")


@dataclass(frozen=True)
class Doctor(Task):
    """Versions, the GPU, and the state of its short-cuts in float32."""

    @property
    def least_s(self) -> float:
        return 1.0

    @property
    def expected_s(self) -> float:
        return 2.0

    def run(self, bench: Bench) -> Record:
        record: Record = {
            "status": DONE,
            "system": platform.platform(),
            "python": platform.python_version(),
            "cpu_threads": os.cpu_count(),
            "packages": {name: _version(name) for name in _PACKAGES},
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
        return {**record, "line": f"{name}, torch {torch.__version__}, Python {platform.python_version()}"}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Conformance(Task):
    """The conformance streams: the same integers, and pictures within one code value of those drawn by the CPU."""

    @property
    def least_s(self) -> float:
        return 10.0

    @property
    def expected_s(self) -> float:
        return 10.0

    def run(self, bench: Bench) -> Record:
        paths = sorted(STREAMS.glob("*.nvc"))
        streams = {path.stem: _compare(path, bench.device) for path in paths}
        wrong = [name for name, outcome in streams.items() if not outcome["ok"]]
        worst = max(outcome["worst"] for outcome in streams.values())
        share = max(outcome["differing_share"] for outcome in streams.values())
        line = (
            f"{len(streams) - len(wrong)} of {len(streams)} streams right; at most {worst} off, {share:.4%} of samples"
        )
        if wrong:
            line += f"; wrong: {', '.join(wrong)}"
        return {"status": FAILED if wrong else DONE, "line": line, "streams": streams}


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
