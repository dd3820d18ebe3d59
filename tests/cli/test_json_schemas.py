"""What commands print as JSON is what docs/schemas says, and what docs/schemas says is printed."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from jsonschema import Draft202012Validator

from nvcodec.cli.main import COMMANDS, main
from nvcodec.container import read_container
from nvcodec.io.source import open_source

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"
HELD = ROOT / "tests" / "conformance"
FILES = sorted(FOLDER.glob("*.schema.json"))
EVENTS = "nvc-progress/1"
"""The one name that is not printed: a line is an event, not a document."""
QUICK = ("--preset", "draft", "--epochs", "1", "--device", "cpu", "--progress", "json", "--json")


class Case(NamedTuple):
    """A run of the program."""

    schema: str
    words: tuple[str, ...]
    code: int = 0


CASES = {
    "encode": Case("nvc-encode/1", ("encode", "{clip}", "-o", "{work}/a.nvc", "--segment", "4", *QUICK)),
    "encode raw": Case(
        "nvc-encode/1",
        ("encode", "{work}/raw.yuv", "--size", "64x48", "--mask", "box:16x16", "-o", "{work}/b.nvc", *QUICK),
    ),
    "encode, target missed": Case(
        "nvc-encode/1", ("encode", "{clip}", "-n", "2", "--target-psnr", "90", "-o", "{work}/c.nvc", *QUICK), 6
    ),
    "encode archive": Case(
        "nvc-encode-archive/1",
        ("encode", "{clip}", "{clip}", "-o", "{work}/d.nvc", "--model", "dnerv", "--target-size", "6kB", *QUICK),
    ),
    "add-layer": Case(
        "nvc-add-layer/1",
        ("add-layer", "{coded}", "--source", "{clip}", "-o", "{work}/e.nvc", "--params", "900", "--bpp", "0.4", *QUICK),
    ),
    "strip": Case("nvc-strip/1", ("strip", "{held}/layers.nvc", "--layers", "1", "-o", "{work}/f.nvc", "--json")),
    "extract-layer": Case(
        "nvc-extract-layer/1",
        ("extract-layer", "{held}/layers.nvc", "--layer", "2", "-o", "{work}/second.nvcl", "--json"),
    ),
    "append": Case("nvc-append/1", ("append", "{work}/base.nvc", "{work}/first.nvcl", "-o", "{work}/g.nvc", "--json")),
    "decode": Case(
        "nvc-decode/1", ("decode", "{coded}", "-o", "{work}/a.y4m", "--device", "cpu", "--progress", "json", "--json")
    ),
    "decode, check only": Case("nvc-decode/1", ("decode", "{coded}", "--check", "--device", "cpu", "--json")),
    "decode all": Case(
        "nvc-decode-all/1", ("decode", "{held}/archive.nvc", "--all", "-o", "{work}/all", "--format", "y4m", "--json")
    ),
    "decode all, one damaged": Case(
        "nvc-decode-all/1",
        ("decode", "{work}/damaged.nvc", "--all", "-o", "{work}/some", "--format", "y4m", "--json"),
        4,
    ),
    "encode, dry run": Case("nvc-plan/1", ("encode", "{clip}", "--recipe", "hnerv", "--dry-run", "--json")),
    "recipes": Case("nvc-recipes/1", ("recipes", "--json")),
    "sheet": Case("nvc-sheet/1", ("sheet", "{held}/archive.nvc", "-o", "{work}/sheet.png", "--json")),
    "info": Case("nvc-info/1", ("info", "{coded}", "--json")),
    "info, all streams": Case("nvc-info/1", ("info", *map(str, sorted(HELD.glob("*.nvc"))), "--tensors", "--json")),
    "info, a layer": Case("nvc-info-layer/1", ("info", "{work}/first.nvcl", "--json")),
    "info, damaged": Case("nvc-info/1", ("info", "{work}/damaged.nvc", "--check", "--json"), 4),
    "decode, damaged": Case("nvc-decode/1", ("decode", "{work}/damaged.nvc", "--check", "--json"), 4),
    "decode all, checked": Case("nvc-decode-all/1", ("decode", "{held}/archive.nvc", "--all", "--check", "--json")),
    "eval": Case(
        "nvc-eval/1", ("eval", "{clip}", "{coded}", "--mask", "box:16x16", "--device", "cpu", "--progress", "json",
                       "--json"),
    ),
    "eval, vmaf": Case("nvc-eval/1", ("eval", "{clip}", "{clip}", "--metrics", "psnr,vmaf", "--json")),
    "bench": Case(
        "nvc-bench-report/1",
        ("bench", "{clip}", "--codecs", "x264:ultrafast,x264:medium", "--points", "20,40", "-o", "{work}/results",
         "--anchor", "x264-medium", "--progress", "json", "--json"),
    ),
    "bench, no anchor": Case("nvc-bench-report/1", ("bench", "--from", str(ROOT / "results" / "cpu"), "--json")),
    "doctor": Case("nvc-doctor/2", ("doctor", "--json")),
    **{f"{name}, misspelt": Case("nvc-error/1", (name, "--jsn", "--json"), 2) for name in COMMANDS},
    "no command": Case("nvc-error/1", ("encod", "--json"), 2),
    "encode, no such file": Case("nvc-error/1", ("encode", "{work}/no.y4m", "-o", "{work}/h.nvc", "--json"), 3),
    "encode, to standard output": Case("nvc-error/1", ("encode", "{clip}", "-o", "-", "--json"), 2),
    "info, one missing": Case("nvc-error/1", ("info", "{coded}", "{work}/no.nvc", "--json"), 3),
    "decode, device missing": Case("nvc-error/1", ("decode", "{coded}", "--check", "--device", "cuda:63", "--json"), 7),
}  # fmt: skip
"""Each command, and what takes different branches of it."""


class Said(NamedTuple):
    """What a run printed."""

    documents: list[Any]
    events: list[Any]
    text: str
    """All of stderr."""


@cache
def _schema(name: str) -> dict[str, Any]:
    return _parsed((FOLDER / f"{name.replace('/', '-')}.schema.json").read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_schema(name))


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def _parsed(text: str) -> Any:
    """JSON as others read it: Python alone takes NaN for a number."""
    return json.loads(text, parse_constant=_no_constant)


def _run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def places(clip: Path, coded: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files that the cases name."""
    work = tmp_path_factory.mktemp("work")
    with open_source(clip) as source, (work / "raw.yuv").open("wb") as raw:
        raw.write(b"".join(plane.tobytes() for planes in source for plane in planes))
    for words in (
        ("strip", str(HELD / "layers.nvc"), "--layers", "0", "-o", str(work / "base.nvc")),
        ("extract-layer", str(HELD / "layers.nvc"), "--layer", "1", "-o", str(work / "first.nvcl")),
    ):
        assert _run(*words)[0] == 0
    damaged = bytearray((HELD / "archive.nvc").read_bytes())
    damaged[[chunk for chunk in read_container(bytes(damaged)).chunks if chunk.type == "KEYF"][1].end - 40] ^= 0xFF
    (work / "damaged.nvc").write_bytes(damaged)
    return {"clip": str(clip), "coded": str(coded), "work": str(work), "held": str(HELD)}


