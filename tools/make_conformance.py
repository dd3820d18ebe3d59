"""Encode the conformance streams: tiny files, each with what a decoder must make of it beside it as JSON.

    python tools/make_conformance.py

Made once per version of the format: readers must go on decoding the streams of all earlier versions, so streams that
are there are left alone, and only missing ones are made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import nvcodec
from nvcodec.config.keywords import ModelName
from nvcodec.container import chunk_bytes, write_container
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.previews import head_integers
from nvcodec.decoder.reader import VideoReader
from nvcodec.entropy.payload import payload_costs
from nvcodec.io.sink import open_sink
from nvcodec.quant.tensors import digest
from nvcodec.types import (
    SRGB,
    ChromaFormat,
    ContentLight,
    MasteringDisplay,
    Planes,
    SideData,
    Timestamps,
    VideoFormat,
)

FOLDER = Path(__file__).parents[1] / "tests" / "conformance"
QUARTER = VideoFormat(64, 48, Fraction(30000, 1001))
SMALL = {
    "strides": "2,2", "channels": "8,6", "depths": "1,1", "expansions": "2,2", "grids": "2:1:2", "shuffle": 4,
    "local_levels": 1, "window": 1, "gop_grid": "off", "upsampling": "bilinear", "fusion": "off", "cross_depth": "off",
}  # fmt: skip
MSNERV = {
    "strides": "2,2,2", "channels": "8,6,4", "depths": "2,2,1", "expansions": "2,2,2", "grids": "2:1:2,4:2:2",
    "shuffle": 1, "local_channels": 2, "local_levels": 2, "window": 5, "gop_grid": "on", "upsampling": "hybrid",
    "fusion": "on", "cross_depth": "on",
}  # fmt: skip
HINERV = {**MSNERV, "window": 1, "gop_grid": "off", "upsampling": "bilinear", "fusion": "off", "cross_depth": "off"}
CHOICES = {**MSNERV, "sliced_input": "on", "window_ahead": "on", "second_window": 3, "head_size": 1, "sigmoid": "on"}
TENERV = {**MSNERV, "channels": "8,6,6", "depths": "1,2,1", "grids": "1:1:2,4:2:2", "gop_kernels": "on"}
DRAFT = {**SMALL, "strides": "1,2", "depths": "2,2", "window": 3, "gop_grid": "on"}
QSNERV = {
    "strides": "3,2,2", "kernels": "1,3,3", "stem": 8, "channels": "8,6,6", "embedding": 4, "shuffle": 2, "skip": "inv",
    "levels": 1, "skip_channels": 4, "growth": 2,
}  # fmt: skip
DNERV = {
    "strides": "2,2", "channels": "8,6", "stem": 6, "key_channels": 4, "shuffle": 2, "time_levels": 8, "time_width": 8,
    "tile": 32, "overlap": 8,
}  # fmt: skip
GRIDS = {**SMALL, "strides": "1,2", "grids": "1:1:6,4:1:2", "shuffle": 2, "gop_grid": "on"}
TWO_GOPS: dict[str, object] = {"count": 2, "min_length": 2}


@dataclass(frozen=True)
class Stream:
    """One conformance stream."""

    name: str
    shows: str
    """What it is there for."""
    video: VideoFormat = QUARTER
    model: dict[str, object] = field(default_factory=lambda: dict(SMALL))
    gop: dict[str, object] = field(default_factory=dict)
    """How its pictures are grouped."""
    cuts: tuple[int, ...] = ()
    """Frames at which the content jumps."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further options of the encode."""
    target_bytes: int = 1200
    representation: ModelName = "msnerv"
    layers: int = 0
    """Enhancement layers to add."""
    layer: dict[str, object] = field(default_factory=dict)
    """Settings of these."""
    preview: bool = False
    """Whether it holds previews."""


