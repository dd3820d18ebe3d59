"""What an encoder writes into a file about the file."""

from __future__ import annotations

from nvcodec.config.fit import EncodeConfig
from nvcodec.container import MetadataValue
from nvcodec.io.mask import Mask
from nvcodec.version import __version__

_PSNR_TO_COME = 98.765
"""Keeps room for the number that is only known when the file is there."""


def new_metadata(config: EncodeConfig, mask: Mask | None) -> dict[str, MetadataValue]:
    """The metadata of a file to be, with a PSNR that is not known yet."""
    return {
        "creator": f"nvc {__version__}",
        "preset": config.preset,
        "seed": config.seed,
        "psnr": _PSNR_TO_COME,
        **({"mask": mask.spec} if mask else {}),
    }
