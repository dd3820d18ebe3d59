"""An archive as it was asked for. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from nvcodec.config.fit import EncodeConfig
from nvcodec.config.job_values import config_of, load_job, plain_config, plain_target, save_job, target_of
from nvcodec.config.target import RateTarget

_MOST_NAMED = 3


@dataclass(frozen=True)
class ArchiveJob:
    """Sources, output and settings."""

    sources: tuple[str, ...]
    output: str
    target: RateTarget = RateTarget()
    """For all videos together."""
    config: EncodeConfig = EncodeConfig()
    model: str = "dnerv"
    fps: Fraction | None = None
    """Frame rate of every source; wins over what they say."""
    frames: int | None = None
    """Frames to take of each, at most; None = all."""
    mask: str | None = None
    """What the fit does not see of each, as :func:`nvcodec.io.mask.open_mask` takes it."""

    @property
    def origin(self) -> str:
        """The sources, of which one is meant, as messages call them, and their mask."""
        mask = "" if self.mask is None else f", or their mask {self.mask},"
        if len(self.sources) == 1:
            return self.sources[0] + mask
        more = ", ..." if len(self.sources) > _MOST_NAMED else ""
        return f"one of {len(self.sources)} videos ({', '.join(self.sources[:_MOST_NAMED])}{more}){mask}"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain = asdict(self)
        plain["sources"] = list(self.sources)
        plain["fps"] = None if self.fps is None else str(self.fps)
        plain["target"] = plain_target(self.target)
        plain["config"] = plain_config(self.config)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, object]) -> ArchiveJob:
        """Inverse of :meth:`to_dict`."""
        values = dict(plain)
        values["sources"] = tuple(values["sources"])  # type: ignore[arg-type]
        values["config"] = config_of(values["config"], str(values["model"]))
        values["target"] = target_of(values["target"])
        values["fps"] = None if values["fps"] is None else Fraction(str(values["fps"]))
        return cls(**values)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        save_job(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> ArchiveJob:
        """Read a job.

        Raises:
            InputError: The file is missing or is no such job.
        """
        return load_job(path, cls.from_dict)
