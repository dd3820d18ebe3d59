"""Whole encodes, with the way to their quality; one may go on in another sitting."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.ablation.study import read_toml
from benchmarks.gpu.bench import DONE, UNFINISHED, Bench, Record, Task
from benchmarks.gpu.clips import Footage, find, source
from benchmarks.parts import first_part
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.config.settings import flatten
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Notice, Step
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.read import digest_of, read_videos
from nvcodec.encoder.parts.part import measuring_s
from nvcodec.encoder.plan.models import settings_for
from nvcodec.encoder.result import EncodeResult
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.errors import InterruptedEncodeError
from nvcodec.io.source import open_source
from nvcodec.models.registry import MODELS

CONFIGURATIONS = Path(__file__).parents[1] / "studies" / "configurations"
_TINY_SHARE, _TINY_EPOCHS = 250, 3
_CURVE_POINTS = 150
_SAVE_CURVE_S = 20.0
_SETUP_S = 60.0
"""Reading the clip and compiling, on a fast machine."""
_SEARCH_S_PER_PARAMETER = 6e-6


@dataclass(frozen=True)
class Encode(Task):
    """One encode of a clip."""

    footage: Footage
    fit_s: float
    """Seconds of fitting, preparations and the final measurement not counted."""
    parameters: int | None
    bpp: float
    model: str = "msnerv"
    configuration: str | None = None
    """File with settings; None = the defaults."""
    domain: str | None = None
    note: str = ""
    """What to compare with."""
    preset: str = "medium"

    @property
    def least_s(self) -> float:
        return _SETUP_S + 40

    @property
    def expected_s(self) -> float:
        return _SETUP_S + self.fit_s + 60

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
        job = self._prepare(bench, path, output, folder)
        curve = _Curve(folder / "curve.json", (job.options.frames or 1) / settings_for(job.options).fit.batch)
        brake = _Brake(bench, _tail_s(path, job, bench.on_cuda))
        notices: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, Step):
                curve.add(event)
                brake.look(event)
            elif isinstance(event, Notice):
                notices.append(event.message)
                bench.say(f"  {event.message}")

        stance = torch.compiler.set_stance("force_eager") if bench.eager else nullcontext()
        about: Record = {"compiled": bench.on_cuda and not bench.eager, "notices": notices}
        try:
            with stance:
                result = encode(job, work_dir=folder, overwrite=True, on_event=hear, should_stop=brake.pulled)
        except InterruptedEncodeError as error:
            curve.save()
            line = f"{error.message}: {curve.last_psnr_db:.2f} dB after {curve.last_s:.0f} s of fitting"
            return {"status": UNFINISHED, "line": line, **about, "curve": curve.points}
        assert isinstance(result, EncodeResult)
        shutil.rmtree(folder, ignore_errors=True)
        shown = result.psnr["rgb" if self.domain == "rgb" else "yuv_611"]
        line = (
            f"{shown:.2f} dB at {result.bpp:.4f} bpp, {result.bits_per_parameter:.1f} bits/parameter, "
            f"{result.fit_steps:,} steps in {curve.last_s:.0f} s"
        )
        return {
            "status": DONE,
            "line": line + (f"; {self.note}" if self.note else ""),
            **about,
            "fit_s": curve.last_s,
            "other_s": time.monotonic() - began - curve.here_s,
            "curve": curve.points,
            "encode": {**result.to_json(), "file": output.name},
        }

    def _prepare(self, bench: Bench, path: Path, output: Path, folder: Path) -> Job:
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
        job = Job((str(path),), str(output), options)
        if not bench.tiny:
            _plan_in_time(job, folder, self.fit_s)
        folder.mkdir(parents=True, exist_ok=True)
        return job


def _plan_in_time(job: Job, folder: Path, fit_s: float) -> None:
    """Leave the resume file of a fit that has not begun, planned to take ``fit_s`` seconds.

    ``max_time_s`` plans the whole encode: reading, compiling and measuring, which differ from network to network, would
    come out of the fit, and fits of equal time are what is to be compared.
    """
    videos = read_videos(job)
    part = first_part(job, videos)
    part.budget.seconds = fit_s
    Checkpoint(folder, job, digest_of(videos)).save_state(0, part.state())


def _tail_s(path: Path, job: Job, on_cuda: bool) -> float:
    """Seconds from the last step to the end of an encode: the search for the integers, drawing and measuring."""
    with open_source(path, frames=1) as video:
        one = Clip.load(video, video.format, 1)
    # a CPU takes about as long for drawing; a margin for what RGB adds
    per_frame = (1.4 if on_cuda else 2.0) * measuring_s(one) * one.pixels
    return 1 + per_frame * (job.options.frames or 1) + _SEARCH_S_PER_PARAMETER * (job.options.parameters or 0)


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
