"""The paired bootstrap over query groups (Efron & Tibshirani 1993; for retrieval Sakai 2006)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Comparison", "interval", "resampled_means"]

_CELLS = 1 << 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric's mean over groups before and after, their difference and its 95 % percentile interval."""

    before: float
    after: float
    delta: float
    ci95: tuple[float, float]


def resampled_means(values: Floats, *, resamples: int, seed: int) -> Floats:
    """Means over groups drawn with replacement.

    Args:
        values: (groups, columns); all columns of a group are drawn together. At least one group.
        resamples: How often all groups are drawn.
        seed: The same seed, values and order of groups give the same means.

    Returns:
        (resamples, columns).
    """
    random = np.random.default_rng(seed)
    groups = len(values)
    return np.concatenate([_counts(random, groups, rows) @ values / groups for rows in _chunks(resamples, groups)])


def interval(means: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of resampled means, (resamples,)."""
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _chunks(resamples: int, groups: int) -> Iterator[int]:
    rows = max(1, _CELLS // groups)
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _counts(random: np.random.Generator, groups: int, rows: int) -> Floats:
    drawn = random.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)
