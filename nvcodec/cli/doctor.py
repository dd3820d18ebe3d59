"""``nvc doctor``."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from nvcodec.cli._format import size
from nvcodec.cli._options import Command, option
from nvcodec.cli._terminal import print_json, say
from nvcodec.version import __version__

_PACKAGES = ("torch", "numpy", "av", "constriction", "pytorch-msssim", "click", "rich")


@click.command(cls=Command, examples=("nvc doctor", "nvc doctor --json"))
@option("--json", "as_json", group="Output", is_flag=True, help="Print one JSON result on stdout when done.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show versions and devices, and test this installation."""
    report: dict[str, Any] = {"schema": "nvc-doctor/1"}
    failed = []

    def tell(name: str, value: Any, text: str | None = None) -> None:
        report[name] = value
        if not as_json:
            say(f"{name:<16}{value if text is None else text}")

    tell("nvc", __version__)
    tell("python", platform.python_version(), f"{platform.python_version()}  {sys.executable}")
    tell("system", platform.platform())
    for package in _PACKAGES:
        found = _version(package)
        tell(package, found, found or "missing")
    tell("cpu threads", os.cpu_count())
    memory = _memory_bytes()
    tell("memory", memory, size(memory) if memory else "unknown")
    # only now: it takes seconds, and may be what is broken
    devices = _attempt(_devices)
    tell("devices", devices)
    for name, test in (("entropy coding", _test_entropy), ("drawing", _test_drawing)):
        began = time.perf_counter()
        outcome = _attempt(test)
        passed = outcome is None
        failed += [] if passed else [name]
        tell(name, "ok" if passed else outcome, f"ok  ({time.perf_counter() - began:.2f} s)" if passed else outcome)
    report["ok"] = not failed
    if as_json:
        print_json(report)
    if failed:
        ctx.exit(1)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _attempt(test: Callable[[], str | None]) -> str | None:
    """What a test returns, or what went wrong; a broken installation can fail in any way."""
    try:
        return test()
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"


def _devices() -> str:
    import torch

    names = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    return ", ".join([*names, "cpu"]) + ("" if torch.cuda.is_available() else "  (no CUDA)")


def _test_entropy() -> str | None:
    """Integers survive a trip through the range coder."""
    import numpy as np

    from nvcodec.entropy.payload import decode_tensors, encode_tensors
    from nvcodec.quant.tensors import IntegerTensor, Role, TensorSpec

    spec = TensorSpec(0, "test", (64, 16), Role.WEIGHT, 0)
    symbols = np.random.default_rng(0).normal(0, 4, spec.shape).round().astype(np.int32)
    tensor = IntegerTensor(spec, symbols, np.full(64, -48, np.int16))
    decoded = decode_tensors(encode_tensors([tensor]), [spec])[0]
    return None if np.array_equal(decoded.symbols, symbols) else "failed: other integers came back"


def _test_drawing() -> str | None:
    """A small network draws a picture of the right size."""
    import torch

    from nvcodec.encoder.plan.presets import PRESETS, plan_network
    from nvcodec.models import registry
    from nvcodec.models.geometry import FieldGeometry
    from nvcodec.types import ChromaFormat

    geometry = FieldGeometry(2, 48, 64, ChromaFormat.YUV420)
    field = registry.MODELS[0].build(plan_network(PRESETS["draft"], geometry, 5000), geometry)
    with torch.inference_mode():
        luma = field(torch.tensor([0, 1])).planes[0]
    right = tuple(luma.shape) == (2, 48, 64) and bool(luma.isfinite().all())
    return None if right else f"failed: got {tuple(luma.shape)}"
