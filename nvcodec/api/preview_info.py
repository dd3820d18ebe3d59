"""What the previews of a bitstream cost, without drawing them. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nvcodec.container import PREVIEW_DIVISORS
from nvcodec.decoder.previews import head_shape
from nvcodec.decoder.session import Session
from nvcodec.errors import NvcError


@dataclass(frozen=True)
class PreviewInfo:
    """The previews of one size."""

    segments: int
    """How many segments have one that can be used."""
    bytes: int
    """Of their coded parameters."""
    parameters: int
    """Coded numbers."""


def preview_infos(session: Session) -> Mapping[int, PreviewInfo]:
    """What there is, by divisor; sizes without a preview are absent."""
    found = {}
    for divisor in PREVIEW_DIVISORS:
        heads = [head for head in session.container.previews.values() if head.divisor == divisor]
        shapes = []
        for head in heads:
            try:
                shapes.append((head_shape(session, head), len(head.payload)))
            except NvcError:  # whoever draws with it goes the longer way
                continue
        if shapes:
            size, parameters = sum(size for _, size in shapes), sum(shape.parameters for shape, _ in shapes)
            found[divisor] = PreviewInfo(len(shapes), size, parameters)
    return found
