"""Action recognition from decoded clips: the source, H.264, AV1 and an archive, at equal bytes (D-NeRV, Table 8).

    python benchmarks/action_recognition.py -o ~/runs/actions
    python benchmarks/action_recognition.py -o ~/runs/actions --sizes 800 2400 --seeds 0 1 2

A classifier is trained on clips of the source and asked about others that it has not seen, after they were coded (the
paper's setting "Test"). The clips are made by benchmarks/moving_textures.py: only motion tells their eight kinds
apart, and training and test share no sample of a picture. The clips of the test go into one file of each codec:
``dnerv``, at so many bytes a clip, in three ways (see ``_ARCHIVES``), then the others, nearest to the archive's
size. Sizes are those of the files on disk. H.264 and AV1 have no container, which would cost them bytes (``.h264``,
``.obu``), and a key frame at the start of every clip, so that each can be read by itself. What key frames alone tell
is measured too: those of the source, blended into each other.

Everything is drawn anew for every seed: clips, the classifier's beginning, the archive's fit. Stop it at any moment;
the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]  # this checkout's codec, installed or not

from action_classifier import Classifier, fit  # noqa: E402

from benchmarks.figures import COLOURS, panel, save  # noqa: E402
from benchmarks.markdown import table  # noqa: E402
from benchmarks.moving_textures import FORMAT, FRAMES, KINDS, LabelledClip, labelled_clips  # noqa: E402
from nvcodec import VideoDataset, encode  # noqa: E402
from nvcodec.color import to_eight_bit, to_rgb  # noqa: E402
from nvcodec.io.packets import EncodedVideo, encode_packets  # noqa: E402
from nvcodec.io.sink import open_sink  # noqa: E402
from nvcodec.io.source import open_source  # noqa: E402
from nvcodec.types import Planes  # noqa: E402

_STEP = 3
"""The classifier sees every third picture."""
_BATCH = 16
_TURNED: tuple[tuple[int, tuple[tuple[str, str], ...]], ...] = (
    (-1, (("left", "right"), ("clockwise", "anticlockwise"))),  # mirrored
    (-2, (("up", "down"), ("clockwise", "anticlockwise"))),  # upside down
    (-4, tuple(zip(KINDS[::2], KINDS[1::2], strict=True))),  # backwards
)
"""What makes a clip one of another kind: the axis that is turned round, and the kinds that change places."""
_ENCODERS: dict[str, tuple[str, dict[str, str], float, float, float]] = {
    "H.264": ("libx264", {"preset": "veryslow", "g": str(FRAMES), "keyint_min": str(FRAMES),
                          "sc_threshold": "0", "threads": "1"}, 1, 51, 0.25),
    "AV1": ("libsvtav1", {"preset": "4", "g": str(FRAMES), "svtav1-params": "lp=1"}, 1, 63, 1),
}  # fmt: skip
"""Encoder, options, and of its rate factor the least, the most, and the step."""
_ARCHIVES: dict[str, tuple[str, dict[str, object]]] = {
    "archive, 8": ("archive", {}),
    "archive, 4": ("archive, a key frame in four", {"model.clip": 4}),
    "archive, fine": ("archive, drawn without pixel shuffle", {"model.shuffle": 1}),
}
"""Names in tables, and settings besides the preset's, whose network draws at a quarter of the size."""


