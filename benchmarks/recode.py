"""What each part of the entropy coding is worth: the integers of a file, coded again with parts left out.

    python benchmarks/recode.py clip.nvc ...

The integers stay the same, so pictures do too, and bytes are all that differs. What the fit itself gains from the rate
is another matter: see the study ``coding`` of ``benchmarks/ablate.py``. Needs no installation of the codec.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's codec, installed or not

from nvcodec.api.costs import networks  # noqa: E402
from nvcodec.decoder.opening import open_session  # noqa: E402
from nvcodec.entropy import payload, search  # noqa: E402
from nvcodec.entropy.models import Symbols  # noqa: E402
from nvcodec.entropy.params import CodingChoice, ModelId  # noqa: E402
from nvcodec.quant.tensors import IntegerTensor  # noqa: E402

Chooser = Callable[[Symbols], CodingChoice]


def main(arguments: list[str] | None = None) -> int:
    """Print a table for every file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    for file in parser.parse_args(arguments).files:
        session = open_session(file)
        tensors = [session.integers(ordinal) for ordinal in networks(session)]
        print(f"## {file.name}, {session.size:,} bytes\n\n| coding | payload bytes | change |\n|---|---|---|")
        whole = 0
        for name, size in sizes(tensors):
            whole = whole or size
            print(f"| {name} | {size:,} | {size / whole - 1:+.1%} |")
    return 0


def sizes(segments: list[list[IntegerTensor]]) -> Iterator[tuple[str, int]]:
    """Bytes of the payloads of all networks, as they are and with something left out."""
    for name, chooser in {
        "as it is": search.choose,
        "no context model": _without_contexts,
        "one Gaussian a tensor, no adaptation": _gaussian,
    }.items():
        with mock.patch.object(payload, "choose", chooser):
            yield name, sum(len(payload.encode_tensors(tensors)) for tensors in segments)
    coded = sum(len(payload.encode_tensors(tensors)) for tensors in segments)
    yield "side information not coded", coded + sum(map(_plain_side_bytes, segments))


def _without_contexts(symbols: Symbols) -> CodingChoice:
    return search.choose(symbols.reshape(-1))  # which has no neighbours in space or time


def _gaussian(symbols: Symbols) -> CodingChoice:
    low = int(symbols.min())
    if symbols.max() == low:
        return CodingChoice(ModelId.RAW if low else ModelId.ZERO, low, low)
    return search._best_gaussian(np.bincount(symbols.ravel() - low), low)


def _plain_side_bytes(tensors: list[IntegerTensor]) -> int:
    """What side information would take more as a byte a step code and the six bytes of model, mean, scale and range."""
    coded_bits = sum(cost.step_bits for cost in payload.tensor_costs(tensors)) + 16 * len(tensors)
    plain = sum(tensor.spec.n_steps + 6 for tensor in tensors)
    return plain - round(coded_bits / 8)


if __name__ == "__main__":
    sys.exit(main())
