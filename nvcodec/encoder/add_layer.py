"""One more layer on a finished file: what is there stays as it is, byte by byte, and is only drawn from.

bitstream -> FinishedLayers; source -> Clip -> Fit (of an EEN) -> integers -> pACK chunks behind the file -> Measurement
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nvcodec.config.layer_job import LayerJob
from nvcodec.config.target import TargetKind
from nvcodec.container import PackModelId, PackSegment, appended, check_appendable
from nvcodec.decoder.layers import FinishedLayers
from nvcodec.decoder.opening import read_bitstream
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import EventHandler, Forecast, ignore, over_segments
from nvcodec.encoder.fit.fit import Fit, StopRequested
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.layer_result import LayerResult
from nvcodec.encoder.plan.memory import available_bytes
from nvcodec.encoder.plan.size_layer import BATCH, USUAL_SHARE, layer_steps, parameters_for, plan_layer
from nvcodec.encoder.plan.sizing import presets_of
from nvcodec.encoder.report import versions
from nvcodec.entropy.payload import encode_tensors
from nvcodec.errors import DeviceError, InterruptedEncodeError, TargetNotReachedError, UsageError, naming
from nvcodec.io.geometry import describe
from nvcodec.io.replace import exclusive, replace_with
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import Measurement, domain_key, measure
from nvcodec.models import pack_registry
from nvcodec.models.een import EEN
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import VideoFormat

_PROBE_STEPS = 3
_VARINT_GROWTH = 4
"""Bytes by which numbers in front of a payload may grow when it is there."""
_CRF = 32.0
_ROUNDING_DB = 0.005


@dataclass(frozen=True)
class _Fitted:
    tensors: list[IntegerTensor]
    payload: bytes
    psnr_db: float
    steps: int


def add_layer(
    job: LayerJob, *, on_event: EventHandler = ignore, should_stop: Callable[[], bool] = lambda: False
) -> LayerResult:
    """Fit one more layer and append it.

    Args:
        job: What to enhance, with what, and how.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the fit and leaves the file as it was.

    Returns:
        Numbers measured on the file as written and decoded again.

    Raises:
        InputError: A file cannot be read.
        BitstreamError: The bitstream is damaged.
        UsageError: The source does not belong to the bitstream, or another process is changing it.
        DeviceError: The device is out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
        TargetNotReachedError: The pictures are worse with the layer; the file is as it was.
    """
    started = time.monotonic()
    torch.set_num_threads(job.config.threads)
    with exclusive(job.output):
        try:
            return _Addition(job, started, on_event, should_stop).run()
        except torch.OutOfMemoryError:
            raise DeviceError(f"{job.config.device} ran out of memory", "Ask for a smaller layer:  --params") from None
        except StopRequested:
            raise InterruptedEncodeError(
                f"stopped; {job.output} is as it was", "A layer is fitted in one go: start it again"
            ) from None


class _Addition:
    """The state of one addition."""

    def __init__(self, job: LayerJob, started: float, on_event: EventHandler, should_stop: Callable[[], bool]) -> None:
        self.job, self.started, self.on_event, self.should_stop = job, started, on_event, should_stop
        self.data = read_bitstream(job.bitstream)
        self.reader = VideoReader(self.data, device=job.config.device)
        self.session = self.reader.session
        self.container = self.session.container
        with naming(job.bitstream):
            check_appendable(self.container, self.data)
        streams = len(self.container.header.streams)
        if streams > 1:
            raise UsageError(f"{job.bitstream} holds {streams} videos", "Add layers to files of one video")
        if self.session.pyramid(self.container.segments[0]) is None:
            model = self.session.model.name
            raise UsageError(
                f"{job.bitstream} is drawn by {model}, which no layer can enhance", "Encode with --model msnerv"
            )
        self.layer = self.container.layers + 1
        self.source = _read_source(job, self.session.stream(0).format, len(self.reader))
        self.clip = self.source.converted(self.container.header.domain)
        self.network = self._plan()
        self.room = self._room()

    def run(self) -> LayerResult:
        """Fit, append, decode, measure."""
        fitted: list[_Fitted] = []
        for ordinal in range(len(self.container.segments)):
            fitted.append(self._fit(ordinal, sum(len(part.payload) for part in fitted)))
        tail = appended(self.data, [self._pack(ordinal, part) for ordinal, part in enumerate(fitted)])
        below = self._measure(self.reader)
        with_layer = self._measure(VideoReader(self.data + tail, device=self.job.config.device))
        self._check_gain(below, with_layer)
        replace_with(self.job.bitstream, tail, self.job.output, made_for=self.data)
        video, frames = self.source.format, len(self.source)
        return LayerResult(
            file=self.job.output,
            layer=self.layer,
            added_bytes=len(tail),
            bytes=len(self.data) + len(tail),
            bpp=8 * (len(self.data) + len(tail)) / (video.width * video.height * frames),
            added_bpp=8 * len(tail) / (video.width * video.height * frames),
            frames=frames,
            parameters=sum(tensor.spec.size for part in fitted for tensor in part.tensors),
            psnr=with_layer.psnr,
            psnr_below=below.psnr,
            ms_ssim_y=with_layer.ms_ssim_y,
            encode_s=time.monotonic() - self.started,
            fit_steps=sum(part.steps for part in fitted),
            device=self.reader.device,
            seed=self.job.config.seed,
            versions=versions(),
            network=self.network.to_dict(),
            shortfall=self._shortfall(len(tail), with_layer),
        )

    @property
    def _base_bytes(self) -> int:
        return sum(len(segment.payload) for segment in self.container.segments)

    def _allowed(self) -> int | None:
        """Bytes that the file may grow by; None when quality decides."""
        target = self.job.target
        if target is None:
            return int(USUAL_SHARE * self._base_bytes)
        return target.file_bytes(self.source.format, len(self.source))

    def _plan(self) -> EENConfig:
        """The network: of the size asked for, that of the layer below where there is one, or by rule."""
        geometry = self.session.geometry(max(self.container.segments, key=lambda segment: segment.frames))
        base = self.session.config.pyramid(geometry)
        config = self.job.config
        if config.parameters is None and self.layer > 1:
            below = self.container.pack(0, self.layer - 1)
            return pack_registry.config(below.model_id, below.config, base)
        allowed = self._allowed() or int(USUAL_SHARE * self._base_bytes)
        share = geometry.frames / len(self.source)
        return plan_layer(base, geometry, config.parameters or parameters_for(round(allowed * share)))

    def _room(self) -> int | None:
        """Bytes for the payloads of all segments; None when quality decides."""
        allowed = self._allowed()
        if allowed is None:
            return None
        empty = _Fitted([], b"", 99.0, 0)
        count = len(self.container.segments)
        overhead = len(appended(self.data, [self._pack(ordinal, empty) for ordinal in range(count)]))
        return max(allowed - overhead - _VARINT_GROWTH * count, 1)

    def _pack(self, ordinal: int, fitted: _Fitted) -> PackSegment:
        return PackSegment(
            segment=ordinal,
            layer=self.layer,
            parent=self.container.layer_id(ordinal, self.layer - 1),
            model_id=PackModelId.EEN,
            config=self.network.to_bytes(),
            integers=digest(fitted.tensors),
            psnr_mdb=max(0, round(1000 * fitted.psnr_db)),
            payload=fitted.payload,
        )

    def _fit(self, ordinal: int, used: int) -> _Fitted:
        """Fit the layer of one segment."""
        config, segment = self.job.config, self.container.segments[ordinal]
        torch.manual_seed(config.seed + ordinal)
        clip = self.clip.part(segment.first_frame, segment.frames).to(torch.device(self.reader.device))
        pack = self._fresh(ordinal)
        flat = FlatField(pack)
        left = len(self.clip) - segment.first_frame
        room = None if self.room is None else max(1, (self.room - used) * segment.frames // left)
        target, preset = self.job.target, presets_of(self.session.model.name)[config.preset]
        goal = Goal(room, target.value if target is not None and target.kind is TargetKind.PSNR else None, _CRF)
        steps = layer_steps(preset, segment.frames, self.layer, config.epochs)
        fit_config = replace(config.fit, batch=min(BATCH, segment.frames))
        fit = Fit(Painter(flat, [], self.on_event), clip, fit_config, config.loss, goal.weight(), Budget(steps))
        step_s = fit.probe(_PROBE_STEPS)
        if config.max_time_s is not None:
            spent = time.monotonic() - self.started
            fit.budget.seconds = max(1.0, 0.95 * (config.max_time_s - spent)) * segment.frames / left
        if ordinal == 0:
            self._forecast(flat, step_s, fit.budget)
        count = len(self.container.segments)
        fit.run(lambda event: self.on_event(over_segments(event, ordinal, count)), self.should_stop)
        tensors = goal.land(fit)
        psnr_db = fit.painter.psnr_db(flat.vector_of(tensors), clip)
        return _Fitted(tensors, encode_tensors(tensors), psnr_db, fit.budget.done_steps)

    def _fresh(self, ordinal: int) -> EEN:
        """A network that changes nothing yet: with the trunk of the layer below where that has the same shape."""
        device, segment = self.reader.device, self.container.segments[ordinal]
        geometry = self.session.geometry(segment)
        base = self.session.config.pyramid(geometry)
        below = FinishedLayers(self.session.field(ordinal, device), available_bytes(device) // 2)
        finished = [self.session.field(ordinal, device, layer) for layer in range(1, self.layer)]
        for pack in finished:
            assert isinstance(pack, EEN)
            below.add(pack)
        if device != "cpu":
            below.not_compiled()
        network = pack_registry.build(self.network, geometry, base, below)
        if finished and finished[-1].config == self.network:
            trunk = {name: value for name, value in finished[-1].state_dict().items() if not name.startswith("head.")}
            network.load_state_dict(trunk, strict=False)
        return network.to(device)

    def _forecast(self, flat: FlatField, step_s: float, budget: Budget) -> None:
        count = len(self.container.segments)
        self.on_event(
            Forecast(
                model=f"layer {self.layer} on {self.session.model.name}",
                preset=self.job.config.preset,
                device=self.reader.device,
                parameters=flat.vector.numel(),
                target_bytes=self._allowed(),
                memory_bytes=400_000_000 + self.clip.nbytes + len(self.source) * self._pyramid_bytes(),
                steps=None if budget.seconds is not None else (budget.steps or 0) * count,
                seconds=count * (budget.seconds or step_s * (budget.steps or 0)),
            )
        )

    def _pyramid_bytes(self) -> int:
        return self.session.config.pyramid(self.session.geometry(self.container.segments[0])).nbytes

    def _measure(self, reader: VideoReader) -> Measurement:
        return measure(self.source.frames(), self.source.format, reader.frames(), reader.format)

    def _check_gain(self, below: Measurement, with_layer: Measurement) -> None:
        """Refuse to append what a fit without time for it has made.

        Raises:
            TargetNotReachedError: The pictures are worse with the layer.
        """
        key = domain_key(self.container.header.domain)
        gain = with_layer.psnr[key] - below.psnr[key]
        if gain < -_ROUNDING_DB:
            raise TargetNotReachedError(
                f"layer {self.layer} makes the pictures worse ({gain:+.2f} dB); {self.job.output} is as it was",
                "Give it more --epochs, or more bits with --bpp",
            )

    def _shortfall(self, added: int, quality: Measurement) -> str | None:
        allowed, target = self._allowed(), self.job.target
        if allowed is not None and added > allowed:
            return f"the layer takes {added:,} bytes; {allowed:,} were asked for, too few for any layer"
        reached = quality.psnr[domain_key(self.container.header.domain)]
        if target is not None and target.kind is TargetKind.PSNR and reached < target.value:
            return f"the file has {reached:.2f} dB; {target.value:g} dB were asked for, which takes more --params"
        return None


def _read_source(job: LayerJob, video: VideoFormat, frames: int) -> Clip:
    """The frames of the source that the bitstream shows.

    Raises:
        InputError: The source cannot be read, or is shorter.
        UsageError: Its pictures are of another kind.
    """
    options = {"size": job.size, "fps": job.fps, "pix_fmt": job.pix_fmt, "seek": job.seek, "frames": frames}
    with open_source(job.source, **options) as source:  # type: ignore[arg-type]
        kinds = [(kind.width, kind.height, kind.bit_depth, kind.chroma) for kind in (video, source.format)]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f"{job.source} is {describe(source.format)}, and {job.bitstream} is {describe(video)}",
                "Give the video it was encoded from",
            )
        return Clip.load(source, video, frames)
