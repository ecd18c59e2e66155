"""What became of the searches of an experiment, added up by the database: no session and no user is sent."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations_with_replacement
from typing import Any

import pymongo

from embedding_studio.clickstream.conduct import (
    ACTS,
    EVENTS_PER_SESSION,
    Stages,
    count_if,
    is_greedy,
    is_hasty,
    joined,
)
from embedding_studio.clickstream.models import Event, Session

__all__ = ["METRICS", "PREFERENCE", "ArmOutcomes", "Outcomes", "OutcomesOf"]

METRICS: Mapping[str, tuple[str, str]] = {
    "ctr": ("clicked", "sessions"),
    "mrr": ("reciprocal", "clicked"),
    "abandonment": ("abandoned", "found"),
    "conversions": ("converted", "sessions"),
    "zero_results": ("empty", "sessions"),
    "latency": ("slowness", "timed"),
}
"""By metric, what it is the mean of and over what, both summed over a unit's sessions.

The rank of a click is that of the session's first click. Abandoned is what found something of which nothing was
clicked, dwelt on, liked, put into a cart or bought. Slowness is the logarithm of microseconds.
"""

PREFERENCE = ("preference", "preferring")
"""Of interleaved searches: the treatment's share of the clicked items less the control's, where any were clicked."""

_SUMS = (
    *dict.fromkeys(name for pair in METRICS.values() for name in pair),
    *PREFERENCE,
    "clicks",
    "control_clicks",
    "control_clicked",
    "control_first",
    "treatment_clicks",
    "treatment_clicked",
    "treatment_first",
    "irrelevant",
    "bots",
)
_PAST = ("past_answered", "past_sessions")
_TIMEOUT_S = 60.0
_STEP = math.log(1.05)
_MICROSECONDS = 1_000.0
_P95 = 0.95


@dataclass(frozen=True, slots=True)
class OutcomesOf:
    """Which outcomes are asked for.

    Attributes:
        until: Sessions that began later are left out.
        by_user: Whether a unit is a user, where he is known, with all his sessions; else it is a session.
        history: Since and until when the earlier sessions of users count as their past; None: nobody has one.
    """

    experiment: str
    until: datetime
    by_user: bool
    history: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class ArmOutcomes:
    """What became of the searches of one variant.

    Attributes:
        assigned: Units that came at all.
        units: Those of them that count: sessions that are irrelevant or of bots do not.
        totals: Sums over all that counts, by what `METRICS` and `PREFERENCE` name, and clicks, and what does not count.
        moments: By metric, the sums of its columns over units and of their products; `ctr` has four columns where
            there is a history: the last two are earlier sessions with events, and earlier sessions.
        p95_ms: Milliseconds that 95 of 100 searches stay below, to 5 %; None: not known.
    """

    variant: str
    assigned: int
    units: int
    totals: Mapping[str, float]
    moments: Mapping[str, tuple[list[float], list[list[float]]]]
    p95_ms: float | None


class Outcomes:
    """Reads what became of searches; each reading looks through all sessions of its experiment, by an index."""

    async def of(self, asked: OutcomesOf) -> list[ArmOutcomes]:
        """By variant, of those that were seen at all. Only first pages count."""
        stages: Stages = [*_rows(asked), {"$facet": {"arms": list(_arms(asked)), "slowness": _slowness()}}]
        with pymongo.timeout(_TIMEOUT_S):
            found = await Session.get_pymongo_collection().aggregate(stages, allowDiskUse=True)
            (rows,) = await found.to_list()
        return [_outcomes(row, rows["slowness"], asked) for row in rows["arms"]]


def _rows(asked: OutcomesOf) -> Iterator[dict[str, Any]]:
    """A row a session; only those that were answered are joined with their events."""
    unit = {"$ifNull": ["$user_id", "$_id"]} if asked.by_user else "$_id"
    first = {"experiment": asked.experiment, "created_at": {"$lte": asked.until}, "shown_before": {"$in": [None, 0]}}
    known = {
        "variant": 1,
        "unit": unit,
        "took_ms": 1,
        "irrelevant": {"$gt": ["$irrelevant_at", None]},
        "found": {"$ne": ["$results", []]},
        "first_team": {"$first": "$results.team"},
    }
    silent: Stages = [{"$match": {**first, "has_events": False}}, {"$project": {**known, "events": {"$literal": []}}}]
    wanted: Stages = [
        {"$limit": EVENTS_PER_SESSION},
        {"$project": {"_id": 0, "type": 1, "position": 1, "timestamp": 1}},
    ]
    answered: Stages = [
        {"$match": {**first, "has_events": True}},
        joined(Event, "session_id", "events", wanted),
        {"$project": {**known, "events": 1, **_clicked_of_teams()}},
    ]
    yield from silent
    yield {"$unionWith": {"coll": Session.Settings.name, "pipeline": answered}}
    clicks = {"$filter": {"input": "$events", "cond": {"$eq": ["$$this.type", "click"]}}}
    yield {"$set": {"click": {"$sortArray": {"input": clicks, "sortBy": {"timestamp": 1, "position": 1}}}}}
    yield {"$set": {"positions": {"$setUnion": ["$click.position", []]}}}
    yield {"$set": {"bot": {"$or": [is_hasty("$events"), is_greedy("$positions")]}}}
    yield {"$set": {"counts": {"$not": [{"$or": ["$irrelevant", "$bot"]}]}}}
    yield {"$project": {"variant": 1, "unit": 1, **_numbers()}}


def _clicked_of_teams() -> dict[str, Any]:
    """How many of the items that each team of a draft picked were clicked."""
    clicks = {"$filter": {"input": "$events", "as": "one", "cond": {"$eq": ["$$one.type", "click"]}}}
    clicked = {"$map": {"input": clicks, "as": "one", "in": "$$one.position"}}

    def of(team: str) -> dict[str, Any]:
        is_theirs = {"$and": [{"$eq": ["$$item.team", team]}, {"$in": ["$$item.position", "$$clicked"]}]}
        size = {"$size": {"$filter": {"input": "$results", "as": "item", "cond": is_theirs}}}
        return {"$let": {"vars": {"clicked": clicked}, "in": size}}

    return {"of_control": of("control"), "of_treatment": of("treatment")}


def _numbers() -> dict[str, Any]:
    """What a session adds to its unit; nothing, if it does not count."""
    is_clicked = {"$ne": ["$positions", []]}
    is_acted = {"$ne": [{"$setIntersection": ["$events.type", list(ACTS)]}, []]}
    ours, theirs = ({"$ifNull": [f"$of_{team}", 0]} for team in ("control", "treatment"))
    both = {"$add": [ours, theirs]}
    is_timed = {"$gt": ["$took_ms", 0]}
    counted = {
        "sessions": 1,
        "clicked": _if(is_clicked),
        "clicks": {"$size": "$positions"},
        "reciprocal": _if(is_clicked, {"$divide": [1, {"$first": "$click.position"}]}),
        "found": _if("$found"),
        "abandoned": _if({"$and": ["$found", {"$not": [is_acted]}]}),
        "converted": _if({"$in": ["purchase", "$events.type"]}),
        "empty": _if({"$not": ["$found"]}),
        "timed": _if(is_timed),
        "slowness": _if(is_timed, {"$ln": {"$multiply": ["$took_ms", _MICROSECONDS]}}),
        "preferring": _if({"$gt": [both, 0]}),
        "preference": _if({"$gt": [both, 0]}, {"$divide": [{"$subtract": [theirs, ours]}, both]}),
        "control_clicks": ours,
        "treatment_clicks": theirs,
        "control_clicked": _if({"$gt": [ours, 0]}),
        "treatment_clicked": _if({"$gt": [theirs, 0]}),
    }
    return {
        **{name: {"$cond": ["$counts", number, 0]} for name, number in counted.items()},
        "control_first": _if({"$eq": ["$first_team", "control"]}),
        "treatment_first": _if({"$eq": ["$first_team", "treatment"]}),
        "irrelevant": _if("$irrelevant"),
        "bots": _if({"$and": ["$bot", {"$not": ["$irrelevant"]}]}),
    }


def _arms(asked: OutcomesOf) -> Iterator[dict[str, Any]]:
    """From sessions to units, with their past, and from units to variants."""
    if asked.by_user:
        sums = {name: {"$sum": f"${name}"} for name in _SUMS}
        yield {"$group": {"_id": {"variant": "$variant", "unit": "$unit"}, **sums}}
        yield {"$set": {"variant": "$_id.variant"}}
    if asked.by_user and asked.history:
        yield from _past(*asked.history)
    units = count_if({"$gt": ["$sessions", 0]})
    totals = {name: {"$sum": f"${name}"} for name in (*_SUMS, *(_PAST if asked.history else ()))}
    products = {
        _product(one, other): {"$sum": {"$multiply": [f"${one}", f"${other}"]}}
        for columns in _columns(asked).values()
        for one, other in combinations_with_replacement(columns, 2)
    }
    yield {"$group": {"_id": "$variant", "assigned": {"$sum": 1}, "units": units, **totals, **products}}
    yield {"$sort": {"_id": 1}}


def _past(since: datetime, until: datetime) -> Stages:
    """A user's earlier sessions, and those with events, counted in an index on them."""
    earlier: Stages = [
        {"$match": {"created_at": {"$gte": since, "$lt": until}}},
        {"$project": {"_id": 0, "has_events": 1}},
        {"$group": {"_id": None, "sessions": {"$sum": 1}, "answered": count_if("$has_events")}},
    ]
    past = {"from": Session.Settings.name, "localField": "_id.unit", "foreignField": "user_id", "as": "past"}
    return [
        {"$lookup": {**past, "pipeline": earlier}},
        {
            "$set": {
                "past_answered": {"$ifNull": [{"$first": "$past.answered"}, 0]},
                "past_sessions": {"$ifNull": [{"$first": "$past.sessions"}, 0]},
            }
        },
    ]


