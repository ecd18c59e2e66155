"""How deep an approximate index may be trusted: it finds the nearest ten on most data, the nearest thousand on some."""

from collections.abc import Sequence
from statistics import fmean

from embedding_studio.infra.postgres import Connection, set_for_session
from embedding_studio.vector_store.distances import approximate_distance, candidates_of, exact_distance
from embedding_studio.vector_store.domain import Collection, Vector
from embedding_studio.vector_store.tables import parts_table

__all__ = ["DEPTHS", "LARGEST_EF", "UNTESTED_DEPTH", "calibrate"]

DEPTHS = (10, 25, 50, 100, 200, 400, 800, 1_600, 4_000)
UNTESTED_DEPTH = 200
"""What an index is trusted with that was never tried."""
LARGEST_EF = 1_000
"""What pgvector takes for `hnsw.ef_search`."""

_QUERIES = 20
_LEAST_RECALL = 0.95
_TIMEOUT_S = 600.0


async def calibrate(connection: Connection, collection: Collection) -> int:
    """Try the index of the active version with stored vectors, and note how far to look and how deep to trust it.

    Searches look at as many more candidates as it takes to find 95 % of the nearest ten.

    Returns:
        The largest of `DEPTHS` up to which the index finds 95 % of as many nearest parts; 0 if not even of ten.
    """
    queries = await _sample(connection, collection)
    exact = [
        await _keys(connection, collection, query, exact_distance(collection, "$1"), DEPTHS[-1]) for query in queries
    ]
    ef, trusted = collection.ef_search, 0
    for depth in DEPTHS if exact else ():
        while (recall := await _recall(connection, collection, queries, exact, depth, ef)) < _LEAST_RECALL:
            if depth > DEPTHS[0] or ef >= LARGEST_EF:
                break
            ef = min(LARGEST_EF, 2 * ef)
        if recall < _LEAST_RECALL:
            break
        trusted = depth
    await connection.execute(
        "UPDATE index_versions SET trusted_depth = $3, ef_search = nullif($4::int, $5::int)"
        " WHERE collection_id = $1 AND version = $2",
        collection.id,
        collection.index_version,
        trusted,
        ef,
        collection.options.index.ef_search,
    )
    return trusted


async def _sample(connection: Connection, collection: Collection) -> list[Vector]:
    table = parts_table(collection.id, collection.index_version)
    parts: int = await connection.fetchval(f"SELECT count(*) FROM {table}", timeout=_TIMEOUT_S)
    rows = await connection.fetch(
        f"SELECT embedding FROM {table} TABLESAMPLE BERNOULLI ($1) REPEATABLE (0) LIMIT {_QUERIES:d}",
        min(100.0, 300.0 * _QUERIES / max(1, parts)),
        timeout=_TIMEOUT_S,
    )
    return [row["embedding"] for row in rows]


async def _recall(
    connection: Connection,
    collection: Collection,
    queries: Sequence[Vector],
    exact: Sequence[list[int]],
    depth: int,
    ef: int,
) -> float:
    candidates = candidates_of(collection, depth)
    await set_for_session(connection, "hnsw.ef_search", str(min(LARGEST_EF, max(ef, candidates))))
    found = [
        await _keys(connection, collection, query, approximate_distance(collection, "$1"), candidates)
        for query in queries
    ]
    return fmean(len(set(near[:depth]) & set(one)) / len(near[:depth]) for near, one in zip(exact, found, strict=True))


async def _keys(connection: Connection, collection: Collection, query: Vector, distance: str, limit: int) -> list[int]:
    table = parts_table(collection.id, collection.index_version)
    rows = await connection.fetch(
        f"SELECT p.key FROM {table} p ORDER BY {distance} LIMIT {limit:d}",
        query,
        timeout=_TIMEOUT_S,
    )
    return [row["key"] for row in rows]
