"""Every refusal that needs no picture: mistakes are met before torch is imported and before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from nvcodec.config.job import Job
from nvcodec.config.keywords import LayerKeywords
from nvcodec.config.options import MANY, EncodeOptions
from nvcodec.config.recipe import RECIPES, recipe
from nvcodec.config.settings import OF_FILES, OF_LAYERS, suiting
from nvcodec.config.target import RateTarget
from nvcodec.decoder.opening import pick_device
from nvcodec.encoder.fit.events import EventHandler, Notice
from nvcodec.encoder.plan.models import settings_for
from nvcodec.encoder.plan.plan import check_domain, choose_domain
from nvcodec.encoder.plan.presets import default_preset
from nvcodec.errors import NvcError, UsageError, quoted
from nvcodec.io.arrays import Video, as_video, is_array
from nvcodec.io.mask import check_mask
from nvcodec.io.output import check_apart, check_output, place_of
from nvcodec.io.source import PICTURE_SUFFIXES, VIDEO_SUFFIXES, open_source
from nvcodec.models import registry


def videos_of(source: object) -> tuple[Video, ...]:
    """What was given to be encoded: one video, or several in a list.

    Raises:
        UsageError: It is none.
        InputError: An array holds too large pictures.
    """
    several = isinstance(source, Iterable) and not isinstance(source, (str, bytes, Path)) and not is_array(source)
    sources = list(source) if several else [source]  # type: ignore[call-overload]
    if several and any(map(is_array, sources)):
        raise UsageError(
            f"a {type(source).__name__} of arrays is no video", "Make one array of them:  np.stack(frames)"
        )
    if not sources:
        raise UsageError("no video given", "Give one at least")
    for one in sources:
        if not (isinstance(one, (str, Path)) or is_array(one)):
            raise UsageError(
                f"a value of type {type(one).__name__} is no video", "Give the path of one, or its frames as an array"
            )
    return tuple(map(as_video, sources))


def check(options: EncodeOptions, inputs: int = 1, *, layer: bool = False) -> None:
    """Refuse options that contradict each other, or that the model has no use for.

    Args:
        options: What is asked for.
        inputs: How many videos.
        layer: Whether it is for one more layer.

    Raises:
        UsageError: There are such.
    """
    RateTarget.of(options)
    _check_groups(options, layer)
    settings_for(options)
    model = registry.by_name(options.model)
    if inputs > 1 and not model.settings.shares_parameters:
        raise UsageError(
            f"{inputs} inputs given; --model {MANY} takes several videos", "Add it, or encode them one by one"
        )
    if options.preview and not model.previewed:
        able = [other.name for other in registry.MODELS if other.previewed]
        raise UsageError(
            f"--preview is for the models {' and '.join(able)}; no earlier part of {model.name} shows its pictures",
            "Leave it out: nvc decode --scale shrinks whole pictures of any model",
        )
    check_domain(options.domain, model)
    if layer:
        _check_layer(options)


def _check_groups(options: EncodeOptions, layer: bool) -> None:
    """Refuse settings of what is not made: of a layer for a new file, and the other way round."""
    fitting = suiting(options.settings, OF_LAYERS if layer else OF_FILES)
    known = suiting(options.settings, (*OF_LAYERS, *OF_FILES))
    for key in known.keys() - fitting.keys():
        if layer:
            raise UsageError(
                f"the setting {key} is not for layers", "A layer takes that from the file it goes on: leave it out"
            )
        raise UsageError(f"the setting {key} is for layers", "Give it to:  nvc add-layer")


def _check_layer(options: EncodeOptions) -> None:
    if options.recipe is not None and not suiting(recipe(options.recipe).settings, ["layer"]):
        known = [name for name in RECIPES if suiting(recipe(name).settings, ["layer"])]
        raise UsageError(f"--recipe {options.recipe} says nothing of layers", f"Recipes that do: {', '.join(known)}")
    for each in fields(options):
        given = getattr(options, each.name) != getattr(EncodeOptions(recipe=options.recipe), each.name)
        if given and each.name not in LayerKeywords.__annotations__:
            flag = each.metadata["option"].flags[-1]
            raise UsageError(f"{flag} is not for layers", "A layer takes that from the file it goes on: leave it out")


def check_bitstream(
    output: str | Path, overwrite: bool, inputs: Iterable[str | Path] = (), suffix: str = ".nvc"
) -> None:
    """Refuse an output for a bitstream, or for a layer, as :func:`nvcodec.io.output.check_output`, or for its name.

    Who wants that name all the same writes into a pipe or standard output.

    Raises:
        UsageError: It cannot be written; or it is called like a video or a picture.
    """
    inputs = list(inputs)
    check_apart([output], inputs)
    if Path(output).suffix.lower() in VIDEO_SUFFIXES | PICTURE_SUFFIXES and not place_of(output).is_stream:
        right = quoted(Path(output).with_suffix(suffix))
        raise UsageError(
            f"{output} is called like a video or a picture, and a {suffix} file is neither",
            f"Name it so:  -o {right}\nIf it is to be called like that all the same:  -o - > {quoted(output)}",
        )
    check_output(output, overwrite, inputs)


def check_resumable(job: Job) -> None:
    """Refuse resume files for what cannot be read again, or written later.

    Raises:
        UsageError: An input is in memory, or the output is no file.
    """
    if not job.is_in_place and place_of(job.output).is_stream:
        raise UsageError("--work-dir needs an output file", "An encode to standard output or a pipe cannot be resumed")
    if not all(isinstance(video, str) for video in job.inputs):
        raise UsageError(
            "an encode of an array cannot be resumed: who goes on with it has nothing to read again",
            "Leave work_dir out, or write the frames to a file first",
        )


def check_inputs(job: Job, on_event: EventHandler) -> None:
    """Look at every input that can be read more than once.

    Raises:
        InputError: One cannot be read.
        UsageError: The options do not suit one.
    """
    options, model, single = job.options, registry.by_name(job.options.model), len(job.inputs) == 1
    if not single and "-" in job.inputs:
        raise UsageError("standard input is one video, and several were given", "Give files")
    for video in job.inputs:
        if video == "-":
            continue
        frames = options.frames if single else None
        with open_source(video, frames=frames, **options.reading) as source, _saying(None if single else str(video)):
            if job.base is None:
                choose_domain([source.format], options.domain, model)
            if options.mask is not None:
                check_mask(options.mask, source.format)
            job.target.file_bytes(source.format, source.frame_count or 1)
            for told in (source.origin, *source.notices):
                on_event(Notice(f"{video}: {told}"))


def settled(options: EncodeOptions, on_event: EventHandler) -> EncodeOptions:
    """Options with a device that exists and a preset.

    Raises:
        UsageError: The device is none.
        DeviceError: It does not exist here.
    """
    device, preset = pick_device(options.device), options.preset
    if preset is None and options.recipe is None:
        preset = default_preset(device)
        other = "" if device.startswith("cuda") else " (a CUDA device would get medium)"
        on_event(Notice(f"preset {preset}, chosen for {device}{other}"))
    return replace(options, device=device, preset=preset)


@contextmanager
def _saying(video: str | None) -> Iterator[None]:
    """Say which of several videos a mistake is about."""
    try:
        yield
    except NvcError as error:
        error.message = error.message if video is None else f"{video}: {error.message}"
        raise
