"""Re-parameterised convolutions: several of different sizes side by side in a fit, one in the file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvcodec.encoder.fit.parameters import FlatField


class Branches(nn.Module):
    """Smaller convolutions beside those of a field's blocks: of every smaller odd size, on the same input, summed.

    A sum of convolutions of one input is one convolution, whose kernel is the sum of theirs, each with zeros around it,
    at the borders of the picture too. The parameter vector always holds these sums, so whoever looks at a fit sees what
    a file would hold: the largest convolution is what the branches leave of it.

    Source: QS-NeRV section 3.2, Figure 3, whose list of sizes the text does not give.

    Args:
        flat: The field; its vector takes up what the branches begin with.
        wanted: False: there are none.
    """

    def __init__(self, flat: FlatField, wanted: bool) -> None:
        super().__init__()
        self.flat, self.parts, places = flat, nn.ParameterList(), []
        device = flat.vector.device
        shapes = {spec.name: spec.shape for spec in flat.specs}
        for name in flat.field.branched if wanted else ():
            outputs, inputs, side, _ = shapes[f"{name}.weight"]
            where = torch.arange(flat.vector.numel(), device=device)
            weight = where[flat.places(f"{name}.weight")].view(outputs, inputs, side, side)
            for own in range(1, side, 2):
                rim = (side - own) // 2
                reach = (inputs * own**2) ** -0.5
                self.parts.append(torch.empty(outputs, inputs, own, own, device=device).uniform_(-reach, reach))
                self.parts.append(torch.zeros(outputs, device=device))
                places += [weight[:, :, rim : rim + own, rim : rim + own].reshape(-1)]
                places += [where[flat.places(f"{name}.bias")]]
        self._places = torch.cat(places) if places else None
        self._folded = torch.zeros_like(self._values())
        self.fold()

    def place(self, vector: Tensor) -> Tensor:
        """The same vector, with gradients that reach the branches too."""
        if self._places is None:
            return vector
        values = self._values()
        return vector.index_add(0, self._places, values - values.detach())

    @torch.no_grad()
    def fold(self) -> None:
        """Take up in the vector what has changed of the branches."""
        if self._places is not None:
            values = self._values()
            self.flat.vector.index_add_(0, self._places, values - self._folded)
            self._folded.copy_(values)

    @torch.no_grad()
    def load(self, values: list[Tensor]) -> None:
        """Go on with branches that a saved vector has taken up."""
        for part, value in zip(self.parts, values, strict=True):
            part.copy_(value)
        self._folded.copy_(self._values())

    def _values(self) -> Tensor:
        """All of them, one after the other."""
        return torch.cat([part.reshape(-1) for part in self.parts] or [self.flat.vector.detach()[:0]])
