"""Recording sessions and events, and reading them for learning."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import PyMongoError

from embedding_studio.clickstream.domain import (
    Answer,
    AnsweredSession,
    Limits,
    NewEvent,
    RejectedEvent,
    Showing,
    Shown,
    rejection,
)
from embedding_studio.clickstream.errors import SessionExistsError, SessionNotFoundError
from embedding_studio.clickstream.intake import Tallies, tally
from embedding_studio.clickstream.metrics import SESSIONS, count_events
from embedding_studio.clickstream.models import Event, Session, packed
from embedding_studio.clickstream.reporting import Reporting
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.clickstream.settings import ClickstreamSettings
from embedding_studio.clickstream.timeline import Place, Span
from embedding_studio.infra.log import note
from embedding_studio.kernel.errors import InvalidError, StudioError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import CollectionNotFoundError, CollectionService

__all__ = ["Accepted", "ClickstreamService", "NewSession", "OnEvents", "OnIrrelevant"]

logger = logging.getLogger(__name__)

OnEvents = Callable[[str, Sequence[str]], Awaitable[None]]
"""Told of a collection's sessions that were sent events, after these were written; perhaps of the same ones again."""

OnIrrelevant = Callable[[Session], Awaitable[None]]
"""Undoes what the session taught; perhaps asked more than once."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A search that was answered.

    Attributes:
        query: What was asked, under `text` or `vector`: numbers that float32 can hold, or an array of it.
        mode: How it was searched, or `external` where it was served elsewhere and did not tell.
        began: When, if not now.
        experiment: The one that the search belonged to, in its `variant`.
        seed: What the draft of interleaved rankings was tossed with.
        took_ms: How long the search took.
        shown_before: How many results the pages before this one showed.
    """

    collection: str
    query: dict[str, Any]
    filter: dict[str, Any] | None
    user_id: str | None
    meta: dict[str, Any] | None
    results: Sequence[Shown]
    mode: str
    model_version: int | None
    index_version: int | None
    variant: str | None = None
    began: datetime | None = None
    experiment: str | None = None
    seed: int | None = None
    took_ms: float | None = None
    shown_before: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class ClickstreamService:
    """What was shown and what was done with it, each written once."""

    def __init__(
        self,
        *,
        repository: ClickstreamRepository,
        reporting: Reporting,
        collections: CollectionService,
        clock: Clock,
        settings: ClickstreamSettings,
        on_events: Sequence[OnEvents] = (),
        on_irrelevant: Sequence[OnIrrelevant] = (),
    ) -> None:
        self._repository = repository
        self._reporting = reporting
        self._collections = collections
        self._clock = clock
        self._limits = Limits(
            open_for=timedelta(seconds=settings.open_for),
            tolerance=timedelta(seconds=settings.clock_tolerance),
            events=settings.events_per_session,
        )
        self._on_events = on_events
        self._on_irrelevant = on_irrelevant

    async def record(self, session: NewSession, session_id: str | None = None) -> str:
        """Write a session, under an id that is new in any case; once this returns, events may refer to it."""
        session_id = session_id or new_id()
        note(session_id=session_id)
        await self._repository.add_session(_session_document(session_id, session, self._clock()))
        SESSIONS.inc()
        return session_id

    async def add(self, session_id: str, session: NewSession) -> bool:
        """Write a search that was served elsewhere; False if it is there already, just the same.

        Items that the collection lacks are taken: they may come later.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: It is said to have begun in the future.
            SessionExistsError: Another session has the id.
        """
        (outcome,) = await self.add_all([(session_id, session)])
        if isinstance(outcome, StudioError):
            raise outcome
        return outcome

    async def add_all(self, sessions: Sequence[tuple[str, NewSession]]) -> list[bool | StudioError]:
        """Write searches that were served elsewhere; for each, what `add` returns or raises."""
        now = self._clock()
        outcomes: list[bool | StudioError | None] = await self._refused([one for _, one in sessions], now)
        documents = {
            index: _session_document(session_id, session, session.began or now)
            for index, (session_id, session) in enumerate(sessions)
            if outcomes[index] is None
        }
        inserted = await self._repository.insert_sessions(list(documents.values()))
        written = list(zip(documents.items(), inserted, strict=True))
        known = await self._repository.documents([one["_id"] for (_, one), is_new in written if not is_new])
        for (index, document), is_new in written:
            timed = sessions[index][1].began is not None
            is_same = is_new or _is_same(known.get(document["_id"], {}), document, timed=timed)
            outcomes[index] = is_new if is_same else SessionExistsError(document["_id"])
        return [outcome for outcome in outcomes if outcome is not None]

    async def accept(self, events: Sequence[NewEvent], *, within: AbstractSet[str] | None = None) -> Accepted:
        """Write the events that answer a session, each `event_id` once however often it is sent.

        Args:
            events: What users did.
            within: The collections that the sender may touch, if not all; a session of another is none that it knows.
        """
        showings = await self._repository.showings(sorted({event.session_id for event in events}))
        if within is not None:
            showings = {name: one for name, one in showings.items() if one.collection in within}
        if len(showings) == 1:
            note(session_id=next(iter(showings)))
        documents, rejected = self._sorted_out(events, showings)
        written = await self._repository.add_events(list(documents.values()))
        await self._tell({event["session_id"]: event["collection"] for event in documents.values()})
        now = self._clock()
        await self._count(tally(events, showings, rejected, written=written, now=now), now)
        duplicates = len(events) - len(rejected) - len(written)
        count_events(accepted=len(written), duplicates=duplicates, rejected=rejected)
        return Accepted(len(written), duplicates, rejected)

    async def get(self, session_id: str) -> tuple[Session, list[Event]]:
        """A session with its events.

        Raises:
            SessionNotFoundError: There is none.
        """
        session = await self._session(session_id)
        return session, await self._repository.events_of(session_id)

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
        """Sessions, newest first, from the one before `past`, without what they showed.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        await self._collections.get(collection)
        return await self._repository.page(
            collection, span, user_id=user_id, has_events=has_events, past=past, limit=limit
        )

    async def mark_irrelevant(self, session_id: str) -> None:
        """Let a session teach nothing from now on, and undo what it taught.

        Raises:
            SessionNotFoundError: There is none.
        """
        session = await self._session(session_id)
        await self._repository.mark_irrelevant(session_id, self._clock())
        for undo in self._on_irrelevant:
            await undo(session)

    async def answered(
        self, collection: str, *, since: datetime | None, until: datetime, silent: bool = False
    ) -> AsyncIterator[AnsweredSession]:
        """The searches by text of a time that have events, oldest first; with `silent`, those that have none too.

        Sessions that are irrelevant are left out.
        """
        async for session, events in self._repository.relevant(collection, Span(since, until)):
            if session["query"].get("text") and (events or silent):
                yield _answered(session, events)

    async def count_sessions(self, collection: str, *, since: datetime | None, until: datetime) -> int:
        """How many searches were recorded."""
        return await self._repository.count_sessions(collection, Span(since, until))

    async def count_irrelevant(self, collection: str, *, since: datetime | None, until: datetime) -> int:
        """How many events `answered` leaves out because their sessions are irrelevant."""
        return await self._repository.count_irrelevant_events(collection, Span(since, until))

    async def _session(self, session_id: str) -> Session:
        session = await self._repository.session(session_id)
        if session is None:
            raise SessionNotFoundError(session_id)
        note(session_id=session_id)
        return session

    async def _refused(self, sessions: Sequence[NewSession], now: datetime) -> list[bool | StudioError | None]:
        """For each session, why it cannot be written; None if it can."""
        missing = {name: await self._missing(name) for name in {session.collection for session in sessions}}
        future = InvalidError.at("timestamp", "lies in the future: is the sender's clock wrong?")
        return [
            missing[one.collection] or (future if one.began and one.began - now > self._limits.tolerance else None)
            for one in sessions
        ]

    async def _missing(self, collection: str) -> StudioError | None:
        try:
            await self._collections.get(collection)
        except CollectionNotFoundError as error:
            return error
        return None

    def _sorted_out(
        self, events: Sequence[NewEvent], showings: Mapping[str, Showing]
    ) -> tuple[dict[str, dict[str, Any]], list[RejectedEvent]]:
        """What is to be written, by `event_id`, and what is not."""
        now = self._clock()
        documents: dict[str, dict[str, Any]] = {}
        rejected: list[RejectedEvent] = []
        taken = Counter[str]()
        for index, event in enumerate(events):
            showing = showings.get(event.session_id)
            if showing is not None:
                showing = replace(showing, events=showing.events + taken[event.session_id])
            wrong = rejection(event, showing, now=now, limits=self._limits)
            if wrong is not None:
                rejected.append(RejectedEvent(index, wrong.cause, wrong.reason))
            elif showing is not None and event.event_id not in documents:
                documents[event.event_id] = _event_document(event, showing, now)
                taken[event.session_id] += 1
        return documents, rejected

    async def _count(self, tallies: Tallies, now: datetime) -> None:
        """Count what came in; if that fails, what was written stays written."""
        try:
            await self._reporting.count(tallies, now)
        except PyMongoError:
            logger.exception("events were accepted but not counted")

    async def _tell(self, collections: Mapping[str, str]) -> None:
        """Tell of sessions, given the collection of each."""
        for name in sorted(set(collections.values())):
            sessions = sorted(one for one, collection in collections.items() if collection == name)
            for told in self._on_events:
                await told(name, sessions)


def _answered(session: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> AnsweredSession:
    users = [session.get("user_id"), *(event["user_id"] for event in events)]
    return AnsweredSession(
        session_id=session["_id"],
        query=session["query"]["text"],
        user=next((user for user in users if user), session["_id"]),
        at=session["created_at"],
        impressions=tuple(
            Shown(one["id"], one["position"], one["score"], one["propensity"]) for one in session["results"]
        ),
        answers=tuple(
            Answer(event["item_id"], event["type"], event["value"], event["position"], event["timestamp"])
            for event in events
        ),
    )


def _event_document(event: NewEvent, showing: Showing, now: datetime) -> dict[str, Any]:
    return {
        "_id": event.event_id,
        "session_id": event.session_id,
        "collection": showing.collection,
        "item_id": event.item_id,
        "type": event.type,
        "value": event.value,
        "position": showing.positions[event.item_id],
        "user_id": event.user_id,
        "meta": event.meta,
        "timestamp": event.timestamp or now,
        "received_at": now,
    }


def _session_document(session_id: str, session: NewSession, began: datetime) -> dict[str, Any]:
    """The session as it is stored; what was not said is left out, so that no index has to hold it."""
    said = {
        "filter": session.filter,
        "user_id": session.user_id,
        "meta": session.meta,
        "model_version": session.model_version,
        "index_version": session.index_version,
        "variant": session.variant,
        "experiment": session.experiment,
        "seed": session.seed,
        "took_ms": session.took_ms,
        "shown_before": session.shown_before or None,
    }
    return {
        "_id": session_id,
        "collection": session.collection,
        "query": packed(session.query),
        **{name: value for name, value in said.items() if value is not None},
        "results": [_impression(one) for one in session.results],
        "mode": session.mode,
        "created_at": began,
        "has_events": False,
    }


def _impression(one: Shown) -> dict[str, Any]:
    shown = {"id": one.id, "position": one.position, "score": one.score, "propensity": one.propensity}
    return shown if one.team is None else {**shown, "team": one.team}


def _is_same(known: Mapping[str, Any], document: Mapping[str, Any], *, timed: bool) -> bool:
    """Whether the same was said of both sessions, apart from what happened to them later."""
    later = {"has_events", "irrelevant_at"} | (set() if timed else {"created_at"})

    def said(one: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in one.items() if name not in later}

    return said(known) == said(document)
