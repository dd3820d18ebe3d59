"""The previews of an open file: what their heads are, and the fields that draw with them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from fractions import Fraction
from typing import TYPE_CHECKING

from nvcodec.container import PREVIEW_DIVISORS, PreviewHead
from nvcodec.decoder.session import Session, finished
from nvcodec.errors import BitstreamError, UsageError, saying_of
from nvcodec.models.previews import PreviewShape, preview_shape
from nvcodec.quant.tensors import IntegerTensor

if TYPE_CHECKING:
    from nvcodec.models.preview import Preview

Scale = str | float | Fraction
"""Share of width and height to draw at: 1, 1/2, 1/4 or 1/8, as a number or written so."""
_MOST_PER_PARAMETER = 4
"""A head is a small part of its segment; only in a tiny one may it be the larger part."""


def check_scale(scale: Scale) -> int:
    """What width and height are divided by: 1, 2, 4 or 8.

    Raises:
        UsageError: There are no pictures of that size.
    """
    try:
        share, _, whole = str(scale).partition("/")
        for divisor in (1, *PREVIEW_DIVISORS):
            if float(share) / float(whole or 1) == 1 / divisor:
                return divisor
    except (ValueError, ZeroDivisionError):
        pass
    raise UsageError(f"pictures cannot be drawn at scale {scale}", "Possible are 1, 1/2, 1/4 and 1/8")


def head_shape(session: Session, head: PreviewHead) -> PreviewShape:
    """The head of a preview.

    Raises:
        BitstreamError: The network has no such features, or is small beside it.
        UnsupportedError: Together with the network it has more parameters than the limits allow.
    """
    segment = session.container.segments[head.segment]
    geometry, base = session.geometry(segment), sum(spec.size for spec in session.specs(segment))
    with _saying_of(head):
        pyramid = session.pyramid(segment)
        if pyramid is None:
            raise BitstreamError(f"is for {session.model.name}, which has no feature pyramid")
        try:
            shape = preview_shape(pyramid, geometry, head.divisor, head.level, head.rank)
        except ValueError as error:
            raise BitstreamError(f"cannot be drawn: {error}") from None
        if shape.parameters > _MOST_PER_PARAMETER * base:
            raise BitstreamError(f"announces {shape.parameters:,} parameters on top of {base:,}")
        session.limits.check("max_parameters", base + shape.parameters, "announces {} parameters with its segment")
    return shape


def head_integers(session: Session, head: PreviewHead) -> list[IntegerTensor]:
    """The decoded integers of a preview; the same on every machine.

    Raises:
        BitstreamError: As in :func:`head_shape`, or the coded parameters make no sense.
        UnsupportedError: As in :func:`head_shape`.
    """
    specs = head_shape(session, head).specs
    with _saying_of(head):
        return session.decoded(head.payload, specs)


def preview_field(session: Session, head: PreviewHead, tensors: list[IntegerTensor], device: str) -> Preview:
    """What draws a segment small, in evaluation mode, on ``device``.

    Args:
        session: The open file.
        head: Of the preview.
        tensors: Its integers.
        device: Where.
    """
    from nvcodec.models.base import PyramidField
    from nvcodec.models.preview import Preview

    base = session.field(head.segment, device)
    assert isinstance(base, PyramidField)
    field = Preview(base, head_shape(session, head))
    finished(field, tensors, device)
    return field


def _saying_of(head: PreviewHead) -> AbstractContextManager[None]:
    return saying_of(f"preview 1/{head.divisor} of segment {head.segment}")
