"""Arrays and tensors as videos: every way to hold frames in memory, and what is no video."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nvcodec.errors import InputError, UsageError
from nvcodec.io.arrays import ArrayReader, as_video, path_of
from nvcodec.io.source import open_source
from nvcodec.types import SRGB, ChromaFormat, VideoFormat

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 3, 7, 9), np.uint8)
DEEP = np.random.default_rng(0).integers(0, 1024, (5, 3, 7, 9), np.uint16)


def _read(array: object, **options: object) -> npt.NDArray[np.generic]:
    with open_source(ArrayReader(array), **options) as source:  # type: ignore[arg-type]
        pictures = [np.stack(planes) for planes in source]
        assert source.frame_count == len(pictures)
    return np.stack(pictures)


@pytest.mark.parametrize("frames", [FRAMES, DEEP], ids=["8", "10"])
def test_frames_come_as_they_lie(frames: npt.NDArray[np.generic]) -> None:
    channels_last = np.ascontiguousarray(frames.transpose(0, 2, 3, 1))
    read_only = frames.copy()
    read_only.flags.writeable = False
    for held in (
        frames,
        torch.from_numpy(frames),
        channels_last.transpose(0, 3, 1, 2),
        torch.from_numpy(channels_last).permute(0, 3, 1, 2),
        np.asfortranarray(frames),
        frames[::-1].copy()[::-1],
        read_only,
    ):
        read = _read(held)
        assert read.dtype == frames.dtype and np.array_equal(read, frames)


def test_what_they_are() -> None:
    with open_source(ArrayReader(DEEP), fps=Fraction(30), seek=1, frames=3) as source:
        assert source.format == VideoFormat(9, 7, Fraction(30), 10, ChromaFormat.RGB, SRGB)
        assert source.frame_count == 3 and len(list(source)) == 3
        assert source.origin == "9x7 10-bit RGB 5 frames; 30 fps from the options"
    assert ArrayReader(FRAMES[:1]).origin == "9x7 8-bit RGB 1 frame" and ArrayReader(FRAMES).format.fps is None
    assert np.array_equal(_read(FRAMES, seek=1, frames=3), FRAMES[1:4])


def test_pictures_are_copies() -> None:
    frames = FRAMES.copy()
    for planes in ArrayReader(frames).pictures(0):
        for plane in planes:
            plane[:] = 0
    assert np.array_equal(frames, FRAMES)


def test_options_that_contradict_them() -> None:
    with pytest.raises(InputError, match="array holds 5 frames, but frame 5 was asked for"):
        _read(FRAMES, seek=5)
    with pytest.raises(UsageError, match="size 4x4 was given, but array says 9x7"):
        _read(FRAMES, size=(4, 4))
    with pytest.raises(UsageError, match="array is 9x7 8-bit RGB"):
        _read(FRAMES, pix_fmt="yuv420p")


def test_what_a_video_may_be() -> None:
    assert path_of(as_video("clip.y4m")) == "clip.y4m" and path_of(as_video("-")) == path_of(as_video(FRAMES)) == "-"


@pytest.mark.parametrize(
    ("frames", "message", "hint"),
    [
        (FRAMES.transpose(0, 2, 3, 1), r"shape \(5, 7, 9, 3\).*\[N, 3, height, width\]", "transpose(0, 3, 1, 2)"),
        (torch.from_numpy(FRAMES).permute(0, 2, 3, 1), r"shape \(5, 7, 9, 3\)", "permute"),
        (FRAMES[0], r"shape \(3, 7, 9\)", "frames[None]"),
        (FRAMES[None], r"shape \(1, 5, 3, 7, 9\)", "frames[0]"),
        (FRAMES[:, :1], r"shape \(5, 1, 7, 9\)", "RGB first"),
        (FRAMES[0, 0, 0, 0], r"shape \(\)", "RGB first"),
        (FRAMES[:0], "holds no frame", "one or more"),
        (FRAMES / 255, "array of float64", "255 * frames"),
        (torch.from_numpy(FRAMES).to(torch.bfloat16), "array of bfloat16", "255 * frames"),
        (FRAMES.astype(np.int64), "array of int64", "uint8"),
        (FRAMES > 3, "array of bool", "uint8"),
        (DEEP * 64, f"holds {64 * DEEP.max()}, but 10-bit samples are 0..1023", "frames >> 6"),
        (np.ma.masked_greater(FRAMES, 200), "masked samples", "frames.filled(0)"),
    ],
)
def test_what_is_no_video(frames: object, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ArrayReader(frames)  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_pictures_that_are_too_large() -> None:
    wide = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1, 3, 1, 20_000), (0, 0, 0, 0))
    with pytest.raises(InputError, match="array: a picture of 20000x1 is impossible"):
        ArrayReader(wide)
    with pytest.raises(InputError, match="array: a picture of 0x7 is impossible"):
        ArrayReader(FRAMES[..., :0])
