"""PNG pictures, alone and in folders."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.color import yuv_to_rgb
from nvcodec.errors import InputError, UnsupportedError, UsageError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, VideoFormat

RGB = VideoFormat(21, 13, chroma=ChromaFormat.RGB, colour=Colour(1, 13, 0, True))


def test_folder_round_trip(tmp_path: Path, noise, save, load, same) -> None:
    clip = noise(RGB, 12)
    save(f"{tmp_path}/frames/", RGB, clip)
    assert [path.name for path in sorted((tmp_path / "frames").iterdir())][::11] == ["00001.png", "00012.png"]
    with open_source(tmp_path / "frames") as source:
        assert source.format == RGB and source.frame_count == 12
        assert source.origin == "geometry 21x13 8-bit RGB (from 00001.png)"
    assert same(load(tmp_path / "frames"), clip)
    assert same(load(tmp_path / "frames", seek=10, fps=Fraction(24)), clip[10:])


def test_names_are_sorted_naturally_and_others_ignored(tmp_path: Path, noise, save, load, same) -> None:
    clip = noise(RGB, 11)
    save(tmp_path / "f%d.png", RGB, clip)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._f1.png").write_text("x")
    assert same(load(tmp_path), clip)


@pytest.mark.parametrize(("kind", "said"), [("folder", "a folder"), ("link", "a link to nothing")])
def test_what_is_called_a_picture_and_is_none_is_named(tmp_path: Path, noise, save, kind: str, said: str) -> None:
    save(tmp_path / "f%d.png", RGB, noise(RGB, 2))
    odd = tmp_path / "f 3.png"
    odd.mkdir() if kind == "folder" else odd.symlink_to(tmp_path / "gone.png")
    with pytest.raises(InputError) as caught:
        open_source(tmp_path)
    assert caught.value.message == f"{odd} is {said}, not a picture"


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    link = tmp_path / "a.png"
    link.symlink_to("gone here.png")
    for path in (link, link.rename(tmp_path / "b.mkv")):
        if not path.is_symlink():
            path.symlink_to("gone here.png")
        with pytest.raises(InputError, match="is a link to nothing") as caught:
            open_source(path)
        assert caught.value.hint == "It leads to 'gone here.png'"


def test_single_picture(tmp_path: Path, noise, save, load, same) -> None:
    clip = noise(RGB, 1)
    save(tmp_path / "a.png", RGB, clip)
    assert same(load(tmp_path / "a.png"), clip)
    with pytest.raises(UsageError, match="holds one picture") as caught:
        save(tmp_path / "b.png", RGB, clip * 2)
    assert "b_%05d.png" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_another_program_reads_the_same_pixels(tmp_path: Path, noise, save) -> None:
    clip = noise(RGB, 1)
    save(tmp_path / "a.png", RGB, clip)
    with av.open(tmp_path / "a.png") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(picture, np.stack(clip[0], -1))


@pytest.mark.parametrize("depth", [8, 10])
def test_yuv_is_converted(tmp_path: Path, noise, save, load, depth: int) -> None:
    format = VideoFormat(22, 14, Fraction(25), depth, colour=Colour(matrix=9))
    clip = noise(format, 1)
    save(tmp_path / "a.png", format, clip)
    expected = np.stack(yuv_to_rgb(clip[0], format)) * (255 / format.peak)
    assert np.abs(np.stack(load(tmp_path / "a.png")[0]) - expected).max() <= 0.501


def test_unknown_matrix_is_refused_before_the_first_picture(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="matrix 14"):
        open_sink(tmp_path / "a.png", VideoFormat(22, 14, colour=Colour(matrix=14)))
    assert not list(tmp_path.iterdir())


def test_bad_folders(tmp_path: Path, noise, save) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        open_source(tmp_path)
    save(tmp_path / "1.png", RGB, noise(RGB, 1))
    other = VideoFormat(8, 8, chroma=ChromaFormat.RGB)
    save(tmp_path / "2.png", other, noise(other, 1))
    with pytest.raises(InputError, match="2.png is 8x8, but 1.png is 21x13"):
        open_source(tmp_path)
    (tmp_path / "2.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="2.png is not a PNG file"):
        open_source(tmp_path)


def png(bit_depth: int, colour_type: int, data: bytes, size: tuple[int, int] = (2, 2), palette: bytes = b"") -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))

    header = struct.pack(">IIBBBBB", *size, bit_depth, colour_type, 0, 0, 0)
    colours = chunk(b"PLTE", palette) if palette else b""
    pixels = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colours + pixels + chunk(b"IEND", b"")


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> numbers of a sample: grey, RGB, palette, grey and RGB with transparency."""


