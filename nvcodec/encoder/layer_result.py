"""What adding a layer led to. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LayerResult:
    """Numbers of the finished file, measured on what its own decoder makes of it."""

    file: str
    layer: int
    """Number of the layer, 1 and up."""
    added_bytes: int
    """What the file grew by."""
    bytes: int
    """Size of the whole file."""
    bpp: float
    """8 x bytes / luma samples."""
    added_bpp: float
    frames: int
    parameters: int
    """Coded numbers of the layer."""
    psnr: dict[str, float]
    """dB by name with the layer: y, u, v, yuv_611, rgb; means over frames."""
    psnr_below: dict[str, float]
    """The same without it."""
    ms_ssim_y: float
    encode_s: float
    fit_steps: int
    device: str
    seed: int
    versions: dict[str, str]
    network: dict[str, object]
    shortfall: str | None = None
    """Why the target was not reached; the layer is the best found all the same."""

    def to_json(self) -> dict[str, object]:
        """The result as scripts may rely on it (schema ``nvc-add-layer/1``)."""
        plain = {name: value for name, value in asdict(self).items() if name != "shortfall"}
        return {"schema": "nvc-add-layer/1", **plain, "target_reached": self.shortfall is None}
