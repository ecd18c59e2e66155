"""Whether there is enough for an estimate to be near normal, which is what its interval rests on."""

import numpy as np
from numpy.typing import NDArray

from embedding_studio.experiments.moments import Arms, Floats, Moments

__all__ = ["FEWEST", "enough", "enough_preference"]

FEWEST = 60.0
"""As many independent clicks, and sessions without one, there must be in both arms together."""
_FEWEST_IN_ARM = 20.0
"""As many independent sessions there must be in either arm, for its variance to be known at all."""


def enough(arms: Arms) -> NDArray[np.bool_]:
    """Whether both arms together have enough clicks and enough sessions without one, and each arm enough sessions.

    They are counted as if independent, (Σ x)² / Σ x² over units (Kish 1965): twenty clicks of one user are one. Of a
    metric that grows above 1 a session, such as a latency, the second condition is void.
    """
    sums, products = arms.control.sums + arms.treatment.sums, arms.control.products + arms.treatment.products
    without = sums[..., 1] - sums[..., 0]
    squares = products[..., 0, 0] - 2 * products[..., 0, 1] + products[..., 1, 1]
    clicks = _independent(sums[..., 0], products[..., 0, 0])
    return (
        (clicks >= FEWEST)
        & ((without < 0) | (_independent(without, squares) >= FEWEST))
        & (_sessions(arms.control) >= _FEWEST_IN_ARM)
        & (_sessions(arms.treatment) >= _FEWEST_IN_ARM)
    )


def enough_preference(preference: Moments) -> NDArray[np.bool_]:
    """Whether enough sessions prefer one arm."""
    return (_sessions(preference) >= FEWEST) & (preference.products[..., 0, 0] >= FEWEST / 2)


def _sessions(moments: Moments) -> Floats:
    return _independent(moments.sums[..., 1], moments.products[..., 1, 1])


def _independent(total: Floats, squares: Floats) -> Floats:
    return total**2 / np.where(squares > 0, squares, np.inf)
