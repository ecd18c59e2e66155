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

_ALWAYS = (*dict.fromkeys(name for pair in METRICS.values() for name in pair), "clicks", "irrelevant", "bots")
_OF_DRAFTS = (
    *PREFERENCE,
    *(f"{team}_{what}" for team in ("control", "treatment") for what in ("clicks", "clicked", "first")),
)
_PAST = ("past_answered", "past_sessions")
_STEP = math.log(1.05)
_MICROSECONDS = 1_000.0
_P95 = 0.95
_TIMED: dict[str, Any] = {"$gt": ["$took_ms", 0]}
_SLOWNESS: dict[str, Any] = {"$ln": {"$multiply": ["$took_ms", _MICROSECONDS]}}
_WANTED: Stages = [
    {"$limit": EVENTS_PER_SESSION},
    {"$project": {"_id": 0, "type": 1, "position": 1, "timestamp": 1}},
]


@dataclass(frozen=True, slots=True)
class OutcomesOf:
    """Which outcomes are asked for.

    Attributes:
        until: Sessions that began later are left out.
        drafted: Whether its searches are interleaved, so that clicks are those of teams.
        by_user: Whether a unit is a user, where he is known, with all his sessions; else it is a session.
        history: Since and until when the earlier sessions of users count as their past; None: nobody has one.
    """

    experiment: str
    until: datetime
    by_user: bool
    drafted: bool = False
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

    async def of(self, asked: OutcomesOf, *, within: float = 60.0) -> list[ArmOutcomes]:
        """By variant, of those that were seen at all. Only first pages count.

        Args:
            asked: Which.
            within: Seconds that the database may take.
        """
        stages: Stages = [*_rows(asked), {"$facet": {"arms": list(_arms(asked)), "slowness": _slowness()}}]
        with pymongo.timeout(within):
            found = await Session.get_pymongo_collection().aggregate(stages, allowDiskUse=True)
            (rows,) = await found.to_list()
        return [_outcomes(row, rows["slowness"], asked) for row in rows["arms"]]


def _rows(asked: OutcomesOf) -> Iterator[dict[str, Any]]:
    """A row a session; only those that were answered are joined with their events."""
    unit = {"$ifNull": ["$user_id", "$_id"]} if asked.by_user else "$_id"
    first = {"experiment": asked.experiment, "created_at": {"$lte": asked.until}, "shown_before": {"$in": [None, 0]}}
    row = {"variant": 1, "unit": unit, **(_first_picks() if asked.drafted else {})}
    yield {"$match": {**first, "has_events": False}}
    yield {"$project": {**row, **_silent()}}
    answered: Stages = [
        {"$match": {**first, "has_events": True}},
        joined(Event, "session_id", "events", _WANTED),
        *_looked_at(),
        {"$project": {**row, **_answered(), **(_of_teams() if asked.drafted else {})}},
    ]
    yield {"$unionWith": {"coll": Session.Settings.name, "pipeline": answered}}


def _silent() -> dict[str, Any]:
    """What a session adds to its unit that nobody answered."""
    counts, found = {"$lte": ["$irrelevant_at", None]}, {"$ne": ["$results", []]}
    return {
        "sessions": _if(counts),
        "found": _if(_all(counts, found)),
        "abandoned": _if(_all(counts, found)),
        "empty": _if(_all(counts, {"$not": [found]})),
        "timed": _if(_all(counts, _TIMED)),
        "slowness": _if(_all(counts, _TIMED), _SLOWNESS),
        "irrelevant": _if({"$not": [counts]}),
    }


def _looked_at() -> Stages:
    """The clicks of a session in their order, and whether it counts."""
    clicks = {"$filter": {"input": "$events", "cond": {"$eq": ["$$this.type", "click"]}}}
    return [
        {"$set": {"click": {"$sortArray": {"input": clicks, "sortBy": {"timestamp": 1, "position": 1}}}}},
        {"$set": {"positions": {"$setUnion": ["$click.position", []]}}},
        {"$set": {"bot": {"$or": [is_hasty("$events"), is_greedy("$positions")]}}},
        {"$set": {"counts": {"$and": [{"$lte": ["$irrelevant_at", None]}, {"$not": ["$bot"]}]}}},
    ]


