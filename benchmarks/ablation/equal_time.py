"""Equal time: how long an epoch of each configuration takes, so that all can be given the time of the reference.

Switches that help at equal steps may not be worth the time they take. All configurations are timed in turn within one
process, so that what else the machine does hits all of them alike, and the measurement is kept: a study that is
continued, even elsewhere, goes on with the same numbers of steps. Epochs, because a step of one model may be a frame,
and that of another a clip of eight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ablation.runs import Place, Run
from benchmarks.ablation.store import check_identity, identity, read_json, write_json
from benchmarks.ablation.study import Clip, Configuration, Study
from nvcodec.errors import UsageError


@dataclass(frozen=True)
class Times:
    """The measurements of a study, by clip and configuration, in ``equal_time.json``."""

    study: Study
    path: Path

    def of(self, run: Run, place: Place | None) -> Run:
        """The run with the time of its epochs as far as it is known.

        Raises:
            UsageError: The time was measured with other settings.
        """
        if not self.study.equal_time:
            return run
        entries, reference = self._read().get(run.clip.name, {}), self._reference
        if run.configuration.name not in entries:
            return replace(run, time_ratio=None)
        for row in (reference, run.configuration):
            ours = self._identity(replace(run, configuration=row), place)
            check_identity(ours, entries[row.name]["run"] if row.name in entries else {}, self.path)
        return replace(run, time_ratio=entries[run.configuration.name]["ratio"])

    def measure(
        self,
        clip: Clip,
        configurations: Sequence[Configuration],
        place: Place,
        should_stop: Callable[[], bool],
    ) -> None:
        """Time configurations against the reference and keep the result.

        Raises:
            InterruptedEncodeError: ``should_stop`` returned true.
            UsageError: The reference is not built yet.
        """
        from benchmarks.ablation.step_time import rounds_of_epochs  # which needs torch

        reference = self._reference
        if reference.not_built is not None:
            raise UsageError(f"equal time needs the reference {reference.name}: {reference.not_built}")
        others = [configuration for configuration in configurations if configuration != reference]
        runs = [Run(self.study, configuration, clip, 0, None) for configuration in (reference, *others)]
        rounds = rounds_of_epochs(runs, place, should_stop)
        content = self._read()
        entries = content.setdefault(clip.name, {})
        for run, seconds in zip(runs, zip(*rounds, strict=True), strict=True):
            ratios = [mine / times[0] for mine, times in zip(seconds, rounds, strict=True)]
            entries[run.configuration.name] = {
                "ratio": round(median(ratios), 4),
                "epoch_s": median(seconds),
                "run": self._identity(run, place),
            }
        write_json(self.path, content)

    @property
    def _reference(self) -> Configuration:
        return self.study.configuration(self.study.reference)

    def _identity(self, run: Run, place: Place | None) -> dict[str, Any]:
        """What shapes the time of a run's epochs."""
        return {**identity(replace(run, time_ratio=None, seed=0), place), "reference": self.study.reference}

    def _read(self) -> dict[str, Any]:
        return read_json(self.path) if self.path.exists() else {}
