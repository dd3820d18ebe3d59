"""Inputs to begin with: the conformance streams, parts of them, and small files of every other kind."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from fuzz.dissect import Field, assembled, dissected
from fuzz.mutate import mutate_bitstream
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions, changed
from nvcodec.container import pack_file, read_container, stripped
from nvcodec.container.ids import KEYF, META
from nvcodec.container.metadata import metadata_bytes
from nvcodec.decoder.session import Session
from nvcodec.io.av_frames import encode_png
from nvcodec.quant.tensors import TensorSpec
from nvcodec.types import Planes, VideoFormat

if TYPE_CHECKING:
    from nvcodec.encoder.fit.fit import Fit

KEYED = ((64, 48, 8), (53, 37, 10), (64, 48, 10), (16, 16, 8))
"""Width, height and depth of key frames: what the first byte of some chooses from."""
STREAMS = Path(__file__).parents[1] / "tests" / "conformance"


@cache
def bitstreams() -> list[bytes]:
    """Every conformance stream."""
    return [path.read_bytes() for path in sorted(STREAMS.glob("*.nvc"))]


@cache
def _coded() -> list[tuple[list[TensorSpec], bytes]]:
    """Lists of tensors, and the payload of each: of segments, layers and previews."""
    from nvcodec.decoder.previews import head_shape

    found = []
    for data in bitstreams():
        session = Session(data)
        container = session.container
        found += [(session.specs(segment), segment.payload) for segment in container.segments if segment.payload]
        found += [(session.pack_specs(pack), pack.payload) for pack in container.packs]
        found += [(list(head_shape(session, head).specs), head.payload) for head in container.previews.values()]
    return found[:256]


def specs() -> list[list[TensorSpec]]:
    """What the first byte of a payload chooses from."""
    return [tensors for tensors, _ in _coded()]


def payloads() -> list[bytes]:
    """Coded parameters, behind the number of their list of tensors."""
    return [bytes([number]) + payload for number, (_, payload) in enumerate(_coded())]


@cache
def key_frames() -> list[bytes]:
    """Payloads of key frames, behind a byte that chooses what their pictures are."""
    found = []
    for name in ("archive", "networks"):
        container = read_container((STREAMS / f"{name}.nvc").read_bytes())
        for ordinal, keys in container.key_frames.items():
            video = container.header.streams[container.segments[ordinal].stream].format
            found.append(bytes([KEYED.index((video.width, video.height, video.bit_depth))]) + keys.to_bytes())
    return found


def mutate_key_frames(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage of key frames: they are mutated as part of a file, in which they are known."""
    base = (STREAMS / "archive.nvc").read_bytes()
    file = dissected(base).copy()
    file.chunks = [chunk for chunk in file.chunks if chunk.type.decode() in ("HEAD", KEYF, "BASE")][:3]
    file.chunks[1].fields = [Field("rest", data[1:])]
    known = dissected(assembled(file, index=False, parents=False)).copy()
    known.chunks = [chunk for chunk in known.chunks if chunk.type == KEYF.encode()]
    known.preamble = base[:10]
    mutated = dissected(mutate_bitstream(assembled(known, index=False, parents=False), random))
    payload = next((chunk.payload for chunk in mutated.chunks if chunk.type == KEYF.encode()), b"")
    return (data[:1] if random.random() < 0.95 else bytes([random.randrange(8)])) + payload


@cache
def _layered() -> bytes:
    return (STREAMS / "layers.nvc").read_bytes()


@cache
def layered_base(layer: int) -> bytes:
    """A file with all layers below one of the layers that :func:`layers` gives."""
    most = read_container(_layered()).layers
    return stripped(_layered(), max(0, min(layer, most) - 1))


@cache
def layers() -> list[bytes]:
    """Enhancement layers as files of their own."""
    container = read_container(_layered())
    return [pack_file(container, layer) for layer in range(1, container.layers + 1)]


@cache
def previews() -> list[bytes]:
    """Files with previews."""
    return [data for data in bitstreams() if read_container(data).previews]


