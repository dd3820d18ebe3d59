"""Many videos to one file: key frames of each, coded as video, and one network that draws what lies between them.

sources -> Clips -> key frames (AV1) -> Archive -> Fit (of D-NeRV) -> integers -> chunks -> file -> Measurement
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from nvcodec import __version__
from nvcodec.container import (
    BaseSegment,
    KeyFrameCodec,
    KeyFrames,
    MetadataValue,
    ModelId,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    write_container,
)
from nvcodec.decoder.check import check_segment, sample
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.reader import VideoReader, pick_device
from nvcodec.encoder.archive_clip import Archive, ArchiveField, geometry_of
from nvcodec.encoder.archive_job import ArchiveJob
from nvcodec.encoder.archive_result import ArchiveResult, StreamResult
from nvcodec.encoder.clip import Clip
from nvcodec.encoder.draw import Painter
from nvcodec.encoder.encode import stream_name
from nvcodec.encoder.events import EventHandler, Forecast, Notice, ignore
from nvcodec.encoder.fit import Fit, StopRequested
from nvcodec.encoder.goal import Goal
from nvcodec.encoder.key_frames import encode_key_frames
from nvcodec.encoder.memory import fit_bytes
from nvcodec.encoder.parameters import FlatField
from nvcodec.encoder.presets import bpp_for_crf
from nvcodec.encoder.report import versions
from nvcodec.encoder.schedule import Budget
from nvcodec.encoder.sizing import presets_of, schedule_steps
from nvcodec.encoder.target import TargetKind
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import DeviceError, InterruptedEncodeError, UsageError
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import ChromaFormat, Domain, Planes

_SHARES = (0.5, 0.7, 0.85)
"""Shares of the bytes that key frames may get; a short fit of each decides."""
_TRIAL = 0.06
"""Length of such a fit in units of the whole schedule."""
_KEY_GROUP = 64
"""Key frames from one that needs no other to the next: what a decoder may have to pass through to get to a frame."""
_BEST_CRF, _WORST_CRF = 1, 63
_PROBE_STEPS = 2
_PSNR_TO_COME = 98.765
_GROWTH = 9
"""Bytes by which numbers in front of a payload, and the metadata, may grow when it is there."""


@dataclass(frozen=True)
class _Keys:
    """The key frames of all videos at one rate factor."""

    crf: int
    packets: list[list[bytes]]

    @property
    def nbytes(self) -> int:
        return sum(len(packet) for packets in self.packets for packet in packets)


def encode_archive(
    job: ArchiveJob,
    *,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> ArchiveResult:
    """Encode several videos into one file.

    Args:
        job: What to encode and how.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, and nothing is written.

    Returns:
        Numbers measured on the file as written and decoded again.

    Raises:
        InputError: A source cannot be read.
        UsageError: The output exists, or options contradict the sources.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    started = time.monotonic()
    if not overwrite and os.path.exists(job.output):
        raise UsageError(f"{job.output} exists", "Replace it with -y")
    device = pick_device(job.config.device)
    torch.set_num_threads(job.config.threads)
    try:
        return _ArchiveEncode(job, device, started, on_event, should_stop).run(verify)
    except StopRequested:
        raise InterruptedEncodeError("stopped; nothing was written", "Archives cannot be resumed yet") from None
    except torch.OutOfMemoryError:
        raise DeviceError(f"{device} ran out of memory", "Choose a smaller preset, or --set model.tile=256") from None


