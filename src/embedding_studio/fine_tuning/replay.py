"""What logged sessions say of a ranking that did not serve them: an estimate beside the gate, and no rule of it.

Every session of a gate query is replayed: what it showed is put in the order of the deployed version, and in that of
the candidate. Two figures come of it.

*Reciprocal rank of the first click* on condensed lists: where would the clicked items have stood? Users click what
stands high, so the order that was shown is favoured, and a candidate's gain is underrated.

*Clicks a session*, where exploration logged with which probability it put each item where it stood: a click counts if
the candidate puts its item at the same position, and counts 1/p (the item-position estimator of Li et al. 2018,
"Offline Evaluation of Ranking Policies with Click Models"; Horvitz & Thompson 1952). Weights are clipped (Strehl et
al. 2010, "Learning from Logged Implicit Exploration Data") and at each position divided by their sum (Swaminathan &
Joachims 2015, "The Self-Normalized Estimator for Counterfactual Learning"). That is without bias by position, but says
something only of the places that exploration reached: `support` is the share of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedding_studio.fine_tuning.bootstrap import Comparison, interval, resampled_means

__all__ = ["GroupReplay", "Matches", "Placed", "ReplayEstimate", "ReplayedSession", "estimate_replay", "replay_group"]

DEPTH = 10
_LARGEST_WEIGHT = 100.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placed:
    """An item at a position from 1, and the probability above 0 with which the logging policy put it there."""

    item_id: str
    position: int
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class ReplayedSession:
    """A session as it was logged, with the items that users wanted of it."""

    shown: tuple[Placed, ...]
    clicked: frozenset[str]

    @property
    def is_explored(self) -> bool:
        """Whether the logging policy could have shown something else."""
        return any(placed.propensity < 1 for placed in self.shown)


@dataclass(frozen=True, slots=True)
class Matches:
    """Of the explored sessions, at each of the first ten positions: where an order agrees with what was shown.

    Attributes:
        weights: Sum of the clipped 1/p.
        clicks: The same sum over the clicked ones.
    """

    weights: tuple[float, ...] = (0.0,) * DEPTH
    clicks: tuple[float, ...] = (0.0,) * DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReplay:
    """The sessions of one query group, summed up.

    Attributes:
        group: Its name.
        sessions: Sessions with a click.
        reciprocal_ranks: Of their first clicked items by the deployed version and by the candidate, summed.
        explored: Sessions, clicked or not, of a logging policy that explored.
        places: How many of these had a result at each of the first ten positions.
        before: Where the deployed version agrees with them.
        after: Where the candidate does.
    """

    group: str
    sessions: int
    reciprocal_ranks: tuple[float, float]
    explored: int = 0
    places: tuple[int, ...] = (0,) * DEPTH
    before: Matches = Matches()
    after: Matches = Matches()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEstimate:
    """What the sessions of all groups say; intervals are of the bootstrap over groups.

    Attributes:
        sessions: Sessions with a click.
        mrr: Of their first clicks, on condensed lists; None without sessions.
        explored: Sessions of a logging policy that explored.
        clicks: In each of these, on the first ten positions, by inverse propensities; None without sessions.
        support: Share of the candidate's places that exploration could have shown, about 1 where it could all.
    """

    sessions: int = 0
    mrr: Comparison | None = None
    explored: int = 0
    clicks: Comparison | None = None
    support: float | None = None


def replay_group(
    group: str, sessions: Iterable[ReplayedSession], *, before: Sequence[str], after: Sequence[str]
) -> GroupReplay:
    """Replay the sessions of a group by two orders of all that they showed, best first."""
    ranks = [{item: rank for rank, item in enumerate(order)} for order in (before, after)]
    sessions = list(sessions)
    clicked = [session for session in sessions if session.clicked]
    explored = [session for session in sessions if session.is_explored]
    first_clicks = [sum(_reciprocal_rank(session, one) for session in clicked) for one in ranks]
    matches = [_matches(explored, one) for one in ranks]
    return GroupReplay(
        group=group,
        sessions=len(clicked),
        reciprocal_ranks=(first_clicks[0], first_clicks[1]),
        explored=len(explored),
        places=tuple(sum(len(session.shown) > place for session in explored) for place in range(DEPTH)),
        before=matches[0],
        after=matches[1],
    )


def estimate_replay(groups: Sequence[GroupReplay], *, resamples: int, seed: int) -> ReplayEstimate:
    """Sum up the groups, of any order."""
    groups = sorted(groups, key=lambda one: one.group)
    explored = sum(one.explored for one in groups)
    return ReplayEstimate(
        sessions=sum(one.sessions for one in groups),
        mrr=_first_clicks([one for one in groups if one.sessions], resamples, seed),
        explored=explored,
        clicks=_clicks([one for one in groups if one.explored], resamples, seed),
        support=_support(groups) if explored else None,
    )


def _order_of(session: ReplayedSession, ranks: Mapping[str, int]) -> list[str]:
    """What was shown, in the order of the ranks; what they lack comes last, as it was shown."""
    shown = [placed.item_id for placed in sorted(session.shown, key=lambda placed: placed.position)]
    return sorted(shown, key=lambda item: ranks.get(item, len(ranks)))


def _reciprocal_rank(session: ReplayedSession, ranks: Mapping[str, int]) -> float:
    found = (rank for rank, item in enumerate(_order_of(session, ranks), 1) if item in session.clicked)
    return 1 / next(found, float("inf"))


def _matches(explored: Sequence[ReplayedSession], ranks: Mapping[str, int]) -> Matches:
    weights, clicks = [0.0] * DEPTH, [0.0] * DEPTH
    for session in explored:
        shown = sorted(session.shown, key=lambda placed: placed.position)
        for place, (placed, item) in enumerate(zip(shown[:DEPTH], _order_of(session, ranks), strict=False)):
            if placed.item_id == item:
                weight = min(_LARGEST_WEIGHT, 1 / placed.propensity)
                weights[place] += weight
                clicks[place] += weight * (item in session.clicked)
    return Matches(tuple(weights), tuple(clicks))


def _first_clicks(groups: Sequence[GroupReplay], resamples: int, seed: int) -> Comparison | None:
    if not groups:
        return None
    sums = np.array([(one.sessions, *one.reciprocal_ranks) for one in groups], np.float64)

    def means(of: Floats) -> Floats:
        return of[:, 1:] / of[:, :1]

    return _compared(means(sums.mean(axis=0)[None]), means(resampled_means(sums, resamples=resamples, seed=seed)))


def _clicks(groups: Sequence[GroupReplay], resamples: int, seed: int) -> Comparison | None:
    if not groups:
        return None
    sums = np.array([_columns(one) for one in groups], np.float64)
    return _compared(
        _clicks_of(sums.mean(axis=0)[None]), _clicks_of(resampled_means(sums, resamples=resamples, seed=seed))
    )


def _columns(one: GroupReplay) -> list[float]:
    sums = (one.before.weights, one.before.clicks, one.after.weights, one.after.clicks)
    return [one.explored, *one.places, *(number for side in sums for number in side)]


def _clicks_of(columns: Floats) -> Floats:
    """Clicks a session before and after, (rows, 2), of rows of `_columns`; a position without weights counts 0."""
    sessions, places = columns[:, 0], columns[:, 1 : 1 + DEPTH]
    sides = columns[:, 1 + DEPTH :].reshape(len(columns), 2, 2, DEPTH)
    weights, clicks = sides[:, :, 0], sides[:, :, 1]
    rates = np.divide(clicks, weights, out=np.zeros_like(clicks), where=weights > 0)
    summed: Floats = (rates * places[:, None]).sum(axis=2)
    return summed / sessions[:, None]


def _compared(means: Floats, resampled: Floats) -> Comparison:
    before, after = (float(value) for value in means[0])
    return Comparison(before, after, after - before, interval(resampled[:, 1] - resampled[:, 0]))


def _support(groups: Sequence[GroupReplay]) -> float:
    weights = sum(sum(one.after.weights) for one in groups)
    return weights / max(1, sum(sum(one.places) for one in groups))
