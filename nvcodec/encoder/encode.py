"""A whole encode: plan, fit every segment, pack, write, decode what was written, measure.

source -> Clip -> Plan -> Fit -> integers -> chunks -> file -> VideoReader -> Measurement
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nvcodec.config.job import Job
from nvcodec.container import (
    BaseSegment,
    ModelId,
    PreviewHead,
    SegmentDigest,
    SequenceHeader,
    StreamHeader,
    write_container,
)
from nvcodec.decoder.check import check_segment, sample
from nvcodec.decoder.opening import pick_device
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.events import Event, EventHandler, Forecast, Notice, ignore, over_segments
from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.hiding import hide
from nvcodec.encoder.new_metadata import new_metadata
from nvcodec.encoder.parts.segment import FittedSegment, SegmentFit
from nvcodec.encoder.plan.plan import Plan, make_plan
from nvcodec.encoder.plan.stream_names import stream_name
from nvcodec.encoder.previews.preview import MOST_FRAMES, make_previews, planned_previews, room_bytes, size_bytes
from nvcodec.encoder.report import measured_result
from nvcodec.encoder.result import EncodeResult
from nvcodec.encoder.resume.autosave import Autosave, rescued
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.errors import DeviceError, UsageError
from nvcodec.io.mask import open_mask
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure
from nvcodec.models import registry
from nvcodec.models.base import PyramidField
from nvcodec.quant.tensors import digest

_WELL_USED = 0.97
"""Share of the size asked for that a file is expected to fill."""
_COMPRESSED_DIGITS = 5
"""Bytes that the digits of other numbers may take more."""
_HEADS_VARY = 1.02
"""Heads of the network as it is rounded in the end take about what they took before, but not to the byte."""
_PACK_S_PER_PARAMETER = 3e-6
"""Time of the search for the final integers, kept back when an encode must end on time."""


def encode(
    job: Job,
    *,
    work_dir: Path | None,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> EncodeResult:
    """Encode a video.

    Args:
        job: What to encode and how.
        work_dir: Folder for resume files; continues from it when it exists. None = keep none.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, resumably.

    Returns:
        Numbers measured on the file as written and decoded again.

    Raises:
        InputError: The source cannot be read.
        UsageError: Output exists, or options contradict the source.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    started = time.monotonic()
    if not overwrite and os.path.exists(job.output):
        raise UsageError(f"{job.output} exists", "Replace it with -y")
    device = pick_device(job.config.device)
    torch.set_num_threads(job.config.threads)
    source = _read_source(job)
    try:
        return _Encode(job, source, device, work_dir, started, on_event, should_stop).run(verify)
    except torch.OutOfMemoryError:
        raise DeviceError(
            f"{device} ran out of memory", "Choose a smaller preset, or fewer frames at once with --segment"
        ) from None


