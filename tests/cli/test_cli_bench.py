"""The command over results that exist, and over a clip."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def bench(nvc, clip, folder):
    """Two codecs with two points each; nothing is coded twice."""

    def run(*words):
        codecs = ["--codecs", "x264:ultrafast,x264:medium", "--points", "20,40"]
        return nvc("bench", clip, *codecs, "-o", folder, *words)

    return run


def test_tables_go_to_stdout(bench):
    outcome = bench("--anchor", "x264:ultrafast")
    text = outcome.out.decode()
    assert outcome.code == 0
    assert "### clip: 64x48, 8 frames, 25 fps" in text and "BD-rate against x264-ultrafast" in text
    assert text.count("crf 20") == 2


def test_a_second_run_only_reports(bench):
    bench()
    outcome = bench("--json")
    assert outcome.err.count("kept from") == 4
    assert outcome.json["schema"] == "nvc-bench-report/1" and len(outcome.json["curves"]) == 2


def test_results_are_reported_without_their_clips(bench, nvc, folder, tmp_path):
    bench()
    outcome = nvc("bench", "--from", folder, "--anchor", "x264-ultrafast", "--plot", tmp_path / "rd.png", "--json")
    assert outcome.code == 0 and (tmp_path / "rd.png").read_bytes().startswith(b"\x89PNG")
    assert "x264-medium" in outcome.json["summary"]["clips"]["clip"]
    files = sorted(folder.glob("*.json"))
    assert nvc("bench", "--from", *files).code == 0  # as a shell expands --from results/*.json


def test_mistakes_are_said_before_any_work(nvc, clip, tmp_path):
    for words in (
        ["bench"],
        ["bench", clip],
        ["bench", clip, "-o", tmp_path, "--plot", "x.gif"],
        ["bench", clip, "-o", tmp_path, "--metrics", "ssim"],
        ["bench", clip, "-o", tmp_path, "--options", "nvc=--bpp 1"],
        ["bench", clip, "-o", tmp_path, "--options", "-tune psnr"],
        ["bench", clip, "-o", tmp_path, "--codecs", "x264", "--options", "x265=-tune psnr"],
    ):
        assert nvc(*words).code == 2, words
    assert nvc("bench", tmp_path / "none.y4m", "-o", tmp_path).code == 3
    assert nvc("bench", "--from", tmp_path / "none.json").code == 3
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("anchor", "codecs", "message"),
    [
        ("av1", "x264,x265", "no result is of the anchor av1"),
        ("x264", "x264:fast,x264:slow", "the anchor x264 may be several codecs"),
    ],
)
def test_an_anchor_is_checked_before_any_work(nvc, clip, tmp_path, anchor, codecs, message):
    outcome = nvc("bench", clip, "--codecs", codecs, "-o", tmp_path / "new", "--anchor", anchor)
    assert outcome.code == 2 and message in outcome.err and not (tmp_path / "new").exists()


def test_the_only_one_of_a_family_is_the_anchor(bench, nvc, clip, folder):
    bench()
    one = nvc("bench", "--from", *folder.glob("*.x264-medium.json"), "--anchor", "x264", "--json")
    assert one.code == 0 and one.json["summary"]["anchor"] == "x264-medium"
