"""Many videos to one file: key frames of each, coded as video, and one network that draws what lies between them.

sources -> Clips -> key frames (AV1) -> Archive -> Fit (of D-NeRV) -> integers -> chunks -> file -> Measurement
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from nvcodec.config.archive_job import ArchiveJob
from nvcodec.config.target import DEFAULT_CRF, TargetKind
from nvcodec.container import SegmentDigest
from nvcodec.decoder.check import check_segment, sample
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.opening import open_session, pick_device
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder import archive_state
from nvcodec.encoder.archive_file import ArchiveFile
from nvcodec.encoder.archive_report import Shown, show, stream_result
from nvcodec.encoder.archive_result import ArchiveResult
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, EventHandler, Forecast, Notice, Step, ignore
from nvcodec.encoder.fit.fit import Fit, StopRequested
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.hiding import hide
from nvcodec.encoder.footage.units import Archive, ArchiveField, digest_of, geometry_of, read_source
from nvcodec.encoder.new_metadata import new_metadata
from nvcodec.encoder.parts.key_coder import CodedKeys, KeyFrameCoder
from nvcodec.encoder.plan.memory import fit_bytes
from nvcodec.encoder.plan.presets import bpp_for_crf
from nvcodec.encoder.plan.sizing import presets_of, schedule_steps
from nvcodec.encoder.plan.stream_names import stream_names
from nvcodec.encoder.report import versions
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.autosave import Autosave, rescued
from nvcodec.encoder.resume.checkpoint import Checkpoint, State
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import DeviceError, InterruptedEncodeError, UsageError
from nvcodec.io.mask import Mask, open_mask
from nvcodec.metrics.measure import measure
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.quant.tensors import IntegerTensor, digest

_USUAL_SHARE, _OTHER_SHARES = 0.7, (0.5, 0.85)
"""Share of the bytes that key frames get, and what else a short fit may prefer."""
_TRIAL, _LEAST_TRIAL_STEPS = 0.06, 40
"""Length of such a fit in units of the whole schedule; a shorter one would decide nothing."""
_MOST_BITS = 4
"""Bits that a parameter has use for; a narrow network leaves what is beyond to the key frames."""
_PROBE_STEPS = 2


class _Finished(NamedTuple):
    """All that goes into the file."""

    keys: CodedKeys
    network: DNeRVConfig
    tensors: list[IntegerTensor]
    payload: bytes
    shown: list[Shown]


def encode_archive(
    job: ArchiveJob,
    *,
    work_dir: Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> ArchiveResult:
    """Encode several videos into one file.

    Args:
        job: What to encode and how.
        work_dir: Folder for resume files; continues from it when it exists. None = keep none.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, resumably once network and key frames are chosen.

    Returns:
        Numbers measured on the file as written and decoded again.

    Raises:
        InputError: A source cannot be read, or is not what the folder was made for.
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
        return _ArchiveEncode(job, device, work_dir, started, on_event, should_stop).run(verify)
    except StopRequested:
        raise InterruptedEncodeError(
            "stopped before the fit began; nothing was written", "There is nothing to go on from: start again"
        ) from None
    except torch.OutOfMemoryError:
        raise DeviceError(f"{device} ran out of memory", "Choose a smaller preset, or --set model.tile=256") from None


