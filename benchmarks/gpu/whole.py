"""Every kind of encode once, whole and tiny: written, decoded again and compared with its digests."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.ablation.study import read_toml
from benchmarks.gpu.bench import DONE, FAILED, Bench, Record, Task
from benchmarks.gpu.clips import waves, write
from benchmarks.gpu.encodes import CONFIGURATIONS
from nvcodec.api.encode import encode, resume
from nvcodec.api.layers import add_layer
from nvcodec.config.fit import FitConfig, LossConfig
from nvcodec.config.options import EncodeOptions
from nvcodec.config.settings import flatten
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.draw import Painter
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.rate import TargetWeight
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.units import UnitField, Units, geometry_of
from nvcodec.encoder.plan import size_dnerv
from nvcodec.encoder.plan.models import settings_for
from nvcodec.encoder.plan.plan import network_of
from nvcodec.errors import InterruptedEncodeError
from nvcodec.models.dnerv_config import DNeRVConfig
from nvcodec.types import VideoFormat

_VIDEO, _FRAMES = VideoFormat(320, 192, Fraction(25)), 24
_TINY_VIDEO, _TINY_FRAMES = VideoFormat(96, 64, Fraction(25)), 8
_LARGE_VIDEO = VideoFormat(1280, 640, Fraction(25))
_SHORT_BYTES = 100 << 20
"""A step of the draft's network takes 174 MiB to draw the large one."""
_EPOCHS, _TINY_EPOCHS = 6, 2
_BYTES, _TINY_BYTES = 30_000, 3000
_STOPPED_AT = 5
"""Questions whether to stop that are answered with no."""
_LITTLE_BYTES = 22 << 20
_WORST_DB = 8.0
"""Less than that is no picture of the video."""


@dataclass(frozen=True)
class Whole(Task):
    """One kind of encode, by what ``nvc encode`` does; without a compiler, which has tasks of its own."""

    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    configuration: str | None = None

    @property
    def least_s(self) -> float:
        return 5.0

    @property
    def expected_s(self) -> float:
        return 7.0

    @property
    def limit_s(self) -> float:
        return 30.0

    def run(self, bench: Bench) -> Record:
        with torch.compiler.set_stance("force_eager"), ExitStack() as conditions:
            for condition in self.conditions(bench):
                conditions.enter_context(condition)
            return self.outcome(bench)

    def conditions(self, bench: Bench) -> list[AbstractContextManager[Any]]:
        """What is to be so while it runs."""
        return []

    def outcome(self, bench: Bench) -> Record:
        """Encode, and what is to be told of it."""
        notices: list[str] = []
        result = encode(self.source(bench), self.output(bench), on_event=hearing(notices), **self.how(bench))
        return self.told(bench, result.psnr["yuv_611"], result.fit_steps, notices)

    def told(self, bench: Bench, psnr_db: float, steps: int, notices: list[str], extra: str = "") -> Record:
        """The record: the file decodes, and shows the video."""
        reader = VideoReader(self.output(bench), device=bench.device)
        shapes = {tuple(plane.shape for plane in planes) for planes in reader.frames()}
        fine = len(shapes) == 1 and psnr_db > _WORST_DB
        line = f"{psnr_db:.2f} dB after {steps} steps{extra}"
        bench.say("".join(f"  {notice}\n" for notice in notices).rstrip("\n"))
        return {
            "status": DONE if fine else FAILED,
            "line": line,
            "psnr_db": psnr_db,
            "steps": steps,
            "notices": notices,
        }

    def how(self, bench: Bench) -> dict[str, Any]:
        """The options of its encode."""
        settings = {} if self.configuration is None else flatten(read_toml(CONFIGURATIONS / self.configuration))
        asked = dict(self.options)
        settings |= asked.pop("settings", {})
        return {
            "preset": "draft",
            "device": bench.device,
            "threads": bench.threads,
            "epochs": _TINY_EPOCHS if bench.tiny else _EPOCHS,
            "target_size": _TINY_BYTES if bench.tiny else _BYTES,
            "overwrite": True,
            "settings": settings,
            **asked,
        }

    def source(self, bench: Bench) -> Path:
        """A file of waves."""
        video, frames = self.footage(bench)
        path = bench.scratch / f"waves_{video.height}.y4m"
        if not path.exists():
            write(path, video, waves(video, frames))
        return path

    def footage(self, bench: Bench) -> tuple[VideoFormat, int]:
        """Format and frames of what it encodes."""
        return (_TINY_VIDEO, _TINY_FRAMES) if bench.tiny else (_VIDEO, _FRAMES)

    def output(self, bench: Bench) -> Path:
        """The file that it makes."""
        return bench.scratch / f"{self.name}.nvc"


@dataclass(frozen=True)
class Tiled(Whole):
    """As if memory were short from the beginning."""

    def conditions(self, bench: Bench) -> list[AbstractContextManager[Any]]:
        """See :class:`Whole`."""
        return [mock.patch("nvcodec.encoder.parts.segment.available_bytes", lambda device: 1 << 20)]


@dataclass(frozen=True)
class ShortOfMemory(Whole):
    """The device says that its memory is used up, though the estimate was that it would do."""

    def blocked(self, bench: Bench) -> str | None:
        return None if bench.on_cuda else "needs CUDA"

    def conditions(self, bench: Bench) -> list[AbstractContextManager[Any]]:
        """See :class:`Whole`: memory is short while steps are probed, not when the file is decoded."""
        return [mock.patch.object(Fit, "probe", _in_little_memory(Fit.probe, bench.device))]


