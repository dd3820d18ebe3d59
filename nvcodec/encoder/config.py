"""Everything an encode can be told, as data. Presets fill these in, the command line overrides them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from nvcodec.types import Domain


class Rounding(Enum):
    """How the fit sees its own quantisation."""

    NONE = "none"
    """Not at all: weights are floats."""
    HARD = "hard"
    """Rounded as in the file; gradients pass straight through."""


@dataclass(frozen=True)
class Stage:
    """A stretch of the schedule."""

    name: str
    until: float
    """Progress at which the stage ends, 0..1."""
    rounding: Rounding


@dataclass(frozen=True)
class LossConfig:
    """Distortion to minimise."""

    kind: str = "psnr"
    """``psnr``: the metric itself; ``adaptive``: MSNeRV's scale-adaptive MSE + L1 + MS-SSIM (section 3.2.3);
    ``hinerv``: 0.7 L1 + 0.3 (1 - MS-SSIM); ``ssim``: MSE and MS-SSIM in equal parts of the gradient."""
    multi_resolution: bool = False
    """Supervise every block's output with max-pooled targets through heads that are never stored (section 3.2.1)."""
    high_frequency: bool = False
    """Add the high-passed error to the target (section 3.2.2, equation 5)."""
    auxiliary_until: float = 0.5
    """Progress at which the two terms above have faded to nothing, so that the end optimises the metric alone."""

    def __post_init__(self) -> None:
        if self.kind not in ("psnr", "adaptive", "hinerv", "ssim"):
            raise ValueError(f"loss.kind must be psnr, adaptive, hinerv or ssim, not {self.kind!r}")


@dataclass(frozen=True)
class FitConfig:
    """The optimiser and its schedule."""

    learning_rate: float = 8e-3
    warmup: float = 0.03
    """Share of the schedule in which the learning rate rises linearly."""
    final_learning_rate: float = 0.01
    """Learning rate at the end, in units of the peak; cosine in between."""
    clip_norm: float = 1.0
    batch: int = 1
    """Frames per step."""
    step_rate_factor: float = 10.0
    """Learning rate of the quantiser's log-steps in units of the parameters'."""
    first_step_log2: float = -7.0
    """Quantiser steps start at two to this power: fine, so that early noise harms nothing."""
    rate_from: float = 0.05
    """Progress at which the rate enters the loss."""
    rate_reached: float = 0.4
    """Progress at which the rate has come down to its target."""
    rate_every: int = 4
    """The rate is evaluated on every n-th step and weighs n times as much."""
    stages: tuple[Stage, ...] = (
        Stage("fit", 0.05, Rounding.NONE),
        Stage("round", 1.0, Rounding.HARD),
    )
    companion_until: float = 0.0
    """Progress until which a network that is never stored fills the field's per-frame values, where the model has such
    a network (HNeRV's content encoder); 0: those values are trained like all others."""
    fixed_bits: int = 0
    """For comparison, code as HiNeRV and MSNeRV do: no rate in the loss, values rounded to so many bits in the last
    fifth of the schedule, steps from the largest magnitude in each row; the file is as large as it comes. 0: off."""

    @property
    def schedule(self) -> tuple[Stage, ...]:
        """The stages that are gone through."""
        if self.fixed_bits:
            return Stage("fit", 0.8, Rounding.NONE), Stage("round", 1.0, Rounding.HARD)
        return self.stages

    def __post_init__(self) -> None:
        for name in ("batch", "rate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"fit.{name} must be at least 1, not {getattr(self, name)}")
        if not (self.fixed_bits == 0 or 2 <= self.fixed_bits <= 12):
            raise ValueError(f"fit.fixed_bits must be 0 or 2 to 12, not {self.fixed_bits}")
        if not 0 <= self.companion_until <= 0.8:  # where the best state begins to be looked for
            raise ValueError(f"fit.companion_until must be 0 to 0.8, not {self.companion_until}")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"fit.{name} must be a number above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class EncodeConfig:
    """Everything about an encode that is neither the source nor the rate."""

    preset: str = "faster"
    domain: Domain | None = None
    """Coding domain; None = that of the source."""
    parameters: int | None = None
    """Size of the network; None = by rule from the target."""
    segment: int | None = None
    """Frames per independent segment; None = the whole clip is one."""
    fit: FitConfig = FitConfig()
    loss: LossConfig = LossConfig()
    model: dict[str, object] = field(default_factory=dict)
    """Fields of the model's configuration to set instead of the rule's."""
    epochs: float | None = None
    """Passes over the clip; None = the preset's."""
    max_time_s: float | None = None
    """Plan the whole encode to end after this many seconds; replaces the epochs."""
    seed: int = 0
    threads: int = 1
    """CPU threads; on a CPU the same seed and number of threads give the same bytes."""
    device: str = "cpu"
