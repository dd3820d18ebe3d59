"""What drawing a frame takes, in multiply-accumulates: a number that no machine or load changes."""

from __future__ import annotations

from math import ceil

import torch
from torch.utils.flop_counter import FlopCounterMode

from nvcodec.decoder.reader import VideoReader
from nvcodec.models.base import VideoField
from nvcodec.models.geometry import FieldGeometry


@torch.inference_mode()
def frame_macs(field: VideoField) -> int:
    """Multiply-accumulates of drawing one frame and what is drawn with it, counted while the network draws its first.

    Convolutions (also transposed and depthwise ones) and matrix products, those of linear layers and of interpolation
    between grid nodes in time included. Not counted, as is usual: interpolation in space, sampling along flow, norms,
    activations, biases, sums, and attention as one fused operation.
    """
    device = next(field.parameters()).device
    with FlopCounterMode(display=False) as counter:
        field(torch.zeros(1, dtype=torch.int64, device=device))
    flops: int = counter.get_total_flops()  # a multiplication and an addition are two
    return flops // 2


def kmac_per_pixel(reader: VideoReader) -> float:
    """Thousands of multiply-accumulates for each luma sample of a stream: mean over frames of :func:`frame_macs`.

    Where a clip of frames is drawn in one pass, it counts once; the codec of key frames does not count.

    Raises:
        BitstreamError: The coded parameters make no sense.
    """
    session = reader.session
    together = session.config.together or 1
    known: dict[FieldGeometry, int] = {}
    macs = frames = 0
    for ordinal, segment in enumerate(session.container.segments):
        if segment.stream != reader.stream:
            continue
        geometry = session.geometry(segment)
        if geometry not in known:  # one network configuration serves the file: equal segments take equal work
            known[geometry] = frame_macs(session.field(ordinal, reader.device))
        macs += known[geometry] * ceil(segment.frames / together)
        frames += segment.frames
    return macs / frames / (reader.format.width * reader.format.height) / 1000
