"""Enhancement layers against encoding again: what each adds, what it costs in bytes and in time.

    python benchmarks/layers.py clip.mp4 --bpp 0.1 --layers 2 -o ~/runs/layers

QS-NeRV, Figure 9 and Table 2: a base, layers of half its bytes on top of it, and for every layer a file encoded from
the beginning at the rate that base and layers have together. Everything goes through the command line of the codec, one
process a file, and is measured on the decoded file. What is there is kept; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--bpp", type=float, default=0.1, help="rate of the base")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--model", default="msnerv")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("-n", "--frames", type=int)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    records = compare(given)
    name = f"{given.clip.stem}.{given.model}-{given.preset}"
    text = json.dumps(
        {"clip": given.clip.name, "model": given.model, "preset": given.preset, "files": records}, indent=1
    )
    (given.output / f"{name}.json").write_text(text + "\n")
    print(table(f"{given.clip.stem}, {given.model}, {given.preset}", records))
    return 0


def compare(given: argparse.Namespace) -> list[Record]:
    """All files of one comparison: the base, the layers, and one encode for each total rate."""
    stem = given.output / f"{given.clip.stem}.{given.model}-{given.preset}"
    frames = ["-n", str(given.frames)] if given.frames else []
    encode = ["encode", str(given.clip), *frames, "--model", given.model, "--preset", given.preset]
    layered = Path(f"{stem}.layered.nvc")
    base = _run("base", stem, [*encode, "-o", str(layered), "--bpp", f"{given.bpp}"], layered)
    records = [base]
    for layer in range(1, given.layers + 1):
        finished = Path(f"{stem}.{layer}.nvc")
        command = ["add-layer", str(layered), "--source", str(given.clip), "-o", str(finished)]
        records.append(_run(f"layer {layer}", stem, command, finished))
        layered = finished
    for layer in range(1, given.layers + 1):
        again = Path(f"{stem}.again{layer}.nvc")
        bpp = records[layer]["bpp"]
        records.append(_run(f"again, as {layer}", stem, [*encode, "-o", str(again), "--bpp", f"{bpp:.5f}"], again))
    return records


def table(title: str, records: list[Record]) -> str:
    """The comparison in Markdown."""
    lines = [
        f"## {title}",
        "",
        "| file | bytes | bpp | 6:1:1 PSNR | RGB | fit steps | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in records:
        psnr = record["psnr"]
        lines.append(
            f"| {record['what']} | {record['bytes']:,} | {record['bpp']:.4f} | {psnr['yuv_611']:.2f} "
            f"| {psnr['rgb']:.2f} | {record['fit_steps']:,} | {record['encode_s']:.0f} |"
        )
    return "\n".join(lines)


def _run(what: str, stem: Path, command: list[str], file: Path) -> Record:
    """Run one command of the codec, or read what it said when it ran before."""
    kept = Path(f"{stem}.{what.replace(' ', '_').replace(',', '')}.json")
    if kept.exists() and file.exists():
        return dict(json.loads(kept.read_text()))
    outcome = subprocess.run(
        [sys.executable, "-m", "nvcodec", *command, "--json", "--progress", "none", "-y"],
        stdout=subprocess.PIPE,
        check=True,
    )
    said = json.loads(outcome.stdout)
    names = ("bytes", "bpp", "psnr", "ms_ssim_y", "fit_steps", "encode_s", "parameters", "device", "versions")
    record = {"what": what, "command": _portable(command), **{name: said[name] for name in names}}
    kept.write_text(json.dumps(record))
    return record


def _portable(command: list[str]) -> str:
    """The command without anybody's folders."""
    return " ".join(["nvc", *(Path(word).name if "/" in word else word for word in command)])


if __name__ == "__main__":
    sys.exit(main())
