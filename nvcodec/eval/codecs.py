"""What ``nvc bench`` can compare: codecs as small classes, by name."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nvcodec.config.options import EvalOptions
from nvcodec.encoder.fit.events import EventHandler
from nvcodec.errors import UsageError, shown
from nvcodec.io.source import VideoSource, open_source


@dataclass(frozen=True)
class BenchClip:
    """A source as the bench was given it."""

    path: Path
    asked: EvalOptions = EvalOptions()
    """How it is read."""

    @property
    def name(self) -> str:
        """File name without folder and suffix; names the results."""
        return self.path.stem

    def open(self) -> VideoSource:
        """Open the frames to be coded; errors as :func:`nvcodec.io.source.open_source`."""
        return open_source(self.path, frames=self.asked.frames, **self.asked.reading)


@dataclass(frozen=True)
class Coded:
    """One operating point of one codec: a file, and what it took."""

    file: Path
    """Anything that :func:`nvcodec.eval.measure.evaluate` can read as its test."""
    bytes: int
    """What is charged: whole files of nvc, all video packets of the others (no muxer, no audio)."""
    encode_s: float
    """Wall-clock seconds of the encoder alone: reading the source and measuring are not counted."""
    settings: dict[str, Any]
    """Everything needed to do it again: the command line, or every option given to the encoder, the frame rate too."""
    decode_fps: float | None = None
    """Frames per second of the codec's own decoder; None = the bench times reading the file."""
    details: dict[str, Any] = field(default_factory=dict)
    """Numbers only some codecs have: parameters, fit_steps, kmac_per_pixel, entropy_s, peak memory, ..."""


class BenchCodec(ABC):
    """One codec at one effort. Final subclasses implement; nothing is overridden.

    Args:
        preset: One of :attr:`presets`.
        options: More options of the encoder for every point, as one would type them.
        variant: Tells two sets of options of one codec and preset apart; part of the label.

    Raises:
        UsageError: There is no such preset.
    """

    name: ClassVar[str]
    """As given to ``--codecs``."""
    unit: ClassVar[str]
    """What a point is: ``bpp``, ``crf`` or ``qp``."""
    default_points: ClassVar[tuple[float, ...]]
    lowest: ClassVar[float]
    """Smallest point accepted."""
    highest: ClassVar[float]
    """Largest point accepted."""
    whole: ClassVar[bool]
    """Whether points must be whole numbers."""
    presets: ClassVar[tuple[str, ...]]
    """Words or numbers accepted behind the colon."""
    default_preset: ClassVar[str]

    def __init__(self, preset: str, options: str = "", variant: str = "") -> None:
        if preset not in self.presets:
            raise UsageError(f"{self.name} has no preset {shown(preset)}", suggest(preset, self.presets, "Presets"))
        self.preset, self.options, self.variant = preset, options, variant

    def check_point(self, point: float) -> None:
        """Refuse what the encoder would refuse, or silently take for something else.

        Raises:
            UsageError: The point is out of range, or must be whole.
        """
        if self.whole and point != int(point):
            raise UsageError(f"{self.name} takes whole {self.unit} only, not {point:g}", f"Try {round(point)}")
        if not self.lowest <= point <= self.highest:
            raise UsageError(
                f"{self.name} has no {self.unit} {point:g}", f"Give one from {self.lowest:g} to {self.highest:g}"
            )

    @property
    def label(self) -> str:
        """Names results and curves: ``x265-veryslow``, ``x265-veryslow-psnr``."""
        return f"{self.name}-{self.preset}" + (f"-{self.variant}" if self.variant else "")

    @property
    def description(self) -> str:
        """What was asked of the encoder at every point."""
        return f"{self.name}, preset {self.preset}, by {self.unit}" + (f", {self.options}" * bool(self.options))

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of all that shapes its bytes.

        Raises:
            UsageError: The codec is not installed; the hint says how.
        """

    @abstractmethod
    def encode(self, clip: BenchClip, point: float, folder: Path, on_event: EventHandler) -> Coded:
        """Code a clip at one point into a new file in ``folder``.

        Raises:
            NvcError: The clip cannot be read, or the codec failed.
        """


def suggest(word: str, choices: Sequence[str], what: str) -> str:
    """What to say to someone who wrote ``word`` for one of ``choices``."""
    near = difflib.get_close_matches(word, choices, 1)
    return f"Did you mean {near[0]}?" if near else f"{what}: {', '.join(choices)}"
