"""The version of this package, and what installs it."""

__version__ = "0.1.0"

UPGRADE = "It takes a later nvc: git pull in the checkout of nvc, then  pip install ."


def install(extra: str) -> str:
    """How to get what only some commands need, an extra of pyproject.toml, where nvc came from: its repository."""
    return f"In the checkout of nvc:  pip install '.[{extra}]'"
