"""How a network is fitted, as data: what ``--set`` and the tables of a TOML file change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from nvcodec.config.kinds import MOST_FRAMES
from nvcodec.errors import shown

MAX_GOPS = 255
"""Groups of pictures that an encode may be asked for; a file may hold more."""
MAX_KEY_GROUP = 1024
"""Key frames of a group that an encode may be asked for; a file may hold more."""


_Ranges = Mapping[str, tuple[float, float]]
"""Least and largest value of fields, by name."""
_LOOKED_FOR = 0.8
"""Progress from which the best state is looked for: by then nothing else may change."""
_FIT_RANGES: _Ranges = {
    "learning_rate": (1e-9, 10),
    "warmup": (0, 1),
    "final_learning_rate": (0, 1),
    "clip_norm": (1e-9, 1e9),
    "batch": (1, 4096),
    "weight_decay": (0, 1),
    "step_rate_factor": (0, 1000),
    "first_step_log2": (-17, 1),
    "rate_from": (0, 1),
    "rate_reached": (0, 1),
    "rate_every": (1, 1_000_000),
    "warmup_from": (0, 1),
    "fixed_rate": (0, 1),
    "companion_until": (0, 1),
    "companion_weight": (0, 1000),
    "fixed_from": (0, 1),
}
_GOP_RANGES: _Ranges = {
    "count": (1, MAX_GOPS),
    "min_length": (0, MOST_FRAMES),
    "length": (1, MOST_FRAMES),
    "together_until": (0, _LOOKED_FOR),
}
_LOSS_RANGES: _Ranges = {
    "alpha": (0, 1000),
    "structure_from": (0, 1),
    "auxiliary_until": (0, 1),
    "fill": (0, 1),
    "dots": (0, 1000),
}
_LOSS_WORDS: Mapping[str, tuple[str, ...]] = {
    "kind": ("psnr", "adaptive", "hinerv", "ssim", "l1", "l1_ssim", "l1_ms_ssim"),
    "downsampling": ("max", "average", "direct", "bicubic"),
}
"""What fields may be, by name."""


def _check_ranges(group: str, config: object, ranges: _Ranges) -> None:
    for name, (low, high) in ranges.items():
        if not low <= getattr(config, name) <= high:  # what is no number lies in no range
            raise ValueError(f"{group}.{name} must be {low:.10g} to {high:.10g}, not {getattr(config, name)}")


class Optimiser(Enum):
    """What moves the parameters."""

    MUON = "muon"
    """Kernels, as matrices, by their momentum with all singular values made equal; all else by Adam. Not of a paper
    that is here, and better than what they use: 1 to 2 dB at equal steps."""
    ADAM = "adam"
    """Adam (Kingma and Ba, 2015) for everything."""
    ADAMW = "adamw"
    """AdamW (Loshchilov and Hutter, 2019) for everything."""


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


class Partition(Enum):
    """How groups of pictures are found."""

    EXACT = "exact"
    """The boundaries at which the content changes most, by dynamic programme."""
    GREEDY = "greedy"
    """Algorithm 1 of TeNeRV."""
    UNIFORM = "uniform"
    """Groups of equal length, ``count`` of them."""
    FIXED = "fixed"
    """Groups of ``length`` frames, the last one shorter."""


@dataclass(frozen=True)
class GopConfig:
    """Groups of pictures inside a segment, for models that have parameters of their own for each."""

    partition: Partition = Partition.UNIFORM
    count: int = 2
    """How many; fewer where they would be shorter than ``min_length``."""
    min_length: int = 0
    """Frames of the shortest group; 0 = by rule: half of the mean length, but at least 8."""
    length: int = 32
    """Frames of each group where the partition is ``fixed``."""
    together_until: float = 0.1
    """Progress until which all frames share one set of the parameters that groups then have for themselves (TeNeRV's
    holistic stage). Where the content decides, that is when it is looked at."""

    def __post_init__(self) -> None:
        _check_ranges("gop", self, _GOP_RANGES)
        if self.partition in (Partition.EXACT, Partition.GREEDY) and self.together_until == 0:
            raise ValueError(f"gop.partition {self.partition.value} looks at the content at gop.together_until: not 0")


class LayerShape(Enum):
    """How the widths and kernels of an enhancement layer go from its coarsest level to its finest."""

    EVEN = "even"
    """Equal widths; 5x5 at the two finest levels, smaller ones before."""
    HNERV = "hnerv"
    """As in HNeRV and QS-NeRV: each level has 1/1.2 of the channels of the one before, kernels are 1, 3, 5, 5, ..."""


@dataclass(frozen=True)
class LayerConfig:
    """The network of an enhancement layer."""

    shape: LayerShape = LayerShape.EVEN
    grid: bool = True
    """Whether it has a grid of its own beside the embedding of the base, where there is room for one; QS-NeRV's have
    none."""
    multi_scale: bool = False
    """Whether its attention is QS-NeRV's, see :class:`nvcodec.models.een_config.EENConfig`."""
    epochs: float = 0.0
    """Passes over the clip of the first layer; later ones, which start from it, have half as many. 300 in QS-NeRV;
    0: by the preset. Not used where ``--epochs`` says it."""

    def __post_init__(self) -> None:
        _check_ranges("layer", self, {"epochs": (0, 1_000_000)})


