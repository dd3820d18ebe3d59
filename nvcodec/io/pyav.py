"""Compressed video through FFmpeg's libraries.

Planes are copied sample by sample as the decoder left them, by line size: no scaler touches a code value, but for
pictures of a kind that no planes of ours can hold (``io.fitting``).
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, final

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from nvcodec.errors import InputError, UsageError
from nvcodec.io import matroska
from nvcodec.io.av_frames import LAYOUTS, STORED_AS, attached, component_views, display_matrix, new_frame, os_errors
from nvcodec.io.fitting import fitted, is_upside_down, nearest, standing, with_chroma
from nvcodec.io.geometry import checked_size, describe
from nvcodec.io.orientation import Orientation
from nvcodec.io.saying import ALPHA, ASKEW, INTERLACED, nearest_taken, no_stream, only_before, plural
from nvcodec.io.side_data import Clock, aspect_of, chroma_location_of, content_light, is_bottom_first, mastering_display
from nvcodec.io.ticks import ticks_for
from nvcodec.io.truncation import missing_bytes
from nvcodec.types import NOTHING_SAID, ChromaFormat, Colour, Planes, SideData, VideoFormat

_DEMUXERS = "mov,matroska,webm,avi,mpegts,mpeg,ogg,ivf,obu,h264,hevc,vvc,mpegvideo,nut,flv,asf,mxf"
"""Containers opened. FFmpeg guesses more: a text file is a terminal recording to it, a playlist opens other files."""
_SOUND = f"{_DEMUXERS},mp3,wav,flac,aac"
_ELEMENTARY = {"obu", "h264", "hevc", "vvc", "mpegvideo"}
"""Streams without a container: their demuxer makes up a rate of 25 where the stream says none."""

_UNSAID_RANGE, _FULL_RANGE = 0, 2

_ENCODERS = {
    ".mp4": ("libx264", {"crf": "12", "preset": "medium"}, {"movflags": "+faststart"}),
    # Version 3 with a CRC for each slice, every frame a key frame: what archives ask of FFV1. How many slices, it knows
    # best: of a number given, most small sizes have no division.
    ".webm": ("libvpx-vp9", {"crf": "16", "cpu-used": "3"}, {}),
    ".mkv": ("ffv1", {"level": "3", "slicecrc": "1", "g": "1"}, {}),
}
_LOCATIONS = {1: "center", 2: "topleft", 3: "top", 4: "bottomleft", 5: "bottom"}
_MOVIE_TICK = Fraction(1, 1000)
_THIN, _SHORT = 16, 288
"""FFV1 would divide a picture that is so thin into more slices than it has samples for; only short ones may be one."""


@final
class PyavReader:
    """Pictures of a video stream of a file, upright; the first one is decoded at once to learn the true format.

    Args:
        path: File to read.
        video_stream: Which video stream, from 0, still cover pictures not counted; None: the best, as FFmpeg takes it.
        allow_truncated: End where the file is damaged or cut off, with a notice.

    Raises:
        InputError: Not a video, no picture can be decoded, or its pixel format, size or orientation is not supported.
        UsageError: There is no such video stream.
    """

    choosable = True

    def __init__(self, path: Path, video_stream: int | None = None, allow_truncated: bool = False) -> None:
        self._path, self._name, self._allow_truncated = path, str(path), allow_truncated
        self.notices: list[str] = []
        self._problem: str | None = None
        self._frames = self._decoded()
        try:
            self._container = av.open(f"file:{path}", options=_opening(_DEMUXERS), metadata_errors="ignore")
        except av.FFmpegError as error:
            raise InputError(
                f"{path} is not a video that can be read",
                f"FFmpeg says: {error.strerror}. "
                "Readable are .y4m, raw .yuv, .mp4, .mkv, .webm, .avi, .ts, .ogg, .ivf, folders of PNG, JPEG or TIFF.",
            ) from error
        try:
            self._stream = self._video_stream(video_stream)
            self._first = next(self._frames, None)
            if self._first is None:
                raise InputError(f"{path} holds no pictures", "Take the file again if it was cut.")
            self._orientation = self._orientation_of(self._first) or Orientation()
            self._pixel_format = self._fitting(self._first)
            self._stored = self._format_of(self._first)
            self._kind = (self._stored.chroma, self._stored.bit_depth)
            self.format = self._upright()
            self._side_data = self._side_data_of(self._first)
        except BaseException:
            self.close()
            raise
        self.clock = Clock(self._stream.time_base or Fraction(1))
        # tables of samples can be believed, numbers in headers cannot
        is_sure = self._container.format.name.startswith("mov") and not allow_truncated
        self.frame_count = self._announced_frames() if is_sure else None
        codec = self._stream.codec_context.name
        self.origin = f"geometry {describe(self.format)} (from the {codec} video in {self._container.format.long_name})"

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on; those before are decoded and dropped.

        Raises:
            InputError: A picture cannot be decoded or differs in format, or the file ends early.
        """
        frame, index = self._first, 0
        ends_at = Fraction(0)
        while frame is not None:
            self._check_frame(frame, index)
            self.clock.add(frame.pts, frame.duration)
            if index >= first:
                held = fitted(frame, self._pixel_format)
                upright = self._orientation_of(frame) or self._orientation
                yield upright.planes(tuple(view.copy() for view in component_views(held)))
            if frame.pts is not None and frame.time_base is not None:
                ends_at = max(ends_at, (frame.pts + (frame.duration or 0)) * frame.time_base)
            frame, index = next(self._frames, None), index + 1
        self._check_end(index, ends_at)
        self.frame_count = index

    def said(self, first: int, count: int) -> SideData:
        """Side data of some of the pictures; their timestamps are known when they were read."""
        return replace(self._side_data, timestamps=self.clock.timestamps(first, count, self.format.fps))

    def close(self) -> None:
        """Close the file and let go of its decoder.

        Left to the garbage collector, its threads would be missing where a forked process waits for them: a worker of
        a data loader, for ever.
        """
        self._frames.close()
        self._container.close()

    def _tell(self, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def _video_stream(self, number: int | None) -> VideoStream:
        streams = self._container.streams
        videos = [each for each in streams.video if not each.disposition & av.stream.Disposition.attached_pic]
        if not videos:
            raise InputError(f"{self._name} has no video stream", "Only sound or still cover pictures are in it.")
        if number is not None and number >= len(videos):
            raise no_stream(self._name, number, [_described(video) for video in videos])
        best = streams.best("video")
        chosen = videos[number] if number is not None else best if best in videos else videos[0]
        assert isinstance(chosen, VideoStream)
        if chosen.codec_context is None:
            raise InputError(f"{self._name}: no decoder for its video", "FFmpeg, as PyAV brings it, does not know it.")
        checked_size(chosen.codec_context.width, chosen.codec_context.height, self._name)
        if len(videos) > 1:
            self._tell(
                f"video stream {videos.index(chosen)} of {len(videos)} is taken ({_described(chosen)}); "
                "for another --video-stream N"
            )
        if others := Counter(each.type for each in streams if each not in videos):
            self._tell(f"not coded: {', '.join(_counted(kind, count) for kind, count in others.items())}")
        if {key.lower(): value for key, value in chosen.metadata.items()}.get("alpha_mode") == "1":
            self._tell(ALPHA)
        chosen.thread_type = "AUTO"
        return chosen

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """The frames of the file as far as it is sound.

        Raises:
            InputError: It is damaged, and only a whole one is wanted.
        """
        index = 0
        for frame in self._sound_frames():
            if frame.is_corrupt:
                self._problem = "its data is damaged"
                break
            yield frame
            index += 1
        if self._problem is not None:
            problem = f"frame {index} cannot be decoded ({self._problem})"
            self._end_early(index, problem, "The file is damaged: take it again")

    def _sound_frames(self) -> Iterator[av.VideoFrame]:
        """The frames of all packets in front of a damaged one, those that the decoder still holds then included."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    self._problem = "its data is cut off or damaged"
                    break
                yield from packet.decode()
        except av.FFmpegError as error:
            self._problem = error.strerror
        if self._problem is not None:
            with suppress(av.FFmpegError):
                yield from self._stream.codec_context.decode(None)

    def _end_early(self, frames: int, problem: str, hint: str) -> None:
        """Refuse a file that is not whole, or say where it ends.

        Raises:
            InputError: Only a whole one is wanted, or there are no frames.
        """
        if not self._allow_truncated or not frames:
            remedy = f", or use the frames before it:  --allow-truncated, or --frames {frames}" if frames else ""
            raise InputError(f"{self._name}: {problem}", f"{hint}{remedy}")
        self._tell(only_before(problem, frames))

    def _fitting(self, frame: av.VideoFrame) -> str:
        """The pixel format that frames are brought into; mostly their own.

        Raises:
            InputError: There is none.
        """
        pixel_format = frame.format.name
        found = nearest(pixel_format)
        if found is not None and is_upside_down(frame):
            return standing(found)
        if found is None:
            raise InputError(
                f"{self._name} has pixel format {pixel_format}, whose samples are no colours",
                "It cannot be shown as it is: develop it with the program of the camera.",
            )
        if found != pixel_format:
            self._tell(nearest_taken(pixel_format, found))
        if any(each.is_alpha for each in av.VideoFormat(pixel_format).components):
            self._tell(ALPHA)
        return found

    def _format_of(self, frame: av.VideoFrame) -> VideoFormat:
        pixel_format = frame.format.name
        chroma, bit_depth, _ = LAYOUTS[self._pixel_format]
        context = self._stream.codec_context
        rgb = chroma is ChromaFormat.RGB
        # a grey pixel format of which nothing is said is full range to FFmpeg
        unsaid = chroma is ChromaFormat.GREY and context.color_range == _UNSAID_RANGE
        full_range = rgb or unsaid or pixel_format.startswith("yuvj") or context.color_range == _FULL_RANGE
        matrix = 0 if rgb else context.colorspace
        colour = Colour(context.color_primaries, context.color_trc, matrix, full_range)
        return VideoFormat(frame.width, frame.height, self._frame_rate(), bit_depth, chroma, colour)

    def _orientation_of(self, frame: av.VideoFrame) -> Orientation | None:
        """How a frame is to be turned; None where it does not say, or by no right angle."""
        matrix = display_matrix(frame)
        if matrix is None:
            return None
        orientation = Orientation.of_matrix(matrix)
        if orientation is None:
            self._tell(ASKEW)
        return orientation

    def _upright(self) -> VideoFormat:
        upright = self._orientation.format(self._stored)
        if upright is None:  # 4:2:2 lying on its side
            self._pixel_format = with_chroma(self._pixel_format, ChromaFormat.YUV444)
            self._stored = replace(self._stored, chroma=ChromaFormat.YUV444)
            upright = self._orientation.format(self._stored)
            assert upright is not None
            self._tell("its 4:2:2 becomes 4:4:4 by being turned; for fewer samples --pix-fmt yuv420p")
        if self._orientation != Orientation():
            self._tell(f"{self._orientation}, as its display matrix says")
        return upright

    def _side_data_of(self, frame: av.VideoFrame) -> SideData:
        display, light = (attached(frame, kind) for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"))
        return self._orientation.side_data(
            SideData(
                aspect_of(self._stream.sample_aspect_ratio),
                chroma_location_of(self._matroska_header()) if self._stored.chroma is ChromaFormat.YUV420 else None,
                None if display is None else mastering_display(display),
                None if light is None else content_light(light),
            )
        )

    @property
    def bottom_first(self) -> bool:
        """Whether the lower field of interlaced pictures is the earlier one, by all that the file says of them."""
        return is_bottom_first(self._matroska_header())

    def _matroska_header(self) -> bytes:
        """What PyAV does not say, but a Matroska header does that is made for the same stream."""
        memory = io.BytesIO()
        try:
            with av.open(memory, "w", format="matroska") as container:
                container.add_stream_from_template(self._stream, opaque=True)
                container.start_encoding()
        except (av.FFmpegError, ValueError):  # of a codec that Matroska cannot hold
            return b""
        return memory.getvalue()

    def _frame_rate(self) -> Fraction | None:
        if self._container.format.name in _ELEMENTARY:
            rate: Fraction | None = self._stream.codec_context.framerate
        else:
            rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            return None
        # Matroska stores the time of one frame in whole nanoseconds: 60000/1001 comes back as 19001/317.
        ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
        return ntsc if rate.denominator != 1 and abs(ntsc / rate - 1) < Fraction(5, 10**7) else Fraction(rate)

    def _announced_frames(self) -> int | None:
        """Frames the container says it holds, less those an edit list hides; None if it does not say."""
        hidden = sum(entry.is_discard for entry in self._stream.index_entries)
        return self._stream.frames - hidden or None

    def _check_frame(self, frame: av.VideoFrame, index: int) -> None:
        format, pixel_format = self._stored, frame.format.name
        kind = LAYOUTS.get(nearest(pixel_format) or "", (None, 0))[:2]
        if (frame.width, frame.height, kind) != (format.width, format.height, self._kind):
            raise InputError(
                f"{self._name} changes from {describe(replace(format, fps=None))} to {frame.width}x{frame.height} "
                f"{pixel_format} at frame {index}",
                f"Take those before:  --frames {index}",
            )
        orientation = self._orientation_of(frame) or self._orientation
        if orientation.transposed != self._orientation.transposed:
            raise InputError(
                f"{self._name} is to be shown {orientation} from frame {index} on, and {self._orientation} before",
                f"Take those before:  --frames {index}",
            )
        if orientation != self._orientation:
            self._tell(f"{orientation} from frame {index} on")
        if frame.interlaced_frame:
            self._tell(INTERLACED)

    def _check_end(self, decoded: int, ends_at: Fraction) -> None:
        """Look whether all is there: a file that was cut says so in its structure, a number in a header may be wrong.

        Raises:
            InputError: It was cut, and frames are missing by all that it says.
        """
        if self._problem is not None:
            return
        announced, missing, lacks = self._announced_frames(), missing_bytes(self._path), None
        if announced is not None and decoded < announced:
            lacks = f"holds {decoded} of {plural(announced, 'frame')}"
        # Matroska announces no number of frames, but most writers leave the end time of each stream.
        time = re.match(r"(\d+):(\d+):(\d+\.\d{1,9})", self._stream.metadata.get("DURATION", ""))
        if announced is None and time and self.format.fps:
            announced_end = int(time[1]) * 3600 + int(time[2]) * 60 + Fraction(time[3])
            if ends_at + Fraction(1 if missing else 4, 2) / self.format.fps < announced_end:
                lacks = f"ends after {plural(decoded, 'frame')}, {float(ends_at):.2f} s of {float(announced_end):.2f} s"
            else:  # how long the last frame is on screen, nothing else says
                self.clock.end_at(announced_end)
        says_all = announced is not None or bool(time and self.format.fps)
        if missing and (lacks or not says_all):
            problem = f"{lacks or 'ends after ' + plural(decoded, 'frame')}: truncated by {plural(missing, 'byte')}"
            self._end_early(decoded, problem, "Take the file again")
        elif lacks:
            self._tell(f"{lacks}, and yet nothing is missing: its header is wrong, or it skips frames")


@final
class PyavWriter:
    """Writes .mp4 (H.264 at CRF 12: plays everywhere, but lossy), .webm (VP9, lossy too) or .mkv (FFV1: lossless).

    Args:
        path: File to write.
        format: Of the pictures.
        side_data: Written as far as the container can say it; timestamps win over the frame rate.
        audio_from: A file whose sound is copied; None: there is none.
        audio_start: Seconds of that file's pictures in front of the first one written.

    Raises:
        UsageError: The format has no frame rate, or one that the container cannot count; a size that the codec cannot
            have: odd in H.264, or a line in FFV1; sound that the container cannot hold.
        InputError: There is no sound to copy.
        OSError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        format: VideoFormat,
        side_data: SideData = NOTHING_SAID,
        audio_from: Path | None = None,
        audio_start: Fraction = Fraction(0),
    ) -> None:
        codec, options, container_options = _ENCODERS[path.suffix.lower()]
        if format.fps is None:
            raise UsageError(
                f"{path.name} needs a frame rate, and nothing says one",
                "Write .y4m or .yuv, or give the rate with -r.",
            )
        rows, columns = format.chroma.cell
        if codec == "libx264" and (format.width % columns or format.height % rows):
            raise UsageError(
                f"{path.name}: H.264 cannot hold {format.width}x{format.height} pictures, the size must be even",
                "Write .mkv or .y4m instead.",
            )
        thin, long = sorted((format.width, format.height))
        if codec == "ffv1" and thin < _THIN and long <= _SHORT:
            options = {**options, "slices": "1"}
        if format.chroma is ChromaFormat.YUV420 and side_data.chroma_location:
            options = {**options, "chroma_sample_location": _LOCATIONS[side_data.chroma_location]}
        if codec == "libx264" and (light := _x264_light(side_data)):
            options = {**options, "x264-params": light}
        self._path, self._format, self._side_data = path, format, side_data
        self._ticks = ticks_for(path.name, format.fps, side_data.timestamps)
        if self._ticks.time_base < _MOVIE_TICK:  # else short files last for no time, and no frame is ever shown
            container_options = {**container_options, "movie_timescale": str(self._ticks.time_base.denominator)}
        self._written = 0
        with os_errors():
            self._container = av.open(f"file:{path}", "w", options=container_options)
            stream = self._container.add_stream(codec, rate=format.fps, options=options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._audio: _AudioCopy | None = None
        try:
            self._open_stream(codec)
            if audio_from is not None:
                self._audio = _AudioCopy(audio_from, self._container, path.name, audio_start)
        except BaseException:
            self._container.close()
            raise

    def _open_stream(self, codec: str) -> None:
        """Say all of the pictures, and open their encoder."""
        stream, format, context = self._stream, self._format, self._stream.codec_context
        self._pixel_format = STORED_AS[format.chroma, format.bit_depth]
        stream.width, stream.height, stream.pix_fmt = format.width, format.height, self._pixel_format
        colour = format.colour
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace, context.color_range = colour.matrix, 2 if colour.full_range else 1
        if self._side_data.timestamps:
            context.time_base = self._ticks.time_base
        if codec == "ffv1" and (name := matroska.placeholder(self._side_data)):
            stream.metadata["title"] = name
        elif self._side_data.aspect:
            context.sample_aspect_ratio = self._side_data.aspect
        try:
            context.open()
        except av.FFmpegError as error:
            raise UsageError(
                f"{self._path.name}: {codec} cannot hold {format.width}x{format.height} pictures",
                "Write .y4m instead.",
            ) from error

    def write(self, planes: Planes) -> None:
        """Encode one picture.

        Raises:
            OSError: The file cannot be written.
        """
        frame = new_frame(self._stream.width, self._stream.height, self._pixel_format, planes)
        frame.pts, frame.time_base = self._ticks.start(self._written), self._ticks.time_base
        with os_errors():
            self._mux(self._stream.encode(frame))
            if self._audio is not None:
                self._audio.mux_until(frame.pts * self._ticks.time_base)
        self._written += 1

    def close(self) -> None:
        """Write what is left in the encoder and the end of the container.

        Raises:
            OSError: The file cannot be written.
        """
        with os_errors():
            try:
                if self._written:
                    self._mux(self._stream.encode())
                    if self._audio is not None:
                        last = self._written - 1
                        self._audio.mux_until(
                            (self._ticks.start(last) + self._ticks.length(last)) * self._ticks.time_base
                        )
            finally:
                if self._audio is not None:
                    self._audio.close()
                self._container.close()
        if self._written and self._path.suffix.lower() == ".mkv":
            matroska.tell(self._path, self._side_data, self._format.width, self._format.height)

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        if self._side_data.timestamps:
            starts = self._side_data.timestamps.starts
            for packet in packets:  # encoders say the same length of all
                assert packet.pts is not None
                packet.duration = self._ticks.length(bisect_left(starts, packet.pts))
        self._container.mux(packets)


@final
class _AudioCopy:
    """The sound of another file, packet by packet as it is, beside pictures that begin when the other file's do.

    Args:
        path: Where the sound is.
        container: What it is put into, before its first packet.
        name: What messages call that.
        start: Seconds of the pictures of ``path`` that are left out.

    Raises:
        InputError: The file cannot be read, or has no sound.
        UsageError: The container cannot hold such sound.
    """

    def __init__(self, path: Path, container: OutputContainer, name: str, start: Fraction) -> None:
        self._name, self._out, self._start = str(path), container, _first_picture(path) + start
        try:
            self._source = av.open(f"file:{path}", options=_opening(_SOUND), metadata_errors="ignore")
        except av.FFmpegError as error:
            raise InputError(
                f"{path} is not a video or sound that can be read", f"FFmpeg says: {error.strerror}."
            ) from error
        try:
            stream = self._source.streams.best("audio")
            if not isinstance(stream, AudioStream):
                raise InputError(f"{path} has no sound", "Leave --audio-from out.")
            self._packets = self._source.demux(stream)
            self._waiting = next(self._packets, None)
            try:
                self._stream = container.add_stream_from_template(stream)
                self._stream.metadata.update(stream.metadata)
                container.start_encoding()
            except (ValueError, av.FFmpegError) as error:
                raise UsageError(
                    f"{name} cannot hold {stream.codec_context.name} sound",
                    "Write .mkv, which holds any; .mp4 holds AAC and the like, .webm Opus and Vorbis.",
                ) from error
        except BaseException:
            self._source.close()
            raise
        # what ends just as pictures begin is what decoders begin with: MP4 can say so, Matroska has no time for it
        self._is_mp4 = name.lower().endswith(".mp4")

    def mux_until(self, seconds: Fraction) -> None:
        """Copy the packets that begin before a time of the pictures, and are not over when these begin.

        Raises:
            InputError: The sound is damaged.
            OSError: The file cannot be written.
        """
        while (packet := self._waiting) is not None:
            shift = round(self._start / packet.time_base)
            if packet.pts is not None and packet.size:
                begins = packet.pts - shift
                if begins * packet.time_base >= seconds:
                    return
                if begins >= 0 or (self._is_mp4 and begins + (packet.duration or 0) >= 0):
                    packet.pts, packet.dts, packet.stream = begins, (packet.dts or packet.pts) - shift, self._stream
                    self._out.mux(packet)
            try:
                self._waiting = next(self._packets, None)
            except av.FFmpegError as error:
                raise InputError(
                    f"{self._name}: its sound cannot be read on ({error.strerror})", "Take the file again."
                ) from error

    def close(self) -> None:
        """Close the other file."""
        self._source.close()


def _first_picture(path: Path) -> Fraction:
    """Seconds at which the first picture of a file appears; 0 where there is none, or none that can be shown."""
    try:
        with av.open(f"file:{path}", options=_opening(_SOUND), metadata_errors="ignore") as container:
            video = container.streams.best("video")
            if not isinstance(video, VideoStream) or video.disposition & av.stream.Disposition.attached_pic:
                return Fraction(0)
            first = next(container.decode(video), None)
    except av.FFmpegError:
        return Fraction(0)
    return Fraction(0) if first is None or first.pts is None else first.pts * Fraction(first.time_base or 0)


def _opening(demuxers: str) -> dict[str, str]:
    return {"format_whitelist": demuxers, "protocol_whitelist": "file"}


def _x264_light(side_data: SideData) -> str:
    """What x264 is to write of the light of the pictures; empty where nothing is known."""
    said = []
    if (display := side_data.mastering) is not None:
        points = zip(("G", "B", "R", "WP"), (*display.primaries, display.white), strict=True)
        places = "".join(f"{name}({x},{y})" for name, (x, y) in points)
        said.append(f"mastering-display={places}L({display.max_luminance},{display.min_luminance})")
    if (light := side_data.light) is not None:
        said.append(f"cll={light.max_content},{light.max_average}")
    return ":".join(said)


def _described(stream: VideoStream) -> str:
    """A video stream in a few words."""
    context = stream.codec_context
    kind = "unknown codec" if context is None else f"{context.name} {context.width}x{context.height}"
    return f"{kind}, default" if stream.disposition & av.stream.Disposition.default else kind


def _counted(kind: str, count: int) -> str:
    """Streams of a kind that is not coded."""
    if kind == "audio":
        return f"{plural(count, 'audio track')} (nvc decode --audio-from puts sound back)"
    noun = {"subtitle": "subtitle track", "data": "data stream", "attachment": "attachment", "video": "cover picture"}
    return plural(count, noun.get(kind, "other stream"))
