"""``nvc encode``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nvcodec.api.checks import check
from nvcodec.api.decode import file_names
from nvcodec.api.info import probe
from nvcodec.cli import _options as options
from nvcodec.cli._config import config_option, drop_overruled, files_read, save_config
from nvcodec.cli._inputs import expand
from nvcodec.cli._interrupt import stop_on_interrupt
from nvcodec.cli._options import Command, fields_of, option
from nvcodec.cli._summary import encode_summary, plan_lines
from nvcodec.cli._tensors import all_costs, part_table
from nvcodec.cli._terminal import Terminal, print_json, say
from nvcodec.config.options import MANY, READ, TARGETS, EncodeOptions, changed
from nvcodec.config.settings import flatten
from nvcodec.encoder.plan.stream_names import stream_names
from nvcodec.encoder.result import EncodeResult
from nvcodec.errors import TargetNotReachedError, UsageError, quoted
from nvcodec.io.output import check_apart, check_output, file_for, place_of
from nvcodec.io.standard import check_standard_output, is_terminal
from nvcodec.models import registry

if TYPE_CHECKING:
    from nvcodec.progress.bars import Progress

_KEPT_BY_RESUME = {"resume", "recon", "no_verify", "overwrite"}
_FILES = "Files"
_AGAIN = "inputs_again"


def _keep(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    """Inputs that other programs have a flag for; beside those that have none."""
    ctx.meta[_AGAIN] = value


@click.command(
    cls=Command,
    examples=(
        "nvc encode clip.mp4 -o clip.nvc",
        "nvc encode Beauty_1920x1080_120fps_420_8bit_YUV.yuv -o beauty.nvc --crf 30 --preset slow",
        "ffmpeg -i in.mkv -f yuv4mpegpipe - | nvc encode - -o out.nvc --bpp 0.05",
        "nvc encode clip.y4m -o clip.nvc --recipe msnerv --params 3M",
        "nvc encode a.mp4 b.mkv c.y4m -o set.nvc --model dnerv --bpp 0.1",
        "nvc encode --resume clip.nvc.work",
    ),
)
# fmt: off
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@option("-i", _AGAIN, group=_FILES, multiple=True, hidden=True, expose_value=False, callback=_keep)
@option("-o", "--output", group=_FILES, metavar="FILE", help="Bitstream to write, '-' for stdout.")
@option("--work-dir", group=_FILES, metavar="DIR", help="Resume files.  [default: OUTPUT.work]")
@option("--resume", group=_FILES, metavar="DIR", help="Go on with an interrupted encode.")
@fields_of(
    EncodeOptions,
    *READ,
    "seek",
    "frames",
    "video_stream",
    "allow_truncated",
    "mask",
    "model",
    "domain",
    "preview",
    "parameters",
    *TARGETS,
    "recipe",
    "preset",
    "epochs",
    "max_time_s",
    "tune",
    "settings",
)
@config_option(group="Speed")
@option(
    "--save-config",
    "save_config_to",
    group="Speed",
    metavar="FILE",
    help="Write all options as TOML that --config reads.",
)
@fields_of(EncodeOptions, "device", "threads", "segment", "seed")
@option(
    "--recon", group="Output", metavar="FILE", help="Also write the decoded video (.y4m or .yuv); of several, DIR/."
)
@option("--dry-run", group="Output", is_flag=True, help="Say what would be fitted, and how large it is; fit nothing.")
@option("--no-verify", group="Output", is_flag=True, help="Skip checking the written file against its digests.")
@options.output_options()
# fmt: on
@click.pass_context
def command(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str | None,
    work_dir: str | None,
    resume: str | None,
    tables: dict[str, object],
    settings: Mapping[str, object],
    save_config_to: str | None,
    recon: str | None,
    dry_run: bool,
    no_verify: bool,
    overwrite: bool,
    **wanted: object,
) -> None:
    """Fit a neural representation to INPUT and write it as a bitstream.

    INPUT is .y4m, raw .yuv, anything FFmpeg reads, a folder of PNG, JPEG or TIFF, or '-' for Y4M on stdin.

    With --model dnerv all INPUTs go into one archive; then a folder stands for the videos in it, by name, and @LIST for
    the paths in a text file, one a line, seen from its folder. Targets are for all of them together.
    """
    import nvcodec

    terminal = ctx.ensure_object(Terminal)
    sources, read, asked = [*inputs, *ctx.meta[_AGAIN]], [], EncodeOptions()
    if resume is not None:
        options.check_resume(ctx, _KEPT_BY_RESUME)
        job = options.resumed(resume, layer=False)
        sources, read, output = job.paths, job.read, job.output
    else:
        drop_overruled(ctx, TARGETS, wanted)
        asked = changed(asked, {**wanted, "settings": {**tables, **settings}})
        if dry_run:
            _say_plan(terminal, sources, asked)
            return
        if sources or output is not None or save_config_to is None:
            _check_files(sources, output, work_dir, terminal.as_json, asked)
        read = [*(word.removeprefix("@") for word in sources), *sources, *files_read(ctx, asked.mask)]
        if sources and registry.by_name(asked.model).settings.shares_parameters:
            sources = expand(sources)
            read += sources
    recons = [] if recon is None else _recon_files(Path(recon), sources)
    check_apart([name for name in (output, work_dir, save_config_to, *recons) if name is not None])
    check_apart([name for name in (output, save_config_to, *recons) if name is not None], read)
    if save_config_to is not None:
        check(asked, max(1, len(sources)))
        save_config(save_config_to, asked, overwrite)
        if not sources:
            return
    if recon is not None:
        _check_recon(Path(recon), overwrite, sources)
    assert output is not None
    with (
        file_for(output) as file,
        terminal.shown() as shown,
        stop_on_interrupt(terminal, overwrite) as should_stop,
    ):
        verify, on_event = not no_verify, shown.on_event
        if resume is not None:
            result = nvcodec.resume(
                resume, overwrite=overwrite, verify=verify, on_event=on_event, should_stop=should_stop
            )
            assert isinstance(result, EncodeResult)
        else:
            result = nvcodec.encode(
                sources if len(sources) > 1 else sources[0],
                file,
                options=asked,
                work_dir=work_dir or (f"{output}.work" if file == output and "-" not in sources else None),
                overwrite=overwrite,
                verify=verify,
                on_event=on_event,
                should_stop=should_stop,
            )
        if recon is not None:
            _write_recon(result, recon, overwrite, shown)
        if terminal.verbose:
            costs = "\n".join("  " + line for line in part_table(all_costs(probe(result.file))))
        shown.close()
    result = replace(result, file=output)
    if terminal.progress == "json":
        terminal.note(json.dumps({"event": "result", **result.to_json()}))
    else:
        terminal.note("\n".join(encode_summary(result, verify)))
    if terminal.verbose:
        terminal.detail(costs)
    for key, value in flatten(result.config).items():
        terminal.detail(f"  {key} = {value}")
    if terminal.as_json:
        print_json(result.to_json())
    if result.shortfall is not None:
        raise TargetNotReachedError(f"target not reached: {result.shortfall}", "The best file found was written")


def _say_plan(terminal: Terminal, sources: Sequence[str], asked: EncodeOptions) -> None:
    """Print what would be fitted.

    Raises:
        UsageError: There is no input, or what is asked for makes no sense.
    """
    import nvcodec

    if not sources:
        raise UsageError("no input given", "See:  nvc encode -h")
    shared = registry.by_name(asked.model).settings.shares_parameters
    planned = nvcodec.plan(expand(sources) if shared else sources if len(sources) > 1 else sources[0], options=asked)
    if terminal.as_json:
        print_json(planned.to_json())
    else:
        say("\n".join(plan_lines(planned)))


def _check_files(
    sources: Sequence[str], output: str | None, work_dir: str | None, as_json: bool, asked: EncodeOptions
) -> None:
    """Refuse what cannot work, before any work.

    Raises:
        UsageError: Inputs and outputs do not fit together.
    """
    if not sources:
        raise UsageError("no input given", "See:  nvc encode -h")
    many = registry.by_name(asked.model).settings.shares_parameters
    if not many and len(sources) == 1 and sources[0].startswith("@") and not os.path.exists(sources[0]):
        raise UsageError(
            f"the list {sources[0]} given; --model {MANY} takes several videos", "Add it, or encode them one by one"
        )
    if output is None:
        name = "clip" if sources[0] == "-" else "set" if many and len(sources) > 1 else Path(sources[0]).stem
        raise UsageError("no output given", f"Name the bitstream:  -o {quoted(f'{name}.nvc')}")
    place = place_of(output)
    if place.is_standard_output:
        check_standard_output()
        if is_terminal(sys.stdout):
            raise UsageError("standard output is a terminal", "Name a file with -o, or redirect:  -o - > clip.nvc")
        if as_json:
            raise UsageError("--json and -o - both write to standard output; choose one")
    if place.is_stream and work_dir is not None:
        raise UsageError("--work-dir needs an output file", "An encode to standard output or a pipe cannot be resumed")


def _recon_files(recon: Path, sources: Sequence[str]) -> list[str]:
    """The files that decoded videos are written to."""
    if len(sources) == 1:
        return [str(recon)]
    return [f"{recon / name}.y4m" for name in file_names(stream_names(sources))]


def _check_recon(recon: Path, overwrite: bool, sources: Sequence[str]) -> None:
    """Refuse decoded videos that could not be written when the fit is over.

    Raises:
        UsageError: It is neither .y4m nor .yuv, or no folder, for several videos; or it exists.
    """
    if len(sources) == 1:
        place = check_output(recon, overwrite, sources)
        if recon.suffix.lower() not in (".y4m", ".yuv") and not (place.is_stream and not recon.suffix):
            raise UsageError(
                f"--recon {recon} is neither .y4m nor .yuv", "For other kinds decode the bitstream afterwards"
            )
    elif recon.is_dir():
        for file in _recon_files(recon, sources):
            check_output(file, overwrite)
    elif recon.suffix:
        raise UsageError(f"--recon {recon} is one file, for several videos", "Name a folder:  --recon videos/")
    else:
        check_output(str(recon), overwrite=False)


def _write_recon(result: EncodeResult, recon: str, overwrite: bool, shown: Progress) -> None:
    """Decode what was encoded: to a file, or several videos to a folder."""
    import nvcodec

    counter = shown.frame_counter("recon")
    if len(result.streams) == 1:
        nvcodec.decode(result.file, recon, device=result.device, overwrite=overwrite, on_progress=counter)
        return
    outcomes = nvcodec.decode_all(
        result.file, recon, suffix=".y4m", device=result.device, overwrite=overwrite, on_progress=counter
    )
    if failed := [outcome.error for outcome in outcomes if outcome.error is not None]:
        raise failed[0]