def _answered() -> dict[str, Any]:
    """What a session adds to its unit; nothing, if it does not count."""
    is_clicked, found = {"$ne": ["$positions", []]}, {"$ne": ["$results", []]}
    is_acted = {"$ne": [{"$setIntersection": ["$events.type", list(ACTS)]}, []]}
    counted = {
        "sessions": 1,
        "clicked": _if(is_clicked),
        "clicks": {"$size": "$positions"},
        "reciprocal": _if(is_clicked, {"$divide": [1, {"$first": "$click.position"}]}),
        "found": _if(found),
        "abandoned": _if(_all(found, {"$not": [is_acted]})),
        "converted": _if({"$in": ["purchase", "$events.type"]}),
        "empty": _if({"$not": [found]}),
        "timed": _if(_TIMED),
        "slowness": _if(_TIMED, _SLOWNESS),
    }
    return {
        **{name: {"$cond": ["$counts", number, 0]} for name, number in counted.items()},
        "irrelevant": _if({"$gt": ["$irrelevant_at", None]}),
        "bots": _if({"$and": ["$bot", {"$lte": ["$irrelevant_at", None]}]}),
    }


def _of_teams() -> dict[str, Any]:
    """What the clicks of a session say of the two teams of its draft."""
    ours, theirs = _clicks_of("control"), _clicks_of("treatment")
    both = {"$add": ["$$ours", "$$theirs"]}
    of_both = {
        "preferring": _if({"$gt": [both, 0]}),
        "preference": _if({"$gt": [both, 0]}, {"$divide": [{"$subtract": ["$$theirs", "$$ours"]}, both]}),
        "control_clicks": "$$ours",
        "treatment_clicks": "$$theirs",
        "control_clicked": _if({"$gt": ["$$ours", 0]}),
        "treatment_clicked": _if({"$gt": ["$$theirs", 0]}),
    }
    return {
        name: {"$cond": ["$counts", {"$let": {"vars": {"ours": ours, "theirs": theirs}, "in": number}}, 0]}
        for name, number in of_both.items()
    }


def _clicks_of(team: str) -> dict[str, Any]:
    """How many of the items that a team picked were clicked."""
    is_theirs = {"$and": [{"$eq": ["$$item.team", team]}, {"$in": ["$$item.position", "$positions"]}]}
    return {"$size": {"$filter": {"input": "$results", "as": "item", "cond": is_theirs}}}


def _first_picks() -> dict[str, Any]:
    """Which team had the first pick, whether the session counts or not."""
    first = {"$first": "$results.team"}
    return {f"{team}_first": _if({"$eq": [first, team]}) for team in ("control", "treatment")}


def _arms(asked: OutcomesOf) -> Iterator[dict[str, Any]]:
    """From sessions to units, with their past, and from units to variants."""
    if asked.by_user:
        sums = {name: {"$sum": f"${name}"} for name in _sums(asked)}
        yield {"$group": {"_id": {"variant": "$variant", "unit": "$unit"}, **sums}}
        yield {"$set": {"variant": "$_id.variant"}}
    if asked.by_user and asked.history:
        yield from _past(*asked.history)
    units = count_if({"$gt": ["$sessions", 0]})
    totals = {name: {"$sum": f"${name}"} for name in (*_sums(asked), *(_PAST if asked.history else ()))}
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


def _sums(asked: OutcomesOf) -> tuple[str, ...]:
    """What is summed over sessions."""
    return (*_ALWAYS, *_OF_DRAFTS) if asked.drafted else _ALWAYS


def _all(*tests: Any) -> dict[str, Any]:
    return {"$and": list(tests)}


def _if(test: Any, number: Any = 1) -> dict[str, Any]:
    return {"$cond": [test, number, 0]}


def _columns(asked: OutcomesOf) -> dict[str, tuple[str, ...]]:
    """By metric, what its moments are of."""
    if asked.drafted:
        return {PREFERENCE[0]: PREFERENCE}
    columns: dict[str, tuple[str, ...]] = dict(METRICS)
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
        totals={name: row[name] for name in _sums(asked)},
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
