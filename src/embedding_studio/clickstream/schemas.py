"""Sessions and events on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.clickstream.domain import EventType, NewEvent, Shown
from embedding_studio.clickstream.models import Event, Session, unpacked
from embedding_studio.clickstream.service import Accepted, NewSession
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.kernel.time import to_milliseconds

__all__ = [
    "AskedIn",
    "EventBatch",
    "EventIn",
    "EventView",
    "EventsAccepted",
    "ExportedSession",
    "ImpressionView",
    "RejectedView",
    "ResultIn",
    "SessionId",
    "SessionIn",
    "SessionPage",
    "SessionRow",
    "SessionView",
    "ShortText",
    "check_event_meta",
    "check_meta",
]

_LARGEST_EVENT_META = 16_384
_LARGEST_SESSION_META = 65_536
_LARGEST_FLOAT32 = 3.4e38

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
SessionId = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[0-9A-Za-z_][!-.0-~]*\Z")]
"""What can stand in an address: printable ASCII without spaces and slashes."""
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Position = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Version = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


def check_event_meta(meta: object, place: str) -> None:
    """Refuse what cannot be stored with an event or is too large.

    Raises:
        InvalidError: Names the place.
    """
    check_meta(meta, place, largest=_LARGEST_EVENT_META)


def check_meta(meta: object, place: str, *, largest: int = _LARGEST_SESSION_META) -> None:
    """Refuse what cannot be stored with a session or is too large.

    Raises:
        InvalidError: Names the place.
    """
    refuse_unstorable(meta, place, in_document=True)
    if len(msgspec.json.encode(meta)) > largest:
        raise InvalidError.at(place, f"may have {largest:,} bytes as JSON")


class EventIn(msgspec.Struct, forbid_unknown_fields=True):
    """Something a user did."""

    event_id: ShortText
    session_id: ShortText
    item_id: ShortText
    type: EventType
    value: float | None = None
    timestamp: Time | None = None
    position: Position | None = None
    user_id: ShortText | None = None
    meta: dict[str, Any] | None = None

    def to_domain(self) -> NewEvent:
        """The event as the service takes it."""
        return NewEvent(**{name: getattr(self, name) for name in self.__struct_fields__})


class EventBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Events in any order, each counted once."""

    events: Annotated[list[EventIn], msgspec.Meta(min_length=1, max_length=1000)]

    def to_domain(self) -> list[NewEvent]:
        """The events as the service takes them.

        Raises:
            InvalidError: One cannot be stored; names the place.
        """
        for index, event in enumerate(self.events):
            refuse_unstorable(event.timestamp, f"events[{index}].timestamp")
            check_event_meta(event.meta, f"events[{index}].meta")
        return [event.to_domain() for event in self.events]


class RejectedView(msgspec.Struct):
    """An event that does not count."""

    index: int
    reason: str


class EventsAccepted(msgspec.Struct):
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedView]

    @classmethod
    def of(cls, answer: Accepted) -> "EventsAccepted":
        """The outcome as clients see it."""
        return cls(answer.accepted, answer.duplicates, [RejectedView(one.index, one.reason) for one in answer.rejected])


class AskedIn(msgspec.Struct, forbid_unknown_fields=True):
    """What was asked: in words, by a vector, by an item, by an image; nothing of it for a listing.

    `searched` is what query processors made of the words, where they changed them.
    """

    text: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    vector: (
        Annotated[
            list[Annotated[float, msgspec.Meta(ge=-_LARGEST_FLOAT32, le=_LARGEST_FLOAT32)]],
            msgspec.Meta(min_length=1, max_length=16_000),
        ]
        | None
    ) = None
    item_id: ShortText | None = None
    image: bool = False
    searched: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None

    def to_domain(self) -> dict[str, Any]:
        """The query as sessions keep it.

        Raises:
            InvalidError: It cannot be stored.
        """
        refuse_unstorable(self.text, "query.text")
        refuse_unstorable(self.searched, "query.searched")
        given = {name: getattr(self, name) for name in self.__struct_fields__} | {"image": self.image or None}
        return {name: value for name, value in given.items() if value is not None} or {"text": None}


class ResultIn(msgspec.Struct, forbid_unknown_fields=True):
    """An item that was shown; `team` is that of interleaved rankings whose pick it was."""

    id: ShortText
    position: Position
    score: Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)] | None = None
    propensity: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    team: Literal["control", "treatment"] | None = None


