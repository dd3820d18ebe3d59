"""Quantities with units, and where options come from."""

from __future__ import annotations

from fractions import Fraction

import click
import pytest

from nvcodec.cli._options import KindType
from nvcodec.cli.encode import command
from nvcodec.config import kinds
from nvcodec.config.options import PIXEL_FORMAT
from nvcodec.io.saying import about, duration
from nvcodec.progress.figures import bit_rate, clock, count, rate, size


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.SIZE_BYTES, "2MB", 2_000_000),
        (kinds.SIZE_BYTES, "900KiB", 921_600),
        (kinds.SIZE_BYTES, "1.5k", 1500),
        (kinds.SIZE_BYTES, "1234", 1234),
        (kinds.BIT_RATE, "800k", 800_000),
        (kinds.BIT_RATE, "1.5M", 1_500_000),
        (kinds.COUNT, "3M", 3_000_000),
        (kinds.COUNT, "750k", 750_000),
        (kinds.DURATION, "90s", 90),
        (kinds.DURATION, "30m", 1800),
        (kinds.DURATION, "1h30m", 5400),
        (kinds.DURATION, "45", 45),
        (kinds.PICTURE_SIZE, "352x288", (352, 288)),
        (kinds.FRAME_RATE, "30000/1001", Fraction(30000, 1001)),
        (kinds.FRAME_RATE, "23.976", Fraction(24_000, 1001)),
        (PIXEL_FORMAT, "10", "yuv420p10le"),
    ],
)
def test_values(kind, text, value):
    assert KindType(kind).convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.SIZE_BYTES, "2XB"),
        (kinds.SIZE_BYTES, "0"),
        (kinds.SIZE_BYTES, "-3MB"),
        (kinds.SIZE_BYTES, ""),
        (kinds.BIT_RATE, "fast"),
        (kinds.DURATION, "3 weeks"),
        (kinds.DURATION, "1e99"),
        (kinds.PICTURE_SIZE, "352"),
        (kinds.PICTURE_SIZE, "0x288"),
        (kinds.FRAME_RATE, "30/0"),
        (kinds.FRAME_RATE, "0"),
        (kinds.FRAME_RATE, "nan"),
        (kinds.FRAME_RATE, "99999.999999"),  # numerator and denominator are of 32 bits in a file
    ],
)
def test_refused(kind, text):
    with pytest.raises(click.BadParameter):
        KindType(kind).convert(text, None, None)


def test_numbers_for_people():
    assert [size(n) for n in (845, 999.4, 1500, 43_630, 999_990, 1_470_000)] == [
        "845 bytes", "999 bytes", "1.50 kB", "43.6 kB", "1.00 MB", "1.47 MB",
    ]  # fmt: skip
    assert [size(n) for n in (0, 0.6, 1, 2)] == ["0 bytes", "1 byte", "1 byte", "2 bytes"]
    assert [bit_rate(n) for n in (11.7, 800, 356_700, 10_300_000)] == ["12 b/s", "800 b/s", "357 kb/s", "10.3 Mb/s"]
    assert [count(n) for n in (845, 3_020_000, 137_000)] == ["845", "3.02 M", "137 k"]
    assert [rate(n) for n in (3.118, 61, 1271)] == ["3.12", "61.0", "1,271"]
    assert [clock(s) for s in (12, 7084, float("inf"))] == ["0:12", "1:58:04", "?"]


@pytest.mark.parametrize(
    ("seconds", "exact", "roughly"),
    [(0.2, "1 s", "1 s"), (8, "8 s", "8 s"), (59.7, "1 min", "1 min"), (77, "1 min 17 s", "1 min 15 s"),
     (120, "2 min", "2 min"), (788, "13 min 8 s", "13 min"), (3599.8, "1 h", "1 h"), (4141, "1 h 9 min", "1 h 9 min"),
     (7821, "2 h 10 min", "2 h 10 min"), (7200, "2 h", "2 h"), (360_000, "100 h", "100 h")],
)  # fmt: skip
def test_a_time_is_written_in_one_way(seconds, exact, roughly):
    assert (duration(seconds), about(seconds)) == (exact, roughly)


def _parsed(*words):
    return command.make_context("encode", ["clip.y4m", "-o", "x.nvc", *words]).params


def test_config_file_is_weaker_than_options(tmp_path):
    file = tmp_path / "nvc.toml"
    file.write_text('preset = "slow"\ncrf = 20\nmax-time = "1h"\n[fit]\nlearning_rate = 1e-3\n')
    parsed = _parsed("--config", str(file), "--preset", "fast")
    assert (parsed["preset"], parsed["crf"], parsed["max_time_s"]) == ("fast", 20, 3600)
    assert parsed["tables"] == {"fit.learning_rate": 1e-3}


def test_target_of_an_option_replaces_that_of_the_file(nvc, clip, tmp_path):
    file = tmp_path / "nvc.toml"
    file.write_text("crf = 20\n")
    words = ["--config", file, "--bpp", "0.1", "--device", "abacus"]
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", *words)
    assert "abacus" in outcome.err and "both given" not in outcome.err


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("presett = 'slow'", 2, "no option is called 'presett'\n  Did you mean preset?"),
        ("crf = 'soft'", 2, "'soft' is not a valid number"),
        ("epochs = [1]", 2, "'[1]' is not a valid number"),
        ("seed = []", 2, "'[]' is not a valid whole number"),
        ("[fit]\nlr = 3", 2, "no setting is called 'fit.lr'"),
        ("=", 2, "no valid TOML"),
    ],
)
def test_bad_config_file(nvc, clip, tmp_path, text, code, message):
    file = tmp_path / "nvc.toml"
    file.write_text(text)
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", "--config", file)
    assert outcome.code == code and message in outcome.err


def test_config_file_missing(nvc, clip, tmp_path):
    outcome = nvc("encode", clip, "-o", tmp_path / "x.nvc", "--config", tmp_path / "no.toml")
    assert outcome.code == 3 and "cannot read" in outcome.err
