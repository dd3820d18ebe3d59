"""Take a logo, or dead pixels, out of a video: hide them from a fit, and let the network say what lies behind.

    python examples/remove_logo.py video.mp4 clean.mkv --mask box:60x20+10+8
    python examples/remove_logo.py video.mp4 clean.mkv --mask dead_pixels.png

Every sample that is not masked stays exactly what it was; only the holes are drawn.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import nvcodec
from nvcodec.io.mask import open_mask
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source


def clean(video: Path, output: Path, mask: str, *, crf: float = 20, epochs: float | None = None, model: str) -> int:
    """Write a copy of a video with what a mask covers drawn anew; the number of its frames.

    Args:
        video: The video with the logo.
        output: Where to write; .mkv and .y4m are lossless.
        mask: See :func:`nvcodec.io.mask.open_mask`.
        crf: Quality of the fit: the finer, the more the filling follows what is around it.
        epochs: Passes of the fit; None = the preset's.
        model: Representation.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "fitted.nvc")
        nvcodec.encode(video, file, mask=mask, crf=crf, epochs=epochs, model=model, domain="yuv420")
        with open_source(video) as source, nvcodec.VideoReader(file) as reader:
            masked = open_mask(mask, source.format, len(reader))
            with open_sink(output, source.format, overwrite=True) as sink:
                for index, (seen, drawn) in enumerate(zip(source, reader.frames(), strict=True)):
                    covered = masked.planes(index, source.format.chroma)
                    y, u, v = (np.where(*choice) for choice in zip(covered, drawn, seen, strict=True))
                    sink.write((y, u, v))
            return len(reader)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--mask", required=True, help="box:WxH+X+Y, or a picture or video that is white there")
    parser.add_argument("--crf", type=float, default=20)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--model", default="msnerv")
    given = parser.parse_args()
    frames = clean(given.video, given.output, given.mask, crf=given.crf, epochs=given.epochs, model=given.model)
    print(f"{given.output}: {frames} frames")


if __name__ == "__main__":
    main()
