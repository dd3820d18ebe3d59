"""The inputs of an encode, read: pictures as they are, as they are fitted, and what is hidden of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from nvcodec.config.job import Job
from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.footage.hiding import hide
from nvcodec.encoder.plan.stream_names import stream_names
from nvcodec.errors import UsageError
from nvcodec.io.arrays import Video
from nvcodec.io.geometry import describe
from nvcodec.io.mask import Mask, open_mask
from nvcodec.io.saying import other_rate
from nvcodec.io.source import VideoSource, open_source
from nvcodec.types import NOTHING_SAID, Domain, SideData, VideoFormat


@dataclass(frozen=True)
class SourceVideo:
    """One input."""

    name: str
    """What it is called in the file."""
    source: Clip
    """As it was read: what the decoded file is compared with."""
    mask: Mask | None = None
    side_data: SideData = NOTHING_SAID
    """What the input says besides."""
    notices: tuple[str, ...] = ()
    """What came up while it was read; of what can be read once only, all there is to tell."""

    def seen(self, domain: Domain) -> Clip:
        """What a fit sees: without what is masked, in a coding domain. Hidden first, for conversion mixes samples."""
        return (self.source if self.mask is None else hide(self.source, self.mask)).converted(domain)

    def digest(self) -> str:
        """SHA-256 of the pictures, and of the mask where there is one, hexadecimal."""
        return self.source.digest() + (self.mask.digest() if self.mask else "")


def read_videos(job: Job) -> list[SourceVideo]:
    """The inputs of a new file.

    Raises:
        InputError: One cannot be read, or is shorter than what is asked for of a single one.
        UsageError: The mask does not suit one.
    """
    options, videos = job.options, []
    for video, name in zip(job.inputs, stream_names(job.paths), strict=True):
        single = len(job.inputs) == 1
        with _open(job, video, options.frames if single else None) as opened:
            count = opened.frame_count
            if options.frames is not None and count is not None:
                count = min(count, options.frames)
            known = () if video == "-" else tuple(opened.notices)
            clip = Clip.load(islice(opened, options.frames), opened.format, count)
            side, fps = opened.side_data, opened.fps
            told = tuple(notice for notice in opened.notices if notice not in known)
            if fps != clip.format.fps:
                told += (other_rate(fps, clip.format.fps),)
                clip = replace(clip, format=replace(clip.format, fps=fps))
        mask = None if options.mask is None else open_mask(options.mask, clip.format, len(clip), options.seek)
        videos.append(SourceVideo(name, clip, mask, side, told))
    return videos


def read_again(job: Job, video: VideoFormat, frames: int) -> list[SourceVideo]:
    """The frames that a bitstream was made from, of an input that may go on.

    Args:
        job: Whose base is the bitstream.
        video: What the bitstream holds.
        frames: How many of them.

    Raises:
        InputError: The input cannot be read, or is shorter.
        UsageError: Its pictures are of another kind.
    """
    (path,) = job.inputs
    with _open(job, path, frames) as source:
        kinds = [(kind.width, kind.height, kind.bit_depth, kind.chroma) for kind in (video, source.format)]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f"{path} is {describe(source.format)}, and {job.base} is {describe(video)}",
                "Give the video it was encoded from, and the same --crop, --scale, --fps and --pix-fmt",
            )
        return [SourceVideo("", Clip.load(source, video, frames))]


def digest_of(videos: Sequence[SourceVideo], base: bytes = b"") -> str:
    """SHA-256 over several videos, what is masked of them, their order, and a base, hexadecimal."""
    return hashlib.sha256("".join(video.digest() for video in videos).encode() + base).hexdigest()


def _open(job: Job, video: Video, frames: int | None) -> VideoSource:
    return open_source(video, frames=frames, **job.options.reading)
