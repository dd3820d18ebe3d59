"""The measuring script of the data loader, on a few clips; how fast they are is not asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import loader_speed
from nvcodec.api.dataset import VideoDataset

ARCHIVE = Path(__file__).parents[1] / "conformance" / "msnerv.nvc"

torch.set_num_threads(1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_it_measures_all_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(ARCHIVE), "--reads", "4", "--workers", "0", "1", "--clip-length", "2", "--gop", "4", "--rounds", "2"]
    assert loader_speed.main([*words, "-o", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "msnerv.loader_speed.json").read_text())
    kinds = [one["kind"].partition(", crf")[0] for one in record["results"]]
    assert kinds == ["archive", "archive, bfloat16", "H.264", "raw RGB"] * 2
    assert [one["workers"] for one in record["results"]] == [0] * 4 + [1] * 4
    assert all(one["clips_per_s"] > 0 and one["cpu_ms_per_clip"] >= 0 for one in record["results"])
    assert str(tmp_path) not in json.dumps(record)
    assert "| archive |" in capsys.readouterr().out
    assert (tmp_path / "msnerv.loader_speed.png").read_bytes().startswith(b"\x89PNG")
    dataset = VideoDataset(ARCHIVE, clip_length=2)
    files = [ARCHIVE, tmp_path / "msnerv.000.mp4", tmp_path / "msnerv.000.rgb"]
    assert [one["bytes"] for one in record["results"]] == [file.stat().st_size for file in [ARCHIVE, *files]] * 2
    # all give the same clips, H.264 as well as it can
    raw = loader_speed.RawClips(files[2:], dataset)
    assert all(raw[at][1:] == dataset[at][1:] for at in range(len(dataset)))
    assert all(torch.equal(raw[at].frames, dataset[at].frames) for at in range(len(dataset)))
    other = loader_speed.H264Clips([tmp_path / "msnerv.000.mp4"], dataset)
    assert len(other) == len(dataset)
    for index in range(len(dataset)):
        ours, theirs = dataset[index], other[index]
        assert ours[1:] == theirs[1:] and ours.frames.shape == theirs.frames.shape
        distances = [(clip.frames.float() - theirs.frames.float()).abs().mean() for clip in dataset]
        assert min(distances) == distances[index]


def test_sources_must_be_as_many_as_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        loader_speed.main([str(ARCHIVE), "--sources", "a.mkv", "b.mkv", "-o", str(tmp_path)])
    assert "2 sources for 1 videos" in capsys.readouterr().err
