"""Every video of a bitstream to a file of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvcodec.api.decode import UNNAMED, DecodeResult, check_interpolate, decode
from nvcodec.api.info import probe
from nvcodec.container import Limits
from nvcodec.decoder.opening import check_layers, pick_device, read_bitstream
from nvcodec.decoder.previews import Scale, check_scale
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError, UsageError, naming

_FORBIDDEN = set('/\\:*?"<>|')
"""Characters that part folders, or that some systems have no file names with."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that mean devices to Windows, whatever comes behind a dot."""


@dataclass(frozen=True)
class StreamOutcome:
    """What became of one stream."""

    stream: int
    name: str
    """As the file has it: not to be used as a path."""
    output: str | None
    """The video that was to be written; None where streams were only checked."""
    result: DecodeResult | None
    """None: it could not be decoded."""
    error: NvcError | None
    """Why not."""

    def to_json(self) -> dict[str, Any]:
        """What ``nvc decode --all --json`` prints of each stream."""
        return {
            "stream": self.stream,
            "name": self.name,
            "file": self.output if self.result else None,
            "error": self.error and self.error.message,
            "result": self.result and self.result.to_json(),
        }


def decode_all(
    source: str | Path | bytes,
    folder: str | Path | None,
    *,
    suffix: str = ".mkv",
    pix_fmt: str | None = None,
    interpolate: int = 1,
    layers: int | None = None,
    scale: Scale = 1,
    device: str = "auto",
    batch: int | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    check: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_warning: Callable[[str], None] = lambda message: None,
) -> list[StreamOutcome]:
    """Render every stream of a bitstream to a video of its name; a stream that is damaged does not stop the others.

    Args:
        source: Path of an .nvc file, its bytes, or ``-`` for standard input.
        folder: Where to write, made when it is missing; None writes nothing.
        suffix: ``.mkv``, ``.y4m``, ``.yuv`` or ``.mp4``.
        pix_fmt: As in :func:`nvcodec.decode`, like all that follows.
        interpolate: Draw that many pictures for each frame but the last.
        layers: Enhancement layers to draw with.
        scale: Share of width and height to draw at.
        device: Where to draw.
        batch: Frames per forward pass.
        threads: CPU threads.
        limits: What to refuse before allocating.
        check: Verify all segments against their digests first.
        overwrite: Replace existing videos.
        on_progress: Hears of frames done and frames in all, of all streams together.
        on_warning: As in :func:`nvcodec.decode`; hears of what is the matter with several streams once.

    Returns:
        One outcome for each stream, in the order of the file.

    Raises:
        InputError: The bitstream cannot be read.
        BitstreamError: It is damaged as a whole.
        UnsupportedError: It needs something this version does not have.
        UsageError: The options make no sense, or a video exists.
        DeviceError: The device is missing.
    """
    piped = source in ("-", Path("-"))
    file = "standard input" if piped else "<bytes>" if isinstance(source, bytes) else str(source)
    data = sys.stdin.buffer.read() if piped else read_bitstream(source)
    with naming(file):
        info = probe(data, limits=limits)
        check_layers(info.session, layers)
        check_scale(scale)
        check_interpolate(interpolate)
    names = [header.name for header in info.streams]
    outputs: list[str | None] = [None] * len(names)
    if folder is not None:
        outputs = [os.path.join(folder, name + suffix) for name in file_names(names)]
        _make_room(Path(folder), outputs, overwrite)
    counts = [info.session.frame_count(index) for index in range(len(names))]
    told: set[str] = set()

    def tell(warning: str) -> None:
        if warning not in told:
            told.add(warning)
            on_warning(f"{file}: {warning}")

    for warning in info.warnings:
        tell(warning)
    device = pick_device(device)
    pictures = [max(interpolate * (count - 1) + 1, 0) for count in counts]
    outcomes, before, total = [], 0, sum(pictures)
    for index, (name, output) in enumerate(zip(names, outputs, strict=True)):
        result = failure = None
        try:
            with naming(file):
                if not counts[index]:
                    raise BitstreamError(f"stream {index} is missing", "The file was cut")
                result = decode(
                    info.session,  # one for all, so that what streams share is decoded once
                    output,
                    pix_fmt=pix_fmt,
                    interpolate=interpolate,
                    stream=index,
                    layers=layers,
                    scale=scale,
                    device=device,
                    batch=batch,
                    threads=threads,
                    check=check,
                    overwrite=overwrite,
                    on_progress=lambda done, _, before=before: on_progress(before + done, total),  # type: ignore[misc]
                    on_warning=lambda text: tell(text.removeprefix(f"{UNNAMED}: ")),
                )
        except (BitstreamError, UnsupportedError, UsageError) as error:
            failure = error
        before += pictures[index]
        outcomes.append(StreamOutcome(index, name, output, result, failure))
    return outcomes


def file_names(names: Sequence[str]) -> list[str]:
    """File names without suffix for streams called ``names``, all different, in whatever folder they are put.

    Names come from a file that anyone may have written: nothing in them may lead out of the folder, hide a file or
    steer a terminal. What is left without a name becomes ``stream_003``.
    """
    found: list[str] = []
    taken: set[str] = set()
    for index, name in enumerate(names):
        plain = "".join("_" if c in _FORBIDDEN else c for c in name if c.isprintable()).strip(". ")
        plain = f"_{plain}" if plain.split(".")[0].lower() in _DEVICES else plain or f"stream_{index:03}"
        unique, number = plain, 1
        while unique.lower() in taken:
            number += 1
            unique = f"{plain}_{number}"
        taken.add(unique.lower())
        found.append(unique)
    return found


def _make_room(folder: Path, outputs: Sequence[str | None], overwrite: bool) -> None:
    """Make the folder, and refuse to write over what is in it, before any work."""
    existing = [output for output in outputs if output is not None and os.path.lexists(output)]
    if existing and not overwrite:
        raise UsageError(f"{existing[0]} exists; add -y to replace it")
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise UsageError(
            f"{folder.parent} is not a folder; cannot make {folder}", f"Make it first:  mkdir -p {folder.parent}"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}", "Choose another --output") from None
