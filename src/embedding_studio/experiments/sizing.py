"""How many sessions an experiment needs to find an effect by the sequence that it is read by."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from embedding_studio.experiments.moments import Floats
from embedding_studio.experiments.sequences import boundary
from embedding_studio.kernel.errors import InvalidError

__all__ = ["Sizing", "size_ab", "size_interleaving"]

_PHI = NormalDist().cdf
_PLACES = np.linspace(0.02, 1.0, 99)
_STEP = 1e-4
_MOST = 1e4
_SMALLEST = 1e-6
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Sizing:
    """How large an experiment must be.

    Attributes:
        sessions: In the experiment, all arms together.
        per_arm: Of these, in either arm; of interleaving all are in both.
        effect: What is to be found, in the metric's own unit.
    """

    sessions: int
    per_arm: int
    effect: float


def size_ab(ctr: float, lift: float, *, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0) -> Sizing:
    """For an A/B test by click-through rate.

    Args:
        ctr: Share of the control's sessions with a click, 0..1 without the ends.
        lift: By how much of it the treatment's is higher or lower: .1 is from .30 to .33.
        alpha: Probability of a decision without a difference.
        power: Probability of finding the difference, above `alpha` and below 1.
        design_effect: By what the variance of an estimate is larger than of independent sessions: above 1 where users
            come again, less where their past is known.

    Raises:
        InvalidError: No such experiment can be.
    """
    _check(ctr, alpha, power, design_effect)
    treated = ctr * (1 + lift)
    if not (0 < treated < 1 and abs(treated - ctr) >= _SMALLEST):
        raise InvalidError.at("lift", "must change the rate by a millionth at least, and leave it between 0 and 1")
    variance = 2 * (ctr * (1 - ctr) + treated * (1 - treated)) * design_effect
    sessions = _sessions(treated - ctr, variance, alpha, power)
    return Sizing(sessions, math.ceil(sessions / 2), treated - ctr)


def size_interleaving(
    ctr: float, preference: float, *, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> Sizing:
    """For interleaving.

    Args:
        ctr: Share of the sessions with a click, above 0.
        preference: Share of these that prefer the treatment, 0..1 but one half; each counts for one side whole, which
            is the worst case.
        alpha: As in `size_ab`.
        power: As in `size_ab`.
        design_effect: As in `size_ab`.

    Raises:
        InvalidError: No such experiment can be.
    """
    _check(ctr, alpha, power, design_effect)
    effect = 2 * preference - 1
    if not (0 < preference < 1 and abs(effect) >= _SMALLEST):
        raise InvalidError.at("preference", "must be between 0 and 1, and not one half")
    sessions = _sessions(effect, (1 - effect**2) / ctr * design_effect, alpha, power)
    return Sizing(sessions, sessions, effect)


def _check(ctr: float, alpha: float, power: float, design_effect: float) -> None:
    if not 0 < ctr < 1:
        raise InvalidError.at("ctr", "must be between 0 and 1")
    if not 0 < alpha < power < 1:
        raise InvalidError.at("power", "must be between alpha and 1, and alpha above 0")
    if not 0 < design_effect < math.inf:
        raise InvalidError.at("design_effect", "must be a number above 0")


def _sessions(effect: float, variance: float, alpha: float, power: float) -> int:
    """Where the estimate of n sessions is normal with `effect` and `variance` / n."""
    return math.ceil(_information(alpha, power) * variance / effect**2)


def _information(alpha: float, power: float) -> float:
    """The smallest sessions · effect² / variance with enough power, by halving."""
    low, high = 0.0, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(math.sqrt(middle), alpha) < power else (low, middle)
    return high


def _power(drift: float, alpha: float) -> float:
    """The probability that a Brownian motion with a drift crosses the boundary within one unit of time.

    The boundary is concave, so that it lies below each of its tangents: the most probable crossing of a tangent, which
    is known in closed form (Bachelier-Lévy), is a little too low, never too high.
    """
    height = _height(_PLACES, alpha)
    slope = (_height(_PLACES + _STEP, alpha) - _height(_PLACES - _STEP, alpha)) / (2 * _STEP)
    tangents = zip((height - slope * _PLACES).tolist(), slope.tolist(), strict=True)
    return max(_crossing(drift - slope, start) for start, slope in tangents)


def _height(share: Floats, alpha: float) -> Floats:
    """The boundary of the motion itself, at shares of the horizon."""
    return np.asarray(boundary(share, 1.0, alpha) * np.sqrt(share))


def _crossing(drift: float, level: float) -> float:
    """The probability that a motion with a drift gets to a level within one unit of time."""
    behind = _PHI(-level - drift)
    reflected = math.exp(2 * level * drift + math.log(behind)) if behind > 0 else 0.0
    return _PHI(drift - level) + reflected
