"""Every stream here must decode for ever: the integers exactly, the pictures within one code value.

The streams are made by tools/make_conformance.py. Released ones are never made again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvcodec.decoder.check import check_segment
from nvcodec.decoder.opening import open_session
from nvcodec.decoder.previews import head_integers
from nvcodec.decoder.reader import VideoReader
from nvcodec.entropy.params import ModelId
from nvcodec.entropy.payload import payload_costs
from nvcodec.quant.tensors import digest

FOLDER = Path(__file__).parent
STREAMS = sorted(path.stem for path in FOLDER.glob("*.nvc"))


def test_all_streams_are_here() -> None:
    described = sorted(path.stem for path in FOLDER.glob("*.json"))
    assert described == STREAMS and len(STREAMS) >= 17


def test_every_entropy_model_is_used() -> None:
    used = [json.loads((FOLDER / f"{name}.json").read_text())["entropy_models"] for name in STREAMS]
    names = {name for segments in used for names in segments for name in names}
    assert names >= {model.name.lower() for model in ModelId}


@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str) -> None:
    torch.set_num_threads(1)
    expected = json.loads((FOLDER / f"{name}.json").read_text())
    session = open_session(FOLDER / f"{name}.nvc")
    container, videos = session.container, expected.get("streams", [expected])
    assert len(container.warnings) == expected["warnings"]
    assert [list(segment.gops) for segment in container.segments] == expected["gops"]
    coded = [segment for segment in container.segments if segment.payload]
    costs = [payload_costs(segment.payload, session.specs(segment)) for segment in coded]
    assert [[cost.model_id.name.lower() for cost in part] for part in costs] == expected["entropy_models"]
    ordinals = range(len(container.segments))
    assert [digest(session.integers(ordinal)).hex() for ordinal in ordinals] == expected["integers"]
    assert len(container.header.streams) == len(videos)
    for index, video in enumerate(videos):
        _check_video(VideoReader(FOLDER / f"{name}.nvc", device="cpu", stream=index), video)
    side_data = {str(stream): asdict(side) for stream, side in container.side_data.items()}
    assert json.loads(json.dumps(side_data, default=str)) == expected.get("side_data", {})
    for scale, preview in expected.get("previews", {}).items():
        heads = [head for head in container.previews.values() if scale == f"1/{head.divisor}"]
        assert [digest(head_integers(session, head)).hex() for head in heads] == preview["integers"]
        small = VideoReader(FOLDER / f"{name}.nvc", device="cpu", scale=scale)
        assert small.pictures.without_preview(small.session, ordinals) == []
        _check_video(small, preview)


def _check_video(reader: VideoReader, expected: dict[str, Any]) -> None:
    video = reader.format
    found = (len(reader), video.width, video.height, video.bit_depth, video.chroma.name.lower())
    assert found == tuple(expected[key] for key in ("frames", "width", "height", "bit_depth", "planes"))
    for ordinal, segment in enumerate(reader.session.container.segments):
        if segment.stream == reader.stream:
            check_segment(reader, ordinal)
    clip = list(reader.frames())
    for planes, sums in zip(clip, expected["plane_sums"], strict=True):
        for plane, total in zip(planes, sums, strict=True):
            # a rounding may flip here and there, never everywhere
            assert abs(int(plane.sum()) - total) <= max(4, 0.002 * plane.size)
    for frame, plane, row, column, value in expected["samples"]:
        assert abs(int(clip[frame][plane][row, column]) - value) <= 1
    assert np.ptp(clip[0][0]) > video.peak // 16, "a flat picture tests nothing"
