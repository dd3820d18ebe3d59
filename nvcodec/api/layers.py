"""Enhancement layers of files: fitted, taken off, taken out, put on. Only the first needs torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvcodec.api.arguments import file_name, strict
from nvcodec.api.checks import check, check_bitstream, check_inputs, check_resumable, settled, videos_of
from nvcodec.api.info import probe
from nvcodec.api.shown import shown, warned
from nvcodec.config.job import Job
from nvcodec.config.kinds import whole
from nvcodec.config.options import PRESETS, EncodeOptions, changed, read_value
from nvcodec.container import (
    Container,
    MissingLayerError,
    appended,
    no_layer,
    pack_file,
    read_container,
    read_pack_file,
    stripped,
    without_previews,
)
from nvcodec.decoder.opening import called, read_bitstream
from nvcodec.encoder.fit.events import EventHandler, ignore
from nvcodec.encoder.plan.layer import check_base
from nvcodec.encoder.result import LayerResult
from nvcodec.encoder.resume.work_folder import check_work_dir
from nvcodec.errors import NvcError, UsageError, naming, quoted
from nvcodec.io.output import check_apart, check_output, file_for, place_of
from nvcodec.io.replace import exclusive, replace_with

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nvcodec.config.keywords import LayerKeywords
    from nvcodec.io.arrays import FrameArray

_MOST_TRIED = 100
"""Files of a folder that are looked at for the layer that is missing."""


@dataclass(frozen=True)
class ChangedFile:
    """What a file is afterwards."""

    file: str
    bytes: int
    """Size of the file."""
    layers: int
    """Layers of the file, the base included; of the file of a layer 1."""
    changed_bytes: int
    """Bytes that came on (positive) or off (negative)."""

    @property
    def enhancement_layers(self) -> int:
        """Layers above the base, as all messages and ``--layers`` count them."""
        return self.layers - 1

    def to_json(self, schema: str) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {"schema": schema, **asdict(self), "enhancement_layers": self.enhancement_layers}


@strict
def add_layer(
    bitstream: str | Path,
    source: str | Path | FrameArray,
    output: str | Path | None = None,
    *,
    options: EncodeOptions | None = None,
    work_dir: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
    on_event: EventHandler = ignore,
    should_stop: Callable[[], bool] = lambda: False,
    **changes: Unpack[LayerKeywords],
) -> LayerResult:
    """Fit one more enhancement layer to a bitstream and append it; the bytes that are there stay as they are.

    Args:
        bitstream: An .nvc file.
        source: The video it was encoded from, or a longer one that begins with it; frames in memory, if it was those.
        output: Where to write; None appends to the bitstream itself.
        options: How; see :class:`nvcodec.EncodeOptions`. ``bpp`` is what the layer may add, None half of what the base
            has; ``target_psnr`` is that of the file with it, ``parameters`` the size of its network, ``seek`` the frame
            of the source that is the first of the bitstream. The preset is that of the bitstream, where none is given.
        work_dir: Folder for resume files; None = keep none, as it has to be for frames in memory.
        overwrite: Replace an existing output.
        progress: Show a bar, in a terminal or a notebook; where neither is, a line now and then on standard error.
        on_event: Hears of progress.
        should_stop: Asked between steps; true ends the fit, resumably, and leaves the file as it was.
        **changes: Fields of the options, which win over ``options``.

    Raises:
        InputError: A file cannot be read.
        BitstreamError: The bitstream is damaged.
        UsageError: The source does not belong to the bitstream, or another process is changing it.
        DeviceError: The device is missing or out of memory.
        InterruptedEncodeError: ``should_stop`` returned true.
        TargetNotReachedError: The pictures are worse with the layer; the file is as it was.

    Warns:
        TargetNotReachedWarning: The target was not reached; the layer is the best found, and is there all the same.
    """
    asked, bitstream = changed(options or EncodeOptions(), changes), file_name(bitstream)
    inputs = videos_of(source)
    check(asked, len(inputs), layer=True)
    if bitstream == "-":
        raise UsageError("a layer needs a bitstream that can be read again, not standard input", "Write it to a file")
    job = Job(inputs, file_name(bitstream if output is None else output), asked, bitstream)
    if work_dir is not None:
        check_resumable(job)
    if output is not None:
        check_bitstream(job.output, overwrite, (str(bitstream), *job.read))
    info = probe(bitstream)
    check_base(info.session, str(bitstream))
    if "mask" in info.metadata:
        raise UsageError(
            f"{bitstream} was encoded with --mask {info.metadata['mask']}: a layer would show what it hides",
            "Encode again with more --bpp instead",
        )
    check_inputs(job, on_event)
    if output is None:
        _check_changeable(job.output)
        check_output(job.output, True, job.read)
    if asked.preset is None and asked.recipe is None:
        used = next((name for name in PRESETS if name == info.metadata.get("preset")), None)
        asked = replace(asked, preset=used)
    job = replace(job, options=settled(asked, ignore))
    folder = None if work_dir is None else Path(file_name(work_dir))
    if folder is not None:
        check_work_dir(folder, job)
    from nvcodec.encoder.encode import encode as run

    with file_for(job.output) as file, shown(progress, "layer", on_event=on_event) as hears:
        job, on_event = replace(job, output=file), hears.on_event
        result = run(job, work_dir=folder, overwrite=overwrite, on_event=on_event, should_stop=should_stop)
    assert isinstance(result, LayerResult)
    return warned(replace(result, file=str(bitstream if output is None else output)))


@strict
def strip(
    path: str | Path,
    output: str | Path | None = None,
    layers: int | None = None,
    *,
    drop_previews: bool = False,
    overwrite: bool = False,
) -> ChangedFile:
    """Take off the enhancement layers above the first ``layers``; what is left is what the file was before them.

    Args:
        path: An .nvc file.
        output: Where to write; None changes the file itself.
        layers: Enhancement layers to keep; 0 keeps the base alone, None all of them.
        drop_previews: Leave previews out too; then what stands behind them moves forward.
        overwrite: Replace an existing output.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: It has fewer layers, or nothing is to be taken off; or the output exists, cannot be written, or is
            just being changed.
    """
    output = None if output is None else _output_name(output, "layers")
    if layers is None and not drop_previews:
        raise UsageError(
            "nothing to take off was named",
            "Say how many layers to keep:  --layers 0   or leave out previews:  --drop-previews",
        )
    path = file_name(path)
    layers = None if layers is None else read_value("layers", whole(0), layers)

    def change(old: bytes) -> tuple[int, bytes]:
        held = read_container(old).layers
        if layers is not None and layers > held:
            raise no_layer(layers, held, file=str(path))
        kept = old if layers is None else stripped(old, layers)
        if not drop_previews:
            return len(kept), b""
        new = without_previews(kept)
        return (len(kept), b"") if new == kept else (0, new)

    return _changed(path, output, overwrite, change)


@strict
def append(
    path: str | Path, pack_path: str | Path, output: str | Path | None = None, *, overwrite: bool = False
) -> ChangedFile:
    """Put a layer that is a file of its own on a file.

    Args:
        path: The .nvc file that the layer was made for.
        pack_path: The layer, as :func:`extract` writes it.
        output: Where to write; None changes the file itself.
        overwrite: Replace an existing output.

    Raises:
        InputError: A file cannot be read.
        BitstreamError: A file is damaged, or the layer was made for another, or one below it has to come first.
        UnsupportedError: A file needs something this version does not have.
        UsageError: The output exists, cannot be written, or is just being changed.
    """
    pack_path = file_name(pack_path)
    with naming(called(pack_path)):
        packs = read_pack_file(read_bitstream(pack_path))

    def change(old: bytes) -> tuple[int, bytes]:
        try:
            return len(old), appended(old, packs)
        except MissingLayerError as error:
            if (first := _next_layer(read_container(old), Path(pack_path).parent)) is not None:
                error.hint += f":  nvc append {quoted(path)} {quoted(first)}"
            raise

    return _changed(path, output, overwrite, change, pack_path)


def _next_layer(container: Container, folder: Path) -> Path | None:
    """The file in a folder whose layer can be put on a bitstream; None: there is none among the first."""
    wanted = [pile[-1] for pile in container.layer_ids]
    for path in sorted(folder.glob("*.nvcl"))[:_MOST_TRIED]:
        try:
            packs = read_pack_file(read_bitstream(path))
        except NvcError:
            continue
        if [pack.parent for pack in packs] == wanted:
            return path
    return None


@strict
def extract(path: str | Path, output: str | Path, layer: int, *, overwrite: bool = False) -> ChangedFile:
    """Write one enhancement layer as a file of its own.

    Args:
        path: An .nvc file.
        output: Where to write.
        layer: 1 for the first above the base.
        overwrite: Replace an existing output.

    Returns:
        The file of the layer, of one layer.

    Raises:
        InputError: The file cannot be read.
        BitstreamError: It is damaged.
        UnsupportedError: It needs something this version does not have.
        UsageError: It has no such layer; or the output exists or cannot be written.
    """
    path, output, layer = file_name(path), _output_name(output, "layer"), read_value("layer", whole(1), layer)
    check_bitstream(output, overwrite, [path], ".nvcl")
    with naming(called(path)):
        container = read_container(read_bitstream(path))
    if not 1 <= layer <= container.layers:
        raise no_layer(layer, container.layers, file=str(path), option="--layer", first=1)
    data = pack_file(container, layer)
    with exclusive(output):
        replace_with(path, data, output, keep=0, overwrite=overwrite)
    return ChangedFile(str(output), len(data), 1, len(data))


def _output_name(output: object, number: str) -> str:
    """The name of an output, in front of which a number may have been meant.

    Raises:
        UsageError: It is none.
    """
    if isinstance(output, int):
        raise UsageError(
            f"{output} is no output", f"The output comes first, then the number by its name:  {number}=..."
        )
    return file_name(output)


def _changed(
    path: str | Path,
    output: str | Path | None,
    overwrite: bool,
    change: Callable[[bytes], tuple[int, bytes]],
    *inputs: str | Path,
) -> ChangedFile:
    """Write a file with as many of its old bytes as ``change`` says, then the new ones; ``inputs`` are read too."""
    path, output = file_name(path), None if output is None else file_name(output)
    in_place = output is None or (path != "-" and os.path.realpath(output) == os.path.realpath(path))
    target = path if output is None else output
    if in_place:
        _check_changeable(path)
        check_apart([target], inputs if output is not None else ())
    else:
        check_bitstream(target, overwrite, [path, *inputs])
    with exclusive(target), naming(called(path)):
        old = read_bitstream(path)
        keep, tail = change(old)
        if not in_place or tail or keep < len(old):
            replace_with(path, tail, target, keep=keep, made_for=old, overwrite=overwrite or in_place)
        layers = read_container(old[:keep] + tail).layers
    return ChangedFile(str(target), keep + len(tail), 1 + layers, keep + len(tail) - len(old))


def _check_changeable(path: str | Path) -> None:
    """Refuse to change what is no file.

    Raises:
        UsageError: It is standard input, a pipe or a device.
    """
    if path == "-":
        raise UsageError("standard input cannot be changed", "Name an output with -o")
    if os.path.lexists(path) and not os.path.isdir(path) and place_of(path).is_stream:
        raise UsageError(f"{path} is no file that could be changed", "Name an output with -o")
