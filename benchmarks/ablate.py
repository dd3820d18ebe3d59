"""Run an ablation study, or go on with it, and print its table.

    python benchmarks/ablate.py benchmarks/studies/smoke.toml -o ~/runs
    python benchmarks/ablate.py benchmarks/studies/msnerv_table3.toml --clips ~/clips -o ~/runs
    python benchmarks/ablate.py benchmarks/studies/msnerv_table3.toml -o ~/runs --table-only

May be stopped or killed at any moment; the same command goes on. Needs no installation of the codec.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

from benchmarks.ablation.campaign import Campaign  # noqa: E402
from benchmarks.ablation.study import load_study  # noqa: E402
from nvcodec.cli._interrupt import stop_on_interrupt  # noqa: E402
from nvcodec.cli._terminal import Terminal, print_error  # noqa: E402
from nvcodec.decoder.opening import pick_device  # noqa: E402
from nvcodec.errors import NvcError, UsageError  # noqa: E402
from nvcodec.tongues import speaking_command_line  # noqa: E402


def main(words: list[str] | None = None) -> int:
    """Run the program; returns its exit code, which are those of ``nvc``."""
    with speaking_command_line():
        try:
            return _run(_parser().parse_args(words))
        except NvcError as error:
            print_error(error.message, error.hint)
            return error.exit_code
        except OSError as error:  # the folder of the results cannot be made or written to
            print_error(f"{error.filename}: {error.strerror}")
            return UsageError.exit_code


def _run(given: argparse.Namespace) -> int:
    study = load_study(given.study)
    for name in given.only:
        study.configuration(name)
    campaign = Campaign(study, given.output / study.name, given.seeds or study.seeds, frozenset(given.only))
    code = 0
    if not given.table_only:
        folders = [*([given.clips] if given.clips else []), ROOT]
        terminal = Terminal()
        with stop_on_interrupt(terminal, overwrite=False) as should_stop:
            code = campaign.run(folders, pick_device(given.device), given.threads, terminal.note, should_stop)
    print(campaign.tables(), end="")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ablate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("study", type=Path, metavar="STUDY.toml", help="what to compare, and on what")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the results")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="folder of clips; the samples are always found")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps  [default: auto]")
    parser.add_argument("--threads", type=_positive, default=1, metavar="N", help="CPU threads  [default: 1]")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this configuration (repeatable)")
    parser.add_argument("--seeds", type=_seeds, metavar="0,1,2", help="instead of the study's")
    parser.add_argument("--table-only", action="store_true", help="encode nothing")
    return parser


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise UsageError(f"--threads must be a whole number above 0, not {word!r}")
    return int(word)


def _seeds(word: str) -> tuple[int, ...]:
    parts = word.split(",")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--seeds must be whole numbers separated by commas, not {word!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


if __name__ == "__main__":
    sys.exit(main())
