"""How a bitstream is opened, and which of its streams, layers and devices are asked for. No torch at import."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from numbers import Integral
from pathlib import Path
from typing import Literal, Protocol, get_args

from nvcodec.container import Limits, no_layer
from nvcodec.decoder.session import FIELDS_KEPT, Session
from nvcodec.errors import BitstreamError, DeviceError, InputError, UsageError, naming, shown
from nvcodec.io.standard import is_terminal, standard_input

_SOURCES = "Give a path, bytes, or a file open in binary mode:  open(path, 'rb')"

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What networks may draw in."""
_MOST_DIGITS = 18
"""Of the number of a stream; Python itself refuses thousands."""


class BinaryFile(Protocol):
    """A file open for reading bytes, or something like it."""

    def read(self) -> bytes:
        """Everything from here to the end."""


def read_bitstream(source: str | Path | bytes | BinaryFile) -> bytes:
    """The bytes of a bitstream file, of one that is open, of standard input (``-``), or the bytes themselves.

    Raises:
        InputError: The file cannot be read, or was closed.
        UsageError: It is open as text, or there is no file at all; or standard input is closed.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if _name(source) == "-":
        if is_terminal(sys.stdin):
            raise InputError("standard input is a terminal", "Pipe a bitstream in, or name a file")
        return standard_input().read()
    read = Path(source).read_bytes if isinstance(source, (str, Path)) else getattr(source, "read", None)
    if read is None:
        raise UsageError(f"cannot read a bitstream from {type(source).__name__}", _SOURCES)
    try:
        data: object = read()
    except UnicodeDecodeError:
        data = ""
    except IsADirectoryError:
        raise InputError(f"{source} is a folder, not a bitstream") from None
    except OSError as error:
        raise InputError(f"cannot read {_name(source) or source}: {error.strerror or error}") from None
    except ValueError as error:  # of a closed file, or a name that no file can have
        raise InputError(f"cannot read {shown(str(_name(source) or source))}: {error}") from None
    if not isinstance(data, bytes):
        raise UsageError(f"{_name(source) or 'the file'} gives {type(data).__name__}, not bytes", _SOURCES)
    return data


def _name(source: object) -> str | None:
    """What messages call a bitstream; None where it has no name."""
    name = source if isinstance(source, (str, Path)) else getattr(source, "name", None)
    return str(name) if isinstance(name, (str, Path)) else None


def called(source: str | Path | bytes | BinaryFile) -> str:
    """What results and messages call a bitstream."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    name = _name(source)
    return "standard input" if name == "-" else name or "<file>"


def open_session(
    source: str | Path | bytes | BinaryFile,
    limits: Limits | Mapping[str, int] | None = None,
    fields_kept: int = FIELDS_KEPT,
) -> Session:
    """Open a bitstream, see :class:`Session`; errors name the file.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: See :func:`read_bitstream`.
    """
    data = read_bitstream(source)
    with naming(called(source) if _name(source) else None):
        return Session(data, None if limits is None else limits_of(limits), fields_kept)


def limits_of(given: Limits | Mapping[str, int]) -> Limits:
    """Limits as they are, or the usual ones with others in place of some.

    Raises:
        UsageError: There are no such limits.
    """
    if isinstance(given, Limits):
        return given
    if not isinstance(given, Mapping):
        raise UsageError(f"limits cannot be a {type(given).__name__}", "Give a dictionary:  {'max_frames': 2_000_000}")
    names = [field.name for field in fields(Limits)]
    for name, value in given.items():
        if name not in names:
            raise UsageError(f"no limit is called {shown(name)}", f"Limits are {', '.join(names)}")
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise UsageError(f"the limit {name} cannot be {shown(value)}", "Give a whole number")
    return replace(Limits(), **{name: int(value) for name, value in given.items()})


def stream_number(stream: int | str, names: Sequence[str]) -> int:
    """The number of the video that is called so, or has that number, which may be text.

    Raises:
        UsageError: There is no such stream.
    """
    if isinstance(stream, str) and stream in names:
        return names.index(stream)
    if str(stream).isdecimal() and len(str(stream)) <= _MOST_DIGITS and int(stream) < len(names):
        return int(stream)
    listed = ", ".join(f"{number} {shown(name)}" if name else str(number) for number, name in enumerate(names[:20]))
    raise UsageError(f"the file has no stream {shown(stream)}", f"Streams: {listed}")


def check_layers(session: Session, layers: int | None) -> int:
    """Enhancement layers to draw with: those asked for, or all that can be used.

    Raises:
        BitstreamError: They are in the file, but cannot be used.
        UsageError: The file never had so many.
    """
    container = session.container
    if layers is None or (isinstance(layers, Integral) and 0 <= layers <= container.layers):
        return container.layers if layers is None else int(layers)
    missing = no_layer(layers, container.layers)
    if container.layer_problem is not None:
        raise BitstreamError(f"has no usable layer {layers}: {container.layer_problem}", missing.hint)
    raise missing


def pick_device(name: str) -> str:
    """Resolve "auto" and make sure the device exists.

    Raises:
        UsageError: The name means nothing.
        DeviceError: There is no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except (RuntimeError, TypeError):
        raise UsageError(f"{shown(name)} is no device", "Devices: auto, cpu, cuda, cuda:1, mps") from None
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (torch.device(name).index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(kind, False):
        raise DeviceError(f"device {shown(name)} is not available here", "See what there is with: nvc doctor")
    return name


def check_precision(precision: str) -> str:
    """A precision that networks may draw in.

    Raises:
        UsageError: It is none.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"there is no precision {shown(precision)}", f"Choose from: {', '.join(PRECISIONS)}")
    return precision
