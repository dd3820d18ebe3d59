"""Every number and name a file is made of: the code twin of the id tables in bitstream_spec.md.

A test compares the two. Ids are never reused and never derived from an order in the code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeVar

from nvcodec.errors import UnsupportedError
from nvcodec.types import Domain as Domain  # defined with the pictures it is about; numbered here
from nvcodec.version import UPGRADE

SIGNATURE: Final = b"\x89NVC\r\n\x1a\n"
"""First eight bytes. The high bit and the line ends show a transfer that was not binary, as in PNG."""

VERSION: Final = (1, 2)
"""(major, minor): the newest that this program reads. A file has the lowest that can hold what is in it."""

UPGRADE_HINT: Final = UPGRADE
"""Remedy for every file that uses something this version has no number for."""

HEAD: Final = "HEAD"
BASE: Final = "BASE"
KEYF: Final = "KEYF"
PACK: Final = "pACK"
PREV: Final = "pREV"
DGST: Final = "dGST"
INDX: Final = "iNDX"
META: Final = "mETA"
SIDE: Final = "sIDE"

CHUNK_TYPES: Final = {
    HEAD: "sequence header",
    BASE: "base layer of one segment",
    KEYF: "key frames of one segment",
    PACK: "enhancement pack",
    PREV: "preview of one segment",
    DGST: "digest of one segment",
    INDX: "index",
    META: "metadata",
    SIDE: "side data of one stream",
}
"""All public chunk types."""

_Id = TypeVar("_Id", bound=IntEnum)


class ModelId(IntEnum):
    """Which representation the coded parameters belong to."""

    MSNERV = 1
    TENERV = 2
    QSNERV = 3
    DNERV = 4


class PackModelId(IntEnum):
    """Which representation the coded parameters of an enhancement pack belong to."""

    EEN = 1
    """The enhancement network of QS-NeRV."""


class KeyFrameCodec(IntEnum):
    """Which codec made the packets of key frames."""

    AV1 = 1


class PriorId(IntEnum):
    """What the parameters are coded relative to."""

    NONE = 0


class RenderProfile(IntEnum):
    """How exactly the pictures are determined by the integers of the file."""

    FLOAT32 = 0
    """Float arithmetic; every sample within 1 code value of the reference renderer."""


class IndexKind(IntEnum):
    """Which type of chunk an index entry points at."""

    BASE = 0
    PACK = 1


def known_id(ids: type[_Id], value: int, what: str) -> _Id:
    """Give an id of a file its name.

    Args:
        ids: The ids this version knows.
        value: The id found.
        what: What messages call it, e.g. ``"model id"``.

    Raises:
        UnsupportedError: It is none of them.
    """
    try:
        return ids(value)
    except ValueError:
        known = ", ".join(f"{member.value} {member.name.lower()}" for member in ids)
        raise UnsupportedError(f"uses {what} {value}; this nvc knows {known}", UPGRADE_HINT) from None


def is_critical(chunk_type: str) -> bool:
    """Whether a reader that does not know this chunk type has to refuse the file."""
    return chunk_type[0].isupper()
