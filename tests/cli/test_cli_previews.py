"""Previews from the command line: stored, drawn, shown, checked, taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nvcodec
import nvcodec.encoder.previews.preview as preview_module
from nvcodec.decoder.shrink import shrunk
from nvcodec.errors import UsageError
from nvcodec.io.source import open_source
from nvcodec.types import Planes

Run = Callable[..., object]


@pytest.fixture(scope="module")
def seen(clip: Path) -> Path:
    """The clip with previews, encoded in a moment."""
    path = clip.with_name("seen.nvc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preview_module, "_LEAST_DB", 0.0)  # whatever it looks like
        patch.setattr(preview_module, "_MOST_LOST_DB", 99.0)
        nvcodec.encode(clip, path, preset="draft", epochs=2, preview=True, device="cpu")
    return path


def _pictures(path: Path) -> list[Planes]:
    with open_source(str(path)) as source:
        return list(source)


def test_encode_says_what_they_cost(nvc, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "_LEAST_DB", 0.0)
    monkeypatch.setattr(preview_module, "_MOST_LOST_DB", 99.0)
    done = nvc("encode", clip, "-o", tmp_path / "a.nvc", "--preset", "draft", "--epochs", 1, "--preview", "--json")
    assert done.code == 0 and done.json["preview_bytes"] > 0
    assert "previews" in done.err and " of the file" in done.err


def test_small_pictures_are_drawn_from_them(nvc, seen: Path, tmp_path: Path) -> None:
    for scale, size in (("1/2", (24, 32)), ("1/4", (12, 16)), ("1/8", (6, 8))):
        output = tmp_path / f"{size[0]}.y4m"
        done = nvc("decode", seen, "-o", output, "--scale", scale)
        assert done.code == 0 and "warning" not in done.err
        clip = _pictures(output)
        assert len(clip) == 8 and clip[0][0].shape == size
    assert nvc("decode", seen, "--check", "--scale", "1/4").code == 0


def test_without_any_whole_frames_are_shrunk(nvc, coded: Path, tmp_path: Path) -> None:
    whole, small = tmp_path / "whole.y4m", tmp_path / "small.y4m"
    assert nvc("decode", coded, "-o", whole).code == 0
    done = nvc("decode", coded, "-o", small, "--scale", "1/4")
    assert done.code == 0
    assert "no preview stored for 1/4: whole frames are drawn and shrunk; encode with --preview" in done.err
    with open_source(str(whole)) as source:
        video = source.format
    for planes, drawn in zip(_pictures(whole), _pictures(small), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(shrunk(planes, video, 4), drawn, strict=True))


def test_info_shows_them(nvc, seen: Path, coded: Path) -> None:
    text = nvc("info", seen).out.decode()
    assert "previews    1/2 " in text and "pREV" in text
    found = nvc("info", seen, "--json").json
    (preview,) = found["previews"]
    assert preview["scale"] == "1/2" and preview["segments"] == 1 and 0 < preview["bytes"] < found["preview_bytes"]
    assert nvc("info", coded, "--json").json["previews"] == []
    assert b"previews" not in nvc("info", coded).out


def test_damage_is_reported_and_costs_nothing_else(nvc, seen: Path, tmp_path: Path) -> None:
    data = bytearray(seen.read_bytes())
    data[-1] ^= 1
    damaged = tmp_path / "damaged.nvc"
    damaged.write_bytes(data)
    assert nvc("info", damaged, "--check").code == 4
    for scale in ("1", "1/2"):
        checked = nvc("decode", damaged, "--check", "--scale", scale)
        assert checked.code == 4 and "all digests match" not in checked.err and "--drop-previews" in checked.err
    whole, sound, small = (tmp_path / f"{name}.y4m" for name in ("whole", "sound", "small"))
    done = nvc("decode", damaged, "-o", whole)
    assert done.code == 0 and "preview that cannot be used" in done.err
    assert nvc("decode", seen, "-o", sound).code == 0
    assert whole.read_bytes() == sound.read_bytes()
    done = nvc("decode", damaged, "-o", small, "--scale", "1/2")
    assert done.code == 0 and "whole frames are drawn and shrunk" in done.err


def test_taken_away(nvc, seen: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.nvc"
    done = nvc("strip", seen, "--drop-previews", "-o", bare, "--json")
    assert done.code == 0 and done.json["changed_bytes"] == bare.stat().st_size - seen.stat().st_size < 0
    assert seen.read_bytes().startswith(bare.read_bytes())
    assert nvc("info", bare, "--check").code == 0
    cut = tmp_path / "cut.nvc"
    cut.write_bytes(seen.read_bytes()[:-3])
    assert nvc("strip", cut, "--drop-previews").code == 0 and cut.read_bytes() == bare.read_bytes()
    again = nvc("strip", bare, "--drop-previews")
    assert again.code == 0 and "nothing to remove" in again.err


@pytest.mark.parametrize("model", ["qsnerv", "dnerv"])
def test_models_that_show_nothing_early(nvc, clip: Path, tmp_path: Path, model: str) -> None:
    done = nvc("encode", clip, "-o", tmp_path / "a.nvc", "--preview", "--model", model)
    assert done.code == 2 and "--preview is" in done.err and "--scale" in done.err
    assert not (tmp_path / "a.nvc").exists()


def test_scales_that_are_not_there(nvc, seen: Path) -> None:
    assert nvc("decode", seen, "-o", "-", "--scale", "1/3").code == 2
    with pytest.raises(UsageError, match="cannot be drawn at scale"):
        nvcodec.decode(seen, None, scale=0.3)