def _in_little_memory(probe: Callable[[Fit, int], float], device: str) -> Callable[[Fit, int], float]:
    def probe_in_it(fit: Fit, steps: int) -> float:
        total = torch.cuda.get_device_properties(device).total_memory
        used = torch.cuda.memory_allocated(device)
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((used + _LITTLE_BYTES) / total)
        try:
            return probe(fit, steps)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)

    return probe_in_it


@dataclass(frozen=True)
class Layered(Whole):
    """A file, and a layer on it."""

    def outcome(self, bench: Bench) -> Record:
        """See :class:`Whole`."""
        notices: list[str] = []
        how = self.how(bench)
        encode(self.source(bench), self.output(bench), on_event=hearing(notices), **how)
        asked = {name: how[name] for name in ("preset", "device", "threads", "epochs")}
        result = add_layer(self.output(bench), self.source(bench), on_event=hearing(notices), **asked)
        gain = result.psnr["yuv_611"] - result.psnr_below["yuv_611"]
        extra = f", {gain:+.2f} dB by the layer"
        return self.told(bench, result.psnr["yuv_611"], result.fit_steps, notices, extra)


@dataclass(frozen=True)
class Resumed(Whole):
    """Stopped after some steps, and gone on with."""

    def outcome(self, bench: Bench) -> Record:
        """See :class:`Whole`."""
        notices: list[str] = []
        asked, folder = iter(range(_STOPPED_AT + 1)), bench.scratch / f"{self.name}.work"
        try:
            encode(
                self.source(bench),
                self.output(bench),
                work_dir=folder,
                on_event=hearing(notices),
                should_stop=lambda: next(asked, _STOPPED_AT) == _STOPPED_AT,
                **self.how(bench),
            )
        except InterruptedEncodeError:
            result = resume(folder, overwrite=True, on_event=hearing(notices))
            return self.told(bench, result.psnr["yuv_611"], result.fit_steps, notices, ", stopped in between")
        return {"status": FAILED, "line": "it did not stop"}


@dataclass(frozen=True)
class Archive(Whole):
    """D-NeRV: an archive where there is PyAV; else a fit between key frames that nobody has coded."""

    def outcome(self, bench: Bench) -> Record:
        """See :class:`Whole`."""
        if importlib.util.find_spec("av") is not None:
            return super().outcome(bench)
        video, frames = self.footage(bench)
        pictures, device, how = list(waves(video, frames)), torch.device(bench.device), self.how(bench)
        clip, notices = Clip.load(pictures, video, frames).to(device), list[str]()
        network = _archive_network(clip, how)
        coarse = [
            tuple(video.code_values(plane // 16 * 16) for plane in pictures[at]) for at in network.key_times(frames)
        ]
        units = Units(network, [clip], [coarse])
        torch.manual_seed(0)
        painter = Painter(FlatField(UnitField(units).to(device)), [], hearing(notices))
        steps = how["epochs"] * len(units)
        rate = TargetWeight(8.0 * how["target_size"])
        fit = Fit(painter, units, FitConfig(), LossConfig(), rate, Budget(steps))
        fit.probe(1)
        fit.run(hearing(notices))
        fine = bool(torch.isfinite(fit.flat.vector).all()) and fit.psnr_db > _WORST_DB
        line = f"{fit.psnr_db:.2f} dB after {steps} steps, between key frames that were made up"
        return {"status": DONE if fine else FAILED, "line": line, "psnr_db": fit.psnr_db, "notices": notices}


def _archive_network(clip: Clip, how: Mapping[str, Any]) -> DNeRVConfig:
    """The network of an archive whose key frames are not weighed against it."""
    shape, settings = size_dnerv.PRESETS[how["preset"]], settings_for(EncodeOptions(model="dnerv"))
    network = network_of(shape, geometry_of(clip), 2 * how["target_size"], settings, pinned=False)
    assert isinstance(network, DNeRVConfig)
    return network


def hearing(notices: list[str]) -> Callable[[Event], None]:
    """A handler that keeps notices."""

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            told = sys.exc_info()[0] is not None  # in a line, of what it goes on without
            notices.append(f"{event.message}\n{traceback.format_exc()}" if told else event.message)

    return hear


def whole_tasks() -> list[Task]:
    """All of them."""
    return [
        Whole("whole-msnerv"),
        Whole("whole-msnerv-paper", configuration="msnerv_paper.toml", options={"settings": {"gop.count": "2"}}),
        Whole("whole-tenerv", {"model": "tenerv", "settings": {"gop.partition": "uniform", "gop.count": "2"}}),
        Whole("whole-qsnerv", {"model": "qsnerv", "settings": {"fit.companion_until": "0.5"}}),
        Tiled("whole-tiles"),
        Whole("whole-mask", {"mask": "boxes:2"}),
        Whole("whole-rgb", {"domain": "rgb"}),
        Layered("whole-layer"),
        Whole("whole-preview", {"preview": True}),
        Resumed("whole-resume"),
        Archive("whole-dnerv", {"model": "dnerv"}),
        ShortOfMemory("whole-short-of-memory"),
    ]
