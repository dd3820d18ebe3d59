"""The state of a running fit as arrays, and back: what a resume file holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.guard import Safe
from nvcodec.encoder.fit.kept import Best, Kept
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.errors import InputError

_OPTIMISER = "optimiser."


def save(fit: Fit) -> State:
    """Everything needed to continue a fit as if it had never stopped."""
    fit.clerk.collect()
    tensors = {
        "vector": fit.flat.vector,
        "log2_steps": fit.quantiser.log2_steps,
        "random": torch.get_rng_state(),
        "queue": torch.tensor(fit.order.waiting, dtype=torch.int64),
        "frame_errors": fit.frame_errors,
        "noted": fit.clip.noted,
        "gops": torch.tensor(fit.grouping.gops, dtype=torch.int64),
    }
    for index, parameter in enumerate(fit.distortion.parameters()):
        tensors[f"head.{index}"] = parameter
    for index, guide in enumerate(fit.guide.parameters()):
        tensors[f"guide.{index}"] = guide
    for index, branch in enumerate(fit.branches.parts):
        tensors[f"branch.{index}"] = branch
    tensors.update({f"{_OPTIMISER}{name}": value for name, value in fit.optimiser.state().items()})
    numbers = {
        "done_steps": fit.budget.done_steps,
        "done_seconds": fit.budget.elapsed,
        "planned_seconds": _or_nan(fit.budget.seconds),
        "calibrated": fit.calibrated,
        "steps_learned": fit.quantiser.log2_steps.requires_grad,
        "judged": fit.judged,
        "guided": fit.guide.active,
        "rated_at": fit.rated_at,
        "learning_rate_factor": fit.learning_rate_factor,
        "real_per_estimated": fit.real_per_estimated,
        "decoding_loss_db": fit.decoding_loss_db,
        "estimated_bits": _or_nan(fit.estimated_bits),
        **{f"rate.{index}": value for index, value in enumerate(fit.rate.state())},
    }
    if fit.best is not None:
        tensors.update({"best.vector": fit.best.vector, "best.log2_steps": fit.best.log2_steps})
        numbers.update({"best.error": fit.best.error, "best.bits": fit.best.bits})
    if fit.guard.safe is not None:
        numbers["safe.error"], (tensors["safe.vector"], tensors["safe.log2_steps"]) = fit.guard.safe
    arrays: State = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    arrays.update({name: np.float64(value) for name, value in numbers.items()})
    return arrays


def load(fit: Fit, arrays: State) -> None:
    """Continue from :func:`save`.

    Raises:
        InputError: The arrays belong to another fit, as planned by another version.
    """
    with matching():
        _load(fit, arrays)


@contextmanager
def matching() -> Iterator[None]:
    """Around reading a saved state: what does not suit it is not the state of this encode.

    Raises:
        InputError: It is not.
    """
    try:
        yield
    except (KeyError, RuntimeError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"the saved state does not fit this network ({type(error).__name__})",
            "It was saved by another version of nvc: delete its folder and start again",
        ) from None


def _load(fit: Fit, arrays: State) -> None:
    device = fit.flat.vector.device
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}

    def number(name: str) -> float:
        return float(arrays[name])

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"{name}.vector"].to(device), tensors[f"{name}.log2_steps"].to(device)

    with torch.no_grad():
        fit.flat.vector.copy_(tensors["vector"])
        fit.quantiser.log2_steps.copy_(tensors["log2_steps"])
        fit.frame_errors.copy_(tensors["frame_errors"])
        fit.clip.noted.copy_(tensors["noted"])
        for index, parameter in enumerate(fit.distortion.parameters()):
            parameter.copy_(tensors[f"head.{index}"])
        for index, guide in enumerate(fit.guide.parameters()):
            guide.copy_(tensors[f"guide.{index}"])
    fit.branches.load([tensors[f"branch.{index}"].to(device) for index in range(len(fit.branches.parts))])
    fit.guide.active = bool(number("guided"))
    fit.optimiser.load(
        {name.removeprefix(_OPTIMISER): value for name, value in tensors.items() if name.startswith(_OPTIMISER)}
    )
    fit.quantiser.log2_steps.requires_grad_(bool(number("steps_learned")))
    if gops := tuple(tensors["gops"].tolist()):
        fit.grouping.split(gops)
    fit.order.waiting = tensors["queue"].tolist()
    fit.budget.done_steps, fit.budget.done_seconds = int(number("done_steps")), number("done_seconds")
    fit.budget.seconds = _or_none(number("planned_seconds"))  # a new plan could throw the schedule back
    fit.calibrated, fit.judged, fit.rated_at = int(number("calibrated")), int(number("judged")), number("rated_at")
    fit.learning_rate_factor = number("learning_rate_factor")
    fit.real_per_estimated, fit.decoding_loss_db = number("real_per_estimated"), number("decoding_loss_db")
    fit.estimated_bits = _or_none(number("estimated_bits"))
    fit.rate.load([number(f"rate.{index}") for index in range(len(fit.rate.state()))])
    if "best.vector" in tensors:
        fit.best = Best(*pair("best"), number("best.error"), number("best.bits"))
    if "safe.vector" in tensors:
        fit.guard.safe = Safe(number("safe.error"), Kept(*pair("safe")))
    torch.set_rng_state(tensors["random"])


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
