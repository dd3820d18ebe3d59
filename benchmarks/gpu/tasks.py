"""The list of tasks, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu.bench import Task
from benchmarks.gpu.checks import Conformance, Doctor
from benchmarks.gpu.clips import BUNNY, INTOTREE
from benchmarks.gpu.compiled import CompiledStep, GroupsApart
from benchmarks.gpu.decode_speed import DecodeSpeed
from benchmarks.gpu.encodes import Encode
from benchmarks.gpu.fits import BITS_PER_PARAMETER, SUBJECTS
from benchmarks.gpu.profiles import DecodeProfile, FusedLayers, StepProfile, Waits
from benchmarks.gpu.train_speed import WAYS, TrainSpeed
from benchmarks.gpu.whole import whole_tasks
from nvcodec.config.keywords import ModelName

START_S = 12.0
"""Until the first task begins: Python, torch, the driver."""
_SPEEDS = ("eager-bf16", "compile-bf16", "graph-bf16", "graph-compile-bf16", "encoder")
SITTINGS = {
    "faults": (
        "doctor",
        "conformance",
        *(task.name for task in whole_tasks()),
        "profile-step-1080p",
        "waits-step-1080p",
        "profile-decode-medium",
        "fused-layers",
        "speed-train-640p-graph-bf16",
        "compiled-step-640p",
        "groups-apart-640p",
    ),
    "results": (
        "speed-decode-medium-batch-auto",
        "speed-decode-draft-batch-auto",
        "bunny-msnerv-1.5M-2min",
        *(f"speed-train-640p-{way}" for way in _SPEEDS),
        *(f"speed-train-1080p-{way}" for way in _SPEEDS),
    ),
}
"""Tasks of a sitting of five and a half minutes, the most telling first."""
_DECODED = {"draft": 500_000, "medium": 3_000_000, "slow": 8_000_000}
"""``slow`` has the network of ``medium`` and trains it longer: here it stands for what a higher rate leads to."""

_BUNNY_PARAMETERS = {"0.75M": 750_000, "1.5M": 1_500_000, "3M": 3_000_000}
_BUNNY_MINUTES = (2, 5, 8)
_PUBLISHED_DB = {
    "0.75M": {"HNeRV": 32.81, "QS-NeRV": 33.74},
    "1.5M": {"HNeRV": 35.57, "QS-NeRV": 36.37},
    "3M": {"HNeRV": 37.43, "QS-NeRV": 38.59},
}
"""RGB PSNR after 300 epochs, not quantised."""
_BUNNY_VARIANTS: dict[str, tuple[ModelName, str | None]] = {
    "hinerv": ("msnerv", "hinerv.toml"),
    "msnerv": ("msnerv", None),
    "msnerv-paper": ("msnerv", "msnerv_paper.toml"),
    "hnerv": ("qsnerv", None),
}
"""Name -> model and configuration."""
_INTOTREE_BPP = 0.1


def tasks() -> list[Task]:
    """All of them."""
    return [
        Doctor("doctor"),
        Conformance("conformance"),
        *whole_tasks(),
        *_steps(),
        *_decoding(),
        *_bunny(),
        *_large(),
    ]


def sitting(name: str) -> list[Task]:
    """Those of one of the :data:`SITTINGS`, in its order."""
    by_name = {task.name: task for task in tasks()}
    return [by_name[each] for each in SITTINGS[name]]


def _steps() -> Iterator[Task]:
    yield StepProfile("profile-step-1080p", "1080p", "eager-bf16")
    yield FusedLayers("fused-layers")
    yield Waits("waits-step-1080p", "1080p", "eager-bf16")
    yield CompiledStep("compiled-step-640p", "640p")
    yield GroupsApart("groups-apart-640p", "640p")
    for subject in SUBJECTS:
        for way in WAYS:
            yield TrainSpeed(f"speed-train-{subject}-{way}", subject, way)


def _decoding() -> Iterator[Task]:
    for preset, parameters in _DECODED.items():
        for batch in (1, 4, None):
            speed = DecodeSpeed(f"speed-decode-{preset}-batch-{batch or 'auto'}", preset, parameters, batch)
            yield speed
            if batch is None:
                yield DecodeProfile(f"profile-decode-{preset}", speed)


def _bunny() -> Iterator[Task]:
    for minutes in _BUNNY_MINUTES:
        for size, parameters in _BUNNY_PARAMETERS.items():
            published = ", ".join(f"{name} {db:.2f}" for name, db in _PUBLISHED_DB[size].items())
            for variant, (model, configuration) in _BUNNY_VARIANTS.items():
                yield Encode(
                    f"bunny-{variant}-{size}-{minutes}min",
                    BUNNY,
                    fit_s=60.0 * minutes,
                    parameters=parameters,
                    bpp=BITS_PER_PARAMETER * parameters / (BUNNY.width * BUNNY.height * BUNNY.frames),
                    model=model,
                    configuration=configuration,
                    domain="rgb",
                    note=f"published {published} dB",
                )


def _large() -> Iterator[Task]:
    yield Encode("uvg-like-1080p-2min", INTOTREE, fit_s=120.0, parameters=None, bpp=_INTOTREE_BPP)
