"""The previews of an open file: what their heads are, and the fields that draw with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

from nvcodec.container import PREVIEW_DIVISORS, PreviewHead
from nvcodec.decoder.session import Session
from nvcodec.entropy.payload import decode_tensors
from nvcodec.errors import BitstreamError, UnsupportedError, UsageError
from nvcodec.models.previews import PreviewShape, preview_shape
from nvcodec.quant.steps import dequantise
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
    with _naming(head):
        if session.config.has_key_frames:
            raise BitstreamError(f"is for {session.model.name}, which has no feature pyramid")
        try:
            shape = preview_shape(session.config.pyramid(geometry), geometry, head.divisor, head.level, head.rank)
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
    started = time.perf_counter()
    with _naming(head):
        tensors = decode_tensors(head.payload, specs)
    session.entropy_s += time.perf_counter() - started
    return tensors


def preview_field(session: Session, head: PreviewHead, tensors: list[IntegerTensor], device: str) -> Preview:
    """What draws a segment small, in evaluation mode, on ``device``.

    Args:
        session: The open file.
        head: Of the preview.
        tensors: Its integers.
        device: Where.
    """
    import torch

    from nvcodec.models.base import PyramidField
    from nvcodec.models.preview import Preview

    base = session.field(head.segment, device)
    assert isinstance(base, PyramidField)
    field = Preview(base, head_shape(session, head))
    load_head(field, tensors)
    field.requires_grad_(False).eval()
    return field.to(torch.device(device))


def load_head(field: Preview, tensors: list[IntegerTensor]) -> None:
    """Give a preview its parameters."""
    import torch

    with torch.no_grad():
        for parameter, tensor in zip((field.kernel, field.mixing, field.bias), tensors, strict=True):
            parameter.copy_(torch.from_numpy(dequantise(tensor)))


@contextmanager
def _naming(head: PreviewHead) -> Iterator[None]:
    """Say which preview an error is about."""
    try:
        yield
    except (BitstreamError, UnsupportedError) as error:
        error.message = f"preview 1/{head.divisor} of segment {head.segment} {error.message}"
        raise
