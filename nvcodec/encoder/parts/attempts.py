"""Networks tried on this machine, a step of each, until one can be fitted in the time there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.parts.in_time import said_of_time
from nvcodec.encoder.plan.memory import activation_bytes
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.plan.pace import quickest_first, smallest_size, suited, useful_parameters
from nvcodec.encoder.plan.plan import Plan
from nvcodec.encoder.plan.sizing import Shape
from nvcodec.models.config import FieldConfig

if TYPE_CHECKING:
    from nvcodec.encoder.parts.segment import SegmentPart

_STEPS = 2


@dataclass(frozen=True)
class Attempt:
    """A network, and what the time allows of it."""

    plan: Plan
    parameters: int
    step_s: float
    fit_s: float
    """What is left for the fit of this part."""

    @property
    def steps(self) -> float:
        """Steps that fit into it."""
        return self.fit_s / self.step_s


class Attempts:
    """What was tried for a part.

    Args:
        part: The part; its fit is that of the last attempt.
        deadline: When all must be over.
        should_stop: Asked before each attempt.
    """

    def __init__(self, part: SegmentPart, deadline: Deadline, should_stop: Callable[[], bool]) -> None:
        self.part, self.deadline, self.should_stop = part, deadline, should_stop
        self.asked, self.video = part.plan, part.clip.format
        self.made: dict[FieldConfig, Attempt] = {}

    def planned(self) -> Attempt:
        """The network that was planned."""
        return self._try(self.asked)

    def best(self) -> Attempt:
        """The network for the time: as large as it can be fitted, and drawn as by the slowest preset that it allows.

        Raises:
            StopRequested: ``should_stop`` returned true.
        """
        presets = quickest_first(ROWS[self.asked.model.name].presets, self.asked.preset.name)
        found = self._sized(presets[0])
        for slower in presets[1:]:
            alike = self.asked.resized(self.video, slower, found.parameters)
            # not even a step of what is far too slow
            if found.steps * self._effort(found.plan) / self._effort(alike) < self.part.least_steps:
                break
            tried = self._sized(slower)
            if tried.steps < self.part.least_steps:
                break
            found = tried
        return found

    def said_of(self, tried: Attempt) -> list[str]:
        """What the user should know before the fit of an attempt begins.

        Raises:
            UsageError: There is no time for any picture.
        """
        options, said = self.part.job.options, []
        wanted = self.asked.parameters_for_bits(tried.plan.preset)
        if tried.plan.preset.name != self.asked.preset.name:
            said.append(
                f"--preset {self.asked.preset.name} has no time to learn here: the network is one of "
                f"--preset {tried.plan.preset.name}"
            )
        short = said_of_time(self.part, self.deadline, tried.step_s, tried.fit_s)
        if short is not None:
            said.append(short)
        elif options.parameters is not None:
            if tried.parameters > 2 * useful_parameters(tried.steps):
                said.append(
                    f"{tried.parameters:,} parameters cannot be fitted in about {tried.steps:,.0f} steps: "
                    f"{useful_parameters(tried.steps):,} would give better pictures"
                )
        elif tried.parameters < wanted / 2:
            said.append(
                f"the time is enough for {tried.parameters:,} parameters; the bits asked for would allow {wanted:,}, "
                "and will not all be used"
            )
        return said

    def _sized(self, preset: Shape) -> Attempt:
        """The largest network of a preset that can be fitted."""

        def attempt(parameters: int) -> Attempt:
            return self._try(self.asked.resized(self.video, preset, parameters))

        wanted = self.asked.parameters_for_bits(preset)
        return suited(wanted, smallest_size(self.video.height, self.video.width), attempt)

    def _try(self, plan: Plan) -> Attempt:
        assert isinstance(plan.network, FieldConfig)
        if plan.network not in self.made:
            if self.should_stop():
                raise StopRequested
            self.part.begin(plan)
            step_s = self.part.probe(_STEPS, self.part.clock)
            fit_s = self.part.time_for_fit(self.deadline)
            step_s = max(step_s * self.part.crowding, 1e-9)
            self.made[plan.network] = Attempt(plan, self.part.parameters, step_s, fit_s)
        return self.made[plan.network]

    def _effort(self, plan: Plan) -> int:
        """What a step takes, roughly, in a unit that all networks share."""
        assert isinstance(plan.network, FieldConfig)
        return activation_bytes(plan.network, plan.geometry(self.part.span, self.video))