@dataclass(frozen=True)
class KeyFrameConfig:
    """Coded key frames, for models that draw what lies between them."""

    group: int = 64
    """Key frames from one that is coded alone to the next (a closed GoP of their codec): what a decoder decodes to get
    at any of them. 1 = stills."""

    def __post_init__(self) -> None:
        _check_ranges("keys", self, {"group": (1, MAX_KEY_GROUP)})


@dataclass(frozen=True)
class LossConfig:
    """Distortion to minimise."""

    kind: str = "psnr"
    """``psnr``: the metric itself; ``adaptive``: MSNeRV's scale-adaptive MSE + L1 + MS-SSIM (section 3.2.3);
    ``hinerv``: 0.7 L1 + 0.3 (1 - MS-SSIM); ``ssim``: MSE and MS-SSIM in equal parts of the gradient; ``l1``: the mean
    absolute error; ``l1_ssim``: L1 + ``alpha`` (1 - SSIM) (D-NeRV equation 9); ``l1_ms_ssim``: the same with MS-SSIM
    (TeNeRV section IV-A)."""
    alpha: float = 3 / 7
    """What 1 - SSIM counts for beside an L1 of weight 1. D-NeRV and TeNeRV give no number: this is the 0.7 and 0.3 of
    NeRV and of HiNeRV."""
    structure_from: float = 0.0
    """Progress from which SSIM or MS-SSIM is part of the loss; the rest of it is all there is before. TeNeRV: 0.1, 30
    of 300 epochs."""
    multi_resolution: bool = False
    """Supervise every block's output with smaller targets through heads that are never stored (section 3.2.1)."""
    downsampling: str = "max"
    """How those targets are made smaller (MSNeRV section C.1, Table 5): ``max`` and ``average`` over cells, ``direct``:
    the first sample of each, or ``bicubic``."""
    high_frequency: bool = False
    """Add the high-passed error to the target (section 3.2.2, equation 5)."""
    auxiliary_until: float = 0.5
    """Progress at which the two terms above are over, so that the end optimises the metric alone. The paper knows no
    such end: 1."""
    auxiliary_fades: bool = True
    """Whether their weight falls linearly until then; off: it is 1, as in the paper (equation 8)."""
    fill: float = 0.0
    """What masked samples are pulled with, 0 to 1, towards what stands in for them: their place in the nearest frame
    that shows it, or a continuation of what is around. 0: nothing is asked of them."""

    dots: float = 4.0
    """What an error counts for besides that comes back from place to place, where the head draws several samples per
    place: it is small, and looks like a grid of dots. 0: no more than any other."""

    def __post_init__(self) -> None:
        _check_ranges("loss", self, _LOSS_RANGES)
        for name, words in _LOSS_WORDS.items():
            if getattr(self, name) not in words:
                known = f"{', '.join(words[:-1])} or {words[-1]}"
                raise ValueError(f"loss.{name} must be {known}, not {shown(getattr(self, name))}")


