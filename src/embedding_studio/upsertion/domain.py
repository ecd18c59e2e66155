"""From what came in to what is stored."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.sdk import Aggregate, Metric
from embedding_studio.tasks import FailedItem
from embedding_studio.vector_store import Part, Vector

__all__ = ["Content", "Loading", "NewItem", "PreparedItem", "StagedItem", "content_hash", "parts_of"]

_SHORTEST = 1e-9


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item as it came in; `vector` only where the plugin takes given vectors."""

    id: str
    payload: dict[str, Any]
    source: dict[str, Any] | None = None
    vector: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class StagedItem:
    """An item that was accepted.

    Attributes:
        seq: Its place in the order of acceptance; the highest wins.
        ordinal: Its place within its task.
        tries: How often a task that was cut short had it in hand.
    """

    seq: int
    ordinal: int
    item: NewItem
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Loading:
    """What a loader read, and where it goes on; a record that cannot be read comes with the reason."""

    records: Sequence[tuple[NewItem, FailedItem | None]]
    cursor: dict[str, Any] | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What the encoder sees of one part: a text, an image, uint8 (size, size, 3), or nothing but a given vector."""

    text: str | None = None
    image: NDArray[np.uint8] | None = None
    vector: Sequence[float] | None = None
    weight: float = 1.0

    def key(self) -> list[Any]:
        """Equal where the vectors must be equal."""
        image = None if self.image is None else hashlib.sha256(self.image.tobytes()).hexdigest()
        vector = (
            None if self.vector is None else hashlib.sha256(np.asarray(self.vector, np.float64).tobytes()).hexdigest()
        )
        return [self.text, image, vector, self.weight]


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """An accepted item with the contents of its parts."""

    staged: StagedItem
    contents: Sequence[Content]
    content_hash: str = field(default="")


def content_hash(contents: Sequence[Content], aggregate: Aggregate) -> str:
    """Of all that the item's vectors are made from."""
    return hashlib.sha256(json.dumps([aggregate, *(one.key() for one in contents)]).encode()).hexdigest()


def parts_of(
    contents: Sequence[Content], vectors: Sequence[Vector], aggregate: Aggregate, metric: Metric
) -> list[Part]:
    """The parts that are stored: one a content, or a single one with the weighted mean of their vectors.

    A mean is brought to length 1 where the metric is cosine; where it has no direction, the first vector stands.
    """
    if aggregate == "best" or len(contents) == 1:
        return [Part(one.text, vector) for one, vector in zip(contents, vectors, strict=True)]
    weights = np.asarray([one.weight for one in contents], np.float32)
    mean = np.asarray((weights[:, None] * np.stack(vectors)).sum(axis=0) / weights.sum(), np.float32)
    length = float(np.linalg.norm(mean))
    if metric == "cosine":
        mean = mean / length if length > _SHORTEST else vectors[0]
    text = "\n".join(one.text for one in contents if one.text)
    return [Part(text or None, np.asarray(mean, np.float32))]
