"""What sessions and their events say of who was there, as stages and expressions of an aggregation."""

from typing import Any

from embedding_studio.clickstream.models import Event, Session

__all__ = ["ACTS", "EVENTS_PER_SESSION", "HASTY", "Stages", "count_if", "is_greedy", "is_hasty", "joined"]

Stages = list[dict[str, Any]]

ACTS = ("click", "dwell", "like", "cart", "purchase")
"""Events that say that a search was of use."""

EVENTS_PER_SESSION = 1_000
"""As many are looked at."""

HASTY = 100
"""Events within a minute that are more than a person makes."""

_GREEDY = 8
_MINUTE_MS = 60_000


def count_if(test: Any) -> dict[str, Any]:
    """How many documents of a group pass a test."""
    return {"$sum": {"$cond": [test, 1, 0]}}


def joined(document: type[Event | Session], foreign: str, name: str, pipeline: Stages) -> dict[str, Any]:
    """Documents that name the id of this one."""
    joined = {"localField": "_id", "foreignField": foreign, "as": name, "pipeline": pipeline}
    return {"$lookup": {"from": document.Settings.name, **joined}}


def is_greedy(positions: str) -> dict[str, Any]:
    """Whether all results down to the last click were clicked, and these are many."""
    return {"$and": [{"$gte": [{"$size": positions}, _GREEDY]}, {"$eq": [{"$size": positions}, {"$max": positions}]}]}


def is_hasty(events: str) -> dict[str, Any]:
    """Whether more events than a person makes came faster than a person makes them."""
    times = f"{events}.timestamp"
    milliseconds = {"$subtract": [{"$max": times}, {"$min": times}]}
    most = {"$multiply": [{"$size": events}, _MINUTE_MS / HASTY]}
    return {"$and": [{"$gt": [{"$size": events}, HASTY]}, {"$lt": [milliseconds, most]}]}
