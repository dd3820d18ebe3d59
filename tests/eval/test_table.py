"""Tables that people read: every column has a reason to be there, every number its caveats."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nvcodec.eval.compare import compare
from nvcodec.eval.table import points_markdown, summary_markdown

NVC = {
    "parameters": 60_123,
    "bits_per_parameter": 5.031,
    "kmac_per_pixel": 1.25,
    "fit_steps": 3800,
    "entropy_s": 0.125,
    "encode_peak_bytes": 840_000_000,
    "decode_peak_bytes": 250_400_000,
}


def _rows(text):
    """Cells of the tables in a text, a list of rows each."""
    tables, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif rows:
            tables.append(rows)
            rows = []
    return tables


def test_points(made_up):
    (table,) = _rows(points_markdown([made_up()]))
    assert table[0] == [
        "codec", "point", "bpp", "kbit/s", "PSNR Y", "PSNR 6:1:1", "PSNR RGB", "MS-SSIM Y", "encode s", "decode fps",
    ]  # fmt: skip
    assert table[2] == [
        "x265-slow", "crf 37", "0.0116", "20.0", "29.00", "30.00", "28.00", "0.9684", "12.5", "240",
    ]  # fmt: skip
    assert len(table) == 2 + 4


def test_what_was_measured_and_made_it_is_said(made_up):
    text = points_markdown([made_up(), made_up("nvc", unit="bpp")])
    assert text.startswith("### waves: 320x180, 48 frames, 30000/1001 fps\n")
    assert "* x265-slow: x265 at slow (x265 3.5)\n" in text and "* nvc-slow: nvc at slow (nvc 3.5)\n" in text
    assert text.count("* Times: processor abacus, cpus 2") == 1


def test_columns_appear_where_some_row_has_them(made_up):
    x265, nvc = made_up(), made_up("nvc", "draft", rates=(4000,), unit="bpp", vmaf=True, details=NVC)
    measured, told = _rows(points_markdown([x265, nvc]))
    vmaf = measured[0].index("VMAF")
    assert [row[vmaf] for row in measured[2:]] == ["-"] * 4 + ["60.00"]
    assert told[0][2:] == [
        "parameters", "bits/parameter", "kMAC/pixel", "fit steps", "entropy decode s",
        "encode peak MB", "decode peak MB",
    ]  # fmt: skip
    assert told[2:] == [["nvc-draft", "bpp 37", "60,123", "5.03", "1.25", "3,800", "0.12", "840", "250"]]
    fewer = made_up("nvc", "draft", details={"fit_steps": 100, "seed": 0})
    assert _rows(points_markdown([fewer]))[1][0] == ["codec", "point", "fit steps"]


def test_columns_line_up_in_a_terminal(made_up):
    text = points_markdown([made_up(), made_up("nvc", details=NVC)])
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(line) for line in table.splitlines()}) == 1


def test_small_rates_keep_their_digits(made_up):
    (table,) = _rows(points_markdown([made_up(rates=(500, 50_000))]))
    assert [row[2] for row in table[2:]] == ["0.00145", "0.1447"]


def test_names_cannot_break_a_table(made_up):
    curve = replace(made_up(), label="a|b\n| c |", clip=replace(made_up().clip, name="x\n# y"))
    text = points_markdown([curve])
    assert "| a\\|b \\| c \\| |" in text and text.startswith("### x # y: ")


def test_results_of_other_programs_have_what_they_have(made_up):
    clip = replace(made_up().clip, sha256="", width=0, height=0, frames=0, fps=None)
    points = [
        replace(point, kbps=None, psnr={"rgb": 30.0}, ms_ssim_y=None, encode_s=float("nan"), decode_fps=float("nan"))
        for point in made_up().points
    ]
    text = points_markdown([replace(made_up(), codec="", unit="point", clip=clip, points=tuple(points))])
    assert text.startswith("### waves\n") and _rows(text)[0][0] == ["codec", "point", "bpp", "PSNR RGB"]


@pytest.fixture
def clips(made_up):
    """Two clips."""
    return [replace(made_up().clip, name=name, sha256=name) for name in ("akiyo", "bunny")]


def test_summary(made_up, clips):
    fewer = [int(0.9 * point.bytes) for point in made_up().points]
    curves = [made_up(clip=clip) for clip in clips] + [made_up("nvc", "fast", fewer, clip=clip) for clip in clips]
    text = summary_markdown(compare(curves, "x265-slow"))
    rates, qualities = _rows(text)
    assert rates[0] == ["clip", "nvc-fast"]
    assert rates[2:] == [["akiyo", "-10.0"], ["bunny", "-10.0"], ["**mean of all 2**", "**-10.0**"]]
    assert qualities[2][1].startswith("+0.")
    assert "BD-rate against x265-slow in % (PSNR YUV 6:1:1; negative = fewer bits)" in text
    assert "\u2020" not in text and "\u2021" not in text and "refused" not in text


def test_zero_has_no_sign(made_up):
    slightly = [4000, 9000, 18000, 39999]
    rates, _ = _rows(summary_markdown(compare([made_up(), made_up("x264", rates=slightly)], "x265-slow")))
    assert rates[2] == ["waves", "0.0"]


def test_caveats_are_marked_and_explained(made_up, clips):
    curves = [made_up(clip=clip) for clip in clips]
    curves += [made_up("x264", rates=(4000, 9000), clip=clips[0]), made_up("x264", clip=clips[1])]
    curves += [made_up("nvc", rates=(80_000,), clip=clips[0])]
    text = summary_markdown(compare(curves, "x265-slow"))
    rates, _ = _rows(text)
    assert rates[2:] == [
        ["akiyo", "-1.0\u2020\u2021", "-"],
        ["bunny", "0.0", "-"],
        ["**mean of 1 of 2**", "**-1.0**\u2020\u2021", "-"],
    ]
    assert "\u2020 The two curves share less than 75% of their range." in text
    assert "\u2021 From fewer than 4 points." in text
    assert "Means are over the clips that all codecs have: akiyo." in text
    assert "* - akiyo, nvc-slow, BD-rate and quality: the curve has 1 of the 2 points that make a curve." in text
