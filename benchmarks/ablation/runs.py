"""One encode of a study: what it is told, and what tells it from any other. No torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nvcodec
from benchmarks.ablation.study import SIZES, TARGETS, Clip, Configuration, Study
from nvcodec.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where a clip is encoded: what shapes a file besides the study."""

    source: Path
    source_sha256: str
    device: str
    threads: int

    @classmethod
    def of(cls, source: Path, device: str, threads: int) -> Place:
        """The place of a clip's encodes; reads the clip."""
        digest = hashlib.sha256()
        with source.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return cls(source, digest.hexdigest(), device, threads)

    def identity(self) -> dict[str, Any]:
        """The kind of device, its threads and the bytes of the clip, wherever it lies."""
        kind = self.device.partition(":")[0]
        return dict(zip(PLACE_KEYS, (kind, self.threads, self.source_sha256), strict=True))


@cache
def code_digest() -> str:
    """Short digest of the codec's source but for its terminal and its measuring tools: versions may lag behind."""
    package, digest = Path(nvcodec.__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in ("cli", "eval"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


PLACE_KEYS = ("device", "threads", "source_sha256")
"""Parts of an identity that the study does not say; a table can be drawn without knowing them."""


@dataclass(frozen=True)
class Run:
    """One configuration on one clip with one seed."""

    study: Study
    configuration: Configuration
    clip: Clip
    seed: int
    step_ratio: float | None = 1.0
    """Time of a step in units of the reference's, which divides the steps; None = not measured yet."""

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.configuration.name}--{self.clip.name}--s{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """Keywords for :func:`nvcodec.encode`, or :func:`nvcodec.encode_archive` where the model is that of archives.

        Without ``epochs`` while they depend on a measurement to come.
        """
        options, scale = self.clip.options, self.configuration.scale
        arguments: dict[str, Any] = {
            "settings": self.configuration.settings,
            "frames": self.clip.fitted_frames,
            "seed": self.seed,
        }
        if self.configuration.is_archive:
            options = {key: value for key, value in options.items() if key != "domain"}  # they have one only
        else:
            arguments["model"] = self.configuration.model
        for key in ("preset", "domain", "segment", "seek", "mask", "max_time_s", *TARGETS):
            if key in options:
                arguments[key] = options[key] * scale if key in SIZES else options[key]
        if "params" in options:
            arguments["parameters"] = max(1, round(options["params"] * scale))
        if "max_time_s" not in options and self.step_ratio is not None:
            arguments["epochs"] = self._epochs() if self.step_ratio == 1 else _rounded(self._epochs() / self.step_ratio)
        return arguments

    def identity(self) -> dict[str, Any]:
        """Everything that shapes the file and that the study says, flat, as JSON gives it back."""
        arguments = self.arguments()
        settings = arguments.pop("settings")
        names: dict[str, Any] = {
            "configuration": self.configuration.name,
            "clip": self.clip.name,
            "file": self.clip.file,
        }
        names["model"] = self.configuration.model
        if self.clip.is_held_out:
            names["held_out"] = True
        flat = {**names, **arguments, **{f"set {key}": value for key, value in settings.items()}}
        plain: dict[str, Any] = json.loads(json.dumps(flat, default=str))
        return plain

    def _epochs(self) -> float:
        options = self.clip.options
        if "epochs" in options:
            return float(options["epochs"])
        batch = int(str(self.configuration.settings.get("fit.batch", 1)))
        return float(options["steps"] * batch / self.clip.fitted_frames)


def find_clip(file: str, folders: list[Path]) -> Path:
    """A clip in the first of the folders that has it, itself or as Y4M, which needs no library to be read.

    Raises:
        InputError: None has it.
    """
    suffixes = [Path(file).suffix, ".y4m"]
    if importlib.util.find_spec("av") is None:
        suffixes.reverse()
    for folder in folders:
        for name in (Path(file), Path(Path(file).name)):
            for suffix in suffixes:
                path = folder / name.with_suffix(suffix)
                if path.is_file():
                    return path.resolve()
    looked = ", ".join(str(folder) for folder in folders)
    raise InputError(f"clip {file} is not in {looked}", "Name the folder that holds it (or its .y4m) with --clips")


def _rounded(epochs: float) -> float:
    """Four digits: more would pretend that the measurement has them."""
    return float(f"{epochs:.4g}")
