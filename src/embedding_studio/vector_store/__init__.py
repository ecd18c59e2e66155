"""Collections, their index versions, and items with their vectors in PostgreSQL."""

from embedding_studio.vector_store.bm25 import Matches
from embedding_studio.vector_store.calibration import LARGEST_EF
from embedding_studio.vector_store.catalog import Catalog, leaving
from embedding_studio.vector_store.deletions import (
    delete_items,
    delete_matching,
    forget_deletions,
    hold_alone,
    note_deletion,
    noted,
)
from embedding_studio.vector_store.diagnosis import Diagnosis, IndexState, TableState, diagnose
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
    CollectionLeavesError,
    CollectionNotFoundError,
    DeploymentMovedError,
    ItemNotFoundError,
    ReindexRunsError,
    deletable_meanwhile,
)
from embedding_studio.vector_store.facets import FacetValue
from embedding_studio.vector_store.filter_schemas import TREE_SCHEMAS, FilterTree, SortTree
from embedding_studio.vector_store.filters import And, Filter, parse_filter
from embedding_studio.vector_store.holds import IndexHolds
from embedding_studio.vector_store.indexes import Indexes
from embedding_studio.vector_store.items import ItemStore, StoredItem
from embedding_studio.vector_store.lexical import WordQuery, find_matches, items_with_phrases, parse_words
from embedding_studio.vector_store.merging import is_fragmented, merge_terms
from embedding_studio.vector_store.nearest import find_nearest
from embedding_studio.vector_store.options import CollectionOptions, FusionOptions
from embedding_studio.vector_store.recall import Recall, note_recall, raise_ef_search, recall_of, recalls
from embedding_studio.vector_store.retrieval import (
    Few,
    count,
    count_facets,
    distances,
    find,
    find_few,
)
from embedding_studio.vector_store.service import CollectionService, DimensionsOf, OnDelete
from embedding_studio.vector_store.settings import VectorStoreSettings
from embedding_studio.vector_store.sorting import SortKey, parse_sort
from embedding_studio.vector_store.statements import Query
from embedding_studio.vector_store.versions import IndexVersions, is_served

__all__ = [
    "BASE_MODEL_VERSION",
    "LARGEST_EF",
    "TREE_SCHEMAS",
    "And",
    "Catalog",
    "Collection",
    "CollectionExistsError",
    "CollectionLeavesError",
    "CollectionNotFoundError",
    "CollectionOptions",
    "CollectionService",
    "DeploymentMovedError",
    "Diagnosis",
    "DimensionsOf",
    "FacetValue",
    "Few",
    "Filter",
    "FilterTree",
    "FusionOptions",
    "Hit",
    "IndexHolds",
    "IndexState",
    "IndexVersion",
    "IndexVersions",
    "Indexes",
    "Item",
    "ItemNotFoundError",
    "ItemStore",
    "Matches",
    "OnDelete",
    "Part",
    "Query",
    "Recall",
    "ReindexRunsError",
    "SortKey",
    "SortTree",
    "StoredItem",
    "TableState",
    "Total",
    "Vector",
    "VectorStoreSettings",
    "WordQuery",
    "checked_vector",
    "count",
    "count_facets",
    "deletable_meanwhile",
    "delete_items",
    "delete_matching",
    "diagnose",
    "distances",
    "find",
    "find_few",
    "find_matches",
    "find_nearest",
    "forget_deletions",
    "hold_alone",
    "is_fragmented",
    "is_served",
    "items_with_phrases",
    "leaving",
    "merge_terms",
    "note_deletion",
    "note_recall",
    "noted",
    "parse_filter",
    "parse_sort",
    "parse_words",
    "raise_ef_search",
    "recall_of",
    "recalls",
    "score_of",
]
