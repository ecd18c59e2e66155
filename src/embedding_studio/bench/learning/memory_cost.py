"""What a memory of a million rows costs a search: two collections of the same items, of which one remembers."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.client import BenchClient
from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.search.stage import caller, search_path
from embedding_studio.bench.search.timing import by_turns
from embedding_studio.bench.search.wire import Wire, post
from embedding_studio.improvement import MemoryRepository
from embedding_studio.infra.postgres import Connection, Pool, open_pool
from embedding_studio.settings import load_settings
from embedding_studio.vector_store import Catalog, Collection

__all__ = ["measure_cost"]

_NAME = "memory"
_PLAIN = "bench-memory-plain"
_QUERIES = 100_000
_ROWS = 1_000_000
_USERS = 50_000
_AROUND = 0.6
_SHOWN = 20
_COUNT = 1_200
_DEARER = 1.10
_LONG_S = 1_800.0
_AT_ONCE = 50_000


async def measure_cost(url: str, client: BenchClient, collection: str, texts: Sequence[str]) -> list[Figure]:
    """Searches of both collections in turns: as a query comes, and by its vector alone.

    Args:
        url: Of the API.
        client: Of the collection that remembers.
        collection: Its name.
        texts: Queries; the remembered ones lie around them, with a cosine of about .85, and clicks were on what the
            collection shows after them, on the first places most.
    """
    plain = BenchClient(url, _PLAIN)
    plain.create("text")
    vectors = client.embed(texts)
    async with open_pool(load_settings().postgres) as pool:
        catalog = Catalog(pool, grace=timedelta(0))
        source, target = await catalog.get(collection), await catalog.get(_PLAIN)
        await _copy_items(pool, source, target)
        shown = client.top(texts, limit=_SHOWN)
        await _fill(pool, source, vectors, shown)
    for one in (client, plain):
        one.finish([one.optimize()])
        one.settle()
    host, port = url.removeprefix("http://").split(":")
    figures: list[Figure] = []
    for mode in ("hybrid", "vector"):
        wire = Wire(host, int(port))
        calls = [
            caller(wire, [post(search_path(name), {"query": text, "mode": mode, "user_id": "u1"}) for text in texts])
            for name in (_PLAIN, collection)
        ]
        without, remembering = await by_turns(calls, _COUNT)
        wire.close()
        ratio = remembering.p50 / without.p50
        figures.append(seen(_NAME, f"{mode}_p50_with_{_ROWS}_rows", remembering.p50, "ms", floor=without.p50))
        figures.append(seen(_NAME, f"{mode}_p99_with_{_ROWS}_rows", remembering.p99, "ms", floor=without.p99))
        name = f"{mode}_cost"
        figures.append(at_most(_NAME, name, ratio, _DEARER) if mode == "hybrid" else seen(_NAME, name, ratio))
    return figures


async def _copy_items(pool: Pool, source: Collection, target: Collection) -> None:
    tables = [(f"items_{one.id}", f"parts_{one.id}_{one.index_version}") for one in (source, target)]
    columns = (
        "id, payload, source, seq, ordinal, updated_at",
        "item_id, part_no, text, content_hash, embedding",
    )
    async with pool.acquire() as connection:
        for wanted, from_table, to_table in zip(columns, *tables, strict=True):
            await connection.execute(
                f"INSERT INTO {to_table} ({wanted}) SELECT {wanted} FROM {from_table}",  # noqa: S608  # our own names
                timeout=_LONG_S,
            )


async def _fill(
    pool: Pool, collection: Collection, vectors: NDArray[np.float32], shown: Sequence[Sequence[str]]
) -> None:
    """Rows straight into the tables: what is timed is searching."""
    repository = MemoryRepository(pool, pool)
    (memory,) = (await repository.find(collection)).values()
    queries, clicks = f"memory_queries_{memory}", f"memory_clicks_{memory}"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
        indexes = await _drop_indexes(connection, (queries, clicks))
        await _copy_queries(connection, queries, vectors)
        await connection.execute("CREATE TEMP TABLE shown (centre int, place int, item_id text) ON COMMIT DROP")
        pages = [(centre, place, item) for centre, page in enumerate(shown) for place, item in enumerate(page)]
        await connection.copy_records_to_table("shown", records=pages)
        await connection.execute(
            f"INSERT INTO {clicks} (session_id, item_id, query_id, user_id, weight, at, revision)"  # noqa: S608  # ours
            " SELECT 'bench' || n, s.item_id, q.id, 'u' || n % $1, .5, now() - n % 30 * interval '1 day', 1"
            " FROM (SELECT n, (power(random(), 2) * $2)::int AS place FROM generate_series(1, $3::int) n) n"
            f" JOIN {queries} q ON q.key = 'bench' || n % $4"
            " JOIN shown s ON s.centre = n % $4 % $5 AND s.place = n.place",
            _USERS,
            _SHOWN - 1,
            _ROWS,
            _QUERIES,
            len(shown),
            timeout=_LONG_S,
        )
        for index in indexes:
            await connection.execute(index, timeout=_LONG_S)
    for table in (queries, clicks):
        await pool.execute(f"VACUUM ANALYZE {table}", timeout=_LONG_S)


async def _drop_indexes(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Drop the indexes that hold no constraint; returns the statements that make them again."""
    rows = await connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS statement FROM pg_index i"
        " WHERE i.indrelid = ANY($1::text[]::regclass[]) AND NOT i.indisunique",
        list(tables),
    )
    for row in rows:
        await connection.execute(f"DROP INDEX {row['name']}")
    return [row["statement"] for row in rows]


async def _copy_queries(connection: Connection, table: str, vectors: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    dimensions = vectors.shape[1]
    await connection.execute(f"CREATE TEMP TABLE around (key text, embedding vector({dimensions:d})) ON COMMIT DROP")
    for start in range(0, _QUERIES, _AT_ONCE):
        centres = vectors[np.arange(start, start + _AT_ONCE) % len(vectors)]
        noise = rng.standard_normal(centres.shape, dtype=np.float32) * (_AROUND / np.sqrt(dimensions))
        moved = centres + noise.astype(np.float32)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        records = [(f"bench{number}", row) for number, row in enumerate(moved, start)]
        await connection.copy_records_to_table("around", records=records, timeout=_LONG_S)
    await connection.execute(
        f"INSERT INTO {table} (key, query, embedding) SELECT key, key, embedding::halfvec FROM around",  # noqa: S608
        timeout=_LONG_S,
    )
