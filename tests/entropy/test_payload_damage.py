"""Damaged payloads: refused with a reason, or read as other valid integers; never anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nvcodec.entropy import payload
from nvcodec.entropy.adaptive import write_adaptive
from nvcodec.entropy.coder import FrequencyTable, RangeReader, RangeWriter
from nvcodec.entropy.params import ModelId
from nvcodec.entropy.payload import decode_tensors, encode_tensors, tensor_costs
from nvcodec.errors import BitstreamError
from nvcodec.quant.tensors import IntegerTensor, Role, TensorSpec

SPECS = [
    TensorSpec(1, "stem.weight", (16, 40), Role.WEIGHT, 0),
    TensorSpec(3, "stem.bias", (16,), Role.VECTOR, None),
    TensorSpec(8, "grid", (4, 10, 10), Role.GRID, None),
    TensorSpec(9, "nodes", (5, 8, 9, 3), Role.GRID, 3, 0),
]


def _payload() -> bytes:
    rng = np.random.default_rng(0)
    tensors = []
    for spec in SPECS:
        symbols = rng.laplace(0, 3, spec.shape)
        if spec.name == "nodes":
            symbols = symbols.cumsum(axis=0)
        codes = rng.integers(-60, -20, spec.n_steps) // (1 + 9 * (np.arange(spec.n_steps) >= spec.n_first_steps))
        tensors.append(IntegerTensor(spec, np.rint(symbols).astype(np.int32), codes.astype(np.int16)))
    assert tensor_costs(tensors)[-1].model_id is ModelId.CONTEXT
    return encode_tensors(tensors)


def _flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for position in rng.integers(0, 8 * len(data), int(rng.integers(1, 4))):
        damaged[position // 8] ^= 1 << (position % 8)
    return bytes(damaged)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _scramble(data: bytes, rng: np.random.Generator) -> bytes:
    """Keep the fingerprint, so that everything behind it meets noise."""
    return data[:4] + rng.bytes(4 * int(rng.integers(0, 200)))


@pytest.mark.parametrize("damage", [_flip_bits, _cut, _scramble])
def test_damage_is_refused_or_harmless(
    damage: Callable[[bytes, np.random.Generator], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    data = _payload()
    refused = 0
    for _ in range(150):
        try:
            assert [tensor.spec for tensor in decode_tensors(damage(data, rng), SPECS)] == SPECS
        except BitstreamError as error:
            refused += 1
            assert error.message
    assert refused > 0
    assert capfd.readouterr() == ("", "")


def test_data_after_the_last_symbol_is_refused() -> None:
    with pytest.raises(BitstreamError, match="goes on"):
        decode_tensors(_payload() + b"more" * 3, SPECS)


@pytest.mark.parametrize(
    "specs",
    [
        SPECS[:2],
        [SPECS[0], replace(SPECS[1], id=4), *SPECS[2:]],
        [SPECS[0], SPECS[1], replace(SPECS[2], shape=(4, 100)), SPECS[3]],
        [replace(SPECS[0], step_axis=1), *SPECS[1:]],
        [*SPECS[:3], replace(SPECS[3], offset_axis=1)],
    ],
)
def test_a_payload_of_other_tensors_is_refused(specs: list[TensorSpec]) -> None:
    with pytest.raises(BitstreamError, match="stem.weight"):
        decode_tensors(_payload(), specs)


def _forge(model: int, scale: int, below: int, above: int, integers: list[int], first_step: int = 0) -> bytes:
    """A payload of the tensor stem.bias whose side information is written without any check."""
    writer = RangeWriter()
    writer.write(payload._int32([payload._fingerprint(SPECS[1:2])]), payload._FINGERPRINT)
    write_adaptive(writer, payload._int32([model]), payload._MODELS)
    if model in (1, 2, 4, 5):
        write_adaptive(writer, payload._int32([scale]), payload._SCALES)
        write_adaptive(writer, payload._int32([below]), payload._SPAN_DIFFERENCES)
        write_adaptive(writer, payload._int32([above]), payload._SPAN_DIFFERENCES)
    for value in integers:
        payload._write_integers(writer, [value])
    write_adaptive(writer, payload._int32([first_step]), payload._FIRST_STEPS)
    writer.write(np.zeros(2000, dtype=np.int32), FrequencyTable.uniform(0, 255))
    return writer.finish()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_forge(1, 30, 0, 0, [32768]), "mean 32768"),
        (_forge(1, 0, -1, 0, [0]), "span codes"),
        (_forge(2, 63, 0, 9, [0]), "span codes"),
        (_forge(2, 63, 0, 0, [0]), "adaptive model with 12289 symbols"),
        (_forge(4, 63, 0, 0, [0]), "adaptive model with 12289 symbols"),
        (_forge(0, 0, 0, 0, [-32768, 0]), "symbols -32768..-32768"),
        (_forge(0, 0, 0, 0, [32767, 1]), "symbols 32767..32768"),
        (_forge(0, 0, 0, 0, [5, -1]), "symbols 5..4"),
        (_forge(5, 20, 0, 0, [0]), "context model for 1 dimensions"),
        (_forge(3, 0, 0, 0, [], 81), "step code"),
        (_forge(3, 0, 0, 0, [], -113), "step code"),
    ],
)
def test_values_out_of_range_name_the_tensor(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match="stem.bias") as caught:
        decode_tensors(data, SPECS[1:2])
    assert message in caught.value.message


def test_damaged_symbols_name_the_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    read = RangeReader.read

    def fail_on_the_grid(
        self: RangeReader, n: int, table: FrequencyTable
    ) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        if n > 100:
            raise BitstreamError("range-coded data is damaged")
        return read(self, n, table)

    monkeypatch.setattr(RangeReader, "read", fail_on_the_grid)
    with pytest.raises(BitstreamError, match=r"tensor 1 \(stem.weight\): range-coded data is damaged"):
        decode_tensors(_payload(), SPECS)
