"""Writing: all or nothing, never over something by accident, and conversions between RGB and YUV files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvcodec.color import rgb_to_yuv
from nvcodec.errors import UsageError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, VideoFormat

FORMAT = VideoFormat(16, 16, Fraction(25))
SUFFIXES = [".y4m", ".yuv", ".mkv", ".mp4", ".png"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_exception_leaves_nothing_and_keeps_the_old_file(tmp_path: Path, noise, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for old in (None, b"precious"):
        if old:
            path.write_bytes(old)
        with pytest.raises(KeyboardInterrupt), open_sink(path, FORMAT, overwrite=True) as sink:
            sink.write(noise(FORMAT, 1)[0])
            raise KeyboardInterrupt
        assert (path.read_bytes() if path.exists() else None) == old
        assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if old else [])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_appears_before_close(tmp_path: Path, noise, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    sink = open_sink(path, FORMAT)
    sink.write(noise(FORMAT, 1)[0])
    assert not path.exists()
    sink.close()
    sink.close()
    sink.abort()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with open_source(path, size=(16, 16)) as source:
        assert len(list(source)) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_existing_files_need_overwrite(tmp_path: Path, noise, save, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(UsageError, match=f"a{suffix} exists; add overwrite=True to replace it"):
        open_sink(path, FORMAT)
    assert path.read_bytes() == b"old"
    save(path, FORMAT, noise(FORMAT, 1), overwrite=True)
    assert path.stat().st_size > 60


@pytest.mark.parametrize("target", ["frames/", "frames/%05d.png"])
def test_shorter_picture_sequences_replace_longer_ones(tmp_path: Path, noise, save, load, same, target: str) -> None:
    (tmp_path / "frames").mkdir()
    format = VideoFormat(8, 8, chroma=ChromaFormat.RGB)
    path = f"{tmp_path}/{target}"
    save(path, format, noise(format, 5))
    (tmp_path / "frames" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError, match="00001.png exists"):
        open_sink(path, format)
    clip = noise(format, 3, seed=1)
    save(path, format, clip, overwrite=True)
    assert same(load(tmp_path / "frames"), clip)
    with pytest.raises(ZeroDivisionError), open_sink(path, format, overwrite=True) as sink:
        sink.write(noise(format, 1)[0])
        raise ZeroDivisionError
    assert same(load(tmp_path / "frames"), clip)
    assert (tmp_path / "frames" / "notes.txt").read_text() == "keep"


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    for name, message in {
        "missing/a.y4m": "missing is not a folder",
        "missing/frames/": "missing is not a folder",
        "a.nvc": "cannot tell what kind of video",
        "a": "cannot tell what kind of video",
    }.items():
        with pytest.raises(UsageError, match=message) as caught:
            open_sink(f"{tmp_path}/{name}", FORMAT)
        assert caught.value.hint
    (tmp_path / "folder.y4m").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        open_sink(tmp_path / "folder.y4m", FORMAT, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_way_of_a_picture_is_named(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "00002.png").mkdir()
    for target in (f"{tmp_path}/", f"{tmp_path}/%05d.png", f"{tmp_path}/00002.png"):
        with pytest.raises(UsageError, match="00002.png is a folder") as caught:
            open_sink(target, FORMAT, overwrite=overwrite)
        assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["00002.png"]


def test_full_disk_is_reported_and_cleaned_up(tmp_path: Path, noise, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match="No space left on device"), open_sink(tmp_path / "a.y4m", FORMAT) as sink:
        monkeypatch.setattr("nvcodec.io.y4m.write_planes", full)
        sink.write(noise(FORMAT, 1)[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_video_without_pictures_is_none(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError, match="no picture to write"), open_sink(tmp_path / f"a{suffix}", FORMAT):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".y4m", ".yuv"])
@pytest.mark.parametrize(
    ("colour", "height"), [(Colour(1, 13, 0, True), 720), (Colour(1, 13, 0, True), 18), (Colour(9, 14, 9), 18)]
)
def test_rgb_becomes_yuv_where_the_file_needs_it(
    tmp_path: Path, noise, save, load, same, suffix: str, colour: Colour, height: int
) -> None:
    format = VideoFormat(22, height, Fraction(25), chroma=ChromaFormat.RGB, colour=colour)
    clip = noise(format, 2)
    save(tmp_path / f"a{suffix}", format, clip)
    assert same(load(tmp_path / f"a{suffix}", size=(22, height)), [rgb_to_yuv(planes, format) for planes in clip])


def test_rgb_mp4_says_its_matrix(tmp_path: Path, save) -> None:
    format = VideoFormat(64, 48, Fraction(25), chroma=ChromaFormat.RGB, colour=Colour(1, 13, 0, True))
    red = (np.full((48, 64), 255, np.uint8), np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8))
    save(tmp_path / "a.mp4", format, [red])
    with open_source(tmp_path / "a.mp4") as source:
        assert source.format.colour == Colour(1, 13, 6, False)
        y, u, v = next(iter(source))
    assert [int(plane[8, 8]) for plane in (y, u, v)] == pytest.approx([81, 90, 240], abs=2)
