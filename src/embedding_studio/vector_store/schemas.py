"""Collections on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from embedding_studio.sdk import Metric
from embedding_studio.vector_store.domain import NAME_PATTERN, Collection, IndexState, IndexVersion
from embedding_studio.vector_store.options import CollectionOptions
from embedding_studio.vector_store.recall import Recall

__all__ = ["CollectionPage", "CollectionView", "CreateCollection", "IndexVersionView", "RecallView"]


class CreateCollection(msgspec.Struct, forbid_unknown_fields=True):
    """A new collection."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    plugin: str
    metric: Metric | None = None
    options: dict[str, Any] = {}


class IndexVersionView(msgspec.Struct):
    """An index version."""

    version: int
    state: IndexState
    model_version: int
    items: int


class RecallView(msgspec.Struct):
    """What was measured of searches whose filters let about as much through."""

    bucket: str
    samples: int
    recall: float
    ef_search: int


class CollectionView(msgspec.Struct):
    """A collection."""

    name: str
    plugin: str
    metric: Metric
    dimensions: int
    items: int
    parts: int
    model_version: int
    index_version: int
    index_versions: list[IndexVersionView]
    created_at: datetime
    options: CollectionOptions
    ef_search: int
    trusted_depth: int | None
    recall: list[RecallView]

    @classmethod
    def of(
        cls, collection: Collection, versions: list[tuple[IndexVersion, int, int]], recalls: list[Recall]
    ) -> "CollectionView":
        """The collection as clients see it."""
        sizes = {one.version: (items, parts) for one, items, parts in versions}
        items, parts = sizes.get(collection.index_version, (0, 0))
        return cls(
            name=collection.name,
            plugin=collection.plugin,
            metric=collection.metric,
            dimensions=collection.dimensions,
            items=items,
            parts=parts,
            model_version=collection.model_version,
            index_version=collection.index_version,
            index_versions=[
                IndexVersionView(one.version, one.state, one.model_version, count) for one, count, _ in versions
            ],
            created_at=collection.created_at,
            options=collection.options,
            ef_search=collection.ef_search,
            trusted_depth=collection.trusted_depth,
            recall=[RecallView(one.bucket, one.samples, one.recall, one.ef_search) for one in recalls],
        )


class CollectionPage(msgspec.Struct):
    """Collections by name."""

    items: list[CollectionView]
    next_cursor: str | None