@pytest.fixture(scope="module")
def said(places: dict[str, str]) -> Callable[[str], Said]:
    """What a case printed; each is run once."""

    @cache
    def run(name: str) -> Said:
        case = CASES[name]
        code, out, err = _run(*(word.format(**places) for word in case.words))
        assert code == case.code, err
        document = _parsed(out)
        events = [_parsed(line) for line in err.splitlines() if line.startswith("{")]
        return Said(document if isinstance(document, list) else [document], events, err)

    return run


def _resolved(schema: dict[str, Any], root: dict[str, Any], value: Any) -> dict[str, Any]:
    """The part of a schema that is about this value, behind references and beside null."""
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null" or value is None:
            schema = option
            break
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, value)
    return schema


class Place(NamedTuple):
    """A key of a document."""

    path: tuple[str | int, ...]
    schema: dict[str, Any] | None
    """What is said of it; None: nothing."""
    required: bool


def _places(
    value: Any, schema: dict[str, Any], root: dict[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[Place]:
    """Every key of a document that a schema could describe: not what lies in objects that it leaves open."""
    schema = _resolved(schema, root, value)
    if isinstance(value, list):
        for index, item in enumerate(value[:3]):
            yield from _places(item, schema["items"], root, (*path, index))
    if not isinstance(value, dict):
        return
    others = schema.get("additionalProperties")
    if "properties" not in schema and not isinstance(others, dict):
        return
    for key, item in value.items():
        about = schema.get("properties", {}).get(key, others if isinstance(others, dict) else None)
        yield Place((*path, key), about, key in schema.get("required", ()))
        if about is not None:
            yield from _places(item, about, root, (*path, key))


def _changed(document: Any, path: tuple[str | int, ...], change: Callable[[Any, str | int], None]) -> Any:
    copy = holder = deepcopy(document)
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return copy


def _drop(holder: Any, key: str | int) -> None:
    del holder[key]


def _spoil(holder: Any, key: str | int) -> None:
    holder[key] = 7 if isinstance(holder[key], (list, dict)) else ["neither text nor number"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".schema.json"))
def test_schemas_are_schemas(path: Path) -> None:
    schema = _parsed(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    name = schema["$id"].removeprefix("urn:nvc:schema:")
    assert path.name == f"{name.replace('/', '-')}.schema.json" and schema["title"].startswith(f"{name}: ")
    assert schema["additionalProperties"] is True  # keys may be added within a version
    assert name == EVENTS or schema["properties"]["schema"]["const"] == name


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema that describes something."""
    if isinstance(node, list):
        for item in node:
            yield from _parts(item)
    elif isinstance(node, dict):
        yield node
        for key, item in node.items():
            if key in ("properties", "$defs"):
                for inner in item.values():
                    yield from _parts(inner)
            elif key not in ("if", "const", "enum"):
                yield from _parts(item)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".schema.json"))
def test_every_property_is_described(path: Path) -> None:
    schema = _parsed(path.read_text(encoding="utf-8"))
    text = json.dumps(schema)
    for name in schema.get("$defs", {}):
        assert f'"#/$defs/{name}"' in text, f"nothing refers to {name}"
    for part in _parts(schema):
        for name, about in part.get("properties", {}).items():
            assert about.get("description", "").endswith("."), name
            assert about.keys() & {"type", "const", "$ref", "anyOf"}, name
        assert set(part.get("required", ())) <= part.get("properties", {}).keys() | {
            "reason",
            "overlap",
            "points",
            "source",
            "sources",
        }


def test_definitions_of_one_name_are_the_same_in_every_file() -> None:
    """Files stay whole by themselves, which is paid for with copies."""
    seen: dict[str, Any] = {}
    for path in FILES:
        for name, definition in _parsed(path.read_text(encoding="utf-8")).get("$defs", {}).items():
            assert seen.setdefault(name, definition) == definition, (path.name, name)
    for name, whole in (("decode", "nvc-decode/1"), ("curve", "nvc-bench/1")):
        assert seen[name] == {key: _schema(whole)[key] for key in seen[name]}


def test_every_name_in_the_code_has_a_schema() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "nvcodec").rglob("*.py")]
    names = {name for text in texts for name in re.findall(r"[\"`](nvc-[a-z-]+/[0-9]+)[\"`]", text)}
    written = {_parsed(path.read_text(encoding="utf-8"))["$id"].removeprefix("urn:nvc:schema:") for path in FILES}
    assert names == written - {EVENTS} and EVENTS in written
    assert {case.schema for case in CASES.values()} | {"nvc-bench/1"} == names
    linked = set(re.findall(r"\]\(([\w-]+\.schema\.json)\)", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in FILES}


def test_keys_are_names() -> None:
    """Words with underlines, or what --metric takes: no blanks, no capitals."""
    for path in FILES:
        keys = [key for part in _parts(_parsed(path.read_text(encoding="utf-8"))) for key in part.get("properties", {})]
        assert all(re.fullmatch("[a-z][a-z0-9_-]*", key) for key in keys), (path.name, keys)


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed(said: Callable[[str], Said], name: str) -> None:
    printed, expected = said(name), CASES[name].schema
    assert printed.documents
    if CASES[name].code:
        (document,) = printed.documents
        error = document["error"]
        assert error["code"] == CASES[name].code and f"error: {error['message']}\n" in printed.text
        assert all(f"  {line.strip()}\n" in printed.text for line in (error["hint"] or "").splitlines())
        assert error["hint"] != ""
    for document in printed.documents:
        assert ("error" in document) == bool(CASES[name].code)
        _validator(expected).validate(document)
        root = _schema(expected)
        undescribed = {place.path for place in _places(document, root, root) if place.schema is None}
        if expected == "nvc-encode-archive/1":  # which has all that is said of single videos, but several sources
            config = {**document["config"], "source": document["config"]["sources"][0]}
            _validator("nvc-encode/1").validate({**document, "schema": "nvc-encode/1", "config": config})
            undescribed -= {(key,) for key in _schema("nvc-encode/1")["properties"]}
        assert not undescribed


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "--progress" in case.words])
def test_what_is_told_meanwhile(said: Callable[[str], Said], name: str) -> None:
    printed, root = said(name), _schema(EVENTS)
    assert printed.events
    for event in printed.events:
        _validator(EVENTS).validate(event)
        about = root["$defs"][event["event"]]
        if event["event"] == "result":
            _validator(event["schema"]).validate(event)
            document = {key: value for key, value in printed.documents[0].items() if key != "error"}  # not known yet
            assert {**document, "event": "result"} == event
        else:
            assert not {place.path for place in _places(event, about, root) if place.schema is None}


def test_every_event_is_told(said: Callable[[str], Said]) -> None:
    told = {event["event"] for name in ("encode", "encode archive", "decode") for event in said(name).events}
    assert told == _schema(EVENTS)["$defs"].keys()
    assert any("videos" in event for event in said("encode archive").events)


def test_files_of_a_bench(said: Callable[[str], Said], places: dict[str, str]) -> None:
    said("bench")
    files = list(Path(places["work"], "results").glob("*.json"))
    assert len(files) == 2
    for file in files:
        _validator("nvc-bench/1").validate(_parsed(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", [name for name in CASES if name != "info, all streams" and name != "bench, no anchor"])
def test_a_missing_key_and_a_changed_type_are_found(said: Callable[[str], Said], name: str) -> None:
    document, expected = said(name).documents[0], CASES[name].schema
    root, validator = _schema(expected), _validator(expected)
    for place in _places(document, root, root):
        if place.schema is None:
            continue
        assert not validator.is_valid(_changed(document, place.path, _spoil)), place.path
        if place.required:
            assert not validator.is_valid(_changed(document, place.path, _drop)), place.path
    assert validator.is_valid({**document, "added_later": 1})


def test_mistakes_in_events_are_found(said: Callable[[str], Said]) -> None:
    validator, root = _validator(EVENTS), _schema(EVENTS)
    events = {event["event"]: event for name in ("encode archive", "decode") for event in said(name).events}
    for kind, event in events.items():
        for place in _places(event, root["$defs"][kind], root):
            if place.schema is None or place.path == ("event",):
                continue
            assert not validator.is_valid(_changed(event, place.path, _spoil)), place.path
            assert not place.required or not validator.is_valid(_changed(event, place.path, _drop)), place.path
    assert validator.is_valid({"event": "added_later"}) and not validator.is_valid({"message": "no event"})
