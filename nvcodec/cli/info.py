"""``nvc info``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import click

from nvcodec.api.info import Info, probe
from nvcodec.api.layer_file import LayerFileInfo, probe_layer
from nvcodec.cli import _options as options
from nvcodec.cli._format import table
from nvcodec.cli._options import Command, option
from nvcodec.cli._tensors import all_costs, part_table, tensor_table
from nvcodec.cli._terminal import Terminal, print_error, print_json, say
from nvcodec.container import counted
from nvcodec.container.ids import CHUNK_TYPES
from nvcodec.decoder.opening import called, read_bitstream
from nvcodec.decoder.verdict import Verdict
from nvcodec.errors import naming, shown
from nvcodec.io.geometry import describe
from nvcodec.io.saying import plural
from nvcodec.models import pack_registry
from nvcodec.models.registry import citation
from nvcodec.progress import figures
from nvcodec.progress.figures import count
from nvcodec.progress.lines import printable
from nvcodec.types import NOTHING_SAID

_GOPS_LISTED = 12
"""Up to so many groups of pictures are listed by their first frames."""

_LOCATIONS = {1: "in the centre", 2: "at the top left", 3: "at the top", 4: "at the bottom left", 5: "at the bottom"}
_MATRICES = {
    0: "RGB", 1: "BT.709", 2: "unspecified", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 8: "YCgCo",
    9: "BT.2020",
    10: "BT.2020 constant luminance", 12: "chroma-derived", 13: "chroma-derived, constant luminance", 14: "ICtCp",
}  # fmt: skip


@click.command(
    cls=Command,
    examples=("nvc info clip.nvc", "nvc info clip.nvc --chunks", "nvc info *.nvc --json | jq '.[].bpp'"),
)
# fmt: off
@click.argument("files", nargs=-1, required=True, metavar="BITSTREAM...")
@option("--chunks", group="Output", is_flag=True, help="List every chunk: offset, type, bytes, checksum.")
@option(
    "--tensors",
    group="Output",
    is_flag=True,
    help="Show where the bits are, by part of the network and by tensor.",
)
@option(
    "--check",
    group="Output",
    is_flag=True,
    help="Verify all checksums and integers (does not decode pictures); exit 4 if wrong.",
)
@option("--cite", group="Output", is_flag=True, help="BibTeX of the methods used in the file.")
@options.output_options(progress=False, overwrite=False)
# fmt: on
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], chunks: bool, tensors: bool, check: bool, cite: bool) -> None:
    """Show what a bitstream, or the file of a layer, holds, without decoding it.

    BITSTREAM is an .nvc file or '-' for stdin; of several, --json prints a list.
    """
    terminal = ctx.ensure_object(Terminal)
    found = [_probed(file) for file in files]
    for info in found:
        for warning in info.warnings if isinstance(info, Info) and not check else ():  # a check says them itself
            terminal.warn(f"{info.file}: {warning}")
    if cite:
        say("\n\n".join(citation(name) for name in dict.fromkeys(name for info in found for name in _cited(info))))
        return
    verdicts = [info.verdict() if check and isinstance(info, Info) else None for info in found]
    if terminal.as_json:
        objects = [_object(info, tensors, verdict) for info, verdict in zip(found, verdicts, strict=True)]
        print_json(objects[0] if len(objects) == 1 else objects)
    _raise_if_wrong(found, verdicts)
    if not terminal.as_json:
        texts = [
            _layer_file(info, check) if isinstance(info, LayerFileInfo) else _video(info, verdict, chunks, tensors)
            for info, verdict in zip(found, verdicts, strict=True)
        ]
        say(printable("\n\n".join(texts)))


def _probed(file: str) -> Info | LayerFileInfo:
    """What a file is; standard input can be read once only."""
    if file != "-":
        return probe_layer(file) or probe(file)
    data, name = read_bitstream(file), called(file)
    with naming(name):
        return replace(probe_layer(data) or probe(data), file=name)


def _cited(info: Info | LayerFileInfo) -> Iterator[str]:
    """Names of the methods that a file uses."""
    packs = info.networks if isinstance(info, LayerFileInfo) else [p.model_id for p in info.session.container.packs]
    if isinstance(info, Info):
        yield info.model
    yield from filter(None, map(pack_registry.citation_name, packs))


def _object(info: Info | LayerFileInfo, tensors: bool, verdict: Verdict | None) -> dict[str, object]:
    """A file as JSON."""
    if isinstance(info, LayerFileInfo):
        return info.to_json()
    told = {"tensors": _tensor_objects(info)} if tensors else {}
    return info.to_json() | told | ({} if verdict is None else {"check": verdict.to_json()})


def _layer_file(info: LayerFileInfo, check: bool) -> str:
    """The file of a layer in a few lines."""
    below = "the base" if info.layer == 1 else f"layer {info.layer - 1}"
    facts = [
        ("made for", f"{below} with the id {info.made_for[0]}" + (" in segment 0" if len(info.made_for) > 1 else "")),
        ("PSNR", "" if info.psnr_db is None else f"{info.psnr_db:.2f} dB with it"),
        ("checked", "all checksums; its integers need the base" if check else ""),
    ]
    what = f"layer {info.layer} for {plural(info.frames, 'frame')} in {plural(len(info.made_for), 'segment')}"
    lines = [f"{info.file}  {figures.size(info.bytes)}  {what}, without its base"]
    return "\n".join(lines + [f"  {name:<10}  {fact}" for name, fact in facts if fact])


def _video(info: Info, verdict: Verdict | None, chunks: bool, tensors: bool) -> str:
    """A bitstream on one screen, and the tables asked for."""
    lines = summary(info)
    lines += [] if verdict is None else [_checked(info, verdict)]
    lines += ["", *_stream_table(info)] if info.session.config.keyed else []
    lines += ["", *_layer_table(info)] if len(info.layers) > 1 else []
    lines += ["", *_chunk_table(info)] if chunks else []
    lines += ["", *_tensor_tables(info)] if tensors else []
    return "\n".join(lines)


def _raise_if_wrong(infos: Sequence[Info | LayerFileInfo], verdicts: list[Verdict | None]) -> None:
    """Tell what checks have found.

    Raises:
        NvcError: Something is wrong with a file.
    """
    failures = []
    for info, verdict in zip(infos, verdicts, strict=True):
        if verdict is not None and (failure := verdict.error()) is not None:
            failure.message = f"{info.file}: {failure.message}"
            failures.append(failure)
    for failure in failures[:-1]:
        print_error(failure.message, failure.hint)
    if failures:
        raise failures[-1]


def _checked(info: Info, verdict: Verdict) -> str:
    """What a check has looked at."""
    compared = info.digests + info.pack_digests
    digests = f"integers match {plural(compared, 'digest')}" if compared else "no digests to compare"
    return f"  {'checked':<10}  {digests}; {verdict.summary}"


def summary(info: Info) -> list[str]:
    """A bitstream on one screen."""
    one = len(info.streams) == 1
    what = f"{describe(info.streams[0].format)}{_rate(info)}" if one else f"of {plural(len(info.streams), 'video')}"
    lines = [f"{info.file}  {figures.size(info.bytes)}  {info.bpp:.4f} bpp   {plural(info.frames, 'frame')} {what}"]
    keyed = info.session.config.keyed
    facts = [
        ("bitstream", "version {}.{}".format(*info.version)),
        ("model", f"{info.model}, {count(info.parameters)} parameters, {info.bits_per_parameter:.2f} bits each"),
        ("network", info.session.config.summary()),
        ("pictures", _pictures(info)),
        *((f"stream {i}", _stream(info, i)) for i in range(len(info.streams)) if len(info.streams) > 1 and not keyed),
        *(
            (f"side {i}" if len(info.streams) > 1 else "side data", _side_data(info, i))
            for i in range(len(info.streams))
        ),
        ("layers", _layers(info)),
        ("segments", _segments(info)),
        ("gops", _gops(info)),
        ("previews", _previews(info)),
        ("bytes", _shares(info)),
        ("metadata", ", ".join(f"{key} {value}" for key, value in info.metadata.items())),
    ]
    return lines + [f"  {name:<10}  {fact}" for name, fact in facts if fact]


def _rate(info: Info) -> str:
    fps = info.streams[0].format.fps
    if fps is None:
        return ""
    return f", {figures.bit_rate(float(8 * info.bytes * fps / info.frames))}"


def _pictures(info: Info) -> str:
    video = info.session.drawn_format()
    colour, levels = video.colour, "full" if video.colour.full_range else "limited"
    return f"{video.chroma.name.lower()}, matrix {_MATRICES.get(colour.matrix, colour.matrix)}, {levels} range"


def _layers(info: Info) -> str:
    """How many there are, and the id that the next one has to name; "" where none can be."""
    if info.session.pyramid(info.segments[0]) is None or len(info.streams) > 1:
        return ""
    where = " in segment 0" if len(info.segments) > 1 else ""
    return f"{counted(len(info.layers) - 1)}, with the id {info.layers[-1].ids[0]}{where}"


def _stream(info: Info, index: int) -> str:
    stream = info.streams[index]
    name = f"{shown(stream.name)}, " if stream.name else ""
    return f"{name}{plural(info.session.frame_count(index), 'frame')} {describe(stream.format)}"


def _side_data(info: Info, index: int) -> str:
    """What the source of a stream said besides its pictures."""
    side, facts = info.session.container.side_data.get(index, NOTHING_SAID), []
    if side.aspect is not None:
        facts.append(f"samples {side.aspect.numerator}:{side.aspect.denominator}")
    if side.chroma_location is not None:
        facts.append(f"chroma {_LOCATIONS[side.chroma_location]}")
    if (display := side.mastering) is not None:
        facts.append(f"mastered at {display.min_luminance / 10_000:g} to {display.max_luminance / 10_000:g} cd/m²")
    if (light := side.light) is not None:
        facts.append(f"light up to {light.max_content}, frames {light.max_average} cd/m²")
    if (times := side.timestamps) is not None:
        least, most, all_of_it = (
            float(ticks * times.time_base) for ticks in (min(times.ticks), max(times.ticks), times.starts[-1])
        )
        facts.append(f"frames of {least:.4g} to {most:.4g} s, {all_of_it:.4g} s in all")
    return ", ".join(facts)


def _stream_table(info: Info) -> list[str]:
    """The videos of an archive, and what their key frames cost."""
    rows = []
    for index, stream in enumerate(info.streams):
        keys = info.key_frames(index)
        assert keys is not None
        rows.append(
            (
                str(index),
                stream.name,
                describe(stream.format),
                f"{info.session.frame_count(index):,}",
                f"{keys.count:,}" if keys.problem is None else "damaged",
                f"{keys.bytes:,}",
                f"{keys.direct:,}",
            )
        )
    header = ("stream", "name", "video", "frames", "key frames", "bytes", "shown as they are")
    return ["  " + line for line in table(header, rows, {1, 2})]


def _segments(info: Info) -> str:
    lengths = [segment.frames for segment in info.segments]
    span = str(lengths[0]) if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
    each = "" if len(lengths) == 1 else " each"
    noun = "frame" if span == "1" else "frames"
    verifiable = "with digests" if info.digests == len(lengths) else f"{info.digests} with digests"
    return f"{len(lengths)} of {span} {noun}{each}, {verifiable}"


def _gops(info: Info) -> str:
    """Groups of pictures, where their parameters differ: first frames, or lengths where there are many."""
    starts = [segment.first_frame + start for segment in info.segments for start in segment.gops]
    if not info.session.config.has_gops or len(info.streams) > 1 or len(starts) == len(info.segments):
        return ""
    if len(starts) <= _GOPS_LISTED:
        return f"{len(starts)}, from frame {', '.join(map(str, starts))}"
    lengths = [later - earlier for earlier, later in zip(starts, [*starts[1:], info.frames], strict=True)]
    return f"{len(starts)} of {min(lengths)} to {max(lengths)} frames"


def _previews(info: Info) -> str:
    """Sizes that can be drawn quickly, and what that costs."""
    sizes = []
    for divisor, preview in info.previews.items():
        of = "" if preview.segments == len(info.segments) else f" for {plural(preview.segments, 'segment')}"
        sizes.append(f"1/{divisor}{of} {plural(preview.bytes, 'byte')}")
    return ", ".join(sizes) + (", and smaller" if sizes and 8 not in info.previews else "")


def _shares(info: Info) -> str:
    """Where the bytes of the file are, by type of chunk."""
    by_type: dict[str, int] = {}
    for chunk in info.chunks:
        by_type[chunk.type] = by_type.get(chunk.type, 0) + chunk.end - chunk.offset
    return ", ".join(f"{name} {size:,} ({size / info.bytes:.1%})" for name, size in by_type.items())


def _layer_table(info: Info) -> list[str]:
    """What each layer adds to the file, and the quality that is reached with it."""
    rows = [
        (
            "base" if layer.layer == 0 else str(layer.layer),
            f"{layer.bytes:,}",
            f"{layer.bytes / info.bytes:.1%}",
            "?" if layer.psnr_db is None else f"{layer.psnr_db:.2f} dB",
            "?" if layer.parameters is None else count(layer.parameters),
        )
        for layer in info.layers
    ]
    return ["  " + line for line in table(("layer", "bytes", "share", "PSNR", "parameters"), rows, {0})]


def _chunk_table(info: Info) -> list[str]:
    rows = [
        (f"{c.offset:,}", c.type, f"{c.length:,}", f"{c.crc:08x}", CHUNK_TYPES.get(c.type, "unknown"))
        for c in info.chunks
    ]
    return ["  " + line for line in table(("offset", "type", "bytes", "checksum", "content"), rows, {1, 3, 4})]


def _tensor_tables(info: Info) -> list[str]:
    lines: list[str] = []
    for layer in _known_layers(info):
        lines += [f"  layer {layer}", ""] if layer else []
        lines += ["  " + line for line in part_table(all_costs(info, layer))]
        for ordinal in info.networks(layer):
            segment = info.segments[ordinal]
            title = f"  segment {ordinal}: frames {segment.first_frame} to {segment.first_frame + segment.frames - 1}"
            lines += ["", title] if len(info.networks(layer)) > 1 else [""]
            lines += ["  " + line for line in tensor_table(info.tensors(ordinal, layer))]
        lines.append("")
    return lines[:-1]


def _tensor_objects(info: Info) -> list[dict[str, object]]:
    return [
        {
            "layer": layer,
            "segment": ordinal,
            "id": cost.spec.id,
            "name": cost.spec.name,
            "shape": list(cost.spec.shape),
            "model": cost.model_id.name.lower(),
            "bits": cost.bits,
            "step_bits": cost.step_bits,
        }
        for layer in _known_layers(info)
        for ordinal in info.networks(layer)
        for cost in info.tensors(ordinal, layer)
    ]


def _known_layers(info: Info) -> list[int]:
    return [layer.layer for layer in info.layers if layer.parameters is not None]
