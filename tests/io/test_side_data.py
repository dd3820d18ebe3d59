"""What a video says besides its pictures is read from files, and said again by outputs that can say it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from nvcodec.errors import InputError, UsageError
from nvcodec.io.side_data import Clock
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import (
    ChromaFormat,
    Colour,
    ContentLight,
    MasteringDisplay,
    Planes,
    SideData,
    Timestamps,
    VideoFormat,
)

FORMAT = VideoFormat(64, 48, Fraction(25))
HDR = replace(FORMAT, bit_depth=10, colour=Colour(9, 16, 9))
DISPLAY = MasteringDisplay(((13250, 34500), (7500, 3000), (34000, 16000)), (15635, 16450), 10_000_000, 50)
UNEVEN = Timestamps(Fraction(1, 1000), (33, 33, 34, 100, 400, 7, 33, 47))
ALL = SideData(Fraction(64, 45), 2, DISPLAY, ContentLight(1000, 400), UNEVEN)
PARTS = {
    "everything": ALL,
    "aspect": SideData(aspect=Fraction(4, 3)),
    "narrow": SideData(aspect=Fraction(8, 9)),
    "centre": SideData(chroma_location=1),
    "display": SideData(mastering=DISPLAY),
    "light": SideData(light=ContentLight(4000, 50)),
    "times": SideData(timestamps=UNEVEN),
    "nothing": SideData(),
}


def ffmpeg(*words: object) -> str:
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", *map(str, words)], capture_output=True, text=True)
    return done.stderr


def read(path: Path, **how: object) -> tuple[list[Planes], SideData, list[str]]:
    with open_source(path, **how) as source:  # type: ignore[arg-type]
        return list(source), source.side_data, source.notices


def write(path: Path, clip: list[Planes], format: VideoFormat, **how: object) -> None:
    with open_sink(path, format, **how) as sink:  # type: ignore[arg-type]
        for planes in clip:
            sink.write(planes)


@pytest.mark.parametrize("side", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize(
    ("suffix", "size"), [(".mkv", (64, 48)), (".mkv", (65, 37)), (".mp4", (64, 48))], ids=["mkv", "odd mkv", "mp4"]
)
def test_all_of_it_comes_back(tmp_path: Path, noise, same, side: SideData, suffix: str, size: tuple[int, int]) -> None:
    format = replace(HDR, width=size[0], height=size[1])
    clip, path = noise(format, 8), tmp_path / f"a{suffix}"
    write(path, clip, format, side_data=side)
    found, said, notices = read(path)
    assert said == side and not notices and len(found) == 8
    assert suffix == ".mp4" or same(found, clip)
    heard = ffmpeg("-i", path, "-f", "null", "-")
    assert "nvalid data" not in heard and ("SAR 64:45" in heard) == (side is ALL)


def test_a_file_that_says_nothing_is_as_it_was(tmp_path: Path, noise) -> None:
    clip = noise(FORMAT, 3)
    for suffix in (".y4m", ".mkv", ".png"):
        name = "%d.png" if suffix == ".png" else f"a{suffix}"
        for folder, how in (("plain", {}), ("said", {"side_data": SideData()})):
            (tmp_path / folder).mkdir(exist_ok=True)
            write(
                tmp_path / folder / name,
                clip,
                FORMAT if suffix != ".png" else replace(FORMAT, colour=Colour(1, 1, 1)),
                **how,
            )
    plain, said = (sorted((tmp_path / folder).iterdir()) for folder in ("plain", "said"))
    for one, other in zip(plain, said, strict=True):
        assert one.name == other.name and (one.suffix == ".mkv" or one.read_bytes() == other.read_bytes())


@pytest.mark.parametrize(
    ("tag", "location"), [("420jpeg", 1), ("420mpeg2", None), ("420paldv", 2), ("420", None), (None, None)]
)
def test_y4m_keeps_where_chroma_lies(tmp_path: Path, noise, same, tag: str | None, location: int | None) -> None:
    clip = noise(FORMAT, 2)
    write(tmp_path / "a.y4m", clip, FORMAT)
    data = (tmp_path / "a.y4m").read_bytes().replace(b" C420mpeg2", f" C{tag}".encode() if tag else b"", 1)
    (tmp_path / "b.y4m").write_bytes(data.replace(b"A0:0", b"A64:45", 1))
    found, side, _ = read(tmp_path / "b.y4m")
    assert same(found, clip) and side == SideData(Fraction(64, 45), location)
    write(tmp_path / "c.y4m", found, FORMAT, side_data=side)
    header = (tmp_path / "c.y4m").read_bytes().split(b"\n")[0].split()
    assert f"C{tag if location else '420mpeg2'}".encode() in header and b"A64:45" in header


@pytest.mark.parametrize("place", ["left", "center", "topleft", "top"])
def test_chroma_locations_of_other_writers(tmp_path: Path, place: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=s=32x32:d=0.2:r=25", "-pix_fmt", "yuv420p")
    ffmpeg(*source, "-vf", f"format=yuv420p,setparams=chroma_location={place}", "-c:v", "ffv1", tmp_path / "a.mkv")
    ffmpeg(*source, "-c:v", "libx264", "-x264-params", f"chromaloc={['left', 'center', 'topleft', 'top'].index(place)}",
           tmp_path / "a.mp4")  # fmt: skip
    expected = {"left": None, "center": 1, "topleft": 2, "top": 3}[place]
    for name in ("a.mkv", "a.mp4"):
        assert read(tmp_path / name)[1].chroma_location == expected, name


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(8, 9)])
def test_png_says_the_shape_of_its_samples(tmp_path: Path, noise, aspect: Fraction) -> None:
    format = replace(FORMAT, chroma=ChromaFormat.RGB)
    write(tmp_path / "a.png", noise(format, 1), format, side_data=SideData(aspect, 1))
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"pHYs")
    # samples in a unit of length: the wider they are, the fewer
    assert struct.unpack_from(">IIB", data, at + 4) == (aspect.denominator, aspect.numerator, 0)
    assert read(tmp_path / "a.png")[1] == SideData(aspect)
    assert "Video: png" in ffmpeg("-i", tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["rgba", "ya8"])
def test_transparency_of_png_is_told(tmp_path: Path, kind: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=s=16x16:r=25:d=0.04", "-frames:v", "1")
    ffmpeg(*source, "-vf", "format=rgba,colorchannelmixer=aa=0.5", "-pix_fmt", kind, tmp_path / "a.png")
    assert read(tmp_path / "a.png")[2] == ["its transparency is not coded"]
    ffmpeg(*source, "-pix_fmt", "rgb24", tmp_path / "b.png")
    assert read(tmp_path / "b.png")[2] == []


@pytest.mark.parametrize("letter", "tbm")
def test_interlaced_y4m_is_taken_as_it_is_and_told(tmp_path: Path, noise, same, letter: str) -> None:
    clip = noise(FORMAT, 2)
    write(tmp_path / "a.y4m", clip, FORMAT)
    (tmp_path / "b.y4m").write_bytes((tmp_path / "a.y4m").read_bytes().replace(b" Ip ", f" I{letter} ".encode(), 1))
    found, _, notices = read(tmp_path / "b.y4m")
    assert same(found, clip) and len(notices) == 1 and notices[0].startswith("interlaced;")


def test_interlaced_frames_are_told_once(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:d=0.4:r=25", "-pix_fmt", "yuv420p", "-c:v", "mpeg2video",
           "-flags", "+ilme+ildct", "-vf", "setfield=tff", tmp_path / "a.ts")  # fmt: skip
    notices = read(tmp_path / "a.ts")[2]
    assert [notice.partition(";")[0] for notice in notices] == ["interlaced"]


# times


def uneven(path: Path, starts: list[int], last: int, time_base: Fraction = Fraction(1, 1000)) -> None:
    """A video whose frames appear at such times."""
    with av.open(path, "w") as output:
        stream = output.add_stream("ffv1" if path.suffix == ".mkv" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = time_base
        for number, start in enumerate(starts):
            frame = av.VideoFrame(32, 32, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 9 + 20]) * plane.buffer_size)
            frame.pts, frame.time_base = start, time_base
            for packet in stream.encode(frame):
                packet.duration = ([*starts[1:], starts[-1] + last][number]) - start
                output.mux(packet)
        output.mux(stream.encode())


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_uneven_times_are_read(tmp_path: Path, name: str) -> None:
    starts = [0, 40, 80, 320, 330, 1000]
    uneven(tmp_path / name, starts, 430)
    with open_source(tmp_path / name) as source:
        assert len(list(source)) == 6
        times = source.side_data.timestamps
    assert times is not None and [times.start(frame) for frame in range(7)] == [
        Fraction(t, 1000) for t in (*starts, 1430)
    ]
    for how, expected in (({"seek": 2, "frames": 3}, (240, 10, 670)), ({"seek": 1, "frames": 2}, (40, 240))):
        part = read(tmp_path / name, **how)[1].timestamps
        found = part and tuple(ticks * part.time_base * 1000 for ticks in part.ticks)
        assert found == expected
    assert read(tmp_path / name, fps=Fraction(30))[1].timestamps is None


@pytest.mark.parametrize(
    "fps", ["25", "30000/1001", "24000/1001", "60", "120000/1001", "1000", "25/3", "1/3", "999/10"]
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi", ".ts"])
def test_even_times_are_no_side_data(tmp_path: Path, fps: str, suffix: str) -> None:
    """Times are rounded to milliseconds in Matroska, to 1/90000 s in transport streams: that makes no rate variable."""
    path = tmp_path / f"a{suffix}"
    if suffix in (".avi", ".ts"):
        if Fraction(fps) < 20 or Fraction(fps) > 200:
            pytest.skip("not a rate of such files")
        ffmpeg("-f", "lavfi", "-i", f"color=s=32x32:r={fps}", "-frames:v", "50", "-c:v", "mpeg4", path)
    else:
        format = VideoFormat(32, 32, Fraction(fps))
        write(path, [tuple(np.full(shape, 90, np.uint8) for shape in format.plane_shapes)] * 50, format)
    with open_source(path) as source:
        assert len(list(source)) == 50 and source.side_data.timestamps is None
        assert source.fps is not None and abs(source.fps / Fraction(fps) - 1) < Fraction(1, 10**5)


@pytest.mark.parametrize(
    ("ticks", "time_base", "fps", "expected"),
    [
        ([751, 751, 750, 751] * 20, "1/90000", "120", Fraction(120000, 1001)),
        ([40] * 9, "1/1000", None, Fraction(25)),
        ([33, 34, 33] * 9, "1/1000", "1000", Fraction(30)),
        ([400] * 9, "1/1000", "30", Fraction(5, 2)),
        ([1, 2, 1, 2], "1/25", "50/3", None),  # of such long ticks, all are meant
        ([40, 40, 44, 40, 41, 40], "1/1000", "25", None),
        ([40, 40, 40, 900], "1/1000", "25", None),  # the last one is held
    ],
)
def test_the_rate_that_times_show(ticks: list[int], time_base: str, fps: str | None, expected: Fraction | None) -> None:
    clock = Clock(Fraction(time_base))
    for place, length in enumerate(ticks):
        clock.add(7 + sum(ticks[:place]), length)
    found = clock.timestamps(0, len(ticks), fps and Fraction(fps))
    assert found is not None and found.is_even == (expected is not None)
    assert found.fps == (expected or len(ticks) / (sum(ticks) * Fraction(time_base)))
    assert clock.timestamps(0, len(ticks), expected) is None or expected is None


@pytest.mark.parametrize("starts", [[0, 40, 30, 120], [0, 0, 40], [0, None, 80]])
def test_times_that_make_no_sense_are_left_out(starts: list[int | None]) -> None:
    clock = Clock(Fraction(1, 1000))
    for start in starts:
        clock.add(start, 40)
    assert clock.timestamps(0, len(starts), Fraction(25)) is None


@pytest.mark.parametrize("interpolate", [1, 2, 5])
def test_times_between_frames(interpolate: int) -> None:
    times = [Fraction(tick, interpolate) for tick in range(7 * interpolate + 1)]
    found = UNEVEN.of(times)
    assert len(found.ticks) == len(times)
    for place, time in enumerate(times):
        assert found.start(place) == UNEVEN.start(time)
    assert UNEVEN.of(range(0, 8, 3)).ticks == (100, 507, 33) and UNEVEN.of([4]).ticks == (1,)


# rates


@pytest.mark.parametrize(
    ("suffix", "rates"),
    [
        (".mkv", ["1000", "999", "30000/1001", "1/1000", "1/90000"]),
        (".mp4", ["1000", "1001", "10000", "12000", "24000", "60000", "1000000", "100000/3", "2147483647", "30000/1001",
                  "1/1000", "1/16000"]),
    ],
)  # fmt: skip
def test_each_frame_has_a_time_of_its_own(tmp_path: Path, noise: Callable, suffix: str, rates: list[str]) -> None:
    for number, rate in enumerate(map(Fraction, rates)):
        format = VideoFormat(16, 16, rate)
        path = tmp_path / f"{number}{suffix}"
        write(path, noise(format, 5), format)
        with av.open(path) as file:
            stream = file.streams.video[0]
            starts = [frame.pts * stream.time_base for frame in file.decode(stream)]
        tick = Fraction(1, 1000) if suffix == ".mkv" else Fraction(0)
        assert len(starts) == 5, rate
        assert all(abs(start - place / rate) <= tick / 2 for place, start in enumerate(starts)), (rate, starts)


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("a.mkv", "1001", "Matroska counts milliseconds, and frames would be on screen for 0.000999 s"),
        ("a.mkv", "24000", "Matroska counts milliseconds"),
        ("a.mkv", "4294967295", "Matroska counts milliseconds"),
        ("a.mp4", "2147483648", "cannot count frames of 4.66e-10 s"),
        ("a.mp4", "4294967295/4294967291", "cannot count frames of 1 s"),
        ("a.mp4", "1/17000", r"cannot count frames of 1.7e\+04 s"),
        ("a.mp4", "1/4000000", r"cannot count frames of 4e\+06 s"),
        ("a.mkv", "1/4294967295", "cannot count frames of"),
    ],
)
def test_rates_that_cannot_be_said_are_refused(tmp_path: Path, name: str, rate: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_sink(tmp_path / name, VideoFormat(16, 16, Fraction(rate)))
    assert "rate" in caught.value.hint and not list(tmp_path.iterdir())


def test_frames_too_short_for_matroska_are_refused(tmp_path: Path) -> None:
    side = SideData(timestamps=Timestamps(Fraction(1, 90000), (3000, 30, 3000)))
    with pytest.raises(UsageError, match="Matroska counts milliseconds"):
        open_sink(tmp_path / "a.mkv", FORMAT, side_data=side)
    assert not list(tmp_path.iterdir())


# sound


def sounding(path: Path, *words: str) -> None:
    """A second of video with sound; the words come before the name."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=1", "-f", "lavfi", "-i", "sine=d=1:r=48000", "-shortest",
           "-c:v", "mpeg4", *words, path)  # fmt: skip


def packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(path) as file:
        return [
            (packet.pts * packet.time_base, bytes(packet)) for packet in file.demux(audio=0) if packet.pts is not None
        ]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "aac"), (".mkv", "aac"), (".mkv", "flac"), (".mkv", "libopus"), (".mp4", "ac3"), (".webm", "libopus"),
     (".webm", "libvorbis")],
)  # fmt: skip
@pytest.mark.parametrize("seconds", ["0", "0.4"])
def test_sound_is_copied_as_it_is(tmp_path: Path, noise, suffix: str, codec: str, seconds: str) -> None:
    sounding(tmp_path / "clip.mkv", "-c:a", codec)
    start, clip = Fraction(seconds), noise(FORMAT, 10)
    write(tmp_path / f"a{suffix}", clip, FORMAT, audio_from=tmp_path / "clip.mkv", audio_start=start)
    theirs, ours = packets(tmp_path / "clip.mkv"), packets(tmp_path / f"a{suffix}")
    kept = [(time - start, data) for time, data in theirs if 0 <= time - start < Fraction(2, 5)]
    assert [data for _, data in ours][-len(kept) :] == [data for _, data in kept]
    assert len(ours) - len(kept) in ((0, 1) if suffix == ".mp4" else (0,))
    for (time, _), (expected, _) in zip(ours[-len(kept) :], kept, strict=True):
        assert abs(time - expected) <= Fraction(2, 1000)
    assert len(read(tmp_path / f"a{suffix}")[0]) == 10


