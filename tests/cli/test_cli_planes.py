"""Videos of other planes and of other colour matrices on the command line: what is told of them, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat

Moving = Callable[[VideoFormat, int], list[Planes]]
QUICK = ("--preset", "draft", "--epochs", "2", "--device", "cpu")
CONVERTED, NOT_CONVERTED = (4, 7, 8, 12), (10, 13, 14)


@pytest.fixture
def saved(tmp_path: Path, moving: Moving) -> Callable[..., Path]:
    """Write three pictures of a format to a .mkv, which says matrices."""

    def save(**known: Any) -> Path:
        video = VideoFormat(**{"width": 32, "height": 24, "fps": Fraction(25), **known})
        with open_sink(tmp_path / "clip.mkv", video) as sink:
            for planes in moving(video, 3):
                sink.write(planes)
        return tmp_path / "clip.mkv"

    return save


def _colour(matrix: int) -> Colour:
    return Colour(primaries=1, matrix=matrix)


@pytest.mark.parametrize("matrix", CONVERTED + NOT_CONVERTED)
def test_any_matrix_is_encoded(nvc, saved, tmp_path: Path, matrix: int) -> None:
    clip, output = saved(colour=_colour(matrix)), tmp_path / "out.nvc"
    encoded = nvc("encode", clip, "-o", output, *QUICK, "--json")
    assert encoded.code == 0
    assert (encoded.json["psnr"]["rgb"] is None) is (matrix in NOT_CONVERTED)
    assert encoded.json["psnr"]["yuv_611"] > 5
    evaluated = nvc("eval", clip, output, "--json")
    assert evaluated.code == 0 and evaluated.json["psnr"]["rgb"] == pytest.approx(encoded.json["psnr"]["rgb"])
    assert ("RGB - dB" in nvc("eval", clip, output).out.decode()) is (matrix in NOT_CONVERTED)
    assert nvc("decode", output, "-o", tmp_path / "out.mkv").code == 0
    with open_source(tmp_path / "out.mkv") as source:
        assert source.format.colour.matrix == matrix


@pytest.mark.parametrize("matrix", NOT_CONVERTED)
def test_rgb_that_nobody_knows_is_refused_before_the_work(nvc, saved, tmp_path: Path, matrix: int) -> None:
    clip, output = saved(colour=_colour(matrix)), tmp_path / "out.nvc"
    refused = nvc("encode", clip, "-o", output, *QUICK, "--domain", "rgb")
    assert refused.code == 5 and f"colour matrix {matrix}" in refused.err and not output.exists()
    assert "step" not in refused.err
    assert nvc("encode", clip, "-o", output, *QUICK).code == 0
    refused = nvc("decode", output, "-o", tmp_path / "out.png", "--frames", "1")
    assert refused.code == 5 and f"colour matrix {matrix}" in refused.err
    assert not (tmp_path / "out.png").exists()


def test_grey_has_no_chroma_to_measure(nvc, saved, tmp_path: Path) -> None:
    clip, output = saved(chroma=ChromaFormat.GREY, bit_depth=12), tmp_path / "out.nvc"
    shown = nvc("encode", clip, "-o", output, *QUICK)
    assert shown.code == 0 and "U -  V -" in (shown.out.decode() + shown.err)
    psnr = nvc("eval", clip, output, "--json").json["psnr"]
    assert psnr["u"] is None and psnr["v"] is None and psnr["y"] > 5
    assert nvc("eval", clip, output, "--per-frame", tmp_path / "rows.csv").code == 0
    header, first, *_ = [line.split(",") for line in (tmp_path / "rows.csv").read_text().splitlines()]
    assert [first[header.index(f"psnr_{name}")] for name in "uv"] == ["", ""]
    assert "grey" in nvc("info", output).out.decode()


@pytest.mark.parametrize(
    "known", [{"chroma": chroma} for chroma in ChromaFormat if chroma is not ChromaFormat.YUV420] + [{"bit_depth": 12}]
)
def test_key_frames_have_planes_of_their_own(nvc, saved, tmp_path: Path, known: dict[str, object]) -> None:
    """Other pictures become these, which is told; planes that were asked for must be these."""
    output, source = tmp_path / "out.nvc", saved(**known)
    taken = "yuv420p10le" if "bit_depth" in known else "yuv420p"
    made = nvc("encode", source, "-o", output, *QUICK, "--model", "dnerv")
    assert made.code == 0 and f"which this model does not draw: converted to {taken}" in made.err
    assert nvc("eval", source, output, "--pix-fmt", taken, "--metrics", "psnr").code == 0
    refused = nvc("encode", source, "-o", tmp_path / "x.nvc", *QUICK, "--model", "dnerv", "--pix-fmt", "yuv444p")
    assert refused.code == 2 and "the key frames of dnerv are 4:2:0 of 8 or 10 bits" in refused.err
    assert "--pix-fmt yuv420p" in refused.err and not (tmp_path / "x.nvc").exists()


def test_a_folder_of_pictures_makes_an_archive(nvc, saved, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    with open_source(saved()) as source:
        pictures = list(source)
    for name, inside in (("one", ""), ("two", "%d.jpg")):  # RGB, and YUV 4:4:4 of full range
        (videos / name).mkdir()
        with open_sink(f"{videos / name}/{inside}", source.format, overwrite=True) as sink:
            for planes in pictures:
                sink.write(planes)
    for given, names in (([videos], ["one", "two"]), ([videos / "two"], ["two"])):
        made = nvc("encode", *given, "-o", tmp_path / "set.nvc", "-y", *QUICK, "--model", "dnerv")
        assert made.code == 0, made.err
        streams = nvc("info", tmp_path / "set.nvc", "--json").json["streams"]
        assert [(stream["name"], stream["frames"], stream["fps"]) for stream in streams] == [
            (name, 3, "25") for name in names
        ]
