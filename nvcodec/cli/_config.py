"""``--config FILE`` and ``--save-config FILE``: options and settings in TOML, weaker than the options given."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import tomli_w

from nvcodec.cli._options import option
from nvcodec.config.options import EncodeOptions, described, plain
from nvcodec.config.settings import flatten
from nvcodec.errors import InputError, UsageError, shown
from nvcodec.io.output import check_output, write_output

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_CONFIG = f"{__name__}.path"
_NOT_IN_FILES = {"config", "save-config", "resume", "set", "help", "verbose", "quiet"}


def config_option(group: str) -> Callable[[_Function], _Function]:
    """``tables``: those of the file. Its other keys become defaults of the options of that name."""
    return option("--config", "tables", group=group, metavar="FILE", is_eager=True, callback=_read_config,
                  help="TOML with long options and settings as keys; options win over it.")  # fmt: skip


def drop_overruled(ctx: click.Context, names: Iterable[str], values: dict[str, Any]) -> None:
    """Of options that exclude each other, forget those of the file when one was given on the command line."""
    sources = {name: ctx.get_parameter_source(name) for name in names}
    if click.core.ParameterSource.COMMANDLINE in sources.values():
        for name, source in sources.items():
            if source is click.core.ParameterSource.DEFAULT_MAP:
                values[name] = None


def _read_config(ctx: click.Context, param: click.Parameter, path: str | None) -> dict[str, object]:
    if path is None:
        return {}
    ctx.meta[_CONFIG] = path
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from None
    tables = {key: value for key, value in content.items() if isinstance(value, Mapping) or "." in key}
    known = {
        name[2:]: parameter
        for parameter in ctx.command.get_params(ctx)
        for name in parameter.opts
        if name.startswith("--") and name[2:] not in _NOT_IN_FILES
    }
    defaults = {}
    for key in content.keys() - tables.keys():
        name = key.replace("_", "-")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UsageError(f"{path}: no option is called {shown(key)}", f"Did you mean {near[0]}?" if near else "")
        is_flag = isinstance(
            known[name].type, click.types.BoolParamType
        )  # which looks at text, and at nothing else that TOML has
        defaults[known[name].name] = str(content[key]) if is_flag else content[key]
    ctx.default_map = {**(ctx.default_map or {}), **{str(name): value for name, value in defaults.items()}}
    return flatten(tables)


def files_read(ctx: click.Context, *others: str | None) -> list[str]:
    """The file of ``--config``, and others that were given."""
    return [path for path in (ctx.meta.get(_CONFIG), *others) if path is not None]


def save_config(path: str, options: EncodeOptions, overwrite: bool) -> None:
    """Write options as TOML that ``--config`` reads: everything that has a value, then settings by their dotted keys.

    Raises:
        UsageError: The file exists, or cannot be written.
    """
    check_output(path, overwrite)
    known, values = described(type(options)), plain(options)
    del values["settings"]
    content = {known[name].flags[-1].removeprefix("--"): value for name, value in values.items() if value is not None}
    # not as tables: one of them has the name of an option
    text = tomli_w.dumps({**content, **options.settings})
    write_output(path, text.encode(), overwrite=overwrite)
