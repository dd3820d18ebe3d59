"""Try hostile inputs on everything that reads, for a time or a number of inputs.

python -m fuzz.run                                        a minute, all targets
python -m fuzz.run --count 1000000 --jobs 2 --json a.json
python -m fuzz.run --seconds 28800 --corpus ~/nvc-corpus   a night that goes on where the last one ended
python -m fuzz.run --target y4m --input FILE               one input, with a traceback
python -m fuzz.run --add a.json b.json                     summaries of several runs as one

Exit code 1: something fell. The inputs are in the folder named by --falls, with the command that shows each.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of torch do not survive a fork

try:
    import atheris
except ImportError:  # there are wheels for some systems only
    atheris = None

with ExitStack() as _instrumented:
    if atheris and "random" not in sys.argv:
        _instrumented.enter_context(redirect_stderr(io.StringIO()))  # a line for every module
        _instrumented.enter_context(atheris.instrument_imports(include=["nvcodec"]))
    from fuzz.mutate import MOST_BYTES
    from fuzz.targets import TARGETS, Target, outcome
    from fuzz.watch import MOST_MEMORY, SLOW_S, Bench, Tally, Watched

_DEFAULT_S = 60.0
_LOOK_S = 0.02
_LARGEST_POOL = 1024
_FROM_SEEDS = 0.7
"""Share of inputs that are made of seeds themselves: what was refused once leads less deep."""
_MOST_REFUSED, _MOST_ACCEPTED = 2, 256
"""Inputs with one outcome that are mutated further."""
SCHEMA = "nvc-fuzz/1"


@dataclass(frozen=True)
class Amount:
    """How much of a target is tried: the first of the two that is reached."""

    inputs: int | None
    seconds: float | None

    def clock(self) -> Callable[[int], bool]:
        """Asked with the number of inputs so far: whether that is enough."""
        end = None if self.seconds is None else time.monotonic() + self.seconds

        def is_enough(tried: int) -> bool:
            return (self.inputs is not None and tried >= self.inputs) or (end is not None and time.monotonic() > end)

        return is_enough


def _by_chance(bench: Bench, seed: str, is_enough: Callable[[int], bool], before: int) -> None:
    """Mutate inputs, and those that had an outcome which was new."""
    bench.begin()
    target, seeds, met = bench.target, bench.target.seeds(), Counter[str]()
    pool = list(seeds)
    for data in seeds if before == 0 else ():
        bench.try_input(data)
    while not is_enough(before + bench.tally.inputs):
        random = Random(f"{seed} {before + bench.tally.inputs}")
        data = target.mutate(random.choice(seeds if random.random() < _FROM_SEEDS else pool), random, pool)
        bench.try_input(data)
        met[bench.outcome] += 1
        most = _MOST_ACCEPTED if bench.outcome == "accepted" else _MOST_REFUSED
        if met[bench.outcome] <= most and len(pool) < _LARGEST_POOL:
            pool.append(data[:MOST_BYTES])


def _by_coverage(bench: Bench, seed: str, is_enough: Callable[[int], bool], corpus: Path, before: int) -> None:
    """Mutate inputs, and those that came through lines that were new: libFuzzer chooses."""
    bench.begin()
    target, pool = bench.target, bench.target.seeds()
    for number, data in enumerate(pool):
        (corpus / f"seed-{number:03}").write_bytes(data)

    def try_one(data: bytes) -> None:
        bench.try_input(data)
        if is_enough(before + bench.tally.inputs):
            bench.snap()
            os._exit(0)  # libFuzzer has no other end that is quick

    def mutated(data: bytes, most: int, number: int) -> bytes:
        random = Random(f"{seed} {number}")
        if random.random() < 0.1:
            return bytes(atheris.Mutate(data, most))
        return target.mutate(data, random, pool)[:most]

    number = Random(f"{seed} {before}").getrandbits(31)
    options = [f"-seed={number}", f"-max_len={MOST_BYTES}", "-timeout=600", "-rss_limit_mb=0", "-verbosity=0"]
    log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, sys.stderr.fileno())
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_one, custom_mutator=mutated, internal_libfuzzer=True)
    atheris.Fuzz()


def _begun(target: Target, seed: str, amount: Amount, falls: Path, corpus: Path | None, guided: Path | None) -> Watched:
    """A target at work; ``guided`` is where coverage keeps what it needs."""
    bench, is_enough = Bench(target, falls), amount.clock()
    if guided is None:
        return Watched(bench, partial(_by_chance, bench, seed, is_enough))
    kept = (corpus or guided) / target.name
    kept.mkdir(parents=True, exist_ok=True)
    return Watched(bench, partial(_by_coverage, bench, seed, is_enough, kept))


def campaign(
    names: Sequence[str],
    *,
    seed: int = 0,
    count: int | None = None,
    seconds: float | None = None,
    jobs: int = 1,
    falls: Path = Path("fuzz-falls"),
    corpus: Path | None = None,
    guided: bool = False,
) -> dict[str, Any]:
    """Try inputs on targets.

    Args:
        names: Of the targets.
        seed: Of all random choices: the same one tries the same inputs, as long as none of them ends a process, and
            unless coverage guides them.
        count: Inputs in all, shared out by how quick targets are; None = as many as the time allows.
        seconds: For all, the same for each target; None = as long as it takes.
        jobs: Processes at a time.
        falls: Folder for inputs that fell.
        corpus: Folder for inputs that led somewhere new, for the next campaign; guided ones only.
        guided: By coverage.

    Returns:
        The summary that ``--json`` writes.
    """
    chosen = [TARGETS[name] for name in names]
    whole = sum(target.share for target in chosen)

    def begun(target: Target) -> Watched:
        inputs = None if count is None else max(1, round(count * target.share / whole))
        amount = Amount(inputs, None if seconds is None else seconds * jobs / len(chosen))
        return _begun(target, f"{seed} {target.name}", amount, falls, corpus, Path(scratch) if guided else None)

    for target in chosen:
        target.seeds()  # once, for all processes
    waiting, working, tallies = list(chosen), list[Watched](), dict[str, Tally]()
    with tempfile.TemporaryDirectory(prefix="nvc-corpus-") as scratch:
        while waiting or working:
            while waiting and len(working) < jobs:
                working.append(begun(waiting.pop(0)))
            for one in [one for one in working if one.is_over()]:
                working.remove(one)
                tallies[one.bench.target.name] = one.total
            time.sleep(_LOOK_S)
    targets = {target.name: tallies[target.name].to_json() for target in chosen}
    return {"schema": SCHEMA, "seeds": [seed], "engine": "coverage" if guided else "random", "targets": targets}


def added(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summaries of several campaigns as one."""
    tallies: dict[str, Tally] = {}
    for summary in summaries:
        for name, values in summary["targets"].items():
            tallies.setdefault(name, Tally()).add(Tally.from_json(values))
    return {
        "schema": SCHEMA,
        "seeds": sorted({seed for summary in summaries for seed in summary["seeds"]}),
        "engine": "+".join(sorted({engine for summary in summaries for engine in summary["engine"].split("+")})),
        "targets": {name: tally.to_json() for name, tally in tallies.items()},
    }


