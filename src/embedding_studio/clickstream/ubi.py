"""Documents of OpenSearch's User Behavior Insights 1.x, read as sessions and events.

A query becomes a session: `query_id` is its id, `query_response_hit_ids` is what it showed. An event becomes an event
of the session `query_id`. Fields that have no place elsewhere are kept in `meta`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec

from embedding_studio.clickstream.domain import EventType, NewEvent, Shown
from embedding_studio.clickstream.schemas import (
    EventsAccepted,
    RejectedView,
    SessionId,
    ShortText,
    check_event_meta,
    check_meta,
)
from embedding_studio.clickstream.service import ClickstreamService, NewSession
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, StudioError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.kernel.time import to_milliseconds

__all__ = ["ACTIONS", "Document", "read_event", "read_query", "take_events", "take_queries"]

Document = dict[str, Any]

ACTIONS: Mapping[EventType, Sequence[str]] = {
    "click": ("click", "click_through", "item_click", "product_click", "result_click"),
    "view": ("view", "impression", "item_view", "product_view", "watch"),
    "dwell": ("dwell", "dwell_time"),
    "like": ("like", "favorite", "bookmark", "add_to_wishlist"),
    "dismiss": ("dismiss", "hide"),
    "cart": ("cart", "add_to_cart"),
    "purchase": ("purchase", "buy"),
    "report": ("report", "flag"),
}
"""The names of actions that are known, by what they count as; case, spaces and hyphens make no difference."""

_TYPES: Mapping[str, EventType] = {name: kind for kind, names in ACTIONS.items() for name in names}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_POSITIONS = 1_000_000

_Read = TypeVar("_Read")
_Name = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_Hits = Annotated[list[str | int], msgspec.Meta(max_length=1000)]


class _Query(msgspec.Struct):
    query_id: SessionId
    user_query: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    application: _Name | None = None
    client_id: _Name | None = None
    user_id: _Name | None = None
    timestamp: str | int | None = None
    query_response_hit_ids: _Hits | None = None
    query_response_objects_ids: _Hits | None = None  # what version 1.0 called them


class _Object(msgspec.Struct):
    object_id: str | int


class _Attributes(msgspec.Struct):
    object: _Object
    position: Any = None
    value: Any = None


class _Event(msgspec.Struct):
    action_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    query_id: ShortText
    event_attributes: _Attributes
    event_id: ShortText | None = None
    client_id: _Name | None = None
    user_id: _Name | None = None
    timestamp: str | int | None = None


async def take_queries(
    clickstream: ClickstreamService,
    documents: Sequence[Document],
    collection: str | None,
    *,
    within: AbstractSet[str] | None = None,
) -> EventsAccepted:
    """Record the queries as searches of `collection`, or else of the one that each names as its `application`.

    Those of a collection that is not `within` what the sender may touch are rejected.

    Raises:
        NotFoundError: There is no such `collection`.
    """
    read, rejected = _read_all(documents, lambda document: _granted(read_query(document, collection), within))
    outcomes = await clickstream.add_all(list(read.values()))
    for index, outcome in zip(read, outcomes, strict=True):
        if isinstance(outcome, NotFoundError) and collection is not None:
            raise outcome
        if isinstance(outcome, StudioError):
            rejected.append(RejectedView(index, outcome.detail))
    return EventsAccepted(outcomes.count(True), outcomes.count(False), sorted(rejected, key=lambda one: one.index))


async def take_events(
    clickstream: ClickstreamService, documents: Sequence[Document], *, within: AbstractSet[str] | None = None
) -> EventsAccepted:
    """Record the events in the sessions that their `query_id` names; `within` as in `ClickstreamService.accept`."""
    read, rejected = _read_all(documents, read_event)
    answer = await clickstream.accept(list(read.values()), within=within)
    places = list(read)
    rejected += [RejectedView(places[one.index], one.reason) for one in answer.rejected]
    return EventsAccepted(answer.accepted, answer.duplicates, sorted(rejected, key=lambda one: one.index))


def read_query(document: Document, collection: str | None = None) -> tuple[str, NewSession]:
    """A query as a session with its id.

    Raises:
        InvalidError: It cannot be read, or says of no collection; names the field.
    """
    query = _convert(document, _Query)
    collection = collection or query.application
    if not collection:
        raise InvalidError.at("application", "must name the collection, where ?collection= does not")
    hits = query.query_response_hit_ids or query.query_response_objects_ids or []
    meta = _rest(document, _Query, kept={"application"})
    check_meta(meta, "document")
    return query.query_id, NewSession(
        collection=collection,
        query={"text": query.user_query or None},
        filter=None,
        user_id=query.user_id or query.client_id or None,
        meta=meta or None,
        results=_shown(hits),
        mode="external",
        model_version=None,
        index_version=None,
        began=_time(query.timestamp),
    )


def read_event(document: Document) -> NewEvent:
    """An event; one that has no `event_id` is known by its content.

    Raises:
        InvalidError: It cannot be read; names the field.
    """
    event = _convert(document, _Event)
    attributes = event.event_attributes
    meta = _rest(document, _Event, kept={"event_attributes", "action_name"})
    check_event_meta(meta, "document")
    return NewEvent(
        event_id=event.event_id or _fingerprint(document),
        session_id=event.query_id,
        item_id=_item_id(attributes.object.object_id, "event_attributes.object.object_id"),
        type=_type(event.action_name),
        value=_number(attributes.value),
        timestamp=_time(event.timestamp),
        position=_ordinal(attributes.position),
        user_id=event.user_id or event.client_id or None,
        meta=meta,
    )


def _granted(query: tuple[str, NewSession], within: AbstractSet[str] | None) -> tuple[str, NewSession]:
    name = query[1].collection
    if within is not None and name not in within:
        raise ForbiddenError(f"this key is not granted the collection {name!r}")
    return query


def _read_all(
    documents: Sequence[Document], read: Callable[[Document], _Read]
) -> tuple[dict[int, _Read], list[RejectedView]]:
    """What could be read, by its place among the documents, and why the others could not."""
    good: dict[int, _Read] = {}
    bad: list[RejectedView] = []
    for index, document in enumerate(documents):
        try:
            good[index] = read(document)
        except (InvalidError, ForbiddenError) as error:
            bad.append(RejectedView(index, error.detail))
    return good, bad


def _convert(document: Document, kind: type[_Read]) -> _Read:
    refuse_unstorable(document, "document", in_document=True)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InvalidError(str(error)) from None


def _rest(document: Document, kind: type[msgspec.Struct], *, kept: set[str]) -> Document:
    """What stands in the document beside the fields that are read, and the `kept` ones of these."""
    read = set(kind.__struct_fields__) - kept
    return {name: value for name, value in document.items() if name not in read}


def _shown(hits: Sequence[str | int]) -> list[Shown]:
    """The hits at their positions, each at its first."""
    positions: dict[str, int] = {}
    for position, hit in enumerate(hits, 1):
        positions.setdefault(_item_id(hit, f"query_response_hit_ids[{position - 1}]"), position)
    return [Shown(item_id, position, None) for item_id, position in positions.items()]


def _item_id(value: str | int, place: str) -> str:
    try:
        return msgspec.convert(str(value), ShortText)
    except msgspec.ValidationError as error:
        raise InvalidError.at(place, str(error)) from None


def _type(action: str) -> EventType:
    name = "_".join(action.replace("-", " ").replace("_", " ").lower().split())
    if name not in _TYPES:
        raise InvalidError.at("action_name", f"{action!r} is none of {', '.join(_TYPES)}")
    return _TYPES[name]


def _time(value: str | int | None) -> datetime | None:
    """A time in ISO 8601, of UTC where it names no offset, or in milliseconds since 1970."""
    if value is None:
        return None
    try:
        if isinstance(value, int):
            return _EPOCH + timedelta(milliseconds=value)
        moment = datetime.fromisoformat(value)
        return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidError.at("timestamp", "must be in ISO 8601 or milliseconds since 1970") from None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _ordinal(position: object) -> int | None:
    """The place in the list: a number, or since 1.0 under `index`; None where it is not told so."""
    value = position.get("ordinal") if isinstance(position, dict) else None
    value = value.get("index") if isinstance(value, dict) else value
    is_position = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_POSITIONS
    return value if is_position else None


def _fingerprint(document: Document) -> str:
    """The same for the same content, whatever the order of its fields."""
    return "ubi-" + hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()
