"""Ctrl-C while an archive is made, and how it goes on."""

from __future__ import annotations

import os
import shutil

import nvcodec


def test_interrupt_and_resume(nvc, interrupted, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        shutil.copy(clip, f"{name}.y4m")
    words = ["encode", "a.y4m", "b.y4m", "-o", "x.nvc", "-m", "dnerv", "--preset", "draft", "--target-size", "6kB"]
    words += ["-n", "2", "--epochs", "120"]
    assert interrupted(*words).endswith("the state is saved\n  Go on with:  nvc encode --resume x.nvc.work\n")
    assert sorted(os.listdir(tmp_path)) == ["a.y4m", "b.y4m", "x.nvc.work"]

    mixed = nvc("encode", "a.y4m", "-o", "x.nvc", "--preset", "draft")
    assert mixed.code == 2 and "x.nvc.work holds an interrupted encode of a.y4m, b.y4m" in mixed.err
    recon = nvc("encode", "--resume", "x.nvc.work", "--recon", "x.y4m")
    assert recon.code == 2 and "--recon x.y4m is one file, for several videos" in recon.err
    os.rename("x.nvc.work", "w")
    resumed = nvc("encode", "--resume", "w", "--json", "--recon", "videos")
    assert sorted(os.listdir("videos")) == ["a.y4m", "b.y4m"]
    shutil.rmtree("videos")
    assert resumed.code == 0 and [stream["name"] for stream in resumed.json["streams"]] == ["a", "b"]
    assert resumed.err.splitlines()[-1].startswith("dnerv ")
    assert sorted(os.listdir(tmp_path)) == ["a.y4m", "b.y4m", "x.nvc"]
    assert [stream.name for stream in nvcodec.probe("x.nvc").streams] == ["a", "b"]
