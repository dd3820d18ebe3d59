"""Pictures of curves: drawn for every shape of results, the same each time, without a trace of the user's settings."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.eval.plot import _looks, _number, _ticks, check_plot, plot


@pytest.fixture
def curves(made_up):
    """Two codecs on three clips."""
    clips = [replace(made_up().clip, name=name, sha256=name) for name in ("akiyo", "bunny", "crowd")]
    return [made_up(codec, clip=clip) for clip in clips for codec in ("nvc", "x265")]


def _words(path):
    """What is written in an SVG: matplotlib leaves each text as a comment beside its outlines."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    tree = ElementTree.parse(path, parser)
    return [node.text.strip() for node in tree.iter() if node.tag is ElementTree.Comment]


def test_says_what_it_shows(tmp_path, curves):
    plot(curves, tmp_path / "rd.svg")
    words = _words(tmp_path / "rd.svg")
    assert [word for word in words if word in ("akiyo", "bunny", "crowd")] == ["akiyo", "bunny", "crowd"]
    assert words.count("320x180, 48 frames, 30000/1001 fps") == 3
    assert words.count("nvc-slow") == words.count("x265-slow") == 1  # one legend for all panels
    assert words.count("PSNR YUV 6:1:1 (dB)") == 1 and words.count("rate (bits per pixel)") == 3
    assert "0.02" in words and "0.05" in words and not any("10^" in word or "e-" in word for word in words)
    assert any("whole files for nvc, video packets for block codecs" in word for word in words)


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_equal_results_are_equal_files(tmp_path, curves, suffix, magic):
    plot(curves[:2], tmp_path / f"a{suffix}")
    plot(curves[:2], tmp_path / f"b{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second and len(first) > 5000
    assert first.startswith(magic)
    assert not any(trace in first for trace in (b"Matplotlib v", b"<dc:date>", b"/CreationDate"))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_codec_looks_alike_in_every_panel(tmp_path, curves):
    plot(curves, tmp_path / "all.svg")
    plot(curves[::-1], tmp_path / "reversed.svg")
    for name in ("all", "reversed"):
        text = (tmp_path / f"{name}.svg").read_text()
        lines = [line for line in text.splitlines() if "stroke-width: 1.4" in line]
        assert len(lines) == 3 * 2 + 2  # panels and legend
        assert sum("#0072b2" in line for line in lines) == sum("#d55e00" in line for line in lines) == 4


def test_a_codec_has_its_colour_in_every_plot(made_up):
    """Whoever else is in it, and in whatever order."""
    codecs = ("nvc", "x264", "x265", "svtav1", "vvenc", "libaom", "another")

    def colours(*curves):
        return {look["color"] for look in _looks(curves).values()}

    alone = {codec: colours(made_up(codec)) for codec in codecs}
    assert len(set.union(*alone.values())) == len(codecs)
    for first, second in product(codecs, codecs):
        assert colours(made_up(first), made_up(second, "fast")) == alone[first] | alone[second]
    family = [made_up("nvc", preset) for preset in ("draft", "fast", "slow", "faster")]
    assert colours(*family) == alone["nvc"]
    assert len({(look["marker"], look["linestyle"]) for look in _looks(family).values()}) == len(family)


def test_users_settings_change_nothing(tmp_path, curves):
    import matplotlib

    plot(curves[:2], tmp_path / "a.svg")
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "black", "svg.fonttype": "none"}):
        plot(curves[:2], tmp_path / "b.svg")
        assert matplotlib.rcParams["axes.facecolor"] == "black"
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_leaves_pyplot_alone(tmp_path, made_up):
    made_up().save(tmp_path / "a.json")
    program = (
        "import sys; from nvcodec.eval.results import load_all; from nvcodec.eval import plot\n"
        "assert 'matplotlib' not in sys.modules and 'scipy' not in sys.modules and 'torch' not in sys.modules\n"
        f"plot.plot(load_all([{str(tmp_path)!r}]), {str(tmp_path / 'a.svg')!r})\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_odd_results_are_drawn(tmp_path, made_up):
    """Lone points, more codecs than colours, names that are formulas to matplotlib, clips of which nothing is known."""
    odd = [replace(made_up(f"c{n}", rates=(5000,)), label=f"c{n} $x^2$ $") for n in range(16)]
    foreign = replace(made_up().clip, name="$" * 200, sha256="", width=0, height=0, frames=0)
    odd.append(replace(made_up(rates=(1, 1_000_000)), label="", codec="", clip=foreign))
    odd.append(replace(made_up(), label="none", points=()))
    plot(odd, tmp_path / "odd.svg", "psnr-y")
    words = _words(tmp_path / "odd.svg")
    assert "c0 $x^2$ $" in [word.replace("\\$", "$") for word in words] and "none" not in words
    assert any(word.startswith("$$$") and word.endswith("$...") for word in words)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.007, 0.43, [0.01, 0.02, 0.05, 0.1, 0.2]),
        (0.013, 0.44, [0.02, 0.03, 0.05, 0.1, 0.2, 0.3]),
        (0.001, 9.0, [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]),
        (0.1, 0.11, [0.1, 0.102, 0.104, 0.106, 0.108, 0.11]),
    ],
)
def test_ticks_are_few_and_round(low, high, expected):
    assert _ticks(low, high) == pytest.approx(expected)


def test_ticks_are_plain_numbers():
    assert [_number(value) for value in (0.05, 0.1 + 0.2, 5e-05, 100.0, 0.0, -0.0)] == [
        "0.05", "0.3", "0.00005", "100", "0", "0",
    ]  # fmt: skip


def test_refusals(tmp_path, made_up, monkeypatch):
    with pytest.raises(UsageError, match=r"cannot draw rd\.gif") as error:
        check_plot("rd.gif")
    assert error.value.hint == "Plots are .png, .svg or .pdf"
    with pytest.raises(UsageError, match="nothing to plot"):
        plot([], tmp_path / "rd.png")
    with pytest.raises(UsageError, match="metric 'psnr' is unknown"):
        plot([made_up()], tmp_path / "rd.png", "psnr")
    with pytest.raises(InputError, match="x265-slow on waves was not measured in vmaf"):
        plot([made_up()], tmp_path / "rd.png", "vmaf")
    with pytest.raises(UsageError, match="cannot write"):
        plot([made_up()], tmp_path / "missing" / "rd.png")
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(UsageError, match="matplotlib") as error:
        plot([made_up()], tmp_path / "rd.png")
    assert "[plot]" in error.value.hint and not list(tmp_path.iterdir())
