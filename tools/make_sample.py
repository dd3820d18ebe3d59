"""Cut a sample out of a longer video: the first frames, shrunk by averaging blocks, stored losslessly (H.264, qp 0).

python tools/make_sample.py big_buck_bunny_1280x720.mp4 samples/bunny_320x180_25.mkv --shrink 4 --frames 48
"""

from __future__ import annotations

import argparse
from fractions import Fraction

import av
import numpy as np

from nvcodec.io.source import open_source
from nvcodec.types import CodeValues


def shrunk(plane: CodeValues, factor: int) -> CodeValues:
    """Mean over blocks of ``factor`` x ``factor`` samples, rounded."""
    rows, columns = plane.shape[0] // factor, plane.shape[1] // factor
    blocks = plane[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    mean: CodeValues = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("--shrink", type=int, default=4)
    parser.add_argument("--seek", type=int, default=0)
    parser.add_argument("--frames", type=int, default=48)
    options = parser.parse_args()
    with (
        open_source(options.source, seek=options.seek, frames=options.frames) as source,
        av.open(options.output, "w") as file,
    ):
        video = source.format
        assert video.fps is not None
        stream = file.add_stream("libx264", rate=Fraction(video.fps), options={"qp": "0", "preset": "veryslow"})
        stream.width, stream.height = video.width // options.shrink, video.height // options.shrink
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_primaries = video.colour.matrix, video.colour.primaries
        context.color_trc, context.color_range = video.colour.transfer, 2 if video.colour.full_range else 1
        for planes in source:
            small = [shrunk(plane, options.shrink) for plane in planes]
            packed = np.concatenate([plane.reshape(-1) for plane in small])
            picture = packed.reshape(stream.height * 3 // 2, stream.width)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        file.mux(stream.encode())


if __name__ == "__main__":
    main()
