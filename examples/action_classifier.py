"""Train a small network to tell kinds of motion apart, straight from an archive.

    nvc encode left_*.mp4 right_*.mp4 -o archive.nvc
    python examples/action_classifier.py archive.nvc --steps 200

The label of a video is its name up to the last ``_``: ``left_1`` and ``left_2`` are both ``left``. Clips are decoded as
they are needed, by as many worker processes as ``--workers`` says; nothing is unpacked to the disk.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
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
    losses: tuple[float, ...]
    """Cross entropy of every step."""
    accuracy: float
    """Share of all clips of the archive that are told right, 0..1; they are the ones trained on."""


class Classifier(nn.Module):
    """Three convolutions over time and space, each halving both, then the mean over what is left."""

    def __init__(self, labels: int, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        incoming = 3
        for level in range(3):
            outgoing = width * 2**level
            layers += [nn.Conv3d(incoming, outgoing, 3, 2, 1), nn.GroupNorm(4, outgoing), nn.GELU()]
            incoming = outgoing
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(incoming, labels)

    def forward(self, clips: Tensor) -> Tensor:
        """[batch, T, 3, height, width] in 0..1 -> scores [batch, labels]."""
        scores: Tensor = self.head(self.features(clips.transpose(1, 2) - 0.5).mean((2, 3, 4)))
        return scores


def label_of(name: str) -> str:
    """``left_1`` -> ``left``."""
    return name.rpartition("_")[0] or name


def shrunk(size: int, frames: Tensor) -> Tensor:
    """Frames uint8 [T, 3, height, width] of any size -> float32 [T, 3, size, size] in 0..1."""
    return F.interpolate(frames.float() / 255, (size, size), mode="bilinear", antialias=True)


def train(
    archive: Path, *, steps: int = 200, batch: int = 8, size: int = 64, clip_length: int = 8, workers: int = 0
) -> Outcome:
    """Fit a classifier to the clips of an archive and ask it about each of them."""
    torch.manual_seed(0)
    dataset = VideoDataset(
        archive, clip_length=clip_length, stride=max(1, clip_length // 2), transform=partial(shrunk, size)
    )
    labels = tuple(sorted({label_of(stream.name) for stream in dataset.streams}))
    if len(labels) < 2:
        raise SystemExit(f"{archive} has one kind of video only: {', '.join(labels)}")
    wanted = torch.tensor([labels.index(label_of(stream.name)) for stream in dataset.streams])
    loader: DataLoader[VideoClip] = DataLoader(
        dataset, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    network = Classifier(len(labels))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses: list[float] = []
    for clips in chain.from_iterable(repeat(loader)):
        loss = F.cross_entropy(network(clips.frames), wanted[clips.stream])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        if len(losses) % 20 == 0:
            print(f"step {len(losses):5}  loss {sum(losses[-20:]) / 20:.3f}")
        if len(losses) >= steps:
            break
    with torch.no_grad():
        right = [network(clips.frames).argmax(1) == wanted[clips.stream] for clips in DataLoader(dataset, batch)]
    return Outcome(labels, tuple(losses), torch.cat(right).float().mean().item())


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, help="side that pictures are scaled to")
    parser.add_argument("--clip-length", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args(arguments)
    outcome = train(**vars(given))
    print(f"{', '.join(outcome.labels)}: {outcome.accuracy:.0%} of the clips trained on are told right")


if __name__ == "__main__":
    main()
