"""Sessions and events as MongoDB documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

import numpy as np
from beanie import Document
from bson.binary import Binary, BinaryVectorDtype
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator
from pymongo import ASCENDING, IndexModel

from embedding_studio.clickstream.domain import EventType

__all__ = ["Event", "Impression", "Session", "packed", "unpacked"]


def packed(query: dict[str, Any]) -> dict[str, Any]:
    """A query as it is stored: its vector as float32 in four bytes a number, which is how it was searched."""
    vector = query.get("vector")
    return query if vector is None else {**query, "vector": _binary(vector)}


def unpacked(query: dict[str, Any]) -> dict[str, Any]:
    """A query as it was asked: each number of its vector is the shortest that is the same as float32."""
    vector = query.get("vector")
    if not isinstance(vector, Binary):
        return query
    numbers = vector.as_vector(return_numpy=True).data
    return {**query, "vector": [float(str(number)) for number in numbers]}


def _index(*fields: str, having: str | None = None) -> IndexModel:
    """An ascending index, of the documents alone that have the field `having`."""
    partial = {"partialFilterExpression": {having: {"$exists": True}}} if having else {}
    return IndexModel([(field, ASCENDING) for field in fields], **partial)


def _binary(vector: Sequence[float] | NDArray[np.float32]) -> Binary:
    return Binary.from_vector(np.asarray(vector, np.float32), BinaryVectorDtype.FLOAT32)


class Impression(BaseModel):
    """An item that was shown; `team` is that of interleaved rankings whose pick it was."""

    id: str
    position: int
    score: float | None = None
    propensity: float
    team: str | None = None


class Session(Document):
    """One search and what it showed.

    Attributes:
        mode: How it was searched here, or `external`.
        experiment: The one that the search belonged to, in its `variant`.
        seed: What the draft of interleaved rankings was tossed with.
        took_ms: How long the search took.
        shown_before: How many results the pages before it showed.
        has_events: Whether an event was ever accepted; set just before the event is written.
        irrelevant_at: Since when it teaches nothing.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    query: Annotated[dict[str, Any], BeforeValidator(unpacked)]
    filter: dict[str, Any] | None = None
    user_id: str | None = None
    meta: dict[str, Any] | None = None
    results: list[Impression]
    mode: str
    model_version: int | None = None
    index_version: int | None = None
    variant: str | None = None
    experiment: str | None = None
    seed: int | None = None
    took_ms: float | None = None
    shown_before: int = 0
    created_at: datetime
    has_events: bool = False
    irrelevant_at: datetime | None = None

    class Settings:
        """Collection and indexes."""

        name = "sessions"
        indexes: ClassVar = [
            _index("collection", "created_at", "_id"),
            _index("collection", "has_events", "created_at", "_id"),
            _index("user_id", "collection", "has_events", "created_at", "_id", having="user_id"),
            _index("collection", "created_at", "irrelevant_at", having="irrelevant_at"),
            _index("experiment", "has_events", "created_at", having="experiment"),
        ]


class Event(Document):
    """Something a user did with an item that a session showed; the id is the sender's, so that it counts once."""

    id: str  # type: ignore[assignment]  # as above
    session_id: str
    collection: str
    item_id: str
    type: EventType
    value: float | None = None
    position: int
    user_id: str | None = None
    meta: dict[str, Any] | None = None
    timestamp: datetime
    received_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "events"
        indexes: ClassVar = [
            IndexModel([("session_id", ASCENDING)]),
            IndexModel([("collection", ASCENDING), ("received_at", ASCENDING)]),
            IndexModel([("user_id", ASCENDING)], sparse=True),
        ]
