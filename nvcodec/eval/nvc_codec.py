"""``nvc`` itself in the bench, run as its users run it: one process an encode, one a decode."""

from __future__ import annotations

import json
import math
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, final

from nvcodec.config.kinds import FLAG
from nvcodec.config.options import PRESETS, READ, EvalOptions, described
from nvcodec.encoder.fit.events import Event, EventHandler, Forecast, Notice, Step
from nvcodec.errors import (
    BitstreamError,
    DeviceError,
    InputError,
    InterruptedEncodeError,
    NvcError,
    UnsupportedError,
    UsageError,
)
from nvcodec.eval.codecs import BenchClip, BenchCodec, Coded
from nvcodec.eval.process import Finished, run_measured

_ERRORS: dict[int, type[NvcError]] = {
    kind.exit_code: kind for kind in (UsageError, InputError, BitstreamError, UnsupportedError, DeviceError)
} | dict.fromkeys((129, 130, 143), InterruptedEncodeError)
_STEP_FIELDS = {
    "psnr_yuv_db": "psnr_db",
    "best_psnr_yuv_db": "best_psnr_db",
    "est_bpp": "estimated_bpp",
    "it_per_s": "steps_per_s",
}
"""Names in the events printed as JSON -> in :class:`Step`."""
_TARGET_NOT_REACHED = 6
_OWN = ("-o", "--output", "--bpp", "--json", "--progress", "--resume", "--recon", "--work-dir", "--preset")


@final
class NvcCodec(BenchCodec):
    """Ours; a point is the bits per pixel to stay under."""

    name = "nvc"
    unit = "bpp"
    default_points = (0.05, 0.1, 0.2, 0.4)
    lowest, highest, whole = 1e-4, 100.0, False
    presets = PRESETS
    default_preset = "medium"

    def __init__(self, preset: str, options: str = "", variant: str = "") -> None:
        super().__init__(preset, options, variant)
        if taken := [word for word in shlex.split(options) if word.partition("=")[0] in _OWN]:
            raise UsageError(f"{taken[0]} is set by the bench itself", "Leave it out of --options")

    def versions(self) -> dict[str, str]:
        """Versions of everything that shapes a file."""
        from nvcodec.encoder.report import versions

        return versions()

    def encode(self, clip: BenchClip, point: float, folder: Path, on_event: EventHandler) -> Coded:
        """Encode a clip, then time the decoder on the file; an interrupted encode is taken up again."""
        file = folder / f"{clip.name}.{self.label}.{point:g}.nvc"
        how = ["--bpp", f"{point:g}", "--preset", self.preset, *source_options(clip), *shlex.split(self.options)]
        command = ["encode", str(clip.path), "-o", str(file), *how, "-y", "--json", "--progress", "json"]
        found, encoding = _run(command, on_event)
        if not found["target_reached"]:
            on_event(Notice(f"{file.name}: {point:g} bpp were not reached"))
        decoded, decoding = _decode(file, str(found["device"]), on_event)
        names = ("parameters", "bits_per_parameter", "estimated_bpp", "fit_steps", "device", "seed", "target_reached")
        return Coded(
            file=file,
            bytes=found["bytes"],
            encode_s=found["encode_s"],
            settings={
                "command": shlex.join(["nvc", "encode", clip.path.name, "-o", file.name, *how]),
                # where files lay is nobody's business, and would differ for whoever does it again
                "config": {**found["config"], "source": clip.path.name, "output": file.name},
            },
            decode_fps=decoded["fps"],
            details={
                **{name: found[name] for name in names},
                "kmac_per_pixel": _kmac_per_pixel(file),
                "entropy_s": decoded["entropy_s"],
                "encode_peak_bytes": encoding.peak_bytes,
                "decode_peak_bytes": decoding.peak_bytes,
            },
        )


def _decode(file: Path, device: str, on_event: EventHandler) -> tuple[dict[str, Any], Finished]:
    with tempfile.TemporaryDirectory(prefix="nvc-bench-", dir=file.parent) as scratch:
        command = ["decode", str(file), "-o", str(Path(scratch) / "decoded.yuv"), "--device", device]
        return _run([*command, "--json", "--progress", "none"], on_event)


def _run(words: list[str], on_event: EventHandler) -> tuple[dict[str, Any], Finished]:
    """Run one of our own commands in a process of its own; its JSON, and what it took.

    Raises:
        NvcError: It failed; of the type that its exit code names.
    """
    errors: list[str] = []

    def on_line(line: str) -> None:
        event = _event(line)
        if event is None:
            errors.append(line.strip())
        else:
            on_event(event)

    done = run_measured([sys.executable, "-m", "nvcodec", *words], on_line)
    if done.returncode not in (0, _TARGET_NOT_REACHED):
        first = next((number for number, line in enumerate(errors) if line.startswith("error: ")), 0)
        message, *hint = errors[first:] or ["it said nothing"]
        failed = f"nvc {words[0]} failed: {message.removeprefix('error: ')}"
        raise _ERRORS.get(done.returncode, NvcError)(failed, "\n".join(hint))
    return json.loads(done.stdout), done


def _event(line: str) -> Event | None:
    """An event that a child printed as JSON; None when the line is none."""
    try:
        values = json.loads(line)
        kind = values.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    if kind == "step":
        values = {_STEP_FIELDS.get(name, name): value for name, value in values.items()}
        return Step(**{**values, "eta_s": math.inf if values["eta_s"] is None else values["eta_s"]})
    return Notice(values.get("message", "")) if kind == "notice" else Forecast(**values) if kind == "forecast" else None


def source_options(clip: BenchClip) -> list[str]:
    """How a clip is read, for ``nvc encode``."""
    known, words = described(EvalOptions), list[str]()
    for name in (*READ, "seek", "frames"):
        value, option = getattr(clip.asked, name), known[name]
        if value != getattr(EvalOptions(), name):
            words += [option.flags[-1], *([] if option.kind is FLAG else [str(option.kind.plain(value))])]
    return words


def _kmac_per_pixel(file: Path) -> float:
    from nvcodec.decoder.reader import VideoReader
    from nvcodec.eval.complexity import kmac_per_pixel

    return kmac_per_pixel(VideoReader(file, device="cpu"))
