"""Sessions and events as MongoDB documents."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

from embedding_studio.clickstream.domain import EventType

__all__ = ["Event", "Impression", "Session"]


class Impression(BaseModel):
    """An item that was shown."""

    id: str
    position: int
    score: float
    propensity: float


class Session(Document):
    """One search and what it showed."""

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    query: dict[str, Any]
    filter: dict[str, Any] | None = None
    user_id: str | None = None
    meta: dict[str, Any] | None = None
    results: list[Impression]
    mode: str
    model_version: int
    index_version: int
    variant: str | None = None
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "sessions"
        indexes: ClassVar = [
            IndexModel([("collection", ASCENDING), ("created_at", ASCENDING)]),
            IndexModel([("user_id", ASCENDING)], sparse=True),
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
