"""The two stages of a fit in groups of pictures: all frames together, then each group for itself.

Source: TeNeRV (Zhu et al.) section III-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nvcodec.config.fit import GopConfig
from nvcodec.encoder.fit.optimiser import FieldOptimiser
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.plan.partition import divergence, partition
from nvcodec.models.gops import GroupedField


class Grouping:
    """Lets the groups of a field go apart when the content is known well enough to say where they begin.

    Every parameter that groups have for themselves is there from the start, so that the size of the network and the
    optimiser's state never change; it begins where the one it was shared as has got to.

    Args:
        flat: The field; one without groups is left alone.
        optimiser: What it has learned of a shared parameter is handed on.
        config: When and how; None leaves every field alone.
    """

    def __init__(self, flat: FlatField, optimiser: FieldOptimiser, config: GopConfig | None) -> None:
        self.flat, self.optimiser, self.config = flat, optimiser, config or GopConfig()
        self.field = flat.field if config is not None and isinstance(flat.field, GroupedField) else None
        if self.field is not None:
            self.field.groups.apart = len(self.field.geometry.gops) == 1

    @property
    def gops(self) -> tuple[int, ...]:
        """The groups of the second stage: the first frame of each; none before it, or where there are no groups."""
        return self.field.geometry.gops if self.field is not None and self.field.groups.apart else ()

    @property
    def is_apart(self) -> bool:
        """Whether groups of pictures draw with parameters of their own."""
        return self.field is None or self.field.groups.apart

    @contextmanager
    def as_later(self) -> Iterator[None]:
        """A block in which groups draw as in the second stage, which takes most of the time."""
        if self.field is None or self.field.groups.apart:
            yield
            return
        self.field.groups.apart = True
        try:
            yield
        finally:
            self.field.groups.apart = False

    def update(self, progress: float) -> None:
        """Begin the second stage when it is time."""
        if self.field is None or self.field.groups.apart or progress < self.config.together_until:
            return
        self.flat.settle()
        frames = torch.arange(self.field.geometry.frames, device=self.flat.vector.device)
        with torch.no_grad():
            features = self.field.temporal_features(frames)
        values = divergence(features.float().cpu().numpy())
        self.split(partition(values, len(self.field.geometry.gops), self.config))
        for heir, parent in self.flat.heirs.items():
            self.optimiser.hand_on(self.flat.places(heir), self.flat.places(parent))

    def hold(self) -> None:
        """Forget the gradient, from the rate, of what groups will have for themselves: nobody draws with it yet."""
        gradient = self.flat.vector.grad
        if self.field is not None and not self.field.groups.apart and gradient is not None:
            for heir in self.flat.heirs:
                gradient[self.flat.places(heir)] = 0

    def split(self, gops: tuple[int, ...]) -> None:
        """The second stage with these groups: the first frame of each."""
        if self.field is not None:
            self.field.regroup(gops)
            self.field.groups.apart = True
