"""Put the same frame of two videos side by side in one PNG, the first on the left.

python tools/side_by_side.py clip.mkv decoded.mkv --frame 24 -o side_by_side.png
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import cast

import numpy as np

from nvcodec.color import to_eight_bit, yuv_to_rgb
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Planes, VideoFormat


def rgb_frame(path: str, frame: int) -> tuple[Planes, VideoFormat]:
    """One frame as 8 bit RGB planes, and its format."""
    with open_source(path, seek=frame, frames=1) as source:
        planes = next(iter(source))
        video = source.format
    if video.chroma is not ChromaFormat.RGB:
        planes = yuv_to_rgb(planes, video)
    return to_eight_bit(planes, video), replace(video, chroma=ChromaFormat.RGB, bit_depth=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("left")
    parser.add_argument("right")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    left, video = rgb_frame(options.left, options.frame)
    right, _ = rgb_frame(options.right, options.frame)
    planes = tuple(np.hstack(pair) for pair in zip(left, right, strict=True))
    with open_sink(options.output, replace(video, width=2 * video.width), overwrite=True) as sink:
        sink.write(cast(Planes, planes))
    print(f"{options.output}: frame {options.frame}, {options.left} left, {options.right} right")


if __name__ == "__main__":
    main()
