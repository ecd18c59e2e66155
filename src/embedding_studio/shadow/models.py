"""Shadows and what was mirrored to them, as MongoDB documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from embedding_studio.experiments import RankingOverrides

__all__ = ["MirroredSearch", "Shadow"]


class Shadow(Document):
    """A candidate that a share of a collection's searches is mirrored to; one a collection.

    Attributes:
        ranking: Its `RankingOverrides`.
        share: 0..1.
        compared: How many searches it answered; as the others, a number of `Counts`.
        last_failure: What the last error said.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    collection_id: int
    model_version: int
    ranking: dict[str, Any] = Field(default_factory=dict)
    share: float
    started_at: datetime
    compared: int = 0
    failed: int = 0
    late: int = 0
    dropped: int = 0
    last_failure: str | None = None

    @property
    def holder(self) -> str:
        """The name by which it holds its index."""
        return f"shadow:{self.collection_id}"

    @property
    def overrides(self) -> RankingOverrides:
        """What it does otherwise than the collection."""
        return msgspec.convert(self.ranking, RankingOverrides)

    class Settings:
        """Collection and indexes."""

        name = "shadows"
        indexes: ClassVar = [
            IndexModel([("collection_id", ASCENDING)], unique=True),
            IndexModel([("collection", ASCENDING)]),
        ]


class MirroredSearch(Document):
    """A search that both sides answered; the newest of a shadow are kept, and no user is named.

    Attributes:
        id: The shadow's, and a number below that of the comparisons that are kept.
        live_model: The version that answered the user.
        live: Ids of the first ten.
        candidate: The same of the candidate.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    shadow_id: str
    live_model: int
    query: str | None
    live: Sequence[str]
    candidate: Sequence[str]
    live_ms: float
    candidate_ms: float
    overlap: float
    rbo: float
    same_first: bool
    at: datetime
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "mirrored_searches"
        indexes: ClassVar = [
            IndexModel([("shadow_id", ASCENDING), ("live_model", ASCENDING), ("rbo", ASCENDING)]),
            IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
        ]
