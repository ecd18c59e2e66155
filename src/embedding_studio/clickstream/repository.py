"""Every query on sessions and events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, WriteError

from embedding_studio.clickstream.batcher import Batcher
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.kernel.errors import TooLargeError

__all__ = ["ClickstreamRepository"]

_IN_MEMORY = WriteConcern(w=1, j=False)
_DUPLICATE_KEY = 11000
_EVENTS_PER_SESSION = 10_000
_SESSIONS_PER_BATCH = 500
_SESSIONS_PER_INSERT = 100
_WAITING_SESSIONS = 1_000
_LARGEST_DOCUMENT = 16 * 1024 * 1024


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

    async def session(self, session_id: str) -> Session | None:
        """The session."""
        return await Session.get(session_id)

    async def events_of(self, session_id: str) -> list[Event]:
        """The session's events in the order of their arrival."""
        found = Event.find({"session_id": session_id}).sort("received_at", "_id")
        return await found.limit(_EVENTS_PER_SESSION).to_list()

    async def shown(self, session_ids: Sequence[str]) -> dict[str, tuple[str, dict[str, int]]]:
        """For each session that exists: its collection, and the position of each item it showed."""
        found = Session.get_pymongo_collection().find(
            {"_id": {"$in": list(session_ids)}},
            {"collection": 1, "results.id": 1, "results.position": 1},
        )
        return {
            session["_id"]: (session["collection"], {one["id"]: one["position"] for one in session["results"]})
            async for session in found
        }

    async def add_events(self, events: Sequence[dict[str, Any]]) -> int:
        """Insert the events that are not there yet; returns how many those were."""
        if not events:
            return 0
        try:
            answer = await Event.get_pymongo_collection().insert_many(events, ordered=False)
        except BulkWriteError as error:
            if any(failure["code"] != _DUPLICATE_KEY for failure in error.details["writeErrors"]):
                raise
            return int(error.details["nInserted"])
        return len(answer.inserted_ids)

    async def answered(
        self,
        collection: str,
        *,
        since: datetime | None,
        until: datetime,
    ) -> AsyncIterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """The sessions of a time that have events, oldest first, each with its events."""
        window: dict[str, Any] = {"$lt": until} if since is None else {"$gte": since, "$lt": until}
        found = Session.get_pymongo_collection().find(
            {"collection": collection, "created_at": window},
            {"query": 1, "user_id": 1, "results.id": 1},
            sort=[("created_at", 1), ("_id", 1)],
            batch_size=_SESSIONS_PER_BATCH,
        )
        batch: list[dict[str, Any]] = []
        async for session in found:
            batch.append(session)
            if len(batch) == _SESSIONS_PER_BATCH:
                for pair in await self._with_events(batch):
                    yield pair
                batch = []
        for pair in await self._with_events(batch):
            yield pair

    async def count_sessions(self, collection: str, *, since: datetime | None, until: datetime) -> int:
        """How many sessions there were."""
        window: dict[str, Any] = {"$lt": until} if since is None else {"$gte": since, "$lt": until}
        return await Session.find({"collection": collection, "created_at": window}).count()

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
        sessions = Session.get_pymongo_collection()
        events = await Event.get_pymongo_collection().delete_many({"user_id": user_id})
        deleted_sessions, deleted_events = 0, events.deleted_count
        while batch := [
            one["_id"] async for one in sessions.find({"user_id": user_id}, {"_id": 1}).limit(_SESSIONS_PER_BATCH)
        ]:
            answers = await Event.get_pymongo_collection().delete_many({"session_id": {"$in": batch}})
            deleted_events += answers.deleted_count
            deleted_sessions += (await sessions.delete_many({"_id": {"$in": batch}})).deleted_count
        return deleted_sessions, deleted_events

    async def delete_of(self, collection: str) -> None:
        """Delete all sessions and events of a collection."""
        await Event.find({"collection": collection}).delete()
        await Session.find({"collection": collection}).delete()

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

    @staticmethod
    async def _with_events(sessions: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        events: dict[str, list[dict[str, Any]]] = {}
        found = Event.get_pymongo_collection().find(
            {"session_id": {"$in": [session["_id"] for session in sessions]}},
            sort=[("_id", 1)],
        )
        async for event in found:
            events.setdefault(event["session_id"], []).append(event)
        return [(session, events[session["_id"]]) for session in sessions if session["_id"] in events]
