"""What an encode reports: numbers of the file on disk, decoded again. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nvcodec.metrics.masked import MaskedPsnr
from nvcodec.types import VideoFormat


@dataclass(frozen=True)
class EncodeResult:
    """One finished encode."""

    file: str
    bytes: int
    """Size of the whole file."""
    bpp: float
    """8 x bytes / luma samples."""
    estimated_bpp: float | None
    """What the fit's own model of the rate, calibrated while it ran, gives for the whole file. None: it had none."""
    kbps: float | None
    frames: int
    width: int
    height: int
    model: str
    parameters: int
    bits_per_parameter: float
    psnr: dict[str, float]
    """dB by name: y, u, v, yuv_611, rgb; means over frames."""
    ms_ssim_y: float
    worst_frame: tuple[int, float]
    """Index and 6:1:1 PSNR in dB."""
    encode_s: float
    fit_steps: int
    decode_fps: float
    layers: int
    preview_bytes: int
    """Of the file: what its previews take."""
    device: str
    seed: int
    versions: dict[str, str]
    config: dict[str, object]
    video: VideoFormat
    masked: MaskedPsnr | None = None
    """What of the quality is that of samples the fit never saw; None: it saw all."""
    shortfall: str | None = None
    """Why the target was not reached; the file is the best found all the same."""

    def to_json(self) -> dict[str, object]:
        """The result as scripts may rely on it (schema ``nvc-encode/1``)."""
        names = (
            "file", "bytes", "bpp", "estimated_bpp", "kbps", "frames", "width", "height", "model", "parameters",
            "bits_per_parameter", "psnr", "ms_ssim_y", "encode_s", "fit_steps", "decode_fps", "layers", "preview_bytes",
            "device", "seed", "versions", "config",
        )  # fmt: skip
        worst, db = self.worst_frame
        return {
            "schema": "nvc-encode/1",
            **{name: getattr(self, name) for name in names},
            "worst_frame": {"index": worst, "psnr_yuv_611": db},
            "masked": None if self.masked is None else asdict(self.masked),
            "target_reached": self.shortfall is None,
        }
