"""An encode as it was asked for: what a resumed one reads back. No torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvcodec.config.options import EncodeOptions, changed, plain
from nvcodec.config.target import RateTarget
from nvcodec.errors import InputError, UsageError, quoted
from nvcodec.io.arrays import Video, path_of

_MOST_NAMED = 3


@dataclass(frozen=True)
class Job:
    """Inputs, output and options."""

    inputs: tuple[Video, ...]
    """Videos for one file. Pictures in memory are not saved: an encode of them cannot be resumed."""
    output: str
    options: EncodeOptions = EncodeOptions()
    base: str | None = None
    """A bitstream that one more layer is for, or None: a new file."""

    @property
    def target(self) -> RateTarget:
        """What size or quality is asked for."""
        return RateTarget.of(self.options)

    @property
    def origin(self) -> str:
        """The inputs, of which one is meant, as messages call them, and their mask."""
        one = len(self.inputs) == 1
        mask = self.options.mask and f", or {'its' if one else 'their'} mask {self.options.mask},"
        base = self.base and f", or {self.base},"
        names = ", ".join(map(str, self.inputs[:_MOST_NAMED]))
        more = ", ..." if len(self.inputs) > _MOST_NAMED else ""
        return (names if one else f"one of {len(self.inputs)} videos ({names}{more})") + (mask or base or "")

    @property
    def is_in_place(self) -> bool:
        """Whether it changes the bitstream it begins with."""
        return self.base is not None and os.path.realpath(self.base) == os.path.realpath(self.output)

    @property
    def paths(self) -> list[str]:
        """Where the inputs can be read again; ``-`` where one cannot."""
        return [path_of(video) for video in self.inputs]

    @property
    def read(self) -> list[str]:
        """Everything that is read, but for the bitstream that it changes in place."""
        below = [] if self.base is None or self.is_in_place else [self.base]
        return [*self.paths, *below, *([] if self.options.mask is None else [str(self.options.mask)])]

    def resume_command(self, folder: Path) -> str:
        """How to go on with it, on the command line, from its folder of resume files."""
        return f"nvc {'encode' if self.base is None else 'add-layer'} --resume {quoted(folder)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "inputs": [str(video) for video in self.inputs],
            "output": self.output,
            "base": self.base,
            **plain(self.options),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Job:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError, KeyError, TypeError, UsageError: The values are none.
        """
        names = ("inputs", "output", "base")
        inputs, output, base = (values[name] for name in names)
        options = {name: value for name, value in values.items() if name not in names}
        return cls(tuple(map(str, inputs)), output, changed(EncodeOptions(), options), base)

    def to_json(self) -> str:
        """The job as JSON."""
        return json.dumps(self.to_dict(), indent=1)

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        path.write_text(self.to_json())

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read a job.

        Raises:
            InputError: The file is missing or is no job.
        """
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except OSError:
            raise InputError(
                f"{path.parent} holds no interrupted encode", "Give the folder that Ctrl-C named"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
            raise InputError(
                f"{path} is damaged ({error})", f"Delete {quoted(path.parent)} and start the encode again"
            ) from None