def _slowness() -> Stages:
    """A histogram of how long searches took."""
    bucket = {"$floor": {"$divide": ["$slowness", _STEP]}}
    return [
        {"$match": {"timed": {"$gt": 0}}},
        {"$group": {"_id": {"variant": "$variant", "bucket": bucket}, "number": {"$sum": 1}}},
        {"$sort": {"_id.bucket": 1}},
    ]


def _if(test: Any, number: Any = 1) -> dict[str, Any]:
    return {"$cond": [test, number, 0]}


def _columns(asked: OutcomesOf) -> dict[str, tuple[str, ...]]:
    """By metric, what its moments are of."""
    columns: dict[str, tuple[str, ...]] = {**METRICS, PREFERENCE[0]: PREFERENCE}
    return {**columns, "ctr": (*METRICS["ctr"], *_PAST)} if asked.history else columns


def _product(one: str, other: str) -> str:
    return "_x_".join(sorted((one, other)))


def _outcomes(row: Mapping[str, Any], slowness: Sequence[Mapping[str, Any]], asked: OutcomesOf) -> ArmOutcomes:
    moments = {
        metric: (
            [float(row[name]) for name in columns],
            [[float(row[_product(one, other)]) for other in columns] for one in columns],
        )
        for metric, columns in _columns(asked).items()
    }
    return ArmOutcomes(
        variant=row["_id"],
        assigned=row["assigned"],
        units=row["units"],
        totals={name: row[name] for name in _SUMS},
        moments=moments,
        p95_ms=_p95([(one["_id"]["bucket"], one["number"]) for one in slowness if one["_id"]["variant"] == row["_id"]]),
    )


def _p95(histogram: Sequence[tuple[float, int]]) -> float | None:
    """The upper end of the bucket that the quantile lies in."""
    rest = _P95 * sum(number for _, number in histogram)
    for bucket, number in histogram:
        rest -= number
        if rest <= 0:
            return math.exp((bucket + 1) * _STEP) / _MICROSECONDS
    return None
