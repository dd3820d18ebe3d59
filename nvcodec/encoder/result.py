"""What an encode reports: numbers of the file on disk, decoded again. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nvcodec.metrics.masked import MaskedPsnr
from nvcodec.metrics.measure import with_nulls
from nvcodec.types import VideoFormat


@dataclass(frozen=True)
class StreamResult:
    """One video of a file."""

    name: str
    width: int
    height: int
    frames: int
    key_frames: int
    key_frame_bytes: int
    direct: int
    """Key frames that are shown as they are."""
    psnr: dict[str, float]
    """dB by name: y, u, v, yuv_611, rgb, those that there are; means over frames."""
    ms_ssim_y: float
    masked: MaskedPsnr | None = None
    """What of the quality is that of samples the fit never saw; None: it saw all."""


@dataclass(frozen=True)
class EncodeResult:
    """One finished encode, of one video or several; numbers of several are means over them, but for sizes and times."""

    file: str
    bytes: int
    """Size of the whole file."""
    bpp: float
    """8 x bytes / luma samples of all videos."""
    estimated_bpp: float | None
    """What the fit's own model of the rate, calibrated while it ran, gives for the whole file. None: it had none."""
    kbps: float | None
    """Over the playing time of all videos; None: not all have a frame rate."""
    frames: int
    """Of all videos."""
    width: int | None
    """Luma samples per row; None: videos differ."""
    height: int | None
    """Luma rows; likewise."""
    model: str
    parameters: int
    """Coded numbers of all networks."""
    bits_per_parameter: float
    """8 x (bytes - bytes of key frames) / parameters."""
    psnr: dict[str, float]
    """dB by name: y, u, v, yuv_611, rgb, those that there are; means over frames."""
    ms_ssim_y: float
    worst_frame: tuple[int, float]
    """Index in its video and 6:1:1 PSNR in dB."""
    encode_s: float
    fit_steps: int
    decode_fps: float
    layers: int
    preview_bytes: int
    """Of the file: what its previews take."""
    network_bytes: int
    """Of the file: coded parameters."""
    key_frame_bytes: int
    """Of the file: packets of key frames."""
    key_frame_crf: int | None
    """Rate factor of the key frames, of the first part; None: there are none."""
    device: str
    seed: int
    versions: dict[str, str]
    config: dict[str, object]
    """What was asked for, and the network."""
    video: VideoFormat
    """Of the first video."""
    streams: tuple[StreamResult, ...]
    masked: MaskedPsnr | None = None
    """What of the quality is that of samples the fit never saw; None: it saw all, or there are several videos."""
    shortfall: str | None = None
    """Why the target was not reached; the file is the best found all the same."""

    def to_json(self) -> dict[str, object]:
        """The result as scripts may rely on it: ``nvc-encode/1``, and ``nvc-encode-archive/1`` of key-frame models.

        The second holds all of the first, and what is known of each video.
        """
        names = (
            "file", "bytes", "bpp", "estimated_bpp", "kbps", "frames", "width", "height", "model", "parameters",
            "bits_per_parameter", "psnr", "ms_ssim_y", "encode_s", "fit_steps", "decode_fps", "layers", "preview_bytes",
            "device", "seed", "versions", "config",
        )  # fmt: skip
        worst, db = self.worst_frame
        plain = {
            "schema": "nvc-encode/1",
            **{name: getattr(self, name) for name in names},
            "psnr": with_nulls(self.psnr),
            "worst_frame": {"index": worst, "psnr_yuv_611": db},
            "masked": None if self.masked is None else asdict(self.masked),
            "target_reached": self.shortfall is None,
        }
        if self.key_frame_crf is None:
            return plain
        return {
            **plain,
            "schema": "nvc-encode-archive/1",
            **{name: getattr(self, name) for name in ("network_bytes", "key_frame_bytes", "key_frame_crf")},
            "psnr_yuv_611": self.psnr["yuv_611"],
            "network": self.config["network"],
            "streams": [{**asdict(stream), "psnr": with_nulls(stream.psnr)} for stream in self.streams],
        }


@dataclass(frozen=True)
class LayerResult:
    """One finished layer; numbers of the file with it, decoded again."""

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
    """dB by name with the layer: y, u, v, yuv_611, rgb, those that there are; means over frames."""
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
        quality = {"psnr": with_nulls(self.psnr), "psnr_below": with_nulls(self.psnr_below)}
        return {"schema": "nvc-add-layer/1", **plain, **quality, "target_reached": self.shortfall is None}
