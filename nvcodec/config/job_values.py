"""The parts of a job as plain values for JSON, and back; and the file they are kept in. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from nvcodec.config.fit import EncodeConfig, FitConfig, KeyFrameConfig, LossConfig, Rounding, Stage
from nvcodec.config.settings import apply
from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.errors import InputError
from nvcodec.types import Domain

_Job = TypeVar("_Job")


def plain_config(config: EncodeConfig) -> dict[str, object]:
    """Settings as plain values."""
    plain = asdict(config)
    plain["domain"] = None if config.domain is None else config.domain.name.lower()
    for stage in plain["fit"]["stages"]:
        stage["rounding"] = stage["rounding"].value
    plain["model"] = {name: _plain(value) for name, value in config.model.items()}
    plain["gop"] = {name: _plain(value) for name, value in (plain["gop"] or {}).items()}
    return plain


def config_of(plain: Any, model: str) -> EncodeConfig:
    """Inverse of :func:`plain_config`.

    Args:
        plain: What that gave, perhaps by way of JSON.
        model: Name of the representation that the settings are for.

    Raises:
        ValueError, KeyError, TypeError: It did not give that.
    """
    config = dict(plain)
    stages = [Stage(s["name"], s["until"], Rounding(s["rounding"])) for s in config["fit"]["stages"]]
    config["fit"] = FitConfig(**{**config["fit"], "stages": tuple(stages)})
    config["loss"] = LossConfig(**config["loss"])
    config["keys"] = KeyFrameConfig(**config["keys"])
    config["domain"] = None if config["domain"] is None else Domain[config["domain"].upper()]
    settings = {f"{group}.{name}": value for group in ("gop", "model") for name, value in config.pop(group).items()}
    return apply(EncodeConfig(**config), settings, model)


def plain_target(target: RateTarget) -> dict[str, object]:
    """A target as plain values."""
    return {"kind": target.kind.value, "value": target.value}


def target_of(plain: Any) -> RateTarget:
    """Inverse of :func:`plain_target`.

    Raises:
        ValueError, KeyError, TypeError: It did not give that.
    """
    return RateTarget(TargetKind(plain["kind"]), plain["value"])


def save_job(path: Path, plain: dict[str, object]) -> None:
    """Write a job as JSON."""
    path.write_text(json.dumps(plain, indent=1))


def load_job(path: Path, job_of: Callable[[dict[str, object]], _Job]) -> _Job:
    """Read a job.

    Args:
        path: The file.
        job_of: Makes a job of plain values; raises ValueError, KeyError or TypeError when they are none.

    Raises:
        InputError: The file is missing or is no job.
    """
    try:
        return job_of(json.loads(path.read_text()))
    except OSError:
        raise InputError(f"{path.parent} holds no interrupted encode", "Give the folder that Ctrl-C named") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error})", f"Delete {path.parent} and start the encode again") from None


def _plain(value: object) -> object:
    """A setting as the text or list that :func:`nvcodec.config.settings.apply` reads back."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "interval"):
        return [value.interval, value.shrink, value.channels]  # type: ignore[attr-defined]
    name = getattr(value, "name", None)
    return name.lower() if name is not None and not isinstance(value, (bool, str)) else value
