"""`embedding-studio experiments estimate`: how large an experiment must be."""

import math
from dataclasses import dataclass

from embedding_studio.experiments import Sizing, size_ab, size_interleaving
from embedding_studio.kernel.errors import InvalidError

__all__ = ["Plan", "estimate", "rows"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: an A/B test by the lift of its click-through rate, or interleaving by a preference.

    Attributes:
        lift: As in `size_ab`; None: interleaving.
        preference: As in `size_interleaving`; None: an A/B test.
        traffic: Share of the searches that are in the experiment, above 0 and at most 1.
    """

    ctr: float
    lift: float | None
    preference: float | None
    alpha: float
    power: float
    design_effect: float
    traffic: float


def estimate(plan: Plan) -> dict[str, float]:
    """The sessions that are needed, in all and in either arm, and the searches among which so many are found.

    Raises:
        InvalidError: No such experiment can be.
    """
    if not 0 < plan.traffic <= 1:
        raise InvalidError.at("traffic", "must be above 0 and at most 1")
    sizing = _sized(plan)
    return {
        "sessions": sizing.sessions,
        "sessions_per_arm": sizing.per_arm,
        "searches": math.ceil(sizing.sessions / plan.traffic),
        "effect": sizing.effect,
    }


def rows(found: dict[str, float]) -> list[dict[str, str]]:
    """The figures as rows of a table."""
    return [{"figure": name.replace("_", " "), "value": f"{value:,.6g}"} for name, value in found.items()]


def _sized(plan: Plan) -> Sizing:
    if plan.lift is not None and plan.preference is None:
        return size_ab(plan.ctr, plan.lift, alpha=plan.alpha, power=plan.power, design_effect=plan.design_effect)
    if plan.preference is not None and plan.lift is None:
        return size_interleaving(
            plan.ctr, plan.preference, alpha=plan.alpha, power=plan.power, design_effect=plan.design_effect
        )
    raise InvalidError.at("--lift", "give a lift for an A/B test, or a preference for interleaving")
