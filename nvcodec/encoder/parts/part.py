"""The face of a part: what one network draws, from its choice to its chunks."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Protocol

import numpy as np
import torch

from nvcodec.config.job import Job
from nvcodec.container import BaseSegment, KeyFrames, PackSegment, PreviewHead, SegmentDigest
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.events import EventHandler
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.pack import MOST_LOOKS, Search
from nvcodec.encoder.fit.schedule import Budget, Deadline
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.parts.in_time import tried_in_time
from nvcodec.encoder.plan.pace import least_steps
from nvcodec.encoder.plan.plan import Plan, Span
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.entropy.payload import decode_tensors, encode_tensors
from nvcodec.io.saying import plural
from nvcodec.metrics.measure import measure
from nvcodec.models.config import FieldConfig
from nvcodec.models.een_config import EENConfig
from nvcodec.quant.tensors import IntegerTensor

USUAL_CLOSING_S = 0.5
_PROBE_STEPS, _MEASURINGS = 3, 3
_LEAST_BUSY_S = 0.2
"""Less time than this says nothing of how busy a machine is."""

Network = FieldConfig | EENConfig


class Room(Protocol):
    """What a part may take of the file."""

    def __call__(self, network: Network, key_frames: Mapping[int, KeyFrames]) -> int | None:
        """Largest size of its coded parameters and previews in bytes, with key frames by segment; None: any."""


@dataclass(frozen=True)
class Chunks:
    """What of a file is a part's, besides what all parts share."""

    segments: tuple[BaseSegment, ...] = ()
    key_frames: Mapping[int, KeyFrames] = field(default_factory=dict)
    digests: tuple[SegmentDigest, ...] = ()
    previews: tuple[PreviewHead, ...] = ()
    packs: tuple[PackSegment, ...] = ()
    key_frame_crf: int | None = None
    """Rate factor of the key frames, where there are any."""
    problems: tuple[str, ...] = ()
    """What was asked for and is not there."""


@dataclass(frozen=True)
class Fitted:
    """A part ready to be written."""

    network: Network
    tensors: list[IntegerTensor]
    payload: bytes
    """The tensors as coded."""
    steps: int
    estimated_bits: float | None
    """What the fit believes the payload to cost; None when the rate was not part of it."""
    earlier_s: float
    """Seconds of fitting before the encode was resumed."""
    chunks: Chunks
    state: State
    """What :meth:`Part.finished` needs to make the same of."""

    @property
    def parameters(self) -> int:
        """Coded parameters."""
        return sum(tensor.spec.size for tensor in self.tensors)


@dataclass(frozen=True)
class Context:
    """What all parts of an encode share."""

    job: Job
    plan: Plan
    clips: Sequence[Clip]
    """What is fitted of each video, in the coding domain."""
    names: Sequence[str]
    """What each video is called in the file."""
    device: torch.device
    deadline: Deadline | None
    """When all must be over; None: whenever the schedules end."""
    on_event: EventHandler
    base: VideoReader | None = None
    """The bitstream that layers go on."""


