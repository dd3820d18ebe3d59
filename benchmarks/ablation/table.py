"""The tables of a study, from whatever is done so far. What varies from run to run stands in a table of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from benchmarks.ablation.study import METRICS, Clip, Configuration, Study
from benchmarks.markdown import table

Record = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """A study and its results."""

    study: Study
    seeds: tuple[int, ...]
    records: dict[tuple[str, str, int], Record]
    """Results by configuration, clip and seed."""

    def values(self, row: Configuration, clip: Clip, of: Callable[[Record], float]) -> dict[int, float]:
        """A number of each run that is done, by seed."""
        found = {seed: self.records.get((row.name, clip.name, seed)) for seed in self.seeds}
        return {seed: of(record) for seed, record in found.items() if record is not None}

    def difference(self, row: Configuration, clip: Clip, of: Callable[[Record], float]) -> float | None:
        """Mean difference to the reference over the seeds that both have; None when there is none."""
        mine = self.values(row, clip, of)
        theirs = self.values(self.study.configuration(self.study.reference), clip, of)
        both = mine.keys() & theirs.keys()
        return mean(mine[seed] - theirs[seed] for seed in sorted(both)) if both else None


def metric(name: str) -> Callable[[Record], float]:
    """Where a result keeps a metric."""
    if name == "ms_ssim_y":
        return lambda record: float(record["ms_ssim_y"])
    return lambda record: float(record["psnr"][name])


def markdown(results: Results) -> str:
    """Quality and size: the same for every run of the study with the same budget in epochs on the same machine."""
    study = results.study
    parts = [f"# {study.name}", f"{study.source}. {_progress(results)}", _conditions(results)]
    for name in study.metrics:
        parts += [f"## {METRICS[name]} (difference to {study.reference})", _quality(results, name)]
    parts += ["## Bytes (bits per pixel)", _sizes(results)]
    lacking = [f"- {row.name}: {row.not_built}" for row in study.configurations if row.not_built is not None]
    if lacking:
        parts += ["Not built yet:", "\n".join(lacking)]
    late = {f"- {name} on {clip}" for (name, clip, _), found in results.records.items() if not found["target_reached"]}
    if late:
        parts += ["Target not reached:", "\n".join(sorted(late))]
    return "\n\n".join(parts) + "\n"


def timing(results: Results) -> str:
    """Steps and seconds: these vary with the machine and what else it does."""
    study = results.study
    reference = study.configuration(study.reference)
    step_s: Callable[[Record], float] = lambda record: record["timing"]["step_s"]  # noqa: E731

    def cell(row: Configuration, clip: Clip) -> str:
        steps = results.values(row, clip, lambda record: record["timing"]["fit_steps"])
        if not steps:
            return _absent(row)
        own, its = (mean(found.values()) if found else None for found in (
            results.values(row, clip, step_s), results.values(reference, clip, step_s)
        ))  # fmt: skip
        seconds = mean(results.values(row, clip, lambda record: record["timing"]["encode_s"]).values())
        ratio = f" (x{own / its:.2f})" if own and its else ""
        return f"{mean(steps.values()):,.0f} x {1000 * (own or 0):.1f} ms{ratio}, {seconds:,.0f} s"

    title = "# Time: steps x time of a step (in units of the reference's), whole encode"
    return f"{title}\n\n{_table(results, ['configuration'], cell, lambda row: [])}\n"


def summary(results: Results) -> dict[str, Any]:
    """The tables of :func:`markdown` as JSON."""
    study = results.study

    def numbers(row: Configuration, clip: Clip) -> dict[str, Any]:
        of_metrics = {}
        for name in study.metrics:
            values = results.values(row, clip, metric(name))
            of_metrics[name] = {
                "by_seed": {str(seed): value for seed, value in values.items()},
                "mean": mean(values.values()) if values else None,
                "difference": results.difference(row, clip, metric(name)),
            }
        sizes = results.values(row, clip, lambda record: record["bytes"])
        return {**of_metrics, "bytes": {str(seed): size for seed, size in sizes.items()}}

    return {
        "schema": "nvc-ablation/1",
        "study": study.name,
        "source": study.source,
        "reference": study.reference,
        "seeds": list(results.seeds),
        "clips": {clip.name: {"frames": clip.frames, **clip.options} for clip in study.clips},
        "configurations": [
            {
                "name": row.name,
                "model": row.model,
                "not_built": row.not_built,
                "paper": row.paper,
                "results": {clip.name: numbers(row, clip) for clip in study.clips},
            }
            for row in study.configurations
        ],
    }


def _progress(results: Results) -> str:
    built = [row for row in results.study.configurations if row.not_built is None]
    due = len(built) * len(results.study.clips) * len(results.seeds)
    seeds = f"seed {results.seeds[0]}" if len(results.seeds) == 1 else f"mean of {len(results.seeds)} seeds ± deviation"
    return f"{len(results.records)} of {due} runs done, {seeds}."


def _conditions(results: Results) -> str:
    """What every encode of a clip was told, and where they ran."""
    lines = []
    for clip in results.study.clips:
        told = ", ".join(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
                         for key, value in clip.options.items())  # fmt: skip
        lines.append(f"- {clip.name}: {clip.frames} frames, {told}")
    if results.study.equal_time:
        lines.append(
            f"- equal time: the budget is {results.study.reference}'s; the others get as long, not as many steps"
        )
    places = Counter(_place(record) for record in results.records.values())
    lines += [f"- run on {place}: {count} run{'' if count == 1 else 's'}" for place, count in sorted(places.items())]
    if len({record["code"] for record in results.records.values()}) > 1:
        lines.append("- **the codec has changed in between**: delete the older results for a fair comparison")
    return "\n".join(lines)


def _place(record: Record) -> str:
    run, versions = record["run"], record["versions"]
    threads = f", {run['threads']} thread{'' if run['threads'] == 1 else 's'}" if run["device"] == "cpu" else ""
    return f"{run['device']}{threads}, nvc {versions['nvc']} (source {record['code']}), torch {versions['torch']}"


def _quality(results: Results, name: str) -> str:
    of, digits = metric(name), 4 if name == "ms_ssim_y" else 2
    reference = results.study.configuration(results.study.reference)
    first = name == results.study.metrics[0]  # the paper's numbers need to be said only once
    keys = list(dict.fromkeys(key for row in results.study.configurations if first for key in row.paper))

    def cell(row: Configuration, clip: Clip) -> str:
        values = list(results.values(row, clip, of).values())
        if not values:
            return _absent(row)
        spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
        missing = f" [{len(values)} of {len(results.seeds)}]" if len(values) < len(results.seeds) else ""
        difference = results.difference(row, clip, of)
        relative = "" if row == reference or difference is None else f" ({difference:+.{digits}f})"
        return f"{mean(values):.{digits}f}{spread}{relative}{missing}"

    def further(row: Configuration) -> list[str]:
        differences = [results.difference(row, clip, of) for clip in results.study.clips]
        known = [difference for difference in differences if difference is not None]
        overall = f"{mean(known):+.{digits}f}" if known and row != reference else ""
        if overall and len(known) < len(differences):
            overall += f" [{len(known)} of {len(differences)}]"
        return [overall, *(_paper(results.study.configurations, reference, row, key) for key in keys)]

    return _table(results, ["configuration", "mean difference", *(f"paper: {key}" for key in keys)], cell, further)


def _paper(rows: Sequence[Configuration], reference: Configuration, row: Configuration, key: str) -> str:
    """A number of the paper, and its difference to the paper's reference unless that is what it says anyway."""
    number, base = row.paper.get(key), reference.paper.get(key)
    if not isinstance(number, (int, float)):
        return "" if number is None else str(number)
    numbers = [other.paper[key] for other in rows if isinstance(other.paper.get(key), (int, float))]
    digits = max(len(repr(other).partition(".")[2]) for other in numbers)  # TOML drops trailing zeros
    if row == reference or not isinstance(base, (int, float)) or base == 0:
        return f"{number:.{digits}f}"
    return f"{number:.{digits}f} ({number - base:+.{digits}f})"


def _sizes(results: Results) -> str:
    def cell(row: Configuration, clip: Clip) -> str:
        sizes = list(results.values(row, clip, lambda record: record["bytes"]).values())
        if not sizes:
            return _absent(row)
        bpp = mean(results.values(row, clip, lambda record: record["bpp"]).values())
        return f"{mean(sizes):,.0f} ({bpp:.4f})"

    return _table(results, ["configuration"], cell, lambda row: [])


def _absent(row: Configuration) -> str:
    return "pending" if row.not_built is None else "not built yet"


def _table(
    results: Results,
    titles: list[str],
    cell: Callable[[Configuration, Clip], str],
    further: Callable[[Configuration], list[str]],
) -> str:
    """Configurations down, clips across, then further columns."""
    clips = results.study.clips
    lines = []
    for row in results.study.configurations:
        name = f"**{row.name}**" if row.name == results.study.reference else row.name
        lines.append([name, *(cell(row, clip) for clip in clips), *further(row)])
    return table([titles[0], *(clip.name for clip in clips), *titles[1:]], lines)
