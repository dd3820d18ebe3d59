"""One run, from wherever an earlier process left it to its result on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.ablation.runs import Place, Run
from benchmarks.ablation.store import Store
from nvcodec import api
from nvcodec.encoder.events import Event, Notice, Step

_LINE_EVERY_S = 30.0


def execute(
    run: Run, place: Place, store: Store, log: Callable[[str], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Encode a run, or go on with its encode, and keep the result.

    Args:
        run: What to encode.
        place: The clip, the device, the threads.
        store: Where results are kept.
        log: Hears of progress, line by line.
        should_stop: Asked between steps; true ends the encode, resumably.

    Returns:
        The result as JSON (schema ``nvc-encode/1``).

    Raises:
        NvcError: As :func:`nvcodec.encode`.
    """
    watch = _Watch(log, str(place.source))
    how: dict[str, Any] = {"overwrite": True, "on_event": watch, "should_stop": should_stop}
    job, work_dir = store.begin(run, place), store.path(run, ".work")
    if job is not None:
        log("  goes on where it was stopped")
        result = api.resume(work_dir, **how)
    else:
        arguments = {**run.arguments(), "device": place.device, "threads": place.threads}
        result = api.encode(place.source, store.path(run, ".nvc"), work_dir=work_dir, **arguments, **how)
    plain = result.to_json()
    step_s = 1 / watch.steps_per_s if watch.steps_per_s else result.encode_s / result.fit_steps
    timing = {"encode_s": result.encode_s, "fit_steps": result.fit_steps, "step_s": step_s}
    store.finish(run, place, plain, timing)
    return plain


class _Watch:
    """Turns the events of an encode into lines, and remembers its speed."""

    def __init__(self, log: Callable[[str], None], source: str) -> None:
        self.log, self.source, self.steps_per_s, self._said = log, source, 0.0, time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            if not event.message.startswith(self.source):  # what it is, which every run would repeat
                self.log(f"  {event.message}")
        elif isinstance(event, Step):
            self.steps_per_s = event.steps_per_s
            if time.monotonic() - self._said > _LINE_EVERY_S:
                self._said = time.monotonic()
                self.log(f"  {event.progress:4.0%}  {event.psnr_db:.2f} dB  about {event.eta_s:.0f} s left")
