"""A study being run: what is due, in which order, and what to do when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ablation import table
from benchmarks.ablation.equal_time import Times
from benchmarks.ablation.execute import execute
from benchmarks.ablation.runs import Place, Run, find_clip
from benchmarks.ablation.store import Store, write_json, write_text
from benchmarks.ablation.study import Study
from nvcodec.errors import InputError, InterruptedEncodeError, NvcError

Log = Callable[[str], None]


@dataclass(frozen=True)
class Campaign:
    """A study in a folder."""

    study: Study
    folder: Path
    seeds: tuple[int, ...]
    only: frozenset[str] = frozenset()
    """Configurations to run; empty = all."""

    @property
    def store(self) -> Store:
        """The results."""
        return Store(self.folder)

    @property
    def times(self) -> Times:
        """What an epoch takes."""
        return Times(self.study, self.folder / "equal_time.json")

    def all_runs(self) -> list[Run]:
        """What can be run, in an order that makes a table of the first few useful: row by row, clip by clip."""
        return [
            Run(self.study, configuration, clip, seed)
            for seed in self.seeds
            for clip in self.study.clips
            for configuration in self.study.configurations
            if configuration.not_built is None
        ]

    def run(self, folders: list[Path], device: str, threads: int, log: Log, should_stop: Callable[[], bool]) -> int:
        """Do what is not done yet. A run that fails does not keep the others from running.

        Args:
            folders: Where clips are looked for.
            device: Where to encode.
            threads: CPU threads.
            log: Hears of progress, line by line.
            should_stop: Asked between steps; true ends the campaign.

        Returns:
            The exit code of the first failure, or 0.

        Raises:
            UsageError: What is in the folder was made with other settings; nothing has been run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        places, code = self._places(folders, device, threads, log)
        due = self._due(places)
        for number, run in enumerate(due, 1):
            log(f"[{number}/{len(due)}] {run.name}")
            place = places[run.clip.name]
            try:
                run = self._timed(run, place, log, should_stop)
                result = execute(run, place, self.store, log, should_stop)
            except InterruptedEncodeError as stopped:
                log(f"{stopped.message}; the same command goes on")
                return stopped.exit_code
            except NvcError as error:
                log(f"  failed: {error.message}\n  {error.hint}")
                code = code or error.exit_code
                continue
            shown = ", ".join(f"{name} {table.metric(name)(result):.4g}" for name in self.study.metrics)
            log(f"  {shown}, {result['bytes']:,} bytes, {result['encode_s']:.0f} s")
            self.tables()  # so that whoever looks in while it runs sees the newest
        return code

    def tables(self) -> str:
        """Write the tables of what is done, and return them as text.

        Raises:
            UsageError: A result was made with other settings.
        """
        records = {}
        for run in self.all_runs():
            record = self.store.record(self.times.of(run, None), None)
            if record is not None:
                records[run.configuration.name, run.clip.name, run.seed] = record
        results = table.Results(self.study, self.seeds, records)
        main, times = table.markdown(results), table.timing(results)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "table.md", main)
        write_text(self.folder / "timing.md", times)
        write_json(self.folder / "table.json", table.summary(results))
        return f"{main}\n{times}"

    def _places(self, folders: list[Path], device: str, threads: int, log: Log) -> tuple[dict[str, Place], int]:
        """The clips that are there; those that are not must not stop the others."""
        found, code = {}, 0
        for clip in self.study.clips:
            try:
                found[clip.name] = Place.of(find_clip(clip.file, folders), device, threads)
            except InputError as error:
                log(f"left out: {error.message}\n  {error.hint}")
                code = error.exit_code
        return found, code

    def _due(self, places: dict[str, Place]) -> list[Run]:
        """What is not done. Looks at everything there is, so that a contradiction is told before any work."""
        due, wanted = [], self._wanted()
        for run in self.all_runs():
            place = places.get(run.clip.name)
            planned = self.times.of(run, place)
            if self.store.record(planned, place) is not None:
                self.store.tidy(run)
            elif run in wanted and place is not None:
                self.store.check_started(planned, place)
                due.append(run)
        return due

    def _timed(self, run: Run, place: Place, log: Log, should_stop: Callable[[], bool]) -> Run:
        """The run with its share of the time; the first of a clip has all of them timed."""
        times, run = self.times, self.times.of(run, place)
        if run.time_ratio is None:
            runs = [other for other in self._wanted() if other.clip == run.clip and other.seed == run.seed]
            unmeasured = [other.configuration for other in runs if times.of(other, place).time_ratio is None]
            log(f"  timing steps of {len(unmeasured)} configurations")
            times.measure(run.clip, unmeasured, place, should_stop)
            run = times.of(run, place)
        return run

    def _wanted(self) -> list[Run]:
        return [run for run in self.all_runs() if not self.only or run.configuration.name in self.only]
