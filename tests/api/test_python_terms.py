"""The same in Python, keyword for option: values, refusals and words of the command line, in Python's terms."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nvcodec
from nvcodec import errors, tongues
from nvcodec.cli._options import KindType
from nvcodec.cli.main import COMMANDS, cli
from nvcodec.config import keywords
from nvcodec.config.options import DecodeOptions, EncodeOptions, EvalOptions, Options, described, keyword
from nvcodec.errors import NvcError, TargetNotReachedWarning, UsageError
from nvcodec.eval.contestants import parse_codecs, words_of
from nvcodec.tongues import in_python, speaking_command_line

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "bunny_320x180.nvc"
CLASSES: tuple[type[Options], ...] = (EncodeOptions, DecodeOptions, EvalOptions)
EVERY = [(options, name) for options in CLASSES for name in described(options)]
_FLAG = re.compile(r"(?<![\w-])-{1,2}[a-z]")
"""What a message for Python must not name."""
_FOREIGN = re.compile(r"\b(ffmpeg|pip|mkdir)\b.*", re.DOTALL)


# ---- values and refusals


@pytest.mark.parametrize(("options", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
@settings(max_examples=40)
@given(
    text=st.sampled_from(
        ["-1", "0", "99", "1e9", "800k", "2MB", "60s", "-5s", "1h30m", "nan", "", "1/3", "yuv", "draft", "drft",
         "64x48", "64x", "30000/1001", "psnr", "psnr,vmaf", "max_frames=3", "fit.batch=2", "0.5", "True"]
    )
    | st.text(max_size=6)
    | st.floats().map(str)
    | st.integers().map(str)
)  # fmt: skip
def test_python_refuses_what_the_command_line_refuses(options: type[Options], name: str, text: str) -> None:
    """And takes what it takes, as the same value."""
    option = described(options)[name]
    if option.kind.name == "flag":
        return
    given_as = (text,) if option.repeated else text
    try:
        ours = KindType(option.kind).convert(given_as, None, None)
    except click.ClickException:
        for spelling in (name, keyword(option)):
            with pytest.raises(UsageError, match=f"^{spelling}: "):
                options(**{spelling: given_as})
    else:
        assert getattr(options(**{name: given_as}), name) == ours
        assert options(**{keyword(option): given_as}) == options(**{name: given_as})


@pytest.mark.parametrize(
    ("how", "name"),
    [({"bpp": -1}, "bpp"), ({"crf": 99}, "crf"), ({"max_time": -3}, "max_time"), ({"max_time_s": "-3s"}, "max_time_s"),
     ({"seek": -1}, "seek"), ({"preset": "drft"}, "preset"), ({"target_size": 0}, "target_size")],
)  # fmt: skip
def test_nonsense_is_refused_before_anything_else(how: dict[str, Any], name: str) -> None:
    for call in (lambda: EncodeOptions(**how), lambda: nvcodec.encode("missing.y4m", "x.nvc", **how)):
        with pytest.raises(UsageError, match=f"^{name}: "):
            call()


def test_numbers_and_texts_are_one() -> None:
    texts = EncodeOptions(bitrate="800k", max_time="60s", params="3M", size="64x48", fps="29.97", set={"fit.batch": 2})
    numbers = EncodeOptions(
        bitrate=800_000, max_time_s=60, parameters=3_000_000, size=(64, 48), fps=29.97, settings={"fit.batch": 2}
    )
    assert texts == numbers and EncodeOptions(target_size="2MB").target_size == 2_000_000
    with pytest.raises(UsageError, match="max_time and max_time_s are one option"):
        EncodeOptions(max_time=3, max_time_s=3)


@pytest.mark.parametrize("value", [None, 5, 1.5, [], {}, b"", object()], ids=lambda value: type(value).__name__)
def test_what_is_no_file_is_refused_by_all(value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(SAMPLE)
    calls: list[Callable[[], object]] = [
        lambda: nvcodec.encode(file, value, preset="draft", frames=1),
        lambda: nvcodec.encode(value, "x.nvc"),
        lambda: nvcodec.decode(value, None),
        lambda: nvcodec.probe(value),
        lambda: nvcodec.strip(value, layers=0),
        lambda: nvcodec.append(file, value),
        lambda: nvcodec.extract(file, "x", value),
        lambda: nvcodec.extract(file, value, 1),
        lambda: nvcodec.evaluate(value, file),
        lambda: nvcodec.evaluate(file, value),
        lambda: nvcodec.resume(value),
        lambda: nvcodec.add_layer(file, value),
        lambda: nvcodec.bench(file, value),
        lambda: nvcodec.bench(value, "x"),
        lambda: nvcodec.VideoReader(value),
        lambda: nvcodec.VideoDataset(value),
        lambda: nvcodec.VideoReader(file, device=value),
        lambda: nvcodec.VideoReader(file, stream="9" if value == 5 else value),
    ]
    if value is not None:
        calls += [
            lambda: nvcodec.decode(file, value),
            lambda: nvcodec.decode_all(file, value),
            lambda: nvcodec.VideoReader(file, device="cpu", layers=value),
            lambda: nvcodec.VideoReader(file, device="cpu", batch=0 if value == 5 else value),
            lambda: nvcodec.probe(file, limits={"max_width": value} if value != 5 else 5),  # type: ignore[arg-type]
        ]
    for call in calls:
        with pytest.raises(NvcError):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [nvcodec.strip, nvcodec.extract])
def test_outputs_come_before_numbers(call: Callable[..., object]) -> None:
    for words in ((SAMPLE, 0), (SAMPLE, 1, "x.nvc")):
        with pytest.raises(UsageError, match="is no output") as caught:
            call(*(words if call is nvcodec.strip else (*words, 1)[:3]))
        assert "layer" in caught.value.hint
    names = list(inspect.signature(call).parameters)
    assert names.index("output") == 1


_FLAGS = [
    (getattr(nvcodec, name), each.name)
    for name in nvcodec.__all__
    if inspect.isfunction(getattr(nvcodec, name))
    for each in inspect.signature(getattr(nvcodec, name)).parameters.values()
    if isinstance(each.default, bool)
]


@pytest.mark.parametrize(("function", "flag"), _FLAGS, ids=lambda each: getattr(each, "__name__", each))
@pytest.mark.parametrize("value", ["yes", "", 1, 0, None])
def test_flags_are_true_or_false(function: Callable[..., object], flag: str, value: Any) -> None:
    """And that is looked at first of all."""
    required = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    words = {each.name: "missing" for each in required if each.kind is not each.VAR_KEYWORD}
    with pytest.raises(UsageError, match=f"^{flag}: .* is neither true nor false"):
        function(**words, **{flag: value})


def test_all_flags_are_tried() -> None:
    assert {"overwrite", "progress", "verify", "drop_previews"} == {flag for _, flag in _FLAGS} and len(_FLAGS) > 15


def test_what_sequences_raise_is_an_error_of_ours_too() -> None:
    with nvcodec.VideoReader(SAMPLE, device="cpu") as reader:
        for call, kind in ((lambda: reader[99], IndexError), (lambda: reader.get_frame_played_at(-1), ValueError)):
            with pytest.raises(kind) as caught:
                call()
            assert isinstance(caught.value, NvcError)
    with pytest.raises(ValueError, match="the reader is closed") as closed:
        len(reader)
    assert isinstance(closed.value, NvcError)


# ---- names as types


def _literals(hint: Any) -> set[str]:
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {word for each in get_args(hint) for word in _literals(each)}


@pytest.mark.parametrize(
    ("options", "hints"),
    [
        (EncodeOptions, keywords.EncodeKeywords),
        (DecodeOptions, keywords.DecodeKeywords),
        (EvalOptions, keywords.EvalKeywords),
    ],
)
def test_names_are_those_of_the_registries(options: type[Options], hints: type) -> None:
    found = get_type_hints(hints)
    for name, option in described(options).items():
        if option.kind.choices:
            assert _literals(found[name]) == set(option.kind.choices), name
            assert _literals(found[keyword(option)]) == set(option.kind.choices), name
    assert options is not EvalOptions or _literals(found["metrics"]) == {"psnr", "ms-ssim", "vmaf"}


def test_a_type_checker_finds_mistakes(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import nvcodec\n"
        'nvcodec.encode("a", "b", preset="draft", bitrate="800k", max_time="60s")\n'
        'nvcodec.EncodeOptions(target_size="2MB", model="dnerv")\n'
        'nvcodec.encode("a", "b", preset="drft")\n'
        'nvcodec.encode("a", "b", modl="dnerv")\n'
        'nvcodec.EncodeOptions(domain="yuv")\n'
        'nvcodec.decode("a", "b", scale="1/3")\n'
        'nvcodec.evaluate("a", "b", metrics=["vmf"])\n'
        'nvcodec.VideoReader("a", precision="half")\n'
        'nvcodec.bench("a", "b", metric="psnr")\n'
    )
    settings = tmp_path / "mypy.ini"
    settings.write_text(
        "[mypy]\nignore_missing_imports = true\nfollow_imports = silent\n"
        "[mypy-numpy.*,torch.*,av.*,rich.*,click.*]\nfollow_imports = skip\n"  # or it takes half a minute
    )
    words = ["--config-file", str(settings), "--cache-dir", os.devnull, str(snippet)]
    done = subprocess.run([sys.executable, "-m", "mypy", *words], capture_output=True, text=True, cwd=ROOT)
    found = [int(line) for line in re.findall(r"snippet\.py:(\d+): error", done.stdout)]
    assert found == [4, 5, 6, 7, 8, 9, 10], done.stdout


# ---- words


def _flags() -> Iterator[tuple[str, str]]:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for parameter in command.params:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if flag.startswith("-"):
                    yield name, flag


def test_no_flag_is_left_in_a_sentence() -> None:
    for _, flag in _flags():
        if flag.startswith("--"):
            assert not _FLAG.search(in_python(f"Give it another {flag}, or leave {flag} out")), flag


@pytest.mark.parametrize(("options", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_flags_become_keywords(options: type[Options], name: str) -> None:
    option = described(options)[name]
    for flag in option.flags:
        word = in_python(f"lower {flag}").removeprefix("lower ").removesuffix("=True").removesuffix("=...")
        assert word in (name, keyword(option)), flag


def _words_of_messages() -> Iterator[str]:
    """Every text of an error or a notice that Python can meet, with something plain for what is filled in."""
    for path in sorted((ROOT / "nvcodec").rglob("*.py")):
        if path.parent.name == "cli" or path.name == "tongues.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (getattr(node.func, "id", "").endswith(("Error", "Notice", "quoted"))):
                for argument in node.args:
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "7"
                        for each in ast.walk(argument)
                        if isinstance(each, ast.JoinedStr) or each is argument
                        for part in (each.values if isinstance(each, ast.JoinedStr) else [each])
                    )


def test_no_message_speaks_of_flags_to_python() -> None:
    said = [in_python(text) for text in _words_of_messages()]
    assert len(said) > 300
    for text in said:
        own = _FOREIGN.sub("", text)
        assert not re.search(r"(?<![\w./'-])--[a-z]| -[yonrsbm]\b(?! \|)", own.split(" | ")[0]), text
        assert "nvc decode" not in own or "|" in own, text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("add -y to replace it", "add overwrite=True to replace it"),
        ("--crf and --bpp both given; choose one", "crf and bpp both given; choose one"),
        ("Use --model dnerv", 'Use model="dnerv"'),
        ("Go on with:  nvc encode --resume 'my work'", "Go on with:  nvcodec.resume('my work')"),
        ("Go on with:  nvc add-layer --resume w", "Go on with:  nvcodec.resume('w')"),
        ("Remove it with:  nvc strip FILE --layers 2", "Remove it with:  nvcodec.strip(FILE, layers=2)"),
        ("raise the limit with: --limit max_frames=2000", 'raise the limit with: limits={"max_frames": 2000}'),
        ("Lower it:  --set fit.learning_rate=2e-3", 'Lower it:  settings={"fit.learning_rate": 2e-3}'),
        ("Give it:  -s 1920x1080 -r 30 --pix-fmt yuv420p", 'Give it:  size="1920x1080", rate=30, pix_fmt="yuv420p"'),
        ("  --allow-truncated, or --frames 12", "  allow_truncated=True, or frames=12"),
        ("Name it so:  -o 'my x.nvc'\nElse:  -o - > x.mp4", "Name it so:  output='my x.nvc'"),
        ("Name a .png or a .jpg:  -o sheet.png", "Name a .png or a .jpg:  output='sheet.png'"),
        # what is the same for whoever calls from Python
        ("Convert it:  ffmpeg -i in.mp4 -r 30 --y out.y4m", "Convert it:  ffmpeg -i in.mp4 -r 30 --y out.y4m"),
        ("Make it first:  mkdir -p './-y'", "Make it first:  mkdir -p './-y'"),
        ("a-b.y4m exists, and c--seek.y4m", "a-b.y4m exists, and c--seek.y4m"),
        ("this nvc reads up to 1.1; see nvc doctor", "this nvc reads up to 1.1; see nvc doctor"),
    ],
)
def test_both_languages(written: str, meant: str) -> None:
    error = UsageError("it is wrong", written)
    with speaking_command_line():
        assert error.hint == written
    assert error.hint == meant == in_python(meant)


@given(st.text())
def test_translated_texts_stay_as_they_are(text: str) -> None:
    assert in_python(in_python(text)) == in_python(text)


def test_names_that_could_be_words() -> None:
    choices = {word for options in CLASSES for option in described(options).values() for word in option.kind.choices}
    assert {word for word in choices if word.isalpha()} <= tongues._NAMES


def test_hints_of_calls_can_be_typed(tmp_path: Path) -> None:
    taken = tmp_path / "taken.nvc"
    taken.touch()
    with pytest.raises(UsageError, match="exists; add overwrite=True to replace it"):
        nvcodec.decode(SAMPLE, f"{taken.with_suffix('.y4m').touch() or taken.with_suffix('.y4m')}")
    with pytest.raises(UsageError, match="crf and bpp both given"):
        nvcodec.encode("a.y4m", "x.nvc", crf=3, bpp=1)
    with pytest.raises(UsageError, match='model="dnerv" takes several'):
        nvcodec.encode(["a.y4m", "b.y4m"], "x.nvc")


# ---- what comes back


def test_results_are_a_few_lines(tmp_path: Path) -> None:
    archive = ROOT / "tests" / "conformance" / "archive.nvc"
    shown = [nvcodec.probe(SAMPLE), nvcodec.probe(archive), nvcodec.probe(SAMPLE.read_bytes())]
    frames = np.zeros((3, 3, 32, 48), np.uint8)
    frames[:, :, 8:16] = 200
    result = nvcodec.encode(frames, tmp_path / "x.nvc", preset="draft", epochs=1, device="cpu")
    shown += [result, nvcodec.evaluate(tmp_path / "x.nvc", tmp_path / "x.nvc", device="cpu")]
    for each in shown:
        assert len(repr(each)) < 4000 and repr(each).count("\n") < 20, type(each)
    assert "Info(" in repr(shown[0]) and "320x180" in repr(shown[0])


def test_an_evaluation_says_its_numbers(tmp_path: Path) -> None:
    found = nvcodec.evaluate(SAMPLE, SAMPLE, device="cpu", frames=1)
    said = repr(found)
    assert f"bytes={found.bytes}" in said and f"bpp={found.bpp:.4f}" in said and "'yuv_611': 100.0" in said
    assert "ms_ssim_y=1.0" in said and "frames=1" in said and "per_frame" not in said


# ---- bench, as on the command line


_POINTS = [
    ([30], "x264", {"x264": (30.0,)}),
    (30, "x264,x265", {"x264": (30.0,), "x265": (30.0,)}),
    ("20,40", ["x264"], {"x264": (20.0, 40.0)}),
    ({"x264": 20}, "x264,x265", {"x264": (20.0,)}),
    ({"x264": [20, 40], "x265": "30"}, "x264,x265", {"x264": (20.0, 40.0), "x265": (30.0,)}),
    (["x264=20", "x265=40"], "x264,x265", {"x264": (20.0,), "x265": (40.0,)}),
    (np.array([20, 40]), "x264", {"x264": (20.0, 40.0)}),
]


@pytest.mark.parametrize(("points", "codecs", "wanted"), _POINTS, ids=lambda each: str(each)[:20])
def test_points_as_they_come(points: Any, codecs: Any, wanted: dict[str, tuple[float, ...]]) -> None:
    found = parse_codecs(",".join(words_of("codecs", codecs)), words_of("points", points))
    chosen = {one.codec.name: one.points for one in found}
    assert {name: chosen[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "how",
    [{"points": 1j}, {"points": [True]}, {"points": [None]}, {"points": [[30]]}, {"points": ["30", 20]},
     {"points": b"30"}, {"options": 3}, {"codecs": 5}, {"codecs": []},
     {"points": "x265=30"}, {"anchor": "av1"}, {"anchor": 3}, {"metric": "ssim"}, {"metric": "vmaf"}, {"plot": "a.gif"},
     {"plot": 5}, {"metrics": "ssim"}, {"fps": -1}, {"crop": "0:0"}, {"anything": 1}],
    ids=str,
)  # fmt: skip
def test_a_bench_that_makes_no_sense(tmp_path: Path, how: dict[str, Any]) -> None:
    with pytest.raises(NvcError) as caught:
        nvcodec.bench(ROOT / "samples" / "bunny_320x180_25.mkv", tmp_path / "x", **{"codecs": "x264", **how})
    assert "--" not in str(caught.value) and not (tmp_path / "x").exists()


def test_a_bench_compares_and_draws_by_keyword(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    clip = ROOT / "samples" / "bunny_320x180_25.mkv"
    how: dict[str, Any] = {
        "codecs": ["x264:ultrafast", "x264:superfast"],
        "points": [30, 40],
        "frames": 2,
        "scale": "1/4",
    }
    found = nvcodec.bench(clip, tmp_path / "x", anchor="x264:ultrafast", plot=tmp_path / "rd.svg", **how)
    assert found.summary is not None and found.summary.anchor == "x264-ultrafast"
    assert (tmp_path / "rd.svg").read_bytes().startswith(b"<?xml")
    assert "bunny_320x180_25 x264-superfast: 2 points" in repr(found)
    assert [(curve.clip.width, curve.clip.height) for curve in found.curves] == [(80, 44)] * 2


def test_a_missed_target_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "clip.y4m"
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 48), np.uint8)
    how: dict[str, Any] = {"preset": "draft", "epochs": 1, "device": "cpu", "target_psnr": 60, "params": 300}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = nvcodec.encode(noise, tmp_path / "x.nvc", **how)
    assert result.shortfall and (tmp_path / "x.nvc").exists()
    (warning,) = [each for each in told if each.category is TargetNotReachedWarning]
    assert str(warning.message).startswith("target not reached: ") and warning.filename == __file__
    assert "--" not in str(warning.message) and not source.exists()


@pytest.mark.parametrize("make", [str, Path, lambda path: Path(path).read_bytes()], ids=["str", "Path", "bytes"])
def test_readers_can_be_pickled(make: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT / "samples")
    reader = nvcodec.VideoReader(make(Path("bunny_320x180.nvc")), device="cpu", scale="1/2", batch=2)
    first = reader[3]
    sent = pickle.dumps(reader)
    monkeypatch.chdir(tmp_path)  # as a worker may be
    again = pickle.loads(sent)  # noqa: S301
    assert (again[3] == first).all() and repr(again) == repr(reader)


def test_readers_of_what_is_open_say_why_not() -> None:
    with SAMPLE.open("rb") as file, pytest.raises(UsageError, match="a reader of an open file cannot be pickled"):
        pickle.dumps(nvcodec.VideoReader(file, device="cpu"))
    with pytest.raises(UsageError, match="a reader of an open session cannot be pickled"):
        pickle.dumps(nvcodec.VideoReader(nvcodec.probe(SAMPLE).session, device="cpu"))


# ---- progress


def test_progress_by_one_keyword(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.zeros((3, 3, 32, 48), np.uint8)
    heard: list[object] = []
    nvcodec.encode(
        frames, tmp_path / "x.nvc", preset="draft", epochs=1, device="cpu", progress=True, on_event=heard.append
    )
    said = capsys.readouterr()
    assert heard and "parameters" in said.err and not said.out  # no terminal: lines
    nvcodec.decode(tmp_path / "x.nvc", tmp_path / "x.y4m", device="cpu", progress=True)
    nvcodec.evaluate(tmp_path / "x.nvc", tmp_path / "x.y4m", device="cpu")
    assert not capsys.readouterr().err


def test_in_a_notebook_it_is_a_bar_below_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the widget that rich asks for; the rest of IPython is made up."""
    cells: list[str] = []

    class ZMQInteractiveShell:
        """What rich knows notebooks by."""

    class Output:
        def __enter__(self) -> None:
            cells.append("")

        def __exit__(self, *_: object) -> None: ...

        def clear_output(self, wait: bool) -> None: ...

        def close(self) -> None: ...

    def display(what: Any) -> None:
        if not isinstance(what, Output):
            cells[-1] += str(what._repr_mimebundle_((), ())["text/plain"])

    modules: dict[str, Any] = {name: ModuleType(name) for name in ("IPython", "IPython.display", "ipywidgets")}
    modules["IPython.display"].display = display
    modules["ipywidgets"].__spec__ = ModuleSpec("ipywidgets", None)
    modules["ipywidgets"].Output = Output
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    nvcodec.decode(SAMPLE, tmp_path / "x.y4m", device="cpu", frames=3, progress=True)
    assert any(cell.startswith("decode ") and "%" in cell for cell in cells), cells
    assert "\x1b" not in capsys.readouterr().err


def test_in_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from nvcodec.progress.bars import BarProgress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert isinstance(nvcodec.progress_bar(), BarProgress)


def test_errors_can_be_sent_to_other_processes() -> None:
    error = UsageError("x exists; add -y to replace it", "Give --bpp 2")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.hint) == ("x exists; add overwrite=True to replace it", "Give bpp=2")
    assert issubclass(errors.NoFrameError, IndexError)
