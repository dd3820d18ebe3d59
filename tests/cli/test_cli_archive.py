"""Several videos in one file, from end to end: real bytes, real pictures, real damage."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.cli.main import main
from nvcodec.container import read_container, write_container
from nvcodec.errors import BitstreamError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import VideoFormat

QUICK = ("--model", "dnerv", "--preset", "draft", "--epochs", "0.1", "--target-size", "6kB")
WIDE, TALL = VideoFormat(64, 48, Fraction(25)), VideoFormat(37, 53, Fraction(30000, 1001))
LENGTHS = {"wide": 19, "tall": 9}


def _write(path: Path, video: VideoFormat, frames: int) -> None:
    with open_sink(path, video) as sink:
        for time in range(frames):
            planes = []
            for rows, columns in video.plane_shapes:
                y, x = np.mgrid[0:rows, 0:columns]
                planes.append(np.rint(128 + 60 * np.sin(x / 7 + time / 3) * np.cos(y / 9)).astype(np.uint8))
            sink.write((planes[0], planes[1], planes[2]))


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    """A folder with wide.y4m and tall.y4m, which differ in size, length and frame rate."""
    folder: Path = tmp_path_factory.mktemp("videos")
    _write(folder / "wide.y4m", WIDE, LENGTHS["wide"])
    _write(folder / "tall.y4m", TALL, LENGTHS["tall"])
    return folder


@pytest.fixture(scope="session")
def archive(videos, tmp_path_factory) -> Path:
    """Both in one file, encoded in a moment and badly; not to be changed."""
    path: Path = tmp_path_factory.mktemp("archive") / "set.nvc"
    with pytest.raises(SystemExit) as end:
        main(["encode", str(videos / "wide.y4m"), str(videos / "tall.y4m"), "-o", str(path), *QUICK, "-q"])
    assert not end.value.code
    return path


def _flipped(data: bytes) -> bytes:
    """Other bytes in the key frames of the second stream."""
    chunk = [chunk for chunk in read_container(data).chunks if chunk.type == "KEYF"][1]
    damaged = bytearray(data)
    damaged[chunk.end - 40] ^= 0xFF
    return bytes(damaged)


def _undecodable(data: bytes) -> bytes:
    """Key frames whose checksum is right, but which are no AV1."""
    container = read_container(data)
    keys = container.key_frames[1]
    broken = replace(keys, packets=(bytes(len(keys.packets[0])), *keys.packets[1:]))
    return _written(data, {0: container.key_frames[0], 1: broken})


def _deleted(data: bytes) -> bytes:
    """No key frames of the second stream at all."""
    return _written(data, {0: read_container(data).key_frames[0]})


def _written(data: bytes, key_frames) -> bytes:
    container = read_container(data)
    return write_container(
        container.header, container.segments, container.digests.values(), container.metadata, key_frames=key_frames
    )


DAMAGES = [_flipped, _undecodable, _deleted]


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def damaged(request, archive, tmp_path) -> Path:
    path: Path = tmp_path / "bad.nvc"
    path.write_bytes(request.param(archive.read_bytes()))
    return path


def _geometry(path: Path) -> tuple[int, int, Fraction | None, int]:
    with open_source(path) as source:
        return source.format.width, source.format.height, source.format.fps, sum(1 for _ in source)


def test_encode_reports_every_video(nvc, videos, tmp_path):
    output = tmp_path / "set.nvc"
    outcome = nvc("encode", videos / "wide.y4m", videos / "tall.y4m", "-o", output, *QUICK, "--json")
    assert outcome.code == 0
    result = outcome.json
    assert result["schema"] == "nvc-encode-archive/1" and result["target_reached"] is True
    assert result["bytes"] == output.stat().st_size <= 6000
    assert result["bpp"] == pytest.approx(8 * result["bytes"] / (64 * 48 * 19 + 37 * 53 * 9))
    assert [(s["name"], s["width"], s["height"], s["frames"]) for s in result["streams"]] == [
        ("wide", 64, 48, 19),
        ("tall", 37, 53, 9),
    ]
    # what is said of one video is said of all together; sizes that differ are none
    assert (result["frames"], result["width"], result["height"], result["layers"]) == (28, None, None, 1)
    means = [stream["psnr"]["yuv_611"] for stream in result["streams"]]
    assert result["psnr"]["yuv_611"] == result["psnr_yuv_611"] == pytest.approx(sum(means) / 2)
    assert result["kbps"] == pytest.approx(8 * result["bytes"] / (19 / 25 + 9 * 1001 / 30000) / 1000)
    network_bits = 8 * (result["bytes"] - result["key_frame_bytes"])
    assert result["bits_per_parameter"] == pytest.approx(network_bits / result["parameters"])
    *_, header, wide, tall, file, network = outcome.err.splitlines()
    assert header.split() == ["video", "size", "frames", "PSNR", "6:1:1", "MS-SSIM", "Y", "key-frame", "bytes"]
    assert wide.split()[:3] == ["wide", "64x48", "19"] and tall.split()[:3] == ["tall", "37x53", "9"]
    assert f"{result['streams'][1]['psnr']['yuv_611']:.2f}" in tall
    assert file.startswith(f"{output}  ") and "2 videos, 28 frames" in file and "dB on average" in file
    assert network.startswith("dnerv ") and " key frames " in network and network.endswith("verified")
    assert os.listdir(tmp_path) == ["set.nvc"]
    assert nvcodec.probe(output).key_frames(0).bytes == result["streams"][0]["key_frame_bytes"]


def test_a_folder_a_list_and_names_that_meet(nvc, videos, tmp_path):
    (tmp_path / "more").mkdir()
    shutil.copy(videos / "wide.y4m", tmp_path / "more")
    (tmp_path / "more" / "notes.txt").write_text("no video")
    (tmp_path / "more" / ".hidden.y4m").write_text("no video")
    lines = ["# what there is", "", os.path.relpath(videos / "wide.y4m", tmp_path)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    words = [tmp_path / "more", f"@{tmp_path / 'list.txt'}", "-o", tmp_path / "x.nvc"]
    outcome = nvc("encode", *words, *QUICK, "-n", "2", "--progress", "json")
    assert outcome.code == 0 and '"event": "result"' in outcome.err.splitlines()[-1]
    last = next(line for line in reversed(outcome.err.splitlines()) if '"event": "step"' in line)
    assert set(json.loads(last)["videos"]) & {"wide", "wide_2"}
    assert [stream.name for stream in nvcodec.probe(tmp_path / "x.nvc").streams] == ["wide", "wide_2"]
    assert nvc("decode", tmp_path / "x.nvc", "--stream", "wide_2", "-o", tmp_path / "x.y4m").code == 0
    assert _geometry(tmp_path / "x.y4m") == (64, 48, 25, 2)


def test_one_video_to_standard_output(nvc, videos):
    outcome = nvc("encode", videos / "tall.y4m", "-o", "-", *QUICK, "-n", "2", "-q")
    assert outcome.code == 0 and nvcodec.probe(outcome.out).model == "dnerv"


def test_info(nvc, archive):
    outcome = nvc("info", archive, "--check", "--tensors")
    text = outcome.out.decode()
    assert outcome.code == 0 and text.startswith(f"{archive}  ") and "28 frames of 2 videos" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["0", "wide", "64x48", "8-bit", "25", "fps", "19"] in [row[:7] for row in rows]
    assert "integers match 2 digests" in text and text.count("network.time.0.weight") == 1
    info = nvc("info", archive, "--json", "--tensors").json
    assert info["parameters"] == sum(np.prod(tensor["shape"]) for tensor in info["tensors"])
    assert info["layer_list"][0]["parameters"] == info["parameters"]
    keys = [(stream["key_frames"], stream["direct_key_frames"]) for stream in info["streams"]]
    assert [count for count, _ in keys] == [4, 2] and all(0 <= direct <= count for count, direct in keys)
    packets = read_container(archive.read_bytes()).key_frames
    assert [stream["key_frame_bytes"] for stream in info["streams"]] == [
        sum(map(len, packets[ordinal].packets)) for ordinal in (0, 1)
    ]
    cited = nvc("info", archive, "--cite").out.decode()
    assert "Towards Scalable Neural Representation for Diverse Videos" in cited
    assert cited.count("{") == cited.count("}")


def test_decode_all(nvc, archive, tmp_path):
    folder = tmp_path / "videos"
    outcome = nvc("decode", archive, "--all", "-o", f"{folder}/", "--check", "--json")
    assert outcome.code == 0 and sorted(os.listdir(folder)) == ["tall.mkv", "wide.mkv"]
    assert _geometry(folder / "wide.mkv") == (64, 48, 25, 19)
    assert _geometry(folder / "tall.mkv") == (37, 53, Fraction(30000, 1001), 9)
    assert outcome.err.count("all digests match") == 2
    assert [stream["file"] for stream in outcome.json["streams"]] == [f"{folder}/wide.mkv", f"{folder}/tall.mkv"]
    again = nvc("decode", archive, "--all", "-o", folder)
    assert again.code == 2 and "wide.mkv exists; add -y" in again.err
    assert nvc("decode", archive, "--all", "-o", folder, "--format", "y4m").code == 0
    assert nvc("decode", archive, "--stream", "tall", "-o", tmp_path / "x.y4m").code == 0
    assert (folder / "tall.y4m").read_bytes() == (tmp_path / "x.y4m").read_bytes()
    checked = nvc("decode", archive, "--all", "--check")
    assert checked.code == 0 and checked.err.count("all digests match") == 2


def test_decode_says_which_video_it_took(nvc, archive, coded, tmp_path):
    outcome = nvc("decode", archive, "-o", tmp_path / "x.y4m", "-n", "1")
    assert "this is stream 0 'wide' of 2" in outcome.err and "--all -o FOLDER/" in outcome.err
    chosen = nvc("decode", archive, "-o", tmp_path / "x.y4m", "-n", "1", "-y", "--stream", "0")
    assert "this is stream" not in chosen.err
    assert "this is stream" not in nvc("decode", coded, "-o", tmp_path / "y.y4m", "-n", "1").err


def test_names_in_the_file_lead_nowhere(nvc, archive, tmp_path):
    container = read_container(archive.read_bytes())
    names = ("../../evil", "/etc/passwd")
    streams = tuple(replace(s, name=name) for s, name in zip(container.header.streams, names, strict=True))
    (tmp_path / "bad.nvc").write_bytes(
        write_container(replace(container.header, streams=streams), container.segments, key_frames=container.key_frames)
    )
    (tmp_path / "in").mkdir()
    assert nvc("decode", tmp_path / "bad.nvc", "--all", "-o", tmp_path / "in" / "deep").code == 0
    assert sorted(os.listdir(tmp_path / "in" / "deep")) == ["_.._evil.mkv", "_etc_passwd.mkv"]
    assert sorted(os.listdir(tmp_path)) == ["bad.nvc", "in"] and os.listdir(tmp_path / "in") == ["deep"]


def test_damage_to_one_video_stops_only_that(nvc, damaged, archive, tmp_path):
    outcome = nvc("decode", damaged, "--stream", "1", "-o", tmp_path / "x.y4m")
    assert outcome.code == 4 and "key frames of stream 1 (tall): " in outcome.err
    assert not (tmp_path / "x.y4m").exists()
    outcome = nvc("decode", damaged, "--all", "-o", tmp_path / "videos", "--format", "y4m", "--json")
    assert outcome.code == 4 and f"error: {damaged}: key frames of stream 1 (tall): " in outcome.err
    assert "error: 1 of 2 streams could not be decoded" in outcome.err
    assert os.listdir(tmp_path / "videos") == ["wide.y4m"]
    assert [stream["error"] is None for stream in outcome.json["streams"]] == [True, False]
    assert nvc("decode", archive, "-o", tmp_path / "whole.y4m").code == 0
    assert (tmp_path / "videos" / "wide.y4m").read_bytes() == (tmp_path / "whole.y4m").read_bytes()


@pytest.mark.parametrize("damage", [_flipped, _deleted])
def test_info_sees_lost_key_frames(nvc, archive, tmp_path, damage: Callable[[bytes], bytes]):
    data = damage(archive.read_bytes())
    (tmp_path / "bad.nvc").write_bytes(data)
    with pytest.raises(BitstreamError, match="key frames"):
        nvcodec.probe(data).check()
    assert nvc("info", tmp_path / "bad.nvc", "--check").code == 4
    outcome = nvc("info", tmp_path / "bad.nvc")
    assert outcome.code == 0 and "damaged" in outcome.out.decode()
    streams = nvc("info", tmp_path / "bad.nvc", "--json").json["streams"]
    assert [stream["key_frame_problem"] is None for stream in streams] == [True, False]


def test_eval(nvc, archive, videos):
    results = [nvc("eval", videos / f"{name}.y4m", archive, "--stream", name, "--json").json for name in LENGTHS]
    assert [result["frames"] for result in results] == list(LENGTHS.values())
    assert {result["bpp"] for result in results} == {nvcodec.probe(archive).bpp}
    assert nvc("eval", videos / "wide.y4m", archive).code == 0


def test_no_layers_on_archives(nvc, archive, videos):
    before = archive.read_bytes()
    outcome = nvc("add-layer", archive, "-i", videos / "wide.y4m")
    assert outcome.code == 2 and "is an archive (model dnerv)" in outcome.err and archive.read_bytes() == before


def test_a_check_looks_at_every_video(nvc, damaged, archive, tmp_path):
    outcome = nvc("decode", archive, "--check", "--json")
    assert outcome.code == 0 and outcome.json["check"]["ok"] and outcome.json["check"]["checked"]["key_frames"] == 6
    for words in (["decode", damaged, "--check"], ["decode", damaged, "--all", "--check"]):
        outcome = nvc(*words, "--json")
        check = outcome.json["check"]
        assert outcome.code == 4 and "all digests match: " not in outcome.err
        assert (
            not check["ok"] and len(check["problems"]) == 1 and "key frames of stream 1 (tall)" in check["problems"][0]
        )
    outcome = nvc("decode", damaged, "--check", "-o", tmp_path / "x.y4m")
    assert outcome.code == 4 and not (tmp_path / "x.y4m").exists()


def test_eval_takes_the_video_that_is_meant(nvc, archive, videos, tmp_path):
    for number, name in enumerate(LENGTHS):
        assert nvc("eval", videos / f"{name}.y4m", archive, "--json").json["stream"] == number
        shutil.copy(videos / f"{name}.y4m", tmp_path / f"other {name}.y4m")
        assert nvc("eval", tmp_path / f"other {name}.y4m", archive, "--json").json["stream"] == number
    _write(tmp_path / "stranger.y4m", WIDE, 3)
    outcome = nvc("eval", tmp_path / "stranger.y4m", archive)
    assert outcome.code == 2 and "holds 2 videos, and none is like" in outcome.err
    assert "Say which with --stream:  0 'wide', 1 'tall'" in outcome.err
