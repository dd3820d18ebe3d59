"""The shape of the features behind a picture, from which enhancement packs draw. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from nvcodec.types import ChromaFormat


@dataclass(frozen=True)
class PyramidLevel:
    """Features of one resolution, [B, rows, columns, channels]."""

    rows: int
    columns: int
    channels: int


@dataclass(frozen=True)
class Pyramid:
    """What a field's ``features()`` returns for a frame."""

    levels: tuple[PyramidLevel, ...]
    """Coarse to fine: the embedding, then every block's output; each a whole multiple of the one before."""
    shuffle: int
    """Luma samples per place of the finest level, along each axis."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Enlargement from each level to the next."""
        return tuple(fine.rows // coarse.rows for coarse, fine in zip(self.levels, self.levels[1:], strict=False))

    @property
    def scale(self) -> int:
        """Luma samples per place of the coarsest level, along each axis."""
        return self.shuffle * self.levels[-1].rows // self.levels[0].rows

    @property
    def nbytes(self) -> int:
        """Memory of the features of one frame as float32."""
        return 4 * sum(level.rows * level.columns * level.channels for level in self.levels)


def head_channels(shuffle: int, chroma: ChromaFormat) -> int:
    """Channels that hold the samples of one place of the finest level: all of the first plane's, and of the others."""
    rows, columns = chroma_block(shuffle, chroma)
    return shuffle**2 + (chroma.planes - 1) * rows * columns


def chroma_block(shuffle: int, chroma: ChromaFormat) -> tuple[int, int]:
    """Rows and columns of samples that a head draws for each place of a plane behind the first.

    An odd number cannot be halved: along that axis, chroma is drawn at full size, and then halved.
    """
    rows, columns = (shuffle if shuffle % cell else shuffle // cell for cell in chroma.cell)
    return rows, columns


def chroma_excess(shuffle: int, chroma: ChromaFormat) -> tuple[int, int]:
    """By how much planes behind the first are larger as a head draws them than they are, along each axis."""
    rows, columns = (cell if shuffle % cell else 1 for cell in chroma.cell)
    return rows, columns
