"""What is made of curves: a comparison with one of them, and a plot; checked before anything runs, made at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvcodec.errors import UsageError, shown
from nvcodec.eval.compare import Summary, compare, find_label
from nvcodec.eval.plot import check_plot, plot
from nvcodec.eval.results import METRICS, Curve
from nvcodec.io.output import check_output
from nvcodec.metrics.bdrate import check_installed


@dataclass(frozen=True)
class Report:
    """What is asked for."""

    anchor: str | None = None
    """The codec that the others are compared with, see :func:`nvcodec.eval.compare.find_label`; None: they are not."""
    metric: str = "psnr-yuv"
    """One of :data:`nvcodec.eval.results.METRICS`, for both."""
    plot: str | Path | None = None
    """File of the plot; None: none is drawn."""

    def check(self, read: Sequence[str | Path], labels: Sequence[str], *, vmaf: bool) -> None:
        """Refuse what cannot be made.

        Args:
            read: Files that the plot must not replace.
            labels: Of the curves that there will be.
            vmaf: Whether their VMAF is known.

        Raises:
            UsageError: There is no such metric or anchor, the plot cannot be drawn or written, or something that it
                takes is not installed.
        """
        if self.metric not in METRICS:
            raise UsageError(f"metric {shown(self.metric)} is unknown", f"Metrics: {', '.join(METRICS)}")
        if self.metric == "vmaf" and not vmaf:
            raise UsageError("--metric vmaf reports what is not measured", "Measure it too:  --metrics vmaf")
        self.check_plot(read)
        if self.anchor is not None:
            check_installed()
            find_label(self.anchor, labels)

    def check_plot(self, read: Sequence[str | Path]) -> None:
        """Refuse a plot that cannot be drawn, or would replace what is read; see :meth:`check`."""
        if self.plot is not None:
            check_plot(self.plot)
            check_output(self.plot, True, list(read))

    def make(self, curves: Sequence[Curve]) -> Summary | None:
        """Draw the plot, and compare; None where nothing is compared. Without curves there is nothing to do.

        Raises:
            UsageError: Curves of one clip were measured on different pictures, or the plot cannot be written.
            InputError: A curve was not measured in the metric.
        """
        if not curves:
            return None
        summary = None if self.anchor is None else compare(curves, self.anchor, self.metric)
        if self.plot is not None:
            plot(curves, self.plot, self.metric)
        return summary
