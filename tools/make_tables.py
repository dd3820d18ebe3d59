"""Compute the frozen integer tables of nvcodec/entropy/tables.py and print them as Python source.

    python tools/make_tables.py

60 decimal digits, no floats: every machine prints the same.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

N_SCALES = 64
_DIGITS = 60
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")


def normal_cdf_table() -> list[int]:
    """Return round(2^24 Phi(i/64)) for i = 0..352, Phi the CDF of the standard normal distribution.

    At i = 352 it is 2^24 already.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        return [_round((1 << 24) * _normal_cdf(Decimal(i) / 64)) for i in range(353)]


def inverse_scale_table() -> list[int]:
    """Return round(2^25 / sigma) for 64 standard deviations sigma from 0.11 to 2048, evenly spaced logarithms."""
    with localcontext() as context:
        context.prec = _DIGITS
        smallest, largest = Decimal("0.11"), Decimal(2048)
        log_ratio = (largest / smallest).ln() / (N_SCALES - 1)
        return [_round((1 << 25) / (smallest * (log_ratio * s).exp())) for s in range(N_SCALES)]


def _normal_cdf(z: Decimal) -> Decimal:
    """Phi(z) = 1/2 + phi(z) (z + z^3/3 + z^5/(3 5) + ...), z >= 0: all terms positive, so no digits are lost."""
    term, series, k = z, Decimal(0), 1
    while term > Decimal(10) ** -_DIGITS:
        series += term
        k += 2
        term = term * z * z / k
    return Decimal("0.5") + series * (-z * z / 2).exp() / (2 * _PI).sqrt()


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def _print_table(name: str, values: list[int]) -> None:
    print(f"{name} = (")
    line = "   "
    for value in values:
        if len(line) + len(str(value)) + 2 > 120:
            print(line)
            line = "   "
        line += f" {value},"
    print(f"{line}\n)")


if __name__ == "__main__":
    _print_table("NORMAL_CDF", normal_cdf_table())
    _print_table("INVERSE_SCALES", inverse_scale_table())
