"""What the file of a layer holds, which is no video and needs its base for all but this. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nvcodec.container import Limits, PackSegment, is_pack_file, pack_frames, read_pack_file
from nvcodec.decoder.opening import read_bitstream
from nvcodec.errors import naming

SCHEMA = "nvc-info-layer/1"


@dataclass(frozen=True)
class LayerFileInfo:
    """Everything that the file of a layer says about itself."""

    file: str
    """Path, or ``<bytes>``."""
    bytes: int
    """Size of the file."""
    layer: int
    """Number of the layer, 1 and up."""
    frames: int
    """Of the video it is for."""
    psnr_db: float | None
    """Of the pictures with it, as the encoder stored it; None: not stored."""
    made_for: tuple[str, ...]
    """By segment: id of what it goes on, hexadecimal: of the base for layer 1, else of the layer below."""
    networks: tuple[int, ...]
    """By segment: number of the kind of its network."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``nvc info --json`` prints, schema ``nvc-info-layer/1``."""
        return {"schema": SCHEMA, **asdict(self)}


def probe_layer(source: str | Path | bytes, *, limits: Limits | None = None) -> LayerFileInfo | None:
    """Read what the file of a layer holds; checksums are verified. None: it begins as a video does.

    Args:
        source: Path of a file that ``nvc extract-layer`` has written, or its bytes.
        limits: What to refuse before allocating.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
    """
    data, name = read_bitstream(source), "<bytes>" if isinstance(source, bytes) else str(source)
    limits = limits or Limits()
    with naming(name):
        if not is_pack_file(data, limits):
            return None
        packs, frames = read_pack_file(data, limits), pack_frames(data, limits)
    return LayerFileInfo(
        file=name,
        bytes=len(data),
        layer=packs[0].layer,
        frames=sum(frames),
        psnr_db=_psnr_db(packs, frames),
        made_for=tuple(pack.parent.hex() for pack in packs),
        networks=tuple(pack.model_id for pack in packs),
    )


def _psnr_db(packs: list[PackSegment], frames: list[int]) -> float | None:
    """Mean over frames, as that of each segment is one."""
    if not all(pack.psnr_mdb for pack in packs) or not sum(frames):
        return None
    return round(sum(pack.psnr_mdb * count for pack, count in zip(packs, frames, strict=True)) / sum(frames) / 1000, 3)
