"""Every query that reports on sessions and events; what one looks through is bounded."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import pymongo
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from embedding_studio.clickstream.conduct import (
    ACTS,
    EVENTS_PER_SESSION,
    HASTY,
    Stages,
    count_if,
    is_greedy,
    is_hasty,
    joined,
)
from embedding_studio.clickstream.findings import EventFacts, SessionFacts
from embedding_studio.clickstream.intake import IntakeDay, Tallies
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.clickstream.timeline import Span

__all__ = ["LOOKED_THROUGH", "Bucket", "Reporting"]

Bucket = Literal["hour", "day", "week"]

LOOKED_THROUGH = 50_000
"""Sessions, and events, that a look at a collection reads: the newest."""

_IN_MEMORY = WriteConcern(w=1, j=False)
_TIMEOUT_S = 60.0
_MOST_ROWS = 10_000
_MOST_COUNTED = 100_000


class Reporting:
    """Counts what comes in, and reads numbers of sessions and events."""

    async def count(self, tallies: Tallies, at: datetime) -> None:
        """Add to what came in on a day, without waiting for the journal."""
        if not tallies:
            return
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        updates = [
            UpdateOne(
                {"_id": f"{collection}/{day:%Y-%m-%d}"},
                {
                    "$setOnInsert": {"collection": collection, "day": day},
                    "$inc": {f"counts.{kind}": number for kind, number in counts.items()},
                },
                upsert=True,
            )
            for collection, counts in sorted(tallies.items())
        ]
        await self._intake_in_memory.bulk_write(updates, ordered=False)

    async def intake(self, collections: Sequence[str], span: Span) -> dict[str, dict[str, int]]:
        """What came in for each of the collections in the days that the span touches, by kind."""
        stages: Stages = [
            {"$match": {"collection": {"$in": list(collections)}, **_days(span)}},
            {"$project": {"collection": 1, "count": {"$objectToArray": "$counts"}}},
            {"$unwind": "$count"},
            {"$group": {"_id": {"in": "$collection", "kind": "$count.k"}, "number": {"$sum": "$count.v"}}},
        ]
        found: dict[str, dict[str, int]] = {collection: {} for collection in collections}
        async for one in await IntakeDay.get_pymongo_collection().aggregate(stages):
            found[one["_id"]["in"]][one["_id"]["kind"]] = one["number"]
        return found

    async def received(self, span: Span) -> int:
        """How many events came in for all collections, and for none, in the days that the span touches."""
        stages: Stages = [{"$match": _days(span)}, {"$group": {"_id": None, "number": {"$sum": "$counts.received"}}}]
        (number,) = await _one(IntakeDay.get_pymongo_collection(), stages, "number")
        return number

    async def sessions(self, collection: str, span: Span, *, last_event: datetime | None) -> SessionFacts:
        """The newest sessions of the span, and how many began after the last event."""
        stages: Stages = [
            {"$match": {"collection": collection, **span.criteria()}},
            {"$sort": {"created_at": -1, "_id": -1}},
            {"$limit": LOOKED_THROUGH},
            {"$group": {"_id": None, **{name: count_if(test) for name, test in _session_tests().items()}}},
        ]
        sessions = Session.get_pymongo_collection()
        names = tuple(_session_tests())
        counts = dict(zip(names, await _one(sessions, stages, *names), strict=True))
        newest = await sessions.find_one({"collection": collection}, {"created_at": 1}, sort=[("created_at", -1)])
        after = {"collection": collection, "created_at": {"$gt": last_event}} if last_event else None
        return SessionFacts(
            **counts,
            newest=newest["created_at"] if newest else None,
            after_events=await sessions.count_documents(after, limit=_MOST_COUNTED) if after else 0,
        )

    async def last_event(self, collection: str) -> datetime | None:
        """When the last event came."""
        found = await Event.get_pymongo_collection().find_one(
            {"collection": collection}, {"received_at": 1}, sort=[("received_at", -1)]
        )
        return found["received_at"] if found else None

    async def events(self, collection: str, span: Span, *, last_event: datetime | None) -> EventFacts:
        """The newest events that came in the span."""
        events = Event.get_pymongo_collection()
        newest = _newest_events(collection, span)
        types = await events.aggregate([*newest, {"$group": {"_id": "$type", "number": {"$sum": 1}}}])
        with pymongo.timeout(_TIMEOUT_S):
            hasty_users, hasty_events = await _one(events, [*newest, *_hasty()], "users", "events")
            clicked, greedy = await _one(events, [*newest, *_greedy()], "clicked", "greedy")
        return EventFacts(
            types={one["_id"]: one["number"] async for one in types},
            hasty_users=hasty_users,
            hasty_events=hasty_events,
            clicked_sessions=clicked,
            greedy_sessions=greedy,
            newest=last_event,
        )

    async def quality(self, collection: str, span: Span, bucket: Bucket) -> list[dict[str, Any]]:
        """Counts of searches by bucket, model version and variant, oldest first."""
        with pymongo.timeout(_TIMEOUT_S):
            stages = list(_quality(collection, span, bucket))
            return await (await Session.get_pymongo_collection().aggregate(stages)).to_list()

    async def delete_of(self, collection: str) -> None:
        """Delete what was counted for a collection."""
        await IntakeDay.get_pymongo_collection().delete_many({"collection": collection})

    @cached_property
    def _intake_in_memory(self) -> AsyncCollection[Any]:
        return IntakeDay.get_pymongo_collection().with_options(write_concern=_IN_MEMORY)


def _days(span: Span) -> dict[str, Any]:
    """The days that a span touches."""
    since = span.since and span.since.replace(hour=0, minute=0, second=0, microsecond=0)
    return _during("day", Span(since, span.until))


def _during(name: str, span: Span) -> dict[str, Any]:
    """The span as a filter of a field."""
    bounds = span.criteria().get("created_at")
    return {name: bounds} if bounds else {}


async def _one(documents: AsyncCollection[Any], stages: Stages, *names: str) -> tuple[int, ...]:
    """The numbers of the only row; 0 where there is none."""
    rows = await (await documents.aggregate(stages)).to_list()
    return tuple(rows[0][name] if rows else 0 for name in names)


def _session_tests() -> dict[str, Any]:
    external = {"$eq": ["$mode", "external"]}
    likely = {"$min": "$results.propensity"}
    explored = {"$and": [{"$gt": [likely, None]}, {"$lt": [likely, 1]}]}
    wrong = {
        "$anyElementTrue": [
            {
                "$map": {
                    "input": "$results",
                    "in": {"$not": [{"$and": [{"$gt": ["$$this.propensity", 0]}, {"$lte": ["$$this.propensity", 1]}]}]},
                }
            }
        ]
    }
    return {
        "count": True,
        "answered": "$has_events",
        "named": {"$gt": ["$user_id", None]},
        "external": external,
        "explored": explored,
        "external_explored": {"$and": [external, explored]},
        "wrong_propensities": wrong,
    }


def _newest_events(collection: str, span: Span) -> Stages:
    return [
        {"$match": {"collection": collection, **_during("received_at", span)}},
        {"$sort": {"received_at": -1}},
        {"$limit": LOOKED_THROUGH},
    ]


def _hasty() -> Stages:
    """Users who send too many events within a minute of the clock; who is not named is his session."""
    minute = {"$dateTrunc": {"date": "$timestamp", "unit": "minute"}}
    return [
        {
            "$group": {
                "_id": {"of": "$session_id", "minute": minute},
                "number": {"$sum": 1},
                "user": {"$max": "$user_id"},
            }
        },
        {
            "$group": {
                "_id": "$_id.of",
                "user": {"$max": "$user"},
                "minutes": {"$push": {"at": "$_id.minute", "number": "$number"}},
            }
        },
        joined(Session, "_id", "session", [{"$project": {"user_id": 1}}]),
        {"$set": {"who": {"$ifNull": [{"$first": "$session.user_id"}, "$user", "$_id"]}}},
        {"$unwind": "$minutes"},
        {"$group": {"_id": {"who": "$who", "minute": "$minutes.at"}, "number": {"$sum": "$minutes.number"}}},
        {"$group": {"_id": "$_id.who", "most": {"$max": "$number"}, "events": {"$sum": "$number"}}},
        {"$match": {"most": {"$gt": HASTY}}},
        {"$group": {"_id": None, "users": {"$sum": 1}, "events": {"$sum": "$events"}}},
    ]


def _greedy() -> Stages:
    """Sessions that clicked on all results down to the last click."""
    return [
        {"$match": {"type": "click"}},
        {"$group": {"_id": "$session_id", "positions": {"$addToSet": "$position"}}},
        {"$group": {"_id": None, "clicked": {"$sum": 1}, "greedy": count_if(is_greedy("$positions"))}},
    ]


def _quality(collection: str, span: Span, bucket: Bucket) -> Iterator[dict[str, Any]]:
    """One search of several pages is the session of its first page; those of later pages are counted apart."""
    start = {"$dateTrunc": {"date": "$created_at", "unit": bucket, "startOfWeek": "monday"}}
    is_later = {"$ne": [{"$ifNull": [{"$first": "$results.position"}, 1]}, 1]}
    yield {"$match": {"collection": collection, **span.criteria()}}
    yield {
        "$project": {
            "row": {"start": start, "model_version": "$model_version", "variant": "$variant"},
            "is_empty": {"$eq": ["$results", []]},
            "is_later": {"$or": [is_later, {"$gt": ["$shown_before", 0]}]},
            "is_irrelevant": {"$gt": ["$irrelevant_at", None]},
        }
    }
    wanted: Stages = [
        {"$limit": EVENTS_PER_SESSION},
        {"$project": {"_id": 0, "type": 1, "position": 1, "timestamp": 1}},
    ]
    yield joined(Event, "session_id", "events", wanted)
    clicks = {"$filter": {"input": "$events", "cond": {"$eq": ["$$this.type", "click"]}}}
    yield {
        "$project": {
            **dict.fromkeys(("row", "is_empty", "is_later", "is_irrelevant"), 1),
            "clicks": {"$setUnion": [{"$map": {"input": clicks, "in": "$$this.position"}}, []]},
            "is_answered": {"$ne": [{"$setIntersection": ["$events.type", list(ACTS)]}, []]},
            "is_hasty": is_hasty("$events"),
        }
    }
    yield {
        "$set": {
            "is_bot": {"$or": ["$is_hasty", is_greedy("$clicks")]},
            "rank": {"$cond": [{"$eq": ["$clicks", []]}, None, {"$divide": [1, {"$min": "$clicks"}]}]},
        }
    }
    counted = {"$not": [{"$or": ["$is_later", "$is_irrelevant", "$is_bot"]}]}
    yield {"$set": {"is_counted": counted}}
    yield {"$group": {"_id": "$row", **_totals()}}
    yield {"$sort": {"_id.start": 1, "_id.model_version": 1, "_id.variant": 1}}
    yield {"$limit": _MOST_ROWS}


def _totals() -> dict[str, Any]:
    def counted(*tests: Any) -> dict[str, Any]:
        return count_if({"$and": ["$is_counted", *tests]})

    reciprocal = {"$cond": ["$is_counted", {"$ifNull": ["$rank", 0]}, 0]}
    return {
        "searches": counted(),
        "clicked": counted({"$ne": ["$clicks", []]}),
        "empty": counted("$is_empty"),
        "abandoned": counted({"$not": ["$is_empty"]}, {"$not": ["$is_answered"]}),
        "reciprocal": {"$sum": reciprocal},
        "squares": {"$sum": {"$multiply": [reciprocal, reciprocal]}},
        "later_pages": count_if("$is_later"),
        "irrelevant": count_if("$is_irrelevant"),
        "bots": count_if({"$and": ["$is_bot", {"$not": ["$is_irrelevant"]}]}),
    }
