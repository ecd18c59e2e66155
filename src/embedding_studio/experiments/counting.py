"""Counting what became of the searches of an experiment, and reading it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from embedding_studio.clickstream import METRICS, PREFERENCE, ArmOutcomes, Outcomes, OutcomesOf
from embedding_studio.experiments.domain import VARIANTS, Variant
from embedding_studio.experiments.models import Experiment
from embedding_studio.experiments.moments import Arms, Moments
from embedding_studio.experiments.reading import Observed, Reading, Rules, read
from embedding_studio.experiments.settings import ExperimentSettings
from embedding_studio.kernel.time import Clock

__all__ = ["Counted", "Counter", "VariantCounts"]

_NONE = ArmOutcomes("", 0, 0, {}, {}, None)


@dataclass(frozen=True, slots=True)
class VariantCounts:
    """What was counted of a variant; of a draft, of the items that its ranking picked.

    Attributes:
        units: Users or sessions that were in it.
        sessions: Searches, by their first pages.
        clicks: Items that were clicked.
        ctr: Share of sessions with a click.
        mrr: Mean of 1 / position of the first click, over sessions with a click.
        abandonment: Share of sessions that found something and used nothing of it.
        conversions: Share of sessions with a purchase.
        zero_results: Share of sessions that found nothing.
        p95_ms: Milliseconds that 95 of 100 searches stay below.
    """

    name: Variant
    units: int
    sessions: int
    clicked_sessions: int
    clicks: int
    ctr: float | None
    mrr: float | None = None
    abandonment: float | None = None
    conversions: float | None = None
    zero_results: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """An experiment as it is seen at one time.

    Attributes:
        sessions: Of both variants together.
        irrelevant: Sessions that are not counted because somebody said so.
        bots: Sessions that are not counted because no person clicks like that.
    """

    sessions: int
    variants: tuple[VariantCounts, ...]
    irrelevant: int
    bots: int
    reading: Reading


class Counter:
    """Counts all sessions of an experiment anew, so that what is forgotten or irrelevant is gone with the next."""

    def __init__(self, *, outcomes: Outcomes, clock: Clock, settings: ExperimentSettings) -> None:
        self._outcomes = outcomes
        self._clock = clock
        self._settings = settings

    async def count(self, experiment: Experiment, *, within: float = 60.0) -> Counted:
        """What there is until now, sessions aside that are too young to have been clicked.

        Args:
            experiment: Which.
            within: Seconds that the database may take.
        """
        drafted = experiment.kind == "interleaving"
        asked = OutcomesOf(
            experiment=experiment.id,
            until=self._clock() - timedelta(seconds=self._settings.settle),
            drafted=drafted,
            by_user=drafted or experiment.unit == "user",
            history=None if drafted else self._history(experiment),
        )
        outcomes = {one.variant: one for one in await self._outcomes.of(asked, within=within)}
        rules = self._rules(experiment)
        return _drafted(outcomes.get("interleaved", _NONE), rules) if drafted else _compared(outcomes, rules)

    def _history(self, experiment: Experiment) -> tuple[datetime, datetime] | None:
        """When searches of users were that may tell what users do anyway."""
        if experiment.unit != "user" or experiment.started_at is None or not self._settings.history:
            return None
        return experiment.started_at - timedelta(seconds=self._settings.history), experiment.started_at

    def _rules(self, experiment: Experiment) -> Rules:
        return Rules(
            alpha=experiment.stop.alpha,
            horizon=experiment.stop.max_sessions or self._settings.horizon,
            min_sessions=experiment.stop.min_sessions,
            bounds={"latency": math.log(self._settings.slower), "zero_results": self._settings.emptier},
        )


def _compared(outcomes: Mapping[str, ArmOutcomes], rules: Rules) -> Counted:
    """Of two arms that answer for themselves."""
    arms = [outcomes.get(name, _NONE) for name in VARIANTS]
    control, treatment = arms
    sessions = sum(int(one.totals.get("sessions", 0)) for one in arms)
    metrics = {
        name: Arms(_moments(control, name), _moments(treatment, name))
        for name in METRICS
        if control.units and treatment.units
    }
    reading = read(Observed(sessions, (control.assigned, treatment.assigned), "ctr", metrics), rules)
    return _counted(sessions, [_of_arm(name, outcomes.get(name, _NONE)) for name in VARIANTS], arms, reading)


def _drafted(both: ArmOutcomes, rules: Rules) -> Counted:
    """Of two rankings in one list."""
    sessions, name = int(both.totals.get("sessions", 0)), PREFERENCE[0]
    first = int(both.totals.get("control_first", 0)), int(both.totals.get("treatment_first", 0))
    preference = _moments(both, name) if both.units else None
    reading = read(Observed(sessions, first, name, preference=preference), rules)
    return _counted(sessions, [_of_team(name, both) for name in VARIANTS], [both], reading)


def _counted(
    sessions: int, variants: Sequence[VariantCounts], arms: Sequence[ArmOutcomes], reading: Reading
) -> Counted:
    irrelevant, bots = (int(sum(one.totals.get(name, 0) for one in arms)) for name in ("irrelevant", "bots"))
    return Counted(sessions, tuple(variants), irrelevant, bots, reading)


def _moments(arm: ArmOutcomes, metric: str) -> Moments:
    return Moments.made(arm.units, *arm.moments[metric])


def _of_arm(name: Variant, arm: ArmOutcomes) -> VariantCounts:
    totals = arm.totals
    shares = {metric: _share(totals.get(value, 0), totals.get(of, 0)) for metric, (value, of) in METRICS.items()}
    del shares["latency"]
    return VariantCounts(
        name=name,
        units=arm.assigned,
        sessions=int(totals.get("sessions", 0)),
        clicked_sessions=int(totals.get("clicked", 0)),
        clicks=int(totals.get("clicks", 0)),
        p95_ms=arm.p95_ms,
        **shares,
    )


def _of_team(name: Variant, both: ArmOutcomes) -> VariantCounts:
    sessions, clicked = both.totals.get("sessions", 0), both.totals.get(f"{name}_clicked", 0)
    return VariantCounts(
        name=name,
        units=both.assigned,
        sessions=int(sessions),
        clicked_sessions=int(clicked),
        clicks=int(both.totals.get(f"{name}_clicks", 0)),
        ctr=_share(clicked, sessions),
        p95_ms=both.p95_ms,
    )


def _share(value: float, of: float) -> float | None:
    return value / of if of else None
