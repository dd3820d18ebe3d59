"""Videos to a bitstream. torch is imported when all arguments are known to make sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvcodec.api.arguments import file_name, strict
from nvcodec.api.checks import check, check_bitstream, check_inputs, check_resumable, settled, videos_of
from nvcodec.api.shown import shown, warned
from nvcodec.config.job import Job
from nvcodec.config.options import MANY, EncodeOptions, changed
from nvcodec.encoder.fit.events import EventHandler, ignore
from nvcodec.encoder.result import EncodeResult, LayerResult
from nvcodec.encoder.resume.work_folder import check_work_dir, job_in
from nvcodec.io.output import check_output, file_for

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import EncodeKeywords
    from nvcodec.io.arrays import FrameArray


@strict
def encode(
    source: str | Path | FrameArray | Sequence[str | Path],
    output: str | Path,
    *,
    options: EncodeOptions | None = None,
    work_dir: str | Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    progress: bool = False,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
    **changes: Unpack[EncodeKeywords],
) -> EncodeResult:
    """Fit a network to a video, or to several, and write them as one bitstream.

    Streams are called like their files; of several with one name, later ones are ``name_2``, ``name_3``.

    Args:
        source: Video: .y4m, raw .yuv, anything FFmpeg reads, a folder of PNG, JPEG or TIFF, ``-`` for Y4M on stdin. Or
            RGB frames in memory: an array or tensor uint8 [N, 3, height, width], or uint16 of 0..1023 for 10 bit. Or a
            list of videos, for a model that draws several with one network.
        output: Bitstream to write; a pipe, a device or ``-`` for standard output gets its bytes.
        options: How; see :class:`nvcodec.EncodeOptions`.
        work_dir: Folder for resume files; None = keep none, as it has to be for frames in memory.
        overwrite: Replace an existing output.
        verify: Check the written file against its digests.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the encode, resumably.
        **changes: Fields of the options, which win over ``options``: ``bpp=0.1, preset="draft", max_time="30m"``.

    Returns:
        Numbers measured on the file as written and decoded again; ``shortfall`` says why a target was not reached.

    Warns:
        TargetNotReachedWarning: It was not; the file is the best found, and is there all the same.

    Raises:
        InputError: A source cannot be read.
        UsageError: The options make no sense, or the output exists.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
    """
    asked = changed(options or EncodeOptions(), changes)
    inputs = videos_of(source)
    check(asked, len(inputs))
    job = Job(inputs, file_name(output), asked)
    if work_dir is not None:
        check_resumable(job)
    check_bitstream(job.output, overwrite, job.read)
    with shown(progress, "encode", on_event=on_event) as hears:
        check_inputs(job, hears.on_event)
        job = Job(inputs, job.output, settled(asked, hears.on_event))
        folder = None if work_dir is None else Path(file_name(work_dir))
        if folder is not None:
            check_work_dir(folder, job)
        from nvcodec.encoder.encode import encode as run

        with file_for(output) as file:
            job, on_event = replace(job, output=file), hears.on_event
            result = run(
                job, work_dir=folder, overwrite=overwrite, verify=verify, on_event=on_event, should_stop=should_stop
            )
    assert isinstance(result, EncodeResult)
    return warned(replace(result, file=str(output)))


@strict
def resume(
    work_dir: str | Path,
    *,
    overwrite: bool = False,
    verify: bool = True,
    progress: bool = False,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> EncodeResult | LayerResult:
    """Go on with an interrupted encode; arguments and errors as :func:`encode` and :func:`nvcodec.add_layer`.

    Returns:
        What the function that began it would have returned.
    """
    folder = Path(file_name(work_dir))
    job = job_in(folder)
    check(job.options, len(job.inputs), layer=job.base is not None)
    check_output(job.output, overwrite or job.is_in_place, job.read)
    with shown(progress, "encode", on_event=on_event) as hears:
        check_inputs(job, hears.on_event)
        from nvcodec.encoder.encode import encode as run

        return warned(
            run(
                job,
                work_dir=folder,
                overwrite=overwrite,
                verify=verify,
                on_event=hears.on_event,
                should_stop=should_stop,
            )
        )


def encode_archive(sources: Sequence[str | Path], output: str | Path, **how: Any) -> EncodeResult:
    """Another name of :func:`encode` with ``model="dnerv"``, for a list of videos; it takes the same keywords."""
    return encode(sources, output, **{"model": MANY, **how})
