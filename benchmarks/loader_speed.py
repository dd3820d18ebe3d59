"""Random clips as training data: an archive, H.264 of about its size, and the raw source (D-NeRV, Table 9).

    python benchmarks/loader_speed.py archive.nvc -o ~/runs/loader
    python benchmarks/loader_speed.py archive.nvc --sources a.mkv b.mkv --reads 1000 --workers 0 1 2 -o ~/runs/loader

The H.264 files are made here with libx264 (preset medium, at most 250 frames from key frame to key frame, ``--gop``
for others): one for each video, all at the rate factor that brings their sum nearest to the archive's bytes. The raw
ones hold RGB, three bytes a pixel, as frames that were extracted before training do. Both are made from ``--sources``,
in the order of the archive's videos, or from the decoded archive. All are asked for the same random clips and give
uint8 RGB of [T, 3, height, width]: the archive through VideoDataset, in float32 and in bfloat16, H.264 through PyAV,
which seeks to the key frame before the clip, decodes with one thread, and converts as FFmpeg does, raw files as they
are.

They take turns, ``--rounds`` times; the table has medians. Clips a second are those of the clock, and suffer from
whatever else the machine does; milliseconds of processor time a clip, of all processes, suffer less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import COLOURS, panel, save  # noqa: E402
from benchmarks.markdown import table  # noqa: E402
from nvcodec import __version__  # noqa: E402
from nvcodec.api.dataset import VideoClip, VideoDataset  # noqa: E402
from nvcodec.color import to_eight_bit, to_rgb  # noqa: E402
from nvcodec.decoder.reader import VideoReader  # noqa: E402
from nvcodec.io.saying import plural  # noqa: E402
from nvcodec.io.source import open_source  # noqa: E402
from nvcodec.types import ChromaFormat, Planes  # noqa: E402

Record = dict[str, Any]


class FileClips(Dataset[VideoClip]):
    """The clips of a dataset, from one file for each of its videos. A process opens them when it first reads."""

    def __init__(self, files: Sequence[Path], like: VideoDataset) -> None:
        self.files, self.length = [str(file) for file in files], like.clip_length
        self.formats = [stream.format for stream in like.streams]
        self.places = [
            (number, stream.name, position * like.stride)
            for number, stream in enumerate(like.streams)
            for position in range(len(like.clips_of(number)))
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> VideoClip:
        number, name, first = self.places[index]
        return VideoClip(self._frames(number, first), number, name, first)

    def _frames(self, number: int, first: int) -> Tensor:
        raise NotImplementedError


class H264Clips(FileClips):
    """From H.264, through PyAV."""

    def _frames(self, number: int, first: int) -> Tensor:
        frames: list[Tensor] = []
        with av.open(self.files[number]) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            rate, base = stream.average_rate, stream.time_base
            assert rate is not None and base is not None
            offset = stream.start_time or 0
            container.seek(offset + int(first / rate / base), stream=stream)
            for frame in container.decode(stream):
                assert frame.pts is not None
                if round((frame.pts - offset) * base * rate) >= first:
                    frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
                if len(frames) == self.length:
                    break
        return torch.stack(frames)


class RawClips(FileClips):
    """From files that hold nothing but RGB, frame after frame, plane after plane."""

    def _frames(self, number: int, first: int) -> Tensor:
        video = self.formats[number]
        shape = (self.length, 3, video.height, video.width)
        size = shape[1] * shape[2] * shape[3]
        return torch.from_numpy(
            np.fromfile(self.files[number], np.uint8, self.length * size, offset=first * size)
        ).view(shape)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write a JSON file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--sources", type=Path, nargs="*", help="videos the archive was made from, in its order")
    parser.add_argument("--reads", type=int, default=300, help="clips to read in a round, 2 or more")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clip-length", type=int, default=8)
    parser.add_argument("--streams-kept", type=int, default=8)
    parser.add_argument("--gop", type=int, default=250, help="most frames from key frame to key frame of H.264")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for the files, the JSON and the figure"
    )
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dataset, quicker = (
        VideoDataset(given.archive, clip_length=given.clip_length, streams_kept=given.streams_kept, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    nbytes = given.archive.stat().st_size
    if given.sources and len(given.sources) != len(dataset.streams):
        parser.error(f"{len(given.sources)} sources for {len(dataset.streams)} videos")
    crf, files = _h264(dataset, nbytes, given)
    raw = _raw(dataset, given)
    kinds: list[tuple[str, int, Dataset[VideoClip]]] = [
        ("archive", nbytes, dataset),
        ("archive, bfloat16", nbytes, quicker),
        (f"H.264, crf {crf}", _bytes(files), H264Clips(files, dataset)),
        ("raw RGB", _bytes(raw), RawClips(raw, dataset)),
    ]
    lots = random.Random(0)
    order = [lots.randrange(len(dataset)) for _ in range(given.reads)]
    rounds: dict[tuple[int, str], list[Record]] = {}
    for _ in range(given.rounds):
        for workers in given.workers:
            for kind, _size, clips in kinds:
                one = _measured(clips, order, workers, given.clip_length)
                rounds.setdefault((workers, kind), []).append(one)
    records = [
        {"kind": kind, "bytes": size, "workers": workers, **_medians(rounds[workers, kind])}
        for workers in given.workers
        for kind, size, _ in kinds
    ]
    conditions = {
        "archive": given.archive.name,
        "videos": len(dataset.streams),
        "clips": len(dataset),
        "clip_length": given.clip_length,
        "reads": given.reads,
        "rounds": given.rounds,
        "streams_kept": given.streams_kept,
        "gop": given.gop,
        "cpus": os.cpu_count(),
        "host": platform.machine(),
        "versions": {"nvc": __version__, "torch": torch.__version__, "av": av.__version__},
    }
    text = json.dumps({"schema": "nvc-loader-speed/2", **conditions, "results": records}, indent=1)
    (given.output / f"{given.archive.stem}.loader_speed.json").write_text(text + "\n")
    print(f"## {given.reads:,} random clips of {given.clip_length} frames, {given.archive.name}\n")
    rows = [
        (one["kind"], f"{one['bytes']:,}", one["workers"], f"{one['clips_per_s']:.1f}", f"{one['frames_per_s']:.0f}",
         f"{one['cpu_ms_per_clip']:.1f}", f"{one['first_s']:.2f} s")
        for one in records
    ]  # fmt: skip
    print(table(("files", "bytes", "workers", "clips/s", "frames/s", "CPU ms a clip", "first after"), rows))
    draw(records, given.output / f"{given.archive.stem}.loader_speed.png")
    return 0


def draw(records: Sequence[Record], path: Path) -> None:
    """Clips a second, a group of bars for each number of workers."""
    figure, axes = panel(5.2, 3.6)
    kinds, groups = (list(dict.fromkeys(one[key] for one in records)) for key in ("kind", "workers"))
    for at, kind in enumerate(kinds):
        rates = [one["clips_per_s"] for one in records if one["kind"] == kind]
        places = [group + (at - (len(kinds) - 1) / 2) * 0.8 / len(kinds) for group in range(len(groups))]
        colour = next(colour for word, colour in COLOURS.items() if kind.startswith(word))
        bars = axes.bar(places, rates, 0.75 / len(kinds), color=colour, label=kind)
        axes.bar_label(bars, [f"{rate:.3g}" for rate in rates], fontsize=8)
    axes.set_xticks(range(len(groups)), [plural(workers, "worker") for workers in groups])
    axes.set(ylabel="clips a second", yscale="log")
    axes.legend(frameon=False, fontsize=8, ncols=len(kinds), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    save(figure, path)


def _bytes(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _medians(rounds: Sequence[Record]) -> Record:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def _measured(clips: Dataset[VideoClip], order: list[int], workers: int, length: int) -> Record:
    """Time from the first clip to the last; before the first one, workers start and import their libraries."""
    used = _cpu_s()
    loader: DataLoader[VideoClip] = DataLoader(Subset(clips, order), batch_size=None, num_workers=workers)
    asked = time.perf_counter()
    reader = iter(loader)
    next(reader)
    began = time.perf_counter()
    count = sum(1 for _ in reader)
    seconds = time.perf_counter() - began
    assert count == len(order) - 1
    del reader  # that workers end: only then is their time known
    rate = count / seconds
    return {"first_s": began - asked, "seconds": seconds, "clips_per_s": rate, "frames_per_s": rate * length,
            "cpu_ms_per_clip": 1000 * (_cpu_s() - used) / len(order)}  # fmt: skip


def _cpu_s() -> float:
    """Processor time of this process and of those it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _raw(dataset: VideoDataset, given: argparse.Namespace) -> list[Path]:
    """One file for each video."""
    files = [given.output / f"{given.archive.stem}.{number:03}.rgb" for number in range(len(dataset.streams))]
    for number, file in enumerate(files):
        with file.open("wb") as out:
            for planes in _pictures(dataset, number, given):
                video = dataset.streams[number].format
                out.write(np.stack(to_eight_bit(to_rgb(planes, video), video)).tobytes())
    return files


