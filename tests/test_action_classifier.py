"""The example that trains from an archive: it tells which way waves travel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import nvcodec
from nvcodec.io.sink import open_sink
from nvcodec.types import Planes, VideoFormat

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

import action_classifier  # noqa: E402

torch.set_num_threads(1)

VIDEO = VideoFormat(48, 32, Fraction(25))
TINY = {"strides": "2,2", "channels": "8,6", "stem": 6, "key_channels": 4, "shuffle": 4, "clip": 4}


def _waves(direction: int, start: float, frames: int) -> Iterator[Planes]:
    for frame in range(frames):
        planes = []
        for rows, columns in VIDEO.plane_shapes:
            x = np.arange(columns) * (VIDEO.width / columns)
            row = 0.5 + 0.4 * np.sin(x / 4 - direction * frame * 0.8 + start)
            planes.append(np.rint(np.tile(row, (rows, 1)) * VIDEO.peak).astype(np.uint8))
        yield planes[0], planes[1], planes[2]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of waves that go left, and three of such as go right."""
    folder, sources = tmp_path_factory.mktemp("actions"), []
    for label, direction in (("left", -1), ("right", 1)):
        for number in (1, 2, 3):
            sources.append(folder / f"{label}_{number}.y4m")
            with open_sink(sources[-1], VIDEO) as sink:
                for planes in _waves(direction, 2.0 * number, 16):
                    sink.write(planes)
    output, options = folder / "waves.nvc", {f"model.{name}": value for name, value in TINY.items()}
    nvcodec.encode_archive(sources, output, crf=35, preset="draft", epochs=2, settings=options, device="cpu")
    return output


def test_it_learns_to_tell_kinds_of_motion_apart(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = action_classifier.train(archive, steps=40, batch=6, size=24)
    assert outcome.labels == ("left", "right") and len(outcome.losses) == 40
    assert outcome.held_out == ("left_3", "right_3")
    assert sum(outcome.losses[-5:]) < sum(outcome.losses[:5]) / 2
    assert outcome.accuracy >= 0.8  # of videos it has not seen
    assert "step    40  loss" in capsys.readouterr().out


def test_nothing_held_out_is_trained_on(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    told = action_classifier.label_of

    def watched(network: object, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], steps: int) -> list[float]:
        monkeypatch.setattr(action_classifier, "label_of", lambda name: seen.add(name) or told(name))
        losses = [float(len(wanted)) for _, wanted in islice(batches, steps)]
        monkeypatch.setattr(action_classifier, "label_of", told)
        network.eval()
        return losses

    monkeypatch.setattr(action_classifier, "fit", watched)
    outcome = action_classifier.train(archive, steps=6, batch=4, size=24, held_out=2)
    assert seen == {"left_1", "right_1"} and not seen & set(outcome.held_out)


def test_every_kind_needs_a_video_to_train_on() -> None:
    assert action_classifier.split(["a_1", "b_1", "a_2", "b_2", "a_3"], 1) == ([0, 1, 2], [3, 4])
    with pytest.raises(SystemExit, match="b has 2 of the 3 videos that each kind needs at least"):
        action_classifier.split(["a_1", "b_1", "a_2", "b_2", "a_3"], 2)


def test_it_needs_two_kinds() -> None:
    with pytest.raises(SystemExit, match="one kind of video only: waves"):
        action_classifier.train(ROOT / "tests" / "conformance" / "msnerv.nvc", clip_length=2)


@pytest.mark.parametrize(
    ("name", "label"), [("left_1", "left"), ("long_jump_2", "long_jump"), ("run", "run"), ("_1", "_1")]
)
def test_labels_are_names_without_their_last_part(name: str, label: str) -> None:
    assert action_classifier.label_of(name) == label
