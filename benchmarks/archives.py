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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's codec, installed or not

from nvcodec.config.archive_job import ArchiveJob  # noqa: E402
from nvcodec.config.fit import EncodeConfig  # noqa: E402
from nvcodec.config.settings import apply  # noqa: E402
from nvcodec.config.target import RateTarget, TargetKind  # noqa: E402
from nvcodec.encoder.archive import encode_archive  # noqa: E402
from nvcodec.encoder.archive_result import ArchiveResult  # noqa: E402

_PARTS = {
    "no flow": {"model.flow": "off"},
    "no fusion (sum)": {"model.fusion": "off"},
    "no temporal MLP": {"model.temporal": "off"},
    "key frames blended": {"model.flow": "off", "model.fusion": "off", "model.temporal": "off"},
}


def encode(clips: list[Path], given: argparse.Namespace, name: str, seconds: float, **sets: str) -> ArchiveResult:
    """One archive in ``given.output``."""
    config = EncodeConfig(preset=given.preset, max_time_s=seconds, threads=given.threads, seed=given.seed)
    job = ArchiveJob(
        tuple(map(str, clips)),
        str(given.output / f"{name}.nvc"),
        RateTarget(TargetKind.BPP, given.bpp),
        apply(config, sets, "dnerv"),
        frames=given.frames,
    )
    return encode_archive(job, overwrite=True)


def row(name: str, results: list[ArchiveResult]) -> dict[str, object]:
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
    share = given.seconds / len(given.clips)
    rows = [row("shared", [encode(given.clips, given, "shared", given.seconds)])]
    print(json.dumps(rows[-1]), flush=True)
    rows.append(row("separate", [encode([clip], given, f"separate_{clip.stem}", share) for clip in given.clips]))
    print(json.dumps(rows[-1]), flush=True)
    for name, sets in _PARTS.items() if given.parts else ():
        rows.append(row(name, [encode(given.clips, given, name.replace(" ", "_"), given.seconds, **sets)]))
        print(json.dumps(rows[-1]), flush=True)
    (given.output / "archives.json").write_text(json.dumps(rows, indent=1))
    print("\n| | bytes | network | key frames | steps | mean PSNR 6:1:1 | " + " | ".join(c.stem for c in given.clips))
    print("|---" * (6 + len(given.clips)) + "|")
    for entry in rows:
        cells = [entry[key] for key in ("name", "bytes", "network_bytes", "key_frame_bytes", "steps", "mean")]
        cells += list(entry["psnr_yuv_611"])  # type: ignore[call-overload]
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
