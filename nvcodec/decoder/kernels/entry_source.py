"""What a block begins with as one kernel, in Triton: norm, bilinear upsampling, and an encoding of places in a cell.

Between four neighbours lie as many samples of the result as an upsampled cell has, and all are mixed from these four.
A program makes those of a few such gaps, with all their channels; around the picture, gaps reach over its border, where
the sample on the border stands for that beyond it. Only :mod:`nvcodec.decoder.kernels.entry` imports this.
"""

import triton
import triton.language as tl


@triton.jit
def _normalised(image, row, column, columns, channel, PLAN: tl.constexpr):
    """Layer norm of one place for each gap, float32 [gaps, channels padded]; zero beyond the channels."""
    there = (channel < PLAN.channels)[None, :]
    where = (row * columns + column)[:, None] * PLAN.channels + channel[None, :]
    value = tl.load(image + where, mask=there, other=0.0)
    mean = tl.sum(value, axis=1) / PLAN.channels
    value = tl.where(there, value - mean[:, None], 0.0)
    square = tl.sum(value * value, axis=1)
    return value * (1.0 / tl.sqrt(square / PLAN.channels + 1e-6))[:, None]


@triton.jit(do_not_specialize=["rows", "columns"])
def entry_kernel(features, result, cells, rows, columns, PLAN: tl.constexpr):
    """Some gaps of features, float32 [B, rows, columns, C] -> result, float32 [B, s * rows, s * columns, C].

    Args:
        features: Contiguous.
        result: Contiguous.
        cells: What is added to every cell of each picture, float32 [B, s, s, C]; not looked at where that is nothing.
        rows: Height of the features.
        columns: Their width.
        PLAN: A :class:`nvcodec.decoder.kernels.entry.EntryPlan`.
    """
    STRIDE: tl.constexpr = PLAN.stride
    CHANNELS: tl.constexpr = PLAN.channels
    GAPS: tl.constexpr = PLAN.gaps
    PADDED: tl.constexpr = PLAN.padded
    FIRST: tl.constexpr = STRIDE // 2
    programs = tl.cdiv((rows + 1) * (columns + 1), GAPS)
    picture = tl.program_id(0) // programs
    gap = tl.program_id(0) % programs * GAPS + tl.arange(0, GAPS)
    above = gap // (columns + 1) - 1
    before = gap % (columns + 1) - 1
    image = features + picture.to(tl.int64) * rows * columns * CHANNELS
    drawn = result + picture.to(tl.int64) * rows * columns * (STRIDE * STRIDE * CHANNELS)
    cell = cells + picture * (STRIDE * STRIDE * CHANNELS)

    top, bottom = tl.minimum(tl.maximum(above, 0), rows - 1), tl.minimum(above + 1, rows - 1)
    left, right = tl.maximum(before, 0), tl.minimum(before + 1, columns - 1)
    channel = tl.arange(0, PADDED)
    there = channel < CHANNELS
    top_left = _normalised(image, top, left, columns, channel, PLAN)
    top_right = _normalised(image, top, right, columns, channel, PLAN)
    bottom_left = _normalised(image, bottom, left, columns, channel, PLAN)
    bottom_right = _normalised(image, bottom, right, columns, channel, PLAN)
    for down in tl.static_range(STRIDE):
        lower = (FIRST + down + 0.5) / STRIDE - 0.5  # the share of what lies below
        middle_left = top_left * (1.0 - lower) + bottom_left * lower
        middle_right = top_right * (1.0 - lower) + bottom_right * lower
        y = above * STRIDE + (FIRST + down)
        for across in tl.static_range(STRIDE):
            later = (FIRST + across + 0.5) / STRIDE - 0.5
            value = middle_left * (1.0 - later) + middle_right * later
            if PLAN.encoded:
                place = ((FIRST + down) % STRIDE) * STRIDE + (FIRST + across) % STRIDE
                value += tl.load(cell + place * CHANNELS + channel, mask=there, other=0.0)[None, :]
            x = before * STRIDE + (FIRST + across)
            inside = (y >= 0) & (y < rows * STRIDE) & (x >= 0) & (x < columns * STRIDE)
            where = (y * (columns * STRIDE) + x)[:, None] * CHANNELS + channel[None, :]
            tl.store(drawn + where, value, mask=inside[:, None] & there[None, :])
