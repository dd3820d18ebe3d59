"""What the conventional codecs of the bench have in common: checks, staging, and the rule of what is charged."""

from __future__ import annotations

import os
import shlex
import tempfile
from abc import abstractmethod
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from nvcodec.encoder.fit.events import EventHandler
from nvcodec.errors import UsageError
from nvcodec.eval.codecs import BenchClip, BenchCodec, Coded
from nvcodec.eval.feed import Feed, open_feed
from nvcodec.types import VideoFormat


class BlockCodec(BenchCodec):
    """A conventional encoder at constant quality, all else as it comes: its tuning, key frames and threads.

    **What is charged**: the sizes of all video packets as they lie in the file, and nothing of the container. So the
    parameter sets that Matroska and MP4 keep in their header (40 to 120 bytes a file) are not counted, nor is the text
    with its settings that x265 puts beside them; the same text of x264 lies in its first packet and is counted (about
    700 bytes, ``details["sei_bytes"]``). That is how ``ffprobe`` and others who sum packets count.

    ``options`` are FFmpeg's options of the encoder, as in ``-tune psnr -g 64``; they win over those set here.

    Raises:
        UsageError: There is no such preset, or the options are not pairs.
    """

    encoder: ClassVar[str]
    """Its name in FFmpeg."""

    def __init__(self, preset: str, options: str = "", variant: str = "") -> None:
        super().__init__(preset, options, variant)
        words = shlex.split(options)
        names, values = words[::2], words[1::2]
        if len(names) != len(values) or not all(name.startswith("-") for name in names):
            raise UsageError(f"cannot read the options of {self.name}: {options}", 'Give pairs:  "-tune psnr -g 64"')
        self.extra = {name[1:]: value for name, value in zip(names, values, strict=True)}
        """What ``options`` says."""

    def encode(self, clip: BenchClip, point: float, folder: Path, on_event: EventHandler) -> Coded:
        """Code a clip at one point into a new file in ``folder``.

        Raises:
            UsageError: The point or a size or depth is not for this encoder, it failed, the clip has no frame rate, or
                the folder cannot be written.
            InputError: The clip cannot be read.
        """
        self.check_point(point)
        stem = f"{clip.name}.{self.label}.{point:g}"
        try:
            with open_feed(clip) as feed, tempfile.TemporaryDirectory(prefix=".nvc-", dir=folder) as staging:
                if feed.format.fps is None:
                    raise UsageError(f"{self.name} needs a frame rate, and {clip.path} says none", "Give it:  -r 25")
                coded = self._code(feed, point, Path(staging) / stem)
                for file in sorted(Path(staging).iterdir()):
                    os.replace(file, folder / file.name)
        except OSError as error:
            raise UsageError(f"cannot write to {folder}: {error.strerror}", "Check space and permissions.") from error
        settings = {**coded.settings, **_source_settings(feed.format)}
        return replace(coded, file=folder / coded.file.name, settings=settings)

    @abstractmethod
    def _code(self, feed: Feed, point: float, stem: Path) -> Coded:
        """Code the pictures into files that begin with ``stem``, with ``settings`` of the encoder alone."""


def _source_settings(format: VideoFormat) -> dict[str, Any]:
    return {
        "fps": str(format.fps),
        "colour": asdict(format.colour),
        "threads": f"encoder's default on {os.cpu_count()} CPUs",
    }