@dataclass(frozen=True)
class Conditions:
    """What results depend on, besides the seed."""

    sizes: tuple[int, ...]
    """Bytes a clip."""
    archives: tuple[str, ...]
    """Which of the archives."""
    train: int
    """Clips of each kind."""
    test: int
    steps: int
    """Of the classifier."""
    epochs: float
    """Of the archive's fit, preset ``draft``."""


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not measured yet, print a table, write JSON and a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder of the results")
    parser.add_argument("--sizes", type=int, nargs="+", default=[800, 1200, 2400], help="bytes a clip")
    parser.add_argument("--archives", nargs="+", choices=_ARCHIVES, default=list(_ARCHIVES), help="which of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--train", type=int, default=24, help="clips of each kind that are trained on")
    parser.add_argument("--test", type=int, default=12, help="clips of each kind that are held out")
    parser.add_argument("--steps", type=int, default=600, help="of the classifier")
    parser.add_argument("--epochs", type=float, default=3, help="of the archive's fit")
    parser.add_argument("--table-only", action="store_true", help="of what is there, without measuring anything")
    parser.add_argument("--quick", action="store_true", help="a moment of everything, to see that it runs")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    how = Conditions(tuple(given.sizes), tuple(given.archives), given.train, given.test, given.steps, given.epochs)
    if given.quick:
        how, given.seeds = Conditions((2000,), ("archive, 8",), 2, 1, 4, 1), given.seeds[:1]
    measured = _found if given.table_only else _of_seed
    rows = [row for seed in given.seeds for row in measured(given.output / f"seed{seed}", seed, how)]
    summary = {"schema": "nvc-action-recognition/1", "kinds": KINDS, "frames": FRAMES, "width": FORMAT.width,
               "height": FORMAT.height, **asdict(how), "seeds": given.seeds, "results": rows}  # fmt: skip
    (given.output / "action_recognition.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(shown(rows))
    draw(rows, given.output / "accuracy.png")
    return 0


def shown(rows: Sequence[dict[str, Any]]) -> str:
    """The table: a line for each codec and size, means over the seeds, and every seed's accuracy."""
    lines = []
    for size, codec in dict.fromkeys((row["size"], row["codec"]) for row in rows):
        runs = [row for row in rows if (row["size"], row["codec"]) == (size, codec)]
        mean = {key: sum(run[key] for run in runs) / len(runs) for key in ("bytes_a_clip", "psnr_rgb", "accuracy")}
        nbytes = "" if codec.startswith("blended") else f"{mean['bytes_a_clip']:,.0f}"
        db = f"{mean['psnr_rgb']:.2f}" if size else ""
        each = ", ".join(f"{run['accuracy']:.1%}" for run in runs)
        lines.append((_named(codec), nbytes, db, f"**{mean['accuracy']:.1%}**", each))
    return table(("clips from", "bytes a clip", "PSNR of RGB", "told right", "seed by seed"), lines)


def _named(codec: str) -> str:
    """What a table calls it."""
    if codec in _ARCHIVES:
        return _ARCHIVES[codec][0]
    kind, _, every = codec.partition(", ")
    return f"source, every {every}th picture, blended" if kind == "blended" else codec


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Accuracy against bytes: lines through the means, a dot for each seed; what has no size is a line across."""
    figure, axes = panel(6.4, 4.4)
    axes.axhline(100 / len(KINDS), color=COLOURS["raw"], linewidth=1, linestyle=":", label="chance")
    for codec in dict.fromkeys(row["codec"] for row in rows):
        runs = [row for row in rows if row["codec"] == codec]
        kind, _, way = codec.partition(", ")
        style: dict[str, Any] = {"color": COLOURS.get(kind), "linestyle": {"4": "--", "fine": ":"}.get(way, "-")}
        groups = [[run for run in runs if run["size"] == size] for size in dict.fromkeys(run["size"] for run in runs)]
        sizes, accuracies = (
            [sum(run[key] for run in group) / len(group) for group in groups] for key in ("bytes_a_clip", "accuracy")
        )
        if runs[0]["size"] == 0:
            style["color"] = "#111111" if kind == "source" else "#AAAAAA"
            axes.axhline(100 * accuracies[0], linewidth=1, label=_named(codec), **style)
            continue
        axes.plot(sizes, [100 * one for one in accuracies], label=_named(codec), **style)
        places = ([run["bytes_a_clip"] for run in runs], [100 * run["accuracy"] for run in runs])
        axes.scatter(*places, s=14, color=style["color"])
    axes.set(xlabel="bytes a clip", ylabel="clips told right (%)", ylim=(0, 103))
    axes.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.36))
    save(figure, path)


def _of_seed(folder: Path, seed: int, how: Conditions) -> list[dict[str, Any]]:
    """Every codec at every size; what the folder has already is not measured again."""
    folder.mkdir(parents=True, exist_ok=True)
    _check(folder, how)
    test = list(labelled_clips("test", how.test, seed))
    wanted = torch.tensor([KINDS.index(clip.kind) for clip in test])
    source = torch.stack([rgb(clip.planes) for clip in test])
    network = _classifier(folder / "classifier.pt", seed, how)

    def measured(codec: str, size: int, file: Path | None, clips: Callable[[], Tensor]) -> dict[str, Any]:
        path = folder / f"{codec}-{size}.json"
        if not path.exists():
            decoded = clips()
            error = (decoded.float() - source.float()).square().mean((2, 3, 4)).clamp(min=1e-9)
            whole = sum(one.stat().st_size for one in folder.glob("source/*.y4m")) if file is None else _size(file)
            row = {"seed": seed, "codec": codec, "size": size, "clips": len(test), "bytes": whole,
                   "bytes_a_clip": whole / len(test), "accuracy": _accuracy(network, decoded, wanted),
                   "psnr_rgb": (10 * torch.log10(255**2 / error)).clamp(max=100).mean().item()}  # fmt: skip
            print(json.dumps(row), flush=True)
            path.write_text(json.dumps(row) + "\n")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    sources = _sources(folder / "source", test)
    rows = [measured("source", 0, None, lambda: source)]
    for every in (8, 4):
        rows.append(measured(f"blended, {every}", 0, None, partial(_blended, source, every)))
    for size in how.sizes:
        archives = []
        for name in how.archives:
            file = folder / f"{name}-{size}.nvc"
            fit_it = partial(_archived, file, sources, _ARCHIVES[name][1], size, seed, how)
            archives.append(measured(name, size, file, fit_it))
        rows += archives
        for codec in _ENCODERS:
            file = folder / f"{codec}-{size}{'.obu' if codec == 'AV1' else '.h264'}"
            rows.append(measured(codec, size, file, partial(_coded, codec, file, test, archives[0]["bytes"])))
    return rows


def _found(folder: Path, _seed: int, how: Conditions) -> list[dict[str, Any]]:
    """What was measured before, in the order of :func:`_of_seed`."""
    names = ["source", "blended, 8", "blended, 4", *how.archives, *_ENCODERS]
    places = [(codec, size) for size in (0, *how.sizes) for codec in names]
    files = [folder / f"{codec}-{size}.json" for codec, size in places]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def _check(folder: Path, how: Conditions) -> None:
    """A folder holds results of one set of conditions; other sizes and archives may be added."""
    ours = {name: value for name, value in asdict(how).items() if name not in ("sizes", "archives")}
    path = folder / "conditions.json"
    if path.exists() and json.loads(path.read_text()) != ours:
        raise SystemExit(f"{folder} holds results of other conditions: delete it, or give another -o")
    path.write_text(json.dumps(ours) + "\n")


def _size(file: Path) -> int:
    return file.stat().st_size


def rgb(pictures: Sequence[Planes]) -> Tensor:
    """Pictures of :data:`FORMAT` as the loader gives them: uint8 [N, 3, height, width]."""
    return torch.from_numpy(np.stack([np.stack(to_eight_bit(to_rgb(one, FORMAT), FORMAT)) for one in pictures]))


def _classifier(path: Path, seed: int, how: Conditions) -> Classifier:
    """Trained on the source."""
    torch.manual_seed(seed)
    network = Classifier(len(KINDS))
    if not path.exists():
        clips = list(labelled_clips("train", how.train, seed))
        pictures = torch.stack([_seen(rgb(clip.planes)) for clip in clips])
        wanted = torch.tensor([KINDS.index(clip.kind) for clip in clips])
        fit(network, _batches(pictures, wanted), how.steps)
        torch.save(network.state_dict(), path)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def _batches(pictures: Tensor, wanted: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Clips by lot; a batch may be mirrored, turned upside down and played backwards, and is then of other kinds."""
    while True:
        lot = torch.randint(len(pictures), (_BATCH,))
        clips, kinds = pictures[lot], wanted[lot]
        for axis, pairs in _TURNED:
            if torch.rand(()) < 0.5:
                clips, kinds = clips.flip(axis), _exchanged(pairs)[kinds]
        yield clips, kinds


def _exchanged(pairs: Sequence[tuple[str, str]]) -> Tensor:
    others = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
    return torch.tensor([KINDS.index(others.get(kind, kind)) for kind in KINDS])


def _seen(clips: Tensor) -> Tensor:
    """What the classifier looks at of uint8 [..., T, 3, height, width]: float32 in 0..1."""
    return clips[..., ::_STEP, :, :, :].float() / 255


def _accuracy(network: Classifier, clips: Tensor, wanted: Tensor) -> float:
    with torch.no_grad():
        told = network(_seen(clips)).argmax(1)
    return int((told == wanted).sum()) / len(wanted)


def _sources(folder: Path, clips: Sequence[LabelledClip]) -> list[Path]:
    """Each clip as a file, by its name."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{clip.name}.y4m" for clip in clips]
    for file, clip in zip(files, clips, strict=True):
        if not file.exists():
            with open_sink(file, FORMAT) as sink:
                for planes in clip.planes:
                    sink.write(planes)
    return files


def _blended(clips: Tensor, every: int) -> Tensor:
    """Key frames as they are, and what is between them as their mean, weighed by distance."""
    frames = torch.arange(FRAMES)
    keys = torch.tensor(sorted({*range(0, FRAMES, every), FRAMES - 1}))
    after = keys[torch.searchsorted(keys, frames)]
    before = keys[(torch.searchsorted(keys, frames, right=True) - 1)]
    share = ((frames - before) / (after - before).clamp(min=1))[:, None, None, None]
    return torch.lerp(clips[:, before].float(), clips[:, after].float(), share).round().to(torch.uint8)


def _archived(
    file: Path, sources: list[Path], settings: dict[str, object], size: int, seed: int, how: Conditions
) -> Tensor:
    """An archive of the clips, and what the loader reads from it."""
    encode(
        sources, file, model="dnerv", preset="draft", target_size=size * len(sources), epochs=how.epochs, seed=seed,
        threads=1, overwrite=True, settings=settings,
    )  # fmt: skip
    dataset = VideoDataset(file, clip_length=FRAMES)
    assert [stream.name for stream in dataset.streams] == [source.stem for source in sources]
    return torch.stack([dataset[index].frames for index in range(len(dataset))])


def _coded(codec: str, file: Path, clips: Sequence[LabelledClip], nbytes: int) -> Tensor:
    """A file of the clips, one after the other, nearest to so many bytes; decoded again."""
    encoder, options, low, high, step = _ENCODERS[codec]
    pictures = [planes for clip in clips for planes in clip.planes]

    def stream(factor: float) -> bytes:
        return _bare(encode_packets(pictures, FORMAT, encoder, {**options, "crf": f"{factor:g}"}))

    tried: dict[float, bytes] = {}
    first, last = 0, math.floor((high - low) / step)
    while first <= last:  # sizes fall with the factor
        middle = (first + last) // 2
        tried[middle] = stream(low + step * middle)
        first, last = (first, middle - 1) if len(tried[middle]) <= nbytes else (middle + 1, last)
    file.write_bytes(min(tried.values(), key=lambda data: abs(len(data) - nbytes)))
    with open_source(file, fps=FORMAT.fps) as source:
        decoded = rgb(list(source))
    assert len(decoded) == len(pictures)
    return decoded.view(len(clips), FRAMES, *decoded.shape[1:])


def _bare(video: EncodedVideo) -> bytes:
    """A stream that players open, without a container."""
    if video.codec == "av1":
        return b"".join(b"\x12\x00" + packet.data for packet in video.packets)
    return video.extradata + b"".join(packet.data for packet in video.packets)


if __name__ == "__main__":
    sys.exit(main())
