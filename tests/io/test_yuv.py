"""Raw video: exact planes both ways, and files that are not what their name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvcodec.errors import InputError
from nvcodec.io.source import open_source
from nvcodec.types import VideoFormat


@pytest.mark.parametrize("size", [(64, 48), (53, 37), (1, 1)])
@pytest.mark.parametrize(("depth", "pix_fmt"), [(8, "yuv420p"), (10, "yuv420p10le")])
def test_round_trip_is_exact(tmp_path: Path, noise, save, load, same, size, depth, pix_fmt) -> None:
    format = VideoFormat(*size, bit_depth=depth)
    clip = noise(format, 3)
    save(tmp_path / "clip.yuv", format, clip)
    assert (tmp_path / "clip.yuv").stat().st_size == 3 * format.frame_bytes
    assert same(load(tmp_path / "clip.yuv", size=size, pix_fmt=pix_fmt), clip)


def test_ten_bit_is_little_endian(tmp_path: Path, load) -> None:
    path = tmp_path / "a_2x2_10b.yuv"
    path.write_bytes(bytes.fromhex("0100 0002 ff03 0000 0102 0300"))
    y, u, v = load(path)[0]
    assert y.tolist() == [[1, 512], [1023, 0]] and u.tolist() == [[513]] and v.tolist() == [[3]]


def test_frames_are_reached_by_offset(tmp_path: Path, noise, save, load, same) -> None:
    format = VideoFormat(16, 8)
    clip = noise(format, 10)
    save(tmp_path / "a_16x8_25.yuv", format, clip)
    assert same(load(tmp_path / "a_16x8_25.yuv", seek=4, frames=3), clip[4:7])
    assert same(load(tmp_path / "a_16x8_25.yuv", seek=9), clip[9:])


def test_one_byte_too_many_is_explained_with_alternatives(tmp_path: Path) -> None:
    path = tmp_path / "clip_352x288_30.yuv"
    path.write_bytes(bytes(30 * 152_064 + 1))
    with pytest.raises(
        InputError, match=r"4,561,921 bytes: not a whole number of 352x288 8-bit 4:2:0 frames"
    ) as caught:
        open_source(path)
    assert "(30 frames + 1 byte)" in caught.value.message
    path.write_bytes(bytes(3 * 152_064))
    with pytest.raises(InputError, match=r"640x480 .* \(0 frames \+ 456,192 bytes\)") as caught:
        open_source(path, size=(640, 480))
    assert 'size="352x288", pix_fmt="yuv420p"  (3 frames)' in caught.value.hint
    path.write_bytes(bytes(152_064))
    with pytest.raises(InputError, match=r"10-bit 4:2:0 frames \(0 frames") as caught:
        open_source(path, pix_fmt="yuv420p10le")
    assert 'size="352x288", pix_fmt="yuv420p"  (1 frame)' in caught.value.hint


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a_16x8.yuv").touch()
    with pytest.raises(InputError, match="is empty"):
        open_source(tmp_path / "a_16x8.yuv")


def test_values_beyond_ten_bits_are_not_ten_bit_video(tmp_path: Path) -> None:
    path = tmp_path / "a_16x8_10b.yuv"
    samples = np.full(16 * 8 * 3 // 2 * 2, 100, np.uint16)
    samples[-1] = 1024
    path.write_bytes(samples.astype("<u2").tobytes())
    with open_source(path) as source, pytest.raises(InputError, match="frame 1 holds the value 1,024, beyond 10 bit"):
        list(source)


def test_file_cut_while_being_read(tmp_path: Path) -> None:
    path = tmp_path / "a_16x8.yuv"
    path.write_bytes(bytes(192 * 2))
    with open_source(path) as source:
        path.write_bytes(bytes(192 + 5))
        with pytest.raises(InputError, match="frame 1 is cut off: 5 of 192 bytes"):
            list(source)
