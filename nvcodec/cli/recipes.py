"""``nvc recipes``."""

from __future__ import annotations

import click

from nvcodec.cli import _options as options
from nvcodec.cli._format import table
from nvcodec.cli._options import Command
from nvcodec.cli._terminal import Terminal, print_json, say
from nvcodec.config.kinds import one_of
from nvcodec.config.options import read_value
from nvcodec.config.recipe import RECIPES, Recipe, recipe


@click.command(cls=Command, examples=("nvc recipes", "nvc recipes msnerv > my.toml", "nvc recipes --json"))
@click.argument("name", required=False, metavar="[NAME]")
@options.output_options(progress=False, overwrite=False)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """List what nvc encode --recipe knows: networks, losses, optimisers and schedules as papers have them.

    With NAME its lines, each with the section or table that it is from.
    """
    terminal = ctx.ensure_object(Terminal)
    found = [recipe(each) for each in (RECIPES if name is None else (read_value("NAME", one_of(RECIPES), name),))]
    if terminal.as_json:
        print_json({"schema": "nvc-recipes/1", "recipes": [_plain(each) for each in found]})
    elif name is not None:
        say(found[0].text.rstrip())
    else:
        rows = [(each.name, each.about, each.model, f"{each.epochs:g}") for each in found]
        say("\n".join(table(("recipe", "paper", "model", "epochs"), rows, left={0, 1, 2})))
        say("\nnvc encode clip.y4m -o clip.nvc --recipe msnerv --params 3M")


def _plain(each: Recipe) -> dict[str, object]:
    return {
        "name": each.name,
        "about": each.about,
        "model": each.model,
        "epochs": each.epochs,
        "options": dict(each.options),
        "settings": dict(each.settings),
        "text": each.text,
    }
