"""Sittings on a machine that is lent for minutes: what is measured, kept, continued and brought home."""

from __future__ import annotations

import importlib.util
import json
import lzma
import os
import re
import sys
import tarfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import cache, carry, checks, clips, measure, pack, prepare, run, sitting
from benchmarks.gpu.bench import Bench, Deadline, Record, Task
from benchmarks.gpu.encodes import CONFIGURATIONS, Encode, _Brake, _Road
from benchmarks.gpu.profiles import heard_waits
from benchmarks.gpu.tasks import SITTINGS, START_S, tasks
from nvcodec.api.encode import encode
from nvcodec.config.job import Job
from nvcodec.container import read_container
from nvcodec.decoder.reader import VideoReader
from nvcodec.encoder.fit.events import Step, ignore
from nvcodec.encoder.resume.checkpoint import Checkpoint
from nvcodec.errors import InputError, InterruptedEncodeError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import Planes, VideoFormat

JobMaker = Callable[..., Job]
ENCODE = "bunny-msnerv-0.75M-2min"


def _bench(folder: Path, seconds: float = 300.0, clock: Callable[[], float] | None = None) -> Bench:
    deadline = Deadline(seconds) if clock is None else Deadline(seconds, clock)
    for name in ("results", "scratch"):
        (folder / name).mkdir(parents=True)
    return Bench("cpu", folder / "results", folder / "scratch", deadline, tiny=True, say=lambda _: None)


def _task(name: str) -> Task:
    return next(task for task in tasks() if task.name == name)


