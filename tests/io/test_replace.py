"""Changing a file in place: whatever stops the writer, the old file or the new one is there, and nothing else."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nvcodec.container import (
    BaseSegment,
    Domain,
    ModelId,
    PackSegment,
    SequenceHeader,
    StreamHeader,
    appended,
    pack_file,
    read_container,
    write_container,
)
from nvcodec.errors import InputError, UsageError
from nvcodec.io.replace import exclusive, replace_with
from nvcodec.types import VideoFormat

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")


@pytest.fixture
def base() -> bytes:
    """Two segments, large enough that writing them takes a while."""
    header = SequenceHeader(ModelId.MSNERV, Domain.YUV420, (StreamHeader(VideoFormat(64, 48), 8),), b"")
    return write_container(header, [BaseSegment(0, 0, 4, b"w" * 1_000_000), BaseSegment(0, 4, 4, b"second")])


@pytest.fixture
def grown(base: bytes) -> bytes:
    container = read_container(base)
    packs = [
        PackSegment(n, 1, container.layer_id(n, 0), 1, b"", bytes(16), 0, b"p" * 2_000_000 * (1 - n)) for n in range(2)
    ]
    return base + appended(base, packs)


def _run(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True)


_LOOP = """
import sys
from nvcodec.api.layers import append, strip
print("ready", flush=True)
while True:
    append(sys.argv[1], sys.argv[2])
    strip(sys.argv[1], layers=0)
"""


@posix
def test_killed_at_any_time(tmp_path: Path, base: bytes, grown: bytes) -> None:
    file, layer = tmp_path / "clip.nvc", tmp_path / "layer.nvcl"
    file.write_bytes(base)
    layer.write_bytes(pack_file(read_container(grown), 1))
    moments = random.Random(1)
    for _ in range(4):
        process = _run(_LOOP, str(file), str(layer))
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.communicate()
        assert file.read_bytes() in (base, grown)
        assert read_container(file.read_bytes()).warnings == ()
    with exclusive(file):  # which the killed ones do not hold any more
        replace_with(file, b"", file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.nvc", "layer.nvcl"]


_LINE_BY_LINE = """
import os, signal, sys
from nvcodec.io import replace as appending

file, tail = sys.argv[1], open(sys.argv[2], "rb").read()
old = open(file, "rb").read()

def die_at(line):
    seen = 0
    def trace(frame, event, _):
        nonlocal seen
        if frame.f_code.co_filename != appending.__file__:
            return None
        seen += event == "line"
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

killed, line, found = True, 0, []
while killed:
    line += 1
    pid = os.fork()
    if pid == 0:
        sys.settrace(die_at(line))
        with appending.exclusive(file):
            appending.replace_with(file, tail, file)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    found.append(open(file, "rb").read())
    assert found[-1] in (old, old + tail), line
    open(file, "wb").write(old)
print(line, found.index(old + tail))
"""


@posix
def test_killed_at_every_line(tmp_path: Path, base: bytes, grown: bytes) -> None:
    file, tail = tmp_path / "clip.nvc", tmp_path / "tail"
    file.write_bytes(base)
    tail.write_bytes(grown[len(base) :])
    process = _run(_LINE_BY_LINE, str(file), str(tail))
    lines, changed_at = map(int, process.communicate()[0].split())
    assert process.returncode == 0
    assert lines > 30 and changed_at > 25


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "clip.nvc"
    file.write_bytes(b"x")
    link = tmp_path / "link.nvc"
    link.symlink_to(file)
    program = "import sys; from nvcodec.io.replace import exclusive\nwith exclusive(sys.argv[1]): print('in')"
    with exclusive(file):
        for other in (file, link, tmp_path / "." / "clip.nvc"):
            with pytest.raises(UsageError, match="is being changed by another nvc") as caught, exclusive(other):
                pass
            assert caught.value.hint == "Wait until it has ended, then try again"
        process = _run(program.replace("with", "try:\n  with", 1) + "\nexcept Exception as e: print(e)", str(file))
        assert "is being changed by another nvc" in process.communicate()[0]
        with exclusive(tmp_path / "other.nvc"):
            pass
    assert _run(program, str(file)).communicate()[0] == "in\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.nvc", "link.nvc"]


def test_old_bytes_then_new_ones(tmp_path: Path) -> None:
    file, copy = tmp_path / "clip.nvc", tmp_path / "copy.nvc"
    file.write_bytes(b"old")
    file.chmod(0o640)
    replace_with(file, b" and new", copy)
    assert (file.read_bytes(), copy.read_bytes()) == (b"old", b"old and new")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640
    file.chmod(0o600)
    replace_with(copy, b"", file, keep=7)
    assert file.read_bytes() == b"old and" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_changed_meanwhile_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "clip.nvc"
    file.write_bytes(b"other")
    with pytest.raises(UsageError, match="was changed by something else meanwhile"):
        replace_with(file, b"+", file, made_for=b"old")
    assert file.read_bytes() == b"other" and list(tmp_path.iterdir()) == [file]
    replace_with(file, b"+", file, made_for=b"other")
    assert file.read_bytes() == b"other+"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file, link = tmp_path / "real" / "clip.nvc", tmp_path / "clip.nvc"
    file.write_bytes(b"old")
    link.symlink_to(file)
    replace_with(link, b"+", link)
    assert link.is_symlink() and file.read_bytes() == b"old+"
    assert len(list((tmp_path / "real").iterdir())) == 1


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "clip.nvc"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(UsageError) as caught:
        replace_with(file, b"new", file)
    assert caught.value.message == f"cannot write {file}: No space left on device"
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


@posix
def test_a_disk_that_fills_up_while_writing(tmp_path: Path) -> None:
    """A real limit: the system refuses to let files grow beyond 64 kB."""
    file = tmp_path / "clip.nvc"
    file.write_bytes(b"old")
    program = """
import resource, signal, sys
from nvcodec.io.replace import replace_with
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    replace_with(sys.argv[1], bytes(1 << 20), sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""
    assert _run(program, str(file)).communicate()[0] == f"OutputError cannot write {file}: File too large\n"
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clip.nvc"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        replace_with(file, b"new", file)
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*missing.nvc: No such file"):
        replace_with(tmp_path / "missing.nvc", b"", tmp_path / "x.nvc")
    file = tmp_path / "clip.nvc"
    file.write_bytes(b"old")
    with pytest.raises(UsageError, match="cannot write .*x.nvc: No such file"):
        replace_with(file, b"", tmp_path / "nowhere" / "x.nvc")
    with pytest.raises(UsageError, match=" is a folder"):
        replace_with(file, b"", tmp_path)
    assert file.read_bytes() == b"old"
    assert not Path(f"{tmp_path}.part").exists()
