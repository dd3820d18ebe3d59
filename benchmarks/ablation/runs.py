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
from benchmarks.ablation.study import Clip, Configuration, Study
from nvcodec.config.options import EncodeOptions, plain
from nvcodec.config.settings import OF_LAYERS, suiting
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
    time_ratio: float | None = 1.0
    """Time of an epoch in units of the reference's, which divides the epochs; None = not measured yet."""

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.configuration.name}--{self.clip.name}--s{self.seed}"

    @property
    def options(self) -> EncodeOptions:
        """What the codec is told, but for where; without epochs while they depend on a measurement to come."""
        budgeted, ratio = self.configuration, self.time_ratio
        if self.study.equal_time:
            budgeted = self.study.configuration(self.study.reference)
        epochs = budgeted.epochs(self.clip)
        if epochs is not None and ratio != 1:
            epochs = None if ratio is None else float(f"{epochs / ratio:.4g}")  # more digits would be pretence
        return self.configuration.options(self.clip, self.seed, epochs)

    def identity(self) -> dict[str, Any]:
        """Everything that shapes the file and that the study says, flat, as JSON gives it back."""
        asked, usual = plain(self.options), plain(EncodeOptions())
        settings: Any = asked.pop("settings")
        flat = {
            "configuration": self.configuration.name,
            "clip": self.clip.name,
            "file": self.clip.file,
            **({"held_out": True} if self.clip.is_held_out else {}),
            **self._layers(),
            **{name: value for name, value in asked.items() if name in ("model", "seed") or value != usual[name]},
            **{f"set {key}": value for key, value in settings.items()},
        }
        as_read: dict[str, Any] = json.loads(json.dumps(flat, default=str))
        return as_read

    def _layers(self) -> dict[str, Any]:
        row = self.configuration
        if not row.layers:
            return {}
        told = {f"layer set {key}": value for key, value in suiting(row.settings, OF_LAYERS).items()}
        return {"layers": list(row.layers), "joint": row.joint, **told}


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
