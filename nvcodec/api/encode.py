"""The functions behind the commands: encode, archive, resume, decode. torch is imported when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nvcodec.api.archiving import ARCHIVE_MODEL, check_sources, encode_archive, run_archive
from nvcodec.api.checks import check_output, check_preset, check_preview, domain_called, frame_rate, only_target
from nvcodec.api.decode import DecodeResult, decode
from nvcodec.api.decode_all import StreamOutcome, decode_all
from nvcodec.api.info import probe
from nvcodec.config import settings as overrides
from nvcodec.config.archive_job import ArchiveJob
from nvcodec.config.fit import EncodeConfig
from nvcodec.config.job import Job
from nvcodec.config.layer_job import LayerJob
from nvcodec.decoder.opening import pick_device
from nvcodec.encoder.fit.events import EventHandler, Notice, ignore
from nvcodec.encoder.plan.plan import choose_domain
from nvcodec.encoder.plan.presets import PRESETS, default_preset
from nvcodec.encoder.resume.work_folder import check_work_dir, job_in
from nvcodec.errors import UsageError
from nvcodec.io.arrays import as_video, is_array, path_of
from nvcodec.io.mask import check_mask
from nvcodec.io.source import open_source
from nvcodec.models import registry

if TYPE_CHECKING:
    from nvcodec.encoder.archive_result import ArchiveResult
    from nvcodec.encoder.layer_result import LayerResult
    from nvcodec.encoder.result import EncodeResult
    from nvcodec.io.arrays import FrameArray

__all__ = [
    "DecodeResult", "StreamOutcome", "add_layer", "check_output", "decode", "decode_all", "encode", "encode_archive",
    "resume",
]  # fmt: skip


def encode(
    source: str | Path | FrameArray,
    output: str | Path,
    *,
    crf: float | None = None,
    bpp: float | None = None,
    bitrate: float | None = None,
    target_size: float | None = None,
    target_psnr: float | None = None,
    preset: str | None = None,
    model: str = "msnerv",
    domain: str | None = None,
    preview: bool = False,
    parameters: int | None = None,
    epochs: float | None = None,
    max_time_s: float | None = None,
    tune: str | None = None,
    settings: Mapping[str, object] | None = None,
    segment: int | None = None,
    seed: int = 0,
    threads: int = 1,
    device: str = "auto",
    size: tuple[int, int] | None = None,
    fps: Fraction | float | None = None,
    pix_fmt: str | None = None,
    seek: int = 0,
    frames: int | None = None,
    mask: str | Path | None = None,
    work_dir: str | Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> EncodeResult:
    """Fit a network to a video and write it as a bitstream.

    Args:
        source: Video: .y4m, raw .yuv, anything FFmpeg reads, a folder of PNG pictures, or ``-`` for Y4M on stdin. Or
            RGB frames in memory: an array or tensor uint8 [N, 3, height, width], or uint16 of 0..1023 for 10 bit.
        output: Bitstream to write.
        crf: Constant quality, 0..63, lower is better; the default, at 32.
        bpp: Bits per luma sample to stay under.
        bitrate: Bits per second to stay under.
        target_size: Bytes to stay under.
        target_psnr: Least PSNR in dB, YUV 6:1:1 (RGB in the domain ``rgb``).
        preset: Effort; None = what suits the device.
        model: Representation; not ``dnerv``, which :func:`encode_archive` is for.
        domain: ``yuv420`` or ``rgb``; None = that of the source.
        preview: Store what ``decode(..., scale="1/4")`` and the like need to be quick.
        parameters: Size of the network; None = by rule from the target.
        epochs: Passes over the clip; None = the preset's.
        max_time_s: Seconds after which the whole encode should be over; replaces the epochs.
        tune: ``psnr`` or ``ssim``.
        settings: Dotted keys of the configuration, e.g. ``{"fit.learning_rate": 1e-3}``.
        segment: Frames per independent segment; None = the whole clip.
        seed: Of all random choices.
        threads: CPU threads.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        size: (width, height) of raw video.
        fps: Frames per second; wins over what the source says.
        pix_fmt: ``yuv420p`` or ``yuv420p10le``, for raw video.
        seek: First frame to take.
        frames: How many frames to take; None = to the end.
        mask: What the fit must not see and the decoder fills in: ``box:WxH``, ``box:WxH+X+Y,...``, ``boxes:N``,
            ``scattered:N`` (see :func:`nvcodec.io.mask.open_mask`), or a video or picture that is white there.
        work_dir: Folder for resume files; None = keep none, as it has to be for frames in memory.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, resumably.

    Raises:
        InputError: The source cannot be read.
        UsageError: The options make no sense, or the output exists.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    if isinstance(source, (list, tuple)) and any(map(is_array, source)):
        raise UsageError(
            f"a {type(source).__name__} of arrays is no video", "Make one array of them:  np.stack(frames)"
        )
    if model == ARCHIVE_MODEL or isinstance(source, (list, tuple)):
        raise UsageError(
            f"several videos make an archive, drawn by the model {ARCHIVE_MODEL}",
            "Call encode_archive([...], output), for an archive of one video too",
        )
    if not (isinstance(source, (str, Path)) or is_array(source)):
        raise UsageError(
            f"a value of type {type(source).__name__} is no video", "Give the path of one, or its frames as an array"
        )
    target = only_target(crf=crf, bpp=bpp, bitrate=bitrate, target_size=target_size, target_psnr=target_psnr)
    check_preset(preset)
    registry.by_name(model)
    if preview:
        check_preview(model)
    wanted = {**(settings or {}), **({"loss.kind": tune} if tune else {})}
    config = replace(
        overrides.apply(EncodeConfig(), wanted, model),
        domain=domain_called(domain),
        parameters=parameters,
        segment=segment,
        epochs=epochs,
        max_time_s=max_time_s,
        seed=seed,
        threads=threads,
    )
    if work_dir is not None and is_array(source):
        raise UsageError(
            "an encode of an array cannot be resumed: who goes on with it has nothing to read again",
            "Leave work_dir out, or write the frames to a file first",
        )
    job = Job(
        source=as_video(source),
        output=str(output),
        model=model,
        preview=preview,
        size=size,
        fps=frame_rate(fps),
        pix_fmt=pix_fmt,
        seek=seek,
        frames=frames,
        mask=str(mask) if isinstance(mask, Path) else mask,
        target=target,
        config=config,
    )
    check_output(job.output, overwrite, job.path)
    _check_source(job, on_event)
    device = pick_device(device)
    if preset is None:
        preset = default_preset(device)
        other = "" if device.startswith("cuda") else " (a CUDA device would get medium)"
        on_event(Notice(f"preset {preset}, chosen for {device}{other}"))
    job = replace(job, config=replace(config, device=device, preset=preset))
    folder = None if work_dir is None else Path(work_dir)
    if folder is not None:
        check_work_dir(folder, job)
    return _run(job, folder, overwrite, verify, on_event, should_stop)


