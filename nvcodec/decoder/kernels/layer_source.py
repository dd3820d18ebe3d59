"""A whole layer as one kernel, in Triton: depthwise convolution, norm, MLP and skip.

A program makes a tile of pixels with all their channels: it reads them once, keeps the hidden units of the MLP to
itself, and writes the result once. Only :mod:`nvcodec.decoder.kernels.layer` imports this, on CUDA, where torch brings
Triton along.

Sizes of blocks are powers of two in Triton. Channels are cut into a main part and a tail, so that 34 of them take 48
places and not 64; what lies beyond them has weights of zero.
"""

import triton
import triton.language as tl


@triton.jit
def _depthwise(image, taps, place, rows, columns, FIRST: tl.constexpr, WIDTH: tl.constexpr, PLAN: tl.constexpr):
    """Channels FIRST to FIRST + WIDTH of the convolution, float32 [pixels, WIDTH]; zero beyond the channels."""
    y, x = place
    channel = FIRST + tl.arange(0, WIDTH)
    there = channel < PLAN.channels
    PIXELS: tl.constexpr = PLAN.pixels
    z = tl.zeros((PIXELS, WIDTH), tl.float32)
    for tap in tl.static_range(PLAN.side * PLAN.side):
        row = y + (tap // PLAN.side - PLAN.side // 2)
        column = x + (tap % PLAN.side - PLAN.side // 2)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        where = (row * columns + column)[:, None] * PLAN.channels + channel[None, :]
        value = tl.load(image + where, mask=inside[:, None] & there[None, :], other=0.0)
        z += value * tl.load(taps + tap * PLAN.channels_padded + channel)[None, :]
    return z


@triton.jit
def _skipped(image, taps, place, rows, columns, FIRST: tl.constexpr, WIDTH: tl.constexpr, PLAN: tl.constexpr):
    """What the MLP's result is added to, for output channels FIRST to FIRST + WIDTH."""
    if PLAN.skip == "convolved":
        skipped = _depthwise(image, taps, place, rows, columns, FIRST, WIDTH, PLAN)
    elif PLAN.skip == "input":
        y, x = place
        channel = FIRST + tl.arange(0, WIDTH)
        where = (y * columns + x)[:, None] * PLAN.channels + channel[None, :]
        inside = ((y < rows) & (x < columns))[:, None] & (channel < PLAN.channels)[None, :]
        skipped = tl.load(image + where, mask=inside, other=0.0)
    else:
        PIXELS: tl.constexpr = PLAN.pixels
        skipped = tl.zeros((PIXELS, WIDTH), tl.float32)
    return skipped


@triton.jit
def _split(values, PLAN: tl.constexpr):
    """Float32 as the sum of two bf16, which holds 16 bits of its mantissa; as it is where products do not need that."""
    if PLAN.precision == "bf16x3":
        high = values.to(tl.bfloat16)
        low = (values - high.to(tl.float32)).to(tl.bfloat16)
    else:
        high = values
        low = values
    return high, low


@triton.jit
def _add_product(total, split, weights, LOW: tl.constexpr, PLAN: tl.constexpr):
    """Total + values @ weights, in float32. LOW: how far behind the weights' high halves the low ones are."""
    high, low = split
    if PLAN.precision == "bf16x3":
        weight = tl.load(weights)
        total = tl.dot(low, weight, total)
        total = tl.dot(high, tl.load(weights + LOW), total)
        total = tl.dot(high, weight, total)
    else:
        total = tl.dot(high, tl.load(weights), total, input_precision=PLAN.precision)
    return total


@triton.jit
def _store(image, values, place, rows, columns, FIRST: tl.constexpr, WIDTH: tl.constexpr, PLAN: tl.constexpr):
    y, x = place
    channel = FIRST + tl.arange(0, WIDTH)
    inside = ((y < rows) & (x < columns))[:, None] & (channel < PLAN.outgoing)[None, :]
    tl.store(image + (y * columns + x)[:, None] * PLAN.outgoing + channel[None, :], values, mask=inside)


@triton.jit(do_not_specialize=["rows", "columns"])
def layer_kernel(features, result, taps, groups, expand, project, rows, columns, PLAN: tl.constexpr):
    """One tile of features, float32 [B, rows, columns, channels] -> result, float32 [B, rows, columns, outgoing].

    Args:
        features: Contiguous.
        result: Contiguous.
        taps: Kernels of all groups, float32 [G, side * side, channels padded].
        groups: Which kernel each picture has, int64 [B]; not looked at where there is one.
        expand: [hidden padded, channels padded]; twice, high and low halves, where the precision is ``bf16x3``.
        project: [hidden padded, outgoing padded], in that case; else [outgoing padded, hidden padded].
        rows: Height of the pictures.
        columns: Their width.
        PLAN: A :class:`nvcodec.decoder.kernels.layer.Plan`.
    """
    PIXELS: tl.constexpr = PLAN.pixels
    UNITS: tl.constexpr = PLAN.units
    MAIN: tl.constexpr = PLAN.main
    TAIL: tl.constexpr = PLAN.tail
    OUT_MAIN: tl.constexpr = PLAN.out_main
    OUT_TAIL: tl.constexpr = PLAN.out_tail
    TILE_WIDTH: tl.constexpr = PLAN.tile_width
    TILE_ROWS: tl.constexpr = PIXELS // TILE_WIDTH
    EXPAND_LOW: tl.constexpr = PLAN.expand_low
    PROJECT_LOW: tl.constexpr = PLAN.project_low
    tiles_across = tl.cdiv(columns, TILE_WIDTH)
    tiles = tiles_across * tl.cdiv(rows, TILE_ROWS)
    picture = tl.program_id(0) // tiles
    tile = tl.program_id(0) % tiles
    pixel = tl.arange(0, PIXELS)
    y = tile // tiles_across * TILE_ROWS + pixel // TILE_WIDTH
    x = tile % tiles_across * TILE_WIDTH + pixel % TILE_WIDTH
    place = (y, x)
    image = features + picture.to(tl.int64) * rows * columns * PLAN.channels
    drawn = result + picture.to(tl.int64) * rows * columns * PLAN.outgoing
    if PLAN.grouped:
        taps += tl.load(groups + picture) * (PLAN.side * PLAN.side * PLAN.channels_padded)

    # layer norm over the true channels: those beyond them are zeros, and must not become -mean
    main = _depthwise(image, taps, place, rows, columns, 0, MAIN, PLAN)
    total = tl.sum(main, axis=1)
    if TAIL > 0:
        tail = _depthwise(image, taps, place, rows, columns, MAIN, TAIL, PLAN)
        total += tl.sum(tail, axis=1)
    mean = total / PLAN.channels
    main_channel = tl.arange(0, MAIN)
    main = tl.where(main_channel[None, :] < PLAN.channels, main - mean[:, None], 0.0)
    square = tl.sum(main * main, axis=1)
    if TAIL > 0:
        tail_channel = MAIN + tl.arange(0, TAIL)
        tail = tl.where(tail_channel[None, :] < PLAN.channels, tail - mean[:, None], 0.0)
        square += tl.sum(tail * tail, axis=1)
    scale = 1.0 / tl.sqrt(square / PLAN.channels + 1e-6)
    main_split = _split(main * scale[:, None], PLAN)
    if TAIL > 0:
        tail_split = _split(tail * scale[:, None], PLAN)

    out_main = _skipped(image, taps, place, rows, columns, 0, OUT_MAIN, PLAN)
    if OUT_TAIL > 0:
        out_tail = _skipped(image, taps, place, rows, columns, OUT_MAIN, OUT_TAIL, PLAN)
        out_tail_channel = OUT_MAIN + tl.arange(0, OUT_TAIL)
    out_main_channel = tl.arange(0, OUT_MAIN)
    for first in range(0, PLAN.hidden, UNITS):
        unit = first + tl.arange(0, UNITS)
        hidden = tl.zeros((PIXELS, UNITS), tl.float32)
        row = expand + unit[None, :] * PLAN.channels_padded
        hidden = _add_product(hidden, main_split, row + main_channel[:, None], EXPAND_LOW, PLAN)
        if TAIL > 0:
            hidden = _add_product(hidden, tail_split, row + tail_channel[:, None], EXPAND_LOW, PLAN)
        hidden = 0.5 * hidden * (1.0 + tl.math.erf(hidden * 0.7071067811865476))
        active = _split(hidden, PLAN)
        row = project + unit[:, None] * PLAN.unit_stride
        out_main = _add_product(out_main, active, row + out_main_channel[None, :] * PLAN.out_stride, PROJECT_LOW, PLAN)
        if OUT_TAIL > 0:
            out_tail = _add_product(
                out_tail, active, row + out_tail_channel[None, :] * PLAN.out_stride, PROJECT_LOW, PLAN
            )
    _store(drawn, out_main, place, rows, columns, 0, OUT_MAIN, PLAN)
    if OUT_TAIL > 0:
        _store(drawn, out_tail, place, rows, columns, OUT_MAIN, OUT_TAIL, PLAN)
