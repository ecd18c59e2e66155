"""Recording sessions and events, and reading them for learning."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from embedding_studio.clickstream.domain import Answer, AnsweredSession, NewEvent, Rejection, Shown, rejection_reason
from embedding_studio.clickstream.errors import SessionNotFoundError
from embedding_studio.clickstream.models import Event, Session, packed
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.kernel.time import Clock

__all__ = ["Accepted", "ClickstreamService", "NewSession"]


@dataclass(frozen=True, slots=True)
class NewSession:
    """A search that was answered.

    Attributes:
        query: What was asked, under `text` or `vector`: numbers that float32 can hold, or an array of it.
    """

    collection: str
    query: dict[str, Any]
    filter: dict[str, Any] | None
    user_id: str | None
    meta: dict[str, Any] | None
    results: Sequence[Shown]
    mode: str
    model_version: int
    index_version: int
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


class ClickstreamService:
    """What was shown and what was done with it, each written once."""

    def __init__(self, *, repository: ClickstreamRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def record(self, session: NewSession) -> str:
        """Write a session; once this returns, events may refer to it."""
        session_id = new_id()
        await self._repository.add_session(_session_document(session_id, session, self._clock()))
        return session_id

    async def accept(self, events: Sequence[NewEvent]) -> Accepted:
        """Write the events that answer a session, each `event_id` once however often it is sent.

        Raises:
            InvalidError: An event cannot be stored; nothing was written.
        """
        for index, event in enumerate(events):
            refuse_unstorable(event.timestamp, f"events[{index}].timestamp")
            refuse_unstorable(event.meta, f"events[{index}].meta", in_document=True)
        shown = await self._repository.shown(sorted({event.session_id for event in events}))
        rejected: list[Rejection] = []
        documents: dict[str, dict[str, Any]] = {}
        for index, event in enumerate(events):
            collection, positions = shown.get(event.session_id, (None, None))
            reason = rejection_reason(event, positions)
            if reason or collection is None or positions is None:
                rejected.append(Rejection(index, reason or "no session"))
            else:
                documents.setdefault(event.event_id, self._document(event, collection, positions))
        inserted = await self._repository.add_events(list(documents.values()))
        return Accepted(inserted, len(events) - len(rejected) - inserted, rejected)

    async def get(self, session_id: str) -> tuple[Session, list[Event]]:
        """A session with its events.

        Raises:
            SessionNotFoundError: There is none.
        """
        session = await self._repository.session(session_id)
        if session is None:
            raise SessionNotFoundError(session_id)
        return session, await self._repository.events_of(session_id)

    async def answered(
        self, collection: str, *, since: datetime | None, until: datetime
    ) -> AsyncIterator[AnsweredSession]:
        """The searches by text of a time that have events, oldest first."""
        async for session, events in self._repository.answered(collection, since=since, until=until):
            if text := session["query"].get("text"):
                users = [session.get("user_id"), *(event["user_id"] for event in events)]
                yield AnsweredSession(
                    session_id=session["_id"],
                    query=text,
                    user=next((user for user in users if user), session["_id"]),
                    shown=tuple(result["id"] for result in session["results"]),
                    answers=tuple(
                        Answer(event["item_id"], event["type"], event["value"], event["position"], event["timestamp"])
                        for event in events
                    ),
                )

    async def count_sessions(self, collection: str, *, since: datetime | None, until: datetime) -> int:
        """How many searches were recorded."""
        return await self._repository.count_sessions(collection, since=since, until=until)

    async def delete_of(self, collection: str) -> None:
        """Forget the sessions and events of a deleted collection."""
        await self._repository.delete_of(collection)

    def _document(self, event: NewEvent, collection: str, positions: dict[str, int]) -> dict[str, Any]:
        received_at = self._clock()
        return {
            "_id": event.event_id,
            "session_id": event.session_id,
            "collection": collection,
            "item_id": event.item_id,
            "type": event.type,
            "value": event.value,
            "position": positions[event.item_id],
            "user_id": event.user_id,
            "meta": event.meta,
            "timestamp": event.timestamp or received_at,
            "received_at": received_at,
        }


def _session_document(session_id: str, session: NewSession, created_at: datetime) -> dict[str, Any]:
    """The session as it is stored; what was not said is left out, so that no index has to hold it."""
    said = {
        "filter": session.filter,
        "user_id": session.user_id,
        "meta": session.meta,
        "variant": session.variant,
    }
    return {
        "_id": session_id,
        "collection": session.collection,
        "query": packed(session.query),
        **{name: value for name, value in said.items() if value is not None},
        "results": [
            {"id": one.id, "position": one.position, "score": one.score, "propensity": one.propensity}
            for one in session.results
        ],
        "mode": session.mode,
        "model_version": session.model_version,
        "index_version": session.index_version,
        "created_at": created_at,
    }
