"""The campaign of ``make fuzz``: what it tries gets behind checksums, what falls is seen, and what fell stays up."""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the fuzzer is not installed

from fuzz import mutate, run, seeds, targets, watch  # noqa: E402
from fuzz.dissect import assembled, dissected  # noqa: E402
from nvcodec.container import read_container  # noqa: E402
from nvcodec.errors import BitstreamError, NvcError  # noqa: E402

FELL = sorted((Path(__file__).parent / "fell").glob("*.bin"))
TRIED = 12


@pytest.mark.parametrize("path", FELL, ids=lambda path: path.stem)
def test_what_fell_once_is_refused_or_read(path: Path) -> None:
    """Every input of the campaign that ever ended in a traceback, a hang or too much memory; named after its target."""
    target = next(target for name, target in targets.TARGETS.items() if path.name.startswith(f"{name}-"))
    started = time.process_time()
    targets.outcome(target, path.read_bytes())
    assert time.process_time() - started < 10 * watch.SLOW_S


@pytest.mark.parametrize("target", targets.TARGETS.values(), ids=targets.TARGETS)
def test_targets_read_their_seeds_and_refuse_damage(target: targets.Target) -> None:
    found, random = target.seeds(), Random(0)
    assert any(targets.outcome(target, data) == "accepted" for data in found[:3])
    outcomes = {targets.outcome(target, target.mutate(random.choice(found), random, found)) for _ in range(TRIED)}
    assert len(outcomes) > 2


def test_damage_gets_behind_checksums() -> None:
    """Most mutated bitstreams are refused for what they say, or read; hardly any for a checksum."""
    streams, random, said = seeds.bitstreams(), Random(0), []
    for _ in range(300):
        try:
            read_container(mutate.mutate_bitstream(random.choice(streams), random, streams))
        except NvcError as error:
            said.append(re.sub(r"\d[\d,]*", "#", error.message))
    assert sum("checksum" in message for message in said) < 15
    assert sum("truncated" in message or "damaged header" in message for message in said) < 60
    assert len(said) < 270 and len(set(said)) > 40


@pytest.mark.parametrize("data", seeds.bitstreams(), ids=sorted(path.stem for path in seeds.STREAMS.glob("*.nvc")))
def test_taken_apart_and_put_together(data: bytes) -> None:
    file = dissected(data)
    assert assembled(file, index=True, parents=True) == data
    known = [
        chunk for chunk in file.chunks if chunk.type in (b"HEAD", b"BASE", b"KEYF", b"dGST", b"iNDX", b"pACK", b"pREV")
    ]
    assert all(len(chunk.fields) > 2 for chunk in known)


def _works_on(read: Callable[[bytes], None], falls: Path, inputs: Sequence[bytes]) -> watch.Tally:
    target = targets.Target("made-up", read, lambda: [b""], mutate.mutate_bytes, (BitstreamError,), 1)
    bench = watch.Bench(target, falls)

    def work(before: int) -> None:
        bench.begin()
        for data in inputs[before:]:
            bench.try_input(data)

    watched = watch.Watched(bench, work)
    while not watched.is_over():
        time.sleep(0.01)
    return watched.total


def _read(data: bytes) -> None:
    if data == b"refused":
        raise BitstreamError("is damaged")
    if data == b"other error":
        raise KeyError(data)
    if data == b"other refusal":
        raise NvcError("is of no kind")
    if data == b"escape":
        raise ValueError("a bug")
    if data == b"dies":
        faulthandler.disable()  # which pytest enables
        os.abort()
    if data == b"exits":
        os._exit(3)
    while data == b"hangs":
        pass
    if data == b"slow":
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    if data == b"large":
        bytearray(64 << 20)


@pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="watched with fork and signals of Linux"
)
def test_what_falls_is_seen_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SLOW_S", 0.2)
    monkeypatch.setattr(watch, "HUNG_S", 0.8)
    monkeypatch.setattr(watch, "MOST_MEMORY", 32 << 20)
    monkeypatch.setattr(watch, "SNAPSHOT_S", 0)
    words = [b"fine", b"refused", b"other error", b"dies", b"slow", b"refused", b"hangs", b"exits", b"large", b"fine"]
    tally = _works_on(_read, tmp_path, [*words, b"other refusal"])
    assert (tally.inputs, tally.accepted, tally.refused) == (11, 4, {"BitstreamError": 2})
    kinds = ("KeyError", "ended by SIGABRT", "slow", "hang", "ended with 3", "memory", "NvcError")
    assert tally.fell == dict.fromkeys(kinds, 1)
    kept = {path.read_bytes() for path in tmp_path.glob("*.bin")}
    assert kept == {b"other error", b"dies", b"slow", b"hangs", b"exits", b"large", b"other refusal"}
    for path in tmp_path.glob("*.txt"):
        assert path.read_text().startswith("python -m fuzz.run --target made-up --input ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_same_seed_tries_the_same_inputs(tmp_path: Path) -> None:
    first, second, other = (
        run.campaign(["metadata", "y4m"], seed=seed, count=400, falls=tmp_path) for seed in (3, 3, 4)
    )
    for summary in (first, second, other):
        for tally in summary["targets"].values():
            assert tally["fell"] == {} and tally["inputs"] > 100
            tally.update(cpu_s=0, slowest_s=0, most_bytes=0)
    assert first == second and first["targets"] != other["targets"]
    both = run.added([first, other])
    assert both["seeds"] == [3, 4]
    assert both["targets"]["y4m"]["inputs"] == sum(one["targets"]["y4m"]["inputs"] for one in (first, other))
    assert f"| all | {sum(tally['inputs'] for tally in both['targets'].values()):,} |" in run.table(both)