def table(summary: dict[str, Any]) -> str:
    """A summary as a Markdown table."""
    rows = ["| target | inputs | accepted | refused | fell | slowest | most memory |", "|---|---|---|---|---|---|---|"]
    tallies = {name: Tally.from_json(values) for name, values in summary["targets"].items()}
    whole = Tally()
    for tally in tallies.values():
        whole.add(tally)
    for name, tally in [*tallies.items(), ("all", whole)]:
        counts = (tally.inputs, tally.accepted, sum(tally.refused.values()), sum(tally.fell.values()))
        cells = [name, *(f"{count:,}" for count in counts), f"{tally.slowest_s:.2f} s", f"{tally.most_bytes >> 20} MiB"]
        rows.append(f"| {' | '.join(cells)} |")
    falls = [f"{name}: {kind}, {count:,}x" for name, tally in tallies.items() for kind, count in tally.fell.items()]
    return "\n".join([*rows, *falls])


def main(words: Sequence[str] | None = None) -> int:
    """The program; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=[*TARGETS], help="repeatable; default: all")
    parser.add_argument("--count", type=int, metavar="N", help="inputs in all")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"for all together [default: {_DEFAULT_S:.0f}]")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time")
    parser.add_argument(
        "--engine", choices=("auto", "coverage", "random"), default="auto", help="auto: coverage if it can be"
    )
    parser.add_argument(
        "--falls", type=Path, default=Path("fuzz-falls"), metavar="DIR", help="where inputs that fell are kept"
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="where inputs that led on are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a summary")
    parser.add_argument("--input", type=Path, metavar="FILE", help="try this one alone, on one --target")
    parser.add_argument("--add", type=Path, nargs="+", metavar="FILE", help="add up summaries, and do nothing else")
    asked = parser.parse_args(words)
    if asked.input is not None:
        if asked.target is None or len(asked.target) != 1:
            parser.error("--input needs one --target")
        print(outcome(TARGETS[asked.target[0]], asked.input.read_bytes()))
        return 0
    if asked.add is not None:
        summary = added([json.loads(path.read_text()) for path in asked.add])
    else:
        guided = asked.engine != "random" and atheris is not None
        if asked.engine == "coverage" and not guided:
            parser.error("Atheris is not installed: pip install atheris, or --engine random")
        if asked.engine == "auto" and not guided:
            print("Atheris is not installed: mutated by chance, without coverage", file=sys.stderr)
        seconds = _DEFAULT_S if asked.seconds is None and asked.count is None else asked.seconds
        summary = campaign(
            asked.target or [*TARGETS], seed=asked.seed, count=asked.count, seconds=seconds, jobs=asked.jobs,
            falls=asked.falls, corpus=asked.corpus, guided=guided,
        )  # fmt: skip
    print(table(summary))
    if asked.json is not None:
        asked.json.write_text(json.dumps(summary, indent=1) + "\n")
    fell = any(values["fell"] for values in summary["targets"].values())
    if fell:
        print(f"\nInputs of more than {SLOW_S:.0f} s, {MOST_MEMORY >> 20} MiB or an end of their own: {asked.falls}/")
    return int(fell)


if __name__ == "__main__":
    sys.exit(main())
