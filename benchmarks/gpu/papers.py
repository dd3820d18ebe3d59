"""The papers' own runs, at their size: recipes in full on Bunny and UVG, one command for whoever has a GPU and days.

    python benchmarks/gpu/papers.py --clips ~/clips --out ~/runs/papers
    python benchmarks/gpu/papers.py --clips ~/clips --out ~/runs/papers --study bunny --only hnerv-1.5M
    python benchmarks/gpu/papers.py --out ~/runs/papers --list

The studies are those of benchmarks/studies/full; a table of each is printed, the papers' numbers beside it. UVG is
looked for under the names that it is distributed by (Beauty_1920x1080_120fps_420_8bit_YUV.yuv, or .y4m); a study whose
clips are not there is left out, and named. Then the archive: all of UVG that is there in one network of D-NeRV. May be
stopped or killed at any moment; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

import nvcodec  # noqa: E402
from benchmarks.ablation.campaign import Campaign  # noqa: E402
from benchmarks.ablation.runs import find_clip  # noqa: E402
from benchmarks.ablation.study import Study, load_study  # noqa: E402
from nvcodec.cli._interrupt import stop_on_interrupt  # noqa: E402
from nvcodec.cli._terminal import Terminal, print_error  # noqa: E402
from nvcodec.decoder.opening import pick_device  # noqa: E402
from nvcodec.encoder.fit.events import Notice  # noqa: E402
from nvcodec.errors import InputError, NvcError  # noqa: E402
from nvcodec.tongues import speaking_command_line  # noqa: E402

STUDIES = ("bunny", "uvg_960", "uvg")
"""In the order of what they take."""
_ARCHIVE_PARAMETERS, _ARCHIVE_CROP = 40_000_000, "1920:1024:0:28"


def main(words: list[str] | None = None) -> int:
    """Run the program; returns its exit code, which are those of ``nvc``."""
    with speaking_command_line():
        try:
            return _run(_parser().parse_args(words))
        except NvcError as error:
            print_error(error.message, error.hint)
            return error.exit_code


def _run(given: argparse.Namespace) -> int:
    folders = [*([given.clips] if given.clips else []), ROOT]
    studies = [load_study(ROOT / "benchmarks" / "studies" / "full" / f"{name}.toml") for name in given.study or STUDIES]
    if given.list:
        for study in studies:
            print(f"{study.name}: {study.source}\n  " + "  ".join(row.name for row in study.configurations))
        return 0
    terminal, code, device = Terminal(), 0, pick_device(given.device)
    with stop_on_interrupt(terminal, overwrite=False) as should_stop:
        for study in studies:
            if lacking := _lacking(study, folders):
                terminal.note(f"{study.name} is left out: {lacking}")
                continue
            only = frozenset(given.only) & {row.name for row in study.configurations}
            if given.only and not only:
                continue
            campaign = Campaign(study, given.out / study.name, study.seeds, only)
            code = campaign.run(folders, device, given.threads, terminal.note, should_stop) or code
            print(campaign.tables(), end="")
            if should_stop():
                return code
        if "uvg" in [study.name for study in studies] and not given.only:
            code = _archive(given.out, folders, device, terminal.note, should_stop) or code
    return code


def _lacking(study: Study, folders: list[Path]) -> str | None:
    """What of a study's clips is not there."""
    try:
        for clip in study.clips:
            find_clip(clip.file, folders)
    except InputError as error:
        return error.message
    return None


def _archive(
    out: Path, folders: list[Path], device: str, log: Callable[[str], None], should_stop: Callable[[], bool]
) -> int:
    """D-NeRV's Table 1: all videos in one network."""
    record, output, work = out / "uvg_archive.json", out / "uvg_archive.nvc", out / "uvg_archive.work"
    if record.exists():
        log(f"uvg_archive is done: {record}")
        return 0
    study = load_study(ROOT / "benchmarks" / "studies" / "full" / "uvg.toml")
    if lacking := _lacking(study, folders):
        log(f"uvg_archive is left out: {lacking}")
        return 0

    def hear(event: object) -> None:
        if isinstance(event, Notice):
            log(event.message)

    try:
        if work.exists():
            result = nvcodec.resume(work, overwrite=True, on_event=hear, should_stop=should_stop)
        else:
            result = nvcodec.encode(
                [find_clip(clip.file, folders) for clip in study.clips], output,
                recipe="dnerv", params=_ARCHIVE_PARAMETERS, crop=_ARCHIVE_CROP, device=device, work_dir=work,
                overwrite=True, on_event=hear, should_stop=should_stop,
            )  # fmt: skip
    except NvcError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    record.write_text(json.dumps(result.to_json(), indent=1))
    print(f"uvg_archive: {result.psnr}   (the paper: 35.52 dB of RGB)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="papers.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="folder of Bunny and UVG")
    parser.add_argument("--study", action="append", choices=STUDIES, help="this one (repeatable)  [default: all]")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this configuration (repeatable)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps  [default: auto]")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads  [default: 1]")
    parser.add_argument("--list", action="store_true", help="say what there is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
