"""Where results go: what is at a name is found out first, and nothing there is harmed."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from nvcodec.errors import OutputError, RescuedError, UsageError
from nvcodec.io import output as module
from nvcodec.io.output import check_apart, check_output, file_for, part_of, place_of, write_output
from nvcodec.io.replace import exclusive, replace_with
from nvcodec.io.sink import open_sink
from nvcodec.types import VideoFormat

FORMAT = VideoFormat(16, 16, Fraction(25))
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")


def _listening(path: Path, act: Callable[[], None]) -> bytes:
    """What arrives in a pipe while something is done."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    act()
    reader.join(10)
    return found[0]


@posix
def test_a_pipe_takes_the_bytes_and_stays_a_pipe(tmp_path: Path, noise, save) -> None:
    pipe, clip = tmp_path / "pipe", noise(FORMAT, 2)
    os.mkfifo(pipe)
    assert _listening(pipe, lambda: write_output(pipe, b"result", overwrite=False)) == b"result"
    (tmp_path / "old").write_bytes(b"old ")
    assert _listening(pipe, lambda: replace_with(tmp_path / "old", b"new", pipe)) == b"old new"

    def encode() -> None:
        with file_for(pipe) as file:
            Path(file).write_bytes(b"whole")

    assert _listening(pipe, encode) == b"whole"
    link = tmp_path / "link.yuv"
    link.symlink_to(pipe)
    for name, suffix in ((pipe, ".y4m"), (link, ".yuv")):
        save(tmp_path / f"a{suffix}", FORMAT, clip)
        got = _listening(pipe, lambda name=name: save(name, FORMAT, clip))  # type: ignore[misc]
        assert got == (tmp_path / f"a{suffix}").read_bytes()
    assert pipe.is_fifo() and link.is_symlink()


@posix
def test_an_open_descriptor_is_written_on(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with file.open("wb") as stream:
        stream.write(b"begun, ")
        stream.flush()
        write_output(f"/dev/fd/{stream.fileno()}", b"ended", overwrite=False)
        number = stream.fileno()
    assert file.read_bytes() == b"begun, ended"
    with pytest.raises(UsageError, match="is not open"):
        place_of(f"/dev/fd/{number}")


@posix
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".png"])
def test_what_needs_a_file_is_not_written_into_a_stream(tmp_path: Path, suffix: str) -> None:
    pipe = tmp_path / f"a{suffix}"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match=f"is no file, and a {suffix} cannot be written as a stream"):
        open_sink(pipe, FORMAT, overwrite=True)
    assert pipe.is_fifo()


@posix
def test_numbered_pictures_replace_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "00002.png")
    with pytest.raises(UsageError, match="00002.png is no file"):
        open_sink(f"{tmp_path}/", FORMAT, overwrite=True)


