"""What goes wrong: message, remedy, exit code, and no trace of it on stdout or on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import nvcodec
from nvcodec.cli import _errors
from nvcodec.cli._terminal import Terminal
from nvcodec.errors import NvcError, UsageError

HELD = Path(__file__).parents[1] / "conformance"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("encode", "no input given"),
        ("encode clip.y4m", "no output given\n  Name the bitstream:  -o clip.nvc"),
        ("encode a.y4m b.y4m -o c.nvc", "2 inputs given; --model dnerv takes several videos"),
        ("encode clip.y4m -o taken.nvc", "taken.nvc exists; add -y to replace it"),
        ("encode clip.y4m -o no/x.nvc", "no is not a folder"),
        ("encode clip.y4m -o x.nvc --crf 3 --bpp 1", "--crf and --bpp both given; choose one"),
        ("encode clip.y4m -o x.nvc --target-size 1MB --target-psnr 3", "--target-size and --target-psnr both given"),
        ("encode clip.y4m -o x.nvc --presett slow", "no such option '--presett'\n  Did you mean '--preset'?"),
        ("encode clip.y4m -o x.nvc --preset slo", "faster, fast, medium, slow, slower\n  Did you mean 'slow'?"),
        ("encode clip.y4m -o x.nvc --crf 99", "99.0 is not in the range 0<=x<=63"),
        (
            "encode clip.y4m -o x.nvc --model nerv",
            "'nerv' is not one of msnerv, tenerv, qsnerv, dnerv\n  Did you mean 'dnerv'?",
        ),
        ("encode clip.y4m -o x.nvc --set fit", "error: --set fit has no value\n  Write it as KEY=VALUE, e.g. "),
        ("encode clip.y4m -o x.nvc --set fit.learning_rat=1", "Did you mean fit.learning_rate?"),
        ("encode clip.y4m -o x.nvc -s 32x32", "clip.y4m says 64x48"),
        ("encode clip.y4m -o - --json", "--json and -o - both write to standard output"),
        ("encode clip.y4m -o - --work-dir w", "--work-dir needs an output file"),
        ("encode clip.y4m -o x.nvc --recon taken.nvc", "taken.nvc exists; add -y"),
        ("encode clip.y4m -o x.nvc --recon x.mkv", "--recon x.mkv is neither .y4m nor .yuv"),
        ("encode clip.y4m -o x.nvc --recon clip.y4m -y", "clip.y4m is the input itself"),
        ("encode clip.y4m -o clip.y4m -y", "clip.y4m is the input itself"),
        *(
            (f"{words} -o x{suffix}{more}", f"x{suffix} is called like a video or a picture")
            for words in (
                "encode clip.y4m",
                "add-layer taken.nvc -i clip.y4m",
                "strip taken.nvc --layers 0",
                "extract-layer taken.nvc --layer 1",
            )
            for suffix, more in ((".mp4", ""), (".MKV", " -y"), (".y4m", " -q"), (".png", ""))
        ),
        (
            "encode clip.y4m -o x.mp4",
            "  Name it so:  -o x.nvc\n  If it is to be called like that all the same:  -o - > x.mp4",
        ),
        ("encode clip.y4m -o x.nvc --work-dir clip.y4m", "clip.y4m is no folder"),
        ("encode clip.y4m -o x.nvc --bpp nan", "'nan' is not a valid number"),
        ("encode clip.y4m -o x.nvc --bpp -1", "-1.0 is not in the range 0<x<=10000"),
        ("encode clip.y4m -o x.nvc --target-psnr 3300", "3300.0 is not in the range 0<x<=100"),
        ("encode clip.y4m -o x.nvc --threads 0", "0 is not in the range from 1 to 1024"),
        ("encode clip.y4m -o x.nvc --seek -1", "-1 is not in the range from 0"),
        ("encode clip.y4m -o x.nvc --set fit.batch=0", "fit.batch must be 1 to 4096, not 0"),
        ("encode --resume w --crf 3", "--crf cannot be given with --resume"),
        ("encode clip.y4m --resume w", "INPUT cannot be given with --resume"),
        ("decode taken.nvc", "no output given"),
        ("decode taken.nvc -o x.y4m --limit max_frame=3", "error: no limit is called 'max_frame'\n  Limits"),
        ("decode taken.nvc -o x.y4m --limit max_frames=many", "error: --limit max_frames=many has no whole number"),
        (
            "eval clip.y4m clip.y4m --metrics ssim",
            "'ssim' is not one of psnr, ms-ssim, vmaf\n  Did you mean 'ms-ssim'?",
        ),
        ("eval clip.y4m clip.y4m clip.y4m --per-frame x.csv", "--per-frame takes one TEST"),
        ("eval clip.y4m", "missing argument 'TEST...'\n  See:  nvc eval -h"),
        ("decod clip.nvc", "no such command 'decod'\n  Did you mean 'decode'?"),
        ("clip.nvc", "Commands: encode, decode"),
        ("--foo", "no such option '--foo'\n  See:  nvc -h"),
    ],
)
def test_usage(nvc, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.y4m").write_bytes(clip.read_bytes())
    (tmp_path / "taken.nvc").write_bytes(b"")
    outcome = nvc(*words.split())
    assert outcome.code == 2 and bool(outcome.out) == ("--json" in words)
    assert message in outcome.err and outcome.err.startswith(("error: ", "clip.y4m: geometry"))
    assert "Traceback" not in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["clip.y4m", "taken.nvc"] and (tmp_path / "taken.nvc").read_bytes() == b""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("encode no.y4m -o x.nvc", "cannot read no.y4m"),
        ("encode clip.yuv -o x.nvc", "cannot tell the picture size of clip.yuv\n  Raw YUV has no header. Give it:  -s"),
        ("encode clip.yuv -s 64x48 -o x.nvc", "not a whole number of 64x48 8-bit 4:2:0 frames (1 frame + 1 byte)"),
        ("encode clip.y4m -o x.nvc -n 9", "holds 8 frames, but frames 0 to 8 were asked for"),
        ("encode --resume nowhere", "nowhere holds no interrupted encode"),
        ("decode no.nvc -o x.y4m", "cannot read no.nvc"),
        ("info no.nvc", "cannot read no.nvc"),
        ("eval clip.y4m no.nvc", "cannot read no.nvc"),
    ],
)
def test_input(nvc, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.y4m").write_bytes(clip.read_bytes())
    (tmp_path / "clip.yuv").write_bytes(bytes(64 * 48 * 3 // 2 + 1))
    outcome = nvc(*words.split())
    assert (outcome.code, outcome.out) == (3, b"") and message in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["clip.y4m", "clip.yuv"]


def test_videos_are_no_bitstreams(nvc, tmp_path, monkeypatch):
    """Any name will do for what goes through a pipe; a file in place keeps the name that it has."""
    monkeypatch.chdir(tmp_path)
    whole = (HELD / "layers.nvc").read_bytes()
    (tmp_path / "whole.mp4").write_bytes(whole)
    assert nvc("extract-layer", "whole.mp4", "--layer", "2", "-o", "second.nvcl").code == 0
    assert nvc("strip", "whole.mp4", "--layers", "1").code == 0
    outcome = nvc("append", "whole.mp4", "second.nvcl", "-o", "x.webm")
    assert outcome.code == 2 and "x.webm is called like a video" in outcome.err and not os.path.exists("x.webm")
    assert nvc("append", "whole.mp4", "second.nvcl", "-o", "-").out == whole
    assert nvc("append", "whole.mp4", "second.nvcl", "-o", "whole.mp4").code == 0
    with pytest.raises(UsageError, match=r"x\.gif is called like a video or a picture"):
        nvcodec.encode(np.zeros((2, 3, 16, 16), np.uint8), "x.gif")


def test_bit_rate_needs_a_frame_rate(nvc, tmp_path):
    raw = tmp_path / "clip_64x48.yuv"
    raw.write_bytes(bytes(64 * 48 * 3 // 2))
    outcome = nvc("encode", raw, "-o", tmp_path / "x.nvc", "-b", "100k")
    assert outcome.code == 2 and "--bitrate needs a frame rate" in outcome.err


def test_device(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", "--device", "cuda:63")
    assert outcome.code == 7 and "device 'cuda:63' is not available here" in outcome.err


def _failing(error):
    def command():
        raise error

    return command


def test_a_bug_leaves_its_trace_in_a_file(capsys):
    assert _errors.run(_failing(KeyError("lost")), Terminal()) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: unexpected KeyError: 'lost'\n  This is a bug") and "Traceback" not in err
    path = err.split("the trace is in ")[1].split("\n")[0]
    with open(path) as file:
        assert "Traceback" in file.read()
    os.unlink(path)


def test_traceback_on_request(capsys):
    assert _errors.run(_failing(NvcError("no")), Terminal(verbose=2)) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), 7, "error: out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 7, "error: out of memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_other_ends(capsys, error, code, message):
    assert _errors.run(_failing(error), Terminal()) == code
    assert message in capsys.readouterr().err


def test_names_of_files_cannot_steer_the_terminal(nvc, tmp_path):
    outcome = nvc("info", tmp_path / "\x1b[2Jx.nvc")
    assert outcome.code == 3 and "\x1b" not in outcome.err and "\\x1b[2Jx.nvc" in outcome.err
