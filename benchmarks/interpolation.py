"""Frames that a network never saw: fit every second frame, draw the others from the file alone.

    python benchmarks/interpolation.py CLIP... -o results/interpolation --models msnerv,qsnerv,dnerv

The honest protocol of MSNeRV's Appendix D: nothing of the held-out frames goes into the file. (HNeRV and QS-NeRV show
the held-out frame to their encoder, which measures something else.) Beside it stand what a player can do without a
network: the frame before once more, and the mean of the two frames around, both from the same decoded file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

from nvcodec import VideoReader, encode, encode_archive  # noqa: E402
from nvcodec.io.sink import open_sink  # noqa: E402
from nvcodec.io.source import open_source  # noqa: E402
from nvcodec.metrics.measure import measure  # noqa: E402
from nvcodec.types import ChromaFormat, Planes, VideoFormat  # noqa: E402


def pictures(clip: Path, frames: int | None) -> tuple[VideoFormat, list[Planes]]:
    """An odd number of frames: both ends are seen."""
    with open_source(str(clip)) as source:
        if source.format.chroma is not ChromaFormat.YUV420:
            sys.exit(f"{clip} is RGB; the numbers of this benchmark are of 4:2:0: convert it with -pix_fmt yuv420p")
        every = list(islice(source, frames))
        return source.format, every if len(every) % 2 else every[:-1]


def fitted(seen: Sequence[Planes], video: VideoFormat, output: Path, model: str, given: argparse.Namespace) -> None:
    """Encode the frames that are seen."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "seen.y4m")
        with open_sink(str(source), video, overwrite=False) as sink:
            for planes in seen:
                sink.write(planes)
        how = {
            "bpp": given.bpp, "preset": given.preset, "epochs": given.epochs, "threads": given.threads,
            "overwrite": True,
        }  # fmt: skip
        if model == "dnerv":
            encode_archive([source], output, **how)
        else:
            encode(source, output, model=model, **how)


def mean(first: Planes, second: Planes) -> Planes:
    """Of two pictures, halves rounded up."""
    kind = np.uint8 if first[0].dtype == np.uint8 else np.uint16
    y, u, v = (((a.astype(np.uint32) + b + 1) >> 1).astype(kind) for a, b in zip(first, second, strict=True))
    return y, u, v


def psnr_db(drawn: Sequence[Planes], wanted: Sequence[Planes], video: VideoFormat) -> float:
    """Mean PSNR 6:1:1."""
    return measure(wanted, video, drawn, video).psnr["yuv_611"]


def row(clip: Path, model: str, given: argparse.Namespace) -> dict[str, object]:
    """One clip through one model."""
    video, every = pictures(clip, given.frames)
    seen, hidden = every[::2], every[1::2]
    output = given.output / f"{clip.stem}_{model}.nvc"
    fitted(seen, video, output, model, given)
    reader = VideoReader(output, device="cpu")
    decoded = list(reader.frames())
    between = list(reader.frames([Fraction(2 * index + 1, 2) for index in range(len(hidden))]))
    ways = {
        "network": between,
        "repeat": decoded[:-1],
        "average": [mean(*pair) for pair in zip(decoded, decoded[1:], strict=False)],
    }
    return {
        "clip": clip.stem,
        "model": model,
        "frames": len(every),
        "bytes": output.stat().st_size,
        "seen": round(psnr_db(decoded, seen, video), 3),
        **{name: round(psnr_db(drawn, hidden, video), 3) for name, drawn in ways.items()},
    }


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the results")
    parser.add_argument("--models", default="msnerv,tenerv,qsnerv,dnerv")
    parser.add_argument("--bpp", type=float, default=0.2, help="of the frames that are seen")
    parser.add_argument("--frames", type=int, help="of each clip, at most")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--epochs", type=float, help="of each encode; default: the preset's")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in given.clips:
        for model in given.models.split(","):
            rows.append(row(clip, model, given))
            print(json.dumps(rows[-1]), flush=True)
    (given.output / "interpolation.json").write_text(json.dumps(rows, indent=1))
    print("\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for entry in rows:
        print("| " + " | ".join(map(str, entry.values())) + " |")


if __name__ == "__main__":
    main()
