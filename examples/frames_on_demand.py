"""Look into a video without decoding what is not looked at, and make a contact sheet of it.

    python examples/frames_on_demand.py samples/bunny_320x180.nvc --sheet sheet.png

A frame of a neural video is drawn from its number alone, so the last one costs as much as the first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nvcodec import VideoReader
from nvcodec.io.sink import open_sink
from nvcodec.types import SRGB, ChromaFormat, VideoFormat


def contact_sheet(reader: VideoReader, rows: int, columns: int) -> Tensor:
    """Frames spread evenly over the video, as one picture uint8 or uint16 [3, rows * height, columns * width]."""
    chosen = np.linspace(0, len(reader) - 1, rows * columns).round().astype(int)
    data = reader.get_frames_at(chosen).data
    _, channels, height, width = data.shape
    grid = data.reshape(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return grid.reshape(channels, rows * height, columns * width)


def motion(reader: VideoReader, size: int = 8) -> list[float]:
    """How much each frame differs from the one before: mean absolute difference, in shares of the largest value."""
    peak = 2.0**reader.metadata.bit_depth - 1
    changes, last = [0.0], reader[:1]
    for batch in reader.batches(size):  # never more than a few frames in memory
        frames = torch.cat([last, batch.data]).float() / peak
        changes += (frames[1:] - frames[:-1]).abs().mean((1, 2, 3)).tolist()
        last = batch.data[-1:]
    return changes[1:]


def save_png(picture: Tensor, path: Path, bit_depth: int = 8) -> None:
    """Write a picture [3, height, width]; PNG holds 8 bits, to which 10 are rounded."""
    _, height, width = picture.shape
    video = VideoFormat(width, height, None, bit_depth, ChromaFormat.RGB, SRGB)
    with open_sink(path, video, overwrite=True) as sink:
        red, green, blue = picture.numpy()
        sink.write((red, green, blue))


def look(file: Path, sheet: Path | None, rows: int = 2, columns: int = 4) -> None:
    """Print what a video is, where it moves most, and perhaps save its contact sheet."""
    with VideoReader(file, device="cpu") as reader:
        print(reader.metadata)
        print("last:", reader.get_frame_at(-1))
        if (seconds := reader.metadata.duration_seconds) is not None:
            print("half way:", reader.get_frame_played_at(seconds / 2))
        changes = motion(reader)
        most = max(range(len(reader)), key=changes.__getitem__)
        print(f"moves most before frame {most}: {100 * changes[most]:.1f} % of full scale")
        if sheet is not None:
            save_png(contact_sheet(reader, rows, columns), sheet, reader.metadata.bit_depth)
            print(f"{rows * columns} frames in {sheet}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="an .nvc file")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet of 2 x 4 frames")
    arguments = parser.parse_args()
    look(arguments.file, arguments.sheet)


if __name__ == "__main__":
    main()
