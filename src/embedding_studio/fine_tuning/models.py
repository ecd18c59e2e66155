"""What editors decided, as MongoDB documents."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel

__all__ = ["Curated"]


class Curated(Document):
    """What an item is worth as the answer to a query, by an editor; one a pair.

    Attributes:
        group: The normalised query.
        query: As the editor spelt it last.
        gain: From -1 to 1.
        at: When the editor decided it, or last decided otherwise.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    group: str
    query: str
    item_id: str
    gain: float
    at: datetime

    @property
    def pair(self) -> tuple[str, str]:
        """The normalised query and the item."""
        return self.group, self.item_id

    class Settings:
        """Collection and indexes."""

        name = "curated_judgments"
        indexes: ClassVar = [
            IndexModel([("collection", ASCENDING), ("group", ASCENDING), ("item_id", ASCENDING)], unique=True),
            IndexModel([("collection", ASCENDING), ("item_id", ASCENDING)]),
            IndexModel([("collection", ASCENDING), ("_id", ASCENDING)]),
        ]
