"""Files of other programs through FFmpeg's libraries: exact planes, tags, and everything that must be refused."""

from __future__ import annotations

import gc
import struct
import sys
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.io.av_frames import EXACT, LAYOUTS, component_views
from nvcodec.io.saying import ALPHA
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, Colour, VideoFormat

NTSC = Fraction(30000, 1001)


def encode(
    path: Path,
    codec: str,
    pixel_format: str,
    *,
    frames: int = 3,
    size: tuple[int, int] = (64, 48),
    colour: tuple[int, int, int, int] = (2, 2, 2, 0),
    container: str | None = None,
    **options: str,
) -> list[list[np.ndarray]]:
    """Write noise as any FFmpeg pixel format; returns the samples of each plane of each frame, without padding."""
    rng = np.random.default_rng(0)
    written = []
    movflags = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(path, "w", format=container, options=movflags) as output:
        stream = output.add_stream(codec, rate=NTSC, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = colour
        for index in range(frames):
            frame = av.VideoFrame(*size, pixel_format)
            planes = []
            for plane in frame.planes:
                lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                lines[:] = rng.integers(0, 256, lines.shape)
                if "10" in pixel_format:
                    lines[:, 1::2] &= 3
                planes.append(lines.copy())
            written.append(planes)
            frame.pts, frame.time_base = index, 1 / NTSC
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return written


@pytest.mark.parametrize("size", [(64, 48), (53, 37)])
@pytest.mark.parametrize(
    ("depth", "colour"),
    [(8, Colour(1, 1, 1, True)), (8, Colour()), (10, Colour(9, 16, 9, False)), (10, Colour(1, 1, 1, True))],
)
def test_mkv_is_lossless_and_keeps_the_tags(tmp_path: Path, noise, save, load, same, size, depth, colour) -> None:
    format = VideoFormat(*size, NTSC, depth, colour=colour)
    clip = noise(format, 4)
    save(tmp_path / "a.mkv", format, clip)
    with open_source(tmp_path / "a.mkv") as source:
        assert source.format == format
        rate = "8-bit" if depth == 8 else "10-bit"
        assert source.origin == (
            f"geometry {size[0]}x{size[1]} {rate} 30000/1001 fps (from the ffv1 video in Matroska / WebM)"
        )
    assert same(load(tmp_path / "a.mkv"), clip)
    assert same(load(tmp_path / "a.mkv", seek=1, frames=2), clip[1:3])


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("size", [(64, 48), (53, 37)])
def test_mkv_keeps_rgb(tmp_path: Path, noise, save, load, same, depth: int, size: tuple[int, int]) -> None:
    format = VideoFormat(*size, Fraction(24), depth, ChromaFormat.RGB, Colour(1, 13, 0, True))
    clip = noise(format, 2)
    save(tmp_path / "a.mkv", format, clip)
    with open_source(tmp_path / "a.mkv") as source:
        assert source.format == format
    assert same(load(tmp_path / "a.mkv"), clip)


@pytest.mark.parametrize("fps", ["60000/1001", "24000/1001", "120000/1001", "25", "120", "25/2", "2997/100", "1/2"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_frame_rates_come_back_exactly(tmp_path: Path, noise, save, fps: str, suffix: str) -> None:
    format = VideoFormat(16, 16, Fraction(fps))
    save(tmp_path / f"a{suffix}", format, noise(format, 2))
    with open_source(tmp_path / f"a{suffix}") as source:
        assert source.format.fps == Fraction(fps)


@pytest.mark.parametrize("depth", [8, 10])
def test_mp4_plays_elsewhere(tmp_path: Path, save, load, depth: int) -> None:
    format = VideoFormat(64, 48, NTSC, depth, colour=Colour(1, 1, 1, False))
    ramp = np.linspace(0.2, 0.8, 64)[None] * np.ones((48, 1)) * format.peak
    y = ramp.astype(format.dtype)
    clip = [(y, y[::2, ::2], y[::2, ::2])] * 5
    save(tmp_path / "a.mp4", format, clip)
    with open_source(tmp_path / "a.mp4") as source:
        assert source.format == format and source.frame_count == 5
    decoded = load(tmp_path / "a.mp4")
    assert np.abs(decoded[2][0].astype(int) - y).max() <= 2 << (depth - 8)


@pytest.mark.parametrize("size", [(64, 48), (53, 37)])
def test_nv12_is_deinterleaved(tmp_path: Path, load, size: tuple[int, int]) -> None:
    written = encode(tmp_path / "a.nut", "rawvideo", "nv12", size=size)
    for (luma, chroma), (y, u, v) in zip(written, load(tmp_path / "a.nut"), strict=True):
        assert np.array_equal(y, luma[:, : size[0]])
        assert np.array_equal(u, chroma[:, 0::2][:, : u.shape[1]])
        assert np.array_equal(v, chroma[:, 1::2][:, : v.shape[1]])


@pytest.mark.parametrize(("pixel_format", "order"), [("rgb24", (0, 1, 2)), ("bgr24", (2, 1, 0)), ("gbrp", (2, 0, 1))])
def test_rgb_orders(tmp_path: Path, load, pixel_format: str, order: tuple[int, int, int]) -> None:
    written = encode(tmp_path / "a.nut", "rawvideo", pixel_format, size=(53, 37))
    with open_source(tmp_path / "a.nut") as source:
        assert source.format.chroma is ChromaFormat.RGB and source.format.bit_depth == 8
        assert source.format.colour == Colour(matrix=0, full_range=True)
    for planes, picture in zip(written, load(tmp_path / "a.nut"), strict=True):
        for index, plane in zip(order, picture, strict=True):
            expected = planes[index] if pixel_format == "gbrp" else planes[0][:, index::3]
            assert np.array_equal(plane, expected[:, :53])


def test_full_range_of_yuvj420p(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", "libx264", "yuvj420p")
    with open_source(tmp_path / "a.mp4") as source:
        assert source.format == VideoFormat(64, 48, NTSC, colour=Colour(full_range=True))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_elementary_streams_take_their_own_rate(tmp_path: Path, codec: str) -> None:
    container = {"libx264": "h264", "libx265": "hevc"}[codec]
    encode(tmp_path / f"a.{container}", codec, "yuv420p", container=container)
    with open_source(tmp_path / f"a.{container}") as source:
        # The demuxer itself would have said 25.
        assert source.format.fps == NTSC
        assert len(list(source)) == 3


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.ivf", "libvpx-vp9"), ("a.ts", "libx264")])
def test_other_containers(tmp_path: Path, load, name: str, codec: str) -> None:
    encode(tmp_path / name, codec, "yuv420p", frames=5)
    assert len(load(tmp_path / name)) == 5
    with open_source(tmp_path / name) as source:
        assert source.format.fps == NTSC


def test_frames_an_edit_list_hides_are_not_missing(tmp_path: Path, load) -> None:
    encode(tmp_path / "whole.mp4", "libx264", "yuv420p", frames=30, g="100")
    with av.open(tmp_path / "whole.mp4") as whole, av.open(tmp_path / "cut.mp4", "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                half_a_second = round(Fraction(1, 2) / packet.time_base)
                packet.pts -= half_a_second
                packet.dts -= half_a_second
                packet.stream = stream
                cut.mux(packet)
    with open_source(tmp_path / "cut.mp4") as source:
        assert source.frame_count == 15
    assert len(load(tmp_path / "cut.mp4")) == 15


@pytest.mark.parametrize(
    ("pixel_format", "codec", "nearest"),
    [
        ("yuv411p", "ffv1", "yuv422p"),
        ("yuv440p", "ffv1", "yuv444p"),
        ("gray9le", "ffv1", "gray10le"),
        ("yuv420p14le", "ffv1", "yuv420p12le"),
        ("bgra", "ffv1", "gbrp"),
    ],
)
def test_other_pixel_formats_become_the_nearest_one(
    tmp_path: Path, pixel_format: str, codec: str, nearest: str
) -> None:
    """As FFmpeg's scaler makes it of them, and said."""
    path = tmp_path / "a.mkv"
    encode(path, codec, pixel_format)
    with open_source(path) as source:
        pictures, chroma, depth = list(source), source.format.chroma, source.format.bit_depth
    assert f"its pixel format {pixel_format} becomes {nearest}, the nearest that can be coded" in source.notices
    assert (ALPHA in source.notices) == (pixel_format == "bgra")
    assert LAYOUTS[nearest][:2] == (chroma, depth)
    with av.open(path) as container:
        frames = [frame.reformat(format=nearest, interpolation=EXACT) for frame in container.decode(video=0)]
    assert len(pictures) == len(frames) == 3
    for planes, frame in zip(pictures, frames, strict=True):
        for plane, wanted in zip(planes, component_views(frame), strict=True):
            assert np.array_equal(plane, wanted)


def test_samples_that_are_no_colours_are_refused(tmp_path: Path) -> None:
    encode(tmp_path / "a.nut", "rawvideo", "bayer_rggb8")
    with pytest.raises(InputError, match="pixel format bayer_rggb8, whose samples are no colours"):
        open_source(tmp_path / "a.nut")


@pytest.mark.parametrize("content", [b"hello world\n" * 500, b"", b"#EXTM3U\nhttp://x/a.ts\n", bytes(range(256)) * 40])
@pytest.mark.parametrize("name", ["notes.txt", "clip.mp4", "list.m3u8", "a.gif"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_source(tmp_path / name)
    assert caught.value.exit_code == 3 and caught.value.hint


def test_sound_only(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.mp4", "w") as output:
        stream = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(InputError, match="has no video stream"):
        open_source(tmp_path / "a.mp4")


def test_truncated_mp4(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", "libx264", "yuv420p", frames=30, movflags="+faststart")
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    with open_source(tmp_path / "cut.mp4") as source, pytest.raises(InputError) as caught:
        list(source)
    assert "of 30 frames: truncated by" in caught.value.message or "cannot be decoded" in caught.value.message


@pytest.mark.parametrize("announced", [36, 12])
def test_a_wrong_count_in_the_header_of_an_avi_is_told(tmp_path: Path, announced: int) -> None:
    encode(tmp_path / "a.avi", "ffv1", "yuv420p", frames=30)
    data = bytearray((tmp_path / "a.avi").read_bytes())
    header = data.index(b"strh") + 8
    assert struct.unpack_from("<I", data, header + 32) == (30,)
    struct.pack_into("<I", data, header + 32, announced)
    (tmp_path / "a.avi").write_bytes(data)
    with open_source(tmp_path / "a.avi") as source:
        assert len(list(source)) == 30
    told = ["holds 30 of 36 frames, and yet nothing is missing: its header is wrong, or it skips frames"]
    assert source.notices == (told if announced == 36 else [])


def test_truncated_mkv(tmp_path: Path, noise, save, load) -> None:
    format = VideoFormat(64, 48, NTSC)
    save(tmp_path / "a.mkv", format, noise(format, 30))
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with open_source(tmp_path / "cut.mkv") as source, pytest.raises(InputError, match=r"s of 1.00 s: truncated by"):
        list(source)
    assert len(load(tmp_path / "cut.mkv", frames=10)) == 10


def test_a_closed_file_leaves_no_decoder_to_the_garbage_collector(tmp_path: Path, noise, save) -> None:
    """Its threads would be missing in a forked process that collects it: a worker of a loader waited for ever."""
    save(tmp_path / "a.mkv", VideoFormat(64, 48, Fraction(25)), noise(VideoFormat(64, 48, Fraction(25)), 9))
    source = open_source(tmp_path / "a.mkv", frames=3)
    reader = weakref.ref(source._reader)
    gc.disable()
    try:
        assert len(list(source)) == 3
        source.close()
        del source
        assert reader() is None
    finally:
        gc.enable()


def test_change_of_size_is_refused(tmp_path: Path) -> None:
    encode(tmp_path / "a.h264", "libx264", "yuv420p", container="h264")
    encode(tmp_path / "b.h264", "libx264", "yuv420p", container="h264", size=(32, 32))
    (tmp_path / "ab.h264").write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    with open_source(tmp_path / "ab.h264") as source, pytest.raises(InputError, match="to 32x32 yuv420p at frame 3"):
        list(source)


def test_upside_down_avi_is_turned(tmp_path: Path, load) -> None:
    encode(tmp_path / "a.avi", "rawvideo", "bgr24")
    straight = load(tmp_path / "a.avi")
    data = bytearray((tmp_path / "a.avi").read_bytes())
    header = data.index(b"strf") + 8
    assert abs(struct.unpack_from("<i", data, header + 8)[0]) == 48
    struct.pack_into("<i", data, header + 8, 48)
    (tmp_path / "a.avi").write_bytes(data)
    with open_source(tmp_path / "a.avi") as source:
        turned = list(source)
    for planes, stored in zip(turned, straight, strict=True):
        assert all(np.array_equal(plane[::-1], other) for plane, other in zip(planes, stored, strict=True))


def test_past_the_end_of_a_file_that_does_not_say_its_length(tmp_path: Path, noise, save) -> None:
    format = VideoFormat(16, 16, Fraction(25))
    save(tmp_path / "a.mkv", format, noise(format, 6))
    with (
        open_source(tmp_path / "a.mkv", seek=4, frames=3) as source,
        pytest.raises(InputError, match="holds 6 frames, but frames 4 to 6 were asked for"),
    ):
        list(source)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_writing_needs_a_rate(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError, match="needs a frame rate") as caught:
        open_sink(tmp_path / f"a{suffix}", VideoFormat(16, 16))
    assert "rate" in caught.value.hint and not list(tmp_path.iterdir())


def test_mp4_of_odd_size_points_to_mkv(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="53x37 pictures, the size must be even") as caught:
        open_sink(tmp_path / "a.mp4", VideoFormat(53, 37, Fraction(25)))
    assert ".mkv" in caught.value.hint and not list(tmp_path.iterdir())


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize(
    "size",
    [(240, 135), (93, 67), (47, 34), (40, 23), (16, 16), (15, 40), (1, 1), (1, 100), (3, 3), (5, 1000), (300, 1)],
)
def test_mkv_holds_small_pictures(
    tmp_path: Path, noise, save, load, same, size: tuple[int, int], chroma: ChromaFormat
) -> None:
    format = VideoFormat(*size, Fraction(25), chroma=chroma)
    clip = noise(format, 2)
    save(tmp_path / "a.mkv", format, clip)
    assert same(load(tmp_path / "a.mkv"), clip)


def test_a_line_too_long_for_mkv_is_no_matter_of_space(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ffv1 cannot hold 1x1000 pictures") as caught:
        open_sink(tmp_path / "a.mkv", VideoFormat(1, 1000, Fraction(25)))
    assert ".y4m" in caught.value.hint and not list(tmp_path.iterdir())


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise, save, load) -> None:
    format = VideoFormat(16, 16, Fraction(25))
    save(tmp_path / "a.mkv", format, noise(format, 1))
    for module in [name for name in sys.modules if name in ("nvcodec.io.pyav", "nvcodec.io.png")]:
        monkeypatch.delitem(sys.modules, module)
        monkeypatch.delattr(sys.modules["nvcodec.io"], module.rsplit(".", 1)[1])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match="only be read with PyAV") as caught:
        open_source(tmp_path / "a.mkv")
    assert "pip install av" in caught.value.hint
    with pytest.raises(UsageError, match="only be written with PyAV"):
        open_sink(tmp_path / "b.mkv", format)
    save(tmp_path / "a.y4m", format, noise(format, 1))
    assert len(load(tmp_path / "a.y4m")) == 1
