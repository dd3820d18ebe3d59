"""Which packs of a file can be used: those that stand in an unbroken chain of ids on a segment of the same file."""

from __future__ import annotations

from nvcodec.container.packs import PackSegment, base_id
from nvcodec.errors import BitstreamError, UsageError


def counted(layers: int) -> str:
    """How every message counts: ``base + 2 layers``, whose numbers are 1 and 2; ``the base alone``."""
    return f"base + {layers:,} layer{'' if layers == 1 else 's'}" if layers else "the base alone"


def no_layer(
    layer: object, held: int, *, file: str = "the file", option: str = "--layers", first: int = 0
) -> UsageError:
    """That a file has no such layer, and which can be given.

    Args:
        layer: What was asked for.
        held: Layers that the file holds above the base.
        file: What messages call it.
        option: What it was asked for with.
        first: The lowest that this takes.
    """
    choice = f"{option} can be {first}" + (f" to {held}" if held > first else " only")
    return UsageError(
        f"{file} has no layer {layer}: it holds {counted(held)}",
        choice if held >= first else "Add one with:  nvc add-layer",
    )


class LayerChain:
    """Builds, segment by segment, the pile of layers while a file is walked over.

    Errors are predicates; whoever names the chunk decides what they mean for the file.
    """

    def __init__(self) -> None:
        self.packs: list[PackSegment] = []
        """Usable ones in file order."""
        self.ids: list[list[bytes]] = []
        """By segment: the ids of its base and of the usable packs on it, from the bottom."""

    def add_base(self, header_payload: bytes, base_payload: bytes) -> None:
        """Begin the pile of the next segment."""
        self.ids.append([base_id(header_payload, base_payload)])

    def add(self, payload: bytes) -> PackSegment:
        """Read a pack and put it on its pile.

        Raises:
            BitstreamError: It cannot be read, or was made for something else than what lies below it.
        """
        pack = PackSegment.from_bytes(payload)
        if pack.segment >= len(self.ids):
            raise BitstreamError(f"enhances segment {pack.segment:,}, which is not in front of it")
        pile = self.ids[pack.segment]
        where = f"of segment {pack.segment:,}"
        if pack.layer < len(pile):
            raise BitstreamError(f"is a second layer {pack.layer} {where}")
        if pack.layer > len(pile):
            raise BitstreamError(f"is layer {pack.layer:,} {where}, but layer {len(pile)} is missing")
        if pack.parent != pile[-1]:
            below = "another base" if pack.layer == 1 else f"another layer {pack.layer - 1}"
            raise BitstreamError(f"was made for {below} {where}: it names {pack.parent.hex()}, not {pile[-1].hex()}")
        pile.append(pack.id)
        self.packs.append(pack)
        return pack

    def gap(self) -> str | None:
        """Why the topmost packs make no whole layer; None when every segment has as many."""
        heights = [len(pile) - 1 for pile in self.ids]
        lowest = min(heights, default=0)
        if max(heights, default=0) == lowest:
            return None
        return f"layer {lowest + 1} is missing for segment {heights.index(lowest):,}"
