"""Encode a set of tiny clips and compare every byte with what an earlier commit made of them on this machine.

    python tools/same_bytes.py FOLDER          # compare; where the folder is empty, remember
    python tools/same_bytes.py FOLDER --renew  # remember what this commit makes, or with --only NAME of that encode

For changes that must not change files: run it before the first and after every step. Bytes depend on processor and
libraries, so the folder belongs to one machine and lies outside of the repository. The conformance streams are encoded
again (those in the repository were made elsewhere), then what no stream holds: masks, target qualities, stops and
resumes, several videos, raw video, arrays. What ``--json`` says of each encode is compared too, but for times; what it
says in addition to earlier is no difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from make_conformance import (
    ARCHIVE,
    ARCHIVE_BYTES,
    ARCHIVE_SETTINGS,
    DRAFT,
    QSNERV,
    QUARTER,
    SMALL,
    STREAMS,
    encode,
    moving,
    write_waves,
)

import nvcodec
from nvcodec.errors import InterruptedEncodeError
from nvcodec.types import ChromaFormat, VideoFormat

_FRAMES, _EPOCHS = 8, 12
_NOT_COMPARED = {"encode_s", "decode_fps", "versions"}
Report = dict[str, Any] | list[Any]
_EFFORT: dict[str, Any] = {"preset": "draft", "epochs": _EPOCHS, "device": "cpu", "seed": 3}
_SMALL = {f"model.{name}": value for name, value in SMALL.items()}
_DRAFT = {f"model.{name}": value for name, value in DRAFT.items()}
_QSNERV = {f"model.{name}": value for name, value in QSNERV.items()}


def cases() -> Iterator[tuple[str, Callable[[Path], Report]]]:
    """Names, and what writes ``out.nvc`` into a folder; it returns what was said of it."""
    for stream in STREAMS:
        yield stream.name, lambda folder, stream=stream: _stream(folder, stream)  # type: ignore[misc]
    yield "archive", lambda folder: _archive(folder, ARCHIVE, epochs=40, target_size=ARCHIVE_BYTES)
    three = {**ARCHIVE, "third": (VideoFormat(32, 64, Fraction(25)), 1)}
    yield "three_videos", lambda folder: _archive(folder, three, bpp=0.6)
    yield "archive_crf", lambda folder: _archive(folder, ARCHIVE, crf=40)
    yield "archive_masked", lambda folder: _archive(folder, ARCHIVE, bpp=0.6, mask="scattered:2")
    yield "archive_resumed", lambda folder: _archive(folder, ARCHIVE, bpp=0.6, stop_after=100)
    yield "masked", lambda folder: _one(folder, bpp=0.5, mask="box:16x12+8+4")
    yield "masked_rgb", lambda folder: _one(folder, bpp=0.5, mask="scattered:2", domain="rgb")
    yield "target_psnr", lambda folder: _one(folder, target_psnr=27)
    yield "constant_quality", lambda folder: _one(folder, segment=3)
    yield "resumed", lambda folder: _one(folder, bpp=0.5, stop_after=30)
    yield "resumed_segments", lambda folder: _one(folder, target_size=2000, segment=4, stop_after=70)
    yield "raw", _raw
    yield "array", _array
    yield "companion", lambda folder: _one(folder, model="qsnerv", settings={**_QSNERV, "fit.companion_until": 0.3})
    yield "structure", lambda folder: _one(folder, tune="ssim", parameters=4000, settings=_DRAFT, preview=True)


def _stream(folder: Path, stream: Any) -> Report:
    source = folder / ("waves/" if stream.video.chroma is ChromaFormat.RGB else "waves.y4m")
    name = f"{source}/" if stream.video.chroma is ChromaFormat.RGB else str(source)
    write_waves(name, stream.video, _FRAMES, stream.cuts)
    # of so few steps, layers of other planes make pictures worse and are refused
    epochs = _EPOCHS if stream.video.chroma in (ChromaFormat.YUV420, ChromaFormat.RGB) else 4 * _EPOCHS
    return encode(stream, name, str(folder / "out.nvc"), epochs)


def _one(folder: Path, stop_after: int | None = None, **options: Any) -> Report:
    """A single video, perhaps stopped after some steps and gone on with."""
    source = folder / "waves.y4m"
    write_waves(str(source), QUARTER, _FRAMES)
    options = {"settings": _SMALL, **_EFFORT, **options}
    return _stopped(folder, stop_after, lambda **how: nvcodec.encode(source, folder / "out.nvc", **options, **how))


def _archive(
    folder: Path, videos: dict[str, tuple[VideoFormat, int]], stop_after: int | None = None, **options: Any
) -> Report:
    """Several videos in one file."""
    sources = [folder / f"{name}.y4m" for name in videos]
    for source, (video, frames) in zip(sources, videos.values(), strict=True):
        write_waves(str(source), video, frames)
    options = {"settings": ARCHIVE_SETTINGS, **_EFFORT, **options}
    return _stopped(
        folder, stop_after, lambda **how: nvcodec.encode_archive(sources, folder / "out.nvc", **options, **how)
    )


def _stopped(folder: Path, stop_after: int | None, run: Callable[..., Any]) -> Report:
    if stop_after is None:
        report: Report = run().to_json()
        return report
    asked = count()
    try:
        run(work_dir=folder / "work", should_stop=lambda: next(asked) >= stop_after)
    except InterruptedEncodeError:
        resumed: Report = nvcodec.resume(folder / "work").to_json()
        return resumed
    raise AssertionError(f"it had ended before {stop_after} steps")


def _raw(folder: Path) -> Report:
    """Raw video whose name says nothing, from its third frame on."""
    source, video = folder / "waves.yuv", VideoFormat(64, 48, bit_depth=10)
    write_waves(str(source), video, _FRAMES)
    how: dict[str, Any] = {"size": (64, 48), "fps": 12.5, "pix_fmt": "yuv420p10le", "seek": 2, "frames": 5}
    result = nvcodec.encode(source, folder / "out.nvc", bitrate=60_000, settings=_SMALL, **how, **_EFFORT)
    report: Report = result.to_json()
    return report


def _array(folder: Path) -> Report:
    """Frames in memory."""
    video = VideoFormat(48, 32, chroma=ChromaFormat.RGB)
    frames = np.stack([np.stack(planes) for planes in moving(video, _FRAMES)])
    report: Report = nvcodec.encode(frames, folder / "out.nvc", bpp=1.5, settings=_SMALL, **_EFFORT).to_json()
    return report


def _machine() -> dict[str, str]:
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(": ")[2] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    return {"processor": processor, "torch": torch.__version__, "numpy": np.__version__}


def _plain(value: Any, folder: str) -> Any:
    """A report without times, and without the folder it was made in."""
    if isinstance(value, dict):
        return {key: _plain(item, folder) for key, item in value.items() if key not in _NOT_COMPARED}
    if isinstance(value, (list, tuple)):
        return [_plain(item, folder) for item in value]
    return value.replace(folder, "FOLDER") if isinstance(value, str) else value


def _differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What of an old report is not in a new one."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key not in new:
                yield f"{where}.{key} is gone"
            else:
                yield from _differences(value, new[key], f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, f"{where}[{index}]")
    elif old != new:
        yield f"{where}: {old!r} became {new!r}"


def _made(name: str, write: Callable[[Path], Report]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="nvc-same-") as scratch:
        report = json.loads(json.dumps(write(Path(scratch))))
        data = (Path(scratch) / "out.nvc").read_bytes()
        return {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "report": _plain(report, scratch),
        }


def main() -> int:
    """Run the program; 0: nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what is remembered; outside of the repository")
    parser.add_argument("--renew", action="store_true", help="remember what is made now instead")
    parser.add_argument("--only", action="append", metavar="NAME", help="this encode (repeatable)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    memory = given.folder / "same_bytes.json"
    known: dict[str, Any] = {"machine": _machine(), "files": {}}
    if memory.exists() and (given.only or not given.renew):
        known = json.loads(memory.read_text())
        if known["machine"] != _machine():
            print(f"{memory} was made with {known['machine']}, this is {_machine()}: use --renew on an older commit")
            return 2
    wrong = 0
    for name, write in cases():
        if given.only and name not in given.only:
            continue
        made = _made(name, write)
        if name not in known["files"] or given.renew:
            known["files"][name] = made
            print(f"{name:<20} {made['bytes']:>6} bytes  remembered", flush=True)
            continue
        old = known["files"][name]
        differences = list(_differences(old["report"], made["report"]))
        if old["sha256"] != made["sha256"]:
            differences.insert(0, f"other bytes ({old['bytes']:,} then, {made['bytes']:,} now)")
        wrong += bool(differences)
        print(f"{name:<20} {made['bytes']:>6} bytes  {'; '.join(differences) or 'the same'}", flush=True)
    memory.write_text(json.dumps(known, indent=1))
    print(f"{wrong} differ" if wrong else "nothing differs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
