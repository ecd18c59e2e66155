"""What was measured of an index version's recall, and how far a search looks because of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.infra.postgres import Connection
from embedding_studio.vector_store.domain import Collection, Hit

__all__ = ["Recall", "note_recall", "raise_ef_search", "recall_of", "recalls"]

_REMEMBERED = 200
"""Samples that a mean goes back, about."""
_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Recall:
    """Of searches whose filters let about as much through.

    Attributes:
        bucket: The share of the items that passes the filter.
        samples: How many searches were repeated exactly since `ef_search` was as it is.
        recall: Mean share of the exact results that the index found.
        ef_search: Candidates that a search looked at.
    """

    bucket: str
    samples: int
    recall: float
    ef_search: int


def recall_of(found: Sequence[Hit], exact: Sequence[Hit]) -> float:
    """The share of the exact hits that were found; what is as near as the last of them is as good."""
    if not exact:
        return 1.0
    reach = exact[-1].distance + _TIE
    return min(1.0, sum(hit.distance <= reach for hit in found) / len(exact))


async def recalls(connection: Connection, collection: Collection) -> list[Recall]:
    """What was measured of the active index version."""
    rows = await connection.fetch(
        "SELECT bucket, samples, recall, at_ef_search AS ef_search FROM recall"
        " WHERE collection_id = $1 AND version = $2 ORDER BY bucket",
        collection.id,
        collection.index_version,
    )
    return [Recall(**row) for row in rows]


async def note_recall(connection: Connection, collection: Collection, bucket: str, recall: float) -> Recall:
    """Add a sample to a bucket's mean, which starts anew whenever searches look further than before."""
    (row,) = await connection.fetch(
        "INSERT INTO recall AS r (collection_id, version, bucket, samples, recall, at_ef_search)"
        " VALUES ($1, $2, $3, 1, $4, $5) ON CONFLICT (collection_id, version, bucket) DO UPDATE SET"
        " samples = CASE WHEN r.at_ef_search = $5 THEN r.samples + 1 ELSE 1 END,"
        " recall = CASE WHEN r.at_ef_search = $5"
        f" THEN r.recall + ($4 - r.recall) / least(r.samples + 1, {_REMEMBERED:d}) ELSE $4 END,"
        " at_ef_search = $5, measured_at = now()"
        " RETURNING bucket, samples, recall, at_ef_search AS ef_search",
        collection.id,
        collection.index_version,
        bucket,
        recall,
        collection.ef_search,
    )
    return Recall(**row)


async def raise_ef_search(connection: Connection, collection: Collection, ef_search: int) -> None:
    """Let searches of the active index version look at so many candidates, unless they look at more already."""
    await connection.execute(
        "UPDATE index_versions SET ef_search = $3"
        " WHERE collection_id = $1 AND version = $2 AND coalesce(ef_search, 0) < $3",
        collection.id,
        collection.index_version,
        ef_search,
    )