@cache
def metadata() -> list[bytes]:
    """Payloads of metadata."""
    found = [chunk.payload for data in bitstreams() for chunk in dissected(data).chunks if chunk.type == META.encode()]
    return [*dict.fromkeys(found), metadata_bytes({"a": 1, "b": -0.5, "c": "\x1b[2J", "é": 2**63 - 1})]


def _pictures(video: VideoFormat, count: int) -> list[Planes]:
    noise = np.random.default_rng(0)
    clip: list[Planes] = []
    for _ in range(count):
        first, second, third = (noise.integers(0, video.peak + 1, shape, np.uint16) for shape in video.plane_shapes)
        y, u, v = (plane if video.bit_depth > 8 else plane.astype(np.uint8) for plane in (first, second, third))
        clip.append((y, u, v))
    return clip


@cache
def y4m() -> list[bytes]:
    """Y4M of every kind that is written here, and headers of other programs."""
    from nvcodec.io.y4m import Y4mWriter

    class Kept(io.BytesIO):
        def close(self) -> None:
            """What was written is still wanted."""

    found = []
    for video in (VideoFormat(16, 8, Fraction(25)), VideoFormat(5, 3, Fraction(30000, 1001)), VideoFormat(8, 8)):
        for depth in (8, 10):
            stream = Kept()
            format = replace(video, bit_depth=depth)
            writer = Y4mWriter(stream, format)
            for planes in _pictures(format, 2):
                writer.write(planes)
            found.append(stream.getvalue())
    for kind, size in (("420jpeg", 12), ("420paldv", 12), ("422", 16), ("444", 24), ("mono", 8), ("444p12", 48)):
        head = f"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C{kind} XYSCSS=420JPEG XCOLORRANGE=FULL\n"
        found.append(head.encode() + b"FRAME\n" + bytes(size) + b"FRAME Ixyz\n" + bytes(size))
    return found


@cache
def png() -> list[bytes]:
    """PNG as written here, and of other kinds of samples."""
    import struct
    import zlib

    def made(colour_type: int, depth: int, line: int, *more: tuple[bytes, bytes]) -> bytes:
        rows = b"".join(bytes([filtered % 5]) + bytes(range(line)) for filtered in range(4))
        head = struct.pack(">IIBBBBB", 8, 4, depth, colour_type, 0, 0, 0)
        chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        framed = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
        return b"\x89PNG\r\n\x1a\n" + b"".join(framed)

    noise = np.random.default_rng(0).integers(0, 256, (3, 6, 10), dtype=np.uint8)
    palette = (b"PLTE", bytes(range(48))), (b"tRNS", bytes(16))
    kinds = ((0, 8, 8), (0, 1, 1), (0, 4, 4), (2, 8, 24), (4, 8, 16), (6, 8, 32), (0, 16, 16))
    return [
        encode_png((noise[0], noise[1], noise[2])),
        *(made(*kind) for kind in kinds),
        made(3, 4, 4, *palette),
        made(3, 8, 8, *palette),
    ]


@cache
def masks() -> list[bytes]:
    """Words about masks, and raw videos that are some."""
    words = ("box:8x8", "box:8x8+1+2,4x4+20+3", "boxes:4", "scattered:4")
    shown = bytes(300) + bytes([255]) * 468
    return [*(word.encode() + b"\n" for word in words), b"file\n" + shown, b"file\n" + shown * 3]


