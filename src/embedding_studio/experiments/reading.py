"""What an experiment says at one time; it may be read as often as one likes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from embedding_studio.experiments.cuped import difference
from embedding_studio.experiments.evidence import enough, enough_preference
from embedding_studio.experiments.moments import Arms, Moments, Ratio, ratio
from embedding_studio.experiments.sampling_check import SampleRatio, check_ratio
from embedding_studio.experiments.sequences import boundary, p_value

__all__ = ["Decision", "Effect", "Observed", "Reading", "Rules", "read"]

Decision = Literal["treatment", "control"]

_CONFIDENCE = 0.05


@dataclass(frozen=True, slots=True)
class Rules:
    """How an experiment is read.

    Attributes:
        alpha: The probability of a decision where there is no difference, over all readings together.
        horizon: Sessions that there may be: the intervals are tightest on the way there.
        min_sessions: Before as many, nothing is decided.
        bounds: By metric, by how much the treatment may be worse; `metrics` of these names grow as things get worse.
    """

    alpha: float = 0.05
    horizon: float = 10_000.0
    min_sessions: int = 0
    bounds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was counted of an experiment up to now.

    Attributes:
        sessions: That were shown something by the experiment, in both arms together.
        assigned: Units in the control and in the treatment, each counted once. Of interleaving, how often either arm
            had the first pick; None: not checked.
        primary: Name of the metric that decides: one of `metrics`, or of the preference if that is given.
        metrics: By name. The click-through rate counts sessions with a click, and so on; a latency is best given as its
            logarithm, of which a difference of ln 1.25 is a quarter more. History is of use for the primary alone.
        preference: Of interleaving, over units: the value of a session with clicks on drafted items is the treatment's
            share of these less the control's, -1..1, and only such sessions count. Units are users where they are
            known, whatever the experiment's unit is.
    """

    sessions: int
    assigned: tuple[int, int] | None
    primary: str
    metrics: Mapping[str, Arms] = field(default_factory=dict)
    preference: Moments | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """The treatment's mean less the control's; interval and p-value hold at every time at once.

    Attributes:
        ci95: A 95 % confidence sequence as it stands now.
        p_value: 1 where there is too little to tell.
    """

    metric: str
    estimate: float
    ci95: tuple[float, float]
    p_value: float
    anytime_valid: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What can be said now.

    Attributes:
        effect: Of the primary metric; None while there is too little, and for good once the sample ratio has failed.
        decision: Which arm is better; None while that is open.
        secondary: Of the other metrics, each by itself: of many, some will differ by chance.
        breached: Of these the treatment is worse by more than its bound.
        waiting: Why nothing is decided yet.
    """

    sample_ratio: SampleRatio
    effect: Effect | None = None
    decision: Decision | None = None
    secondary: Mapping[str, Effect] = field(default_factory=dict)
    breached: tuple[str, ...] = ()
    waiting: str | None = None


def read(observed: Observed, rules: Rules) -> Reading:
    """Read an experiment."""
    sample_ratio = check_ratio(*(observed.assigned or (0, 0)))
    if not sample_ratio.ok:
        return Reading(sample_ratio, waiting="the arms are not as large as chance would make them")
    effects = _effects(observed, rules)
    primary = effects.get(observed.primary)
    waiting = _waiting(primary, observed, rules)
    return Reading(
        sample_ratio,
        effect=primary,
        decision=None if waiting or primary is None else _better(primary),
        secondary={name: one for name, one in effects.items() if name != observed.primary},
        breached=tuple(name for name, most in rules.bounds.items() if name in effects and effects[name].ci95[0] > most),
        waiting=waiting,
    )


def _effects(observed: Observed, rules: Rules) -> dict[str, Effect]:
    """By metric, where there is enough to tell."""
    found = {name: difference(arms) for name, arms in observed.metrics.items() if enough(arms)}
    if observed.preference is not None and enough_preference(observed.preference):
        found[observed.primary] = ratio(observed.preference)
    known = {name: one for name, one in found.items() if one.variance > 0}
    return {name: _effect(name, one, observed.sessions, rules.horizon) for name, one in known.items()}


def _effect(metric: str, found: Ratio, sessions: int, horizon: float) -> Effect:
    clock, error = np.asarray(sessions, np.float64), np.sqrt(found.variance)
    half = boundary(clock, horizon, _CONFIDENCE) * error
    p = p_value(found.mean / error, clock, horizon)
    return Effect(metric, float(found.mean), (float(found.mean - half), float(found.mean + half)), float(p))


def _waiting(primary: Effect | None, observed: Observed, rules: Rules) -> str | None:
    if primary is None:
        return "there are too few clicks to tell"
    if observed.sessions < rules.min_sessions:
        return f"{observed.sessions:,} sessions of at least {rules.min_sessions:,}"
    if primary.p_value > rules.alpha:
        return "no difference is certain yet"
    return None


def _better(effect: Effect) -> Decision:
    return "treatment" if effect.estimate > 0 else "control"
