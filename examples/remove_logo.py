"""Take a logo, or dead pixels, out of a video: hide them from a fit, and let the network say what lies behind.

    python examples/remove_logo.py video.mp4 clean.mkv --mask box:60x20+10+8
    python examples/remove_logo.py video.mp4 clean.mkv --mask dead_pixels.png

Only what is masked is drawn. In .mkv, and in .y4m or PNG where the video is of their kind (4:2:0 or 8-bit RGB), every
other sample is exactly what it was; .mp4 is lossy. Sound is not carried over.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

import nvcodec
from nvcodec.config.keywords import ModelName
from nvcodec.errors import NvcError, UsageError
from nvcodec.io.mask import open_mask
from nvcodec.io.output import check_output
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source


def clean(
    video: Path, output: Path, mask: str, *, crf: float = 20, epochs: float | None = None, model: ModelName
) -> int:
    """Write a copy of a video with what a mask covers drawn anew; the number of its frames.

    Args:
        video: The video with the logo.
        output: Where to write; .mkv is lossless. A file, or ``folder/`` for PNG pictures.
        mask: See :func:`nvcodec.io.mask.open_mask`.
        crf: Quality of the fit: the finer, the more the filling follows what is around it.
        epochs: Passes of the fit; None = the preset's.
        model: Representation.

    Raises:
        NvcError: The video or the mask cannot be read, or the output exists or cannot be written.
    """
    if output.is_dir():
        if video.exists() and output.samefile(video):
            raise UsageError(f"{output} is the input itself", "Give the output another name")
    else:
        check_output(str(output), overwrite=False, inputs=[video])
    with tempfile.TemporaryDirectory() as folder, open_source(video) as source:
        file = Path(folder, "fitted.nvc")
        # opened before the fit: what cannot be written is better known at once
        with open_sink(output if output.suffix else f"{output}/", source.format) as sink:
            nvcodec.encode(video, file, mask=mask, crf=crf, epochs=epochs, model=model, settings={"loss.fill": 0.1})
            with nvcodec.VideoReader(file) as reader:
                masked = open_mask(mask, source.format, len(reader))
                for index, (seen, drawn) in enumerate(zip(source, reader.frames(), strict=True)):
                    covered = masked.planes(index, source.format.chroma)
                    sink.write(tuple(np.where(*choice) for choice in zip(covered, drawn, seen, strict=True)))
                return len(reader)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("output", type=Path, help="a new file: .mkv, .y4m, .mp4, or a folder of PNG pictures")
    parser.add_argument("--mask", required=True, help="box:WxH+X+Y, or a picture or video that is white there")
    parser.add_argument("--crf", type=float, default=20)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--model", default="msnerv")
    given = parser.parse_args()
    try:
        frames = clean(given.video, given.output, given.mask, crf=given.crf, epochs=given.epochs, model=given.model)
    except NvcError as error:
        print(f"error: {error}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    print(f"{given.output}: {frames} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
