"""Train a small network to tell kinds of motion apart, straight from an archive, and ask it about videos held out.

    nvc encode left_*.mp4 right_*.mp4 -o archive.nvc
    python examples/action_classifier.py archive.nvc --steps 200

The label of a video is its name up to the last ``_``: ``left_1`` and ``left_2`` are both ``left``. The last videos of
each label (``--held-out``) are never trained on; the accuracy is that on their clips. Clips are decoded as they are
needed, by as many worker processes as ``--workers`` says; nothing is unpacked to the disk.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nvcodec import VideoClip, VideoDataset


@dataclass(frozen=True)
class Outcome:
    """What came of a training run."""

    labels: tuple[str, ...]
    held_out: tuple[str, ...]
    """Names of the videos that were not trained on."""
    losses: tuple[float, ...]
    """Cross entropy of every step."""
    accuracy: float
    """Share of the clips of the videos held out that are told right, 0..1."""


class Classifier(nn.Module):
    """Tells by how pictures match the next ones when they are shifted: motion, whatever it is that moves.

    One convolution makes features of each picture. Their cosine with those of the next picture, shifted by up to
    ``reach`` places each way, is what further convolutions see.
    """

    def __init__(self, labels: int, width: int = 48, features: int = 4, reach: int = 2) -> None:
        super().__init__()
        self.reach = reach
        self.features = nn.Conv2d(3, features, 5, 2, 2, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d((2 * reach + 1) ** 2)]
        incoming = (2 * reach + 1) ** 2
        for stride in (2, 2, 1):
            layers += [nn.Conv2d(incoming, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()]
            incoming = width
        self.motion, self.head = nn.Sequential(*layers), nn.Linear(width, labels)

    def forward(self, clips: Tensor) -> Tensor:
        """[batch, T, 3, height, width] in 0..1 -> scores [batch, labels]."""
        features = self.features(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        features = features - features.mean((1, 3, 4), keepdim=True)
        features = features / (features.square().mean(2, keepdim=True).sqrt() + 0.02)
        height, width = features.shape[-2:]
        now, then = features[:, :-1], F.pad(features[:, 1:], [self.reach] * 4)
        shifts = range(2 * self.reach + 1)
        matches = [(now * then[..., y : y + height, x : x + width]).mean((1, 2)) for y in shifts for x in shifts]
        scores: Tensor = self.head(self.motion(torch.stack(matches, 1)).mean((2, 3)))
        return scores


def fit(network: Classifier, batches: Iterable[tuple[Tensor, Tensor]], steps: int, rate: float = 0.01) -> list[float]:
    """Train on batches of clips and numbers of their labels, with Adam, for so many steps; the loss of each."""
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    losses: list[float] = []
    for clips, wanted in islice(batches, steps):
        loss = F.cross_entropy(network(clips), wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if len(losses) % 20 == 0:
            print(f"step {len(losses):5}  loss {sum(losses[-20:]) / 20:.3f}", flush=True)
    network.eval()
    return losses


def label_of(name: str) -> str:
    """``left_1`` -> ``left``."""
    return name.rpartition("_")[0] or name


def split(names: list[str], held_out: int) -> tuple[list[int], list[int]]:
    """Positions of the videos to train on, and of the last ``held_out`` of each label."""
    last = {label: [at for at, name in enumerate(names) if label_of(name) == label] for label in map(label_of, names)}
    kept = sorted(at for places in last.values() for at in places[-held_out:])
    if len(kept) == len(names) or not all(len(places) > held_out for places in last.values()):
        short = next(label for label, places in last.items() if len(places) <= held_out)
        raise SystemExit(f"{short} has {len(last[short])} of the {held_out + 1} videos that each kind needs at least")
    return [at for at in range(len(names)) if at not in kept], kept


def shrunk(size: int, frames: Tensor) -> Tensor:
    """Frames uint8 [T, 3, height, width] of any size -> float32 [T, 3, size, size] in 0..1."""
    return F.interpolate(frames.float() / 255, (size, size), mode="bilinear", antialias=True)


def train(
    archive: Path, *, steps: int = 200, batch: int = 8, size: int = 64, clip_length: int = 8, held_out: int = 1,
    workers: int = 0,
) -> Outcome:  # fmt: skip
    """Fit a classifier to the clips of an archive's videos and ask it about those held out."""
    torch.manual_seed(0)
    how = {"clip_length": clip_length, "stride": max(1, clip_length // 2), "transform": partial(shrunk, size)}
    names = [stream.name for stream in VideoDataset(archive, clip_length=clip_length).streams]
    labels = tuple(sorted(set(map(label_of, names))))
    if len(labels) < 2:
        raise SystemExit(f"{archive} has one kind of video only: {', '.join(labels)}")
    parts = [VideoDataset(archive, streams=places, **how) for places in split(names, held_out)]  # type: ignore[arg-type]

    def told(clips: VideoClip) -> Tensor:
        return torch.tensor([labels.index(label_of(name)) for name in clips.name])

    loader: DataLoader[VideoClip] = DataLoader(
        parts[0], batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    network = Classifier(len(labels))
    losses = fit(network, ((clips.frames, told(clips)) for clips in chain.from_iterable(repeat(loader))), steps)
    with torch.no_grad():
        right = [network(clips.frames).argmax(1) == told(clips) for clips in DataLoader(parts[1], batch)]
    unseen = tuple(stream.name for stream in parts[1].streams)
    return Outcome(labels, unseen, tuple(losses), torch.cat(right).float().mean().item())


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, help="side that pictures are scaled to")
    parser.add_argument("--clip-length", type=int, default=8)
    parser.add_argument("--held-out", type=int, default=1, help="videos of each label that are not trained on")
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args(arguments)
    outcome = train(**vars(given))
    unseen = f"{outcome.accuracy:.0%} of the clips of {', '.join(outcome.held_out)} are told right"
    print(f"{', '.join(outcome.labels)}: {unseen}; by chance {1 / len(outcome.labels):.0%} would be")


if __name__ == "__main__":
    main()
