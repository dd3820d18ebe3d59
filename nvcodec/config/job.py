"""An encode as it was asked for: what the command line fills in and a resumed encode reads back. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

from nvcodec.config.fit import EncodeConfig
from nvcodec.config.job_values import config_of, load_job, plain_config, plain_target, save_job, target_of
from nvcodec.config.target import RateTarget
from nvcodec.io.arrays import Video, path_of


@dataclass(frozen=True)
class Job:
    """Source, output and settings."""

    source: Video
    """Pictures in memory are not saved: an encode of them cannot be resumed."""
    output: str
    size: tuple[int, int] | None = None
    """(width, height) of raw video."""
    fps: Fraction | None = None
    pix_fmt: str | None = None
    seek: int = 0
    frames: int | None = None
    target: RateTarget = RateTarget()
    config: EncodeConfig = EncodeConfig()
    model: str = "msnerv"
    """Name of the representation."""
    mask: str | None = None
    """What the fit does not see, as :func:`nvcodec.io.mask.open_mask` takes it."""
    preview: bool = False
    """Whether to store heads that draw small pictures."""

    @property
    def origin(self) -> str:
        """The source, as messages call it, and its mask."""
        return str(self.source) + ("" if self.mask is None else f", or its mask {self.mask},")

    @property
    def path(self) -> str:
        """Where the source can be read again; ``-`` where it cannot."""
        return path_of(self.source)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain = asdict(replace(self, source=self.origin))
        plain["fps"] = None if self.fps is None else str(self.fps)
        plain["target"] = plain_target(self.target)
        plain["config"] = plain_config(self.config)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, object]) -> Job:
        """Inverse of :meth:`to_dict`."""
        values = dict(plain)
        values["config"] = config_of(values["config"], str(values["model"]))
        values["target"] = target_of(values["target"])
        values["fps"] = None if values["fps"] is None else Fraction(str(values["fps"]))
        values["size"] = None if values["size"] is None else tuple(values["size"])  # type: ignore[arg-type]
        return cls(**values)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        save_job(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read a job.

        Raises:
            InputError: The file is missing or is no job.
        """
        return load_job(path, cls.from_dict)
