"""Sessions to learn from, as MongoDB documents."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel

__all__ = ["Unlearned"]


class Unlearned(Document):
    """A session with events that the memory may not know yet; the id is the session's.

    Attributes:
        stamp: Changes with each event that comes, so that what came meanwhile is not taken for learned.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    stamp: str
    at: datetime

    class Settings:
        """Collection and indexes."""

        name = "unlearned_sessions"
        indexes: ClassVar = [
            IndexModel([("collection", ASCENDING), ("at", ASCENDING)]),
            IndexModel([("at", ASCENDING)]),
        ]
