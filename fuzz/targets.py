"""Everything that reads what strangers wrote, as functions of bytes. What they raise must be a refusal.

They know nothing of whoever drives them: tests, a loop of random numbers, or libFuzzer.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from fuzz import mutate, seeds
from nvcodec.api.checks import check
from nvcodec.api.info import probe
from nvcodec.cli._errors import as_nvc_error
from nvcodec.cli._terminal import Terminal, print_error, say_json
from nvcodec.cli.main import cli
from nvcodec.config.job import Job
from nvcodec.container import (
    KeyFrames,
    Limits,
    appended,
    check_appendable,
    layer_bytes,
    pack_file,
    read_container,
    read_pack_file,
    stripped,
    without_previews,
)
from nvcodec.container.metadata import MAX_METADATA_BYTES, read_metadata
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.key_groups import KeyGroups
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.entropy.payload import decode_tensors, payload_costs
from nvcodec.errors import (
    BitstreamError,
    DeviceError,
    InputError,
    NvcError,
    UnsupportedError,
    UsageError,
)
from nvcodec.eval.results import Curve
from nvcodec.io.mask import open_mask
from nvcodec.io.source import open_source
from nvcodec.io.y4m import Y4mReader
from nvcodec.progress.lines import printable
from nvcodec.types import VideoFormat

LIMITS = Limits(
    max_width=512, max_height=512, max_pixels=1 << 15, max_frames=1 << 12, max_streams=64, max_chunks=4096,
    max_parameters=1 << 18, max_drawing_bytes=1 << 25,
)  # fmt: skip
"""What is refused where pictures are drawn or numbers decoded: the defaults of nvc let a file ask for gigabytes."""
MOST_SAMPLES = 1 << 20
"""Videos and pictures that announce more per picture are left alone: they may have what they announce."""
_MOST_FRAMES = 3
_OF_FILES = (BitstreamError, UnsupportedError)
_OF_INPUTS = (InputError, UsageError)


@dataclass(frozen=True)
class Target:
    """One thing that reads."""

    name: str
    run: Callable[[bytes], None]
    """Reads an input. Raises what it thinks of it."""
    seeds: Callable[[], list[bytes]]
    """Inputs to begin with."""
    mutate: mutate.Mutator
    refusals: tuple[type[NvcError], ...]
    """How it may refuse."""
    share: float
    """Of a campaign that is counted in inputs."""


class _ScratchFile:
    """One file in memory or nearly so, written again and again."""

    def __init__(self, name: str) -> None:
        home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="nvc-fuzz-", dir=home)
        self.path = Path(self._folder.name) / name

    def write(self, data: bytes) -> Path:
        self.path.write_bytes(data)
        return self.path


@cache
def _scratch(name: str, process: int) -> _ScratchFile:
    return _ScratchFile(name)


def _file(name: str, data: bytes) -> Path:
    return _scratch(name, os.getpid()).write(data)


def refusal(error: BaseException) -> NvcError | None:
    """What the user is told of an error; None: it is a bug. The words must not steer a terminal."""
    known = as_nvc_error(error) if isinstance(error, Exception) else None
    if known is None or isinstance(known, DeviceError):
        return None
    shown = io.StringIO()
    with redirect_stderr(shown):
        print_error(known.message, known.hint)
    _check_clean(shown.getvalue())
    assert known.message, "nothing is said"
    return known


def outcome(target: Target, data: bytes) -> str:
    """What a target thinks of an input, in words; whatever is no refusal of the right kind gets out."""
    try:
        target.run(data)
    except Exception as error:
        known = refusal(error)
        if not isinstance(known, target.refusals):
            raise
        return f"refused: {known.message}"
    return "accepted"


def _check_clean(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in text), "steers the terminal"


def _nvc(*words: str) -> str:
    """What a command prints; its errors come as they are."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    terminal = Terminal()
    with redirect_stdout(out), redirect_stderr(err), cli.make_context("nvc", list(words), obj=terminal) as context:
        cli.invoke(context)
        if terminal.document is not None:  # which commands leave for the end
            say_json(terminal.document)
    _check_clean(_text(err))
    return _text(out)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _container(data: bytes) -> None:
    container = read_container(data)
    assert len(container.segments) == len(container.layer_ids) >= 1
    assert container.layers >= 0 and len(container.warnings) < 10
    assert container.preview_bytes <= len(data) and sum(layer_bytes(container, len(data))) == len(data)
    with suppress(*_OF_FILES):
        base = stripped(data, 0)
        assert data.startswith(base) and read_container(base).layers == 0
    smaller = without_previews(data)
    assert not read_container(smaller).previews and len(smaller) <= len(data)
    with suppress(*_OF_FILES):
        check_appendable(container, data)


