"""What a new index is checked for before it serves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np

from embedding_studio.infra.postgres import Pool
from embedding_studio.vector_store import Collection, Query, Vector, find, find_nearest, recall_of

__all__ = ["Verification", "verify"]

_NEAREST = 10
_QUERIES = 50
_TOLERANCE = 1e-3
"""Of each number of a vector, relative to the vector's largest: an encoder's rounding is far below."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How a new index compares.

    Attributes:
        vectors: How many stored vectors were made again.
        largest_difference: Between a stored vector and the one made again, relative to its largest number.
        recall: Mean share of the ten nearest that the index finds, against comparing all.
        problem: Why the index must not serve; None if it may.
    """

    vectors: int = 0
    largest_difference: float = 0.0
    recall: float = 1.0
    problem: str | None = None

    def as_dict(self) -> dict[str, object]:
        """The figures, as JSON."""
        return asdict(self)


async def verify(
    pool: Pool,
    collection: Collection,
    *,
    stored: Mapping[str, Vector],
    again: Mapping[str, Vector],
    least_recall: float,
) -> Verification:
    """Compare a sample of stored vectors with the same made again, and the index's answers with exact ones.

    Args:
        pool: Where the index is.
        collection: With the new index in the place of the one that serves.
        stored: First vectors by item id, float32 (dimensions,).
        again: The same, made again from the same content.
        least_recall: Below it the index must not serve.
    """
    differences = [_difference(stored[one], again[one]) for one in stored.keys() & again.keys()]
    largest = max(differences, default=0.0)
    recalls = [await _recall(pool, collection, vector) for vector in list(stored.values())[:_QUERIES]]
    recall = fmean(recalls) if recalls else 1.0
    problem = None
    if largest > _TOLERANCE:
        problem = f"a stored vector differs by {largest:.1e} from the same content embedded again"
    elif recall < least_recall:
        problem = f"it finds {recall:.2f} of the ten nearest, and {least_recall:.2f} are asked for"
    return Verification(len(differences), largest, recall, problem)


def _difference(one: Vector, other: Vector) -> float:
    return float(np.abs(one - other).max() / max(float(np.abs(one).max()), 1e-9))


async def _recall(pool: Pool, collection: Collection, vector: Vector) -> float:
    query = Query(vector=vector)
    async with pool.acquire() as connection:
        exact = await find(connection, collection, query, limit=_NEAREST)
        found = await find_nearest(connection, collection, query, limit=_NEAREST)
    return recall_of(found, exact)
