"""Collections, their index versions, and items with their vectors in PostgreSQL."""

from embedding_studio.vector_store.catalog import Catalog
from embedding_studio.vector_store.deletions import (
    delete_items,
    delete_matching,
    forget_deletions,
    hold_alone,
    note_deletion,
    noted,
)
from embedding_studio.vector_store.domain import (
    BASE_MODEL_VERSION,
    Collection,
    Hit,
    IndexVersion,
    Item,
    Part,
    Total,
    Vector,
    checked_vector,
    score_of,
)
from embedding_studio.vector_store.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    DeploymentMovedError,
    ItemNotFoundError,
    ReindexRunsError,
    deletable_meanwhile,
)
from embedding_studio.vector_store.filters import Filter, parse_filter
from embedding_studio.vector_store.indexes import build_indexes, lacks_indexes, vacuum
from embedding_studio.vector_store.items import ItemStore, StoredItem
from embedding_studio.vector_store.retrieval import Nearest, Query, Words, count, find, find_nearest, list_items
from embedding_studio.vector_store.service import CollectionService, DimensionsOf, OnDelete
from embedding_studio.vector_store.settings import VectorStoreSettings
from embedding_studio.vector_store.versions import IndexVersions

__all__ = [
    "BASE_MODEL_VERSION",
    "Catalog",
    "Collection",
    "CollectionExistsError",
    "CollectionNotFoundError",
    "CollectionService",
    "DeploymentMovedError",
    "DimensionsOf",
    "Filter",
    "Hit",
    "IndexVersion",
    "IndexVersions",
    "Item",
    "ItemNotFoundError",
    "ItemStore",
    "Nearest",
    "OnDelete",
    "Part",
    "Query",
    "ReindexRunsError",
    "StoredItem",
    "Total",
    "Vector",
    "VectorStoreSettings",
    "Words",
    "build_indexes",
    "checked_vector",
    "count",
    "deletable_meanwhile",
    "delete_items",
    "delete_matching",
    "find",
    "find_nearest",
    "forget_deletions",
    "hold_alone",
    "lacks_indexes",
    "list_items",
    "note_deletion",
    "noted",
    "parse_filter",
    "score_of",
    "vacuum",
]