def test_sound_begins_with_the_first_picture(tmp_path: Path, noise) -> None:
    sounding(tmp_path / "clip.mkv", "-c:a", "flac", "-output_ts_offset", "3")
    write(tmp_path / "a.mkv", noise(FORMAT, 25), FORMAT, audio_from=tmp_path / "clip.mkv")
    assert abs(packets(tmp_path / "a.mkv")[0][0]) <= Fraction(1, 1000)
    assert len(packets(tmp_path / "a.mkv")) == len(packets(tmp_path / "clip.mkv"))


@pytest.mark.parametrize("name", ["a.y4m", "a.yuv", "a.png", "folder/"])
def test_only_two_kinds_of_video_have_sound(tmp_path: Path, name: str) -> None:
    sounding(tmp_path / "clip.mkv", "-c:a", "aac")
    with pytest.raises(UsageError, match="video has no sound; audio_from is for .mp4, .mkv, .webm"):
        open_sink(f"{tmp_path}/{name}", replace(FORMAT, colour=Colour(1, 1, 1)), audio_from=tmp_path / "clip.mkv")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


def test_sound_that_is_not_there_or_cannot_be_held(tmp_path: Path, noise) -> None:
    write(tmp_path / "silent.mkv", noise(FORMAT, 2), FORMAT)
    (tmp_path / "no.mp4").write_bytes(b"hello")
    sounding(tmp_path / "clip.mkv", "-c:a", "wavpack")
    for name, message in (
        ("silent.mkv", "has no sound"),
        ("no.mp4", "is not a video or sound that can be read"),
        ("missing.mkv", "is not a video or sound that can be read"),
    ):
        with pytest.raises(InputError, match=message):
            open_sink(tmp_path / "a.mp4", FORMAT, audio_from=tmp_path / name)
    for suffix, holds in ((".mp4", ".mp4 holds AAC"), (".webm", ".webm Opus and Vorbis")):
        with pytest.raises(UsageError, match=f"a{suffix} cannot hold wavpack sound") as caught:
            open_sink(tmp_path / f"a{suffix}", FORMAT, audio_from=tmp_path / "clip.mkv")
        assert holds in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "no.mp4", "silent.mkv"]