@given(
    kind=st.sampled_from([(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8)]),
    size=st.tuples(st.integers(1, 19), st.integers(1, 5)),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_kind_of_eight_bits_or_fewer_is_read(
    kind: tuple[int, int], size: tuple[int, int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (colour_type, depth), (width, height) = kind, size
    random = np.random.default_rng(seed)
    samples = random.integers(0, 2**depth, (height, width, _CHANNELS[colour_type]), dtype=np.uint8)
    bits = np.unpackbits(samples.reshape(height, -1, 1), axis=2)[..., 8 - depth :].reshape(height, -1)
    lines = b"".join(b"\0" + line.tobytes() for line in np.packbits(bits, axis=1))
    palette = random.integers(0, 256, (2**depth, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(png(depth, colour_type, lines, size, palette.tobytes() if colour_type == 3 else b""))
    with open_source(path) as source:
        (planes,) = source
    if colour_type == 3:
        expected = palette[samples[..., 0]]
    elif colour_type in (0, 4):  # black is 0 and white 255, whatever is between
        expected = np.repeat(samples[..., :1] * (255 // (2**depth - 1)), 3, axis=2)
    else:
        expected = samples[..., :3]
    assert np.array_equal(np.stack(planes, -1), expected)
    assert all(plane.flags.writeable and plane.dtype == np.uint8 for plane in planes)


def test_a_folder_may_mix_kinds(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(8, 0, bytes([0, 1, 2] * 2)))
    (tmp_path / "2.png").write_bytes(png(8, 2, bytes([0, 1, 2, 3, 4, 5, 6] * 2)))
    with open_source(tmp_path) as source:
        grey, coloured = source
    assert [plane[0].tolist() for plane in grey] == [[1, 2]] * 3
    assert [plane[0].tolist() for plane in coloured] == [[1, 4], [2, 5], [3, 6]]


@pytest.mark.parametrize(("bit_depth", "colour_type"), [(4, 2), (8, 1)])
def test_other_kinds_of_png(tmp_path: Path, bit_depth: int, colour_type: int) -> None:
    (tmp_path / "a.png").write_bytes(png(bit_depth, colour_type, bytes(40)))
    with pytest.raises(InputError, match=f"bit depth {bit_depth} and colour type {colour_type}"):
        open_source(tmp_path / "a.png")


@pytest.mark.parametrize(("colour_type", "planes"), [(0, 1), (2, 3), (6, 3)])
def test_sixteen_bits_become_twelve(tmp_path: Path, colour_type: int, planes: int) -> None:
    rows, channels = [[0, 0x0FF0], [0x7FF0, 0xFFFF]], _CHANNELS[colour_type]
    data = b"".join(b"\0" + b"".join(struct.pack(">H", value) * channels for value in row) for row in rows)
    (tmp_path / "1.png").write_bytes(png(16, colour_type, data))
    with open_source(tmp_path) as source:
        (picture,) = source
    assert source.format.bit_depth == 12 and len(picture) == planes
    for plane in picture:
        assert np.abs(plane.astype(int) - (np.array(rows) >> 4)).max() <= 1
    (tmp_path / "2.png").write_bytes(png(8, 2, bytes(14)))
    with open_source(tmp_path) as source:
        assert len(list(source)) == 2
        assert any("2.png is rgb24, and becomes what 1.png is" in notice for notice in source.notices)


def test_damaged_picture(tmp_path: Path) -> None:
    good = png(8, 2, bytes([0, 1, 2, 3, 4, 5, 6] * 2))
    (tmp_path / "a.png").write_bytes(good)
    with open_source(tmp_path / "a.png") as source:
        assert [plane.tolist() for plane in next(iter(source))] == [[[1, 4]] * 2, [[2, 5]] * 2, [[3, 6]] * 2]
    (tmp_path / "a.png").write_bytes(good[:40])
    with open_source(tmp_path / "a.png") as source, pytest.raises(InputError, match="cannot be decoded"):
        list(source)


def test_picture_that_goes_away(tmp_path: Path, noise, save) -> None:
    save(f"{tmp_path}/f/", RGB, noise(RGB, 2))
    with open_source(tmp_path / "f") as source:
        (tmp_path / "f" / "00002.png").unlink()
        with pytest.raises(InputError, match="cannot read on in .*No such file"):
            list(source)


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 2, b"", (2**31 - 1, 2**31 - 1)))
    with pytest.raises(InputError, match="impossible"):
        open_source(tmp_path / "a.png")
