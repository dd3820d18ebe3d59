"""Action recognition from decoded clips: what is tested was never trained on, and bytes are those of the files."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import action_recognition, moving_textures
from benchmarks.moving_textures import FORMAT, KINDS, labelled_clips
from nvcodec import VideoReader
from nvcodec.io.sink import open_sink
from nvcodec.types import VideoFormat

torch.set_num_threads(1)


def test_every_kind_has_as_many_clips_and_a_seed_says_all() -> None:
    clips = list(labelled_clips("test", 2, 5))
    assert Counter(clip.kind for clip in clips) == dict.fromkeys(KINDS, 2)
    assert len({clip.name for clip in clips}) == len(clips) == 2 * len(KINDS)
    again, other = (next(labelled_clips(*which)) for which in (("test", 1, 5), ("test", 1, 6)))
    first = np.stack([planes[0] for planes in clips[0].planes])
    assert np.array_equal(first, np.stack([planes[0] for planes in again.planes]))
    assert not np.array_equal(first, np.stack([planes[0] for planes in other.planes]))


def test_training_and_test_see_different_parts_of_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sample that is blue to the left and yellow to the right, no clip of either part has the other's colour."""
    sample, video = tmp_path / "sample.y4m", VideoFormat(320, 180, Fraction(25))
    chroma = np.full((90, 160), 235, np.uint8)
    chroma[:, 80:] = 16
    with open_sink(sample, video) as sink:
        luma = np.random.default_rng(0).integers(20, 230, (180, 320), np.uint8)
        sink.write((luma, chroma, np.full((90, 160), 128, np.uint8)))
    monkeypatch.setattr(moving_textures, "SAMPLE", sample)
    blues = {
        part: np.concatenate([planes[1].ravel() for clip in labelled_clips(part, 2, 0) for planes in clip.planes])
        for part in ("train", "test")
    }
    assert blues["train"].max() == 235 and blues["test"].min() == 16  # they do show the sample
    assert blues["train"].min() > 60 and blues["test"].max() < 195  # noise is in between


def test_only_the_order_of_pictures_tells_opposites_apart() -> None:
    """A kind and the next, of one drawing, are each other played backwards, but for what drifts behind."""
    still = torch.rand(3, 88, 88, generator=torch.Generator().manual_seed(0))
    for one, other in zip(KINDS[::2], KINDS[1::2], strict=True):
        forth, back = (moving_textures._seen(still, *moving_textures._motion(kind, 1.0)) for kind in (one, other))
        assert torch.allclose(forth, back.flip(0), atol=1e-3) and not torch.allclose(forth, back, atol=0.1)


def test_a_moment_of_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert action_recognition.main(["-o", str(tmp_path), "--quick"]) == 0
    record = json.loads((tmp_path / "action_recognition.json").read_text())
    rows = {row["codec"]: row for row in record["results"]}
    folder = tmp_path / "seed0"
    files = {name: next(folder.glob(f"{name}-2000.[!j]*")) for name in ("archive, 8", "H.264", "AV1")}
    assert {name: rows[name]["bytes"] for name in files} == {name: file.stat().st_size for name, file in files.items()}
    for name in files:  # at equal bytes
        assert abs(rows[name]["bytes"] - rows["archive, 8"]["bytes"]) < 0.1 * rows["archive, 8"]["bytes"]
    sources = sorted((folder / "source").iterdir())
    assert len(sources) == len(KINDS) == record["results"][0]["clips"]
    assert rows["source"]["bytes"] == sum(file.stat().st_size for file in sources)
    assert all(0 <= row["accuracy"] <= 1 for row in rows.values())
    with VideoReader(files["archive, 8"], device="cpu") as reader:
        assert (reader.metadata.width, reader.metadata.height) == (FORMAT.width, FORMAT.height)
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert "| archive |" in capsys.readouterr().out

    # what is there is not measured again, and is not mixed with what was measured otherwise
    before = {file: file.stat().st_mtime_ns for file in [*files.values(), folder / "classifier.pt"]}
    (folder / "AV1-2000.json").write_text(json.dumps({**rows["AV1"], "accuracy": 0.5}))
    assert action_recognition.main(["-o", str(tmp_path), "--quick"]) == 0
    assert "| **50.0%** |" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in before}
    again = ["-o", str(tmp_path), "--sizes", "2000", "--seeds", "0"]
    assert action_recognition.main([*again, "--table-only"]) == 0
    found = json.loads((tmp_path / "action_recognition.json").read_text())["results"]
    assert found == [row if row["codec"] != "AV1" else {**row, "accuracy": 0.5} for row in record["results"]]
    with pytest.raises(SystemExit, match="holds results of other conditions"):
        action_recognition.main(again)


def test_the_results_that_are_kept_are_in_their_page() -> None:
    kept = Path(__file__).parents[2] / "results" / "papers" / "action_recognition"
    rows = json.loads((kept / "action_recognition.json").read_text())["results"]
    assert action_recognition.shown(rows) in (kept / "README.md").read_text()
    assert {row["seed"] for row in rows} == {0, 1} and {row["clips"] for row in rows} == {96}


def test_what_key_frames_tell_is_told_by_nothing_else() -> None:
    clips = torch.randint(0, 256, (2, 16, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for every, keys in ((8, [0, 8, 15]), (4, [0, 4, 8, 12, 15])):
        blended = action_recognition._blended(clips, every)
        for before, after in pairwise(keys):
            for at in range(before, after + 1):
                share = (at - before) / (after - before)
                mean = (1 - share) * clips[:, before].double() + share * clips[:, after].double()
                assert (blended[:, at].double() - mean).abs().max() <= 0.51


def test_turned_clips_are_told_to_be_what_they_have_become() -> None:
    """Mirrored, upside down or backwards, a clip is of its own kind or of the opposite one, in equal shares."""
    clips = list(labelled_clips("train", 1, 0))
    pictures = torch.stack([action_recognition._seen(action_recognition.rgb(clip.planes)) for clip in clips])
    batches = action_recognition._batches(pictures, torch.arange(len(KINDS)))
    torch.manual_seed(0)
    found: dict[float, Counter[int]] = {}
    for turned, kinds in islice(batches, 20):
        for one, kind in zip(turned, kinds.tolist(), strict=True):
            found.setdefault(round(one.double().sum().item(), 3), Counter())[kind] += 1  # the same however it is turned
    assert sorted(sorted(kinds) for kinds in found.values()) == [[at, at + 1] for at in range(0, 8, 2) for _ in "ab"]
    assert all(min(kinds.values()) > 0.2 * kinds.total() for kinds in found.values())