@cache
def _asked() -> list[EncodeOptions]:
    raw = {"size": (64, 48), "fps": Fraction(30000, 1001), "pix_fmt": "yuv420p10le", "seek": 2, "frames": 9}
    network: dict[str, object] = {"model.strides": "2,2", "model.channels": "8,6", "model.depths": "1,1"}
    network |= {"model.expansions": "2,2", "model.grids": "2:1:2", "model.shuffle": 4, "loss.kind": "ssim"}
    fit: dict[str, object] = {"fit.learning_rate": 1e-3, "fit.batch": 2, "gop.length": 4}
    kinds: list[dict[str, object]] = [
        {**raw, "bpp": 0.1, "preset": "draft"},
        {"crf": 30, "preset": "medium", "segment": 4, "tune": "ssim"},
        {"target_size": "20kB", "epochs": 3, "preset": "fast", "settings": network},
        {"bitrate": "800k", "max_time_s": "90s", "fps": 25, "preset": "draft", "model": "tenerv", "seed": 7},
        {"target_psnr": 30, "model": "qsnerv", "preset": "slow", "parameters": "9k"},
        {"model": "dnerv", "bpp": 0.2, "preset": "draft", "settings": {"keys.group": 4}},
        {"model": "msnerv", "preview": True, "preset": "draft", "mask": "box:8x8", "domain": "rgb"},
    ]
    found = [changed(EncodeOptions(), kind) for kind in kinds]
    for name, value in fit.items():
        try:
            found.append(changed(found[0], {"settings": {name: value}}))
        except Exception:  # a name that this version does not have
            continue
    return found


@cache
def configs() -> list[bytes]:
    """Files of options and settings, as ``--save-config`` writes them, and one with tables."""
    from nvcodec.cli._config import save_config

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, options in enumerate(_asked()):
            path = Path(folder) / f"{number}.toml"
            save_config(str(path), options, overwrite=False)
            found.append(path.read_bytes())
    tables = b'preset = "draft"\nbpp = 0.2\n[fit]\nlearning_rate = 1e-3\n[model]\nstrides = [2, 2]\ngrids = ["4:1:2"]\n'
    return [*found, tables]


@cache
def jobs() -> list[bytes]:
    """Jobs of work folders."""
    found = [Job(("a.y4m",), "a.nvc", options) for options in _asked()]
    found.append(Job(("a.y4m", "b.y4m"), "a.nvc", changed(EncodeOptions(), {"model": "dnerv", "preset": "draft"})))
    found.append(Job(("a.y4m",), "a.nvc", EncodeOptions(), "base.nvc"))
    return [json.dumps(job.to_dict(), indent=1).encode() for job in found]


@cache
def results() -> list[bytes]:
    """Results of the bench, small ones."""
    kept = (path.read_bytes() for path in sorted((STREAMS.parents[1] / "results" / "coding").rglob("*.json")))
    return sorted((data for data in kept if b'"nvc-bench/1"' in data), key=len)[:8]


@cache
def fit() -> Fit:
    """A tiny fit, to load states into."""
    import torch

    from nvcodec.config.fit import FitConfig, LossConfig
    from nvcodec.encoder.fit.draw import Painter
    from nvcodec.encoder.fit.fit import Fit
    from nvcodec.encoder.fit.parameters import FlatField
    from nvcodec.encoder.fit.rate import ConstantWeight
    from nvcodec.encoder.fit.schedule import Budget
    from nvcodec.encoder.footage.clip import Clip
    from nvcodec.models.geometry import FieldGeometry
    from nvcodec.models.msnerv import MSNeRV
    from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig

    torch.manual_seed(0)
    config = MSNeRVConfig((2,), (4,), (1,), (1,), (GridLevel(2, 1, 2),), shuffle=4, local_levels=0)
    video = VideoFormat(16, 16)
    painter = Painter(FlatField(MSNeRV(config, FieldGeometry(4, 16, 16, video.chroma))), [], lambda event: None)
    clip = Clip.load(_pictures(video, 4), video, 4)
    return Fit(painter, clip, FitConfig(), LossConfig(), ConstantWeight(1e-4), Budget(20))


@cache
def states() -> list[bytes]:
    """The state of that fit, before and after some steps."""
    from nvcodec.encoder.fit.fit import StopRequested
    from nvcodec.encoder.resume import fit_state

    found = []
    for steps in (0, 3):
        asked = iter(range(steps))
        with suppress(StopRequested):
            fit().run(lambda event: None, lambda: next(asked, None) is None)  # noqa: B023
        out = io.BytesIO()
        np.savez(out, part=np.int64(0), **fit_state.save(fit()))  # type: ignore[arg-type]
        found.append(out.getvalue())
    return found
