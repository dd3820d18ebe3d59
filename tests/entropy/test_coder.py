"""Range coder: round trips, exact cost, and refusal of damaged data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.entropy.coder import MAX_TOTAL, BitCounter, FrequencyTable, RangeReader, RangeWriter
from nvcodec.errors import BitstreamError


def _table(low: int, *counts: int) -> FrequencyTable:
    return FrequencyTable(low, np.array(counts, dtype=np.int64))


def _symbols(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, dtype=np.int32)


@given(
    st.lists(
        st.tuples(
            st.integers(-40000, 40000),
            st.lists(st.integers(1, 1000), min_size=1, max_size=9),
            st.lists(st.integers(0, 8), max_size=40),
        ),
        max_size=8,
    )
)
def test_what_is_written_is_read(parts: list[tuple[int, list[int], list[int]]]) -> None:
    writer, tables = RangeWriter(), []
    for low, counts, indices in parts:
        table = _table(low, *counts)
        tables.append((table, _symbols(*(low + index % len(counts) for index in indices))))
        writer.write(tables[-1][1], table)
    reader = RangeReader(writer.finish())
    for table, symbols in tables:
        assert reader.read(symbols.size, table).tolist() == symbols.tolist()
    reader.finish()


def test_known_bytes() -> None:
    writer = RangeWriter()
    writer.write(_symbols(5, 6, 7, 5, 5, 6), _table(5, 3, 2, 1))
    writer.write(_symbols(-300, 300), FrequencyTable.uniform(-1000, 1000))
    assert writer.finish().hex() == "f0e3a664"


def test_nothing_costs_nothing() -> None:
    writer = RangeWriter()
    writer.write(_symbols(4, 4, 4), _table(4, 9))
    writer.write(_symbols(), _table(0, 1, 1))
    assert writer.finish() == b""
    reader = RangeReader(b"")
    assert reader.read(3, _table(4, 9)).tolist() == [4, 4, 4]
    reader.finish()


def test_largest_tables() -> None:
    table = FrequencyTable.uniform(-32768, 32767)
    assert table.bits.tolist() == [16.0] * 65536
    steep = _table(0, MAX_TOTAL - 1, 1)
    symbols = _symbols(*([0] * 1000 + [1] + [0] * 1000))
    writer = RangeWriter()
    writer.write(symbols, steep)
    writer.write(_symbols(-32768, 32767), table)
    data = writer.finish()
    assert len(data) == 8
    reader = RangeReader(data)
    assert reader.read(2001, steep).tolist() == symbols.tolist()
    assert reader.read(2, table).tolist() == [-32768, 32767]


@pytest.mark.parametrize("counts", [(), (1, 0), (2, -1), (MAX_TOTAL, 1), (1,) * 65537])
def test_impossible_tables_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frequency table"):
        _table(0, *counts)


def test_bit_counter_agrees_with_the_coder() -> None:
    rng = np.random.default_rng(1)
    counter, writer = BitCounter(), RangeWriter()
    for size in (2, 17, 300, 4000):
        table = _table(-5, *rng.integers(1, 2000, size).tolist())
        symbols = (rng.integers(0, size, 5000) - 5).astype(np.int32)
        counter.write(symbols, table)
        writer.write(symbols, table)
    assert counter.per_symbol.size == 20000
    assert counter.bits == pytest.approx(counter.per_symbol.sum())
    assert 0 <= 8 * len(writer.finish()) - counter.bits < 64


def test_data_must_be_whole_words() -> None:
    with pytest.raises(BitstreamError, match="5 bytes"):
        RangeReader(bytes(5))


@pytest.mark.parametrize("extra", [bytes(4), b"\xff" * 4, b"1234" * 3])
def test_left_over_data_is_refused(extra: bytes) -> None:
    table = FrequencyTable.uniform(0, 9)
    writer = RangeWriter()
    writer.write(_symbols(*range(10)), table)
    reader = RangeReader(writer.finish() + extra + extra)
    reader.read(10, table)
    with pytest.raises(BitstreamError, match="goes on"):
        reader.finish()


def test_random_data_is_refused_or_read_but_never_harms(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    outcomes = set()
    for _ in range(200):
        table = _table(-3, *rng.integers(1, 50, int(rng.integers(2, 40))).tolist())
        reader = RangeReader(rng.bytes(4 * int(rng.integers(0, 20))))
        try:
            symbols = reader.read(300, table)
            assert symbols.min() >= -3
            assert symbols.max() < -3 + table.counts.size
            reader.finish()
            outcomes.add("read")
        except BitstreamError:
            outcomes.add("refused")
    assert "refused" in outcomes
    assert capfd.readouterr() == ("", "")


def test_writing_a_symbol_outside_the_table_is_a_bug() -> None:
    for symbol in (-1, 2):
        with pytest.raises(AssertionError):
            RangeWriter().write(_symbols(symbol), _table(0, 1, 1))
