"""One run, from wherever an earlier process left it to its result on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nvcodec
from benchmarks.ablation.held_out import score, write_seen
from benchmarks.ablation.runs import Place, Run
from benchmarks.ablation.store import Store
from nvcodec.encoder.fit.events import Event, Notice, Step
from nvcodec.encoder.result import EncodeResult

_LINE_EVERY_S = 30.0


def execute(
    run: Run, place: Place, store: Store, log: Callable[[str], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Encode a run, or go on with its encode, and keep the result.

    Args:
        run: What to encode.
        place: The clip, the device, the threads.
        store: Where results are kept.
        log: Hears of progress, line by line.
        should_stop: Asked between steps; true ends the encode, resumably.

    Returns:
        The result as JSON (schema ``nvc-encode/1`` or ``nvc-encode-archive/1``), with all that is known of its quality
        under ``psnr``.

    Raises:
        NvcError: As :func:`nvcodec.encode`.
    """
    clip = run.clip
    fitted = place
    if clip.is_held_out:
        fitted = replace(place, source=store.path(run, ".seen.y4m"))
        write_seen(place.source, clip.frames, fitted.source)
    watch = _Watch(log, str(fitted.source))
    if run.configuration.joint:
        from benchmarks.ablation.joint import encode_jointly

        return _kept(run, place, store, watch, encode_jointly(run, place, store.path(run, ".nvc"), watch, should_stop))
    how: dict[str, Any] = {"overwrite": True, "on_event": watch, "should_stop": should_stop}
    work_dir, output = store.path(run, ".work"), store.path(run, ".nvc")
    if store.begin(run, fitted):
        log("  goes on where it was stopped")
        result = nvcodec.resume(work_dir, **how)
    else:
        options = replace(run.options, device=place.device, threads=place.threads)
        result = nvcodec.encode(fitted.source, output, options=options, work_dir=work_dir, **how)
    assert isinstance(result, EncodeResult)
    psnr = dict(result.psnr)
    if result.masked is not None:
        psnr |= {"inside": result.masked.inside, "outside": result.masked.outside}
    if clip.is_held_out:
        psnr |= score(place.source, clip.frames, output)
        fitted.source.unlink()
    plain: dict[str, Any] = {**result.to_json(), "psnr": psnr}
    base = replace(run.options, device=place.device, threads=place.threads)
    for number in range(1, len(run.configuration.layers) + 1):
        more = run.configuration.layer_options(clip, number, base)
        layer = nvcodec.add_layer(output, place.source, options=more, on_event=watch, should_stop=should_stop)
        plain = _with(plain, layer.to_json())
    return _kept(run, place, store, watch, plain)


def _with(file: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """What is known of a file when a layer has come on."""
    summed = {name: file[name] + layer[name] for name in ("parameters", "encode_s", "fit_steps")}
    of_both = {name: layer[name] for name in ("bytes", "bpp", "psnr", "ms_ssim_y")}
    reached = file["target_reached"] and layer["target_reached"]
    return {**file, **summed, **of_both, "layers": file["layers"] + 1, "target_reached": reached}


def _kept(run: Run, place: Place, store: Store, watch: _Watch, plain: dict[str, Any]) -> dict[str, Any]:
    """A result, written down."""
    step_s = 1 / watch.steps_per_s if watch.steps_per_s else plain["encode_s"] / plain["fit_steps"]
    timing = {"encode_s": plain["encode_s"], "fit_steps": plain["fit_steps"], "step_s": step_s}
    store.finish(run, place, plain, timing)
    return plain


class _Watch:
    """Turns the events of an encode into lines, and remembers its speed."""

    def __init__(self, log: Callable[[str], None], source: str) -> None:
        self.log, self.source, self.steps_per_s, self._said = log, source, 0.0, time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            if not event.message.startswith(self.source):  # what it is, which every run would repeat
                self.log(f"  {event.message}")
        elif isinstance(event, Step):
            self.steps_per_s = event.steps_per_s
            if time.monotonic() - self._said > _LINE_EVERY_S:
                self._said = time.monotonic()
                self.log(f"  {event.progress:4.0%}  {event.psnr_db:.2f} dB  about {event.eta_s:.0f} s left")