@dataclass(frozen=True)
class FitConfig:
    """The optimiser and its schedule."""

    optimiser: Optimiser = Optimiser.MUON
    learning_rate: float = 8e-3
    """At its peak. Muon's is several times what Adam bears: papers that use Adam have 5e-4 to 2e-3."""
    betas: tuple[float, ...] = (0.9, 0.99)
    """How much of the mean and of the mean square of gradients Adam keeps from step to step; most papers' is
    0.9, 0.999."""
    weight_decay: float = 0.01
    """AdamW's; nothing else has one."""
    warmup: float = 0.03
    """Share of the schedule in which the learning rate rises linearly."""
    warmup_from: float = 0.0
    """Where it rises from, in units of the peak; 0.1 in HNeRV."""
    cosine_from_warmup: bool = False
    """Whether the cosine begins when the warm-up ends, as in HNeRV and D-NeRV, so that the peak is reached; else it
    begins with the schedule, and the warm-up takes away from it."""
    final_learning_rate: float = 0.01
    """Learning rate at the end, in units of the peak; cosine in between."""
    clip_norm: float = 1.0
    batch: int = 1
    """Frames per step; of ``dnerv`` clips of frames, or tiles of them, of whichever videos."""
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
    a network (HNeRV's content encoder); 0: those values are trained like all others, 1: it makes those of the file, as
    in HNeRV and QS-NeRV. Up to 0.8 otherwise, and its own loss fades to nothing by then."""
    companion_weight: float = 1e-3
    """Of that network's own loss, the distribution loss of QS-NeRV (section 4.2), a mean over values; 1 in the
    paper."""
    branches: bool = False
    """Whether convolutions in the blocks of QS-NeRV, and of layers on any model, are fitted as several of different
    sizes side by side, merged into the one kernel of the file (QS-NeRV, Figure 3)."""
    fixed_bits: int = 0
    """For comparison, code as the papers do: no rate in the loss, values rounded to so many bits from ``fixed_from``
    on, steps from the largest magnitude in each row; the file is as large as it comes. 0: off."""
    fixed_from: float = 0.8
    """Progress from which ``fixed_bits`` rounds. MSNeRV's and TeNeRV's 30 epochs behind 300 are 0.909; 1: values are
    rounded when all is fitted, as HNeRV and QS-NeRV do."""
    fixed_rate: float = 0.0
    """Where the learning rate is when ``fixed_bits`` begin to round, in units of the peak: a cosine of its own falls
    from there, and the first one ends before it (0.1 in HiNeRV). 0: there is one cosine for all."""

    @property
    def schedule(self) -> tuple[Stage, ...]:
        """The stages that are gone through."""
        if self.fixed_bits:
            return Stage("fit", self.fixed_from, Rounding.NONE), Stage("round", 1.0, Rounding.HARD)
        return self.stages

    def __post_init__(self) -> None:
        _check_ranges("fit", self, _FIT_RANGES)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"fit.betas must be two numbers of 0 to below 1, not {shown(self.betas)}")
        if _LOOKED_FOR < self.companion_until < 1:
            raise ValueError(
                f"fit.companion_until must be 0 to {_LOOKED_FOR:g}, or 1 for all of the fit, not {self.companion_until}"
            )
        if not (self.fixed_bits == 0 or 2 <= self.fixed_bits <= 12):
            raise ValueError(f"fit.fixed_bits must be 0 or 2 to 12, not {self.fixed_bits}")


@dataclass(frozen=True)
class Settings:
    """Everything that ``--set`` can change, by group."""

    fit: FitConfig = FitConfig()
    loss: LossConfig = LossConfig()
    gop: GopConfig = GopConfig()
    keys: KeyFrameConfig = KeyFrameConfig()
    layer: LayerConfig = LayerConfig()
    model: Mapping[str, object] = field(default_factory=dict)
    """Fields of the model's configuration to set instead of the rule's."""
