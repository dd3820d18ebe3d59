"""Results that nobody had to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

from nvcodec.eval.results import ClipInfo, Curve, Point

CLIP = ClipInfo("waves", "ab" * 32, 320, 180, 48, 0, "30000/1001", 8)


def _made_up(
    codec: str = "x265",
    preset: str = "slow",
    rates: Sequence[int] = (4000, 9000, 18000, 40000),
    first_db: float = 30.0,
    *,
    clip: ClipInfo = CLIP,
    unit: str = "crf",
    vmaf: bool = False,
    details: dict[str, float] | None = None,
) -> Curve:
    """A curve that gains 2.5 dB from each number of bytes to the next."""
    points = []
    for index, size in enumerate(rates):
        db = first_db + 2.5 * index
        points.append(
            Point(
                point=37 - 5 * index,
                bytes=size,
                bpp=8 * size / (clip.width * clip.height * clip.frames),
                kbps=None if clip.fps is None else float(8 * size * Fraction(clip.fps) / clip.frames / 1000),
                psnr={"y": db - 1, "u": db + 3, "v": db + 4, "yuv_611": db, "rgb": db - 2},
                ms_ssim_y=1 - 10 ** (-db / 20),
                vmaf=60.0 + 10 * index if vmaf else None,
                encode_s=12.5 + index,
                decode_fps=240.0,
                settings={"command": ["--crf", str(37 - 5 * index)]},
                details=dict(details or {}),
                file=f"files/{codec}.{index}.mkv",
            )
        )
    return Curve(
        label=f"{codec}-{preset}",
        codec=codec,
        preset=preset,
        unit=unit,
        description=f"{codec} at {preset}",
        clip=clip,
        versions={codec: "3.5"},
        host={"processor": "abacus", "cpus": "2"},
        points=tuple(points),
    )


@pytest.fixture
def made_up() -> Callable[..., Curve]:
    """Makes curves of any codec."""
    return _made_up
