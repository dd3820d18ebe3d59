"""The two languages of messages and hints: they are written for the command line, and translated for Python in here.

``add -y to replace it`` becomes ``add overwrite=True to replace it``, ``--bpp 0.2`` becomes ``bpp=0.2``, and
``nvc strip FILE --layers 2`` becomes ``nvcodec.strip("FILE", layers=2)``. Python is what is spoken unless the command
line has said that it runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

_SHORT = {
    "y": "overwrite", "o": "output", "n": "frames", "r": "rate", "s": "size", "b": "bitrate", "m": "model",
}  # fmt: skip
"""Keywords of flags of one letter."""
_OTHERS = {"all": "decode_all", "output": "output", "params": "params", "limit": "limits", "set": "settings"}
"""Keywords of long flags, where they are not simply those with underscores."""
_TRUE = {"overwrite", "allow_truncated", "preview", "check", "drop_previews", "deinterlace"}
"""Keywords of flags without a value."""
_NAMES = {
    "msnerv", "qsnerv", "tenerv", "dnerv", "hinerv", "hnerv", "rgb", "yuv", "draft", "faster", "fast", "medium", "slow",
    "slower", "psnr", "ssim", "gray", "auto", "cpu", "cuda", "mps",
}  # fmt: skip
"""Values that could be words of a sentence."""
_FUNCTIONS = {
    "encode": "encode", "decode": "decode", "info": "probe", "add-layer": "add_layer", "strip": "strip",
    "extract-layer": "extract", "append": "append", "eval": "evaluate", "bench": "bench",
}  # fmt: skip
"""What each command is in Python; others are named as they are."""

_VALUE = (
    rf"(?P<value>[^\s,;()]*[\d=/:][^\s,;()]*[^\s,;:.()?]|\d|[A-Z]+(?:\|[A-Z]+)?|{'|'.join(sorted(_NAMES))})(?![\w.])"
)
_FLAG = re.compile(
    rf"(?<![\w./'\"=-])(?:--(?P<long>[a-z]+(?:-[a-z]+)*)|-(?P<short>[{''.join(_SHORT)}]))(?![\w-])(?:[ =]{_VALUE})?"
)
_QUOTED = r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"|()])+"
_WORD = rf"(?:--resume {_QUOTED}|--?[a-z][a-z-]*|(?=[^\s|()]*[\d./='\"]|[A-Z]{{2}}){_QUOTED}|-)"
_COMMAND = re.compile(rf"\bnvc (?P<command>{'|'.join(_FUNCTIONS)})(?![\w-])(?P<words>(?: {_WORD}(?=\s|$|[|()]))*)")
_OUTPUT = re.compile(rf"(?<![\w./'\"=-])-o (?P<file>(?=\S*[./'\"]){_QUOTED})(?=\s|$)")
"""An output that is named."""
_REDIRECTED = re.compile(r"(?<!\S)-o - > ")
"""In lines that only a shell understands."""
_NEXT = re.compile(r"(\b\w+=(?:\"[^\"]*\"|[\w.]+)) (?=\w+=)")
"""Between two keywords of one call."""
_FOREIGN = re.compile(r"\b(?:ffmpeg|pip|mkdir|ffplay|python)\b.*", re.DOTALL)
"""Lines for a shell: those are the same for whoever uses Python."""


class _Spoken:
    command_line = False


@contextmanager
def speaking_command_line() -> Iterator[None]:
    """Leave messages and hints as they were written while a command runs."""
    before, _Spoken.command_line = _Spoken.command_line, True
    try:
        yield
    finally:
        _Spoken.command_line = before


def spoken(text: str) -> str:
    """A message or a hint in the language of whoever asked; what is translated stays as it is."""
    return text if _Spoken.command_line else in_python(text)


def in_python(text: str) -> str:
    """What is written for the command line, in the terms of the Python functions."""
    lines = text.split("\n")
    return "\n".join(map(_line, [line for line in lines if not _REDIRECTED.search(line)] or lines))


def _line(line: str) -> str:
    foreign = _FOREIGN.search(line)
    end = len(line) if foreign is None else foreign.start()
    own, rest = line[:end], line[end:]
    if "|" in rest or "nvc" not in own and "-" not in own:
        return line
    return _NEXT.sub(r"\1, ", _FLAG.sub(_keyword, _OUTPUT.sub(_output, _COMMAND.sub(_call, own)))) + rest


def _output(match: re.Match[str]) -> str:
    try:
        (name,) = shlex.split(match["file"])
    except ValueError:  # a quotation that is cut
        return match[0]
    return "output=" + repr(name)  # to be typed


def _keyword(match: re.Match[str]) -> str:
    name = _SHORT[match["short"]] if match["short"] else _name(match["long"])
    if name in _TRUE:
        return f"{name}=True" + (f" {match['value']}" if match["value"] else "")
    if match["value"] is None:
        return f"{name}=..." if match["short"] == "o" else name
    return f"{name}={_literal(match['value'])}"


def _name(flag: str) -> str:
    return _OTHERS.get(flag, flag.replace("-", "_"))


def _literal(text: str) -> str:
    """A value as Python has it: numbers and placeholders as they are, pairs as dictionaries, the rest in quotes."""
    if re.fullmatch(r"\d+(?:\.\d+)?(?:e-?\d+)?|[A-Z]+", text):
        return text
    if re.fullmatch(r"[\w.]+=[^=]+", text):
        name, _, value = text.partition("=")
        return f'{{"{name}": {_literal(value)}}}'
    return f'"{text}"' if '"' not in text else repr(text)


def _call(match: re.Match[str]) -> str:
    """A call in place of a command and its words."""
    name = f"nvcodec.{_FUNCTIONS[match['command']]}"
    if not match["words"]:
        return name if not match.string[match.end() :].strip(". ") else match[0]  # which may begin a sentence
    try:
        words = shlex.split(match["words"])
    except ValueError:  # a quotation that is cut
        return match[0]
    if "--resume" in words:
        folder = words[words.index("--resume") + 1 :][:1]
        return f"nvcodec.resume({', '.join(map(repr, folder))})"
    given: list[str] = []
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            given.append(_literal(word) if word.isupper() else repr(word))
            continue
        keyword = _name(word[2:]) if word.startswith("--") else _SHORT.get(word[1:], word[1:])
        if keyword in _TRUE:
            given.append(f"{keyword}=True")
        else:
            given.append(f"{keyword}={_literal(words.pop(0)) if words else '...'}")
    return f"{name}({', '.join(given)})"
