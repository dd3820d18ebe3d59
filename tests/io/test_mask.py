"""Masks from boxes and from videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.errors import InputError, UsageError
from nvcodec.io.mask import Mask, check_mask, open_mask
from nvcodec.io.sink import open_sink
from nvcodec.types import ChromaFormat, VideoFormat

VIDEO = VideoFormat(64, 48)


def test_a_box_is_in_the_middle() -> None:
    mask = open_mask("box:20x10", VIDEO, 5)
    assert len(mask.pictures) == 1 and mask[3].sum() == 200
    assert mask[0][19:29, 22:42].all()
    assert mask.share == pytest.approx(200 / (64 * 48))


def test_boxes_at_places() -> None:
    mask = open_mask("box:4x6+0+0,8x2+56+46", VIDEO, 5)
    assert mask[0][:6, :4].all() and mask[0][46:, 56:].all() and mask[0].sum() == 24 + 16


def test_five_squares_as_in_hnerv() -> None:
    picture = open_mask("boxes:8", VIDEO, 5)[0]
    assert picture.sum() == 5 * 64
    for row, column in ((24, 32), (12, 16), (36, 16), (12, 48), (36, 48)):
        assert picture[row - 4 : row + 4, column - 4 : column + 4].all()


def test_scattered_squares_move_and_are_the_same_again() -> None:
    mask, again = (open_mask("scattered:9", VIDEO, 6) for _ in range(2))
    assert len({picture.tobytes() for picture in mask.pictures}) == 6
    assert mask.digest() == again.digest() != open_mask("scattered:9", VIDEO, 5).digest()
    assert all(81 <= picture.sum() <= 5 * 81 for picture in mask.pictures)
    later = open_mask("scattered:9", VIDEO, 2, seek=4)
    assert [picture.tobytes() for picture in later.pictures] == [picture.tobytes() for picture in mask.pictures[4:]]


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_halved_chroma_is_masked_where_any_of_its_luma_is(rows: int, columns: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    picture = np.array(bits).reshape(rows, columns)
    for chroma, tall in ((ChromaFormat.YUV420, 2), (ChromaFormat.YUV422, 1)):
        luma, u, v = Mask("test", (picture,)).planes(0, chroma)
        assert luma is picture and u is v and u.shape == (-(-rows // tall), (columns + 1) // 2)
        for row in range(u.shape[0]):
            for column in range(u.shape[1]):
                cell = picture[tall * row : tall * row + tall, 2 * column : 2 * column + 2]
                assert u[row, column] == cell.any()
    for chroma, planes in ((ChromaFormat.RGB, 3), (ChromaFormat.YUV444, 3), (ChromaFormat.GREY, 1)):
        found = Mask("test", (picture,)).planes(0, chroma)
        assert len(found) == planes and all(plane is picture for plane in found)


def _written(path: Path, video: VideoFormat, frames: int) -> str:
    with open_sink(path, video) as sink:
        for frame in range(frames):
            planes = [np.zeros(shape, video.dtype) for shape in video.plane_shapes]
            for plane in planes[: 3 if video.chroma is ChromaFormat.RGB else 1]:
                plane[frame : frame + 5, 3:9] = video.peak
            sink.write((planes[0], planes[1], planes[2]))
    return str(path)


@pytest.mark.parametrize("depth", [8, 10])
def test_a_video_masks_where_it_is_white(tmp_path: Path, depth: int) -> None:
    path = _written(tmp_path / "mask.y4m", VideoFormat(64, 48, bit_depth=depth), 4)
    mask = open_mask(path, VIDEO, 3, seek=1)
    assert len(mask.pictures) == 3 and mask.spec == "mask.y4m"
    for frame in range(3):
        assert mask[frame][frame + 1 : frame + 6, 3:9].all() and mask[frame].sum() == 30


def test_a_picture_is_for_all_frames(tmp_path: Path) -> None:
    path = _written(tmp_path / "mask.png", VideoFormat(64, 48, chroma=ChromaFormat.RGB), 1)
    mask = open_mask(path, VIDEO, 7)
    assert mask[0] is mask[6] and mask[0].sum() == 30


@pytest.mark.parametrize(
    "spec",
    ["box:", "box:10", "box:0x4", "box:65x4", "box:10x10+60+0", "box:4x4+1", "boxes:0", "boxes:49", "scattered:x",
     "box:4x4,", "no_such_file.png", "box:64x48", "box:99999999999999999999x2"],
)  # fmt: skip
def test_words_that_mask_nothing_sensible(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_mask(spec, VIDEO, 4)
    assert caught.value.hint


def test_mistakes_are_met_at_a_glance(tmp_path: Path) -> None:
    small = _written(tmp_path / "small.y4m", VideoFormat(32, 48), 4)
    for spec in ("box:65x4", "scattered:49", "no_such_file.png", np.zeros((48, 64), bool)):
        with pytest.raises(UsageError) as caught:
            check_mask(spec, VIDEO)
        assert caught.value.hint and "\n" not in caught.value.message
    with pytest.raises(InputError, match="is 32x48"):
        check_mask(small, VIDEO)
    check_mask("box:4x4", VIDEO)


def test_masks_of_another_size_or_length(tmp_path: Path) -> None:
    small = _written(tmp_path / "small.y4m", VideoFormat(32, 48), 4)
    with pytest.raises(InputError, match="is 32x48, but the video is 64x48"):
        open_mask(small, VIDEO, 4)
    short = _written(tmp_path / "short.y4m", VIDEO, 3)
    with pytest.raises(InputError, match="has 3 frames, but frame 4 is needed"):
        open_mask(short, VIDEO, 4, seek=1)
    black = tmp_path / "black.y4m"
    with open_sink(black, VIDEO) as sink:
        y, u, v = (np.zeros(shape, np.uint8) for shape in VIDEO.plane_shapes)
        sink.write((y, u, v))
    with pytest.raises(UsageError, match="masks nothing"):
        open_mask(str(black), VIDEO, 4)
