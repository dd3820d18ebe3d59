"""Disks that fill up: refused before the fit, or the fit is kept; whatever the moment, the same command goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nvcodec import resume
from nvcodec.config.job import Job
from nvcodec.config.options import EncodeOptions
from nvcodec.encoder.encode import encode
from nvcodec.encoder.fit.events import Event, Notice, Step
from nvcodec.encoder.resume import autosave
from nvcodec.encoder.resume.work_folder import in_use
from nvcodec.errors import InterruptedEncodeError, OutputError, UsageError

JobMaker = Callable[..., Job]


class Disk:
    """A disk of some size: files below a folder can be made and grow only while all of them fit on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.room = folder, 1 << 30
        whole_fsync = os.fsync

        def fsync(descriptor: int) -> None:  # everything that must not be lost is followed by one
            if self.used() > self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            whole_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    def used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @contextmanager
    def full(self, left: int = 0) -> Iterator[None]:
        self.room, before = self.used() + left, self.room
        try:
            yield
        finally:
            self.room = before

    def fill(self) -> None:
        self.room = self.used()

    def make_room(self) -> None:
        self.room = 1 << 30


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def _bytes(job: Job) -> bytes:
    return Path(job.output).read_bytes()


@pytest.mark.parametrize(("layer", "segment"), [(False, None), (False, 4), (True, None)])
def test_a_disk_that_fills_up_while_it_is_fitted(
    tiny_job: JobMaker, tmp_path: Path, disk: Disk, layer: bool, segment: int | None
) -> None:
    straight, job = (tiny_job(segment=segment, value=2500, output=name) for name in ("straight.nvc", "x.nvc"))
    encode(straight)
    if layer:
        options = EncodeOptions(preset="draft", device="cpu", epochs=2, parameters=900)
        straight, job = (Job(job.inputs, name, options, straight.output) for name in (job.output, f"{job.output}.2"))
        encode(straight)
    folder, steps = tmp_path / "work", [0]

    def fill(event: Event) -> None:
        steps[0] += isinstance(event, Step)
        if steps[0] == 1 or (steps[0] and segment):  # where something is saved in the room for a state, for good
            disk.fill()

    with pytest.raises(OutputError, match="cannot write .*: No space left") as caught:
        encode(job, work_dir=folder, on_event=fill)
    kept = "An earlier state is there" if segment else "The fit is saved"  # of the second segment nothing
    assert caught.value.hint == f"{kept}. Make room, then:  nvcodec.resume({str(folder)!r})"
    assert not Path(job.output).exists() and not [path for path in tmp_path.rglob("*part") if path.is_file()]
    disk.make_room()
    again: list[Event] = []
    resume(folder, on_event=again.append)
    fitted = {event.stage for event in again if isinstance(event, Step)}
    assert bool(fitted) == bool(segment) and all("2/2" in stage for stage in fitted)
    assert _bytes(job) == _bytes(straight) and not folder.exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_fit(
    tiny_job: JobMaker, tmp_path: Path, disk: Disk
) -> None:
    events: list[Event] = []
    with disk.full(left=1000), pytest.raises(OutputError, match="cannot write to the work folder .*: No space"):
        encode(tiny_job(), work_dir=tmp_path / "work", on_event=events.append)
    assert not any(isinstance(event, Step) for event in events)
    assert [path.suffix for path in tmp_path.iterdir()] == [".y4m"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot write to the work folder .*: Not a directory"):
        encode(tiny_job(), work_dir=tmp_path / "file" / "work", on_event=events.append)


def test_a_state_that_cannot_be_saved_is_told_and_the_last_one_stays(
    tiny_job: JobMaker, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave, "_SPACING_S", 0.0)
    monkeypatch.setattr("nvcodec.encoder.fit.fit._EVENT_SPACING_S", -1.0)  # it saves between steps that are told
    straight, job, folder = tiny_job(output="straight.nvc"), tiny_job(), tmp_path / "work"
    encode(straight)
    events: list[Event] = []

    asked = iter(range(100))

    def fill_then_stop() -> bool:
        step = next(asked)
        if step == 12:
            disk.fill()
        return step >= 20

    with pytest.raises(InterruptedEncodeError, match="stopped; cannot save the state in .*: No space") as caught:
        encode(job, work_dir=folder, on_event=events.append, should_stop=fill_then_stop)
    assert caught.value.hint == f"An earlier state is there. Make room, then:  nvcodec.resume({str(folder)!r})"
    assert any(isinstance(event, Notice) and "cannot save the state" in event.message for event in events)
    disk.make_room()
    resume(folder)
    assert _bytes(job) == _bytes(straight)


def test_without_a_folder_the_finished_file_is_kept(
    tiny_job: JobMaker, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := tmp_path.with_name(f"{tmp_path.name}_2")).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    job = tiny_job()
    with disk.full(), pytest.raises(OutputError, match="cannot write .*: No space left") as caught:
        encode(job)
    kept = Path(caught.value.hint.removeprefix("What was made is kept as "))
    assert kept.parent == elsewhere and kept.stat().st_size > 500 and not Path(job.output).exists()


@pytest.mark.parametrize("digest", ["", "0123", "x" * 64])
@pytest.mark.parametrize("begun", [True, False])
def test_a_digest_that_was_not_written_whole_is_no_other_source(
    tiny_job: JobMaker, tmp_path: Path, digest: str, begun: bool
) -> None:
    job, folder, events = tiny_job(epochs=1), tmp_path / "work", []
    if begun:
        with pytest.raises(InterruptedEncodeError):
            encode(job, work_dir=folder, should_stop=lambda: True)
    folder.mkdir(exist_ok=True)
    (folder / "source.sha256").write_text(digest)
    encode(job, work_dir=folder, on_event=events.append)
    assert any("source.sha256 is damaged" in getattr(event, "message", "") for event in events)
    assert Path(job.output).exists() and not folder.exists()


def test_a_folder_is_left_as_it_was_found(tiny_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails before anything was saved leaves nothing that another encode would trip over."""
    folder = tmp_path / "work"
    with pytest.raises(ZeroDivisionError):
        encode(tiny_job(), work_dir=folder, on_event=lambda event: 1 / 0)
    assert not folder.exists()


def test_two_encodes_do_not_mix(tiny_job: JobMaker, tmp_path: Path) -> None:
    folder = tmp_path / "work"

    def begin_another(event: Event) -> None:
        if isinstance(event, Step):
            with pytest.raises(UsageError, match="work is being used by another nvc"):
                encode(tiny_job(output="y.nvc"), work_dir=folder)
            with pytest.raises(UsageError, match="x.nvc is being changed by another nvc"):
                encode(tiny_job(output="x.nvc"))

    encode(tiny_job(epochs=1, output="x.nvc"), work_dir=folder, on_event=begin_another)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".y4m") == ["x.nvc"]
    with in_use(folder):
        assert [path.name for path in folder.iterdir()] == ["lock"]
    assert not folder.exists()