def resume(
    work_dir: str | Path,
    *,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> EncodeResult | ArchiveResult:
    """Go on with an interrupted encode; arguments and errors as :func:`encode` and :func:`encode_archive`.

    Returns:
        What the function that began it would have returned: an ``ArchiveResult`` for an archive.
    """
    folder = Path(work_dir)
    job = job_in(folder)
    if isinstance(job, ArchiveJob):
        check_sources(job, overwrite, on_event)
        return run_archive(job, folder, overwrite, verify, on_event, should_stop)
    check_output(job.output, overwrite, job.path)
    _check_source(job, on_event)
    return _run(job, folder, overwrite, verify, on_event, should_stop)


def add_layer(
    bitstream: str | Path,
    source: str | Path | FrameArray,
    output: str | Path | None = None,
    *,
    bpp: float | None = None,
    target_psnr: float | None = None,
    parameters: int | None = None,
    preset: str | None = None,
    epochs: float | None = None,
    max_time_s: float | None = None,
    seed: int = 0,
    threads: int = 1,
    device: str = "auto",
    size: tuple[int, int] | None = None,
    fps: Fraction | float | None = None,
    pix_fmt: str | None = None,
    seek: int = 0,
    overwrite: bool = False,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> LayerResult:
    """Fit one more enhancement layer to a bitstream and append it; the bytes that are there stay as they are.

    Args:
        bitstream: An .nvc file.
        source: The video it was encoded from, or a longer one that begins with it; frames in memory, if it was those.
        output: Where to write; None appends to the bitstream itself.
        bpp: Bits per luma sample that the layer may add; None = half of what the base has.
        target_psnr: Least PSNR in dB with this layer, YUV 6:1:1 (RGB in the domain ``rgb``).
        parameters: Size of the layer's network; None = that of the layer below, or by rule from the target.
        preset: Effort; None = that of the bitstream, or what suits the device.
        epochs: Passes over the clip; None = the preset's.
        max_time_s: Seconds after which it should be over; replaces the epochs.
        seed: Of all random choices.
        threads: CPU threads.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        size: (width, height) of raw video.
        fps: Frames per second of raw video.
        pix_fmt: ``yuv420p`` or ``yuv420p10le``, for raw video.
        seek: Frame of the source that is the first of the bitstream.
        overwrite: Replace an existing output.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the fit and leaves the file as it was.

    Raises:
        InputError: A file cannot be read.
        BitstreamError: The bitstream is damaged.
        UsageError: The source does not belong to the bitstream, or another process is changing it.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    given = {"bpp": bpp, "target_psnr": target_psnr}
    target = only_target(**given) if any(value is not None for value in given.values()) else None
    check_preset(preset)
    video = as_video(source)
    if output is not None:
        for taken in (str(bitstream), path_of(video)):
            check_output(str(output), overwrite, taken)
    info = probe(bitstream)
    if info.session.pyramid(info.segments[0]) is None:
        raise UsageError(f"{bitstream} is an archive (model {info.model})", "Layers go on files of the other models")
    if "mask" in info.metadata:
        raise UsageError(
            f"{bitstream} was encoded with --mask {info.metadata['mask']}: a layer would show what it hides",
            "Encode again with more --bpp instead",
        )
    used = info.metadata.get("preset")
    _check_source(Job(video, "", size, frame_rate(fps), pix_fmt, seek), on_event)
    if output is None:
        check_output(os.path.realpath(bitstream), True, path_of(video))
    device = pick_device(device)
    config = EncodeConfig(
        preset=preset or (str(used) if used in PRESETS else default_preset(device)),
        parameters=parameters,
        epochs=epochs,
        max_time_s=max_time_s,
        seed=seed,
        threads=threads,
        device=device,
    )
    job = LayerJob(
        str(bitstream),
        video,
        str(bitstream if output is None else output),
        target,
        config,
        size,
        frame_rate(fps),
        pix_fmt,
        seek,
    )
    from nvcodec.encoder.add_layer import add_layer as run

    return run(job, on_event=on_event, should_stop=should_stop)


def _run(
    job: Job,
    work_dir: Path | None,
    overwrite: bool,
    verify: bool,
    on_event: EventHandler,
    should_stop: Callable[[], bool],
) -> EncodeResult:
    from nvcodec.encoder.encode import encode as run

    return run(job, work_dir=work_dir, overwrite=overwrite, verify=verify, on_event=on_event, should_stop=should_stop)


def _check_source(job: Job, on_event: EventHandler) -> None:
    """Meet the mistakes that need no network before torch is imported; a pipe can be read only once."""
    if job.source == "-":
        return
    with open_source(
        job.source, size=job.size, fps=job.fps, pix_fmt=job.pix_fmt, seek=job.seek, frames=job.frames
    ) as source:
        choose_domain(source.format, job.config.domain)
        if job.mask is not None:
            check_mask(job.mask, source.format)
        job.target.file_bytes(source.format, source.frame_count or 1)
        on_event(Notice(f"{job.source}: {source.origin}"))