def _info(data: bytes) -> None:
    path = str(_file("x.nvc", data))
    _check_clean(_nvc("info", path, "--chunks"))
    printed = _nvc("info", path, "--json")
    _check_clean(printed)
    assert json.loads(printed)["bytes"] == len(data)


def _check(data: bytes) -> None:
    """``nvc info --check --tensors`` within limits."""
    info = probe(data, limits=LIMITS)
    json.dumps(info.to_json(), allow_nan=False)
    for ordinal in info.networks()[:_MOST_FRAMES]:
        assert all(cost.bits >= 0 for cost in info.tensors(ordinal))
    info.check()


def _decode(data: bytes) -> None:
    _draw(Session(data, LIMITS), scale=1, check_all=True)


def _draw(session: Session, scale: float, check_all: bool = False) -> None:
    problems: list[NvcError] = []
    for stream in range(min(2, len(session.container.header.streams))):
        for layers in {0, session.container.layers}:
            try:
                reader = VideoReader(session, device="cpu", stream=stream, layers=layers, scale=scale)
                count = len(reader)
                for frame in sorted({0, count // 2, count - 1}) if count else ():
                    planes = reader.planes(frame)
                    shapes = [plane.shape for plane in planes]
                    assert shapes == list(reader.format.plane_shapes), "a picture of another size"
                    assert all(plane.dtype == reader.format.dtype for plane in planes)
                    assert all(plane.max() <= reader.format.peak for plane in planes), "a sample above the peak"
            except NvcError as error:  # the other streams and layers may be sound
                problems.append(error)
    if check_all and not problems:
        reader = VideoReader(session, device="cpu", stream=session.container.segments[0].stream)
        check_segment(reader, 0)
    if problems:
        raise problems[0]


def _previews(data: bytes) -> None:
    for scale in (1 / 2, 1 / 8):
        _draw(Session(data, LIMITS), scale)


def _payload(data: bytes) -> None:
    lists = seeds.specs()
    specs = lists[data[0] % len(lists)] if data else lists[0]
    tensors = decode_tensors(data[1:], specs)
    assert [tensor.symbols.shape for tensor in tensors] == [spec.shape for spec in specs]
    assert all(abs(int(tensor.symbols.min())) <= 32767 >= int(tensor.symbols.max()) for tensor in tensors)
    payload_costs(data[1:], specs)


def _key_frames(data: bytes) -> None:
    keys = KeyFrames.from_bytes(data[1:])
    width, height, depth = seeds.KEYED[data[0] % len(seeds.KEYED)]
    video = VideoFormat(width, height, bit_depth=depth)
    groups = KeyGroups(keys, video, "cpu", (0, "clip"))
    LIMITS.check("max_drawing_bytes", groups.most_bytes, "take {} bytes of memory")
    for key in range(0, min(len(keys.packets), 4 * groups.group), groups.group):
        for plane, shape in zip(groups(key), video.plane_shapes, strict=True):
            assert plane.shape == shape and int(plane.max()) <= video.peak


def _layers(data: bytes) -> None:
    packs = read_pack_file(data)
    base = seeds.layered_base(packs[0].layer)
    whole = base + appended(base, packs)
    session = Session(whole, LIMITS)
    assert pack_file(session.container, packs[0].layer).startswith(whole[:8])
    for pack in packs[:_MOST_FRAMES]:
        session.check_pack(pack)
    _draw(session, scale=1)


def _metadata(data: bytes) -> None:
    values, size = read_metadata(data, MAX_METADATA_BYTES)
    assert size <= MAX_METADATA_BYTES
    shown = printable(", ".join(f"{key} {value}" for key, value in values.items()))
    _check_clean(shown)
    assert json.loads(json.dumps(values, allow_nan=False)) == values


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def _y4m(data: bytes) -> None:
    with open_source(_file("x.y4m", data)) as source:
        if source.format.width * source.format.height > MOST_SAMPLES:
            return
        _check_pictures(source, source.format)
    reader = Y4mReader(cast(BinaryIO, _Pipe(data)), "a pipe")
    _check_pictures(reader.pictures(0), reader.format)


def _check_pictures(pictures: Iterable[tuple[object, ...]], video: VideoFormat) -> None:
    for planes in islice(pictures, _MOST_FRAMES):
        assert [plane.shape for plane in planes] == list(video.plane_shapes)  # type: ignore[attr-defined]
        assert all(plane.max() <= video.peak for plane in planes)  # type: ignore[attr-defined]


def _png(data: bytes) -> None:
    with open_source(_file("x.png", data)) as source:
        if source.format.width * source.format.height <= MOST_SAMPLES:
            _check_pictures(source, source.format)


def _mask(data: bytes) -> None:
    """First a line: what is masked, in words; then a raw video that shows it."""
    words, _, samples = data.partition(b"\n")
    spec, video = words.decode("utf-8", "replace"), VideoFormat(32, 16)
    if not spec.startswith(("box:", "boxes:", "scattered:")):
        spec = str(_file("mask_32x16_8bit.yuv", samples))
    mask = open_mask(spec, video, 3)
    assert 0 < mask.share < 1 and mask[2].shape == (16, 32)
    mask.digest()


def _config(data: bytes) -> None:
    """``nvc encode --config`` up to where the video would be read, then what would be planned."""
    path = _file("x.toml", data)
    path.with_suffix(".saved").unlink(missing_ok=True)
    _nvc("encode", "--config", str(path), "--save-config", str(path.with_suffix(".saved")))
    _nvc("encode", "--config", str(path.with_suffix(".saved")), "--save-config", str(path.with_suffix(".again")), "-y")
    assert path.with_suffix(".saved").read_bytes() == path.with_suffix(".again").read_bytes(), "saved as something else"


def _job(data: bytes) -> None:
    """The job of a work folder: read, checked, planned."""
    job = Job.load(_file("job.json", data))
    check(job.options, len(job.inputs), layer=job.base is not None)
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job
    if job.base is None and job.options.preset is not None:
        plan = make_plan([(VideoFormat(64, 48, job.options.fps), 9)] * max(1, len(job.inputs)), job.options)
        if plan.network is not None:
            plan.network.to_dict()


def _state(data: bytes) -> None:
    """The arrays of a work folder, into a fit."""
    path = _file("state.npz", data)
    checkpoint = Checkpoint(path.parent, Job(("x.y4m",), "x.nvc"), "")
    arrays = checkpoint.load_state(0)
    if arrays is not None:
        from nvcodec.encoder.resume import fit_state

        fit_state.load(seeds.fit(), arrays)


def _results(data: bytes) -> None:
    """What ``nvc bench`` keeps, and other programs write."""
    curve = Curve.load(_file("x.json", data))
    _check_clean(printable(f"{curve.codec} {curve.clip.name}"))


TARGETS = {
    target.name: target
    for target in (
        Target("container", _container, seeds.bitstreams, mutate.mutate_bitstream, _OF_FILES, 30),
        Target("info", _info, seeds.bitstreams, mutate.mutate_bitstream, _OF_FILES, 8),
        Target("check", _check, seeds.bitstreams, mutate.mutate_bitstream, _OF_FILES, 6),
        Target("decode", _decode, seeds.bitstreams, mutate.mutate_bitstream, _OF_FILES, 4),
        Target("payload", _payload, seeds.payloads, mutate.mutate_indexed(mutate.mutate_bytes), _OF_FILES, 8),
        Target("key-frames", _key_frames, seeds.key_frames, seeds.mutate_key_frames, _OF_FILES, 3),
        Target("layers", _layers, seeds.layers, mutate.mutate_bitstream, _OF_FILES, 3),
        Target("previews", _previews, seeds.previews, mutate.mutate_bitstream, _OF_FILES, 2),
        Target("metadata", _metadata, seeds.metadata, mutate.mutate_deflated, _OF_FILES, 8),
        Target("y4m", _y4m, seeds.y4m, mutate.mutate_y4m, _OF_INPUTS, 10),
        Target("png", _png, seeds.png, mutate.mutate_png, _OF_INPUTS, 6),
        Target("mask", _mask, seeds.masks, mutate.mutate_y4m, _OF_INPUTS, 3),
        Target("config", _config, seeds.configs, mutate.mutate_text, _OF_INPUTS, 3),
        Target("job", _job, seeds.jobs, mutate.mutate_text, (*_OF_INPUTS, DeviceError), 4),
        Target("results", _results, seeds.results, mutate.mutate_text, _OF_INPUTS, 2),
        Target("state", _state, seeds.states, mutate.mutate_zip, _OF_INPUTS, 2),
    )
}
"""By name."""
