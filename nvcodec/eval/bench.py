"""The bench: every clip through every codec at every point, each file decoded and measured, nothing done twice."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nvcodec.encoder.fit.events import EventHandler, Notice
from nvcodec.errors import InterruptedEncodeError, NvcError, UsageError
from nvcodec.eval.codecs import BenchClip, BenchCodec, Coded
from nvcodec.eval.measure import evaluate
from nvcodec.eval.results import ClipInfo, Curve, Point
from nvcodec.eval.vmaf import require_libvmaf
from nvcodec.io.output import check_apart
from nvcodec.io.saying import plural
from nvcodec.io.source import open_source

if TYPE_CHECKING:
    from nvcodec.eval.compare import Summary

_SHOWN = 12
"""Curves that a text names."""
FILES = "files"
"""Folder beside the results that keeps the coded videos."""


@dataclass(frozen=True)
class Contestant:
    """A codec and the points it is measured at."""

    codec: BenchCodec
    points: tuple[float, ...]


@dataclass(repr=False)
class Benched:
    """What a bench brought."""

    curves: list[Curve] = field(default_factory=list)
    failures: list[NvcError] = field(default_factory=list)
    """What could not be coded; the rest was done all the same."""
    summary: Summary | None = None
    """All codecs against the anchor; None where none was named."""

    def compare(self, anchor: str, metric: str = "psnr-yuv") -> Summary:
        """BD-rate against one of the codecs; see :func:`nvcodec.eval.compare.compare`."""
        from nvcodec.eval.compare import compare

        return compare(self.curves, anchor, metric)

    def plot(self, path: str | Path, metric: str = "psnr-yuv") -> None:
        """Draw rate against quality; see :func:`nvcodec.eval.plot.plot`."""
        from nvcodec.eval.plot import plot

        plot(self.curves, path, metric)

    def __repr__(self) -> str:
        lines = [f"  {curve.clip.name} {curve.label}: {plural(len(curve.points), 'point')}" for curve in self.curves]
        more = [f"  and {plural(len(lines) - _SHOWN, 'curve')} more"] if len(lines) > _SHOWN else []
        failed = [f"  {plural(len(self.failures), 'failure')}"] if self.failures else []
        return "\n".join(["Benched(", *lines[:_SHOWN], *more, *failed, ")"])


@dataclass(frozen=True)
class Bench:
    """How a bench is run.

    Args:
        folder: Where results are kept, one JSON for each clip and codec; the coded files lie in ``files`` below it.
        vmaf: Measure VMAF too.
        device: Where bitstreams are drawn for measuring.
        threads: CPU threads for measuring.
        afresh: Measure again what is there.
        on_event: Hears of progress.
        on_frames: Makes a handler of frame counts for a stage, by its name.
    """

    folder: Path
    vmaf: bool = False
    device: str = "auto"
    threads: int = 1
    afresh: bool = False
    on_event: EventHandler = lambda event: None
    on_frames: Callable[[str], Callable[[int, int | None], None]] = lambda stage: lambda done, total: None

    def run(self, clips: Sequence[BenchClip], contestants: Sequence[Contestant]) -> Benched:
        """Bring every result up to date.

        A codec that fails on a clip is reported and the others go on; every point is saved as soon as it is measured.

        Raises:
            UsageError: A codec is not installed, two clips have one name, or kept results are of other frames, versions
                or settings.
            InputError: A clip cannot be read.
            InterruptedEncodeError: The user stopped an encode; run the bench again to go on.
        """
        names = [clip.name for clip in clips]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"two inputs are called {twice}", "Results go by the name of the clip; rename one")
        if self.vmaf:
            require_libvmaf()
        versions = {one.codec.label: one.codec.versions() for one in contestants}
        check_apart(sorted(self._outputs(clips, contestants)), [clip.path for clip in clips])
        try:
            (self.folder / FILES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot make the folder {self.folder / FILES}: {error.strerror}", "Choose another --output"
            ) from None
        started = []
        for clip in clips:  # before any work: what is kept may be of something else
            info = describe(clip)
            for one in contestants:
                fresh = Curve(
                    one.codec.label, one.codec.name, one.codec.preset, one.codec.unit, one.codec.description,
                    info, versions[one.codec.label], host(), (),
                )  # fmt: skip
                started.append((clip, one, self._kept(fresh)))
        benched = Benched()
        for clip, one, curve in started:
            try:
                curve = self._completed(clip, one, curve)
            except InterruptedEncodeError:
                raise
            except NvcError as error:
                self.on_event(Notice(f"{clip.name} {one.codec.label}: {error.message}"))
                benched.failures.append(error)
                curve = self._kept(curve)  # with the points that were measured before
            points = tuple(known for known in curve.points if known.point in one.points)
            if points:
                benched.curves.append(replace(curve, points=points))
        return benched

    def _completed(self, clip: BenchClip, one: Contestant, curve: Curve) -> Curve:
        """A curve with all the points it should have."""
        codec, info, path = one.codec, curve.clip, self._path(curve)
        for point in one.points:
            what = f"{clip.name} {codec.label} {codec.unit} {point:g}"
            if any(known.point == point and (known.vmaf is not None or not self.vmaf) for known in curve.points):
                self.on_event(Notice(f"{what}: kept from {path}"))
                continue
            self.on_event(Notice(what))
            coded = codec.encode(clip, point, self.folder / FILES, self.on_event)
            measured = self._measure(clip, info, point, coded, f"{clip.name} {codec.label}")
            others = tuple(known for known in curve.points if known.point != point)
            curve = replace(curve, points=(*others, measured))
            curve.save(path)
        return curve

    def _outputs(self, clips: Sequence[BenchClip], contestants: Sequence[Contestant]) -> set[Path]:
        """What is there and may be written anew: results and, of each point, files whose suffixes codecs choose."""
        there: set[Path] = set()
        for stem in (f"{clip.name}.{one.codec.label}" for clip in clips for one in contestants):
            there |= {path for path in self.folder.glob("*.json") if path.name == f"{stem}.json"}
            there |= {path for path in (self.folder / FILES).glob("*") if path.name.startswith(f"{stem}.")}
        return there

    def _path(self, curve: Curve) -> Path:
        return self.folder / f"{curve.clip.name}.{curve.label}.json"

    def _kept(self, fresh: Curve) -> Curve:
        """Results of an earlier run, when they are of the same frames, versions and settings; else as given."""
        path = self._path(fresh)
        if self.afresh or not path.exists():
            return fresh
        kept = Curve.load(path)
        for what, ours, theirs in (
            ("frames", asdict(fresh.clip), asdict(kept.clip)),
            ("versions", fresh.versions, kept.versions),
            ("settings", {"they were": fresh.description}, {"they were": kept.description}),
        ):
            if ours != theirs:
                raise UsageError(
                    f"{path} holds results of other {what}: {_difference(theirs, ours)}",
                    "Keep both with another --output, or measure again with -y",
                )
        return kept

    def _measure(self, clip: BenchClip, info: ClipInfo, point: float, coded: Coded, stage: str) -> Point:
        """Decode a coded file and compare it with its source."""
        found = evaluate(
            clip.path,
            coded.file,
            options=clip.asked,
            frames=info.frames,
            test_seek=0,
            metrics=("psnr", "ms-ssim", "vmaf") if self.vmaf else ("psnr", "ms-ssim"),
            device=self.device,
            threads=self.threads,
            on_progress=self.on_frames(stage),
        )
        bits = 8 * coded.bytes
        fps = None if info.fps is None else float(Fraction(info.fps))
        return Point(
            point=point,
            bytes=coded.bytes,
            bpp=bits / (info.width * info.height * info.frames),
            kbps=None if fps is None else bits * fps / info.frames / 1000,
            psnr=found.quality.psnr,
            ms_ssim_y=found.quality.ms_ssim_y,
            vmaf=None if found.vmaf is None else found.vmaf.mean,
            encode_s=coded.encode_s,
            decode_fps=_decode_fps(coded.file) if coded.decode_fps is None else coded.decode_fps,
            settings=coded.settings,
            details=coded.details,
            file=os.path.relpath(coded.file, self.folder),
        )


def describe(clip: BenchClip) -> ClipInfo:
    """Read a clip through once: its geometry, its length, and what identifies its pictures wherever they are stored."""
    sha, count = hashlib.sha256(), 0
    with clip.open() as source:
        for planes in source:
            count += 1
            for plane in planes:
                sha.update(plane.tobytes())
        video = source.format
    return ClipInfo(
        name=clip.name,
        sha256=sha.hexdigest(),
        width=video.width,
        height=video.height,
        frames=count,
        seek=clip.asked.seek,
        fps=None if video.fps is None else str(video.fps),
        bit_depth=video.bit_depth,
    )


def _difference(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """In what two descriptions differ, as people read it: ``frames 48, not 100``."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(f"{name} {_value(old, name)}, not {_value(new, name)}" for name in names)


def _value(values: Mapping[str, object], name: str) -> str:
    found = values.get(name)
    return "none" if found is None else str(found)


def host() -> dict[str, str]:
    """The machine that was measured on."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    except OSError:
        pass  # not Linux
    return {"system": platform.platform(), "processor": processor, "cpus": str(os.cpu_count())}


def _decode_fps(file: Path) -> float:
    """Frames per second of decoding a file to planes, opening it counted in."""
    began = time.perf_counter()
    with open_source(file) as source:
        count = sum(1 for _ in source)
    return count / max(time.perf_counter() - began, 1e-9)
