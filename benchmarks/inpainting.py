"""Masked regions: hide them from the fit, and see what the decoder puts there.

    python benchmarks/inpainting.py CLIP... -o OUT --mask box:40x40 --mask scattered:30 --models msnerv,dnerv

Both protocols of the papers are reported: the PSNR inside the mask (D-NeRV) and over the whole picture (HNeRV, Boost).
Beside the decoded file stand fills that need no network, made from the uncoded source: the mean colour of what can be
seen, and the same place in the nearest frame where it can be seen (where none is, a smooth continuation).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from itertools import islice
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

from benchmarks.markdown import table  # noqa: E402
from nvcodec import VideoReader, encode  # noqa: E402
from nvcodec.config.keywords import ModelName  # noqa: E402
from nvcodec.encoder.footage.clip import Clip  # noqa: E402
from nvcodec.encoder.footage.hiding import hide  # noqa: E402
from nvcodec.io.mask import Mask, open_mask  # noqa: E402
from nvcodec.io.source import open_source  # noqa: E402
from nvcodec.metrics.measure import Measurement, measure  # noqa: E402
from nvcodec.types import Planes, VideoFormat  # noqa: E402


def mean_fill(clip: Clip, mask: Mask) -> list[Planes]:
    """Every frame with the mean of what can be seen of it where it is masked."""
    filled = []
    for index, planes in enumerate(clip.frames()):
        for plane, masked in zip(planes, mask.planes(index, clip.format.chroma), strict=True):
            plane[masked] = np.rint(plane[~masked].mean())
        filled.append(planes)
    return filled


def row(path: Path, spec: str, model: ModelName, given: argparse.Namespace) -> list[dict[str, object]]:
    """One clip with one mask through one model, and the fills."""
    with open_source(str(path)) as source:
        clip = Clip.load(islice(source, given.frames), source.format, None)
    mask = open_mask(spec, clip.format, len(clip))
    words = re.sub(r"[^\w+.-]", "_", spec)  # a mask's path has slashes
    output = given.output / f"{path.stem}_{words}_{model}.nvc"
    encode(
        path, output, model=model, bpp=given.bpp, preset=given.preset, epochs=given.epochs, threads=given.threads,
        mask=spec, frames=len(clip), overwrite=True,
    )  # fmt: skip
    common = {"clip": path.stem, "mask": spec}

    def against(name: str, pictures: list[Planes], video: VideoFormat) -> dict[str, object]:
        return {**common, "fill": name, **numbers(measure(clip.frames(), clip.format, pictures, video, mask=mask))}

    with VideoReader(output, device="cpu") as reader:
        decoded = against(model, list(reader.frames()), reader.format)
    return [
        {**decoded, "bytes": output.stat().st_size},
        against("mean colour", mean_fill(clip, mask), clip.format),
        against("nearest frame", list(hide(clip, mask).frames()), clip.format),
    ]


def numbers(quality: Measurement) -> dict[str, float]:
    """Both protocols."""
    assert quality.masked is not None
    return {
        "inside": round(quality.masked.inside, 2),
        "outside": round(quality.masked.outside, 2),
        "whole": round(quality.psnr["yuv_611"], 2),
    }


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the results")
    parser.add_argument("--mask", action="append", metavar="MASK", help="may be given several times")
    parser.add_argument("--models", default="msnerv,qsnerv,dnerv")
    parser.add_argument("--bpp", type=float, default=0.2)
    parser.add_argument("--frames", type=int, help="of each clip, at most")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--epochs", type=float, help="of each encode; default: the preset's")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for clip in given.clips:
        for spec in given.mask or ("box:40x40", "scattered:30"):
            for model in given.models.split(","):
                rows += [entry for entry in row(clip, spec, model, given) if entry not in rows]
                print(json.dumps(rows[-1]), flush=True)
    (given.output / "inpainting.json").write_text(json.dumps(rows, indent=1))
    keys = ("clip", "mask", "fill", "inside", "outside", "whole", "bytes")
    print("\n" + table(keys, [[entry.get(key, "") for key in keys] for entry in rows]))


if __name__ == "__main__":
    main()