STREAMS = (
    Stream("yuv420_8bit", "8-bit 4:2:0"),
    Stream("yuv420_10bit", "10-bit 4:2:0", VideoFormat(64, 48, Fraction(50), 10)),
    Stream("odd_size", "a size that nothing divides, unknown frame rate", VideoFormat(53, 37)),
    Stream("rgb_from_yuv", "coding domain rgb of a 4:2:0 source", options={"domain": "rgb"}),
    Stream("rgb_source", "an RGB source", VideoFormat(48, 32, chroma=ChromaFormat.RGB)),
    Stream("hinerv", "all switches of MSNeRV off", model=HINERV, target_bytes=2000),
    Stream("msnerv", "all switches of MSNeRV on", model=MSNERV, target_bytes=2500,
           gop={"count": 3, "min_length": 2}),
    Stream("msnerv_choices", "all choices of MSNeRV: two windows ahead, sliced inputs, a pointwise head with a sigmoid",
           model=CHOICES, target_bytes=2500, gop={"count": 3, "min_length": 2}),
    Stream("tenerv", "GoP kernels, uneven groups of pictures", model=TENERV, target_bytes=4000, representation="tenerv",
           gop={"partition": "exact", "count": 3, "min_length": 2}, cuts=(2, 4)),
    Stream("pixel_shuffle", "only the learned upsampling, full-size chroma of an odd shuffle",
           model={**SMALL, "upsampling": "shuffle", "shuffle": 3, "strides": "1,2"}),
    Stream("draft", "the shape of the CPU presets: pixel shuffle by 4", model=DRAFT, target_bytes=1500, gop=TWO_GOPS),
    Stream("contexts", "grids large enough for the context model", model=GRIDS, target_bytes=4000, gop=TWO_GOPS),
    Stream("qsnerv", "QS-NeRV with an invertible skip and its latent", model=QSNERV, target_bytes=2500,
           representation="qsnerv"),
    Stream("qsnerv_published", "QS-NeRV with free scales and a latent per frame, two layers of several scales",
           model={**QSNERV, "bounded": False, "fresh": True}, target_bytes=2500, representation="qsnerv", layers=2,
           layer={"layer.shape": "hnerv", "layer.grid": False, "layer.multi_scale": True}),
    Stream("qsnerv_direct", "QS-NeRV with features for maps",
           model={**QSNERV, "skip": "conv", "direct": True}, target_bytes=4000, representation="qsnerv"),
    Stream("layers", "a base with two enhancement layers", model=DRAFT, target_bytes=1500, gop=TWO_GOPS, layers=2),
    Stream("preview", "previews, from which small pictures are drawn", VideoFormat(93, 67, Fraction(25)),
           model={**DRAFT, "strides": "1,2,2", "channels": "8,8,6", "depths": "1,1,1", "expansions": "2,2,2"},
           gop=TWO_GOPS, target_bytes=5000, preview=True),
    Stream("grey", "grey alone, with two enhancement layers", replace(QUARTER, chroma=ChromaFormat.GREY), model=DRAFT,
           target_bytes=1500, gop=TWO_GOPS, layers=2),
    Stream("yuv422_10bit", "10-bit 4:2:2, with an enhancement layer",
           VideoFormat(64, 48, Fraction(25), 10, ChromaFormat.YUV422), layers=1),
    Stream("yuv422_odd_size", "4:2:2 of a size that nothing divides, full-size chroma of an odd shuffle",
           VideoFormat(53, 37, None, 8, ChromaFormat.YUV422), model={**SMALL, "shuffle": 3, "strides": "1,2"}),
    Stream("yuv422_preview", "previews of 4:2:2", VideoFormat(93, 67, Fraction(25), 8, ChromaFormat.YUV422),
           model={**DRAFT, "strides": "1,2,2", "channels": "8,8,6", "depths": "1,1,1", "expansions": "2,2,2"},
           gop=TWO_GOPS, target_bytes=5000, preview=True),
    Stream("yuv444_8bit", "8-bit 4:4:4, QS-NeRV", replace(QUARTER, chroma=ChromaFormat.YUV444), model=QSNERV,
           target_bytes=2500, representation="qsnerv"),
    Stream("yuv420_12bit", "12-bit 4:2:0", VideoFormat(64, 48, Fraction(24), 12)),
    Stream("grey_12bit", "12-bit grey, TeNeRV", VideoFormat(64, 48, Fraction(24), 12, ChromaFormat.GREY), model=TENERV,
           target_bytes=4000, representation="tenerv", gop={"count": 3, "min_length": 2}),
    Stream("rgb_12bit", "12-bit RGB", VideoFormat(48, 32, Fraction(24), 12, ChromaFormat.RGB, SRGB)),
    Stream("rgb_from_yuv444", "coding domain rgb of a 4:4:4 source",
           VideoFormat(64, 48, Fraction(25), 8, ChromaFormat.YUV444), options={"domain": "rgb"}),
    Stream("two_segments", "two independent segments", options={"segment": 4}, target_bytes=2000),
)  # fmt: skip