def _brought_home(out: Path) -> dict[str, bytes]:
    """Files of the archive, as anyone would unpack it."""
    data = b"".join(path.read_bytes() for path in sorted(out.glob("results.tar.gz.*")))
    with tarfile.open(fileobj=BytesIO(data), mode="r:gz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


@dataclass(frozen=True)
class Stub(Task):
    """A task that does what a test wants."""

    does: Callable[[Bench], Record] = field(default=lambda bench: {"status": "done", "line": "well"})
    given_s: float = 60.0

    @property
    def least_s(self) -> float:
        return 0.0

    @property
    def limit_s(self) -> float:
        return self.given_s

    @property
    def expected_s(self) -> float:
        return 0.0

    def run(self, bench: Bench) -> Record:
        return self.does(bench)


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler's cache of its own, and the variables that name it back in their place afterwards."""
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(cache, "HOME", tmp_path / "compiler")
    return tmp_path / "compiler"


def test_results_come_home_and_finished_tasks_are_skipped(
    tmp_path: Path, apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tiny", "--device", "cpu", "--minutes", "5", "--only", "doctor", "--only", "conformance"]
    assert run.main([*words, "--out", str(tmp_path / "first")]) == 0
    assert "doctor (" in capsys.readouterr().out
    files = _brought_home(tmp_path / "first")
    doctor, conformance = (json.loads(files[f"{name}.json"]) for name in ("doctor", "conformance"))
    assert doctor["status"] == "done" and doctor["device"] == "cpu" and doctor["packages"]["torch"]
    assert doctor["compile_s"] > 0
    assert len(conformance["streams"]) >= 12
    assert all(stream["integers"] and stream["worst"] == 0 for stream in conformance["streams"].values())
    assert os.environ["TRITON_CACHE_DIR"].startswith(str(apart))
    words = [*words, "--only", "*-640p-eager", "--state", str(tmp_path / "first")]
    assert run.main([*words, "--out", str(tmp_path / "second")]) == 0
    said = capsys.readouterr().out
    assert "doctor (" not in said and "speed-train-640p-eager (" in said
    again = _brought_home(tmp_path / "second")
    assert again["doctor.json"] == files["doctor.json"]
    speed = json.loads(again["speed-train-640p-eager.json"])
    assert speed["steps_per_s"] > 0 and speed["finite"]
    assert speed["line"] in (tmp_path / "second" / "summary.txt").read_text()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at it
@pytest.mark.parametrize(
    "name",
    ["whole-msnerv", "whole-qsnerv", "whole-tiles", "whole-layer", "whole-resume", "whole-dnerv",
     "profile-step-1080p", "profile-decode-medium", "waits-step-1080p", "compiled-step-640p", "groups-apart-640p",
     "speed-train-1080p-encoder"],
)  # fmt: skip
def test_a_fault_would_be_found_by(name: str, tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    sitting.sit([_task(name)], bench, tmp_path / "out", retry=False)
    record = json.loads(_brought_home(tmp_path / "out")[f"{name}.json"])
    assert record["status"] == "done", record
    if name.startswith("profile"):
        assert "aten::" in record["table"] and record["kernels_s"] > 0
    if name.startswith("whole"):
        assert record["psnr_db"] > 8


@pytest.mark.parametrize("name", SITTINGS)
def test_a_sitting_is_over_in_time(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [_task(each) for each in SITTINGS[name]]
    assert START_S + sum(task.expected_s for task in chosen) <= 290 <= 60 * run.SITTING_MINUTES - sitting.RESERVE_S
    assert all(task.expected_s < task.limit_s for task in chosen)
    assert run.main(["--sitting", name, "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]] == [*SITTINGS[name]]


def test_archives_are_tried_without_pyav_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "av" else real(name, *rest))
    bench = _bench(tmp_path)
    record = _task("whole-dnerv").run(bench)
    assert record["status"] == "done" and "made up" in record["line"]
    monkeypatch.setattr(checks, "STREAMS", _streams(tmp_path / "streams", "archive", "draft"))
    record = _task("conformance").run(bench)
    assert record["status"] == "done" and record["line"].endswith("needs PyAV: archive")
    assert record["streams"]["archive"] == {"skipped": "needs PyAV"} and record["streams"]["draft"]["ok"]


def test_a_stream_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _streams(tmp_path / "streams", "draft", "tenerv")
    expected = json.loads((folder / "draft.json").read_text())
    (folder / "draft.json").write_text(json.dumps({**expected, "samples": [[10_000, 0, 0, 0, 0]]}))
    monkeypatch.setattr(checks, "STREAMS", folder)
    bench = _bench(tmp_path)
    sitting.sit([_task("conformance")], bench, tmp_path / "out", retry=False)
    record = json.loads(_brought_home(tmp_path / "out")["conformance.json"])
    assert record["status"] == "failed" and record["line"].startswith("1 of 2 streams right")
    assert record["streams"]["tenerv"]["ok"] and "wrong: draft" in record["line"]
    assert "in _compare" in record["traceback"] and record["traceback"].startswith("draft:")


def _streams(folder: Path, *names: str) -> Path:
    """Some of the conformance streams."""
    folder.mkdir()
    for name in names:
        for suffix in (".nvc", ".json"):
            (folder / f"{name}{suffix}").write_bytes((checks.STREAMS / f"{name}{suffix}").read_bytes())
    return folder


def test_an_interrupted_encode_goes_on_elsewhere_and_gives_the_same_file(tmp_path: Path) -> None:
    task = _task(ENCODE)
    straight = _bench(tmp_path / "straight")
    sitting.sit([task], straight, tmp_path / "at_once", retry=False)
    expected = _brought_home(tmp_path / "at_once")
    looks = iter(range(1000))
    first = _bench(tmp_path / "one", 1400.0, lambda: 100.0 * next(looks))  # as if every step took long
    sitting.sit([task], first, tmp_path / "home", retry=False)
    stopped = _brought_home(tmp_path / "home")
    record = json.loads(stopped[f"{ENCODE}.json"])
    assert record["status"] == "unfinished" and f"{ENCODE}.nvc" not in stopped
    assert 1 <= int(re.findall(r"stopped at step (\d+)", record["line"])[0]) < 23
    assert f"work/{ENCODE}/state.npz" in stopped and not list((tmp_path / "one/results").glob("*.nvc"))
    second = _bench(tmp_path / "two")  # other folders than before, as on another machine
    pack.unpack(tmp_path / "home", second.results)
    sitting.sit([task], second, tmp_path / "home", retry=False)
    finished = _brought_home(tmp_path / "home")
    assert finished[f"{ENCODE}.nvc"] == expected[f"{ENCODE}.nvc"]
    assert not any(name.startswith("work/") for name in finished)
    record = json.loads(finished[f"{ENCODE}.json"])
    steps = [point["steps"] for point in record["curve"]]
    assert steps == sorted(set(steps)) and steps[-1] == record["encode"]["fit_steps"] == 24
    assert record["encode"]["bytes"] == len(finished[f"{ENCODE}.nvc"]) and "psnr" not in record["encode"]
    assert len(VideoReader(finished[f"{ENCODE}.nvc"], device="cpu")) == 8
    assert read_container(finished[f"{ENCODE}.nvc"]).header.domain.name == "RGB"


def test_a_fit_is_planned_in_time_and_goes_on_as_planned(tiny_job: JobMaker, tmp_path: Path) -> None:
    job = tiny_job()
    job = replace(job, options=replace(job.options, frames=8))
    road = _Road(job, tmp_path / "work", ignore)
    road.prepare(120.0)
    assert road.part.budget.seconds == 120.0
    asked = iter(range(100))
    with pytest.raises(InterruptedEncodeError, match="stopped at step 4"):
        road.fit(ignore, lambda: next(asked) == 4)
    with np.load(tmp_path / "work" / "state.npz") as state:
        assert float(state["planned_seconds"]) == 120.0 and int(state["done_steps"]) == 4
    again = _Road(job, tmp_path / "work", ignore)
    again.prepare(60.0)
    assert again.part.budget.seconds == 120.0 and again.part.budget.done_steps == 4


def test_a_file_that_was_not_measured_is_the_one_an_encode_makes(tiny_job: JobMaker, tmp_path: Path) -> None:
    job = tiny_job()
    road = _Road(job, tmp_path / "work", ignore)
    road.prepare(None)
    told = road.written(road.fit(ignore, lambda: False))
    ours = read_container(Path(job.output).read_bytes())
    result = encode(job.inputs[0], tmp_path / "whole.nvc", options=job.options)
    theirs = read_container((tmp_path / "whole.nvc").read_bytes())
    assert ours.segments == theirs.segments
    assert told["bytes"] == Path(job.output).stat().st_size <= result.bytes
    same = result.to_json()
    assert {name: told[name] for name in ("parameters", "fit_steps", "frames", "model")} == {
        name: same[name] for name in ("parameters", "fit_steps", "frames", "model")
    }


def test_records_are_completed_at_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = _bench(tmp_path)
    sitting.sit([_task(ENCODE), Stub("other")], bench, tmp_path / "out", retry=False)
    home = tmp_path / "home"
    pack.unpack(tmp_path / "out", home)
    assert measure.main([str(home), "--device", "cpu"]) == 0
    record = json.loads((home / f"{ENCODE}.json").read_text())
    found = record["encode"]
    assert f"{found['psnr']['rgb']:.2f} dB RGB at" in record["line"] and record["line"] in capsys.readouterr().out
    assert found["psnr"]["y"] > 5 and 0 < found["ms_ssim_y"] < 1 and 0 <= found["worst_frame"]["index"] < 8
    assert found["measured"]["device"] == "cpu" and found["versions"]["torch"] and record["curve"]
    assert sorted(path.suffix for path in home.iterdir()) == [".json", ".json", ".nvc"]
    before = (home / f"{ENCODE}.json").read_bytes()
    assert measure.complete(home, {}, "cpu") == []
    assert measure.complete(home, {}, "cpu", again=True) == [ENCODE]
    assert (home / f"{ENCODE}.json").read_bytes() == before
    (home / f"{ENCODE}.json").write_text(json.dumps({**record, "tiny": False}))
    assert measure.main([str(home), "--again"]) == 3
    assert "--bunny FILE" in capsys.readouterr().err
    assert measure.main([str(tmp_path / "out")]) == 3
    assert "Unpack it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("now", "fit_end", "stops"),
    [
        (50.0, 60.0, False),  # in the middle
        (59.5, 60.0, False),  # there is time for what follows
        (89.5, 90.0, True),  # there is not: the fit must not end
        (85.0, 90.0, False),  # and until then it may go on
        (89.5, 150.0, False),  # the deadline is nearer than the end of the fit
        (100.0, 150.0, True),  # the deadline
    ],
)
def test_a_fit_stops_before_its_end_when_the_rest_takes_too_long(
    tmp_path: Path, now: float, fit_end: float, stops: bool
) -> None:
    time = [0.0]
    brake = _Brake(_bench(tmp_path, 100.0, lambda: time[0]), tail_s=20.0)
    brake.look(Step("round", 0.0, 0, 1, 30.0, 30.0, None, steps_per_s=100.0, eta_s=fit_end))
    time[0] = now
    assert brake.pulled() is stops


def test_the_list_is_what_the_readme_promises() -> None:
    listed = tasks()
    names = [task.name for task in listed]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert names[:2] == ["doctor", "conformance"]
    bunny = [task for task in listed if isinstance(task, Encode) and task.footage is clips.BUNNY]
    assert [task.fit_s for task in bunny] == sorted(task.fit_s for task in bunny)
    smallest = bunny[0]
    assert smallest.bpp * 1280 * 640 * 132 == pytest.approx(6 * 750_000)
    for task in bunny:
        assert task.configuration is None or (CONFIGURATIONS / task.configuration).exists()


def test_what_cannot_run_says_why(tmp_path: Path) -> None:
    bench = replace(_bench(tmp_path), tiny=False, clips=tmp_path)
    assert _task("bunny-hinerv-3M-2min").blocked(bench) == "no clip bunny"
    assert _task("speed-train-1080p-graph-bf16").blocked(bench) == "needs CUDA"
    unknown = replace(_task(ENCODE), model="nothing")  # type: ignore[call-arg]
    assert unknown.blocked(bench) == "not built yet"
    sitting.sit([unknown], bench, tmp_path / "out", retry=False)
    assert "[skipped] not built yet" in (tmp_path / "out" / "summary.txt").read_text()


def test_a_task_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = [True]

    def fail(bench: Bench) -> Record:
        if broken[0]:
            raise ZeroDivisionError("of no use\nat all")
        return {"status": "done", "line": "mended"}

    said: list[str] = []
    bench, chosen = replace(_bench(tmp_path), say=said.append), [Stub("bad", fail), Stub("good")]
    sitting.sit(chosen, bench, tmp_path / "out", retry=False)
    assert sitting.failures(chosen, bench) == 1
    files = _brought_home(tmp_path / "out")
    assert json.loads(files["good.json"])["status"] == "done"
    assert "in fail" in json.loads(files["bad.json"])["traceback"]
    assert any("in fail" in line and "ZeroDivisionError: of no use\nat all" in line for line in said)
    assert "[failed] ZeroDivisionError: of no use\n" in (tmp_path / "out" / "summary.txt").read_text()
    broken[0] = False
    sitting.sit(chosen, bench, tmp_path / "out", retry=False)
    assert sitting.failures(chosen, bench) == 1
    sitting.sit(chosen, bench, tmp_path / "out", retry=True)
    assert sitting.failures(chosen, bench) == 0


def _swallow(bench: Bench) -> Record:
    while True:
        try:
            time.sleep(30)
        except Exception:
            continue


def test_a_task_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    bench, chosen = replace(_bench(tmp_path), say=said.append), [Stub("slow", _swallow, 0.2), Stub("next")]
    sitting.sit(chosen, bench, tmp_path / "out", retry=False)
    files = _brought_home(tmp_path / "out")
    record = json.loads(files["slow.json"])
    assert record["status"] == "timeout" and "in _swallow" in record["traceback"] and record["seconds"] < 5
    assert json.loads(files["next.json"])["status"] == "done" and sitting.failures(chosen, bench) == 1
    assert any("in _swallow" in line for line in said)
    sitting.sit(chosen, bench, tmp_path / "out", retry=False)
    assert len([line for line in said if line.startswith("slow (")]) == 1  # only --retry tries it again


def test_what_a_fit_goes_on_without_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiler(*_: object, **__: object) -> Callable[..., None]:
        def broken(*_: object) -> None:
            raise RuntimeError("no toolchain")

        return broken

    monkeypatch.setattr("torch.compile", compiler)
    record = _task("speed-train-640p-compile-bf16").run(_bench(tmp_path))
    assert record["status"] == "failed" and record["steps_per_s"] > 0 and not record["way"]["compiled"]
    assert "no toolchain" in record["line"] and "in broken" in record["traceback"]


def test_what_waits_for_the_device_is_named(tmp_path: Path) -> None:
    def warn(message: str) -> None:
        warnings.warn(message, stacklevel=1)

    with heard_waits(on_cuda=False) as waits:
        for message in (*["called a synchronizing CUDA operation"] * 3, "something else"):
            warn(message)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("numpy.savez", lambda *_, **__: warn("called a synchronizing CUDA operation"))
            Checkpoint(tmp_path, Job((), ""), "").save_state(0, {})
    places = dict(waits)
    (ours,) = [place for place in places if place.startswith("nvcodec/encoder/resume/checkpoint.py:")]
    assert "np.savez" in ours and places.pop(ours) == 1
    assert list(places.values()) == [3] and "warnings.warn(message" in next(iter(places))


def test_tasks_that_take_longer_than_what_is_left_are_not_begun(tmp_path: Path) -> None:
    bench = replace(_bench(tmp_path, 5.0), tiny=False)
    sitting.sit([_task("doctor"), _task("conformance")], bench, tmp_path / "out", retry=False)
    assert set(_brought_home(tmp_path / "out")) == {"doctor.json"}
    assert "1 of 2 tasks not begun" in (tmp_path / "out" / "summary.txt").read_text()


def test_results_are_packed_in_time_though_a_task_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    codes: list[int] = []
    found: list[dict[str, bytes]] = []

    def leave(code: int) -> None:
        found.append(_brought_home(tmp_path / "out"))
        codes.append(code)
        ended.set()

    def hang(bench: Bench) -> Record:
        folder = bench.work("slow")
        folder.mkdir(parents=True)
        (folder / "job.json").write_text("{}")
        assert ended.wait(30)
        return {"status": "done", "line": "too late"}

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sitting, "RESERVE_S", sitting._LAST_RESORT_S)
    said: list[str] = []
    bench = replace(_bench(tmp_path, 2.5), say=said.append)
    sitting.sit([Stub("quick"), Stub("slow", hang)], bench, tmp_path / "out", retry=False)
    assert codes == [0]
    assert json.loads(found[0]["quick.json"])["status"] == "done"
    assert json.loads(found[0]["slow.json"])["status"] == "unfinished" and "work/slow/job.json" in found[0]
    assert any("in hang" in line for line in said)


def test_the_compilers_cache_is_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, out, random = tmp_path / "compiler", tmp_path / "out", np.random.default_rng(0)
    out.mkdir()
    assert cache.bring_home(out, home) == [] and cache.take_along([out], home) is None
    monkeypatch.setattr(cache, "LIMIT_BYTES", 3_000_000)
    for age, (name, size) in enumerate({"old/a.so": 1_500_000, "old/a.json": 50, "new/b.cubin": 1_500_000}.items()):
        path = home / "triton" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.bytes(size))
        os.utime(path.parent, (age, age))
    assert cache.bring_home(out, home) == ["triton/old"]  # as a whole: half a kernel is an error
    assert (out / cache.NAME).stat().st_size <= 3_000_000
    other = tmp_path / "other"
    said = cache.take_along([tmp_path / "nothing", out], other)
    assert said is not None and str(out / cache.NAME) in said
    assert (other / "triton/new/b.cubin").read_bytes() == (home / "triton/new/b.cubin").read_bytes()
    assert not (other / "triton/old").exists()
    (out / cache.NAME).write_bytes((out / cache.NAME).read_bytes()[:-1000])
    said = cache.take_along([out], other)
    assert said is not None and "damaged" in said and not list(other.rglob("*.cubin"))


def test_the_cache_comes_home_behind_the_results(tmp_path: Path, apart: Path) -> None:
    kernel = apart / "inductor" / "ab" / "kernel.py"

    def compile_it(bench: Bench) -> Record:
        kernel.parent.mkdir(parents=True)
        kernel.write_text("pass")
        return {"status": "done", "line": "compiled"}

    bench = replace(_bench(tmp_path), compiler=apart)
    sitting.sit([Stub("compiled", compile_it)], bench, tmp_path / "out", retry=False)
    assert len([*(tmp_path / "out").iterdir()]) == 3
    words = ["--tiny", "--only", "doctor", "--out", str(tmp_path / "next"), "--state", str(tmp_path / "out")]
    kernel.unlink()
    assert run.main(words) == 0
    assert kernel.read_text() == "pass"
    assert pack.TOTAL_BYTES + cache.LIMIT_BYTES < 64 << 20


def test_what_does_not_fit_costs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "TOTAL_BYTES", 60_000)
    random, folder = np.random.default_rng(0), tmp_path / "folder"
    for name, size in {"a.json": 100, "work/task/state.npz": 90_000, "work/task/job.json": 20, "a.nvc": 25_000}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(random.bytes(size))
    assert pack.pack(folder, tmp_path / "out") == ["work/task/job.json", "work/task/state.npz"]
    assert set(_brought_home(tmp_path / "out")) == {"a.json", "a.nvc"}


def test_parts_are_small_few_and_replaced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "PART_BYTES", 10_000)
    monkeypatch.setattr(pack, "TOTAL_BYTES", 80_000)
    random, folder, out = np.random.default_rng(0), tmp_path / "folder", tmp_path / "out"
    (folder / "work" / "task").mkdir(parents=True)
    for age, (name, size) in enumerate(
        {"a.json": 100, "work/task/state.npz": 30_000, "old.nvc": 25_000, "new.nvc": 25_000}.items()
    ):
        (folder / name).write_bytes(random.bytes(size))
        os.utime(folder / name, (age, age))
    assert pack.pack(folder, out) == ["old.nvc"]
    parts = sorted(out.iterdir())
    assert [part.name for part in parts] == [f"results.tar.gz.{index:02d}" for index in range(len(parts))]
    assert all(part.stat().st_size <= 10_000 for part in parts) and sum(part.stat().st_size for part in parts) <= 80_000
    pack.unpack(out, tmp_path / "back")
    for name in ("a.json", "work/task/state.npz", "new.nvc"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    (folder / "work/task/state.npz").unlink()
    (folder / "new.nvc").unlink()
    assert pack.pack(folder, out) == []
    assert len(list(out.iterdir())) < len(parts)
    assert set(_brought_home(out)) == {"a.json", "old.nvc"}


def test_results_with_a_part_missing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "PART_BYTES", 1000)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.nvc").write_bytes(np.random.default_rng(0).bytes(5000))
    pack.pack(tmp_path / "folder", tmp_path / "out")
    (tmp_path / "out" / "results.tar.gz.03").unlink()
    with pytest.raises(InputError, match="damaged"):
        pack.unpack(tmp_path / "out", tmp_path / "back")
    with pytest.raises(InputError, match="holds no results"):
        pack.unpack(tmp_path / "nowhere", tmp_path / "back")


