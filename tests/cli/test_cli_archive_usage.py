"""What archives cannot do is refused at once, with a remedy, and without a trace on disk."""

from __future__ import annotations

import os

import pytest

from nvcodec.cli._inputs import expand
from nvcodec.errors import InputError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("clip.y4m clip.y4m", "2 inputs given; --model dnerv takes several videos"),
        ("clip.y4m clip.y4m -m tenerv", "2 inputs given; --model dnerv takes several videos"),
        ("@list.txt", "the list @list.txt given; --model dnerv takes several videos"),
        ("clip.y4m - -m dnerv", "standard input is one video, and several were given\n  Give files"),
        ("clip.y4m clip.y4m -m dnerv --recon x.y4m", "--recon x.y4m is one file, for several videos\n  Name a folder"),
        ("clip.y4m clip.y4m -m dnerv --recon no/videos", "no is not a folder; cannot write no/videos"),
        ("clip.y4m -m dnerv --recon videos", "--recon videos is neither .y4m nor .yuv\n  For other kinds decode"),
        ("clip.y4m -m dnerv --recon clip.y4m", "clip.y4m is the input itself"),
        ("clip.y4m -m dnerv --preview", "--preview is for the models msnerv and tenerv"),
        ("clip.y4m -m dnerv -s 32x32", "clip.y4m says 64x48"),
        ("clip.y4m -m dnerv --bpp 1 --crf 3", "--crf and --bpp both given"),
        ("clip.y4m -m dnerv --set model.clips=2", "Did you mean model.clip?"),
        ("--resume w -m dnerv", "--model cannot be given with --resume"),
    ],
)
def test_encode(nvc, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.y4m").write_bytes(clip.read_bytes())
    (tmp_path / "list.txt").write_text("clip.y4m\n")
    output = [] if "--resume" in words else ["-o", "x.nvc"]
    outcome = nvc("encode", *words.split(), *output)
    assert (outcome.code, outcome.out) == (2, b"") and message in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["clip.y4m", "list.txt"]


def test_output_among_the_inputs(nvc, clip, tmp_path):
    copy = tmp_path / "clip.y4m"
    copy.write_bytes(clip.read_bytes())
    outcome = nvc("encode", clip, copy, "-o", copy, "-y", "-m", "dnerv")
    assert outcome.code == 2 and "is the input itself" in outcome.err and copy.read_bytes() == clip.read_bytes()
    assert "no output given\n  Name the bitstream:  -o set.nvc" in nvc("encode", clip, copy, "-m", "dnerv").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--all -o x.y4m", "x.y4m is no folder"),
        ("--all -o -", "not standard output"),
        ("--all -o no/videos", "no is not a folder"),
        ("--all", "no output given"),
        ("--all -o videos --stream 1", "--stream cannot be given with --all"),
        ("--all -o videos --seek 1", "--seek cannot be given with --all"),
        ("--all -o videos -n 1", "--frames cannot be given with --all"),
        ("--all -o videos --layers 3", "has no layer 3"),
        ("--all -o videos --device abacus", "'abacus' is no device"),
        ("-o x.y4m --format mkv", "--format is for --all"),
    ],
)
def test_decode(nvc, coded, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    outcome = nvc("decode", coded, *words.split())
    assert (outcome.code, outcome.out) == (2, b"") and message in outcome.err
    assert not any(files for _, _, files in os.walk(tmp_path))


def test_inputs(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("b.mkv", "a.MP4", "c.txt", ".d.mkv"):
        (folder / name).touch()
    (tmp_path / "list.txt").write_text("\ufeff# videos\n\n  videos/b.mkv  \n/somewhere/else.y4m\nvideos\n")
    (tmp_path / "@at.y4m").touch()
    within = [str(folder / "a.MP4"), str(folder / "b.mkv")]
    assert expand([str(folder), "x.y4m"]) == [*within, "x.y4m"]
    assert expand([f"@{tmp_path / 'list.txt'}"]) == [within[1], "/somewhere/else.y4m", *within]
    assert expand([str(tmp_path / "@at.y4m")]) == [str(tmp_path / "@at.y4m")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.txt", b"# nothing\n\n", "names no video"),
        ("list.txt", b"\xff\xfe\xff", "no UTF-8 text"),
        ("other.txt", b"", "cannot read the list"),
    ],
)
def test_lists_without_videos(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        expand([f"@{tmp_path / 'list.txt'}"])


def test_folders_without_videos(tmp_path):
    with pytest.raises(InputError, match="holds no video"):
        expand([str(tmp_path)])
    (tmp_path / "readme.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no video"):
        expand([str(tmp_path)])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_folders_of_pictures_are_videos(tmp_path, suffix):
    """By themselves, and in a folder of them beside files."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}{suffix}").touch()
    assert expand([str(tmp_path / "a")]) == [str(tmp_path / "a")]
    assert expand([str(tmp_path)]) == [str(tmp_path / "a"), str(tmp_path / "b")]
    (tmp_path / "a.mkv").touch()
    (tmp_path / "thumbnail.png").touch()
    assert expand([str(tmp_path)]) == [str(tmp_path / name) for name in ("a", "a.mkv", "b")]