ARCHIVE = {"first": (QUARTER, 19), "second": (VideoFormat(53, 37, bit_depth=10), 10)}
"""Videos of the stream that holds several, and their frames: whole and short clips of eight."""
ARCHIVE_BYTES = 4000
ARCHIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "archive": ("two videos drawn by one D-NeRV between AV1 key frames, in tiles", {"target_size": ARCHIVE_BYTES}),
    "networks": ("two videos in three segments, drawn by two D-NeRV networks", {"bpp": 0.8, "segment": 10}),
    "dnerv_published": (
        "two videos drawn by D-NeRV in RGB, with choices of its paper",
        {"bpp": 1.2, "domain": "rgb", "settings": {
            "model.picture": True, "model.stem_rows": 2, "model.stem_columns": 3, "model.fusing": "per_place",
            "model.flow_at": "first", "model.mixing": "convolution", "model.taps": 5,
        }},
    ),
    "dnerv_joined": (
        "a video drawn by D-NeRV with its key frames' features as further channels, and flow for the head alone",
        {"bpp": 1.2, "videos": 1, "settings": {"model.fusing": "joined", "model.flow_at": "last"}},
    ),
    "nerv": (
        "a video drawn by D-NeRV's network without key frames, whose frames attend to each other",
        {"bpp": 1.2, "videos": 1, "settings": {
            "model.key_frames": False, "model.flow": False, "model.fusion": False, "model.picture": True,
            "model.stem_rows": 3, "model.stem_columns": 4, "model.mixing": "attention",
        }},
    ),
}  # fmt: skip
"""Streams of such videos: what they are there for, and options of their encode."""
ARCHIVE_SETTINGS = {
    **{f"model.{name}": value for name, value in DNERV.items()},
    "fit.fixed_bits": 5,  # what little a target leaves to the network would be zeros, nearly all
}


def moving(video: VideoFormat, frames: int, cuts: tuple[int, ...] = ()) -> Iterator[Planes]:
    """Smooth waves that travel, and are elsewhere after a cut."""
    for shown in range(frames):
        frame = shown + 11 * bisect_right(cuts, shown)
        planes = []
        for index, (rows, columns) in enumerate(video.plane_shapes):
            y, x = np.mgrid[0:rows, 0:columns] * (video.height / rows)
            wave = 0.5 + 0.25 * np.sin(x / 9 + frame / 3 + index) + 0.2 * np.cos(y / 7 - frame / 4 + x / 20)
            planes.append(np.rint(wave * video.peak).astype(video.dtype))
        yield tuple(planes)


def encoded(stream: Stream, frames: int, epochs: float) -> bytes:
    """The bitstream of a stream."""
    with tempfile.TemporaryDirectory() as folder:
        name = "waves.y4m"
        if stream.video.chroma is ChromaFormat.RGB:
            name = "waves/" if stream.video.bit_depth == 8 else "waves.mkv"
        source, output = f"{folder}/{name}", f"{folder}/out.nvc"
        write_waves(source, stream.video, frames, stream.cuts)
        encode(stream, source, output, epochs)
        return Path(output).read_bytes()


def encode(stream: Stream, source: str, output: str, epochs: float) -> list[dict[str, object]]:
    """Encode a stream and its layers; what is said of each step."""
    groups = ("model", stream.model), ("gop", stream.gop)
    settings = {f"{group}.{name}": value for group, values in groups for name, value in values.items()}
    effort: dict[str, Any] = {"preset": "draft", "epochs": epochs, "device": "cpu"}
    result = nvcodec.encode(
        source,
        output,
        model=stream.representation,
        target_size=stream.target_bytes,
        settings=settings,
        preview=stream.preview,
        **stream.options,
        **effort,
    )
    more: dict[str, Any] = {"parameters": 1500, "settings": stream.layer}
    layers = [nvcodec.add_layer(output, source, **more, **effort) for _ in range(stream.layers)]
    return [result.to_json(), *(layer.to_json() for layer in layers)]


def encoded_archive(
    epochs: float, videos: int = len(ARCHIVE), settings: dict[str, object] | None = None, **options: Any
) -> bytes:
    """The bitstream of the first videos."""
    with tempfile.TemporaryDirectory() as folder:
        sources, output = [f"{folder}/{name}.y4m" for name in ARCHIVE][:videos], f"{folder}/out.nvc"
        for source, (video, frames) in zip(sources, ARCHIVE.values(), strict=False):
            write_waves(source, video, frames)
        nvcodec.encode_archive(
            sources,
            output,
            settings={**ARCHIVE_SETTINGS, **(settings or {})},
            preset="draft",
            epochs=epochs,
            device="cpu",
            **options,
        )
        return Path(output).read_bytes()