# streams


@pytest.mark.parametrize("chroma", [ChromaFormat.GREY, ChromaFormat.YUV422, ChromaFormat.YUV444])
def test_other_chroma_formats_keep_side_data_too(tmp_path: Path, noise, same, chroma: ChromaFormat) -> None:
    format, side = replace(FORMAT, chroma=chroma), SideData(Fraction(4, 3), timestamps=UNEVEN)
    clip = noise(format, 8)
    write(tmp_path / "a.mkv", clip, format, side_data=side)
    found, said, _ = read(tmp_path / "a.mkv")
    assert same(found, clip) and said == side


def test_the_best_video_stream_is_taken_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=0.2", "-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=0.2",
           "-f", "lavfi", "-i", "sine=d=0.2", "-f", "lavfi", "-i", "sine=d=0.2", "-map", "0", "-map", "1", "-map", "2",
           "-map", "3", "-c:v", "ffv1", "-pix_fmt", "yuv420p", "-c:a", "flac", "-disposition:v:0", "0",
           "-disposition:v:1", "default", path)  # fmt: skip
    sound = "not coded: 2 audio tracks (nvc decode --audio-from puts sound back)"
    for number, side, chosen in ((None, 32, 1), (0, 64, 0), (1, 32, 1)):
        with open_source(path, video_stream=number) as source:
            assert (source.format.width, len(list(source))) == (side, 5)
            default = ", default" if chosen else ""
            assert source.notices == [
                f"video stream {chosen} of 2 is taken (ffv1 {side}x{side}{default}); for another --video-stream N",
                sound,
            ]
    with pytest.raises(UsageError, match="has no video stream 2") as caught:
        open_source(path, video_stream=2)
    assert "0 (ffv1 64x64), 1 (ffv1 32x32, default)" in caught.value.hint


def test_files_of_one_video_have_number_0(tmp_path: Path, noise) -> None:
    write(tmp_path / "a.y4m", noise(FORMAT, 2), FORMAT)
    assert len(read(tmp_path / "a.y4m", video_stream=0)[0]) == 2
    with pytest.raises(UsageError, match="has no video stream 1"):
        open_source(tmp_path / "a.y4m", video_stream=1)
