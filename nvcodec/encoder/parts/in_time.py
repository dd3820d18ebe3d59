"""What a user should know of a time before a fit begins in it; where there is too little, none begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvcodec.encoder.fit.events import Notice
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.plan.pace import LEAST_SHARE, time_for
from nvcodec.errors import UsageError
from nvcodec.io.saying import duration

if TYPE_CHECKING:
    from nvcodec.encoder.parts.part import Part

_STEPS = 2


def begin_measuring(part: Part) -> None:
    """Say why nothing else is said for a while, where there is a deadline."""
    if part.context.deadline is not None and part.index == 0:
        part.context.on_event(Notice("measuring what this machine can do in the time"))


def tried_in_time(part: Part, deadline: Deadline) -> str | None:
    """Try some steps of a part that is chosen, see :func:`said_of_time`.

    Raises:
        UsageError: There is too little time.
    """
    step_s = max(part.probe(_STEPS, part.clock) * part.crowding, 1e-9)
    return said_of_time(part, deadline, step_s, part.time_for_fit(deadline))


def said_of_time(part: Part, deadline: Deadline, step_s: float, fit_s: float) -> str | None:
    """What there is to say where a time is short.

    Args:
        part: What is to be fitted.
        deadline: When all must be over.
        step_s: Seconds of a step.
        fit_s: Seconds that are left for the fit of the part.

    Raises:
        UsageError: Nothing would be learned, or all would be over much later.
    """
    steps, least, closing_s = fit_s / step_s, part.least_steps, part.closing_s()
    is_late = deadline.is_late(closing_s)
    if steps >= least and not is_late:
        return None
    fits_s = least * step_s * part.pixels_left / part.pixels
    asked, enough = duration(deadline.seconds), time_for(deadline.enough_for(fits_s, closing_s))
    if is_late or steps < LEAST_SHARE * least:
        why = (
            "all but the fit takes longer" if is_late else f"about {steps:,.0f} of the {least:,} steps that a fit needs"
        )
        raise UsageError(
            f"{asked} is too short for {part.pictures}: {why}",
            f"This machine needs, at present:  --max-time {enough}",
        )
    return (
        f"{asked} is short for {part.pictures}: about {steps:,.0f} of the {least:,} steps that a fit needs. "
        f"What is worth watching takes:  --max-time {enough}"
    )