class Part(ABC):
    """What one network draws. Subclasses are final.

    First :meth:`choose`, then :meth:`run`; or :meth:`finished`, for one that an earlier run has done.

    Args:
        context: What all parts share.
        index: Which part of the plan.
        room: What it may take.
    """

    fit: Fit
    """There from :meth:`choose` on."""
    network: Network
    """Likewise."""
    goal: Goal
    """What the fit is to end at; likewise."""
    reserved_bytes: int = 0
    """What each part keeps of the file for what is found behind its fit."""

    def __init__(self, context: Context, index: int, room: Room) -> None:
        self.context, self.index, self.room = context, index, room
        self.job, self.plan, self.spans = context.job, context.plan, context.plan.parts[index]
        self.clips = [context.clips[span.stream].part(span.first, span.frames) for span in self.spans]
        # short spans of time are measured without what other programs take of them, which differs from one to the next
        self.clock = time.thread_time if context.device.type == "cpu" else time.monotonic
        self._began = time.monotonic(), self.clock()
        self.warnings: list[str] = []

    @property
    def title(self) -> str:
        """What is fitted, for the forecast."""
        return self.job.options.model

    @property
    def notes(self) -> list[str]:
        """What is worth knowing before it begins."""
        return self.warnings

    def quick_s(self, _step_s: float) -> float | None:
        """Seconds of a fit by the quickest preset where a step of this one takes ``step_s``; None: nobody knows."""
        return None

    @property
    def pictures(self) -> str:
        """What it draws, in words."""
        frames, sizes = sum(map(len, self.clips)), {(clip.format.width, clip.format.height) for clip in self.clips}
        of_size = [f" of {width}x{height}" for width, height in sizes if len(sizes) == 1]
        return "".join([plural(frames, "frame"), *of_size])

    @property
    def least_steps(self) -> int:
        """Steps without which there is little to see."""
        return least_steps(sum(map(len, self.clips)), self.fit.config.batch)

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """Peak memory expected for the fit."""

    @property
    def pixels(self) -> int:
        """Luma samples that it draws."""
        return sum(clip.pixels for clip in self.clips)

    @property
    def pixels_left(self) -> int:
        """Luma samples that it and all later parts draw."""
        return sum(span.frames * self._samples(span) for later in self.plan.parts[self.index :] for span in later)

    def seed(self) -> None:
        """Begin with the random numbers of this part, so that leaving out finished ones changes nothing."""
        torch.manual_seed(self.job.options.seed + self.index)

    @abstractmethod
    def choose(self, state: State | None, should_stop: Callable[[], bool]) -> None:
        """Decide what the plan left open, and build the fit; as an earlier run did, if ``state`` is its state.

        Raises:
            StopRequested: ``should_stop`` returned true.
            InputError: The state is that of another encode.
            UsageError: The settings describe no network.
        """

    @abstractmethod
    def chunks(self, tensors: list[IntegerTensor], payload: bytes) -> Chunks:
        """All that goes into the file, where the network has these integers, coded as ``payload``."""

    def integers(self) -> list[IntegerTensor]:
        """The integers of the finished fit."""
        return self.goal.land(self.fit)

    def kept(self) -> State:
        """What :meth:`restore` needs beside the coded parameters."""
        return {}

    def restore(self, state: State) -> None:  # noqa: B027 (most have nothing to restore)
        """Be as at the end of the fit whose :meth:`kept` it is, but for the parameters."""

    def probe(self, steps: int = _PROBE_STEPS, clock: Callable[[], float] = time.perf_counter) -> float:
        """Seconds per step, measured on a few without moving the fit. Where memory is short, with less of it.

        Raises:
            torch.OutOfMemoryError: No way is left that takes less.
        """
        while True:
            with suppress(torch.OutOfMemoryError):
                return self.fit.probe(steps, clock)
            # only now: the error held on to everything
            self._with_less_memory()

    def _with_less_memory(self) -> None:
        """Go on with less memory.

        Raises:
            torch.OutOfMemoryError: There is no way.
        """
        raise torch.OutOfMemoryError("there is no way to take less")

    def run(self, on_event: EventHandler, should_stop: Callable[[], bool]) -> Fitted:
        """Fit to the end, then find the integers and all chunks.

        Raises:
            StopRequested: ``should_stop`` returned true.
        """
        self.fit.run(on_event, should_stop)
        return self._fitted(self.integers())

    def finished(self, state: State) -> Fitted:
        """The part as an earlier run left it, from the state of what that gave.

        Raises:
            InputError: The state is that of another encode.
        """
        self.choose(state, lambda: False)
        with fit_state.matching():
            payload = state["payload"].tobytes()
            self.budget.done_steps, self.budget.done_seconds = int(state["steps"]), float(state["seconds"])
            self.restore(state)
        return self._fitted(decode_tensors(payload, self.fit.flat.specs))

    def _fitted(self, tensors: list[IntegerTensor]) -> Fitted:
        payload, steps, seconds = encode_tensors(tensors), self.budget.done_steps, self.budget.elapsed
        state = {"payload": np.frombuffer(payload, np.uint8), "steps": np.int64(steps), "seconds": np.float64(seconds)}
        chunks, estimate = self.chunks(tensors, payload), self.fit.estimate(tensors)
        earlier_s = self.budget.done_seconds
        return Fitted(self.network, tensors, payload, steps, estimate, earlier_s, chunks, {**state, **self.kept()})

    def state(self) -> State:
        """What a resume file must hold of a running fit."""
        return fit_state.save(self.fit)

    def load(self, state: State) -> None:
        """Continue from :meth:`state`.

        Raises:
            InputError: The state belongs to another network, as planned by another version.
        """
        fit_state.load(self.fit, state)

    def _look_at_time(self) -> None:
        """Hear what there is to say of a short time, of the first part, which stands for all.

        Raises:
            UsageError: There is too little.
        """
        deadline = self.context.deadline
        if deadline is not None and self.index == 0 and (short := tried_in_time(self, deadline)):
            self.warnings.append(short)

    def end_on_time(self) -> None:
        """Plan the fit in seconds, where the encode must end on time."""
        if self.context.deadline is not None:
            self.fit.budget.seconds = self.time_for_fit(self.context.deadline)

    def time_for_fit(self, deadline: Deadline) -> float:
        """Seconds for this fit, so that all is over by then."""
        return deadline.for_fit(self.closing_s(), self.pixels / self.pixels_left)

    def closing_s(self) -> float:
        """Seconds that come behind all fits of the file: packing, measuring, and drawing, which takes about as long."""
        return USUAL_CLOSING_S + self.crowding * (2 * self.measuring_s + self.packing_s())

    def packing_s(self) -> float:
        """Seconds that the search for the final integers takes."""
        search = Search(self.fit.flat, self.fit.flat.vector, self.fit.quantiser.log2_steps)
        began = self.clock()
        encode_tensors(search.candidate(0, 0.0))
        return MOST_LOOKS * (self.clock() - began)

    @property
    def crowding(self) -> float:
        """How many times as long as on :attr:`clock` all takes, because other programs run too; 1 and up."""
        wall_s, busy_s = time.monotonic() - self._began[0], self.clock() - self._began[1]
        return max(1.0, wall_s / busy_s) if busy_s > _LEAST_BUSY_S else 1.0

    @cached_property
    def measuring_s(self) -> float:
        """Seconds that measuring all frames of the file takes."""
        return _measuring_s(self.clips[0], self.clock) * sum(clip.pixels for clip in self.context.clips)

    @property
    def parameters(self) -> int:
        """Coded parameters."""
        return self.fit.flat.vector.numel()

    @property
    def budget(self) -> Budget:
        """How long the fit takes."""
        return self.fit.budget

    def _samples(self, span: Span) -> int:
        """Luma samples of a frame of a span."""
        video = self.context.clips[span.stream].format
        return video.width * video.height


def stored_network(network: FieldConfig) -> State:
    """A network as resume files hold it; :meth:`nvcodec.models.registry.Model.config` reads the two arrays back."""
    parts = {"network": network.to_bytes(), "choices": network.choices_to_bytes()}
    return {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}


def new_part(kind: str, context: Context, index: int, room: Room) -> Part:
    """A part of the class that ``kind``, its ``module:class``, names."""
    module, _, name = kind.partition(":")
    part: Part = getattr(import_module(module), name)(context, index, room)
    return part


def _measuring_s(clip: Clip, clock: Callable[[], float]) -> float:
    """Seconds that measuring a frame takes for each luma sample."""
    frame, times = clip.frame(0), []
    for _ in range(_MEASURINGS):  # the first time also imports and warms up
        began = clock()
        measure([frame], clip.format, [frame], clip.format)
        times.append(clock() - began)
    return min(times) / (clip.format.width * clip.format.height)
