"""Measure at home what a sitting has encoded, and complete its records: TASK.json, where TASK.nvc is beside it.

python benchmarks/gpu/measure.py results/gpu --bunny bunny_1280x720_25.mp4
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.gpu.bench import Record

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder with records and bitstreams, unpacked")
    parser.add_argument("--bunny", type=Path, metavar="FILE", help="Big Buck Bunny, or what prepare.py made of it")
    parser.add_argument("--intotree", type=Path, metavar="FILE", help="intotree, likewise")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda  [default: auto]")
    parser.add_argument("--again", action="store_true", help="also what has been measured")
    options = parser.parse_args(words)
    from benchmarks.gpu.clips import BUNNY, INTOTREE
    from nvcodec.errors import NvcError
    from nvcodec.tongues import speaking_command_line

    clips = {BUNNY.name: options.bunny, INTOTREE.name: options.intotree}
    with speaking_command_line():
        try:
            complete(options.results, clips, options.device, again=options.again)
        except NvcError as error:
            print(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
            return error.exit_code
        except OSError as error:
            print(f"error: {error}", file=sys.stderr)
            return 3
    return 0


def complete(results: Path, clips: Mapping[str, Path | None], device: str, *, again: bool = False) -> list[str]:
    """Measure every bitstream whose record lacks it, and write the record anew, all or nothing.

    Args:
        results: Where records and bitstreams lie.
        clips: File of each clip by name; None = there is none. Records of tiny sittings need none.
        device: What decodes.
        again: Measure also what has been measured.

    Returns:
        Names of the tasks that were measured.

    Raises:
        InputError: There is nothing that could be measured, or a clip is missing or has another size.
        BitstreamError: A bitstream is damaged.
    """
    from nvcodec.errors import InputError

    found = [path for path in sorted(results.glob("*.json")) if path.with_suffix(".nvc").exists()]
    if not found:
        raise InputError(
            f"{results} holds no bitstream beside its record",
            "Unpack it first:  cat OUT/results.tar.gz.* | tar xz -C RESULTS",
        )
    done = []
    with tempfile.TemporaryDirectory(prefix="nvc-measure-") as scratch:
        for path in found:
            record = json.loads(path.read_text(encoding="utf-8"))
            if "encode" not in record or ("psnr" in record["encode"] and not again):
                continue
            record["encode"] |= _measured(path.with_suffix(".nvc"), record, clips, device, Path(scratch))
            record["line"] = _line(record)
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
            os.replace(temporary, path)
            print(f"{path.stem}: {record['line']}", flush=True)
            done.append(path.stem)
    return done


def _measured(
    coded: Path, record: Record, clips: Mapping[str, Path | None], device: str, scratch: Path
) -> dict[str, Any]:
    """What ``nvc encode --json`` says of the quality, under its names; and who has decoded."""
    import torch

    from benchmarks.gpu.clips import BUNNY, INTOTREE, opened, source
    from nvcodec.decoder.opening import pick_device
    from nvcodec.decoder.reader import VideoReader
    from nvcodec.errors import InputError
    from nvcodec.io.source import open_source
    from nvcodec.metrics.measure import measure, with_nulls

    (footage,) = [each for each in (BUNNY, INTOTREE) if each.name == record["clip"]]
    given = clips.get(footage.name)
    if record["tiny"]:
        path = source(footage, None, scratch, tiny=True)
    elif given is None:
        raise InputError(f"{coded} is to be compared with {footage.name}", f"Give the clip:  --{footage.name} FILE")
    else:
        path = opened(footage, given, scratch)
    reader = VideoReader(coded, device=pick_device(device))
    with open_source(path, frames=len(reader)) as video:
        quality = measure(video, video.format, reader.frames(), reader.format)
    index, psnr_db = quality.worst_frame
    return {
        "bytes": coded.stat().st_size,
        "psnr": with_nulls(quality.psnr),
        "ms_ssim_y": quality.ms_ssim_y,
        "worst_frame": {"index": index, "psnr_yuv_611": psnr_db},
        "measured": {"device": str(reader.device), "torch": torch.__version__},
    }


def _line(record: Record) -> str:
    encode = record["encode"]
    psnr = encode["psnr"]
    shown = f"{psnr['rgb']:.2f} dB RGB" if psnr["rgb"] is not None else f"{psnr['yuv_611']:.2f} dB"
    return (
        f"{shown} at {encode['bpp']:.4f} bpp, {encode['bits_per_parameter']:.1f} bits/parameter, "
        f"{encode['fit_steps']:,} steps in {record['fit_s']:.0f} s" + (f"; {record['note']}" if record["note"] else "")
    )


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # instead of this folder
    sys.exit(main())
