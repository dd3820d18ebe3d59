"""A study: the configurations to compare and the clips to compare them on, read from TOML. No torch."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nvcodec.api.checks import check
from nvcodec.config.options import TARGETS, EncodeOptions, changed
from nvcodec.config.recipe import RECIPES, recipe
from nvcodec.config.settings import OF_FILES, OF_LAYERS, flatten, suiting
from nvcodec.encoder.plan.models import settings_for
from nvcodec.errors import InputError, UsageError
from nvcodec.models.registry import MODELS, by_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

SIZES = ("bpp", "bitrate", "target_size")
BUDGETS = ("epochs", "steps", "max_time_s")
METRICS = {
    "yuv_611": "6:1:1 PSNR in dB",
    "rgb": "RGB PSNR in dB",
    "y": "Y PSNR in dB",
    "u": "U PSNR in dB",
    "v": "V PSNR in dB",
    "ms_ssim_y": "MS-SSIM of Y",
    "between": "6:1:1 PSNR in dB of held-out frames, drawn from the file",
    "repeated": "6:1:1 PSNR in dB of held-out frames, the decoded frame before in their place",
    "averaged": "6:1:1 PSNR in dB of held-out frames, the mean of the decoded frames around in their place",
    "inside": "PSNR in dB inside the mask",
    "outside": "PSNR in dB outside of the mask",
}
"""What can be compared, and what the table calls it."""
_NEEDED = {
    **dict.fromkeys(("between", "repeated", "averaged"), "held_out"), **dict.fromkeys(("inside", "outside"), "mask")
}  # fmt: skip
"""Options of clips without which there are no such numbers."""

_NUMBER = (int, float)
_OPTIONS = {
    "preset": str, "domain": str, "params": int, "segment": int, "seek": int, "steps": int, "mask": str,
    "held_out": bool, "crop": str,
    **dict.fromkeys((*TARGETS, "epochs", "max_time_s"), _NUMBER),
}  # fmt: skip
_OF_STUDIES = ("params", "steps", "epochs", "held_out")
"""What a study calls by another name, or counts in its own way; all else is an option of the codec's."""
_MAY_BE_ZERO = {"crf", "seek"}
_CLIP = {"file": str, "name": str, "frames": int, **_OPTIONS}
_CONFIGURATION = {
    "name": str, "model": str, "recipe": str, "config": str, "set": dict, "scale": _NUMBER, "layers": list,
    "joint": bool, "paper": dict,
}  # fmt: skip
_STUDY = {
    "source": str, "reference": str, "metrics": list, "seeds": list, "equal_time": bool, "options": dict, "set": dict,
    "clips_from": str, "clips": list, "configurations": list,
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Clip:
    """A video of the study."""

    name: str
    """In the table and in file names."""
    file: str
    """Relative to the folder of clips, or to the repository."""
    frames: int
    options: dict[str, Any]
    """What an encode of it is told, the study's own options included."""

    @property
    def is_held_out(self) -> bool:
        """Whether every second frame is kept from the fit, to be drawn from the file."""
        return bool(self.options.get("held_out"))

    @property
    def fitted_frames(self) -> int:
        """Frames that the fit sees."""
        return (self.frames + 1) // 2 if self.is_held_out else self.frames


@dataclass(frozen=True)
class Configuration:
    """A row of the table."""

    name: str
    model: str
    recipe: str | None
    """What of a paper's it is to be; then its epochs hold where a clip has no budget."""
    settings: dict[str, object]
    """Dotted keys of fit, loss and model, the study's own included."""
    scale: float
    """Multiplies the clip's parameters and size: rows that compare sizes."""
    layers: tuple[float, ...]
    """Enhancement layers, each in units of the base's parameters and bits; base and layers have the clip's together."""
    joint: bool
    """Whether base and layers are fitted at once, not one after the other."""
    paper: dict[str, Any]
    """The paper's numbers for this row, by what they are."""
    not_built: str | None
    """What of it this version of the codec lacks; None when it can run."""

    def epochs(self, clip: Clip) -> float | None:
        """The clip's budget; None where it is one in seconds."""
        if "steps" in clip.options:
            batch = int(str(self.settings.get("fit.batch", 1)))
            return float(clip.options["steps"] * batch / clip.fitted_frames)
        return float(clip.options["epochs"]) if "epochs" in clip.options else None

    def options(self, clip: Clip, seed: int = 0, epochs: float | None = None) -> EncodeOptions:
        """What an encode of a clip is told.

        Raises:
            UsageError: A value is none.
        """
        told: dict[str, Any] = {key: value for key, value in clip.options.items() if key not in _OF_STUDIES}
        told |= {key: value * self._share(1) for key, value in told.items() if key in SIZES}
        if "params" in clip.options:
            told["parameters"] = max(1, round(clip.options["params"] * self._share(1)))
        told |= {
            "model": self.model,
            "settings": suiting(self.settings, OF_FILES),
            "frames": clip.fitted_frames,
            "recipe": self.recipe,
        }
        return changed(EncodeOptions(), {**told, "seed": seed, "epochs": epochs})

    def layer_options(self, clip: Clip, number: int, base: EncodeOptions) -> EncodeOptions:
        """What one of the layers is told, 1 and up; later ones have half of the epochs, as in QS-NeRV.

        Raises:
            UsageError: A value is none.
        """
        told: dict[str, Any] = {
            "preset": base.preset,
            "seed": base.seed,
            "device": base.device,
            "threads": base.threads,
        }
        if base.epochs is not None:
            told["epochs"] = base.epochs if number == 1 else base.epochs / 2
        share = self._share(self.layers[number - 1])
        if "params" in clip.options:
            told["parameters"] = max(1, round(clip.options["params"] * share))
        if "bpp" in clip.options:
            told["bpp"] = clip.options["bpp"] * share
        settings = {**suiting(base.settings, OF_LAYERS), **suiting(self.settings, OF_LAYERS)}
        return changed(EncodeOptions(), {**told, "settings": settings})

    def _share(self, part: float) -> float:
        """What multiplies the clip's numbers for a part that is so large in units of the base."""
        return self.scale * part / (1 + sum(self.layers))


@dataclass(frozen=True)
class Study:
    """Every configuration on every clip with every seed."""

    name: str
    source: str
    """Paper and table."""
    reference: str
    """The configuration that the others are compared with."""
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    equal_time: bool
    """Give every configuration the steps that take as long as the reference's."""
    clips: tuple[Clip, ...]
    configurations: tuple[Configuration, ...]

    def configuration(self, name: str) -> Configuration:
        """The configuration of this name.

        Raises:
            UsageError: There is none.
        """
        names = [configuration.name for configuration in self.configurations]
        if name not in names:
            raise UsageError(f"study {self.name} has no configuration {name!r}", f"It has: {', '.join(names)}")
        return self.configurations[names.index(name)]


def load_study(path: Path) -> Study:
    """Read a study.

    Raises:
        InputError: A file cannot be read.
        UsageError: The study makes no sense: unknown keys, wrong values, no budget.
    """
    content = read_toml(path)
    try:
        return _study(path, content)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        InputError: It cannot be read.
        UsageError: It is no TOML.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return content
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from None


def _study(path: Path, content: dict[str, Any]) -> Study:
    _check(content, _STUDY, "the study")
    _require(content, ("source", "reference", "configurations"), "the study")
    common = content.get("options", {})
    _check(common, _OPTIONS, "[options]")
    clips = tuple(_clip(table, common) for table in _clip_tables(path.parent, content))
    rows = tuple(_configuration(path.parent, table, content.get("set", {})) for table in content["configurations"])
    _check_names("clips", clips)
    _check_names("configurations", rows)
    default = "rgb" if common.get("domain") == "rgb" else "yuv_611"
    study = Study(
        name=path.stem,
        source=content["source"],
        reference=content["reference"],
        metrics=tuple(content.get("metrics", [default])),
        seeds=tuple(content.get("seeds", [0])),
        equal_time=content.get("equal_time", False),
        clips=clips,
        configurations=rows,
    )
    study.configuration(study.reference)
    for metric in study.metrics:
        if not isinstance(metric, str) or metric not in METRICS:
            raise UsageError(f"no metric is called {metric!r}", f"Metrics: {', '.join(METRICS)}")
        lacking = [clip.name for clip in study.clips if metric in _NEEDED and not clip.options.get(_NEEDED[metric])]
        if lacking:
            raise UsageError(f"the metric {metric} needs {_NEEDED[metric]}, which clip {lacking[0]} does not have")
    if not all(isinstance(seed, int) and seed >= 0 for seed in study.seeds) or not study.seeds:
        raise UsageError(f"seeds must be whole numbers, not {list(study.seeds)}")
    if study.equal_time and any("max_time_s" in clip.options for clip in clips):
        raise UsageError("equal_time and max_time_s are two ways to the same end; choose one")
    for clip in study.clips:
        if clip.is_held_out and (study.equal_time or "seek" in clip.options):
            other = "equal_time" if study.equal_time else "seek"
            raise UsageError(f"clip {clip.name} has held_out, which does not go with {other}", "Leave one of them out")
    for row in study.configurations:
        _check_layers(study, row)
    for row in study.configurations:
        if row.not_built is None:
            _check_encodes(study, row)
    return study


def _check_layers(study: Study, row: Configuration) -> None:
    """Refuse layers that could not be fitted as the row says."""
    if row.joint and not (row.layers and row.settings.get("fit.fixed_bits")):
        raise UsageError(f"configuration {row.name} is joint, which needs layers and fit.fixed_bits")
    if row.layers and (study.equal_time or any(clip.is_held_out for clip in study.clips)):
        raise UsageError(f"configuration {row.name} has layers, which do not go with equal_time or held_out")


def _check_encodes(study: Study, row: Configuration) -> None:
    """Refuse what the codec would refuse, and a budget that it has no word for."""
    budgeted = study.configuration(study.reference) if study.equal_time else row
    for clip in study.clips:
        if row.recipe is None and not clip.options.keys() & set(BUDGETS):
            raise UsageError(f"clip {clip.file} has no budget", f"Give one of: {', '.join(BUDGETS)}")
        try:
            base = row.options(clip, epochs=row.epochs(clip))
            check(base)
            for number in range(1, len(row.layers) + 1):
                check(row.layer_options(clip, number, base), layer=True)
        except UsageError as error:
            raise UsageError(f"configuration {row.name} on clip {clip.name}: {error.message}", error.hint) from None
        if "steps" in clip.options and by_name(budgeted.model).settings.keyed:
            raise UsageError(
                f"clip {clip.name} has steps, of which each is as many frames as {budgeted.model} draws at once",
                "Give epochs or max_time_s instead",
            )


def _clip_tables(folder: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    """The clips of the study, or of the file that several studies share."""
    if ("clips" in content) == ("clips_from" in content):
        raise UsageError("the study needs either clips or clips_from")
    if "clips_from" in content:
        content = read_toml(folder / content["clips_from"])
        _check(content, {"clips": list}, "clips_from")
        _require(content, ("clips",), "clips_from")
    tables: list[dict[str, Any]] = content["clips"]
    return tables


def _clip(table: dict[str, Any], common: Mapping[str, Any]) -> Clip:
    _check(table, _CLIP, "a clip")
    _require(table, ("file", "frames"), "a clip")
    options = dict(common)
    own = {key: value for key, value in table.items() if key in _OPTIONS}
    for group in (TARGETS, BUDGETS):
        given = [key for key in group if key in own]
        if given:  # a clip's target or budget replaces the study's, whatever kind that is
            options = {key: value for key, value in options.items() if key not in group}
        if len([key for key in group if key in {**options, **own}]) > 1:
            raise UsageError(f"clip {table['file']} has more than one of {', '.join(group)}", "Choose one")
    options |= own
    return Clip(table.get("name", PurePosixPath(table["file"]).stem), table["file"], table["frames"], options)


def _configuration(folder: Path, table: dict[str, Any], common: Mapping[str, Any]) -> Configuration:
    _check(table, _CONFIGURATION, "a configuration")
    _require(table, ("name",), "a configuration")
    name, model, of_paper = table["name"], table.get("model", "msnerv"), table.get("recipe")
    if of_paper in RECIPES:
        model = recipe(of_paper).model
    of_file: dict[str, Any] = {}
    if "config" in table:
        of_file = read_toml(folder / table["config"])
        if loose := [key for key, value in of_file.items() if not isinstance(value, dict)]:
            raise UsageError(f"{table['config']} sets {loose[0]!r}, which is no setting", "Put it under [options]")
    settings = {**flatten(common), **flatten(of_file), **flatten(table.get("set", {}))}
    layers = table.get("layers", [])
    if not all(isinstance(part, _NUMBER) and not isinstance(part, bool) and part > 0 for part in layers):
        raise UsageError(f"layers of {name} must be numbers above 0, not {layers}")
    return Configuration(
        name,
        model,
        of_paper,
        settings,
        float(table.get("scale", 1)),
        tuple(map(float, layers)),
        table.get("joint", False),
        table.get("paper", {}),
        _not_built(model, settings),
    )


def _not_built(model: str, settings: Mapping[str, object]) -> str | None:
    """What a configuration needs and this version lacks: its model, or a setting."""
    if model not in [known.name for known in MODELS]:
        return f"no model is called {model!r}"
    try:
        settings_for(changed(EncodeOptions(), {"model": model, "settings": settings}))
    except UsageError as error:
        if error.message.startswith("no setting is called"):
            return f"{error.message}. {error.hint}" if error.hint.startswith("Did you mean") else error.message
    return None


def _check(table: Any, allowed: Mapping[str, Any], where: str) -> None:
    """Refuse keys that mean nothing, and values of another type."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, not {table!r}")
    for key, value in table.items():
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(allowed)}"
            raise UsageError(f"{where} has no key {key!r}", hint)
        fits = isinstance(value, allowed[key]) and (allowed[key] is bool or not isinstance(value, bool))
        small = isinstance(value, _NUMBER) and allowed[key] is not bool and value <= 0
        if not fits or (small and key not in _MAY_BE_ZERO):
            raise UsageError(f"{key} of {where} cannot be {value!r}")


def _require(table: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in keys:
        if not table.get(key):
            raise UsageError(f"{where} needs the key {key!r}")


def _check_names(kind: str, named: tuple[Clip, ...] | tuple[Configuration, ...]) -> None:
    names = [one.name for one in named]
    for name in names:
        if not _NAME.fullmatch(name) or "--" in name:
            raise UsageError(f"{name!r} cannot be part of a file name", "Use letters, digits, '_', '-' and '.'")
        if names.count(name) > 1:
            raise UsageError(f"two {kind} are called {name!r}", "Give each a name of its own")
