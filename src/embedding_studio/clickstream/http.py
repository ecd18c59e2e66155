"""The endpoints of sessions and events."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from embedding_studio.access import Caller, needs
from embedding_studio.clickstream.event_doctor import EventDoctor, EventReport
from embedding_studio.clickstream.forgetting import ForgettingService
from embedding_studio.clickstream.quality import Quality, QualityService
from embedding_studio.clickstream.reporting import Bucket
from embedding_studio.clickstream.schemas import (
    EventBatch,
    EventsAccepted,
    SessionIn,
    SessionPage,
    SessionRow,
    SessionView,
)
from embedding_studio.clickstream.service import ClickstreamService
from embedding_studio.clickstream.timeline import Place, Span
from embedding_studio.clickstream.ubi import Document, take_events, take_queries
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.kernel.time import read_time
from embedding_studio.tasks import Accepted, Idempotency

__all__ = ["ClickstreamController", "ReportController", "UbiController"]

_MAX_BODY = 2_000_000  # also as a MongoDB document, in which `1,` takes thirteen bytes, this is under 16 MB
_Documents = Annotated[list[Document], msgspec.Meta(min_length=1, max_length=1000)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class ClickstreamController(Controller):
    """What was shown and what was done with it."""

    path = "/api/v1"
    tags = ("clickstream",)
    request_max_body_size = _MAX_BODY

    @post("/events", status_code=202, opt=needs("search", minds_grants=True))
    async def send_events(
        self,
        clickstream: NamedDependency[ClickstreamService],
        caller: NamedDependency[Caller],
        data: JSONBody[EventBatch],
    ) -> EventsAccepted:
        """Send what users did with what they were shown."""
        return EventsAccepted.of(await clickstream.accept(data.to_domain(), within=caller.collections))

    @post(
        "/collections/{name:str}/sessions",
        opt=needs("search"),
        responses={200: ResponseSpec(SessionView, generate_examples=False, description="It was recorded before.")},
    )
    async def add_session(
        self,
        clickstream: NamedDependency[ClickstreamService],
        name: FromPath[str],
        data: JSONBody[SessionIn],
    ) -> Response[SessionView]:
        """Record a search that was served elsewhere; sent again just the same, it is answered 200."""
        is_new = await clickstream.add(data.session_id, data.to_domain(name))
        view = SessionView.of(*await clickstream.get(data.session_id))
        return Response(view, status_code=201 if is_new else 200)

    @get("/collections/{name:str}/sessions")
    async def list_sessions(
        self,
        clickstream: NamedDependency[ClickstreamService],
        name: FromPath[str],
        since: FromQuery[str | None] = None,
        until: FromQuery[str | None] = None,
        user_id: FromQuery[str | None] = None,
        has_events: FromQuery[bool | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> SessionPage:
        """List sessions, newest first."""
        refuse_unstorable(user_id, "user_id")
        span = Span(_time(since, "since"), _time(until, "until"))
        past = _place(cursor) if cursor else None
        found = await clickstream.page(name, span, user_id=user_id, has_events=has_events, past=past, limit=limit)
        more = len(found) == limit
        return SessionPage([SessionRow.of(one) for one in found], _cursor(found[-1]) if more else None)

    @get("/sessions/{session_id:str}", opt=needs("admin", minds_grants=True))
    async def get_session(
        self,
        clickstream: NamedDependency[ClickstreamService],
        caller: NamedDependency[Caller],
        session_id: FromPath[str],
    ) -> SessionView:
        """Look at a session with its events."""
        session, events = await clickstream.get(session_id)
        caller.require(session.collection)
        return SessionView.of(session, events)

    @post("/sessions/{session_id:str}/irrelevant", status_code=204, opt=needs("admin", minds_grants=True))
    async def mark_irrelevant(
        self,
        clickstream: NamedDependency[ClickstreamService],
        caller: NamedDependency[Caller],
        session_id: FromPath[str],
    ) -> None:
        """Let a session teach nothing from now on."""
        session, _ = await clickstream.get(session_id)
        caller.require(session.collection)
        await clickstream.mark_irrelevant(session_id)

    @delete("/users/{user_id:str}", status_code=202)
    async def forget_user(
        self,
        forgetting: NamedDependency[ForgettingService],
        idempotency: NamedDependency[Idempotency | None],
        user_id: FromPath[str],
    ) -> Accepted:
        """Forget a user: sessions and events go, and the task names the models that may have learned from them."""
        refuse_unstorable(user_id, "user_id")
        task = await forgetting.request(user_id, idempotency=idempotency)
        return Accepted(task.id)


class UbiController(Controller):
    """Documents of OpenSearch's User Behavior Insights 1.x, as they are."""

    path = "/api/v1/ubi"
    tags = ("clickstream",)
    opt = needs("search", minds_grants=True)
    request_max_body_size = _MAX_BODY

    @post("/queries", status_code=202)
    async def send_queries(
        self,
        clickstream: NamedDependency[ClickstreamService],
        caller: NamedDependency[Caller],
        data: JSONBody[Document | _Documents],
        collection: FromQuery[str | None] = None,
    ) -> EventsAccepted:
        """Record queries as searches of a collection, or else of the one that each names as its `application`."""
        if collection is not None:
            caller.require(collection)
        documents = data if isinstance(data, list) else [data]
        return await take_queries(clickstream, documents, collection, within=caller.collections)

    @post("/events", status_code=202)
    async def send_events(
        self,
        clickstream: NamedDependency[ClickstreamService],
        caller: NamedDependency[Caller],
        data: JSONBody[Document | _Documents],
    ) -> EventsAccepted:
        """Record events in the sessions that their `query_id` names."""
        documents = data if isinstance(data, list) else [data]
        return await take_events(clickstream, documents, within=caller.collections)


def _time(text: str | None, name: str) -> datetime | None:
    return None if text is None else read_time(text, name)


class ReportController(Controller):
    """What sessions and events say, read over time."""

    path = "/api/v1/collections/{name:str}"
    tags = ("reports",)

    @get("/quality")
    async def get_quality(
        self,
        quality: NamedDependency[QualityService],
        name: FromPath[str],
        since: FromQuery[str | None] = None,
        until: FromQuery[str | None] = None,
        bucket: FromQuery[Bucket] = "day",
    ) -> Quality:
        """See how well searches were answered, by time, model version and variant."""
        return await quality.of(
            name,
            since=None if since is None else read_time(since, "since"),
            until=None if until is None else read_time(until, "until"),
            bucket=bucket,
        )

    @get("/events/doctor")
    async def examine_events(
        self,
        event_doctor: NamedDependency[EventDoctor],
        name: FromPath[str],
        since: FromQuery[str | None] = None,
    ) -> EventReport:
        """See whether events come as they should, and which field of theirs is wrong."""
        return await event_doctor.examine(name, since=None if since is None else read_time(since, "since"))


def _cursor(last: Mapping[str, Any]) -> str:
    return encode_cursor((last["created_at"] - _EPOCH) // _MILLISECOND, last["_id"])


def _place(cursor: str) -> Place:
    milliseconds, session_id = decode_cursor(cursor, int, str)
    try:
        return _EPOCH + milliseconds * _MILLISECOND, session_id
    except OverflowError:
        raise InvalidError.at("cursor", "is not a cursor of this list") from None
