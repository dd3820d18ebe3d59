"""What is kept is what was measured, and whatever else lies about is told from it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvcodec.errors import InputError, UsageError
from nvcodec.eval.results import METRICS, Curve, load_all, metric_values

COMPRESSAI = {
    "name": "AV1",
    "description": "libaom",
    "results": {
        "psnr-rgb": [29.5, 27.25],
        "psnr-yuv": [31.0, 28.0],
        "bpp": [0.125, 0.0625],
        "encoding_time": [9.0, 8.0],
    },
}


@pytest.fixture
def saved(tmp_path, made_up):
    """A result file, and what it holds."""
    path = tmp_path / "waves.x265-slow.json"
    made_up().save(path)
    return path, json.loads(path.read_text())


def test_comes_back_as_it_was(tmp_path, made_up):
    curve = made_up(vmaf=True, details={"parameters": 1234})
    curve.save(tmp_path / "a.json")
    assert Curve.load(tmp_path / "a.json") == curve
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_columns_are_those_of_compressai(saved):
    _, document = saved
    assert document["schema"] == "nvc-bench/1"
    assert (document["name"], document["description"]) == ("x265-slow", "x265 at slow")
    columns = document["results"]
    assert columns["psnr-yuv"] == [30.0, 32.5, 35.0, 37.5] and columns["psnr-y"][0] == 29.0
    assert columns["bitrate"][0] == pytest.approx(8 * 4000 * 30 / 1.001 / 48 / 1000)
    assert columns["bpp"] == sorted(columns["bpp"]) and columns["bpp"][0] == 8 * 4000 / (320 * 180 * 48)
    assert {len(column) for column in columns.values()} == {4} and "vmaf" not in columns


def test_points_are_in_order_of_their_bpp(made_up):
    curve = made_up()
    backwards = replace(curve, points=curve.points[::-1])
    assert backwards == curve


def test_no_number_is_written_twice(saved):
    _, document = saved
    assert not set(document["results"]) & set(document["nvc"]["points"][0])
    assert document["nvc"]["points"][0]["bytes"] == 4000


def test_what_only_some_points_have_stays_with_them(tmp_path, made_up):
    curve = made_up(vmaf=True)
    curve = replace(curve, points=(curve.points[0], replace(curve.points[1], vmaf=None)))
    curve.save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert "vmaf" not in document["results"] and document["nvc"]["points"][0]["vmaf"] == 60
    assert Curve.load(tmp_path / "a.json") == curve


def test_without_a_frame_rate_there_is_no_bitrate(tmp_path, made_up):
    curve = made_up(clip=replace(made_up().clip, fps=None))
    curve.save(tmp_path / "a.json")
    assert "bitrate" not in json.loads((tmp_path / "a.json").read_text())["results"]
    assert Curve.load(tmp_path / "a.json") == curve


def test_a_rate_that_its_bytes_do_not_make_is_a_bug(made_up):
    curve = made_up()
    with pytest.raises(ValueError, match="4001 bytes"):
        replace(curve, points=(replace(curve.points[0], bytes=4001),))
    with pytest.raises(ValueError, match="kbps"):
        replace(curve, points=(replace(curve.points[0], kbps=None),))


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, made_up):
    with pytest.raises(UsageError, match="cannot write"):
        made_up().save(tmp_path / "missing" / "a.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UsageError, match="folder.json is a folder"):
        made_up().save(tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def _set(document, place, value):
    *parents, last = place
    for key in parents:
        document = document[key]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("schema",), "nvc-bench/2", "its schema is 'nvc-bench/2', and this nvc reads 'nvc-bench/1'"),
        (("name",), 7, "name is 7, not a text"),
        (("results",), None, "results is missing"),
        (("results",), [], r"results holds \[\], not an object"),
        (("results", "bpp"), None, r"results.bpp is missing"),
        (("results", "bpp"), [0.1], "results.bpp has 1 numbers for 4 points"),
        (("results", "psnr-y"), [1, 2, 3, "4"], r'results.psnr-y\[3\] is "4", not a number'),
        (("results", "psnr-y"), [1, 2, 3, 10**400], r"results.psnr-y\[3\] is 1000.*\.\.\., not a number"),
        (("results", "encode_s"), [1, 2, 3, float("inf")], r"results.encode_s\[3\] is Infinity, not a number"),
        (("results", "bpp", 0), -0.1, "a rate that is not above 0"),
        (("results", "bpp", 0), 0.001, "4000 bytes, which are 0.0115741 bpp, not 0.001"),
        (("results", "bitrate", 0), 1.0, "4000 bytes, which are 19.98.* kbps, not 1.0"),
        (("nvc", "clip"), None, "nvc.clip is missing"),
        (("nvc", "clip", "width"), True, "nvc.clip.width is true, not a whole number"),
        (("nvc", "clip", "frames"), 0, "nvc.clip.frames is 0, not a whole number of at least 1"),
        (("nvc", "clip", "fps"), "1e999999999", "nvc.clip.fps is '1e999999999', not a fraction"),
        (("nvc", "versions"), {"x265": 3.5}, "nvc.versions.x265 is 3.5, not a text"),
        (("nvc", "points"), [], "results.bpp has 4 numbers for 0 points"),
        (("nvc", "points", 2), "x", r'nvc.points\[2\] holds "x", not an object'),
        (("nvc", "points", 2, "bytes"), None, r"nvc.points\[2\].bytes is missing"),
        (("nvc", "points", 2, "bytes"), 10**400, "damaged one"),
        (("nvc", "points", 2, "settings"), 1, r"nvc.points\[2\].settings holds 1, not an object"),
    ],
)
def test_says_what_is_wrong_with_a_damaged_file(saved, place, value, complaint):
    path, document = saved
    _set(document, place, value)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=complaint) as error:
        Curve.load(path)
    assert path.name in error.value.message


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'{"schema"', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[1, 2]", r"the file holds \[1, 2\], not an object"),
        (b'{"schema": "nvc-info/1"}', "results is missing"),
    ],
)
def test_what_is_no_result_is_named(tmp_path, data, complaint):
    (tmp_path / "odd.json").write_bytes(data)
    with pytest.raises(InputError, match=complaint):
        Curve.load(tmp_path / "odd.json")
    with pytest.raises(InputError, match="cannot read"):
        Curve.load(tmp_path / "missing.json")


@given(st.data())
@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_gets_through_as_a_bug(saved, data):
    """Any part of a file replaced by anything: it loads, or is refused in words."""
    path, document = saved
    document = json.loads(json.dumps(document))
    node, place = document, ()
    while isinstance(node, (dict, list)) and node and (not place or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node, place = node[key], (*place, key)
    json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})
    _set(document, place, data.draw(json_values))
    path.write_text(json.dumps(document))
    try:
        Curve.load(path)
    except InputError as error:
        assert path.name in error.message


def test_files_of_compressai_are_curves_too(tmp_path):
    (tmp_path / "kodak").mkdir()
    path = tmp_path / "kodak" / "av1.json"
    path.write_text(json.dumps(COMPRESSAI))
    curve = Curve.load(path)
    assert (curve.label, curve.codec, curve.clip.name) == ("AV1", "", "kodak")
    assert [point.bpp for point in curve.points] == [0.0625, 0.125]
    assert metric_values(curve, "psnr-rgb") == [27.25, 29.5]
    with pytest.raises(InputError, match="AV1 on kodak was not measured in psnr-yuv") as error:
        metric_values(curve, "psnr-yuv")  # theirs weighs 4:1:1
    assert error.value.hint == "It has psnr-rgb"


def test_what_other_programs_do_not_say_is_not_in_our_json(tmp_path):
    path = tmp_path / "av1.json"
    path.write_text(json.dumps(COMPRESSAI))
    document = json.loads(json.dumps(Curve.load(path).to_json(), allow_nan=False))
    assert not {"encode_s", "decode_fps"} & {*document["results"], *document["nvc"]["points"][0]}
    Curve.load(path).save(tmp_path / "ours.json")  # and can be written


def test_metrics(made_up):
    curve = made_up(vmaf=True)
    assert metric_values(curve, "psnr-yuv") == [30.0, 32.5, 35.0, 37.5]
    assert metric_values(curve, "ms-ssim-y") == pytest.approx([15.0, 16.25, 17.5, 18.75])
    assert metric_values(curve, "vmaf") == [60, 70, 80, 90]
    assert all(len(metric_values(curve, metric)) == 4 for metric in METRICS)
    perfect = replace(curve, points=(replace(curve.points[0], ms_ssim_y=1.0),))
    assert metric_values(perfect, "ms-ssim-y") == [60]
    with pytest.raises(UsageError, match="'ssim' is unknown"):
        metric_values(curve, "ssim")
    with pytest.raises(InputError, match="x265-slow on waves was not measured in vmaf"):
        metric_values(made_up(), "vmaf")


def test_folders_are_searched_and_other_json_in_them_is_passed_over(tmp_path, made_up):
    first, second = made_up(), made_up("x264")
    (tmp_path / "more").mkdir()
    first.save(tmp_path / "b.json")
    second.save(tmp_path / "more" / "a.json")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "job.json").write_text('{"schema": "nvc-encode/1"}')
    assert load_all([tmp_path]) == [first, second]
    assert load_all([tmp_path / "more" / "a.json", tmp_path, tmp_path / "more" / ".." / "b.json"]) == [second, first]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no results"):
        load_all([tmp_path, tmp_path / "empty"])
    with pytest.raises(InputError, match="results is missing"):
        load_all([tmp_path / "job.json"])


def test_two_files_with_one_curve_are_refused(tmp_path, made_up):
    for name in ("old", "new"):
        made_up().save(tmp_path / f"{name}.json")
    with pytest.raises(UsageError, match="new.json and .*old.json both hold x265-slow on waves"):
        load_all([tmp_path])
