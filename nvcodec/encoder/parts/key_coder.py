"""Key frames of several videos, as good as a number of bytes allows, or no better than a quality asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nvcodec.encoder.footage.clip import Clip
from nvcodec.encoder.parts.key_frames import encode_key_frames
from nvcodec.models.dnerv_config import key_times

BEST_CRF, WORST_CRF = 1, 63


@dataclass(frozen=True)
class CodedKeys:
    """The key frames of all videos at one rate factor."""

    crf: int
    interval: int
    """Frames from one key frame to the next; 0: there are none."""
    group: int
    """Key frames from one that needs no other to the next."""
    packets: list[list[bytes]]
    """For each video one packet for each key frame."""

    @property
    def nbytes(self) -> int:
        """Bytes of all packets."""
        return sum(len(packet) for packets in self.packets for packet in packets)


class KeyFrameCoder:
    """Codes the key frames of some videos, nothing twice.

    Args:
        clips: The videos, stored as 4:2:0.
        group: Key frames from one that needs no other to the next.
    """

    def __init__(self, clips: Sequence[Clip], group: int) -> None:
        self.clips, self.group = [clip.stored or clip for clip in clips], group
        self._known: dict[tuple[int, int], CodedKeys] = {}

    def finest(self, fits: Callable[[CodedKeys], bool], interval: int) -> CodedKeys:
        """Key frames at the smallest rate factor that fits, the same for all videos; at the largest where none does."""
        low, best = BEST_CRF, self.at(WORST_CRF, interval)
        while low < best.crf:
            tried = self.at((low + best.crf) // 2, interval)
            low, best = (low, tried) if fits(tried) else (tried.crf + 1, best)
        return best

    def coarsest(self, good_enough: Callable[[CodedKeys], bool], interval: int) -> CodedKeys:
        """Key frames at the largest rate factor that is good enough; at the smallest where none is."""
        best, high = self.at(BEST_CRF, interval), WORST_CRF
        while best.crf < high:
            tried = self.at((best.crf + high + 1) // 2, interval)
            best, high = (tried, high) if good_enough(tried) else (best, tried.crf - 1)
        return best

    def at(self, crf: int, interval: int) -> CodedKeys:
        """Key frames at a rate factor, 1 to 63."""
        if (crf, interval) not in self._known:
            packets = []
            for clip in self.clips:
                frames = [clip.frame(time) for time in key_times(len(clip), interval)]
                packets.append(encode_key_frames(frames, clip.format, crf, self.group) if frames else [])
            self._known[crf, interval] = CodedKeys(crf, interval, self.group, packets)
        return self._known[crf, interval]
