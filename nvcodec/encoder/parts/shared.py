"""Several videos, one network: key frames of each, coded as video, and a network that draws what lies between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import final

import numpy as np
import torch

from nvcodec.config.target import TargetKind
from nvcodec.container import BaseSegment, KeyFrameCodec, KeyFrames, SegmentDigest
from nvcodec.decoder.check import sample, sampled_frames
from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.decoder.key_groups import NO_KEY_FRAMES, KeyGroups
from nvcodec.decoder.render import render_clip
from nvcodec.decoder.session import finished
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, EventHandler, Notice, Step, ignore
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import zeros_bytes
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.units import UnitField, Units, geometry_of, still_error
from nvcodec.encoder.parts.in_time import begin_measuring
from nvcodec.encoder.parts.key_coder import BEST_CRF, WORST_CRF, CodedKeys, KeyFrameCoder
from nvcodec.encoder.parts.part import Chunks, Context, Fitted, Part, Room, stored_network
from nvcodec.encoder.plan.floor import check_room
from nvcodec.encoder.plan.memory import fit_bytes
from nvcodec.encoder.plan.plan import Span, network_of
from nvcodec.encoder.plan.sizing import schedule_steps
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.errors import UsageError
from nvcodec.io.saying import plural
from nvcodec.models.base import VideoField
from nvcodec.models.dnerv_config import DNeRVConfig, key_times
from nvcodec.quant.tensors import IntegerTensor, digest
from nvcodec.types import Planes

_USUAL_SHARE, _OTHER_SHARES = 0.7, (0.5, 0.85)
"""Share of the bytes that key frames get, and what else a short fit may prefer."""
_TRIAL, _LEAST_TRIAL_STEPS = 0.06, 40
"""Length of such a fit in units of the whole schedule; a shorter one would decide nothing."""
_MOST_BITS = 4
"""Bits that a parameter has use for; a narrow network leaves what is beyond to the key frames."""
_MARGIN_DB, _SURPLUS_DB, _NEAR_DB, _SLOPE, _TRIALS = 2.0, 0.2, 0.3, 0.5, 3
"""For a quality: how much better than it key frames are at first, by how much all should exceed it, when that is near
enough, what a decibel of the key frames brings to all, and how often it is tried. Measured on carphone and foreman at
four rates, like the next number."""
_WAY = 0.4
"""What lies between key frames ends so far on the way from where a short fit of it ends to the key frames' quality."""
_TRIES = 3
"""Whole fits for a quality, each with better key frames than the one before that missed it."""
_PROBE_STEPS = 2
_STRUCTURE_BYTES = 250
"""Of a file, beside key frames and network, at least."""