class _ArchiveEncode:
    """The state of one archive's encode."""

    def __init__(
        self,
        job: ArchiveJob,
        device: str,
        started: float,
        on_event: EventHandler,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.device, self.started = job, torch.device(device), started
        self.on_event, self.should_stop = on_event, should_stop
        if job.target.kind is TargetKind.PSNR:
            raise UsageError("--target-psnr is not for archives", "Give --bpp, --target-size, --bitrate or --crf")
        self.clips = [_read(source, job) for source in job.sources]
        self.limit = self._limit()
        pixels = sum(clip.pixels for clip in self.clips)
        crf = job.target.value if job.target.kind is TargetKind.CRF else None
        self.crf = 32.0 if crf is None else crf
        self.size = self.limit if self.limit is not None else round(bpp_for_crf(self.crf) * pixels / 8)
        self.preset = presets_of(job.model)[job.config.preset]
        self.metadata: dict[str, MetadataValue] = {
            "creator": f"nvc {__version__}",
            "preset": job.config.preset,
            "seed": job.config.seed,
            "psnr": _PSNR_TO_COME,
        }

    def run(self, verify: bool) -> ArchiveResult:
        """Code key frames, fit, write, decode, measure."""
        keys, network = self._choose()
        fit = self._fit(keys, network)
        self._forecast(fit)
        fit.run(self.on_event, self.should_stop)
        tensors = self._goal(keys, network).land(fit)
        temporary = f"{self.job.output}.part"
        try:
            direct = [tuple(False for _ in packets) for packets in keys.packets]
            self._write(temporary, keys, network, tensors, direct)
            direct = self._better_as_they_are(temporary, keys)
            self._write(temporary, keys, network, tensors, direct)
            result = self._measured(temporary, keys, network, tensors, direct, fit.budget.done_steps, verify)
            os.replace(temporary, self.job.output)
        except OSError as error:
            raise UsageError(f"cannot write {self.job.output}: {error.strerror}", "Choose another --output") from None
        finally:
            Path(temporary).unlink(missing_ok=True)
        return result

    def _choose(self) -> tuple[_Keys, DNeRVConfig]:
        """Rate factor of the key frames and size of the network, jointly: a short fit of each pair decides."""
        candidates: dict[int, tuple[_Keys, DNeRVConfig]] = {}
        for share in _SHARES:
            network = self._network(round((1 - share) * self.size))
            keys = self._code_keys(network, round(share * self.size))
            candidates.setdefault(keys.crf, (keys, network))
        if len(candidates) == 1:
            return next(iter(candidates.values()))
        errors: dict[int, float] = {}
        for crf, (keys, network) in candidates.items():
            fit = self._fit(keys, network, _TRIAL)
            fit.run(ignore, self.should_stop)
            assert fit.best is not None
            errors[crf] = -fit.psnr_db
        return candidates[min(errors, key=lambda crf: errors[crf])]

    def _network(self, nbytes: int) -> DNeRVConfig:
        config, job = self.job.config, self.job
        parameters = config.parameters or max(1, round(8 * nbytes / self.preset.bits_per_parameter))
        geometry = geometry_of(self.clips[0])
        try:
            network = self.preset.network(geometry, parameters, config.model, pinned=config.parameters is not None)
        except ValueError as error:
            raise UsageError(str(error)) from None
        assert isinstance(network, DNeRVConfig), job.model
        return network

    def _code_keys(self, network: DNeRVConfig, room: int) -> _Keys:
        """Key frames of all videos at the smallest rate factor, the same for all, that fits."""

        def coded(crf: int) -> _Keys:
            packets = []
            for clip in self.clips:
                frames = [clip.frame(time) for time in network.key_times(len(clip))]
                packets.append(encode_key_frames(frames, clip.format, crf, _KEY_GROUP))
            return _Keys(crf, packets)

        low, best = _BEST_CRF, coded(_WORST_CRF)
        while low < best.crf:
            tried = coded((low + best.crf) // 2)
            low, best = (low, tried) if tried.nbytes <= room else (tried.crf + 1, best)
        return best

    def _fit(self, keys: _Keys, network: DNeRVConfig, part: float = 1.0) -> Fit:
        torch.manual_seed(self.job.config.seed)
        pictures = [
            decode_key_frames(packets, clip.format) for packets, clip in zip(keys.packets, self.clips, strict=True)
        ]
        archive = Archive(network, [clip.to(self.device) for clip in self.clips], pictures)
        flat = FlatField(ArchiveField(archive).to(self.device))
        config = self.job.config
        steps = schedule_steps(self.preset, config.fit.batch, len(archive), config.epochs)
        budget = Budget(max(1, round(part * steps)))
        if config.max_time_s is not None:
            reserve = 1.0 + 0.02 * config.max_time_s + self._drawing_s(archive, flat)
            left = config.max_time_s - (time.monotonic() - self.started) - reserve
            budget = Budget(None, max(part * left, 1.0))
        painter = Painter(flat, [], self.on_event)
        return Fit(painter, archive, config.fit, config.loss, self._goal(keys, network).weight(), budget)

    def _drawing_s(self, archive: Archive, flat: FlatField) -> float:
        """Seconds to keep back for drawing and measuring everything at the end, which is done twice."""
        unit = torch.zeros(1, dtype=torch.int64, device=self.device)
        with torch.no_grad():
            for _ in range(2):  # the first time also warms up
                began = time.monotonic()
                flat.field(unit)
                seconds = time.monotonic() - began
        return 4 * seconds * len(archive)

    def _goal(self, keys: _Keys, network: DNeRVConfig) -> Goal:
        room = None if self.limit is None else max(self.limit - self._structure(keys, network), 1)
        return Goal(room, None, self.crf)

    def _structure(self, keys: _Keys, network: DNeRVConfig) -> int:
        """Bytes of the file that are not coded parameters, or a few more."""
        digests = []
        for index, clip in enumerate(self.clips):
            first, second, third = (np.full_like(plane, clip.format.peak) for plane in clip.frame(0))
            white = first, second, third
            digests.append(SegmentDigest(index, bytes(16), sample(_always(white), clip.format, len(clip))))
        direct = [tuple(False for _ in packets) for packets in keys.packets]
        return len(self._container(keys, network, b"", digests, direct)) + _GROWTH

    def _container(
        self,
        keys: _Keys,
        network: DNeRVConfig,
        payload: bytes,
        digests: Sequence[SegmentDigest],
        direct: Sequence[tuple[bool, ...]],
    ) -> bytes:
        streams = tuple(
            StreamHeader(clip.format, len(clip), stream_name(source))
            for source, clip in zip(self.job.sources, self.clips, strict=True)
        )
        header = SequenceHeader(ModelId.DNERV, Domain.YUV420, streams, network.to_bytes())
        segments = [
            BaseSegment(index, 0, len(clip), payload if index == 0 else b"") for index, clip in enumerate(self.clips)
        ]
        coded = {
            index: KeyFrames(KeyFrameCodec.AV1, _KEY_GROUP, flags, tuple(packets))
            for index, (flags, packets) in enumerate(zip(direct, keys.packets, strict=True))
        }
        return write_container(header, segments, digests, self.metadata, key_frames=coded)

    def _write(
        self,
        path: str,
        keys: _Keys,
        network: DNeRVConfig,
        tensors: list[IntegerTensor],
        direct: Sequence[tuple[bool, ...]],
    ) -> int:
        """Write the file; its size in bytes. The samples of its digests are those that a reader draws."""
        payload = encode_tensors(tensors)
        bare = self._container(keys, network, payload, [], direct)
        digests = []
        for index, clip in enumerate(self.clips):
            reader = VideoReader(bare, device=str(self.device), stream=index)
            values = sample(reader.planes, clip.format, len(clip))
            digests.append(SegmentDigest(index, digest(tensors), values))
        return Path(path).write_bytes(self._container(keys, network, payload, digests, direct))

    def _better_as_they_are(self, path: str, keys: _Keys) -> list[tuple[bool, ...]]:
        """Which key frames are nearer to the source than what the network makes of them."""
        flags = []
        for index, (clip, packets) in enumerate(zip(self.clips, keys.packets, strict=True)):
            reader = VideoReader(path, device=str(self.device), stream=index)
            config = reader.session.config
            assert isinstance(config, DNeRVConfig)
            times = config.key_times(len(clip))
            pictures = decode_key_frames(packets, clip.format)
            drawn = reader.frames(times)
            flags.append(
                tuple(
                    _psnr_db(clip, clip.frame(time), picture) > _psnr_db(clip, clip.frame(time), planes)
                    for time, picture, planes in zip(times, pictures, drawn, strict=True)
                )
            )
        return flags

    def _measured(
        self,
        path: str,
        keys: _Keys,
        network: DNeRVConfig,
        tensors: list[IntegerTensor],
        direct: Sequence[tuple[bool, ...]],
        steps: int,
        verify: bool,
    ) -> ArchiveResult:
        """Check and measure the file on disk."""
        streams, drawing_s = [], 0.0
        for index, (clip, packets) in enumerate(zip(self.clips, keys.packets, strict=True)):
            reader = VideoReader(path, device=str(self.device), stream=index)
            if verify:
                check_segment(reader, index)
            began = time.monotonic()
            drawn = list(reader.frames())
            drawing_s += time.monotonic() - began
            quality = measure(clip.frames(), clip.format, drawn, clip.format)
            streams.append(
                StreamResult(
                    name=stream_name(self.job.sources[index]),
                    width=clip.format.width,
                    height=clip.format.height,
                    frames=len(clip),
                    key_frames=len(packets),
                    key_frame_bytes=sum(map(len, packets)),
                    direct=sum(direct[index]),
                    psnr=quality.psnr,
                    ms_ssim_y=quality.ms_ssim_y,
                )
            )
        psnr_db = sum(stream.psnr["yuv_611"] for stream in streams) / len(streams)
        self.metadata["psnr"] = round(psnr_db, 3)
        size = self._write(path, keys, network, tensors, direct)
        frames = sum(len(clip) for clip in self.clips)
        over = self.limit is not None and size > self.limit
        return ArchiveResult(
            file=self.job.output,
            bytes=size,
            bpp=8 * size / sum(clip.pixels for clip in self.clips),
            model=self.job.model,
            parameters=sum(tensor.spec.size for tensor in tensors),
            network_bytes=len(encode_tensors(tensors)),
            key_frame_bytes=keys.nbytes,
            key_frame_crf=keys.crf,
            psnr_yuv_611=psnr_db,
            streams=tuple(streams),
            encode_s=time.monotonic() - self.started,
            fit_steps=steps,
            decode_fps=frames / max(drawing_s, 1e-9),
            device=str(self.device),
            seed=self.job.config.seed,
            versions=versions(),
            network=network.to_dict(),
            shortfall=f"the file has {size:,} bytes; {self.limit:,} were asked for, too few for any picture"
            if over
            else None,
        )

    def _forecast(self, fit: Fit) -> None:
        archive, network = fit.clip, fit.flat
        assert isinstance(archive, Archive)
        step_s = fit.probe(_PROBE_STEPS)
        steps = fit.budget.steps if fit.budget.seconds is None else None
        largest = max(self.clips, key=lambda clip: clip.format.width * clip.format.height)
        config = archive.config
        self.on_event(
            Forecast(
                model=self.job.model,
                preset=self.job.config.preset,
                device=str(self.device),
                parameters=network.vector.numel(),
                target_bytes=self.limit,
                memory_bytes=fit_bytes(config, geometry_of(largest), archive.nbytes, None, 0),
                steps=steps,
                seconds=step_s * steps if steps is not None else fit.budget.seconds or 0.0,
            )
        )
        counted = f"{len(self.clips)} videos, {sum(map(len, self.clips)):,} frames"
        self.on_event(Notice(f"{counted}; {len(archive):,} clips to fit"))

    def _limit(self) -> int | None:
        """Largest size of the file; None when quality decides."""
        if self.job.target.kind is TargetKind.SIZE:
            return int(self.job.target.value)
        each = [self.job.target.file_bytes(clip.format, len(clip)) for clip in self.clips]
        return None if None in each else sum(size for size in each if size is not None)


def _read(source: str, job: ArchiveJob) -> Clip:
    with open_source(source, fps=job.fps) as opened:
        if opened.format.chroma is not ChromaFormat.YUV420:
            raise UsageError(f"{source} is RGB; archives hold 4:2:0 video", "Convert it:  ffmpeg -pix_fmt yuv420p")
        count = opened.frame_count
        if job.frames is not None and count is not None:
            count = min(count, job.frames)
        return Clip.load(islice(opened, job.frames), opened.format, count)


def _always(planes: Planes) -> Callable[[int], Planes]:
    return lambda _: planes


def _psnr_db(clip: Clip, source: Planes, planes: Planes) -> float:
    """6:1:1 PSNR of one picture."""
    return measure([source], clip.format, [planes], clip.format).psnr["yuv_611"]
