"""Decoding and inspecting files that were really encoded."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

import nvcodec
from nvcodec.container import chunk_bytes, read_container
from nvcodec.errors import UsageError
from nvcodec.io.source import open_source

FRAME_BYTES = 64 * 48 * 3 // 2


@pytest.fixture
def cut(coded, tmp_path):
    """The file without its second segment."""
    data = coded.read_bytes()
    path = tmp_path / "cut.nvc"
    second = [chunk for chunk in read_container(data).chunks if chunk.type == "BASE"][1]
    path.write_bytes(data[: second.offset + 20])
    return path


def test_decode(nvc, coded, tmp_path):
    output = tmp_path / "x.yuv"
    outcome = nvc("decode", coded, "-o", output, "--json", "--check")
    assert outcome.code == 0 and output.stat().st_size == 8 * FRAME_BYTES
    result = outcome.json
    assert set(result) == {
        "schema", "frames", "decode_s", "entropy_s", "fps", "device", "stream", "stream_name", "streams", "check",
    }  # fmt: skip
    assert result["schema"] == "nvc-decode/1" and result["frames"] == 8
    assert 0 < result["entropy_s"] < result["decode_s"]
    assert "all digests match" in outcome.err
    assert nvc("decode", coded, "-o", output).code == 2
    assert nvc("decode", coded, "-o", output, "-y", "-q").err == ""


def test_frame_range(nvc, coded, tmp_path):
    whole, part = tmp_path / "whole.yuv", tmp_path / "part.yuv"
    assert nvc("decode", coded, "-o", whole).code == 0
    assert nvc("decode", coded, "-o", part, "--seek", "1", "-n", "3", "--step", "2", "--batch", "1").code == 0
    frames = [whole.read_bytes()[start:end] for start, end in pairwise(range(0, 9 * FRAME_BYTES, FRAME_BYTES))]
    expected = b"".join(frames[index] for index in (1, 3, 5))
    assert max(abs(a - b) for a, b in zip(part.read_bytes(), expected, strict=True)) <= 1
    outcome = nvc("decode", coded, "-o", tmp_path / "no.y4m", "--seek", "8")
    assert outcome.code == 3 and "holds 8 frames, but frame 8 was asked for" in outcome.err
    with pytest.raises(UsageError, match="step: 0 is not in the range from 1"):
        nvcodec.decode(coded, None, step=0)


def test_bit_depth(nvc, coded, tmp_path):
    assert nvc("decode", coded, "-o", tmp_path / "a.y4m", "-n", "2").code == 0
    assert nvc("decode", coded, "-o", tmp_path / "b.y4m", "-n", "2", "--pix-fmt", "yuv420p10le").code == 0
    with open_source(tmp_path / "a.y4m") as eight, open_source(tmp_path / "b.y4m") as ten:
        assert ten.format.bit_depth == 10
        for first, second in zip(eight, ten, strict=True):
            assert all((4 * a.astype(int) == b).all() for a, b in zip(first, second, strict=True))


def test_streams(nvc, coded, tmp_path):
    by_number, by_name = tmp_path / "0.y4m", tmp_path / "clip.y4m"
    assert nvc("decode", coded, "-o", by_number, "--stream", "0").code == 0
    assert nvc("decode", coded, "-o", by_name, "--stream", "clip").code == 0
    assert by_number.read_bytes() == by_name.read_bytes()
    outcome = nvc("decode", coded, "-o", tmp_path / "x.y4m", "--stream", "left")
    assert outcome.code == 2 and "no stream 'left'\n  Streams: 0 'clip'" in outcome.err


def test_cut_file_decodes_with_a_warning(nvc, cut, tmp_path):
    outcome = nvc("decode", cut, "-o", tmp_path / "x.yuv")
    assert outcome.code == 0 and (tmp_path / "x.yuv").stat().st_size == 4 * FRAME_BYTES
    assert f"warning: {cut}: " in outcome.err and "holds 4 of 8 frames" in outcome.err
    outcome = nvc("info", cut)
    assert outcome.code == 0 and "warning: " in outcome.err
    assert nvc("info", cut, "--check").code == 4


def test_damaged_file(nvc, coded, tmp_path):
    data = bytearray(coded.read_bytes())
    data[next(chunk.offset for chunk in read_container(bytes(data)).chunks if chunk.type == "BASE") + 50] ^= 1
    (tmp_path / "bad.nvc").write_bytes(data)
    for words in (["decode", tmp_path / "bad.nvc", "-o", tmp_path / "x.y4m"], ["info", tmp_path / "bad.nvc"]):
        outcome = nvc(*words)
        assert outcome.code == 4 and outcome.out == b""
        assert f"error: {tmp_path / 'bad.nvc'}: chunk 'BASE' at byte" in outcome.err
        assert "fails its checksum" in outcome.err
    assert not (tmp_path / "x.y4m").exists()


def test_wrong_digest(nvc, coded, tmp_path):
    """Every checksum is right, but the integers are others than the encoder had."""
    data = coded.read_bytes()
    chunk = next(chunk for chunk in read_container(data).chunks if chunk.type == "dGST")
    payload = bytearray(chunk.payload(data))
    payload[1] ^= 1
    forged = data[: chunk.offset] + chunk_bytes("dGST", bytes(payload)) + data[chunk.end :]
    (tmp_path / "forged.nvc").write_bytes(forged)
    assert nvc("decode", tmp_path / "forged.nvc", "-o", tmp_path / "x.y4m").code == 0
    for words in (["decode", "--check"], ["info", "--check"]):
        outcome = nvc(words[0], tmp_path / "forged.nvc", words[1])
        assert outcome.code == 4 and "segment 0" in outcome.err


def test_newer_version(nvc, coded, tmp_path):
    data = bytearray(coded.read_bytes())
    data[8] = 2
    (tmp_path / "new.nvc").write_bytes(data)
    outcome = nvc("decode", tmp_path / "new.nvc", "-o", tmp_path / "x.y4m")
    assert outcome.code == 5 and "uses bitstream version 2.0; this nvc reads up to 1.2" in outcome.err


def test_limits(nvc, coded, tmp_path):
    words = ["decode", coded, "-o", tmp_path / "x.y4m", "--limit"]
    outcome = nvc(*words, "max_frames=7")
    assert outcome.code == 5 and "announces 8 frames, above the limit of 7" in outcome.err
    assert nvc(*words, "max_frames=8").code == 0


def test_reader_that_has_seen_enough(coded):
    command = f"{sys.executable} -m nvcodec decode {coded} -o - 2>err.txt | head -c 10; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=coded.parent, check=True)
    assert done.stdout == "YUV4MPEG2 0\n"
    assert "Traceback" not in (coded.parent / "err.txt").read_text()


def test_info(nvc, coded):
    outcome = nvc("info", coded, "--chunks", "--tensors", "--check")
    text = outcome.out.decode()
    assert outcome.code == 0 and outcome.err == ""
    assert text.startswith(f"{coded}  ") and "8 frames 64x48 8-bit 25 fps" in text
    assert "2 of 4 frames each, with digests" in text and "integers match 2 digests" in text
    assert "sequence header" in text and "head.weight" in text and "segment 1: frames 4 to 7" in text
    parts = text[text.index("share  models") :].splitlines()
    shares = [float(word[:-1]) for line in parts[1:] for word in line.split() if word.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=0.5) and any(line.split()[:1] == ["blocks.0"] for line in parts)


def test_info_json(nvc, coded):
    outcome = nvc("info", coded, "--json", "--tensors")
    info = outcome.json
    assert info["schema"] == "nvc-info/1" and info["layers"] == 1 and len(info["segments"]) == 2
    assert info["bytes"] == coded.stat().st_size and info["bpp"] == pytest.approx(8 * info["bytes"] / (64 * 48 * 8))
    stream = info["streams"][0]
    assert (stream["width"], stream["height"], stream["frames"], stream["fps"]) == (64, 48, 8, "25")
    assert [chunk["type"] for chunk in info["chunks"]] == ["HEAD", "mETA", "BASE", "dGST", "BASE", "dGST", "iNDX"]
    bits = sum(tensor["bits"] + tensor["step_bits"] for tensor in info["tensors"])
    assert 0.8 < bits / (8 * sum(segment["bytes"] for segment in info["segments"])) <= 1.01
    assert len(nvc("info", coded, coded, "--json").json) == 2


def test_cite(nvc, coded):
    text = nvc("info", coded, "--cite").out.decode()
    assert "Zhu, Jun" in text and "Kwan, Ho Man" in text and text.count("{") == text.count("}")


def test_doctor(nvc):
    outcome = nvc("doctor", "--json")
    report = outcome.json
    assert outcome.code == 0 and report["schema"] == "nvc-doctor/2" and report["ok"] is True
    assert all(package["version"] for package in report["packages"]) and report["memory_bytes"] > 1e8
    assert report["devices"][-1]["device"] == "cpu" and [test["problem"] for test in report["tests"]] == [None] * 3
    assert nvc("doctor").out.startswith(b"nvc ")
