"""Encodes of real clips, with the way to their quality: they may go on in another sitting, and are measured at home."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.ablation.study import read_toml
from benchmarks.gpu.bench import DONE, UNFINISHED, Bench, Record, Task
from benchmarks.gpu.clips import Footage, find, source
from nvcodec.config.job import Job
from nvcodec.config.keywords import DomainName, ModelName, PresetName
from nvcodec.config.options import EncodeOptions
from nvcodec.config.settings import flatten
from nvcodec.container import KeyFrames
from nvcodec.encoder.file import NewFile
from nvcodec.encoder.fit.events import Event, EventHandler, Notice, Step
from nvcodec.encoder.fit.fit import StopRequested
from nvcodec.encoder.footage.read import digest_of, read_videos
from nvcodec.encoder.parts.part import Context, Fitted, Network, new_part
from nvcodec.encoder.plan.models import ROWS
from nvcodec.encoder.plan.plan import make_plan
from nvcodec.encoder.report import described, versions
from nvcodec.encoder.resume.autosave import Autosave
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.errors import InterruptedEncodeError
from nvcodec.io.source import open_source
from nvcodec.models.registry import MODELS

CONFIGURATIONS = Path(__file__).parents[1] / "studies" / "configurations"
_TINY_SHARE, _TINY_EPOCHS = 250, 3
_CURVE_POINTS = 150
_SAVE_CURVE_S = 20.0
_SETUP_S = 25.0
"""Reading the clip, compiling, and packing, on a fast machine."""
_SEARCH_S_PER_PARAMETER = 6e-6
"""Of the integers, behind the fit."""


@dataclass(frozen=True)
class Encode(Task):
    """One encode of a clip."""

    footage: Footage
    fit_s: float
    """Seconds of fitting, preparations and the final measurement not counted."""
    parameters: int | None
    bpp: float
    model: ModelName = "msnerv"
    configuration: str | None = None
    """File with settings; None = the defaults."""
    domain: DomainName | None = None
    note: str = ""
    """What to compare with."""
    preset: PresetName = "medium"

    @property
    def least_s(self) -> float:
        return _SETUP_S + 40

    @property
    def limit_s(self) -> float:
        return float("inf")  # it minds the end of the sitting itself, and what it has is worth keeping

    @property
    def expected_s(self) -> float:
        return _SETUP_S + self.fit_s

    def blocked(self, bench: Bench) -> str | None:
        if all(model.name != self.model for model in MODELS):
            return "not built yet"
        if not bench.tiny and find(self.footage, bench.clips) is None:
            return f"no clip {self.footage.name}"
        return None

    def run(self, bench: Bench) -> Record:
        began = time.monotonic()
        path = source(self.footage, bench.clips, bench.scratch, bench.tiny)
        folder, output = bench.work(self.name), bench.results / f"{self.name}.nvc"
        job, notices = self._job(bench, path, output, folder), list[str]()

        def tell(event: Event) -> None:
            if isinstance(event, Notice):
                told = sys.exc_info()[0] is not None  # in a line, of what it goes on without
                notices.append(f"{event.message}\n{traceback.format_exc()}" if told else event.message)
                bench.say(f"  {notices[-1]}")

        road = _Road(job, folder, tell)
        curve = _Curve(folder / "curve.json", len(road.videos[0].source) / road.part.plan.settings.fit.batch)
        brake = _Brake(bench, 2 + _SEARCH_S_PER_PARAMETER * road.part.parameters)

        def hear(event: Event) -> None:
            tell(event)
            if isinstance(event, Step):
                curve.add(event)
                brake.look(event)

        stance = torch.compiler.set_stance("force_eager") if bench.eager else nullcontext()
        about: Record = {"notices": notices}
        try:
            with stance:
                probe_s = road.prepare(None if bench.tiny else self.fit_s)
                fitted = road.fit(hear, brake.pulled)
        except InterruptedEncodeError as error:
            curve.save()
            line = f"{error.message}: {curve.last_psnr_db:.2f} dB after {curve.last_s:.0f} s of fitting"
            return {"status": UNFINISHED, "line": line, **about, "curve": curve.points}
        encoded = road.written(fitted)
        shutil.rmtree(folder, ignore_errors=True)
        line = (
            f"about {curve.last_psnr_db:.2f} dB at {encoded['bpp']:.4f} bpp, "
            f"{encoded['bits_per_parameter']:.1f} bits/parameter, {fitted.steps:,} steps in {curve.last_s:.0f} s; "
            "to be measured"
        )
        return {
            "status": DONE,
            "line": line + (f"; {self.note}" if self.note else ""),
            **about,
            "clip": self.footage.name,
            "note": self.note,
            "probe_s": probe_s,
            "fit_s": curve.last_s,
            "other_s": time.monotonic() - began - curve.here_s,
            "curve": curve.points,
            "encode": {**encoded, "file": output.name},
        }

    def _job(self, bench: Bench, path: Path, output: Path, folder: Path) -> Job:
        """The encode to begin, or the one to go on with: its files may lie elsewhere today."""
        if (folder / "job.json").exists():
            job = Job.load(folder / "job.json")
            options = replace(job.options, device=bench.device, threads=bench.threads)
            job = replace(job, inputs=(str(path),), output=str(output), options=options)
            job.save(folder / "job.json")
            return job
        parameters, bpp, frames = self.parameters, self.bpp, self.footage.frames
        if bench.tiny:
            with open_source(path) as video:
                frames, pixels = video.frame_count or 1, video.format.width * video.format.height
            parameters = max(3000, (parameters or 750_000) // _TINY_SHARE)
            bpp = 8 * (500 + parameters) / (pixels * frames)
        options = EncodeOptions(
            model=self.model,
            preset="draft" if bench.tiny else self.preset,
            domain=self.domain,
            frames=frames,
            parameters=parameters,
            bpp=bpp,
            epochs=_TINY_EPOCHS if bench.tiny else None,
            settings={} if self.configuration is None else flatten(read_toml(CONFIGURATIONS / self.configuration)),
            threads=bench.threads,
            device=bench.device,
        )
        folder.mkdir(parents=True, exist_ok=True)
        return Job((str(path),), str(output), options)


class _Road:
    """What an encode does, up to the written file: measuring takes a CPU half a minute, and can be done at home.

    Raises:
        InputError: The folder holds the state of another encode.
    """

    def __init__(self, job: Job, folder: Path, on_event: EventHandler) -> None:
        self.job, self.on_event = job, on_event
        self.videos = read_videos(job)
        plan = make_plan([(video.source.format, len(video.source)) for video in self.videos], job.options)
        assert len(plan.parts) == 1
        self.file = NewFile(job, plan, self.videos, overwrite=True)
        self.checkpoint = Checkpoint(folder, job, digest_of(self.videos))
        self.checkpoint.verify()
        seen, names = [video.seen(plan.domain) for video in self.videos], [video.name for video in self.videos]
        context = Context(job, plan, seen, names, torch.device(job.options.device), None, on_event)
        self.part = new_part(ROWS[plan.model.name].part, context, 0, self._room)
        self._state = self.checkpoint.load_state(0)
        torch.set_num_threads(job.options.threads)
        self.part.choose(self._state, lambda: False)

    def prepare(self, fit_s: float | None) -> float:
        """Compile and warm up, which is not counted, and plan a fit of so many seconds; how long it took."""
        began = time.monotonic()
        self.part.probe()
        if self._state:
            self.part.load(self._state)
        elif fit_s is not None:
            self.part.budget.seconds = fit_s
        return time.monotonic() - began

    def fit(self, on_event: EventHandler, should_stop: Callable[[], bool]) -> Fitted:
        """Fit to the end.

        Raises:
            InterruptedEncodeError: ``should_stop`` said so; the state is saved.
        """
        autosave = Autosave(self.checkpoint, 0, self.part.state, on_event)

        def hear(event: Event) -> None:
            on_event(event)
            autosave.tick()

        try:
            return self.part.run(hear, should_stop)
        except StopRequested:
            raise autosave.stopped(self.part.budget.done_steps, "nothing was written") from None

    def written(self, fitted: Fitted) -> Record:
        """Write the file; what is known of it unseen, under the names that ``nvc encode --json`` has for it."""
        try:
            self.file.draft([fitted])
            size = self.file.complete([fitted], None)
        finally:
            self.file.discard()
        source = self.videos[0].source
        return {
            "bytes": size,
            "bpp": 8 * size / source.pixels,
            "frames": len(source),
            "width": source.format.width,
            "height": source.format.height,
            "model": self.part.plan.model.name,
            "parameters": fitted.parameters,
            "bits_per_parameter": 8 * size / fitted.parameters,
            "fit_steps": fitted.steps,
            "device": self.job.options.device,
            "seed": self.job.options.seed,
            "versions": versions(),
            "config": {**described(self.job, self.part.plan), "network": fitted.network.to_dict()},
        }

    def _room(self, network: Network, key_frames: Mapping[int, KeyFrames]) -> int | None:
        limit = self.part.plan.limit
        return None if limit is None else max(limit - self.file.overhead(network, key_frames), 1)


class _Brake:
    """Stops a fit at the deadline; or just before its end, when what follows would pass the deadline."""

    def __init__(self, bench: Bench, tail_s: float) -> None:
        self._deadline, self._tail_s = bench.deadline, tail_s
        self._end_left_s = float("-inf")
        self._margin_s = 1.0

    def look(self, event: Step) -> None:
        """Learn when the fit will end, in seconds before the deadline."""
        self._end_left_s = self._deadline.left_s() - event.eta_s
        self._margin_s = 1.0 + 3 / max(event.steps_per_s, 1e-3)

    def pulled(self) -> bool:
        """Whether to stop."""
        left = self._deadline.left_s()
        if left <= 0:
            return True
        at_the_end = left - self._end_left_s < self._margin_s
        return at_the_end and 0 < self._end_left_s < self._tail_s


class _Curve:
    """Quality against time, kept in a file, so that a fit that is killed loses little of it."""

    def __init__(self, path: Path, frames_per_epoch: float) -> None:
        self._path, self._frames = path, frames_per_epoch
        self._saved, self._first_s, self._progress = time.monotonic(), -1.0, -1.0
        self.points: list[Record] = json.loads(path.read_text()) if path.exists() else []
        self.last_s = self.last_psnr_db = 0.0

    @property
    def here_s(self) -> float:
        """Seconds of fitting in this sitting."""
        return self.last_s - max(self._first_s, 0.0)

    def add(self, step: Step) -> None:
        """Note a step, unless the last one noted is near."""
        steps = round(step.epoch * self._frames)
        self.last_s, self.last_psnr_db = steps / step.steps_per_s, step.psnr_db
        if self._first_s < 0:
            self._first_s = self.last_s
        while self.points and self.points[-1]["steps"] >= steps:
            self.points.pop()  # the last step comes twice; and what came after the saved state did not happen
        if step.progress < 1 and step.progress - self._progress < 1 / _CURVE_POINTS:
            return
        self._progress = step.progress
        point = {"steps": steps, "fit_s": round(self.last_s, 2), "psnr_db": round(step.psnr_db, 3)}
        self.points.append({**point, "best_psnr_db": round(step.best_psnr_db, 3), "estimated_bpp": step.estimated_bpp})
        if time.monotonic() - self._saved > _SAVE_CURVE_S:
            self.save()

    def save(self) -> None:
        """Write the file."""
        self._saved = time.monotonic()
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.points))
        os.replace(temporary, self._path)
