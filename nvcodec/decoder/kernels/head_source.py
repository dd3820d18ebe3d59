"""A dense 3x3 convolution to a few channels as one kernel, in Triton.

So few products are made of each value that memory is what takes time: a program makes all channels of a tile of pixels
at once, in float32 on the units that are no tensor cores. Only :mod:`nvcodec.decoder.kernels.head` imports this.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["rows", "columns"])
def head_kernel(features, result, taps, bias, rows, columns, PLAN: tl.constexpr):
    """One tile of features, float32 [B, rows, columns, C] -> result, float32 [B, rows, columns, outgoing].

    Args:
        features: Contiguous.
        result: Contiguous.
        taps: float32 [3 * 3, outgoing, channels padded].
        bias: float32 [outgoing].
        rows: Height of the pictures.
        columns: Their width.
        PLAN: A :class:`nvcodec.decoder.kernels.head.HeadPlan`.
    """
    PIXELS: tl.constexpr = PLAN.pixels
    WIDTH: tl.constexpr = PLAN.width
    CHANNELS: tl.constexpr = PLAN.channels
    PADDED: tl.constexpr = PLAN.padded
    OUTGOING: tl.constexpr = PLAN.outgoing
    TILE_WIDTH: tl.constexpr = PLAN.tile_width
    TILE_ROWS: tl.constexpr = PIXELS // TILE_WIDTH
    tiles_across = tl.cdiv(columns, TILE_WIDTH)
    tiles = tiles_across * tl.cdiv(rows, TILE_ROWS)
    picture = tl.program_id(0) // tiles
    tile = tl.program_id(0) % tiles
    pixel = tl.arange(0, PIXELS)
    y = tile // tiles_across * TILE_ROWS + pixel // TILE_WIDTH
    x = tile % tiles_across * TILE_WIDTH + pixel % TILE_WIDTH
    image = features + picture.to(tl.int64) * rows * columns * CHANNELS
    drawn = result + picture.to(tl.int64) * rows * columns * OUTGOING

    part = tl.arange(0, WIDTH)
    totals = (tl.zeros((PIXELS, WIDTH), tl.float32),) * OUTGOING
    for tap in range(9):
        row = y + (tap // 3 - 1)
        column = x + (tap % 3 - 1)
        inside = ((row >= 0) & (row < rows) & (column >= 0) & (column < columns))[:, None]
        place = (row * columns + column)[:, None] * CHANNELS
        for first in tl.static_range(0, PADDED, WIDTH):
            channel = first + part
            there = inside & (channel < CHANNELS)[None, :]
            value = tl.load(image + place + channel[None, :], mask=there, other=0.0)
            weights = taps + tap * (OUTGOING * PADDED) + channel
            added = ()
            for out in tl.static_range(OUTGOING):
                added = added + (totals[out] + value * tl.load(weights + out * PADDED)[None, :],)
            totals = added
    shown = (y < rows) & (x < columns)
    for out in tl.static_range(OUTGOING):
        value = tl.sum(totals[out], axis=1) + tl.load(bias + out)
        tl.store(drawn + (y * columns + x) * OUTGOING + out, value, mask=shown)
