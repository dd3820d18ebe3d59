"""Codecs against an anchor: what is averaged, what is not, and why."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nvcodec.errors import UsageError
from nvcodec.eval.compare import by_clip, compare

FEWER = (3600, 8100, 16200, 36000)  # 90 % of the anchor's bytes


@pytest.fixture
def clips(made_up):
    """Three clips by name."""
    return {name: replace(made_up().clip, name=name, sha256=name) for name in ("akiyo", "bunny", "crowd")}


def test_ninety_percent_of_the_bytes(made_up):
    summary = compare([made_up(), made_up("nvc", "medium", FEWER)], "x265-slow")
    found = summary.clips["waves"]["nvc-medium"]
    assert found.rate.delta is not None and found.rate.delta.value == pytest.approx(-10, abs=1e-9)
    assert found.quality.delta is not None and found.quality.delta.value > 0
    assert summary.labels == ("nvc-medium",) and summary.mean_rate("nvc-medium") == found.rate.delta.value


@pytest.mark.parametrize("metric", ["psnr-y", "psnr-rgb", "ms-ssim-y", "vmaf"])
def test_every_metric_can_be_compared(made_up, metric):
    summary = compare([made_up(vmaf=True), made_up("x264", rates=FEWER, vmaf=True)], "x265-slow", metric)
    assert summary.mean_rate("x264-slow") == pytest.approx(-10)
    assert summary.unit == ("points" if metric == "vmaf" else "dB")


def test_means_are_over_clips_that_all_have(made_up, clips):
    curves = [made_up(clip=clip) for clip in clips.values()]
    curves += [made_up("x264", rates=[2 * size for size in (4000, 9000, 18000, 40000)], clip=clips["akiyo"])]
    curves += [made_up("x264", clip=clips["bunny"])]
    curves += [made_up("nvc", rates=FEWER, clip=clips[name]) for name in ("akiyo", "bunny", "crowd")]
    summary = compare(curves, "x265-slow")
    assert summary.common == ("akiyo", "bunny")
    assert summary.mean_rate("x264-slow") == pytest.approx((100 + 0) / 2)
    assert summary.mean_rate("nvc-slow") == pytest.approx(-10)


def test_a_refused_clip_leaves_no_mean_to_its_codec_only(made_up, clips):
    curves = [made_up(codec, clip=clips[name]) for codec in ("x265", "x264", "nvc") for name in ("akiyo", "bunny")]
    curves[-1] = replace(curves[-1], points=curves[-1].points[:1])
    summary = compare(curves, "x265-slow")
    assert summary.mean_rate("nvc-slow") is None and summary.mean_rate("x264-slow") == 0
    refused = summary.clips["bunny"]["nvc-slow"].rate
    assert refused.delta is None and refused.reason == "the curve has 1 of the 2 points that make a curve"


def test_rate_and_quality_are_refused_apart(made_up):
    far = made_up("nvc", rates=(80_000, 160_000))
    found = compare([made_up(), far], "x265-slow").clips["waves"]["nvc-slow"]
    assert found.rate.delta is not None and found.quality.delta is None
    assert "share no range of rate" in found.quality.reason


def test_what_was_not_measured_is_no_error(made_up, clips):
    curves = [made_up(clip=clips["akiyo"], vmaf=True), made_up("x264", clip=clips["akiyo"])]
    curves += [made_up("x264", clip=clips["bunny"])]
    found = compare(curves, "x265-slow", "vmaf").clips
    assert found["akiyo"]["x264-slow"].rate.reason == "x264-slow on akiyo was not measured in vmaf"
    assert found["bunny"]["x264-slow"].rate.reason == "the anchor was not measured on this clip"


def test_for_scripts(made_up, clips):
    curves = [made_up(clip=clips["akiyo"]), made_up("x264", rates=FEWER, clip=clips["akiyo"])]
    curves += [made_up(clip=clips["bunny"]), made_up("x264", rates=(1, 2), first_db=60, clip=clips["bunny"])]
    found = json.loads(json.dumps(compare(curves, "x265-slow").to_json(), allow_nan=False))
    assert (found["anchor"], found["metric"], found["unit"]) == ("x265-slow", "psnr-yuv", "dB")
    rate = found["clips"]["akiyo"]["x264-slow"]["bd_rate"]
    assert rate == {"value": pytest.approx(-10), "overlap": 1.0, "points": 4}
    refused = found["clips"]["bunny"]["x264-slow"]["bd_rate"]
    assert refused["value"] is None and "share no range of quality" in refused["reason"]
    assert found["average"] == {
        "clips": ["akiyo", "bunny"],
        "codecs": {"x264-slow": {"bd_rate": None, "bd_quality": None}},
    }


def test_unknown_anchor_and_metric(made_up):
    with pytest.raises(UsageError, match="no result is of the anchor x266") as error:
        compare([made_up(), made_up("x264")], "x266")
    assert error.value.hint == "There are x265-slow, x264-slow"
    with pytest.raises(UsageError, match="'psnr' is unknown"):
        compare([made_up()], "x265-slow", "psnr")


def test_different_pictures_of_one_name_are_not_compared(made_up):
    shorter = replace(made_up().clip, frames=24)
    with pytest.raises(UsageError, match=r"waves: x265-slow and x264-slow .* \(frames 48 and 24\)"):
        by_clip([made_up(), made_up("x264", clip=shorter)])


def test_results_of_other_programs_join_the_clip_of_their_name(made_up):
    foreign = replace(
        made_up("ours"), label="AV1", codec="", clip=replace(made_up().clip, sha256="", frames=0, width=0)
    )
    groups = by_clip([foreign, made_up()])
    assert list(groups) == [made_up().clip] and len(groups[made_up().clip]) == 2
