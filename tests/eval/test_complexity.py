"""Multiply-accumulates, against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nvcodec import encode
from nvcodec.container import BaseSegment, ModelId, SequenceHeader, StreamHeader, write_container
from nvcodec.container import Domain as CodingDomain
from nvcodec.decoder.reader import VideoReader
from nvcodec.entropy.payload import encode_tensors
from nvcodec.eval.complexity import frame_macs, kmac_per_pixel
from nvcodec.io.sink import open_sink
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import HINERV_SWITCHES, GridLevel, MSNeRVConfig
from nvcodec.quant.tensors import IntegerTensor
from nvcodec.types import ChromaFormat, VideoFormat

SHAPE = {
    "strides": (2,),
    "channels": (6,),
    "depths": (1,),
    "expansions": (2,),
    "grids": (GridLevel(2, 1, 3),),
    "shuffle": 4,
}
CELLS, PIXELS = 6 * 8, 12 * 16
"""Of a 48x64 picture, before and after the one block; the head's shuffle does the rest."""
HINERV_MACS = {
    "grid, two nodes": 2 * CELLS * 3,
    "stem, dense 3x3": CELLS * 9 * 3 * 6,
    "depthwise 3x3": PIXELS * 9 * 6,
    "expand": PIXELS * 6 * 12,
    "project": PIXELS * 12 * 6,
    "head, dense 3x3 to 16 luma and 8 chroma samples": PIXELS * 9 * 6 * 24,
}
MSNERV_MACS = {
    **HINERV_MACS,
    "window of five over two nodes": 5 * 2,
    "upsampling, depthwise 3x3 to four times the channels": CELLS * 9 * 6 * 4,
    "local grid, four nodes of 2x2 cells with four channels": 4 * 2 * 2 * 4,
    "local projection": 2 * 2 * 4 * 6,
    "depthwise 5x5 in place of 3x3": PIXELS * (25 - 9) * 6,
    "cross-depth, depthwise 3x3": PIXELS * 9 * 6,
}


@pytest.mark.parametrize(
    ("switches", "macs"),
    [
        ({**HINERV_SWITCHES, "local_levels": 0}, HINERV_MACS),
        ({"gop_grid": False, "local_levels": 1}, MSNERV_MACS),
        ({"gop_grid": True, "local_levels": 1}, MSNERV_MACS),  # looking a grid up costs nothing
        ({"gop_grid": True, "gop_kernels": True, "local_levels": 1}, MSNERV_MACS),  # nor does a kernel
    ],
    ids=["HiNeRV", "MSNeRV", "MSNeRV with GoPs", "TeNeRV"],
)
def test_count_by_hand(switches, macs):
    field = MSNeRV(MSNeRVConfig(**SHAPE, **switches), FieldGeometry(4, 48, 64, ChromaFormat.YUV420, (0, 1, 3)))
    assert frame_macs(field) == sum(macs.values())


def _file(config: MSNeRVConfig, lengths: list[int]) -> bytes:
    """A bitstream made without a fit: all symbols are zero."""
    segments = []
    for length in lengths:
        specs = config.tensor_specs(FieldGeometry(length, 48, 64, ChromaFormat.YUV420))
        tensors = [
            IntegerTensor(spec, np.zeros(spec.shape, np.int32), np.full(spec.n_steps, -48, np.int16)) for spec in specs
        ]
        first = sum(segment.frames for segment in segments)
        segments.append(BaseSegment(0, first, length, encode_tensors(tensors)))
    stream = StreamHeader(VideoFormat(64, 48), sum(lengths))
    header = SequenceHeader(ModelId.MSNERV, CodingDomain.YUV420, (stream,), config.to_bytes())
    return write_container(header, segments)


def test_segments_count_by_their_frames():
    config = MSNeRVConfig(**SHAPE)
    lengths = [8, 8, 2]
    reader = VideoReader(_file(config, lengths), device="cpu")
    macs = [frame_macs(MSNeRV(config, FieldGeometry(length, 48, 64, ChromaFormat.YUV420))) for length in lengths]
    assert macs[0] != macs[2]  # fewer nodes of the grid to weigh
    expected = sum(macs[i] * lengths[i] for i in range(3)) / 18 / (48 * 64) / 1000
    assert kmac_per_pixel(reader) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("frames", [16, 9], ids=["two clips", "a clip and a frame, drawn as another"])
def test_frames_drawn_together_share_what_that_takes(moving, tmp_path, frames):
    source, file, video = tmp_path / "clip.y4m", tmp_path / "clip.nvc", VideoFormat(64, 48)
    with open_sink(source, video) as sink:
        for planes in moving(video, frames):
            sink.write(planes)
    shape = {"model.strides": "2", "model.channels": "8", "model.stem": 4, "model.key_channels": 8, "model.shuffle": 4}
    shape |= {"model.time_levels": 8, "model.time_width": 8}
    encode(source, file, model="dnerv", preset="draft", bpp=4, epochs=1, device="cpu", settings=shape)
    incoming, packed = 4 + 8, 16 + 8  # the time code and the features of key frames; luma and chroma of a cell
    macs = {
        "time code": 8 * (16 * 8 + 8 * 4),
        "features of two key frames": 2 * (PIXELS * 9 * packed * 8 + CELLS * 4 * 8 * 8),
        "flow of the block": 8 * CELLS * (incoming * 4 + 9 * 4 * 4),
        "fusion": 8 * CELLS * 8 * 2 * incoming,
        "dense 3x3, four times the channels": 8 * CELLS * 9 * incoming * 8 * 4,
        "temporal MLP": 8 * PIXELS * 8 * 8,
        "flow of the head": 8 * PIXELS * (8 * 4 + 9 * 4 * 4),
        "head": 8 * PIXELS * ((8 + packed) * 4 + 9 * 4 * packed),
    }
    expected = 2 * sum(macs.values()) / frames / (48 * 64) / 1000
    assert kmac_per_pixel(VideoReader(file, device="cpu")) == pytest.approx(expected, rel=1e-12)
