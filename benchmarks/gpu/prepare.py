"""Gather what a machine without network and PyAV needs to run the GPU tasks: wheels and clips.

python benchmarks/gpu/prepare.py --out .carry --bunny bunny_1280x720_25.mp4 --intotree intotree_1920x1080_50.mkv

Clips are cut to what is encoded and packed as .y4m.xz (minutes); with --av they go as they are, together with PyAV.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.gpu.clips import Footage

ROOT = Path(__file__).resolve().parents[2]
LIMIT_BYTES = 58 << 20
"""What may travel, all together: what is carried, and the program itself."""
WHEELS = ("constriction", "pytorch-msssim")
_PYTHON = "3.12"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
_XZ_PRESET = 6
"""Against 3: twice the time, 5 MiB less."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".carry"), metavar="DIR", help="[default: .carry]")
    parser.add_argument("--bunny", type=Path, metavar="FILE", help="Big Buck Bunny, 1280x720, 132 frames")
    parser.add_argument("--intotree", type=Path, metavar="FILE", help="intotree, 1920x1080, 10 frames or more")
    parser.add_argument("--av", action="store_true", help="carry PyAV, and clips as they are")
    parser.add_argument("--no-wheels", action="store_true", help="clips only: the wheels are there, or not needed")
    options = parser.parse_args(words)
    from benchmarks.gpu.clips import BUNNY, INTOTREE
    from nvcodec.errors import NvcError

    try:
        if not options.no_wheels:
            fetch_wheels((*WHEELS, "av") if options.av else WHEELS, options.out / "wheels")
        clips = options.out / "clips"
        clips.mkdir(parents=True, exist_ok=True)
        for footage, path in ((BUNNY, options.bunny), (INTOTREE, options.intotree)):
            if path is None:
                print(f"no {footage.name}: its tasks will be skipped")
            elif options.av:
                shutil.copyfile(path, clips / f"{footage.name}{path.suffix}")
            else:
                pack_clip(footage, path, clips)
    except (NvcError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return _check_size(options.out)


def fetch_wheels(packages: Sequence[str], folder: Path) -> None:
    """Download wheels for the machine's Python, in the versions of constraints.txt.

    Raises:
        OSError: pip cannot get one.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--implementation", "cp", "--python-version", _PYTHON,
        *(word for platform in _PLATFORMS for word in ("--platform", platform)),
        "--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder), *packages,
    ]  # fmt: skip
    if subprocess.run(command).returncode:
        raise OSError(f"pip cannot download {', '.join(packages)}")


def pack_clip(footage: Footage, path: Path, folder: Path) -> Path:
    """The frames and rows that are encoded, as .y4m.xz."""
    from benchmarks.gpu.clips import cut

    with tempfile.TemporaryDirectory() as scratch:
        ready = Path(scratch) / "clip.y4m"
        cut(footage, path, ready)
        packed = folder / f"{footage.name}.y4m.xz"
        temporary = packed.with_suffix(".part")
        with ready.open("rb") as file, lzma.open(temporary, "wb", preset=_XZ_PRESET) as output:
            shutil.copyfileobj(file, output, 1 << 20)
        temporary.replace(packed)
    return packed


def _check_size(folder: Path) -> int:
    sizes = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, size in sizes.items():
        print(f"{size / 2**20:6.1f} MiB  {path}")
    tree = tree_bytes()
    print(f"{tree / 2**20:6.1f} MiB  {ROOT}, what git has of it")
    total = tree + sum(sizes.values())
    print(f"{total / 2**20:6.1f} MiB in all, of {LIMIT_BYTES >> 20}")
    if total > LIMIT_BYTES:
        print("error: too much to carry; leave out --av or a clip, and delete what is not needed", file=sys.stderr)
        return 1
    return 0


def tree_bytes() -> int:
    """Size of the files that git knows, or would take; 0 where there is no git."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, check=True).stdout.split(b"\0")
    except (OSError, subprocess.CalledProcessError):
        return 0
    paths = {ROOT / os.fsdecode(name) for name in names if name}
    return sum(path.lstat().st_size for path in paths if path.is_file() or path.is_symlink())


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # instead of this folder
    sys.exit(main())
