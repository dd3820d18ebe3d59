"""``nvc``: finds the command and reports how it ended. Commands are imported when they are called."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from nvcodec.cli import _errors
from nvcodec.cli._interrupt import ending_on_signals
from nvcodec.cli._options import MAX_WIDTH, Helpful, printing
from nvcodec.cli._terminal import Terminal, use_utf8, writing_out
from nvcodec.cli.completion import complete_if_asked
from nvcodec.errors import UsageError
from nvcodec.io.standard import fill_closed
from nvcodec.version import __version__

COMMANDS = {
    "encode": "Fit a neural representation to a video and write it as a bitstream.",
    "decode": "Render a bitstream to video.",
    "sheet": "Draw a contact sheet: some frames of a bitstream in one picture.",
    "info": "Show what a bitstream holds, without decoding it.",
    "add-layer": "Fit one more enhancement layer and append it to a bitstream.",
    "strip": "Take enhancement layers or previews off a bitstream.",
    "extract-layer": "Copy an enhancement layer into a file of its own.",
    "append": "Put an enhancement layer on the bitstream it was made for.",
    "eval": "Measure PSNR, MS-SSIM and bpp of videos against a reference.",
    "bench": "Compare rate and distortion with other codecs, and keep the results.",
    "recipes": "List what nvc encode --recipe knows: networks and schedules as papers have them.",
    "doctor": "Show versions and devices, and test this installation.",
    "completion": "Print the script that lets bash, zsh or fish fill in what is typed.",
}
"""Name of each command, which is that of its module but for hyphens, and what it does."""

_EXAMPLES = ("nvc encode clip.mp4 -o clip.nvc", "nvc info clip.nvc", "nvc decode clip.nvc -o - | ffplay -")


class _Commands(Helpful, click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"nvcodec.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Commands: {', '.join(COMMANDS)}"
            raise UsageError(f"no such command '{args[0]}'", hint)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *(super().shell_complete(ctx, incomplete) if incomplete.startswith("-") else ())]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # one list of commands without importing any of them
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Options"):
            records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
            formatter.write_dl([record for record in records if record])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in _errors.EXIT_CODES.items()])
        with formatter.section("Examples"):
            for example in _EXAMPLES:
                formatter.write(f"  {example}\n")


@click.group(cls=_Commands, context_settings={"max_content_width": MAX_WIDTH, "help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="Show the version and exit.",
    callback=printing(lambda: f"nvc {__version__}"),
)
def cli() -> None:
    """A neural video codec: videos become small networks, networks become files, files become videos again."""


def _wants_json(words: Sequence[str]) -> bool:
    """Whether JSON is asked for, as far as can be told of words that nobody has understood yet, and may be mistakes."""
    return "--json" in words[: words.index("--") if "--" in words else None]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``nvc``, the console entry point."""
    fill_closed()
    use_utf8()
    complete_if_asked(cli)
    words = list(sys.argv[1:] if arguments is None else arguments)
    terminal = Terminal(as_json=_wants_json(words))

    def command() -> int | None:
        # not cli.main(), which has its own idea of broken pipes
        with cli.make_context("nvc", words or ["-h"], obj=terminal) as ctx:
            result: int | None = cli.invoke(ctx)
        if sys.stdout is not None:
            with writing_out():
                sys.stdout.flush()
        return result

    with ending_on_signals():
        code = _errors.run(command, terminal)
    sys.exit(code)