class SessionIn(msgspec.Struct, forbid_unknown_fields=True):
    """A search that was served elsewhere, or here: an export makes again what was lost."""

    session_id: SessionId
    query: Annotated[str, msgspec.Meta(max_length=10_000)] | AskedIn | None
    results: Annotated[list[ResultIn], msgspec.Meta(max_length=1000)]
    user_id: ShortText | None = None
    timestamp: Time | None = None
    filter: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None
    mode: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\Z")] = "external"
    model_version: Version | None = None
    index_version: Version | None = None
    variant: ShortText | None = None
    experiment: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    took_ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    shown_before: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0

    def to_domain(self, collection: str) -> NewSession:
        """The session as the service takes it, its results by position.

        Raises:
            InvalidError: It cannot be stored, or shows an item twice or two at one position; names the place.
        """
        query = self.query if isinstance(self.query, AskedIn) else AskedIn(text=self.query)
        refuse_unstorable(self.timestamp, "timestamp")
        check_meta(self.meta, "meta")
        check_meta(self.filter, "filter")
        for name in ("id", "position"):
            self._refuse_twice(name)
        return NewSession(
            collection=collection,
            query=query.to_domain(),
            filter=self.filter,
            user_id=self.user_id,
            meta=self.meta,
            results=[
                Shown(one.id, one.position, one.score, one.propensity, one.team)
                for one in sorted(self.results, key=lambda one: one.position)
            ],
            mode=self.mode,
            model_version=self.model_version,
            index_version=self.index_version,
            variant=self.variant,
            experiment=self.experiment,
            seed=self.seed,
            took_ms=self.took_ms,
            shown_before=self.shown_before,
            began=None if self.timestamp is None else to_milliseconds(self.timestamp),
        )

    def _refuse_twice(self, name: str) -> None:
        seen: set[object] = set()
        for index, result in enumerate(self.results):
            value = getattr(result, name)
            if value in seen:
                raise InvalidError.at(f"results[{index}].{name}", f"{value!r} stands there already")
            seen.add(value)


class ExportedSession(msgspec.Struct):
    """A line of an export: what the API takes to make the session and its events again."""

    collection: str
    irrelevant: bool
    session: SessionIn
    events: list[EventIn]

    @classmethod
    def of(cls, session: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> "ExportedSession":
        """The documents as they can be sent."""
        made = {"session_id", "query", "results", "timestamp"}
        named = [name for name in SessionIn.__struct_fields__ if name not in made]
        given: dict[str, Any] = {name: session[name] for name in named if name in session}
        return cls(
            collection=session["collection"],
            irrelevant=session.get("irrelevant_at") is not None,
            session=SessionIn(
                session_id=session["_id"],
                query=AskedIn(**unpacked(session["query"])),
                results=[ResultIn(**one) for one in session["results"]],
                timestamp=session["created_at"],
                **given,
            ),
            events=[
                EventIn(event_id=event["_id"], **{name: event[name] for name in EventIn.__struct_fields__[1:]})
                for event in events
            ],
        )


class ImpressionView(msgspec.Struct, omit_defaults=True):
    """An item that was shown; `team` is that of interleaved rankings whose pick it was."""

    id: str
    position: int
    score: float | None
    propensity: float
    team: str | None = None


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


class SessionRow(msgspec.Struct):
    """A session in a list: of its query the words and the item, not the vector."""

    session_id: str
    collection: str
    query: dict[str, Any]
    user_id: str | None
    mode: str
    model_version: int | None
    index_version: int | None
    variant: str | None
    created_at: datetime
    has_events: bool
    irrelevant: bool

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "SessionRow":
        """The document as clients see it."""
        fields = {name: document.get(name) for name in cls.__struct_fields__[1:-2]}
        return cls(
            **{"session_id": document["_id"], **fields},
            has_events=document.get("has_events", False),
            irrelevant=document.get("irrelevant_at") is not None,
        )


class SessionPage(msgspec.Struct):
    """Sessions, newest first."""

    items: list[SessionRow]
    next_cursor: str | None


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
    model_version: int | None
    index_version: int | None
    variant: str | None
    created_at: datetime
    irrelevant: bool
    events: list[EventView]
    experiment: str | None = None
    took_ms: float | None = None

    @classmethod
    def of(cls, session: Session, events: list[Event]) -> "SessionView":
        """The documents as clients see them."""
        taken = {name: getattr(session, name) for name in cls.__struct_fields__[1:12] if name != "results"}
        return cls(
            session_id=session.id,
            **taken,
            results=[ImpressionView(**one.model_dump()) for one in session.results],
            irrelevant=session.irrelevant_at is not None,
            events=[
                EventView(
                    event_id=event.id,
                    **{name: getattr(event, name) for name in EventView.__struct_fields__[1:]},
                )
                for event in events
            ],
            experiment=session.experiment,
            took_ms=session.took_ms,
        )