def test_packages_brought_along_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "brought_along-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("brought_along.py", "answer = 42\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(carry, "OPTIONAL", ("brought_along", "numpy", "never_heard_of"))
    assert carry.provide(tmp_path / "wheels", tmp_path / "packages") == ["brought_along-1.0-py3-none-any.whl"]
    assert __import__("brought_along").answer == 42
    monkeypatch.setattr(carry, "NEEDED", ("never_heard_of",))
    with pytest.raises(InputError, match="never_heard_of is missing"):
        carry.provide(tmp_path / "wheels", tmp_path / "packages")


def test_a_clip_is_cut_packed_and_unpacked(tmp_path: Path) -> None:
    video = VideoFormat(32, 40)
    random = np.random.default_rng(0)
    pictures: list[Planes] = []
    with open_sink(tmp_path / "high.y4m", video) as sink:
        for _ in range(3):
            first, second, third = (random.integers(0, 256, shape, dtype=np.uint8) for shape in video.plane_shapes)
            pictures.append((first, second, third))
            sink.write(pictures[-1])
    footage = clips.Footage("clip", 32, 24, frames=2, first_row=8)
    (tmp_path / "clips").mkdir()
    packed = prepare.pack_clip(footage, tmp_path / "high.y4m", tmp_path / "clips")
    assert lzma.decompress(packed.read_bytes()).startswith(b"YUV4MPEG2")
    (tmp_path / "scratch").mkdir()
    path = clips.source(footage, tmp_path / "clips", tmp_path / "scratch", tiny=False)
    with open_source(path) as cut:
        assert (cut.format.width, cut.format.height, cut.frame_count) == (32, 24, 2)
        for planes, whole in zip(cut, pictures, strict=False):
            np.testing.assert_array_equal(planes[0], whole[0][8:32])
            np.testing.assert_array_equal(planes[2], whole[2][4:16])
    with pytest.raises(InputError, match="32x40"):
        clips.cut(replace(footage, first_row=20), tmp_path / "high.y4m", tmp_path / "x.y4m")


def test_mistakes_are_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tiny", "--out", str(tmp_path / "out")]
    assert run.main([*words, "--only", "nothing*"]) == 2
    assert run.main([*words, "--state", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "no task is called nothing*" in said and "holds no results" in said
