"""Saving a running fit: now and then, when it is stopped, and when its file cannot be written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nvcodec.encoder.fit.events import EventHandler, Notice
from nvcodec.encoder.resume.checkpoint import Checkpoint, State
from nvcodec.errors import InterruptedEncodeError

_SPACING_S = 60.0


class Autosave:
    """Keeps the state of one fit.

    Args:
        checkpoint: Where; None = nowhere.
        part: Which part of the encode is fitted.
        state: Gives the state.
        on_event: Hears when it cannot be saved.
    """

    def __init__(
        self, checkpoint: Checkpoint | None, part: int, state: Callable[[], State], on_event: EventHandler
    ) -> None:
        self.checkpoint, self.part, self.state, self.on_event = checkpoint, part, state, on_event
        self._saved = time.monotonic()

    def tick(self) -> None:
        """Save when the last time is long enough ago; a disk that is full does not end the fit."""
        if self.checkpoint is None or time.monotonic() - self._saved <= _SPACING_S:
            return
        self._saved = time.monotonic()
        try:
            self.checkpoint.save_state(self.part, self.state())
        except OSError as error:
            self.on_event(Notice(unsaved(self.checkpoint, error)))

    def stopped(self, steps: int, kept: str, *, resumable: bool = True) -> InterruptedEncodeError:
        """Save, and say how to go on.

        Args:
            steps: Steps that were taken.
            kept: What became of the output.
            resumable: Whether the source can be read again.
        """
        if self.checkpoint is None or not resumable:
            return InterruptedEncodeError(
                f"stopped; {kept}", "Only encodes of files, with a work folder, can be resumed"
            )
        try:
            self.checkpoint.save_state(self.part, self.state())
        except OSError as error:
            earlier = f"An earlier state is there. Make room, then:  {self.checkpoint.command}"
            return InterruptedEncodeError(
                f"stopped; cannot save the state in {self.checkpoint.folder}: {error.strerror}",
                earlier if self.checkpoint.holds_state else "Start again, with another --work-dir",
            )
        return InterruptedEncodeError(
            f"stopped at step {steps:,}; the state is saved", f"Go on with:  {self.checkpoint.command}"
        )


def unsaved(checkpoint: Checkpoint, error: OSError) -> str:
    """What to say of a state that was not saved, while the fit goes on."""
    return f"cannot save the state in {checkpoint.folder}: {error.strerror}"


def rescued(checkpoint: Checkpoint | None, save: Callable[[Checkpoint], None], whole: Callable[[], bytes]) -> str:
    """Keep what was fitted when its file cannot be written; how to go on.

    Args:
        checkpoint: Where; None = nowhere.
        save: Does it.
        whole: Makes the file, to be kept where there is space for it if the work folder has none.
    """
    try:
        if checkpoint is not None:
            save(checkpoint)
            return f"The fit is saved. Make room, then:  {checkpoint.command}"
    except OSError:
        if checkpoint is not None and checkpoint.holds_state:
            return f"An earlier state is there. Make room, then:  {checkpoint.command}"
    try:
        with tempfile.NamedTemporaryFile(prefix="nvc-", suffix=".nvc", delete=False) as file:
            file.write(whole())
        return f"What was made is kept as {file.name}"
    except OSError:
        Path(file.name).unlink(missing_ok=True)
        return "Choose another --output"
