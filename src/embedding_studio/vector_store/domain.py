"""What the store holds: collections, their versions, items and what a search finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import EncoderSource, Metric
from embedding_studio.vector_store.options import CollectionOptions

__all__ = [
    "BASE_MODEL_VERSION",
    "NAME_PATTERN",
    "Collection",
    "Hit",
    "IndexState",
    "IndexVersion",
    "Item",
    "Part",
    "Total",
    "Vector",
    "checked_vector",
    "score_of",
]

IndexState = Literal["building", "active", "retired", "failed"]
Vector = NDArray[np.float32]

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}\Z"
"""What a collection may be called."""

_LARGEST = 1e9
_LARGEST_HALF = 65_504.0  # of half precision; a direction is scaled before it is indexed
_SHORTEST = 1e-9

BASE_MODEL_VERSION = 1
"""The encoder as the plugin names it, before anything was learned."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A catalog of items and what serves it now.

    `model_version` and `index_version` are those of the deployment the collection points at: they move together.
    `raised_ef_search` is what the recall meter asks of that index, `trusted_depth` how many of the nearest parts it was
    seen to find nearly all of when it was built.
    `dimensions` and `encoder` are those of that index; `encoder` is None where items bring their own vectors, and in
    indexes that were built before encoders were noted.
    """

    id: int
    name: str
    plugin: str
    metric: Metric
    dimensions: int
    options: CollectionOptions
    created_at: datetime
    deployment_id: int
    model_version: int
    index_version: int
    encoder: EncoderSource | None = None
    raised_ef_search: int | None = None
    trusted_depth: int | None = None

    @property
    def language(self) -> str:
        """The text search configuration of its texts."""
        return self.options.language or "english"

    @property
    def partitions(self) -> int:
        """Tables that the parts of each of its index versions are spread over."""
        return self.options.index.partitions

    @property
    def ef_search(self) -> int:
        """Candidates that a search looks at in each graph, at least: as asked for, or as far as the meter raised it."""
        return max(self.options.index.ef_search, self.raised_ef_search or 0)


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One physical index of a collection.

    Attributes:
        filled_to: Up to which item id a building index was filled.
        task_id: The reindex task that builds it.
    """

    version: int
    state: IndexState
    model_version: int
    dimensions: int
    encoder: EncoderSource | None = None
    filled_to: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A searchable piece of an item; `vector` is float32 of the index version's dimensions."""

    text: str | None
    vector: Vector


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is stored.

    Attributes:
        seq: Order of acceptance: the highest wins.
        ordinal: Order among items of the same `seq`, which are those of one ingest.
        content_hash: Of all that the vectors were made from.
        parts: By index version; a version is not there where its vectors are those of the content already.
    """

    id: str
    payload: dict[str, Any]
    source: dict[str, Any] | None
    seq: int
    content_hash: str
    parts: Mapping[int, Sequence[Part]] = field(default_factory=dict)
    ordinal: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """In the order of acceptance."""
        return self.seq, self.ordinal


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found, with its best part; a smaller distance is better.

    Attributes:
        keys: What it was sorted by, before the distance.
    """

    item_id: str
    part_no: int
    distance: float
    payload: dict[str, Any]
    keys: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Total:
    """How many items match; `gte` where counting stopped early."""

    value: int
    relation: Literal["eq", "gte"]


def checked_vector(values: Sequence[float], collection: Collection, *, place: str) -> Vector:
    """Numbers from outside as a float32 vector whose distances are finite, and which the index can hold.

    Raises:
        InvalidError: Wrong length, too large a number, or no direction where the metric is cosine.
    """
    if len(values) != collection.dimensions:
        raise InvalidError.at(place, f"must have {collection.dimensions} numbers, not {len(values)}")
    halves = collection.options.index.storage == "halfvec" and collection.metric != "cosine"
    largest = _LARGEST_HALF if halves else _LARGEST
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
        vector = np.asarray(values, dtype=np.float32)
    if not np.all(np.abs(vector) <= largest):
        hint = '; collections created with the option index.storage "vector" take larger ones' if halves else ""
        raise InvalidError.at(place, f"its numbers must lie within ±{largest:g}{hint}")
    if collection.metric == "cosine" and np.linalg.norm(vector) < _SHORTEST:
        raise InvalidError.at(place, "is zero, which has no cosine")
    return vector


def score_of(distance: float, metric: Metric) -> float:
    """Higher is better: cosine similarity, inner product, or the Euclidean distance with its sign turned."""
    return 1.0 - distance if metric == "cosine" else -distance
