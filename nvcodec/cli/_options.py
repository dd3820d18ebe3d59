"""Options in groups, types with units, and the options that several commands share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from nvcodec.cli._terminal import Terminal, say
from nvcodec.config import kinds
from nvcodec.config.job import Job
from nvcodec.config.kinds import Kind
from nvcodec.config.options import Options, described
from nvcodec.encoder.resume.work_folder import job_in
from nvcodec.errors import UsageError, quoted

_Function = TypeVar("_Function", bound=Callable[..., Any])
MAX_WIDTH = 100
_FILES = ("FILE", "DIR", "PATH")
"""What options that take names of files say in their place."""


class GroupedOption(click.Option):
    """An option under a heading, with spellings of other programs that the help does not show."""

    def __init__(self, *args: Any, group: str = "General", aliases: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.group = group
        self.aliases = aliases

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register the option, and its other spellings."""
        super().add_to_parser(parser, ctx)
        if self.aliases:
            parser.add_option(obj=self, opts=self.aliases, dest=self.name, action="store", nargs=self.nargs)


class Helpful(click.Command):
    """A command whose help is printed as everything on stdout is, so that a stdout that takes nothing is told."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option, as click has it but for what it does."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.callback = printing(ctx.get_help)
        return found


def printing(text: Callable[[], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """What an option does that prints something, and nothing else."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            say(text())
            ctx.exit()

    return show


class Command(Helpful):
    """A command whose help lists its options by group, then examples; its arguments are files, if nothing else."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **settings: Any) -> None:
        settings.setdefault("context_settings", {"max_content_width": MAX_WIDTH, "help_option_names": ["-h", "--help"]})
        super().__init__(*args, **settings)
        self.examples = tuple(examples)
        for parameter in self.params:
            if isinstance(parameter, click.Argument) and parameter.type is click.STRING:
                parameter.type = FILE

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in the order they first appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(getattr(parameter, "group", "General"), []).append(record)
        groups["General"] = groups.pop("General")  # last
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def option(*names: str, group: str, aliases: tuple[str, ...] = (), **settings: Any) -> Callable[[_Function], _Function]:
    """Declare an option of a :class:`Command`."""
    if settings.get("metavar") in _FILES:
        settings.setdefault("type", FILE)
    return click.option(*names, cls=GroupedOption, group=group, aliases=aliases, **settings)


class KindType(click.ParamType):  # type: ignore[type-arg]
    """A type of click for a kind of value."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind, self.name = kind, kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn text, or a value of a configuration file, into one of the kind."""
        try:
            return self.kind.parse(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The words there are, where they are few."""
        return f"[{'|'.join(self.kind.choices)}]" if self.kind.choices else None

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """What a shell may fill in: the words there are, or names of files."""
        if self.kind is kinds.PATH:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in self.kind.choices if word.startswith(incomplete)]


FILE = KindType(kinds.PATH)
"""Names of files and folders."""


def choice(*words: str) -> KindType:
    """One of a few words; a near miss is told so."""
    return KindType(kinds.one_of(words))


def _stacked(*decorators: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    def apply(function: _Function) -> _Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def fields_of(
    options: type[Options],
    *names: str,
    group: str | None = None,
    help: Mapping[str, str] | None = None,
) -> Callable[[_Function], _Function]:
    """Fields of an options class as options of a command, under their own names.

    Args:
        options: The class.
        names: Which of its fields; none: all.
        group: Another heading for them.
        help: Other explanations by name.
    """
    known, defaults = described(options), options()

    def of_field(name: str) -> Callable[[_Function], _Function]:
        each = known[name]
        kind: dict[str, Any] = {"type": KindType(each.kind), "default": getattr(defaults, name)}
        if each.kind is kinds.FLAG:
            kind = {"is_flag": True}
        elif each.repeated:
            kind = {"multiple": True, "callback": _together(each.kind)}
        text = (help or {}).get(name, each.help)
        return option(
            *each.flags, name, group=group or each.group, aliases=each.aliases, metavar=each.metavar, help=text, **kind
        )

    return _stacked(*(of_field(name) for name in names or known))


def _together(kind: Kind[Any]) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], Any]:
    """Make one value of all that an option was given with."""

    def parse(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> Any:
        try:
            return kind.parse(words)
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            raise UsageError(message, remedy[:1].upper() + remedy[1:]) from None

    return parse


def whole(low: int) -> KindType:
    """A whole number, at least so large."""
    return KindType(kinds.whole(low))


def output_options(
    *, progress: bool = True, overwrite: bool = True, json: bool = True
) -> Callable[[_Function], _Function]:
    """What commands can be told of their output: all of them ``-v`` and ``-q``.

    ``overwrite`` is a parameter of the command; the others set the :class:`Terminal`.

    Args:
        progress: Whether it takes time.
        overwrite: Whether it writes files.
        json: Whether it has a result.
    """
    kind = choice("auto", "bar", "plain", "json", "none")
    shown = [
        option("--progress", group="Output", type=kind, default="auto", expose_value=False, callback=_set("progress"),
               help="Progress on stderr; auto = bar on a terminal, else plain lines.  [default: auto]")
    ]  # fmt: skip
    replacing = option("-y", "--overwrite", group="Output", is_flag=True, help="Replace an existing output file.")
    machine = option("--json", group="Output", is_flag=True, expose_value=False, callback=_set("as_json"),
                     help="Print one JSON result on stdout when done.")  # fmt: skip
    return _stacked(
        *((machine,) if json else ()),
        *(shown if progress else ()),
        *((replacing,) if overwrite else ()),
        option("-v", "--verbose", group="Output", count=True, expose_value=False, is_eager=True,
               callback=_set("verbose"), help="More detail; -vv also shows library logs."),
        option("-q", "--quiet", group="Output", is_flag=True, expose_value=False, is_eager=True,
               callback=_set("quiet"), help="Errors only."),
    )  # fmt: skip


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that keeps an option's value in the terminal."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if ctx.resilient_parsing:
            return
        setattr(ctx.ensure_object(Terminal), name, value)
        if name == "verbose" and value >= 2:
            logging.basicConfig(level=logging.DEBUG)

    return keep


def check_resume(ctx: click.Context, kept: Container[str]) -> None:
    """Refuse options that contradict the encode being resumed.

    Args:
        ctx: The command's.
        kept: Parameters that may be given all the same.

    Raises:
        UsageError: An option was given that the job has already settled.
    """
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
        if given and parameter.expose_value and parameter.name not in kept:
            name = parameter.opts[-1] if parameter.opts[-1].startswith("-") else str(parameter.metavar).rstrip(".")
            raise UsageError(f"{name} cannot be given with --resume", "A resumed encode keeps its input and settings")


def resumed(folder: str, *, layer: bool) -> Job:
    """The job of a folder of resume files.

    Raises:
        InputError: It holds none.
        UsageError: It is that of the other command.
    """
    job = job_in(Path(folder))
    if (job.base is not None) != layer:
        kind, other = ("a new file", "encode") if layer else ("a layer", "add-layer")
        raise UsageError(f"{folder} is of {kind}", f"Go on with it:  nvc {other} --resume {quoted(folder)}")
    return job
