"""What a reading needs to know of the units of an arm: sums, and sums of products."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["COLUMNS", "Arms", "Floats", "Moments", "Ratio", "ratio"]

COLUMNS = ("value", "sessions", "past_value", "past_sessions")
"""What is known of a unit, in this order.

value: The metric, summed over the unit's sessions in the experiment: of the click-through rate, how many had a click.
sessions: How many sessions the metric is a mean over.
past_value, past_sessions: The same from before the unit entered the experiment; 0 where there is no history.
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over units, which are independent of each other: users with all of their sessions, or single sessions.

    A database adds them up without sending a unit: with `u` a unit's columns, `sums` is Σ u and `products` is Σ u uᵀ.
    Leading dimensions, of experiments or of moments in time, go through all of the formulas.

    Attributes:
        units: How many, (…).
        sums: By column, (…, 2) without history or (…, 4) with it.
        products: By two columns, (…, 2, 2) or (…, 4, 4).
    """

    units: Floats
    sums: Floats
    products: Floats

    @classmethod
    def made(cls, units: ArrayLike, sums: ArrayLike, products: ArrayLike) -> "Moments":
        """Moments of plain numbers, as a database gives them."""
        return cls(*(np.asarray(one, np.float64) for one in (units, sums, products)))

    @classmethod
    def of(cls, units: ArrayLike) -> "Moments":
        """Moments of units that are at hand, (units, 2) or (units, 4)."""
        rows = np.asarray(units, np.float64)
        return cls.made(len(rows), rows.sum(axis=0), rows.T @ rows)

    @property
    def has_history(self) -> bool:
        """Whether the columns of the past are there."""
        return bool(self.sums.shape[-1] == len(COLUMNS))


@dataclass(frozen=True, slots=True)
class Arms:
    """The moments of one metric in both arms."""

    control: Moments
    treatment: Moments


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A metric per session and the variance of that estimate; NaN where there are too few units to tell."""

    mean: Floats
    variance: Floats


def ratio(moments: Moments) -> Ratio:
    """Σ value / Σ sessions, with the variance by the delta method, which holds however the sessions cluster in units.

    Var ≈ n/(n - 1) · Σ (value - mean · sessions)² / (Σ sessions)², over n units (Deng, Knoblich & Lu 2018, "Applying
    the Delta Method in Metric Analytics").
    """
    value, sessions = moments.sums[..., 0], moments.sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = value / sessions
        residual = _quadratic(moments.products, mean)
        return Ratio(mean, residual / sessions**2 * moments.units / (moments.units - 1))


def _quadratic(products: Floats, mean: Floats) -> Floats:
    """Σ (value - mean · sessions)²; what rounding makes of 0 is no less than 0."""
    squares = products[..., 0, 0] - 2 * mean * products[..., 0, 1] + mean**2 * products[..., 1, 1]
    return np.maximum(squares, 0.0)