@posix
def test_kinds_that_nothing_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name, message in {"socket": "is a socket", ".": "is a folder", "loop": "leads nowhere"}.items():
            with pytest.raises(UsageError, match=message):
                check_output(name, overwrite=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_stay_devices(noise, save) -> None:
    for name in ("/dev/null", "/dev/full"):
        assert check_output(name, overwrite=False).is_stream
    write_output("/dev/null", b"gone", overwrite=True)
    save("/dev/null", FORMAT, noise(FORMAT, 2), overwrite=True)
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left"):
        write_output("/dev/full", b"gone", overwrite=True)
    with pytest.raises(RescuedError, match="No space left on device; what was made is") as caught:  # noqa: SIM117
        with file_for("/dev/full") as file:
            Path(file).write_bytes(b"precious")
    kept = Path(caught.value.message.split("what was made is ")[1])
    assert kept.read_bytes() == b"precious"
    kept.unlink()
    kept.parent.rmdir()
    assert all(Path(name).is_char_device() for name in ("/dev/null", "/dev/full"))


@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    path, names = tmp_path / "a.csv", ["a.rescued.csv", "a.rescued-2.csv"]
    write_output(path, b"first", overwrite=False)
    for data, name in zip((b"second", b"third"), names, strict=True):
        with pytest.raises(RescuedError, match="appeared meanwhile and was left alone") as caught:
            write_output(path, data, overwrite=False)
        assert (tmp_path / name).read_bytes() == data and name in caught.value.message
    assert path.read_bytes() == b"first"
    write_output(path, b"last", overwrite=True)
    assert path.read_bytes() == b"last" and sorted(os.listdir(tmp_path)) == sorted(["a.csv", *names])


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ".mp4", ".png"])
def test_a_video_that_appears_meanwhile_is_left_alone(tmp_path: Path, noise, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(RescuedError, match=f"a{suffix} appeared meanwhile"), open_sink(path, FORMAT) as sink:
        sink.write(noise(FORMAT, 1)[0])
        path.write_bytes(b"precious")
    assert path.read_bytes() == b"precious" and (tmp_path / f"a.rescued{suffix}").stat().st_size > 60
    assert len(os.listdir(tmp_path)) == 2


def test_pictures_that_appear_meanwhile_are_left_alone(tmp_path: Path, noise) -> None:
    with pytest.raises(RescuedError, match="00002.png appeared"), open_sink(f"{tmp_path}/", FORMAT) as sink:
        for planes in noise(FORMAT, 3):
            sink.write(planes)
        (tmp_path / "00002.png").write_bytes(b"precious")
    assert sorted(os.listdir(tmp_path)) == ["00002.png", "pictures.rescued"]
    assert len(os.listdir(tmp_path / "pictures.rescued")) == 3


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("way", ["write_output", "replace_with", "open_sink"])
def test_links_stay_and_lead_to_the_new_file(tmp_path: Path, noise, save, there: bool, way: str) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.y4m", tmp_path / "link.y4m"
    link.symlink_to(Path("real") / "a.y4m")
    (tmp_path / "old").write_bytes(b"old")
    if there:
        target.write_bytes(b"before")
    if way == "write_output":
        write_output(link, b"new", overwrite=True)
    elif way == "replace_with":
        replace_with(tmp_path / "old", b"new", link)
    else:
        save(link, FORMAT, noise(FORMAT, 1), overwrite=True)
    assert link.is_symlink() and target.read_bytes()[:3] in (b"new", b"old", b"YUV")
    assert sorted(os.listdir(tmp_path)) == ["link.y4m", "old", "real"] and os.listdir(tmp_path / "real") == ["a.y4m"]


def test_files_are_told_apart_by_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("frames").mkdir()
    for name in ("a", "b", "frames/1.png"):
        Path(name).write_bytes(b"x")
    os.link("a", "hard")
    os.link("frames/1.png", "picture")
    os.symlink("a", "soft")
    os.symlink(tmp_path / "new", "to_new")
    for output, given in (
        ("a", "a"), ("./a", f"{tmp_path}/a"), ("hard", "a"), ("soft", "hard"), ("picture", "frames"),
        ("frames/1.png", "frames/"),
    ):  # fmt: skip
        for outputs, inputs in (([output, "new"], ["b", given]), (["new", output], [given])):
            with pytest.raises(UsageError, match=f"{output} is the input itself"):
                check_apart(outputs, inputs)
    for first, second in (("a", "hard"), ("new", "./new"), ("new", "frames/../new"), ("new", "to_new")):
        with pytest.raises(UsageError, match="are one file"):
            check_apart([first, second])
    check_apart(["new", "frames/2.png", "b", "/dev/null", "/dev/null"], ["a", "frames", "/dev/null", "missing", "-"])


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    for name in ("replace", "link"):
        monkeypatch.setattr(module.os, name, full)
    with pytest.raises(OutputError, match="cannot write .*a.csv: No space left on device"):
        write_output(path, b"new", overwrite=True)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.csv"]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'ä' * 125}.csv"  # 254 bytes, as long as names may be
    write_output(path, b"x", overwrite=False)
    with pytest.raises(RescuedError):
        write_output(path, b"y", overwrite=False)
    assert path.read_bytes() == b"x" and len(part_of(path).name) < 100


def test_locks_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with exclusive(tmp_path / "a"), exclusive(tmp_path / "b"):
        assert len(os.listdir(tmp_path / "temporary")) == 2
    assert os.listdir(tmp_path / "temporary") == []


def test_a_lock_that_was_just_removed_is_not_shared(tmp_path: Path) -> None:
    """Many threads, each with a lock file that others remove: two are never inside at once."""
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            try:
                with exclusive(tmp_path / "a"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except UsageError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