class _Encode:
    """The state of one encode."""

    def __init__(
        self,
        job: Job,
        source: Clip,
        device: str,
        work_dir: Path | None,
        started: float,
        on_event: EventHandler,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.source, self.device, self.started = job, source, torch.device(device), started
        self.on_event, self.should_stop = on_event, should_stop
        self.plan: Plan = make_plan(source.format, len(source), job.target, job.config, job.model)
        self.mask = None if job.mask is None else open_mask(job.mask, source.format, len(source), job.seek)
        # hidden before it is converted, which mixes samples
        seen = source if self.mask is None else hide(source, self.mask)
        self.clip = seen.converted(self.plan.domain)
        self.shapes = planned_previews(self.plan, self.clip.format) if job.preview else []
        self.previews: list[PreviewHead] = []
        self.left_out: list[str] = []
        self.checkpoint: Checkpoint | None = None
        if work_dir is not None:
            self.checkpoint = Checkpoint(work_dir, job, source.digest() + (self.mask.digest() if self.mask else ""))
            self.checkpoint.verify()
        self.header = SequenceHeader(
            model_id=ModelId(registry.by_name(self.job.model).id),
            domain=self.plan.domain,
            streams=(StreamHeader(source.format, len(source), stream_name(job.path)),),
            model_config=self.plan.network.to_bytes(),
        )
        self.metadata = new_metadata(job.config, self.mask)

    def run(self, verify: bool) -> EncodeResult:
        """Fit, write, decode, measure."""
        limit = self.job.target.file_bytes(self.source.format, len(self.source))
        overhead = self._overhead()
        # where the structure alone is too large, the smallest file there is
        room = None if limit is None else max(limit - overhead, 1)
        fitted: list[FittedSegment] = []
        for index in range(len(self.plan.segments)):
            used = sum(len(part.payload) for part in fitted) + size_bytes(self.previews)
            fitted.append(self._fit(index, None if room is None else max(room - used, 1)))
        # the file takes its name when it has been decoded, so that a failure harms nothing
        temporary = f"{self.job.output}.part"
        try:
            self._write(fitted, temporary)
            result = self._report(fitted, temporary, verify)
            os.replace(temporary, self.job.output)
        except OSError as error:
            raise UsageError(f"cannot write {self.job.output}: {error.strerror}", self._rescue(fitted)) from None
        finally:
            Path(temporary).unlink(missing_ok=True)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        if limit is not None and result.bytes < _WELL_USED * limit:
            self.on_event(
                Notice(
                    f"{result.parameters:,} parameters have no use for more than {result.bytes:,} of the "
                    f"{limit:,} bytes; more --params would"
                )
            )
        return result

    def _report(self, fitted: list[FittedSegment], path: str, verify: bool) -> EncodeResult:
        """Check and measure the file on disk."""
        reader = VideoReader(path, device=str(self.device))
        if verify:
            for ordinal in range(len(fitted)):
                check_segment(reader, ordinal)

        def note(psnr_db: float) -> int:
            if math.isfinite(psnr_db):
                self.metadata["psnr"] = round(psnr_db, 3)
            else:
                del self.metadata["psnr"]
            return self._write(fitted, path)

        elapsed_s = time.monotonic() - self.started
        return measured_result(self.job, self.plan, self.source, self.mask, reader, fitted, elapsed_s, note)

    def _rescue(self, fitted: list[FittedSegment]) -> str:
        """Keep what was fitted when the file cannot be written; how to go on."""

        def save(checkpoint: Checkpoint) -> None:
            for index, part in enumerate(fitted):
                checkpoint.save_segment(index, self._segment(index, part.payload, part.gops))

        return rescued(self.checkpoint, save)

    def _fit(self, index: int, room: int | None) -> FittedSegment:
        """Fit one segment, or take it from the checkpoint; ``room`` is for this and all later ones."""
        # every segment has a seed of its own, so that leaving out finished ones changes nothing
        torch.manual_seed(self.job.config.seed + index)
        first, frames = self.plan.segments[index]
        clip = self.clip.part(first, frames).to(self.device)
        heads = sum(map(room_bytes, self.shapes))
        share = None
        if room is not None:
            pictures = room - heads * (len(self.plan.segments) - index)
            share = max(1, pictures * frames // (len(self.clip) - first))
        fit = SegmentFit(self.job, self.plan, index, clip, share, self.on_event)
        both = None if share is None else share + heads
        step_s = fit.probe()  # also compiles, where there is a compiler, before the clock starts
        seconds = self._seconds(index, fit.parameters)
        fit.end_after(seconds)
        if index == 0:
            self._forecast(fit, step_s, seconds)
        if self.checkpoint is not None:
            if (done := self.checkpoint.load_segment(index)) is not None:
                return self._shown(index, fit.finished(done), both)
            if (state := self.checkpoint.load_state(index)) is not None:
                fit.load(state)
        autosave = Autosave(self.checkpoint, index, fit.state, self.on_event)

        def tick(event: Event) -> None:
            self.on_event(over_segments(event, index, len(self.plan.segments)))
            autosave.tick()

        try:
            result = fit.run(tick, self.should_stop)
        except StopRequested:
            raise autosave.stopped(fit.steps_done, resumable=self.job.path != "-") from None
        if both is not None and self.shapes:  # now that heads can be found, it shows how much they leave to the rest
            found, _ = self._heads(index, result, both)
            result = fit.landed(max(1, both - math.ceil(_HEADS_VARY * size_bytes(found))))
        if self.checkpoint is not None and len(self.plan.segments) > 1:
            self.checkpoint.save_segment(index, self._segment(index, result.payload, result.gops))
        return self._shown(index, result, both)

    def _shown(self, index: int, part: FittedSegment, room: int | None) -> FittedSegment:
        """Keep the previews of a segment; ``room`` is for both, in bytes."""
        heads, left_out = self._heads(index, part, room)
        if self.job.preview and not self.shapes:
            left_out = ["no preview: this network draws its pictures in its last block"]
        for problem in left_out:
            if problem not in self.left_out:
                self.left_out.append(problem)
                self.on_event(Notice(problem))
        self.previews += heads
        return part

    def _heads(self, index: int, part: FittedSegment, room: int | None) -> tuple[list[PreviewHead], list[str]]:
        """The previews of a segment, and why others are left out."""
        assert isinstance(part.field, PyramidField)
        left = None if room is None else room - len(part.payload)
        return make_previews(part.field, self.shapes, self.clip.format, index, left)

    def _forecast(self, fit: SegmentFit, step_s: float, seconds: float | None) -> None:
        steps = None if seconds is not None else sum(self.plan.steps)
        duration = step_s * sum(self.plan.steps) if seconds is None else seconds * len(self.plan.segments)
        self.on_event(
            Forecast(
                model=self.job.model,
                preset=self.job.config.preset,
                device=str(self.device),
                parameters=fit.parameters,
                target_bytes=self.job.target.file_bytes(self.source.format, len(self.source)),
                memory_bytes=fit.memory_bytes,
                steps=steps,
                seconds=duration,
            )
        )

    def _seconds(self, index: int, parameters: int) -> float | None:
        """Seconds for the fit of a segment when the encode must end on time: what is left, shared by frames."""
        limit = self.job.config.max_time_s
        if limit is None:
            return None
        frame = self.source.frame(0)
        for _ in range(2):  # the first time also imports and warms up
            began = time.monotonic()
            measure([frame], self.source.format, [frame], self.source.format)
            per_frame = 2 * (time.monotonic() - began)  # drawing costs about as much as measuring
        frames = len(self.source)
        if self.shapes:
            frames += 2 * sum(min(MOST_FRAMES, count) for _, count in self.plan.segments)
            parameters *= 2
        reserve = 0.5 + per_frame * frames + _PACK_S_PER_PARAMETER * parameters + 0.02 * limit
        left = limit - (time.monotonic() - self.started) - reserve
        frames_left = sum(frames for _, frames in self.plan.segments[index:])
        return max(left, 1.0) * self.plan.segments[index][1] / frames_left

    def _overhead(self) -> int:
        """Bytes of the file that are not coded parameters, or a few more."""
        video = self.clip.format
        first, second, third = (np.full_like(plane, video.peak) for plane in self.clip.frame(0))
        segments, digests = [], []
        for index, (_, frames) in enumerate(self.plan.segments):
            segments.append(self._segment(index, b"", self.plan.geometry(index, video).gops))
            samples = sample(lambda _: (first, second, third), video, frames)
            digests.append(SegmentDigest(index, bytes(16), samples))
        boundaries = sum(len(segment.gops) - 1 for segment in segments)  # which may lie further apart, in a byte more
        # with their payloads in front of them, segments lie further out and take up to three bytes more in the index
        further = boundaries + 3 * (len(segments) - 1)
        return len(write_container(self.header, segments, digests, self.metadata)) + further + _COMPRESSED_DIGITS

    def _segment(self, index: int, payload: bytes, gops: tuple[int, ...]) -> BaseSegment:
        first, frames = self.plan.segments[index]
        return BaseSegment(0, first, frames, payload, gops)

    def _write(self, fitted: list[FittedSegment], path: str) -> int:
        """Write the file; its size in bytes."""
        segments, digests = [], []
        for index, part in enumerate(fitted):
            segments.append(self._segment(index, part.payload, part.gops))
            digests.append(SegmentDigest(index, digest(part.tensors), part.samples(self.clip.format)))
        data = write_container(self.header, segments, digests, self.metadata, previews=self.previews)
        return Path(path).write_bytes(data)


def _read_source(job: Job) -> Clip:
    options = {"size": job.size, "fps": job.fps, "pix_fmt": job.pix_fmt, "seek": job.seek, "frames": job.frames}
    with open_source(job.source, **options) as source:  # type: ignore[arg-type]
        return Clip.load(source, source.format, source.frame_count)
