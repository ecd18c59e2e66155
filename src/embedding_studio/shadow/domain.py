"""What a mirrored search compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from embedding_studio.experiments import RankingOverrides
from embedding_studio.vector_store import Collection

__all__ = ["Answer", "Compared", "Counts", "LiveShadow"]


@dataclass(frozen=True, slots=True)
class LiveShadow:
    """A candidate that searches are mirrored to.

    Attributes:
        collection: As the candidate serves it: its model version, and the index that goes with that.
        share: Of the searches, 0..1.
    """

    id: str
    collection: Collection
    overrides: RankingOverrides
    share: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side ranked first, and how long it took.

    Attributes:
        items: Ids of the first ten.
        took_ms: Of the ranking: neither facets nor the session's record are in it.
    """

    items: Sequence[str]
    took_ms: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A search that both have answered.

    Attributes:
        query: Its words; None where it had none.
        live_model: The version that answered the user.
    """

    at: datetime
    query: str | None
    live_model: int
    live: Answer
    candidate: Answer


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of mirrored searches.

    Attributes:
        compared: The candidate answered.
        failed: It raised an error.
        late: It did not answer in time.
        dropped: Too many were waiting.
    """

    compared: int = 0
    failed: int = 0
    late: int = 0
    dropped: int = 0
