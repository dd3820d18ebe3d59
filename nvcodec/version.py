"""The version of this package, and what installs it."""

__version__ = "0.1.0"

PACKAGE = "neural-video-codec"
"""Its name where packages are kept; that of the module is another."""

UPGRADE = f"Upgrade with: pip install -U {PACKAGE}"


def install(extra: str) -> str:
    """How to get what only some commands need: an extra of pyproject.toml."""
    return f"pip install '{PACKAGE}[{extra}]'"
