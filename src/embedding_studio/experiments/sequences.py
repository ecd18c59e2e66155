"""Confidence sequences: intervals that hold at every time at once, however often and whenever one looks."""

import numpy as np

from embedding_studio.experiments.moments import Floats

__all__ = ["boundary", "p_value"]

_LOWEST = 8.21
"""The r at which the boundary for alpha = .05 is lowest: the root of r = ln((1 + r) / alpha²)."""
_LOWEST_AT = 0.25
"""The share of the horizon at which it is lowest: large effects are found sooner, and small ones hardly less often."""


def boundary(clock: Floats, horizon: float, alpha: float) -> Floats:
    """How many standard errors from the truth an estimate ever comes, but with probability `alpha`.

    Robbins' normal mixture √((1 + 1/r) · ln((1 + r) / alpha²)) with r = 8.21 · clock / (horizon / 4), for estimates
    that become normal with time (Robbins 1970; Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, "Time-uniform
    central limit theory and asymptotic confidence sequences").

    Args:
        clock: Sessions so far, above 0. Where users come again and again, their number grows faster than the
            information does, and the boundary errs on the safe side (ADR 0021).
        horizon: Sessions that there may be. It holds beyond as well, ever less tightly.
        alpha: 0..1.
    """
    r = _scaled(clock, horizon)
    return np.asarray(np.sqrt((1 + 1 / r) * np.log((1 + r) / alpha**2)))


def p_value(z: Floats, clock: Floats, horizon: float) -> Floats:
    """The smallest alpha whose boundary an estimate has crossed; at most alpha ever, but with probability alpha.

    Args:
        z: Estimate over standard error.
        clock: As in `boundary`.
        horizon: As in `boundary`.
    """
    r = _scaled(clock, horizon)
    return np.asarray(np.minimum(1.0, np.sqrt(1 + r) * np.exp(-(z**2) / 2 * r / (1 + r))))


def _scaled(clock: Floats, horizon: float) -> Floats:
    return _LOWEST * clock / (_LOWEST_AT * horizon)
