"""Several videos in one archive against an archive each, and D-NeRV's parts left out in turn (its Tables 1 and 3).

    python benchmarks/archives.py CLIP... -o results --bpp 0.2 --seconds 240
    python benchmarks/archives.py CLIP... -o results --bpp 0.2 --seconds 240 --parts

All files together have the same bytes and take the same time, in whatever way the videos are put into them. Numbers are
those of the written files.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

import nvcodec  # noqa: E402
from benchmarks.markdown import table  # noqa: E402
from nvcodec.encoder.result import EncodeResult  # noqa: E402

_PARTS = {
    "no flow": {"model.flow": "off"},
    "no fusion (sum)": {"model.fusion": "off"},
    "no temporal MLP": {"model.temporal": "off"},
    "key frames blended": {"model.flow": "off", "model.fusion": "off", "model.temporal": "off"},
}


def encode(
    clips: list[Path], given: argparse.Namespace, name: str, seconds: float, frames: int | None, **sets: str
) -> EncodeResult:
    """One file in ``given.output``."""
    return nvcodec.encode(
        clips, given.output / f"{name}.nvc", model="dnerv", bpp=given.bpp, preset=given.preset, max_time_s=seconds,
        frames=frames, threads=given.threads, seed=given.seed, settings=sets, overwrite=True,
    )  # fmt: skip


def row(name: str, results: list[EncodeResult]) -> dict[str, Any]:
    """Numbers of all files of one way."""
    streams = [stream for result in results for stream in result.streams]
    return {
        "name": name,
        "bytes": sum(result.bytes for result in results),
        "network_bytes": sum(result.network_bytes for result in results),
        "key_frame_bytes": sum(result.key_frame_bytes for result in results),
        "seconds": round(sum(result.encode_s for result in results), 1),
        "steps": sum(result.fit_steps for result in results),
        "psnr_yuv_611": [round(stream.psnr["yuv_611"], 3) for stream in streams],
        "mean": round(sum(stream.psnr["yuv_611"] for stream in streams) / len(streams), 3),
    }


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the results")
    parser.add_argument("--bpp", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=240, help="for all videos together")
    parser.add_argument("--frames", type=int, help="of each video, at most")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", action="store_true", help="leave D-NeRV's parts out in turn")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []

    def add(name: str, results: list[EncodeResult]) -> None:
        rows.append(row(name, results))
        print(json.dumps(rows[-1]), flush=True)

    shared = encode(given.clips, given, "shared", given.seconds, given.frames)
    add("shared", [shared])
    each, share = zip(given.clips, shared.streams, strict=True), given.seconds / len(given.clips)
    add("separate", [encode([clip], given, f"separate_{clip.stem}", share, stream.frames) for clip, stream in each])
    for name, sets in _PARTS.items() if given.parts else ():
        add(name, [encode(given.clips, given, name.replace(" ", "_"), given.seconds, given.frames, **sets)])
    (given.output / "archives.json").write_text(json.dumps(rows, indent=1))
    header = ["", "bytes", "network", "key frames", "steps", "mean PSNR 6:1:1", *(clip.stem for clip in given.clips)]
    keys = ("name", "bytes", "network_bytes", "key_frame_bytes", "steps", "mean")
    print("\n" + table(header, [[*(entry[key] for key in keys), *entry["psnr_yuv_611"]] for entry in rows]))


if __name__ == "__main__":
    main()
