"""Several videos to one file and back, from Python."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nvcodec
from nvcodec.api.decode import file_names
from nvcodec.container import StreamHeader, read_container, write_container
from nvcodec.decoder import session
from nvcodec.encoder.plan.stream_names import stream_names
from nvcodec.errors import InputError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.types import VideoFormat

ARCHIVE = Path(__file__).parents[1] / "conformance" / "archive.nvc"
_NAMES = st.lists(st.text(max_size=12) | st.sampled_from(["a", "A", "a_2", "", "..", "../a", "con", "stream_000"]))


@pytest.fixture
def two(tmp_path, moving):
    """Paths of two small videos without frame rates."""
    paths = []
    for name, video in (("a", VideoFormat(48, 32)), ("b", VideoFormat(32, 34))):
        paths.append(tmp_path / f"{name}.y4m")
        with open_sink(paths[-1], video) as sink:
            for planes in moving(video, 3):
                sink.write(planes)
    return paths


def test_there_and_back(two, tmp_path):
    output, heard = tmp_path / "set.nvc", []
    result = nvcodec.encode_archive(
        two, output, crf=50, preset="draft", epochs=0.1, device="cpu", on_event=heard.append, fps=24
    )
    assert result.bytes == output.stat().st_size and [stream.frames for stream in result.streams] == [3, 3]
    assert any("32x34" in str(event) for event in heard)
    outcomes = nvcodec.decode_all(output.read_bytes(), tmp_path / "out", suffix=".y4m", device="cpu")
    assert [outcome.output for outcome in outcomes] == [str(tmp_path / "out" / f"{name}.y4m") for name in "ab"]
    assert all(outcome.result and outcome.result.frames == 3 for outcome in outcomes)
    assert nvcodec.probe(output).streams[1].format.fps == 24


def test_one_function_encodes_one_video_and_several(two, tmp_path):
    """It gives the bytes that the other names for it give."""
    how = {"crf": 50, "preset": "draft", "epochs": 0.1, "device": "cpu"}
    nvcodec.encode_archive(two, tmp_path / "archive.nvc", **how)
    result = nvcodec.encode(two, tmp_path / "encode.nvc", model="dnerv", **how)
    assert (tmp_path / "archive.nvc").read_bytes() == (tmp_path / "encode.nvc").read_bytes()
    assert [stream.name for stream in result.streams] == ["a", "b"] and result.width is result.height is None
    for name, source in (("alone", two[0]), ("list", [two[0]])):
        alone = nvcodec.encode(source, tmp_path / f"{name}.nvc", model="dnerv", frames=2, **how)
        assert (len(alone.streams), alone.frames, alone.width, alone.height) == (1, 2, 48, 32)
    assert (tmp_path / "alone.nvc").read_bytes() == (tmp_path / "list.nvc").read_bytes()


def test_the_file_and_what_videos_share_are_decoded_once(tmp_path, monkeypatch):
    calls = []

    def counted(name):
        real = getattr(session, name)
        return lambda *given: calls.append(name) or real(*given)

    for name in ("read_container", "decode_tensors"):
        monkeypatch.setattr(session, name, counted(name))
    nvcodec.decode_all(ARCHIVE, tmp_path, suffix=".y4m", device="cpu", check=True)
    assert sorted(calls) == ["decode_tensors", "read_container"]
    outcomes = nvcodec.decode_all(ARCHIVE, tmp_path, suffix=".y4m", device="cpu", overwrite=True)
    first, second = (outcome.result for outcome in outcomes)
    assert first and second and first.entropy_s > 0 == second.entropy_s  # a second video has only key frames to decode
    assert (first.stream, second.stream, first.streams) == (0, 1, 2)


def test_damage_names_the_file_once(tmp_path):
    whole = read_container(ARCHIVE.read_bytes())
    path = tmp_path / "damaged.nvc"
    path.write_bytes(write_container(whole.header, whole.segments, key_frames={1: whole.key_frames[1]}))
    for source, name in ((path, str(path)), (path.read_bytes(), "<bytes>")):
        first, second = nvcodec.decode_all(source, tmp_path / "out", suffix=".y4m", device="cpu", overwrite=True)
        assert second.result and first.error
        assert first.error.message == f"{name}: key frames of stream 0 (first): are missing"


def test_mistakes(two, tmp_path):
    with pytest.raises(UsageError, match='2 inputs given; model="dnerv" takes several videos'):
        nvcodec.encode(two, tmp_path / "x.nvc")
    for sources, kind, message in (
        ([], UsageError, "no video given"),
        (["-", two[0]], UsageError, "standard input is one video, and several were given"),
        ([two[0], tmp_path / "no.y4m"], InputError, "cannot read"),
    ):
        with pytest.raises(kind, match=message):
            nvcodec.encode_archive(sources, tmp_path / "x.nvc")
    with pytest.raises(UsageError, match="bitrate needs a frame rate"):
        nvcodec.encode_archive(two, tmp_path / "x.nvc", bitrate=1e5)
    assert sorted(os.listdir(tmp_path)) == ["a.y4m", "b.y4m"]


def test_a_video_without_a_rate_does_not_stop_the_others(two, tmp_path):
    nvcodec.encode_archive(two, tmp_path / "x.nvc", crf=50, preset="draft", epochs=0.1, device="cpu")
    outcomes = nvcodec.decode_all(tmp_path / "x.nvc", tmp_path / "out", device="cpu")  # .mkv wants a rate
    assert all(outcome.result is None and isinstance(outcome.error, UsageError) for outcome in outcomes)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("interpolate", [0, 65])
def test_nonsense_is_refused_before_anything_is_made(tmp_path, interpolate):
    with pytest.raises(UsageError, match=f"interpolate: {interpolate} is not in the range from 1 to 64"):
        nvcodec.decode_all(ARCHIVE, tmp_path / "out", interpolate=interpolate, device="cpu")
    assert not (tmp_path / "out").exists()


def test_what_all_streams_have_in_common_is_said_once(tmp_path):
    said = []
    nvcodec.decode_all(ARCHIVE, tmp_path, suffix=".y4m", scale="1/2", device="cpu", on_warning=said.append)
    assert said == [f"{ARCHIVE}: no preview stored for 1/2: whole frames are drawn and shrunk"]


@given(_NAMES)
def test_file_names_stay_in_their_folder(names):
    found = file_names(names)
    assert len(found) == len(names) == len({name.lower() for name in found})
    for name in found:
        assert name and not name.startswith(".") and name.isprintable()
        assert PurePosixPath("x", name).parts == ("x", name) and PureWindowsPath("x", name).parts == ("x", name)
        assert not PureWindowsPath(name).is_reserved()


def test_file_names_keep_what_they_can():
    assert file_names(["a", "A", "b.c", "über uns", "", "x/y", "..", "nul.y"]) == [
        "a", "A_2", "b.c", "über uns", "stream_004", "x_y", "stream_006", "_nul.y",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=90)))
def test_stream_names_differ_and_fit_a_header(stems):
    names = stream_names([f"folder/{stem.replace('/', '')}.mp4" for stem in stems])
    named = [name for name in names if name]
    assert len(named) == len(set(named))
    for name in names:
        StreamHeader(VideoFormat(2, 2), 1, name).to_bytes()


def test_stream_names():
    assert stream_names(["a/x.mp4", "b/x.mkv", "x.y4m", "y.mkv"]) == ["x", "x_2", "x_3", "y"]
    assert stream_names(["x.mp4", "b/x.mkv", "x_2.y4m"]) == ["x", "x_2", "x_2_2"]
    long = stream_names([f"{folder}/{'ä' * 40}.mp4" for folder in "ab"])
    assert [len(name.encode()) for name in long] == [64, 64] and long[1].endswith("_2")
