"""Measure on a machine with a GPU, in sittings of some minutes.

python benchmarks/gpu/run.py --carry .carry --out OUT --sitting faults
python benchmarks/gpu/run.py --carry .carry --out OUT2 --sitting results --state OUT

See benchmarks/gpu/README.md.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITTING_MINUTES, MINUTES = 5.5, 9.0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carry", type=Path, metavar="DIR", help="wheels/ and clips/, as prepare.py makes them")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the packed results go")
    parser.add_argument("--sitting", choices=("faults", "results"), help="the tasks of a sitting of 5.5 minutes")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="end within this time  [default: 5.5 for a sitting, else 9]"
    )
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="results and compiler's cache of an earlier sitting, to go on with"
    )
    parser.add_argument("--only", action="append", metavar="GLOB", help="tasks to run (repeatable)  [default: all]")
    parser.add_argument("--retry", action="store_true", help="also run tasks that failed in an earlier sitting")
    parser.add_argument("--eager", action="store_true", help="encode without torch.compile")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda  [default: auto]")
    parser.add_argument("--tiny", action="store_true", help="the same tasks in sizes for a CPU: to try this program")
    parser.add_argument("--list", action="store_true", help="name the tasks and how long they should take, and end")
    options = parser.parse_args(words)
    if options.out is None and not options.list:
        parser.error("--out is needed")
    return options


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; its exit code: 1 when a task failed."""
    began = time.monotonic()
    options = parse(words)
    from nvcodec.errors import NvcError
    from nvcodec.tongues import speaking_command_line

    with tempfile.TemporaryDirectory(prefix="nvc-gpu-") as folder, speaking_command_line():
        try:
            return _main(options, Path(folder), began)
        except NvcError as error:
            print(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
            return error.exit_code


def _main(options: argparse.Namespace, folder: Path, began: float) -> int:
    from benchmarks.gpu import cache, carry

    cache.use(cache.HOME)
    places = [place for place in (options.state, options.carry) if place is not None]
    packed = cache.take_along(places, cache.HOME)
    wheels = carry.provide(None if options.carry is None else options.carry / "wheels", folder / "packages")
    # only now: they need what was brought along
    from benchmarks.gpu.bench import Bench, Deadline
    from benchmarks.gpu.pack import unpack
    from benchmarks.gpu.sitting import RESERVE_S, BrokenDeviceError, failures, sit, table
    from benchmarks.gpu.tasks import START_S, sitting, tasks
    from nvcodec.decoder.opening import pick_device
    from nvcodec.errors import UsageError

    everything = tasks() if options.sitting is None else sitting(options.sitting)
    only = options.only or ["*"]
    chosen = [task for task in everything if any(fnmatch.fnmatchcase(task.name, glob) for glob in only)]
    if not chosen:
        raise UsageError(f"no task is called {' or '.join(only)}", "See them with --list")
    if options.list:
        print("\n".join(f"{task.name:<46} {task.expected_s:>4.0f} s" for task in chosen))
        print(f"{'in all, with the start':<46} {START_S + sum(task.expected_s for task in chosen):>4.0f} s")
        return 0
    minutes = options.minutes or (SITTING_MINUTES if options.sitting else MINUTES)
    bench = Bench(
        device=pick_device(options.device),
        results=folder / "results",
        scratch=folder / "scratch",
        deadline=Deadline(60 * minutes - RESERVE_S - (time.monotonic() - began)),
        clips=None if options.carry is None else options.carry / "clips",
        tiny=options.tiny,
        eager=options.eager,
        compiler=cache.HOME,
    )
    bench.results.mkdir()
    bench.scratch.mkdir()
    if options.state is not None:
        unpack(options.state, bench.results)
    took_s = time.monotonic() - began
    print(
        f"{len(chosen)} tasks on {bench.device} after {took_s:.1f} s",
        *filter(None, [packed]),
        *wheels,
        sep="\n  ",
        flush=True,
    )
    try:
        sit(chosen, bench, options.out, retry=options.retry)
    except BrokenDeviceError:
        _again(options, bench.deadline.left_s() + RESERVE_S)
    print(f"\n{table(chosen, bench)}", flush=True)
    return 1 if failures(chosen, bench) else 0


def _again(options: argparse.Namespace, left_s: float) -> None:
    """Go on in a new process with what is left of the time: only that gets the GPU back after some errors."""
    print("the GPU is lost to this process; going on in a new one", flush=True)
    words = [word for word in sys.argv if word != "--retry"]
    os.execv(
        sys.executable,
        [sys.executable, *words, "--minutes", f"{left_s / 60:.3f}", "--state", str(options.out)],
    )


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # instead of this folder
    sys.exit(main())
