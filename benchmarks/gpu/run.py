"""Measure on a machine with a GPU, in sittings of some minutes.

python benchmarks/gpu/run.py --carry .carry --out OUT --minutes 9
python benchmarks/gpu/run.py --carry .carry --out OUT2 --minutes 9 --state OUT      (go on)

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


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carry", type=Path, metavar="DIR", help="wheels/ and clips/, as prepare.py makes them")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the packed results go")
    parser.add_argument("--minutes", type=float, default=9.0, metavar="N", help="end within this time  [default: 9]")
    parser.add_argument("--state", type=Path, metavar="DIR", help="results of an earlier sitting, to go on with")
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

    with tempfile.TemporaryDirectory(prefix="nvc-gpu-") as folder:
        try:
            return _main(options, Path(folder), began)
        except NvcError as error:
            print(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
            return error.exit_code


def _main(options: argparse.Namespace, folder: Path, began: float) -> int:
    from benchmarks.gpu import carry

    wheels = carry.provide(None if options.carry is None else options.carry / "wheels", folder / "packages")
    # only now: they need what was brought along
    from benchmarks.gpu.bench import Bench, Deadline
    from benchmarks.gpu.pack import unpack
    from benchmarks.gpu.sitting import RESERVE_S, BrokenDeviceError, failures, sit, table
    from benchmarks.gpu.tasks import tasks
    from nvcodec.decoder.opening import pick_device
    from nvcodec.errors import UsageError

    everything = tasks()
    only = options.only or ["*"]
    chosen = [task for task in everything if any(fnmatch.fnmatchcase(task.name, glob) for glob in only)]
    if not chosen:
        raise UsageError(f"no task is called {' or '.join(only)}", "See them with --list")
    if options.list:
        print("\n".join(f"{task.name:<46} {task.expected_s:>4.0f} s" for task in chosen))
        return 0
    bench = Bench(
        device=pick_device(options.device),
        results=folder / "results",
        scratch=folder / "scratch",
        deadline=Deadline(60 * options.minutes - RESERVE_S - (time.monotonic() - began)),
        clips=None if options.carry is None else options.carry / "clips",
        tiny=options.tiny,
        eager=options.eager,
    )
    bench.results.mkdir()
    bench.scratch.mkdir()
    if options.state is not None:
        unpack(options.state, bench.results)
    print(f"{len(chosen)} tasks on {bench.device}" + (f", with {', '.join(wheels)}" if wheels else ""), flush=True)
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
