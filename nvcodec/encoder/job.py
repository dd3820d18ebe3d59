"""An encode as it was asked for: what the command line fills in and a resumed encode reads back. No torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from nvcodec.encoder.config import EncodeConfig, FitConfig, LossConfig, Rounding, Stage
from nvcodec.encoder.overrides import apply
from nvcodec.encoder.target import RateTarget, TargetKind
from nvcodec.errors import InputError
from nvcodec.types import Domain


@dataclass(frozen=True)
class Job:
    """Source, output and settings."""

    source: str
    output: str
    size: tuple[int, int] | None = None
    """(width, height) of raw video."""
    fps: Fraction | None = None
    pix_fmt: str | None = None
    seek: int = 0
    frames: int | None = None
    target: RateTarget = RateTarget()
    config: EncodeConfig = EncodeConfig()
    model: str = "msnerv"
    """Name of the representation."""

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain = asdict(self)
        plain["fps"] = None if self.fps is None else str(self.fps)
        plain["target"] = {"kind": self.target.kind.value, "value": self.target.value}
        config = plain["config"]
        config["domain"] = None if self.config.domain is None else self.config.domain.name.lower()
        for stage in config["fit"]["stages"]:
            stage["rounding"] = stage["rounding"].value
        config["model"] = {name: _plain(value) for name, value in self.config.model.items()}
        config["gop"] = {name: _plain(value) for name, value in (config["gop"] or {}).items()}
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, object]) -> Job:
        """Inverse of :meth:`to_dict`."""
        values = dict(plain)
        config = dict(values["config"])  # type: ignore[call-overload]
        stages = [Stage(s["name"], s["until"], Rounding(s["rounding"])) for s in config["fit"]["stages"]]
        config["fit"] = FitConfig(**{**config["fit"], "stages": tuple(stages)})
        config["loss"] = LossConfig(**config["loss"])
        config["domain"] = None if config["domain"] is None else Domain[config["domain"].upper()]
        settings = {f"{group}.{name}": value for group in ("gop", "model") for name, value in config.pop(group).items()}
        target = values["target"]
        values["config"] = apply(EncodeConfig(**config), settings, str(values["model"]))
        values["target"] = RateTarget(TargetKind(target["kind"]), target["value"])  # type: ignore[index]
        values["fps"] = None if values["fps"] is None else Fraction(str(values["fps"]))
        values["size"] = None if values["size"] is None else tuple(values["size"])  # type: ignore[arg-type]
        return cls(**values)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=1))

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read a job.

        Raises:
            InputError: The file is missing or is no job.
        """
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except OSError:
            raise InputError(
                f"{path.parent} holds no interrupted encode", "Give the folder that Ctrl-C named"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({error})", f"Delete {path.parent} and start the encode again"
            ) from None


def _plain(value: object) -> object:
    """A setting as the text or list that :func:`nvcodec.encoder.overrides.apply` reads back."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "interval"):
        return [value.interval, value.shrink, value.channels]  # type: ignore[attr-defined]
    name = getattr(value, "name", None)
    return name.lower() if name is not None and not isinstance(value, (bool, str)) else value
