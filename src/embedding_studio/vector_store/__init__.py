"""Collections, their index versions, and items with their vectors in PostgreSQL."""

from embedding_studio.vector_store.catalog import Catalog
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
    deletable_meanwhile,
)
from embedding_studio.vector_store.filters import Filter, parse_filter
from embedding_studio.vector_store.indexes import build_indexes
from embedding_studio.vector_store.items import ItemStore, StoredItem
from embedding_studio.vector_store.retrieval import Nearest, Query, Words, count, find, find_nearest, list_items
from embedding_studio.vector_store.service import CollectionService, DimensionsOf, OnDelete
from embedding_studio.vector_store.settings import VectorStoreSettings

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
    "Item",
    "ItemNotFoundError",
    "ItemStore",
    "Nearest",
    "OnDelete",
    "Part",
    "Query",
    "StoredItem",
    "Total",
    "Vector",
    "VectorStoreSettings",
    "Words",
    "build_indexes",
    "checked_vector",
    "count",
    "deletable_meanwhile",
    "find",
    "find_nearest",
    "list_items",
    "parse_filter",
    "score_of",
]
