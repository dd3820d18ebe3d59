"""The walls of the house: who may import whom, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "nvcodec"
FILES = {
    ".".join(("nvcodec", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def _imports(module: str, *, lazy: bool, typing: bool = False) -> set[str]:
    """Modules that a module imports: at once, or (``lazy``) at any time; annotations only where ``typing``."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update({node.module} | {name for name in names if name in FILES})
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        later = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if (for_types and not typing) or (later and not lazy):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(FILES[module].read_text()))
    return found


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _closure(package: str, *, lazy: bool) -> set[str]:
    """Every module, ours or not, that a package reaches."""
    reached: set[str] = set()
    todo = {module for module in FILES if _package(module) == package}
    assert todo, package
    while todo:
        module = todo.pop()
        reached.add(module)
        if module in FILES:
            parents = {".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)}
            todo |= (_imports(module, lazy=lazy) | parents) - reached
    return reached


def _top(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("package", ["container", "io", "entropy", "quant", "color", "types", "errors"])
def test_never_reaches_torch(package):
    assert not _top(_closure(package, lazy=True)) & {"torch", "pytorch_msssim"}


def test_decoder_knows_nothing_of_encoding():
    reached = {_package(module) for module in _closure("decoder", lazy=True) if module in FILES}
    assert not reached & {"encoder", "eval", "cli", "api", "metrics"}


def test_container_needs_only_the_standard_library_and_numpy_types():
    third_party = _top(_closure("container", lazy=True)) - set(sys.stdlib_module_names) - {"nvcodec"}
    assert third_party <= {"numpy"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("constriction", {"nvcodec.entropy.coder"}),
        (
            "av",
            {
                f"nvcodec.io.{name}"
                for name in ("av_frames", "filtering", "fitting", "gif", "packets", "png_pixels", "pyav", "stills")
            },
        ),
        ("pytorch_msssim", {"nvcodec.metrics.msssim"}),
    ],
)
def test_one_home_for_each_library(library, homes):
    assert {m for m in FILES if library in _top(_imports(m, lazy=True, typing=True))} == homes


@pytest.mark.parametrize(("library", "home"), [("click", "cli"), ("rich", "progress")])
def test_terminal_libraries_have_one_home_each(library, home):
    assert {_package(m) for m in FILES if library in _top(_imports(m, lazy=True, typing=True))} == {home}


def test_no_pickle():
    for module, path in FILES.items():
        assert not {"pickle", "dill", "joblib", "shelve", "marshal"} & _top(_imports(module, lazy=True)), module
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
        assert not calls & {"torch.load", "torch.save", "torch.hub.load"}, module
        assert "allow_pickle=True" not in path.read_text(), module


def test_packages_form_no_cycle():
    graph: dict[str, set[str]] = {}
    for module in FILES:
        if module == "nvcodec":
            continue  # its names are resolved when they are first used
        ours = {_package(found) for found in _imports(module, lazy=True) if found in FILES}
        graph.setdefault(_package(module), set()).update(ours - {_package(module), ""})
    TopologicalSorter(graph).prepare()


_FLOORS = (
    "version", "tongues", "errors", "types", "color", "quant", "container", "io", "entropy", "models", "metrics",
    "decoder", "config", "encoder", "progress", "api", "eval", "cli",
)  # fmt: skip
"""From the ground up: who stands higher may import whom stands lower, never the other way round."""


def test_no_import_runs_upwards():
    assert {_package(module) for module in FILES} - {"", "__main__"} == set(_FLOORS)
    for module in FILES:
        if _package(module) in _FLOORS:
            ours = {_package(found) for found in _imports(module, lazy=True, typing=True) if found in FILES} - {""}
            floors = [_FLOORS.index(package) for package in ours]
            assert max(floors, default=0) <= _FLOORS.index(_package(module)), (module, ours)


def test_modules_form_no_circle():
    graph = {}
    for module in FILES:
        found = {found for found in _imports(module, lazy=False) if found in FILES}
        graph[module] = {other for other in found if not f"{module}.".startswith(f"{other}.")}  # its own package's name
    TopologicalSorter(graph).prepare()


def test_the_encoder_has_one_road_and_few_doors():
    assert len([path for path in (ROOT / "encoder").iterdir() if path.name != "__pycache__"]) <= 12
    models = {module for module in FILES if "nvcodec.models.dnerv_config" in _imports(module, lazy=True, typing=True)}
    part = {
        f"nvcodec.encoder.{name}" for name in ("parts.shared", "parts.key_coder", "footage.units", "plan.size_dnerv")
    }
    assert {module for module in models if _package(module) != "models"} <= part
    for module, path in FILES.items():
        assert "has_key_frames" not in path.read_text(), module


def test_functions_are_held_in_the_head():
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = node.end_lineno - body[0].lineno + 1 if body else 0
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                assert lines <= 100 and len(arguments) <= 12, (module, node.name)


_GUARD = """
import sys
sys.argv = ["nvc", *sys.argv[1:]]
code = 0
try:
    {statement}
except SystemExit as end:
    code = end.code or 0
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & {{"torch", "av", "rich"}})
print(code, *loaded, file=sys.stderr)
"""


def _run_guarded(statement: str, *words: str) -> str:
    program = _GUARD.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1]


