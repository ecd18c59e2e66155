"""Every query on sessions and events."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, WriteError

from embedding_studio.clickstream.batcher import Batcher
from embedding_studio.clickstream.domain import Showing
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.clickstream.timeline import Place, Span, page_filter
from embedding_studio.kernel.errors import TooLargeError

__all__ = ["ClickstreamRepository"]

_IN_MEMORY = WriteConcern(w=1, j=False)
_DUPLICATE_KEY = 11000
_EVENTS_PER_SESSION = 10_000
_SESSIONS_PER_BATCH = 500
_SESSIONS_PER_INSERT = 100
_SESSIONS_PER_DELETION = 2_000
_WAITING_SESSIONS = 1_000
_LARGEST_DOCUMENT = 16 * 1024 * 1024
_IN_ORDER = (("created_at", 1), ("_id", 1))
_NEWEST_FIRST = (("created_at", -1), ("_id", -1))
_OF_A_ROW = dict.fromkeys(
    ("created_at", "has_events", "index_version", "irrelevant_at", "mode", "model_version", "user_id"), 1
) | {"collection": 1, "query.image": 1, "query.item_id": 1, "query.text": 1, "variant": 1}
_OF_AN_ANSWER = dict.fromkeys(("session_id", "item_id", "type", "value", "position", "user_id", "timestamp"), 1)

Pair = tuple[dict[str, Any], list[dict[str, Any]]]
"""A session and its events."""


class ClickstreamRepository:
    """Appends sessions and events, and reads them back joined."""

    def __init__(self) -> None:
        self._batcher = Batcher(self._insert_sessions, at_once=_SESSIONS_PER_INSERT, waiting=_WAITING_SESSIONS)

    async def add_session(self, session: Mapping[str, Any]) -> None:
        """Insert a session document, without waiting for the journal: the search waits for this.

        The journal is one sequence, so whoever was told that an event was written can rely on its session too.
        Sessions that come at the same time share an insert; each is encoded by itself before, so that one that cannot
        be a document fails alone.

        Raises:
            TooLargeError: It is over what a document may have.
        """
        encoded = bson.encode(session)
        if len(encoded) > _LARGEST_DOCUMENT:
            raise TooLargeError(f"a session of {len(encoded)} bytes cannot be kept: send less in `meta` or `filter`")
        await self._batcher.add(RawBSONDocument(encoded))

    async def insert_sessions(self, sessions: Sequence[dict[str, Any]]) -> list[bool]:
        """Insert session documents, into the journal; False for each whose id is there already."""
        if not sessions:
            return []
        failed: set[int] = set()
        try:
            await Session.get_pymongo_collection().insert_many(sessions, ordered=False)
        except BulkWriteError as error:
            failed = _duplicates(error)
        return [index not in failed for index in range(len(sessions))]

    async def documents(self, session_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The sessions that there are, as they are stored."""
        found = Session.get_pymongo_collection().find({"_id": {"$in": list(session_ids)}})
        return {session["_id"]: session async for session in found}

    async def session(self, session_id: str) -> Session | None:
        """The session."""
        return await Session.get(session_id)

    async def events_of(self, session_id: str) -> list[Event]:
        """The session's events in the order of their arrival."""
        found = Event.find({"session_id": session_id}).sort("received_at", "_id")
        return await found.limit(_EVENTS_PER_SESSION).to_list()

    async def page(
        self,
        collection: str,
        span: Span,
        *,
        user_id: str | None,
        has_events: bool | None,
        past: Place | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Sessions, newest first, from the one before `past`, without what they showed."""
        keys: dict[str, Sequence[Any]] = {"collection": [collection]}
        if user_id is not None:
            keys["user_id"] = [user_id]
        if user_id is not None or has_events is not None:
            keys["has_events"] = [False, True] if has_events is None else [has_events]
        criteria = page_filter(keys, span, past=past, newest_first=True)
        found = Session.get_pymongo_collection().find(criteria, _OF_A_ROW, sort=_NEWEST_FIRST, limit=limit)
        return await found.to_list()

    async def showings(self, session_ids: Sequence[str]) -> dict[str, Showing]:
        """What each of the sessions that exist showed, and how many events it has."""
        wanted = {"collection": 1, "created_at": 1, "has_events": 1, "results.id": 1, "results.position": 1}
        found = await Session.get_pymongo_collection().find({"_id": {"$in": list(session_ids)}}, wanted).to_list()
        counts = await self._count_events(one["_id"] for one in found if one.get("has_events", True))
        return {
            session["_id"]: Showing(
                collection=session["collection"],
                began=session["created_at"],
                positions={one["id"]: one["position"] for one in session["results"]},
                events=counts.get(session["_id"], 0),
            )
            for session in found
        }

    async def add_events(self, events: Sequence[dict[str, Any]]) -> set[str]:
        """Insert the events that are not there yet; returns the ids of these.

        Their sessions are marked before: after a crash between the two, a session may be marked without an event.
        """
        if not events:
            return set()
        sessions = sorted({event["session_id"] for event in events})
        unmarked = {"_id": {"$in": sessions}, "has_events": {"$ne": True}}
        await Session.get_pymongo_collection().update_many(unmarked, {"$set": {"has_events": True}})
        try:
            answer = await Event.get_pymongo_collection().insert_many(events, ordered=False)
        except BulkWriteError as error:
            known = _duplicates(error)
            return {event["_id"] for index, event in enumerate(events) if index not in known}
        return set(answer.inserted_ids)

    async def mark_irrelevant(self, session_id: str, at: datetime) -> None:
        """Remember that the session teaches nothing since then, or earlier."""
        unmarked = {"_id": session_id, "irrelevant_at": None}
        await Session.get_pymongo_collection().update_one(unmarked, {"$set": {"irrelevant_at": at}})

    async def sessions(
        self, collection: str, span: Span, wanted: Mapping[str, int] | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """The documents of a time, or the `wanted` fields of them, in batches, oldest first.

        However long a batch takes its reader, no cursor waits for it.
        """
        past: Place | None = None
        while True:
            criteria = page_filter({"collection": [collection]}, span, past=past)
            found = Session.get_pymongo_collection().find(criteria, wanted, sort=_IN_ORDER, limit=_SESSIONS_PER_BATCH)
            batch = await found.to_list()
            if batch:
                yield batch
                past = (batch[-1]["created_at"], batch[-1]["_id"])
            if len(batch) < _SESSIONS_PER_BATCH:
                return

    async def relevant(self, collection: str, span: Span) -> AsyncIterator[Pair]:
        """The sessions of a time that may teach something, oldest first, each with its events."""
        wanted = {"created_at": 1, "irrelevant_at": 1, "query.text": 1, "results": 1, "user_id": 1}
        async for batch in self.sessions(collection, span, wanted):
            relevant = [session for session in batch if session.get("irrelevant_at") is None]
            for pair in await self.with_events(relevant, _OF_AN_ANSWER):
                yield pair

    async def with_events(
        self, sessions: Sequence[dict[str, Any]], wanted: Mapping[str, int] | None = None
    ) -> list[Pair]:
        """Each session with all its events, or the `wanted` fields of them, by id."""
        events: dict[str, list[dict[str, Any]]] = {session["_id"]: [] for session in sessions}
        found = Event.get_pymongo_collection().find({"session_id": {"$in": list(events)}}, wanted, sort=[("_id", 1)])
        async for event in found:
            events[event["session_id"]].append(event)
        return [(session, events[session["_id"]]) for session in sessions]

    async def count_sessions(self, collection: str, span: Span) -> int:
        """How many sessions there were."""
        return await Session.find({"collection": collection, **span.criteria()}).count()

    async def count_irrelevant_events(self, collection: str, span: Span) -> int:
        """How many events there are in searches by text that teach nothing."""
        criteria = {
            "collection": collection,
            **span.criteria(),
            "irrelevant_at": {"$exists": True},
            "query.text": {"$type": "string", "$ne": ""},
        }
        ids: list[str] = []
        total = 0
        async for session in Session.get_pymongo_collection().find(criteria, {"_id": 1}):
            ids.append(session["_id"])
            if len(ids) == _SESSIONS_PER_BATCH:
                total += sum((await self._count_events(ids)).values())
                ids = []
        return total + sum((await self._count_events(ids)).values())

    async def first_sessions(self, user_id: str) -> dict[str, datetime]:
        """When the user first searched each collection."""
        found = await Session.get_pymongo_collection().aggregate(
            [
                {"$match": {"user_id": user_id}},
                {"$group": {"_id": "$collection", "first": {"$min": "$created_at"}}},
            ]
        )
        return {one["_id"]: one["first"] async for one in found}

    async def delete_user(self, user_id: str) -> tuple[int, int]:
        """Delete the user's sessions, the events in them, and all other events of the user; returns both numbers."""
        events = await Event.get_pymongo_collection().delete_many({"user_id": user_id})
        sessions, answers = await self._delete_all({"user_id": user_id})
        return sessions, events.deleted_count + answers

    async def delete_before(self, collection: str, before: datetime, *, spared: Sequence[str], limit: int) -> int:
        """Delete the oldest sessions with their events; returns how many sessions.

        Args:
            collection: Whose sessions.
            before: Those that began earlier.
            spared: Experiments whose sessions stay.
            limit: How many sessions at most.
        """
        old = {"collection": collection, "created_at": {"$lt": before}, "experiment": {"$nin": list(spared)}}
        sessions, _ = await self._delete(old, limit=limit, order=_IN_ORDER)
        return sessions

    async def delete_of(self, collection: str) -> None:
        """Delete all sessions and events of a collection; what is cut off goes on when asked again."""
        await self._delete_all({"collection": collection})
        await Event.find({"collection": collection}).delete()

    @cached_property
    def _sessions_in_memory(self) -> AsyncCollection[Any]:
        return Session.get_pymongo_collection().with_options(write_concern=_IN_MEMORY)

    async def _insert_sessions(self, sessions: Sequence[RawBSONDocument]) -> Mapping[int, Exception]:
        if len(sessions) == 1:  # a single document costs the driver less
            await self._sessions_in_memory.insert_one(sessions[0])
            return {}
        try:
            await self._sessions_in_memory.insert_many(sessions, ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                raise
            failures = error.details["writeErrors"]
            return {one["index"]: WriteError(one["errmsg"], one["code"], one) for one in failures}
        return {}

    async def _delete_all(self, criteria: Mapping[str, Any]) -> tuple[int, int]:
        """Delete sessions with their events, batch by batch; returns how many of both.

        It ends with a batch that is not full, as it would never overtake searches that go on.
        """
        sessions = events = 0
        full = True
        while full:
            some, answers = await self._delete(criteria, limit=_SESSIONS_PER_DELETION)
            sessions += some
            events += answers
            full = some == _SESSIONS_PER_DELETION
        return sessions, events

    async def _delete(
        self, criteria: Mapping[str, Any], *, limit: int, order: Sequence[tuple[str, int]] | None = None
    ) -> tuple[int, int]:
        """Delete sessions with their events, the first in an order; returns how many of both.

        The events go first: a crash between the two leaves sessions, which go the next time.
        """
        sessions = Session.get_pymongo_collection()
        batch = [one["_id"] async for one in sessions.find(criteria, {"_id": 1}, sort=order, limit=limit)]
        if not batch:
            return 0, 0
        events = await Event.get_pymongo_collection().delete_many({"session_id": {"$in": batch}})
        await sessions.delete_many({"_id": {"$in": batch}})
        return len(batch), events.deleted_count

    @staticmethod
    async def _count_events(session_ids: Iterable[str]) -> dict[str, int]:
        ids = list(session_ids)
        if not ids:
            return {}
        stages: list[dict[str, Any]] = [
            {"$match": {"session_id": {"$in": ids}}},
            {"$group": {"_id": "$session_id", "events": {"$sum": 1}}},
        ]
        found = await Event.get_pymongo_collection().aggregate(stages)
        return {one["_id"]: one["events"] async for one in found}


def _duplicates(error: BulkWriteError) -> set[int]:
    """The places of the documents that were not inserted because their ids are taken.

    Raises:
        BulkWriteError: Something else went wrong.
    """
    failures = error.details["writeErrors"]
    if error.details["writeConcernErrors"] or any(failure["code"] != _DUPLICATE_KEY for failure in failures):
        raise error
    return {failure["index"] for failure in failures}