def write_waves(path: str, video: VideoFormat, frames: int, cuts: tuple[int, ...] = ()) -> None:
    """A video of :func:`moving` waves."""
    with open_sink(path, video) as sink:
        for planes in moving(video, frames, cuts):
            sink.write(planes)


def expected(data: bytes) -> dict[str, object]:
    """What a decoder must make of a bitstream."""
    session = open_session(data)
    segments = session.container.segments
    costs = [payload_costs(segment.payload, session.specs(segment)) for segment in segments if segment.payload]
    streams = [expected_stream(data, index) for index in range(len(session.container.header.streams))]
    return {
        "warnings": len(session.container.warnings),
        "gops": [segment.gops for segment in segments],
        "entropy_models": [[cost.model_id.name.lower() for cost in part] for part in costs],
        "integers": [digest(session.integers(index)).hex() for index in range(len(segments))],
        **(streams[0] if len(streams) == 1 else {"streams": streams}),
        **({"previews": expected_previews(data)} if session.container.previews else {}),
        **({"side_data": expected_side_data(data)} if session.container.side_data else {}),
    }


def expected_previews(data: bytes) -> dict[str, object]:
    """What a decoder must make of the previews of its first video, by scale."""
    session = open_session(data)
    heads = session.container.previews.values()
    found: dict[str, object] = {}
    for divisor in sorted({head.divisor for head in heads}):
        video = expected_stream(data, 0, f"1/{divisor}")
        integers = [digest(head_integers(session, head)).hex() for head in heads if head.divisor == divisor]
        found[f"1/{divisor}"] = {"integers": integers, **video}
    return found


def expected_side_data(data: bytes) -> dict[str, object]:
    """What a reader must find in the side data of each stream, fractions as text."""
    found = open_session(data).container.side_data
    return {str(stream): json.loads(json.dumps(asdict(side), default=str)) for stream, side in found.items()}


def expected_stream(data: bytes, index: int, scale: str = "1") -> dict[str, object]:
    """What a decoder must make of one of its videos."""
    reader = VideoReader(data, device="cpu", stream=index, scale=scale)
    video = reader.format
    sums = [[int(plane.sum()) for plane in planes] for planes in reader.frames()]
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(64):
        frame, plane = int(rng.integers(len(reader))), int(rng.integers(video.chroma.planes))
        row, column = (int(rng.integers(extent)) for extent in video.plane_shapes[plane])
        samples.append([frame, plane, row, column, int(reader.planes(frame)[plane][row, column])])
    return {
        "frames": len(reader),
        "width": video.width,
        "height": video.height,
        "bit_depth": video.bit_depth,
        "planes": video.chroma.name.lower(),
        "plane_sums": sums,
        "samples": samples,
    }


def variants(files: dict[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Streams made from others without encoding again."""
    data = files["two_segments"]
    container = VideoReader(data).session.container
    index, private = container.chunks[-1].offset, chunk_bytes("zzZz", b"anything at all")
    yield "unknown_chunks", "ancillary chunks nobody knows", data[:index] + private + data[index:] + private
    side_data = {0: SideData(
        Fraction(64, 45), 2,
        MasteringDisplay(((13250, 34500), (7500, 3000), (34000, 16000)), (15635, 16450), 10**7, 50),
        ContentLight(1000, 400), Timestamps(Fraction(1, 1000), (33, 33, 34, 100, 100, 7, 33, 33)),
    )}  # fmt: skip
    parts = container.header, container.segments, container.digests.values(), container.metadata
    yield "side_data", "side data of every kind", write_container(*parts, side_data=side_data)
    second = container.index[1].offset
    yield "cut", "cut inside the second segment: the first one plays", data[: second + 30]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=40)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = {}
    for stream in STREAMS:
        path = FOLDER / f"{stream.name}.nvc"
        files[stream.name] = path.read_bytes() if path.exists() else encoded(stream, options.frames, options.epochs)
    shows = {stream.name: stream.shows for stream in STREAMS}
    for name, (what, more) in ARCHIVES.items():
        path, shows[name] = FOLDER / f"{name}.nvc", what
        files[name] = path.read_bytes() if path.exists() else encoded_archive(options.epochs, **more)
    for name, what, data in variants(files):
        files[name], shows[name] = data, what
    for name, data in files.items():
        if (FOLDER / f"{name}.nvc").exists():
            continue
        (FOLDER / f"{name}.nvc").write_bytes(data)
        report = {"shows": shows[name], **expected(data)}
        lines = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in report.items())
        (FOLDER / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")
        print(f"{name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