class _ArchiveEncode:
    """The state of one archive's encode."""

    def __init__(
        self,
        job: ArchiveJob,
        device: str,
        work_dir: Path | None,
        started: float,
        on_event: EventHandler,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.device, self.started = job, torch.device(device), started
        self.on_event, self.should_stop = on_event, should_stop
        if job.target.kind is TargetKind.PSNR:
            raise UsageError("--target-psnr is not for archives", "Give --bpp, --target-size, --bitrate or --crf")
        self.sources = [read_source(source, job) for source in job.sources]
        self.clips = [*self.sources]
        self.masks: list[Mask | None] = [None] * len(self.clips)
        if job.mask is not None:
            for index, clip in enumerate(self.sources):
                mask = open_mask(job.mask, clip.format, len(clip))
                self.masks[index], self.clips[index] = mask, hide(clip, mask)
        self.names = stream_names(job.sources)
        self.limit = self._limit()
        pixels = sum(clip.pixels for clip in self.clips)
        self.crf = job.target.value if job.target.kind is TargetKind.CRF else DEFAULT_CRF
        self.size = self.limit if self.limit is not None else round(bpp_for_crf(self.crf) * pixels / 8)
        self.coder = KeyFrameCoder(self.clips, job.config.keys.group)
        self.preset = presets_of(job.model)[job.config.preset]
        self.file = ArchiveFile(self.names, self.clips, new_metadata(job.config, self.masks[0]))
        self.checkpoint: Checkpoint | None = None
        if work_dir is not None:
            self.checkpoint = Checkpoint(work_dir, job, digest_of(self.sources, self.masks))
            self.checkpoint.verify()

    def run(self, verify: bool) -> ArchiveResult:
        """Code key frames, fit, draw, write, measure."""
        saved = None if self.checkpoint is None else self.checkpoint.load_state(0)
        keys, network = self._choose() if saved is None else archive_state.chosen(saved, self.coder)
        fit = self._fit(keys, network)
        self._forecast(fit)
        if saved is not None:
            fit_state.load(fit, saved)

        def state() -> State:
            return archive_state.save(fit, keys, network)

        self._run(fit, state)
        tensors = self._goal(keys, network).land(fit)
        payload = encode_tensors(tensors)
        session = open_session(self.file.to_bytes(keys, network, payload))  # one: its network is decoded once
        shown = [
            show(VideoReader(session, device=str(self.device), stream=index), clip, packets)
            for index, (clip, packets) in enumerate(zip(self.clips, keys.packets, strict=True))
        ]
        finished = _Finished(keys, network, tensors, payload, shown)
        return self._written(finished, fit.budget.done_steps, verify, state)

    def _run(self, fit: Fit, state: Callable[[], State]) -> None:
        """Fit to the end, with a state on disk that is never old."""
        autosave, archive = Autosave(self.checkpoint, 0, state, self.on_event), fit.clip
        assert isinstance(archive, Archive)

        def tick(event: Event) -> None:
            if isinstance(event, Step):
                running = archive.psnr_by_video(fit.frame_errors)
                event = replace(event, videos=tuple((self.names[video], psnr_db) for video, psnr_db in running))
            self.on_event(event)
            autosave.tick()

        try:
            fit.run(tick, self.should_stop)
        except StopRequested:
            raise autosave.stopped(fit.budget.done_steps) from None

    def _choose(self) -> tuple[CodedKeys, DNeRVConfig]:
        """Rate factor of the key frames and size of the network, jointly: a short fit of each pair decides."""
        keys, network = usual = self._pair(_USUAL_SHARE)
        trial = self._fit(keys, network, _TRIAL)
        seconds = trial.budget.seconds
        steps = trial.budget.steps if seconds is None else seconds / trial.probe(_PROBE_STEPS)
        if (steps or 0) < _LEAST_TRIAL_STEPS:
            return usual
        trial.run(ignore, self.should_stop)
        best, best_db = usual, trial.psnr_db
        for share in _OTHER_SHARES:
            pair = self._pair(share)
            trial = self._fit(*pair, _TRIAL)
            trial.run(ignore, self.should_stop)
            if trial.psnr_db > best_db:
                best, best_db = pair, trial.psnr_db
        return best

    def _pair(self, share: float) -> tuple[CodedKeys, DNeRVConfig]:
        """Key frames that take a share of the bytes, and a network that suits the rest."""
        network = self._network(round((1 - share) * self.size))
        parameters = sum(spec.size for spec in network.tensor_specs(geometry_of(self.clips[0])))
        rest = min(round((1 - share) * self.size), parameters * _MOST_BITS // 8)
        return self.coder.within(self.size - rest, network.clip), network

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

    def _fit(self, keys: CodedKeys, network: DNeRVConfig, part: float = 1.0) -> Fit:
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
        painter = Painter(flat, [], self.on_event, config.loss.fill)
        return Fit(painter, archive, config.fit, config.loss, self._goal(keys, network).weight(), budget)

    def _drawing_s(self, archive: Archive, flat: FlatField) -> float:
        """Seconds to keep back for drawing, measuring and checking everything at the end."""
        unit, clip = torch.zeros(1, dtype=torch.int64, device=self.device), self.clips[0]
        frame = clip.frame(0)
        for _ in range(2):  # the first time also warms up
            began = time.monotonic()
            with torch.no_grad():
                drawn = flat.field(unit).planes[0].numel()
            between = time.monotonic()
            measure([frame], clip.format, [frame], clip.format)
            drawing_s, measuring_s = between - began, time.monotonic() - between
        per_sample = drawing_s / drawn + measuring_s / (clip.pixels / len(clip))
        return float(1.5 * per_sample * archive.pixels)

    def _goal(self, keys: CodedKeys, network: DNeRVConfig) -> Goal:
        room = None if self.limit is None else max(self.limit - self.file.overhead(keys, network), 1)
        return Goal(room, None, self.crf)

    def _written(self, finished: _Finished, steps: int, verify: bool, state: Callable[[], State]) -> ArchiveResult:
        """Measure what was drawn, write the file, check it."""
        streams, digests = [], []
        for index, (clip, shown) in enumerate(zip(self.clips, finished.shown, strict=True)):
            source, mask = self.sources[index], self.masks[index]
            streams.append(stream_result(self.names[index], source, mask, finished.keys.packets[index], shown))
            values = sample(shown.planes.__getitem__, clip.format, len(clip))
            digests.append(SegmentDigest(index, digest(finished.tensors), values))
        psnr_db = sum(stream.psnr["yuv_611"] for stream in streams) / len(streams)
        self.file.metadata["psnr"] = round(psnr_db, 3)
        if self.job.mask is not None:  # a file says nothing that depends on what was hidden from it
            del self.file.metadata["psnr"]
        direct = [shown.direct for shown in finished.shown]
        data = self.file.to_bytes(finished.keys, finished.network, finished.payload, digests, direct)
        self._save(data, verify, state)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        over = self.limit is not None and len(data) > self.limit
        return ArchiveResult(
            file=self.job.output,
            bytes=len(data),
            bpp=8 * len(data) / sum(clip.pixels for clip in self.clips),
            model=self.job.model,
            parameters=sum(tensor.spec.size for tensor in finished.tensors),
            network_bytes=len(finished.payload),
            key_frame_bytes=finished.keys.nbytes,
            key_frame_crf=finished.keys.crf,
            psnr_yuv_611=psnr_db,
            streams=tuple(streams),
            encode_s=time.monotonic() - self.started,
            fit_steps=steps,
            decode_fps=sum(map(len, self.clips)) / max(sum(shown.seconds for shown in finished.shown), 1e-9),
            device=str(self.device),
            seed=self.job.config.seed,
            versions=versions(),
            network=finished.network.to_dict(),
            shortfall=f"the file has {len(data):,} bytes; {self.limit:,} were asked for, too few" if over else None,
        )

    def _save(self, data: bytes, verify: bool, state: Callable[[], State]) -> None:
        """The file takes its name when it has been decoded, so that a failure harms nothing."""
        temporary = Path(f"{self.job.output}.part")
        try:
            temporary.write_bytes(data)
            if verify:
                session = open_session(temporary)
                for index in range(len(self.clips)):
                    check_segment(VideoReader(session, device=str(self.device), stream=index), index)
            os.replace(temporary, self.job.output)
        except OSError as error:
            hint = rescued(self.checkpoint, lambda checkpoint: checkpoint.save_state(0, state()))
            raise UsageError(f"cannot write {self.job.output}: {error.strerror}", hint) from None
        finally:
            temporary.unlink(missing_ok=True)

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