def _h264(dataset: VideoDataset, nbytes: int, given: argparse.Namespace) -> tuple[int, list[Path]]:
    """One file for each video, and the rate factor at which their sum is nearest to ``nbytes``."""
    files = [given.output / f"{given.archive.stem}.{number:03}.mp4" for number in range(len(dataset.streams))]

    def size(crf: int) -> int:
        for number, file in enumerate(files):
            _encode(file, dataset, number, given, crf)
        return sum(file.stat().st_size for file in files)

    low, high = 1, 51
    while low < high:  # sizes fall with the factor
        middle = (low + high) // 2
        low, high = (low, middle) if size(middle) <= nbytes else (middle + 1, high)
    nearest = min({max(low - 1, 1), low}, key=lambda crf: abs(size(crf) - nbytes))
    size(nearest)
    return nearest, files


def _encode(file: Path, dataset: VideoDataset, number: int, given: argparse.Namespace, crf: int) -> None:
    stream = dataset.streams[number]
    video = stream.format
    assert video.chroma is ChromaFormat.YUV420 and video.bit_depth == 8, "8-bit 4:2:0 only"
    options = {"preset": "medium", "crf": str(crf), "g": str(given.gop), "threads": "1"}
    with av.open(str(file), "w") as container:
        out = container.add_stream("libx264", rate=video.fps or Fraction(25), options=options)
        assert isinstance(out, av.VideoStream)
        # libx264 has even sizes only
        out.width, out.height, out.pix_fmt = video.width // 2 * 2, video.height // 2 * 2, "yuv420p"
        for planes in _pictures(dataset, number, given):
            halves = zip(planes, (0, 1, 1), strict=True)
            parts = [plane[: out.height >> half, : out.width >> half].reshape(-1) for plane, half in halves]
            whole = np.concatenate(parts).astype(np.uint8).reshape(-1, out.width)
            container.mux(out.encode(av.VideoFrame.from_ndarray(whole, format="yuv420p")))
        container.mux(out.encode(None))


def _pictures(dataset: VideoDataset, number: int, given: argparse.Namespace) -> Iterator[Planes]:
    stream = dataset.streams[number]
    if not given.sources:
        yield from VideoReader(given.archive, device="cpu", stream=stream.number).frames()
        return
    with open_source(given.sources[number], frames=stream.frames) as source:
        yield from source


if __name__ == "__main__":
    sys.exit(main())
