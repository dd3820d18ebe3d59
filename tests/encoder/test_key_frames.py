"""Key frames to packets: close, reproducible, within the room given, and smaller when coded from each other."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

from nvcodec.decoder.key_frames import decode_key_frames
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.parts.key_coder import KeyFrameCoder
from nvcodec.encoder.parts.key_frames import encode_key_frames
from nvcodec.types import Colour, Planes, VideoFormat

QUICK = 10


def moving(video: VideoFormat, count: int) -> list[Planes]:
    """A smooth pattern that moves by two samples a picture."""
    clip = []
    for index in range(count):
        planes = []
        for rows, columns in video.plane_shapes:
            y, x = np.mgrid[0:rows, 0:columns] * (video.height / rows)
            wave = 0.5 + 0.25 * np.sin((x + 2 * index) / 9) + 0.2 * np.cos((y - 2 * index) / 7)
            planes.append(np.rint(wave * video.peak).astype(video.dtype))
        clip.append((planes[0], planes[1], planes[2]))
    return clip


def psnr(a: Planes, b: Planes, video: VideoFormat) -> float:
    """Of the worst plane, in dB."""
    errors = [np.mean((x.astype(float) - y) ** 2) for x, y in zip(a, b, strict=True)]
    return float(10 * np.log10(video.peak**2 / max(max(errors), 1e-9)))


def size(packets: list[bytes]) -> int:
    return sum(map(len, packets))


@pytest.mark.parametrize("group", [1, 3, 64])
@pytest.mark.parametrize(
    "video",
    [
        VideoFormat(64, 48),
        VideoFormat(64, 48, bit_depth=10),
        VideoFormat(53, 37),
        VideoFormat(53, 37, bit_depth=10),
        VideoFormat(16, 16),
        VideoFormat(70, 3),
        VideoFormat(1, 1),
        VideoFormat(64, 48, Fraction(30000, 1001), colour=Colour(9, 16, 9, True)),
    ],
    ids=lambda video: f"{video.width}x{video.height}x{video.bit_depth}{'full' * video.colour.full_range}",
)
def test_every_packet_is_one_picture_in_order(video: VideoFormat, group: int) -> None:
    clip = moving(video, 7)
    packets = encode_key_frames(clip, video, 12, group, QUICK)
    decoded = decode_key_frames(packets, video)
    assert len(packets) == len(decoded) == 7
    for planes, found in zip(clip, decoded, strict=True):
        assert [plane.shape for plane in found] == list(video.plane_shapes)
        assert all(plane.dtype == video.dtype for plane in found)
        assert psnr(planes, found, video) > 38  # its neighbours are at 28 dB, but for 1x1


@pytest.mark.parametrize("group", [1, 64])
def test_the_same_bytes_twice(group: int) -> None:
    video = VideoFormat(64, 48)
    clip = moving(video, 5)
    assert encode_key_frames(clip, video, 30, group) == encode_key_frames(clip, video, 30, group)


def test_bytes_depend_on_samples_only() -> None:
    bare, tagged = VideoFormat(64, 48), VideoFormat(64, 48, Fraction(60), colour=Colour(1, 1, 1, True))
    clip = moving(bare, 3)
    assert encode_key_frames(clip, bare, 30, 3, QUICK) == encode_key_frames(clip, tagged, 30, 3, QUICK)


def test_pictures_coded_from_each_other_are_smaller() -> None:
    video = VideoFormat(96, 80)
    clip = moving(video, 9)
    stills, inter = encode_key_frames(clip, video, 30, 1), encode_key_frames(clip, video, 30, 64)
    assert size(inter) < 0.7 * size(stills)
    quality = [
        np.mean([psnr(a, b, video) for a, b in zip(clip, decode_key_frames(packets, video), strict=True)])
        for packets in (stills, inter)
    ]
    assert quality[1] > quality[0] - 1


def test_one_frame() -> None:
    video = VideoFormat(64, 48)
    clip = moving(video, 1)
    (packet,) = encode_key_frames(clip, video, 20, 64, QUICK)
    assert psnr(clip[0], decode_key_frames([packet], video)[0], video) > 38


def test_an_archive_gets_the_best_key_frames_that_fit() -> None:
    clips = [Clip.load(moving(video, 17), video, 17) for video in (VideoFormat(64, 48), VideoFormat(48, 32))]
    coder = KeyFrameCoder(clips, 2)
    best, worst = (coder.at(crf, 8).nbytes for crf in (1, 63))
    room = (best + worst) // 3
    keys = coder.finest(lambda keys: keys.nbytes <= room, 8)
    assert 1 < keys.crf < 63 and keys.nbytes <= room < coder.at(keys.crf - 1, 8).nbytes
    assert [len(packets) for packets in keys.packets] == [3, 3]  # frames 0, 8 and 16
    first = [clips[0].frame(time) for time in (0, 8, 16)]
    assert keys.packets[0] == encode_key_frames(first, clips[0].format, keys.crf, 2)
    assert (coder.finest(lambda _: True, 8).crf, coder.finest(lambda _: False, 8).crf) == (1, 63)


@pytest.mark.parametrize("before", [None, "3"])
def test_silent_and_leaves_the_environment_alone(
    before: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if before is None:
        monkeypatch.delenv("SVT_LOG", raising=False)
    else:
        monkeypatch.setenv("SVT_LOG", before)
    video = VideoFormat(64, 48)
    encode_key_frames(moving(video, 2), video, 40, 2, QUICK)
    assert os.environ.get("SVT_LOG") == before
    assert capfd.readouterr() == ("", "")