def test_import_is_light():
    assert _run_guarded("import nvcodec; dir(nvcodec)") == "0"


def test_probe_needs_no_torch(small_file):
    assert _run_guarded("import nvcodec; nvcodec.probe(sys.argv[1])", small_file) == "0"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-h"], 0),
        (["encode", "-h"], 0),
        (["info", "FILE", "--chunks", "--json"], 0),
        (["encode", "a.y4m", "-o", "x.nvc", "--crf", "1", "--bpp", "1"], 2),
        (["encode", "a.y4m", "-o", "x.nvc", "--preset", "slo"], 2),
        (["encode", "missing.y4m", "-o", "x.nvc"], 3),
        (["encode", "a.y4m", "b.y4m", "-o", "x.nvc"], 2),
        (["encode", "a.y4m", "b.y4m", "-o", "x.nvc", "--model", "dnerv", "--preview"], 2),
        (["encode", "missing.y4m", "b.y4m", "-o", "x.nvc", "--model", "dnerv"], 3),
        (["decode", "FILE", "--all", "-o", "x.y4m"], 2),
        (["decode", "FILE", "--all", "-o", "missing/videos"], 2),
        (["decode", "FILE", "-o", "x.avi"], 2),
        (["decode", "FILE", "-o", "x.y4m", "--seek", "99"], 3),
        (["decode", "missing.nvc", "-o", "x.y4m"], 3),
    ],
)
def test_commands_without_pictures_need_no_torch(small_file, words, code):
    words = [small_file if word == "FILE" else word for word in words]
    assert _run_guarded("from nvcodec.cli.main import main; main()", *words) == str(code)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """A valid bitstream made without a fit: all symbols are zero."""
    import numpy as np

    from nvcodec.container import (
        BaseSegment,
        Domain,
        ModelId,
        SequenceHeader,
        StreamHeader,
        write_container,
    )
    from nvcodec.encoder.plan.presets import PRESETS, plan_network
    from nvcodec.entropy.payload import encode_tensors
    from nvcodec.models.geometry import FieldGeometry
    from nvcodec.quant.tensors import IntegerTensor
    from nvcodec.types import ChromaFormat, VideoFormat

    geometry = FieldGeometry(2, 48, 64, ChromaFormat.YUV420)
    network = plan_network(PRESETS["draft"], geometry, 3000)
    tensors = [
        IntegerTensor(spec, np.zeros(spec.shape, np.int32), np.full(spec.n_steps, -48, np.int16))
        for spec in network.tensor_specs(geometry)
    ]
    header = SequenceHeader(ModelId.MSNERV, Domain.YUV420, (StreamHeader(VideoFormat(64, 48), 2),), network.to_bytes())
    path = tmp_path_factory.mktemp("architecture") / "zero.nvc"
    path.write_bytes(write_container(header, [BaseSegment(0, 0, 2, encode_tensors(tensors))]))
    return str(path)
