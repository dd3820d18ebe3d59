"""Several videos to one bitstream. torch is imported when all arguments are known to make sense."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nvcodec.api.checks import check_output, check_preset, frame_rate, only_target
from nvcodec.config import settings as overrides
from nvcodec.config.archive_job import ArchiveJob
from nvcodec.config.fit import EncodeConfig
from nvcodec.decoder.opening import pick_device
from nvcodec.encoder.fit.events import EventHandler, Notice, ignore
from nvcodec.encoder.plan.presets import default_preset
from nvcodec.encoder.resume.work_folder import check_work_dir
from nvcodec.errors import NvcError, UsageError
from nvcodec.io.arrays import is_array
from nvcodec.io.mask import check_mask
from nvcodec.io.source import open_source
from nvcodec.types import ChromaFormat, VideoFormat

if TYPE_CHECKING:
    from nvcodec.encoder.archive_result import ArchiveResult

ARCHIVE_MODEL = ArchiveJob.model


def encode_archive(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    crf: float | None = None,
    bpp: float | None = None,
    bitrate: float | None = None,
    target_size: float | None = None,
    preset: str | None = None,
    parameters: int | None = None,
    epochs: float | None = None,
    max_time_s: float | None = None,
    tune: str | None = None,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    threads: int = 1,
    device: str = "auto",
    fps: Fraction | float | None = None,
    frames: int | None = None,
    mask: str | Path | None = None,
    work_dir: str | Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> ArchiveResult:
    """Fit one network (D-NeRV) to several videos and write them as one bitstream.

    Streams are called like their files; of several with one name, later ones are ``name_2``, ``name_3``.

    Args:
        sources: Videos, 4:2:0: .y4m, raw .yuv whose name says its geometry, anything FFmpeg reads. One will do.
        output: Bitstream to write.
        crf: Constant quality, 0..63, lower is better; the default, at 32.
        bpp: Bits per luma sample of all videos to stay under.
        bitrate: Bits per second to stay under, over the playing time of all videos.
        target_size: Bytes to stay under.
        preset: Effort; None = what suits the device.
        parameters: Size of the network; None = by rule from the target.
        epochs: Passes over all videos; None = the preset's.
        max_time_s: Seconds after which the whole encode should be over; replaces the epochs.
        tune: ``psnr`` or ``ssim``.
        settings: Dotted keys of the configuration, e.g. ``{"model.clip": 4}``.
        seed: Of all random choices.
        threads: CPU threads.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        fps: Frames per second of all videos; wins over what they say.
        frames: How many frames to take of each, at most; None = all.
        mask: What the fit must not see of each, as for :func:`nvcodec.encode`; key frames do not show it either.
        work_dir: Folder for resume files; None = keep none.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, resumably once network and key frames are chosen.

    Raises:
        InputError: A source cannot be read.
        UsageError: The options make no sense, or the output exists.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    if not is_array(sources) and (isinstance(sources, (str, bytes, Path)) or not isinstance(sources, Iterable)):
        raise UsageError(
            f"an archive is made of a list of videos, not of one {type(sources).__name__}",
            "Give a list of videos, of one too:  encode_archive([video], output)",
        )
    sources = list(sources)
    for source in sources:
        if not (isinstance(source, (str, Path)) or is_array(source)):
            raise UsageError(f"a value of type {type(source).__name__} is no video", "Give the paths of the videos")
    if any(map(is_array, sources)):
        raise UsageError("archives are made of 4:2:0 video, and arrays are RGB", "Write the frames to files first")
    target = only_target(crf=crf, bpp=bpp, bitrate=bitrate, target_size=target_size)
    check_preset(preset)
    wanted = {**(settings or {}), **({"loss.kind": tune} if tune else {})}
    config = replace(
        overrides.apply(EncodeConfig(), wanted, ARCHIVE_MODEL),
        parameters=parameters,
        epochs=epochs,
        max_time_s=max_time_s,
        seed=seed,
        threads=threads,
    )
    job = ArchiveJob(
        sources=tuple(map(str, sources)),
        output=str(output),
        target=target,
        config=config,
        fps=frame_rate(fps),
        frames=frames,
        mask=str(mask) if isinstance(mask, Path) else mask,
    )
    check_sources(job, overwrite, on_event)
    device = pick_device(device)
    if preset is None:
        preset = default_preset(device)
        on_event(Notice(f"preset {preset}, chosen for {device}"))
    job = replace(job, config=replace(config, device=device, preset=preset))
    folder = None if work_dir is None else Path(work_dir)
    if folder is not None:
        check_work_dir(folder, job)
    return run_archive(job, folder, overwrite, verify, on_event, should_stop)


def run_archive(
    job: ArchiveJob,
    work_dir: Path | None,
    overwrite: bool,
    verify: bool,
    on_event: EventHandler,
    should_stop: Callable[[], bool],
) -> ArchiveResult:
    """Begin the encode of an archive, or go on with it; arguments and errors as :func:`encode_archive`."""
    from nvcodec.encoder.archive import encode_archive as run

    return run(job, work_dir=work_dir, overwrite=overwrite, verify=verify, on_event=on_event, should_stop=should_stop)


def check_sources(job: ArchiveJob, overwrite: bool, on_event: EventHandler) -> None:
    """Meet the mistakes that need no network before torch is imported.

    Raises:
        InputError: A source cannot be read.
        UsageError: There is none, it is not for archives, or the output cannot be written.
    """
    if not job.sources:
        raise UsageError("no video given", "An archive needs one at least")
    if "-" in job.sources:
        raise UsageError("archives are not made from standard input", "Give files: each is read more than once")
    for source in job.sources:
        check_output(job.output, overwrite, source)
        with open_source(source, fps=job.fps) as opened:
            if opened.format.chroma is not ChromaFormat.YUV420:
                raise UsageError(
                    f"{source} is RGB; archives hold 4:2:0 video", f"Convert it:  ffmpeg -i {source} -pix_fmt yuv420p"
                )
            job.target.file_bytes(opened.format, opened.frame_count or 1)
            if job.mask is not None:
                _check_mask(job.mask, source, opened.format)
            on_event(Notice(f"{source}: {opened.origin}"))


def _check_mask(spec: str, source: str, video: VideoFormat) -> None:
    try:
        check_mask(spec, video)
    except NvcError as error:
        error.message = f"{source}: {error.message}"
        raise
