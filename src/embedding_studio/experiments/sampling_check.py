"""Whether the arms are as large as chance would make them; if not, sessions get lost and nothing can be read."""

import math
from dataclasses import dataclass

__all__ = ["LEVEL", "SampleRatio", "check_ratio"]

LEVEL = 0.01
"""The probability with which a sound experiment is ever called unsound."""
_CONCENTRATION = 100.0
"""Of the Beta prior of the share: losses of some percent are looked for."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether units are in the arms half and half; `p_value` holds at every time at once."""

    ok: bool
    p_value: float


def check_ratio(control: int, treatment: int) -> SampleRatio:
    """Hold the numbers of units in both arms against equal shares.

    The sequential multinomial test: 1/p is the Bayes factor of a Beta(100, 100) prior against one half, a martingale as
    units come (Lindon & Malek 2022, "Anytime-Valid Inference for Multinomial Count Data").
    """
    total = control + treatment
    factor = _rising(_CONCENTRATION, control) + _rising(_CONCENTRATION, treatment) - _rising(2 * _CONCENTRATION, total)
    p = math.exp(min(0.0, -(factor + total * math.log(2.0))))
    return SampleRatio(ok=p > LEVEL, p_value=p)


def _rising(start: float, count: int) -> float:
    """The logarithm of start · (start + 1) · … with `count` factors."""
    return math.lgamma(start + count) - math.lgamma(start)
