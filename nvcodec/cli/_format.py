"""Lines and tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvcodec.metrics.masked import MaskedPsnr

_PSNR_NAMES = {"y": "Y", "u": "U", "v": "V", "yuv_611": "6:1:1", "rgb": "RGB"}


def psnr_line(psnr: Mapping[str, float], names: Iterable[str] = ("y", "u", "v", "yuv_611", "rgb")) -> str:
    """PSNR by name in dB; a dash where there is none, as of chroma of grey."""
    shown = (f"{_PSNR_NAMES[name]} {f'{psnr[name]:.2f}' if name in psnr else '-'}" for name in names)
    return f"PSNR  {'  '.join(shown)} dB"


def masked_line(masked: MaskedPsnr) -> str:
    """What was filled in behind a mask, apart from the rest."""
    return (
        f"mask  {100 * masked.share:.1f} % of the picture: PSNR inside {masked.inside:.2f} dB, "
        f"outside {masked.outside:.2f} dB"
    )


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: set[int]) -> list[str]:
    """Lines of a table, columns two spaces apart; those in ``left`` are set flush left, the others right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(row: tuple[str, ...]) -> str:
        cells = (
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return [line(header), *(line(row) for row in rows)]
