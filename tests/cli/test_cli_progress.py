"""Which progress is shown where, and how often."""

from __future__ import annotations

import io
import sys

import pytest

from nvcodec.encoder.fit.events import Forecast, Step
from nvcodec.progress import bars


class _FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "tty", "environment", "expected"),
    [
        ("auto", True, {}, bars.BarProgress),
        ("auto", True, {"TERM": "dumb"}, bars.PlainProgress),
        ("auto", True, {"CI": "true"}, bars.PlainProgress),
        ("auto", False, {}, bars.PlainProgress),
        ("bar", False, {}, bars.BarProgress),
        ("json", True, {}, bars.JsonProgress),
        ("none", True, {}, bars.Progress),
    ],
)
def test_kinds(monkeypatch, kind, tty, environment, expected):
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", _FakeTerminal() if tty else io.StringIO())
    assert type(bars.make_progress(kind)) is expected
    assert type(bars.make_progress(kind, quiet=True)) is bars.Progress


def _step(progress: float) -> Step:
    return Step("fit", progress, 300 * progress, 300, 34.712, 34.72, 0.0412, 3.1, 7084)


def test_lines_of_the_specification():
    step = Step("fit", 0.42, 126, 300, 34.71, 34.72, 0.0412, 3.1, 7084)
    expected = "fit 42% epoch 126/300 psnr 34.71 best 34.72 est_bpp 0.0412 it/s 3.10 eta 01:58:04"
    assert bars.plain_line(step) == expected
    bar = "epoch 126/300  PSNR 34.71 (best 34.72) dB  est 0.0412 bpp  3.10 it/s  1:58:04 left"
    assert bars.bar_figures(step) == bar
    forecast = Forecast("msnerv", "faster", "cpu", 137_000, 45_100, 612_000_000, 8000, 121)
    line = "msnerv faster: 137 k parameters, at most 45.1 kB, 612 MB memory, 8,000 steps, about 2 min on cpu"
    assert bars.forecast_line(forecast) == line


def test_plain_lines_are_few(capsys):
    shown = bars.PlainProgress()
    for index in range(1001):
        shown.on_event(_step(index / 1000))
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 11 and "100%" in lines[-1]


def test_a_line_at_least_every_half_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    shown = bars.PlainProgress()
    for second in range(121):
        now[0] = float(second)
        shown.on_event(_step(second / 100_000))
    assert [line[:10] for line in capsys.readouterr().err.splitlines()] == [
        "[00:00:30]", "[00:01:00]", "[00:01:30]", "[00:02:00]",
    ]  # fmt: skip


def test_bar_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(sys, "stderr", _FakeTerminal())
    monkeypatch.setenv("TERM", "xterm")
    with bars.BarProgress() as shown:
        shown.on_event(_step(0.5))
        counter = shown.frame_counter("recon")
        counter(1, None)
        counter(2, 2)
