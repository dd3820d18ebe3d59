"""The one road: plan, fit every part, write, decode what was written, measure.

inputs -> SourceVideo -> Plan -> Part: choose, fit, integers, chunks -> OutputFile -> VideoReader -> Measurement

A new file of one video or of many, or one more layer on a finished file: what differs is the file, and the parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nvcodec.config.job import Job
from nvcodec.container import KeyFrames, check_appendable
from nvcodec.decoder.check import check_segment
from nvcodec.decoder.opening import pick_device, read_bitstream
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.session import Session
from nvcodec.encoder.file import LayeredFile, NewFile, OutputFile
from nvcodec.encoder.fit.events import Event, EventHandler, Forecast, Notice, ignore, over_segments
from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.fit.schedule import Deadline
from nvcodec.encoder.footage.kinship import check_kinship
from nvcodec.encoder.footage.read import SourceVideo, digest_of, read_again, read_videos
from nvcodec.encoder.parts.part import Context, Fitted, Network, Part, new_part
from nvcodec.encoder.plan.floor import check_room, least_bytes
from nvcodec.encoder.plan.layer import check_base, least_layer_bytes, make_layer_plan
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.plan.pace import LONG_S, time_for
from nvcodec.encoder.plan.plan import Plan, make_plan
from nvcodec.encoder.previews.preview import size_bytes
from nvcodec.encoder.report import Measured, encode_result, layer_result, measured
from nvcodec.encoder.result import EncodeResult, LayerResult
from nvcodec.encoder.resume.autosave import Autosave, rescued, unsaved
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.encoder.resume.work_folder import in_use
from nvcodec.errors import (
    DeviceError,
    InterruptedEncodeError,
    OutputError,
    RescuedError,
    TargetNotReachedError,
    naming,
)
from nvcodec.io.output import check_output
from nvcodec.io.replace import exclusive
from nvcodec.models import registry

_WELL_USED = 0.97
"""Share of the size asked for that a file is expected to fill."""
_ROUNDING_DB = 0.005
_LAYER_PART = "nvcodec.encoder.parts.layer:LayerPart"


def encode(
    job: Job,
    *,
    work_dir: Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> EncodeResult | LayerResult:
    """Encode one video or several into a file, or one more layer onto a file.

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
        InputError: A source cannot be read, or is not what the folder was made for.
        BitstreamError: The file below a layer is damaged.
        UsageError: Output exists, options contradict the sources, or another process is writing the file or using the
            folder.
        OutputError: The file or the folder cannot be written.
        RescuedError: Something has appeared at the output; the file has another name.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
        TargetNotReachedError: The pictures are worse with a layer; the file is as it was.
    """
    started = time.monotonic()
    check_output(job.output, overwrite or job.is_in_place)
    device = pick_device(job.options.device)
    torch.set_num_threads(job.options.threads)
    job = replace(job, options=replace(job.options, device=device))
    with exclusive(job.output), nullcontext() if work_dir is None else in_use(work_dir):
        try:
            opened = _open_new(job, overwrite) if job.base is None else _open_base(job, overwrite)
            return _Encode(job, opened, work_dir, started, on_event, should_stop).run(verify)
        except torch.OutOfMemoryError:
            remedy = "Choose a smaller preset, or fewer frames at once with --segment"
            remedy = remedy if job.base is None else "Ask for a smaller layer:  --params"
            raise DeviceError(f"{device} ran out of memory", remedy) from None


@dataclass(frozen=True)
class _Opened:
    """What the road begins with."""

    videos: list[SourceVideo]
    plan: Plan
    file: OutputFile
    part: str
    """``module:class`` of the parts."""
    digest: str
    """SHA-256 of everything that is read, hexadecimal."""
    base: VideoReader | None = None
    doubt: str | None = None
    """What there is to say of the size asked for."""


def _open_new(job: Job, overwrite: bool) -> _Opened:
    videos = read_videos(job)
    sizes = [(video.source.format, len(video.source)) for video in videos]
    plan = make_plan(sizes, job.options)
    doubt = check_room(job.target, least_bytes(plan, sizes, [video.source.is_flat for video in videos]), sizes)
    file = NewFile(job, plan, videos, overwrite)
    return _Opened(videos, plan, file, ROWS[plan.model.name].part, digest_of(videos), doubt=doubt)


def _open_base(job: Job, overwrite: bool) -> _Opened:
    assert job.base is not None
    data = read_bitstream(job.base)
    base = VideoReader(data, device=job.options.device)
    session = base.session
    with naming(job.base):
        check_appendable(session.container, data)
    check_base(session, job.base)
    videos, plan = read_again(job, session.stream(0).format, len(base)), make_layer_plan(session, job.options)
    check_room(job.target, least_layer_bytes(session, plan.settings.layer), [(session.stream(0).format, len(base))])
    check_kinship(
        VideoReader(session, device=job.options.device, layers=0), videos[0].source, (str(job.inputs[0]), job.base)
    )
    file = LayeredFile(job, plan, data, session, overwrite)
    return _Opened(videos, plan, file, _LAYER_PART, digest_of(videos, data), base)


class _Encode:
    """The state of one encode."""

    def __init__(
        self,
        job: Job,
        opened: _Opened,
        work_dir: Path | None,
        started: float,
        on_event: EventHandler,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.opened, self.started = job, opened, started
        self.on_event, self.should_stop = on_event, should_stop
        self.videos, self.file, limit_s = opened.videos, opened.file, job.options.max_time_s
        self.context = Context(
            job,
            opened.plan,
            [video.seen(opened.plan.domain) for video in opened.videos],
            [video.name for video in opened.videos],
            torch.device(job.options.device),
            None if limit_s is None else Deadline(limit_s, started),
            on_event,
            opened.base,
        )
        self.checkpoint = None if work_dir is None else Checkpoint(work_dir, job, opened.digest)
        self.fitted: list[Fitted] = []
        self.told: set[str] = set()
        if self.checkpoint is not None and (damage := self.checkpoint.verify()):
            self._tell(damage)

    @property
    def plan(self) -> Plan:
        """What is fitted; where it leaves the network open, the first part decides."""
        return self.context.plan

    def run(self, verify: bool) -> EncodeResult | LayerResult:
        """Fit, write, decode, measure."""
        if self.opened.doubt is not None:
            self._tell(self.opened.doubt)
        for path, video in zip(self.job.inputs, self.videos, strict=True):
            for notice in video.notices:
                self._tell(f"{path}: {notice}")
        for index in range(len(self.plan.parts)):
            self.fitted.append(self._part(index))
            self.context = replace(self.context, plan=replace(self.plan, network=self.fitted[0].network))
        # the file takes its name when it has been decoded, so that a failure harms nothing
        try:
            session = self.file.draft(self.fitted)
            if verify:
                self._verify(session)
            found = measured(session, self.videos, self.job.options.device)
            below = self._below(found)
            hidden = any(video.mask is not None for video in self.videos)
            # a file says nothing that depends on what was hidden from it
            size = self.file.complete(self.fitted, None if hidden else found.psnr_db(self.plan))
        except (OSError, OutputError) as error:
            raise self._rescued(error) from None
        except RescuedError:
            if self.checkpoint is not None:
                self.checkpoint.remove()
            raise
        finally:
            self.file.discard()
        elapsed_s = time.monotonic() - self.started
        result: EncodeResult | LayerResult
        if below is not None:
            result = layer_result(self.job, self.plan, self.fitted, below, found, size, elapsed_s)
        else:
            result = encode_result(self.job, self.plan, self.videos, self.fitted, found, size, elapsed_s)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        if below is None and self.plan.limit is not None and size < _WELL_USED * self.plan.limit:
            self._tell(
                f"{result.parameters:,} parameters have no use for more than {size:,} of the "
                f"{self.plan.limit:,} bytes; more {'--params' if self.context.deadline is None else 'time'} would"
            )
        return result

    def _part(self, index: int) -> Fitted:
        """Fit a part, or take it from the checkpoint."""
        part: Part = new_part(self.opened.part, self.context, index, lambda *taken: self._room(part, *taken))
        done = self.checkpoint and self.checkpoint.load_part(index)
        if done:
            fitted = part.finished(done)
            self._forecast(part, part.probe())
            self._tell(f"going on: what was finished is kept{self._of_parts(index)}")
        else:
            fitted = self._fit(part)
        for problem in fitted.chunks.problems:
            self._tell(problem)
        return fitted

    def _fit(self, part: Part) -> Fitted:
        state = self.checkpoint and self.checkpoint.load_state(part.index)
        try:
            part.choose(state or None, self.should_stop)
        except StopRequested:
            raise self._stopped_early() from None
        if self.checkpoint is not None and not self.fitted:
            self.checkpoint.reserve(part.state())
        step_s = part.probe()  # also compiles, where there is a compiler, before the clock starts
        part.end_on_time()
        self._forecast(part, step_s)
        if state:
            part.load(state)
            self._tell(f"going on from step {part.budget.done_steps:,}{self._of_parts(part.index)}")
        autosave, count = Autosave(self.checkpoint, part.index, part.state, self.on_event), len(self.plan.parts)

        def tick(event: Event) -> None:
            self.on_event(over_segments(event, part.index, count))
            autosave.tick()

        try:
            fitted = part.run(tick, self.should_stop)
        except StopRequested:
            kept = f"{self.job.output} is as it was" if self.job.base else "nothing was written"
            raise autosave.stopped(part.budget.done_steps, kept, resumable="-" not in self.job.paths) from None
        if self.checkpoint is not None and count > 1:
            try:
                self.checkpoint.save_part(part.index, fitted.state)
            except OSError as error:
                self._tell(unsaved(self.checkpoint, error))
        return fitted

    def _room(self, part: Part, network: Network, key_frames: Mapping[int, KeyFrames]) -> int | None:
        """Bytes for the coded parameters and previews of a part: its share of what the parts before it have left.

        Where the structure alone is too large, the smallest file there is.
        """
        if self.plan.limit is None:
            return None
        bare, reserved = self.file.overhead(network, {}), part.reserved_bytes
        used = sum(len(done.payload) + size_bytes(done.chunks.previews) for done in self.fitted)
        used += self.file.overhead(network, self._keys()) - bare
        left = max(max(self.plan.limit - bare, 1) - used, 1) - reserved * (len(self.plan.parts) - part.index)
        share = max(1, left * part.pixels // part.pixels_left) + reserved
        taken = self.file.overhead(network, key_frames) - bare
        return max(share - taken, 1)

    def _keys(self) -> dict[int, KeyFrames]:
        """Key frames of the parts that are done."""
        return {ordinal: keys for done in self.fitted for ordinal, keys in done.chunks.key_frames.items()}

    def _verify(self, session: Session) -> None:
        """Compare what was written with its digests."""
        for ordinal, segment in enumerate(session.container.segments):
            if self.opened.base is None:
                check_segment(VideoReader(session, device=self.job.options.device, stream=segment.stream), ordinal)
            else:
                session.check_pack(session.container.pack(ordinal, session.container.layers))

    def _below(self, found: Measured) -> Measured | None:
        """The file without the layer that was fitted; None where it was none.

        Raises:
            TargetNotReachedError: The pictures are worse with it.
        """
        if self.opened.base is None:
            return None
        below = measured(self.opened.base.session, self.videos, self.job.options.device)
        gain = found.psnr_db(self.plan) - below.psnr_db(self.plan)
        if gain < -_ROUNDING_DB:  # what a fit without time for it has made, and nobody wants to go on with
            if self.checkpoint is not None:
                self.checkpoint.remove()
            raise TargetNotReachedError(
                f"layer {found.session.container.layers} makes the pictures worse ({gain:+.2f} dB); "
                f"{self.job.output} is as it was",
                "Give it more --epochs, or more bits with --bpp",
            )
        return below

    def _forecast(self, part: Part, step_s: float) -> None:
        """Say what is about to come, at the first part."""
        if part.index > 0:
            return
        budget, share, steps = part.budget, part.pixels / part.pixels_left, sum(self.plan.steps)
        steps = steps or round((budget.steps or 0) / share)
        self.on_event(
            Forecast(
                model=part.title,
                preset=self.plan.preset.name,
                device=self.job.options.device,
                parameters=part.parameters,
                target_bytes=self.plan.limit,
                memory_bytes=part.memory_bytes,
                fixed_bits=self.plan.settings.fit.fixed_bits,
                steps=steps if budget.seconds is None else None,
                seconds=step_s * steps if budget.seconds is None else budget.seconds / share,
            )
        )
        for note in [*part.notes, *self._quicker(part, step_s, step_s * steps)]:
            self._tell(note)

    def _quicker(self, part: Part, step_s: float, seconds: float) -> list[str]:
        """What takes less time than a forecast that nobody may have expected, in a line."""
        options, keyed = self.job.options, registry.by_name("dnerv").settings
        quick_s = part.quick_s(step_s)
        if part.budget.seconds is not None or seconds < LONG_S or quick_s is None or options.epochs is not None:
            return []
        quicker = [f"--preset draft takes about {time_for(quick_s)}"] if quick_s < seconds / 2 else []
        formats = [video.source.format for video in self.videos]
        if options.device == "cpu" and all(
            video.chroma in keyed.draws and video.bit_depth in keyed.bit_depths for video in formats
        ):
            quicker.append("--model dnerv --preset draft does best on most CPUs")
        return [f"Quicker: {'; '.join([*quicker, '--max-time 30m ends when you say'])}"]

    def _of_parts(self, index: int) -> str:
        """Which of several fits is meant."""
        return f", fit {index + 1} of {len(self.plan.parts)}" if len(self.plan.parts) > 1 else ""

    def _stopped_early(self) -> InterruptedEncodeError:
        if self.checkpoint is not None and self.fitted:
            return InterruptedEncodeError(
                "stopped between two fits; what is finished is saved", f"Go on with:  {self.checkpoint.command}"
            )
        return InterruptedEncodeError(
            "stopped before the fit began; nothing was written", "There is nothing to go on from: start again"
        )

    def _rescued(self, error: OSError | OutputError) -> OutputError:
        """Keep the fit; what to say of the file that cannot be written."""
        self.file.discard()  # which makes room
        reason = (
            error.message if isinstance(error, OutputError) else f"cannot write {self.job.output}: {error.strerror}"
        )
        return OutputError(reason, rescued(self.checkpoint, self._save_parts, lambda: self.file.whole(self.fitted)))

    def _save_parts(self, checkpoint: Checkpoint) -> None:
        for index, fitted in enumerate(self.fitted):
            checkpoint.save_part(index, fitted.state)

    def _tell(self, message: str) -> None:
        """Say something, once."""
        if message not in self.told:
            self.told.add(message)
            self.on_event(Notice(message))