@final
class SharedPart(Part):
    """See :class:`nvcodec.encoder.parts.part.Part`."""

    network: DNeRVConfig
    keys: CodedKeys

    def __init__(self, context: Context, index: int, room: Room) -> None:
        super().__init__(context, index, room)
        self.clock = time.monotonic  # key frames are coded by threads that do not count as this one
        self._began = time.monotonic(), self.clock()
        self.coder = KeyFrameCoder(self.clips, self.plan.settings.keys.group)
        self.geometry = geometry_of(self.clips[0])
        self.tries = 1
        every = sum(clip.pixels for clip in context.clips)
        self.size = round(self.plan.size * self.pixels / every)

    def choose(self, state: State | None, should_stop: Callable[[], bool]) -> None:
        """Rate factor of the key frames and size of the network, jointly: a short fit of each pair decides."""
        if state is not None:
            self._take(state)
        else:
            begin_measuring(self)
            self._check_room()
            self.keys, self.network = self._pair_of(should_stop)
        self._begin()
        if state is None:
            self._look_at_time()

    def _pair_of(self, should_stop: Callable[[], bool]) -> tuple[CodedKeys, DNeRVConfig]:
        wanted_db, network = self._psnr_db(), self._network(self.size)
        if not network.key_frames:
            if len(self.clips) > 1:
                raise UsageError(
                    f"without key frames a network draws one video, and {len(self.clips)} are given",
                    "Leave model.key_frames out, or encode them one by one",
                )
            return self.coder.at(BEST_CRF, network.interval), network
        return self._best_pair(should_stop) if wanted_db is None else self._good_pair(wanted_db, should_stop)

    def _begin(self) -> None:
        self.goal = self._goal(self.keys, self.network)
        self.fit = self._fit(self.keys, self.network)

    @property
    def memory_bytes(self) -> int:
        """See :class:`Part`."""
        largest = max(self.clips, key=lambda clip: clip.format.width * clip.format.height)
        return fit_bytes(self.network, geometry_of(largest), self._units.nbytes, None, 0)

    @property
    def notes(self) -> list[str]:
        """See :class:`Part`."""
        counted = f"{plural(len(self.clips), 'video')}, {plural(sum(map(len, self.clips)), 'frame')}"
        return [f"{counted}; {plural(len(self._units), 'clip')} to fit", *self.warnings]

    @property
    def least_steps(self) -> int:
        """See :class:`Part`: between key frames there is something to see from the first step on."""
        return _LEAST_TRIAL_STEPS

    def state(self) -> State:
        """What was chosen too."""
        return {**super().state(), **self.kept()}

    def closing_s(self) -> float:
        """All is drawn twice, to choose key frames that are shown as they are and to measure, and measured."""
        return self._closing_s(self.fit)

    def run(self, on_event: EventHandler, should_stop: Callable[[], bool]) -> Fitted:
        """See :class:`Part`; events tell the quality of each video."""

        def tell(event: Event) -> None:
            if isinstance(event, Step):
                running = self._units.psnr_by_video(self.fit.frame_errors)
                names = self.context.names
                videos = tuple((names[self.spans[video].stream], psnr_db) for video, psnr_db in running)
                event = replace(event, videos=videos)
            on_event(event)

        while True:
            self.fit.run(tell, should_stop)
            tensors = self.goal.land(self.fit, self._file_db)
            if not self._improved(tensors):
                return self._fitted(tensors)

    def kept(self) -> State:
        """Key frames and network, by what they follow from."""
        found = {"crf": np.int64(self.keys.crf), "tries": np.int64(self.tries)}
        return {**stored_network(self.network), **found}

    @property
    def _units(self) -> Units:
        assert isinstance(self.fit.clip, Units)
        return self.fit.clip

    def _take(self, state: State) -> None:
        """Key frames and network of an earlier run."""
        with fit_state.matching():
            self.network = DNeRVConfig.from_bytes(state["network"].tobytes(), state["choices"].tobytes())
            crf, self.tries = int(state["crf"]), int(state["tries"])
        self.keys = self.coder.at(crf, self.network.interval)

    def _check_room(self) -> None:
        """Refuse a size that the coarsest key frames there are leave no room in.

        Raises:
            UsageError: It is one.
        """
        network = self._network(1)
        keys = self.coder.at(WORST_CRF, network.interval)
        room, zeros = self.room(network, self._key_frames(keys)), zeros_bytes(network.tensor_specs(self.geometry))
        if room is not None and room < zeros and self.index == 0:
            taken = (keys.nbytes + zeros) * self.pixels_left / self.pixels
            videos = [(clip.format, len(clip)) for clip in self.context.clips]
            check_room(self.job.target, _STRUCTURE_BYTES + round(taken), videos)

    def _best_pair(self, should_stop: Callable[[], bool]) -> tuple[CodedKeys, DNeRVConfig]:
        keys, network = usual = self._pair(_USUAL_SHARE)
        if self.context.deadline is not None and self.context.deadline.is_late(0.0):
            return usual
        trial = self._fit(keys, network, _TRIAL)
        seconds = trial.budget.seconds
        steps = trial.budget.steps if seconds is None else seconds / trial.probe(_PROBE_STEPS)
        if (steps or 0) < _LEAST_TRIAL_STEPS:
            return usual
        trial.run(ignore, should_stop)
        best, best_db = usual, trial.psnr_db
        for share in _OTHER_SHARES:
            pair = self._pair(share)
            trial = self._fit(*pair, _TRIAL)
            trial.run(ignore, should_stop)
            if trial.psnr_db > best_db:
                best, best_db = pair, trial.psnr_db
        return best

    def _good_pair(self, wanted_db: float, should_stop: Callable[[], bool]) -> tuple[CodedKeys, DNeRVConfig]:
        """Key frames as coarse as a quality allows, and a network in the usual proportion: short fits tell."""
        aim_db, least_db = wanted_db + _SURPLUS_DB, wanted_db + _MARGIN_DB
        for _ in range(_TRIALS):
            keys = self._keys_of(least_db)
            network = self._network(self._rest(keys))
            trial = self._fit(keys, network, _TRIAL, Goal(max(self._rest(keys), 1), None, self.plan.crf))
            trial.budget.steps = max(trial.budget.steps or 0, _LEAST_TRIAL_STEPS)
            trial.run(ignore, should_stop)
            expected_db = trial.psnr_db + _WAY * (self._keys_db(keys) - trial.psnr_db)
            if abs(aim_db - expected_db) < _NEAR_DB:
                break
            least_db += (aim_db - expected_db) / _SLOPE
        return keys, network

    def _improved(self, tensors: list[IntegerTensor]) -> bool:
        """Where a quality was missed, and there is time, take better key frames, and begin again with them."""
        wanted_db = self._psnr_db()
        if wanted_db is None or self.context.deadline is not None or self.tries == _TRIES or not self.keys.interval:
            return False
        missing_db = wanted_db - self._file_db(tensors)
        least_db = self._keys_db(self.keys) + (missing_db + _SURPLUS_DB) / _SLOPE
        better = self._keys_of(least_db) if missing_db > 0 else self.keys
        if better.crf == self.keys.crf:
            return False
        self.context.on_event(Notice(f"{missing_db:.2f} dB are missing: once more, with better key frames"))
        self.tries, self.keys, self.network = self.tries + 1, better, self._network(self._rest(better))
        self._begin()
        return True

    def _keys_of(self, least_db: float) -> CodedKeys:
        """Key frames as coarse as a quality of theirs allows."""
        return self.coder.coarsest(lambda keys: self._keys_db(keys) >= least_db, self._network(1).interval)

    def _rest(self, keys: CodedKeys) -> int:
        """Bytes of a network in the usual proportion to key frames."""
        return round(keys.nbytes * (1 - _USUAL_SHARE) / _USUAL_SHARE)

    def _keys_db(self, keys: CodedKeys) -> float:
        """Mean PSNR of key frames, where they are not hidden."""
        found = []
        for packets, clip in zip(keys.packets, self.clips, strict=True):
            times = key_times(len(clip), keys.interval)
            for at, picture in zip(times, decode_key_frames(packets, clip.format), strict=True):
                found.append(-10 * math.log10(max(still_error(clip, at, picture), 1e-10)))
        return sum(found) / len(found)

    def _psnr_db(self) -> float | None:
        """The quality asked for, as a fit counts it: what is hidden is exact."""
        target = self.job.target
        if target.kind is not TargetKind.PSNR:
            return None
        return target.value + sum(clip.exempt_db for clip in self.clips) / len(self.clips)

    def _pair(self, share: float) -> tuple[CodedKeys, DNeRVConfig]:
        """Key frames that take a share of the bytes, and a network that suits the rest."""
        network = self._network(round((1 - share) * self.size))
        parameters = sum(spec.size for spec in network.tensor_specs(self.geometry))
        rest = min(round((1 - share) * self.size), parameters * _MOST_BITS // 8)
        least = zeros_bytes(network.tensor_specs(self.geometry))

        def fits(keys: CodedKeys) -> bool:
            if keys.nbytes > self.size - rest:
                return False
            room = self.room(network, self._key_frames(keys))  # what all else in the file leaves, which may be little
            return room is None or room >= least

        return self.coder.finest(fits, network.interval), network

    def _network(self, nbytes: int) -> DNeRVConfig:
        """The network for so many bytes; that of the first part, whose shape the whole file has, in later ones."""
        plan, pinned = self.plan, self.job.options.parameters
        network = plan.network
        if network is None:
            parameters = round(pinned or max(1, round(8 * nbytes / plan.preset.bits_per_parameter)))
            network = network_of(plan.preset, self.geometry, parameters, plan.settings, pinned=pinned is not None)
        assert isinstance(network, DNeRVConfig)
        return network

    def _fit(self, keys: CodedKeys, network: DNeRVConfig, part: float = 1.0, goal: Goal | None = None) -> Fit:
        """A fresh fit, or one of a part of its length, perhaps with another goal."""
        self.seed()
        device, settings, options = self.context.device, self.plan.settings, self.job.options
        pictures = [
            decode_key_frames(packets, clip.format) for packets, clip in zip(keys.packets, self.clips, strict=True)
        ]
        units = Units(network, [clip.to(device) for clip in self.clips], pictures)
        flat = FlatField(UnitField(units).to(device))
        steps = schedule_steps(self.plan.preset, settings.fit.batch, len(units), options.epochs)
        painter = Painter(flat, [], self.context.on_event, settings.loss.fill)
        weight = (goal or self._goal(keys, network)).weight()
        fit = Fit(painter, units, settings.fit, settings.loss, weight, Budget(max(1, round(part * steps))))
        if part < 1 and self.context.deadline is not None:
            whole_s = self.context.deadline.for_fit(self._closing_s(fit), self.pixels / self.pixels_left)
            fit.budget.seconds = max(part * whole_s, 1.0)
        return fit

    def _closing_s(self, fit: Fit) -> float:
        unit, drawing_s = torch.zeros(1, dtype=torch.int64, device=fit.painter.frames_device), 0.0
        for _ in range(2):  # the first time also warms up
            began = time.monotonic()
            with torch.no_grad():
                drawn = fit.flat.field(unit).planes[0].numel()
            fit.painter.wait()
            drawing_s = (time.monotonic() - began) / drawn
        samples = sum(clip.pixels for clip in self.context.clips)
        return 1.0 + 1.5 * (2 * drawing_s * samples + self.measuring_s)

    def _goal(self, keys: CodedKeys, network: DNeRVConfig) -> Goal:
        room = self.room(network, self._key_frames(keys))
        return Goal(room, self._psnr_db(), self.plan.crf, zeros_show=True)

    def _key_frames(self, keys: CodedKeys, direct: Sequence[Sequence[bool]] | None = None) -> dict[int, KeyFrames]:
        """The key frames of each segment; ``direct``: which of them are shown as they are, None = none."""
        none = [[False] * len(packets) for packets in keys.packets]
        return {
            span.ordinal: KeyFrames(KeyFrameCodec.AV1, keys.group, tuple(flags), tuple(packets))
            for span, flags, packets in zip(self.spans, direct or none, keys.packets, strict=True)
            if packets
        }

    def chunks(self, tensors: list[IntegerTensor], payload: bytes) -> Chunks:
        """Draw all videos as a decoder does; key frames that are nearer to their source than that stay as they are."""
        integers, trained = digest(tensors), self._trained(tensors)
        segments, digests, direct = [], [], []
        coded = self._key_frames(self.keys)
        for span, clip in zip(self.spans, self.clips, strict=True):
            keys, key_times = coded.get(span.ordinal, NO_KEY_FRAMES), self.network.key_times(len(clip))
            wanted = {*key_times, *sampled_frames(len(clip))}
            drawn = self._drawn(trained, span, clip, keys)
            shown = {time: planes for time, planes in enumerate(drawn) if time in wanted}
            pictures = dict(zip(key_times, decode_key_frames(keys.packets, clip.format), strict=True))
            flags = [still_error(clip, at, coded) < still_error(clip, at, shown[at]) for at, coded in pictures.items()]
            shown |= {at: pictures[at] for at, flag in zip(key_times, flags, strict=True) if flag}
            own = payload if span is self.spans[0] else b""
            segments.append(BaseSegment(span.stream, span.first, span.frames, own))
            samples = sample(shown.__getitem__, clip.format, len(clip))
            digests.append(SegmentDigest(span.ordinal, integers, samples))
            direct.append(flags)
        key_frames = self._key_frames(self.keys, direct)
        crf = self.keys.crf if key_frames else None
        return Chunks(tuple(segments), key_frames, tuple(digests), key_frame_crf=crf)

    def _trained(self, tensors: list[IntegerTensor]) -> VideoField:
        """The network with some integers, as a decoder has it."""
        return finished(self.plan.model.build(self.network, self.geometry), tensors, str(self.context.device))

    def _drawn(self, trained: VideoField, span: Span, clip: Clip, keys: KeyFrames) -> Iterator[Planes]:
        """All frames of a video as a decoder draws them, a clip at a time."""
        device = str(self.context.device)
        groups = KeyGroups(keys, clip.format, device, (span.stream, self.context.names[span.stream]))
        field = self.plan.model.bind(self.network, geometry_of(clip), trained, groups).eval().to(device)
        for _, times in groupby(range(len(clip)), key=lambda frame: frame // self.network.clip):
            yield from render_clip(field, list(times), clip.format)

    def _file_db(self, tensors: list[IntegerTensor]) -> float:
        """Quality of the file with some integers: mean over videos of the mean over what a decoder shows of them."""
        trained, means, coded = self._trained(tensors), [], self._key_frames(self.keys)
        for span, clip in zip(self.spans, self.clips, strict=True):
            keys = coded.get(span.ordinal, NO_KEY_FRAMES)
            shown_as_they_are = decode_key_frames(keys.packets, clip.format)
            pictures = dict(zip(self.network.key_times(len(clip)), shown_as_they_are, strict=True))
            errors = []
            for frame, planes in enumerate(self._drawn(trained, span, clip, keys)):
                shown = [planes, pictures[frame]] if frame in pictures else [planes]
                errors.append(min(still_error(clip, frame, each) for each in shown))
            means.append(sum(-10 * math.log10(max(error, 1e-10)) for error in errors) / len(errors))
        return sum(means) / len(means)
