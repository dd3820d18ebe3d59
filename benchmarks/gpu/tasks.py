"""The list of tasks, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu.bench import Task
from benchmarks.gpu.checks import Conformance, Doctor
from benchmarks.gpu.clips import BUNNY, INTOTREE
from benchmarks.gpu.decode_speed import DecodeSpeed
from benchmarks.gpu.encodes import Encode
from benchmarks.gpu.train_speed import WAYS, TrainSpeed

_SIZES = {"640p": (1280, 640), "1080p": (1920, 1080)}
_PARAMETERS = {"draft": 500_000, "medium": 3_000_000, "slow": 8_000_000}
"""``slow`` has the network of ``medium`` and trains it longer: here it stands for what a higher rate leads to."""

_BUNNY_PARAMETERS = {"0.75M": 750_000, "1.5M": 1_500_000, "3M": 3_000_000}
_BUNNY_BITS_PER_PARAMETER = 6
"""The papers give no rate for this protocol; HiNeRV and MSNeRV quantise weights to 6 bits."""
_BUNNY_MINUTES = (2, 5, 8)
_PUBLISHED_DB = {
    "0.75M": {"HNeRV": 32.81, "QS-NeRV": 33.74},
    "1.5M": {"HNeRV": 35.57, "QS-NeRV": 36.37},
    "3M": {"HNeRV": 37.43, "QS-NeRV": 38.59},
}
"""RGB PSNR after 300 epochs, not quantised."""
_BUNNY_VARIANTS: dict[str, tuple[str, str | None]] = {
    "hinerv": ("msnerv", "hinerv.toml"),
    "msnerv": ("msnerv", None),
    "msnerv-paper": ("msnerv", "msnerv_paper.toml"),
    "hnerv": ("qsnerv", None),
}
"""Name -> model and configuration."""
_INTOTREE_BPP = 0.1


def tasks() -> list[Task]:
    """All of them."""
    return [Doctor("doctor"), Conformance("conformance"), *_speed(), *_bunny(), *_large()]


def _speed() -> Iterator[Task]:
    for preset, size in (("medium", "640p"), ("medium", "1080p"), ("draft", "640p"), ("draft", "1080p")):
        for way in WAYS:
            yield TrainSpeed(
                f"speed-train-{preset}-{size}-{way}", preset, _PARAMETERS[preset], *_SIZES[size], way
            )  # fmt: skip
    for preset in ("draft", "medium", "slow"):
        for batch in (1, 4, None):
            name = f"speed-decode-{preset}-batch-{batch or 'auto'}"
            yield DecodeSpeed(name, preset, _PARAMETERS[preset], batch)


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
                    bpp=_BUNNY_BITS_PER_PARAMETER * parameters / (BUNNY.width * BUNNY.height * BUNNY.frames),
                    model=model,
                    configuration=configuration,
                    domain="rgb",
                    note=f"published {published} dB",
                )


def _large() -> Iterator[Task]:
    yield Encode("uvg-like-1080p-2min", INTOTREE, fit_s=120.0, parameters=None, bpp=_INTOTREE_BPP)
