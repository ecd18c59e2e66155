"""Sessions and events on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from embedding_studio.clickstream.domain import EventType, NewEvent
from embedding_studio.clickstream.models import Event, Session

__all__ = ["EventBatch", "EventIn", "EventView", "EventsAccepted", "ImpressionView", "RejectedView", "SessionView"]

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """Something a user did."""

    event_id: ShortText
    session_id: ShortText
    item_id: ShortText
    type: EventType
    value: float | None = None
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    position: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    user_id: ShortText | None = None
    meta: dict[str, Any] | None = None

    def to_domain(self) -> NewEvent:
        """The event as the service takes it."""
        return NewEvent(**{name: getattr(self, name) for name in self.__struct_fields__})


class EventBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Events in any order, each counted once."""

    events: Annotated[list[EventIn], msgspec.Meta(min_length=1, max_length=1000)]


class RejectedView(msgspec.Struct):
    """An event that does not count."""

    index: int
    reason: str


class EventsAccepted(msgspec.Struct):
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedView]


class ImpressionView(msgspec.Struct):
    """An item that was shown."""

    id: str
    position: int
    score: float
    propensity: float


class EventView(msgspec.Struct):
    """An event of a session."""

    event_id: str
    item_id: str
    type: EventType
    value: float | None
    position: int
    user_id: str | None
    meta: dict[str, Any] | None
    timestamp: datetime


class SessionView(msgspec.Struct):
    """A session with its events."""

    session_id: str
    collection: str
    query: dict[str, Any]
    filter: dict[str, Any] | None
    user_id: str | None
    meta: dict[str, Any] | None
    results: list[ImpressionView]
    mode: str
    model_version: int
    index_version: int
    variant: str | None
    created_at: datetime
    events: list[EventView]

    @classmethod
    def of(cls, session: Session, events: list[Event]) -> "SessionView":
        """The documents as clients see them."""
        fields = {name: getattr(session, name) for name in cls.__struct_fields__[1:6]}
        return cls(
            session_id=session.id,
            **fields,
            results=[ImpressionView(**one.model_dump()) for one in session.results],
            mode=session.mode,
            model_version=session.model_version,
            index_version=session.index_version,
            variant=session.variant,
            created_at=session.created_at,
            events=[
                EventView(
                    event_id=event.id,
                    **{name: getattr(event, name) for name in EventView.__struct_fields__[1:]},
                )
                for event in events
            ],
        )
