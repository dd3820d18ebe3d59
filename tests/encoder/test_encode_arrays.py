"""Frames in memory to bitstreams and back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

import nvcodec
from nvcodec.encoder.fit.events import Event, Notice
from nvcodec.encoder.result import EncodeResult
from nvcodec.errors import InterruptedEncodeError, UsageError
from nvcodec.io.av_frames import encode_png
from nvcodec.types import SRGB, ChromaFormat, VideoFormat

TINY = {"strides": "2,2", "channels": "8,6", "depths": "1,1", "expansions": "2,2", "grids": "2:1:2", "shuffle": 4,
        "local_levels": 1}  # fmt: skip
SETTINGS = {f"model.{name}": value for name, value in TINY.items()}


def _frames(depth: int = 8, count: int = 5) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Colours that travel, [count, 3, 32, 48]."""
    y, x = np.mgrid[0:32, 0:48]
    phases = [[x / 20 + frame / 3 + 2 * channel + y / 15 for channel in range(3)] for frame in range(count)]
    waves = np.rint((0.5 + 0.4 * np.sin(phases)) * (2**depth - 1))
    return waves.astype(np.uint8) if depth == 8 else waves.astype(np.uint16)


def _encode(source: object, output: Path, **options: object) -> EncodeResult:
    how: dict[str, object] = {"crf": 20, "preset": "draft", "epochs": 40, "settings": SETTINGS, "device": "cpu"}
    return nvcodec.encode(source, output, **{**how, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [8, 10])
def test_frames_come_back(tmp_path: Path, depth: int) -> None:
    frames, notes = _frames(depth), []

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            notes.append(event.message)

    result = _encode(torch.from_numpy(frames), tmp_path / "out.nvc", fps=Fraction(30000, 1001), on_event=hear)
    assert notes[0] == f"array: 48x32 {depth}-bit RGB 5 frames; 30000/1001 fps from the options"
    assert result.config["source"] == "array" and result.psnr["rgb"] > 25
    assert result.video == VideoFormat(48, 32, Fraction(30000, 1001), depth, ChromaFormat.RGB, SRGB)
    reader = nvcodec.VideoReader(tmp_path / "out.nvc", device="cpu")
    assert reader.format == result.video and reader.metadata.planes == "rgb" and reader.metadata.stream_name == ""
    data = reader[:].numpy()
    assert data.shape == frames.shape and data.dtype == frames.dtype
    error = (data.astype(float) - frames) / (2**depth - 1)
    assert -10 * np.log10(np.mean(error**2)) == pytest.approx(result.psnr["rgb"], abs=0.5)
    assert np.abs(error).mean(axis=(2, 3)).max() < 0.1, "no frame and no channel takes the place of another"


def test_arrays_are_encoded_as_pictures_of_the_same_content_are(tmp_path: Path) -> None:
    frames = _frames()
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, frame in enumerate(frames):
        red, green, blue = frame.astype(np.uint8)
        (folder / f"{number}.png").write_bytes(encode_png((red, green, blue)))
    both = [_encode(frames, tmp_path / "a.nvc", epochs=2), _encode(folder, tmp_path / "b.nvc", epochs=2)]
    assert both[0].psnr == both[1].psnr
    first, second = (nvcodec.probe(tmp_path / name) for name in ("a.nvc", "b.nvc"))
    assert first.session.container.segments == second.session.container.segments


def test_part_of_an_array(tmp_path: Path) -> None:
    result = _encode(_frames(), tmp_path / "out.nvc", seek=2, frames=3, epochs=1)
    assert result.frames == 3 and nvcodec.VideoReader(tmp_path / "out.nvc", device="cpu").metadata.fps is None


def test_a_layer_from_an_array(tmp_path: Path) -> None:
    frames, file = _frames(), tmp_path / "out.nvc"
    _encode(frames, file, epochs=10)
    layer = nvcodec.add_layer(file, torch.from_numpy(frames), epochs=20, preset="draft", device="cpu")
    assert layer.psnr["rgb"] > layer.psnr_below["rgb"] and len(nvcodec.VideoReader(file, device="cpu")) == 5
    with pytest.raises(UsageError, match="array is 48x16 8-bit RGB, and .*out.nvc is 48x32 8-bit RGB"):
        nvcodec.add_layer(file, frames[:, :, :16], epochs=1, device="cpu")


def test_the_array_may_change_afterwards_and_stays_as_it_is(tmp_path: Path) -> None:
    frames = _frames()
    before = frames.copy()
    _encode(frames, tmp_path / "out.nvc", epochs=1)
    assert np.array_equal(frames, before)


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    frames, output = _frames(), tmp_path / "out.nvc"
    with pytest.raises(UsageError, match="array cannot be resumed") as caught:
        _encode(frames, output, work_dir=tmp_path / "work")
    assert "work_dir" in caught.value.hint
    with pytest.raises(UsageError, match="the source is 8-bit 4:4:4; the key frames of dnerv are 4:2:0"):
        _encode(frames, output, model="dnerv", settings=None, pix_fmt="yuv444p")
    for several in ([frames], [tmp_path / "clip.y4m", frames]):
        with pytest.raises(UsageError, match="a list of arrays is no video"):
            nvcodec.encode_archive(several, output)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs a YUV source"):
        _encode(frames, output, domain="yuv420")
    with pytest.raises(UsageError, match=r"\[N, 3, height, width\]"):
        _encode(frames[0], output)
    with pytest.raises(UsageError, match="frame rate of -1"):
        _encode(frames, output, fps=-1)
    with pytest.raises(InterruptedEncodeError, match="nothing was written"):
        _encode(frames, output, should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_called_array_is_not_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("array").write_bytes(b"old")
    _encode(_frames(), Path("array"), epochs=1, overwrite=True)
    assert len(nvcodec.VideoReader("array", device="cpu")) == 5
