"""The SQL of distances: exact on float32, and the form of them that an approximate index answers."""

from collections.abc import Mapping

from embedding_studio.sdk import Metric
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.options import Storage

__all__ = ["approximate_distance", "candidates_of", "exact_distance", "hnsw_expression"]

_OPERATOR: Mapping[Metric, str] = {"cosine": "<=>", "dot": "<#>", "euclidean": "<->"}
_CLASS: Mapping[Metric, str] = {"cosine": "cosine_ops", "dot": "ip_ops", "euclidean": "l2_ops"}
_OVERSAMPLING: Mapping[Storage, float] = {"halfvec": 1.2, "vector": 1.0, "binary": 12.0}
_FEWEST_MORE: Mapping[Storage, int] = {"halfvec": 4, "vector": 0, "binary": 100}


def exact_distance(collection: Collection, vector: str) -> str:
    """The distance of `p.embedding` to the vector of a placeholder; no index answers this form."""
    return f"((p.embedding {_OPERATOR[collection.metric]} {vector}::vector({collection.dimensions:d})) + 0)"


def approximate_distance(collection: Collection, vector: str) -> str:
    """The distance as the approximate index keeps it: what an index scan must be ordered by, letter for letter."""
    stored, asked = (
        _stored(collection, name) for name in ("p.embedding", f"{vector}::vector({collection.dimensions:d})")
    )
    operator = "<~>" if collection.options.index.storage == "binary" else _OPERATOR[collection.metric]
    return f"{stored} {operator} {asked}"


def hnsw_expression(collection: Collection) -> str:
    """The indexed expression of `embedding`, with its operator class and the graph's parameters."""
    index = collection.options.index
    operators = "bit_hamming_ops" if index.storage == "binary" else f"{index.storage}_{_CLASS[collection.metric]}"
    return (
        f"USING hnsw (({_stored(collection, 'embedding')}) {operators})"
        f" WITH (m = {index.m:d}, ef_construction = {index.ef_construction:d})"
    )


def candidates_of(collection: Collection, limit: int) -> int:
    """How many parts the index must hand over, so that the best `limit` of them by float32 are the best there are."""
    storage = collection.options.index.storage
    return max(limit + _FEWEST_MORE[storage], int(limit * _OVERSAMPLING[storage]))


def _stored(collection: Collection, vector: str) -> str:
    dimensions = collection.dimensions
    match collection.options.index.storage:
        case "vector":
            return vector
        case "binary":
            return f"binary_quantize({vector})::bit({dimensions:d})"
        case "halfvec":
            # Halves cannot hold numbers beyond 65504; of a direction, none is larger than 1.
            scaled = f"l2_normalize({vector})" if collection.metric == "cosine" else vector
            return f"({scaled})::halfvec({dimensions:d})"
