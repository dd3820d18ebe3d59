"""``nvc doctor``."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import click

from nvcodec.cli import _options as options
from nvcodec.cli._options import Command
from nvcodec.cli._terminal import Terminal, print_json, say
from nvcodec.errors import NvcError
from nvcodec.progress.figures import size
from nvcodec.version import __version__

_PACKAGES = ("torch", "numpy", "av", "constriction", "pytorch-msssim", "click", "rich")


class _Test(NamedTuple):
    """How a test of the installation ended."""

    name: str
    problem: str | None
    """What is wrong; None: it passed."""
    seconds: float


@click.command(cls=Command, examples=("nvc doctor", "nvc doctor --json"))
@options.output_options(progress=False, overwrite=False)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show versions and devices, and test this installation."""
    terminal = ctx.ensure_object(Terminal)

    def tell(name: str, text: object) -> None:
        if not terminal.as_json:
            say(f"{name:<16}{text}")

    packages, memory = {package: _version(package) for package in _PACKAGES}, _memory_bytes()
    tell("nvc", __version__)
    tell("python", f"{platform.python_version()}  {sys.executable}")
    tell("system", platform.platform())
    for package, found in packages.items():
        tell(package, found or "missing")
    tell("cpu threads", os.cpu_count() or "unknown")
    tell("memory", size(memory) if memory else "unknown")
    # only now: it takes seconds, and may be what is broken
    devices: list[dict[str, str | None]] = []
    tests = [_tried("devices", lambda: devices.extend(_devices()))]
    shown = [f"{each['device']} {each['name'] or ''}".rstrip() for each in devices]
    no_cuda = "" if any(str(each["device"]).startswith("cuda") for each in devices) else "  (no CUDA)"
    tell("devices", tests[0].problem or ", ".join(shown) + no_cuda)
    for name, test in (("entropy coding", _test_entropy), ("drawing", _test_drawing)):
        tests.append(done := _tried(name, test))
        tell(name, f"ok  ({done.seconds:.2f} s)" if done.problem is None else done.problem)
    failed = [test.name for test in tests if test.problem is not None]
    if terminal.as_json:
        print_json(
            {
                "schema": "nvc-doctor/2",
                "nvc": __version__,
                "python": platform.python_version(),
                "executable": sys.executable,
                "system": platform.platform(),
                "packages": [{"name": name, "version": found} for name, found in packages.items()],
                "cpu_threads": os.cpu_count(),
                "memory_bytes": memory,
                "devices": devices,
                "tests": [{**test._asdict(), "name": test.name.replace(" ", "_")} for test in tests],
                "ok": not failed,
            }
        )
    if failed:
        raise NvcError(f"this installation fails: {', '.join(failed)}", "Install it again in a fresh environment")


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


def _tried(name: str, test: Callable[[], object]) -> _Test:
    """Run a test, which raises where it fails; a broken installation can fail in any way."""
    began, problem = time.perf_counter(), None
    try:
        test()
    except Exception as error:
        problem = f"failed: {type(error).__name__}: {error}"
    return _Test(name, problem, time.perf_counter() - began)


def _devices() -> list[dict[str, str | None]]:
    """What torch can use: as ``--device`` takes it, and what it is called."""
    import torch

    found: dict[str, Any] = {f"cuda:{n}": torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())}
    found |= {"mps": None} if torch.backends.mps.is_available() else {}
    return [{"device": device, "name": name} for device, name in {**found, "cpu": None}.items()]


def _test_entropy() -> None:
    """Integers survive a trip through the range coder."""
    import numpy as np

    from nvcodec.entropy.payload import decode_tensors, encode_tensors
    from nvcodec.quant.tensors import IntegerTensor, Role, TensorSpec

    spec = TensorSpec(0, "test", (64, 16), Role.WEIGHT, 0)
    symbols = np.random.default_rng(0).normal(0, 4, spec.shape).round().astype(np.int32)
    tensor = IntegerTensor(spec, symbols, np.full(64, -48, np.int16))
    decoded = decode_tensors(encode_tensors([tensor]), [spec])[0]
    if not np.array_equal(decoded.symbols, symbols):
        raise ValueError("other integers came back")


def _test_drawing() -> None:
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
    if tuple(luma.shape) != (2, 48, 64) or not bool(luma.isfinite().all()):
        raise ValueError(f"got {tuple(luma.shape)}")
