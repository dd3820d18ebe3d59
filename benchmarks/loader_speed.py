"""Random clips as training data: an archive through VideoDataset against H.264 files through PyAV, at about equal size.

    python benchmarks/loader_speed.py archive.nvc -o ~/runs/loader
    python benchmarks/loader_speed.py archive.nvc --sources a.mkv b.mkv --reads 1000 --workers 0 1 2 -o ~/runs/loader

The H.264 files are made here with libx264 (preset medium, at most 250 frames from key frame to key frame, ``--gop`` for
others): one for each video, all at the rate factor that brings their sum nearest to the archive's bytes. They are made
from ``--sources``, in the order of the archive's videos, or from the decoded archive. Both are asked for the same
random clips and give uint8 RGB of [T, 3, height, width]; PyAV seeks to the key frame before the clip, decodes with one
thread, and converts as FFmpeg does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
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

from benchmarks.markdown import table  # noqa: E402
from nvcodec import __version__  # noqa: E402
from nvcodec.api.dataset import VideoClip, VideoDataset  # noqa: E402
from nvcodec.decoder.reader import VideoReader  # noqa: E402
from nvcodec.io.source import open_source  # noqa: E402
from nvcodec.types import ChromaFormat, Planes  # noqa: E402

Record = dict[str, Any]


class H264Clips(Dataset[VideoClip]):
    """The clips of a dataset, from one H.264 file for each of its videos. A process opens them when it first reads."""

    def __init__(self, files: Sequence[Path], like: VideoDataset) -> None:
        self.files, self.length = [str(file) for file in files], like.clip_length
        self.places = [
            (number, stream.name, position * like.stride)
            for number, stream in enumerate(like.streams)
            for position in range(len(like.clips_of(number)))
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> VideoClip:
        number, name, first = self.places[index]
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
        return VideoClip(torch.stack(frames), number, name, first)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write a JSON file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--sources", type=Path, nargs="*", help="videos the archive was made from, in its order")
    parser.add_argument("--reads", type=int, default=1000, help="clips to read, 2 or more")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clip-length", type=int, default=8)
    parser.add_argument("--streams-kept", type=int, default=8)
    parser.add_argument("--gop", type=int, default=250, help="most frames from key frame to key frame of H.264")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the H.264 files and the JSON")
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dataset = VideoDataset(given.archive, clip_length=given.clip_length, streams_kept=given.streams_kept)
    nbytes = given.archive.stat().st_size
    if given.sources and len(given.sources) != len(dataset.streams):
        parser.error(f"{len(given.sources)} sources for {len(dataset.streams)} videos")
    crf, files = _h264(dataset, nbytes, given)
    kinds: list[tuple[str, int, Dataset[VideoClip]]] = [
        ("archive", nbytes, dataset),
        (f"H.264, crf {crf}", sum(file.stat().st_size for file in files), H264Clips(files, dataset)),
    ]
    order = [random.Random(0).randrange(len(dataset)) for _ in range(given.reads)]
    records = [
        {"kind": kind, "bytes": size, "workers": workers, **_measured(clips, order, workers, given.clip_length)}
        for workers in given.workers
        for kind, size, clips in kinds
    ]
    conditions = {
        "archive": given.archive.name,
        "videos": len(dataset.streams),
        "clips": len(dataset),
        "clip_length": given.clip_length,
        "reads": given.reads,
        "streams_kept": given.streams_kept,
        "gop": given.gop,
        "cpus": os.cpu_count(),
        "host": platform.machine(),
        "versions": {"nvc": __version__, "torch": torch.__version__, "av": av.__version__},
    }
    text = json.dumps({"schema": "nvc-loader-speed/1", **conditions, "results": records}, indent=1)
    (given.output / f"{given.archive.stem}.loader_speed.json").write_text(text + "\n")
    print(f"## {given.reads:,} random clips of {given.clip_length} frames, {given.archive.name}\n")
    rows = [
        (one["kind"], f"{one['bytes']:,}", one["workers"], f"{one['clips_per_s']:.1f}", f"{one['frames_per_s']:.0f}",
         f"{one['first_s']:.2f} s")
        for one in records
    ]  # fmt: skip
    print(table(("files", "bytes", "workers", "clips/s", "frames/s", "first after"), rows))
    return 0


def _measured(clips: Dataset[VideoClip], order: list[int], workers: int, length: int) -> Record:
    """Time from the first clip to the last; before the first one, workers start and import their libraries."""
    loader: DataLoader[VideoClip] = DataLoader(Subset(clips, order), batch_size=None, num_workers=workers)
    asked = time.perf_counter()
    reader = iter(loader)
    next(reader)
    began = time.perf_counter()
    count = sum(1 for _ in reader)
    seconds = time.perf_counter() - began
    assert count == len(order) - 1
    rate = count / seconds
    return {"first_s": began - asked, "seconds": seconds, "clips_per_s": rate, "frames_per_s": rate * length}


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
