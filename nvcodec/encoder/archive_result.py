"""What encoding an archive led to: numbers of the file on disk, decoded again. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nvcodec.metrics.masked import MaskedPsnr


@dataclass(frozen=True)
class StreamResult:
    """One video of an archive."""

    name: str
    width: int
    height: int
    frames: int
    key_frames: int
    key_frame_bytes: int
    direct: int
    """Key frames that are shown as they are."""
    psnr: dict[str, float]
    """dB by name: y, u, v, yuv_611, rgb; means over frames."""
    ms_ssim_y: float
    masked: MaskedPsnr | None = None
    """What of the quality is that of samples the fit never saw; None: it saw all."""


@dataclass(frozen=True)
class ArchiveResult:
    """One finished archive."""

    file: str
    bytes: int
    """Size of the whole file."""
    bpp: float
    """8 x bytes / luma samples of all videos."""
    model: str
    parameters: int
    """Coded numbers of the network that all videos share."""
    network_bytes: int
    key_frame_bytes: int
    key_frame_crf: int
    """Rate factor of the key frames."""
    psnr_yuv_611: float
    """dB, mean over videos of their means over frames."""
    streams: tuple[StreamResult, ...]
    encode_s: float
    fit_steps: int
    decode_fps: float
    device: str
    seed: int
    versions: dict[str, str]
    network: dict[str, object]
    shortfall: str | None = None
    """Why the target was not reached; the file is the best found all the same."""

    def to_json(self) -> dict[str, object]:
        """The result as scripts may rely on it (schema ``nvc-encode-archive/1``)."""
        plain = {name: value for name, value in asdict(self).items() if name != "shortfall"}
        return {"schema": "nvc-encode-archive/1", **plain, "target_reached": self.shortfall is None}
