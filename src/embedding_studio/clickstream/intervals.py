"""How sure a share or a mean is."""

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Estimate", "mean", "share"]

_Z = NormalDist().inv_cdf(0.975)
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its 95 % interval, and of how many observations it is.

    Searches are taken for independent of each other: where few users make most of them, the interval is too narrow.

    Attributes:
        value: None without observations.
        ci95: None where observations are too few to tell.
    """

    value: float | None
    ci95: tuple[float, float] | None
    of: int


def share(successes: int, of: int) -> Estimate:
    """A share with Wilson's score interval.

    (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n): it lies in 0..1, and holds near the ends and for small n too
    (Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference").
    """
    if not of:
        return Estimate(None, None, 0)
    p, z2 = successes / of, _Z * _Z / of
    middle = (p + z2 / 2) / (1 + z2)
    half = _Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of)) / (1 + z2)
    return Estimate(p, (max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))), of)


def mean(total: float, squares: float, of: int) -> Estimate:
    """A mean of numbers in 0..1 with Student's interval, m ± t(n - 1) s/√n, cut to 0..1.

    The quantile t is Fisher's expansion in powers of 1/(n - 1) (Abramowitz and Stegun 26.7.5): true to 1 % for n = 3,
    from where on there is an interval. Numbers that are all the same have one of no width.

    Args:
        total: Of the numbers.
        squares: Of the numbers' squares.
        of: How many there are.
    """
    if not of:
        return Estimate(None, None, 0)
    m = total / of
    if of < _FEWEST:
        return Estimate(m, None, of)
    variance = max(0.0, (squares - total * m) / (of - 1))
    half = _t(of - 1) * math.sqrt(variance / of)
    return Estimate(m, (max(0.0, m - half), min(1.0, m + half)), of)


def _t(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution."""
    z = _Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / float(freedom**power) for power, term in enumerate(terms))
