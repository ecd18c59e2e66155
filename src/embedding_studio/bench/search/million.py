"""Section `million`: what a million vectors cost to index, to keep and to search."""

import time
from datetime import timedelta

import psutil

from embedding_studio.bench.figures import Figure, at_least, seen
from embedding_studio.bench.search.clusters import Clusters
from embedding_studio.bench.search.exact import mean_recall
from embedding_studio.bench.search.floor import bare_call, bare_queries
from embedding_studio.bench.search.stage import Stage, caller, found_items, search_path, vector_query
from embedding_studio.bench.search.timing import by_turns
from embedding_studio.bench.search.wire import post
from embedding_studio.bench.watching import repeatedly
from embedding_studio.infra.postgres import Pool, open_pool
from embedding_studio.vector_store import Catalog

__all__ = ["measure_million"]

_NAME = "million"
_COLLECTION = "bench-million"
_QUERIES = 500
_LIMIT = 10
_ROWS_AT_ONCE = 20_000
_RECALL = 0.95
_COPY_S = 600.0
_SAMPLE_EVERY_S = 1.0
_MB = 1_000_000


async def measure_million(stage: Stage) -> list[Figure]:
    """Build, sizes, recall and times. The vectors are copied straight into the tables, which is not timed."""
    clusters = Clusters(stage.sizes.million)
    client = stage.client(_COLLECTION)
    client.create("vectors", dimensions=clusters.dimensions)
    async with open_pool(stage.settings.postgres) as pool:
        memory = _MemoryPeak()
        with repeatedly(_SAMPLE_EVERY_S, memory.look):
            await _copy(stage, pool, clusters)
            stage.say("Building the index through the API's task `optimize`")
            started = time.perf_counter()
            client.finish([client.optimize()])
            client.settle()
            build = time.perf_counter() - started
            sizes = await _sizes(pool)
            searches = await _search(stage, clusters)
    client.delete()
    return [
        seen(_NAME, "vectors", clusters.count),
        seen(_NAME, "build", build, "s"),
        *(seen(_NAME, name, size / _MB, "MB") for name, size in sizes.items()),
        *searches,
        seen(_NAME, "peak_memory_all_processes", memory.peak / _MB, "MB"),
    ]


async def _copy(stage: Stage, pool: Pool, clusters: Clusters) -> None:
    collection = await Catalog(pool, grace=timedelta(0)).get(_COLLECTION)
    table = f"parts_{collection.id}_{collection.index_version}"
    stage.say(f"Copying {clusters.count:,} vectors into {table}")
    # Nobody sees the rows before they are all there: workers would begin to index them.
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            f"INSERT INTO items_{collection.id} (id, payload, seq, ordinal) SELECT 'i' || number,"  # noqa: S608  # ours
            " jsonb_build_object('title', 'item ' || number, 'group', number % 1000), 0, number"
            f" FROM generate_series(0, {clusters.count - 1:d}) number",
            timeout=_COPY_S,
        )
        for start in range(0, clusters.count, _ROWS_AT_ONCE):
            rows = clusters.vectors[start : start + _ROWS_AT_ONCE]
            records = [(f"i{number}", 0, "bench", row) for number, row in enumerate(rows, start)]
            columns = ("item_id", "part_no", "content_hash", "embedding")
            await connection.copy_records_to_table(table, records=records, columns=columns, timeout=_COPY_S)


async def _sizes(pool: Pool) -> dict[str, int]:
    collection = await Catalog(pool, grace=timedelta(0)).get(_COLLECTION)
    table = f"parts_{collection.id}_{collection.index_version}"
    async with pool.acquire() as connection:
        index = await connection.fetchval(
            "SELECT sum(pg_relation_size(i.indexrelid)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'hnsw' AND i.indrelid = $1::regclass",
            table,
        )
        parts = await connection.fetchval("SELECT pg_table_size($1::regclass)", table)
        total = await connection.fetchval(
            "SELECT pg_total_relation_size($1::regclass) + pg_total_relation_size($2::regclass)",
            table,
            f"items_{collection.id}",
        )
    return {"index_size": int(index or 0), "parts_size": parts, "all_tables_and_indexes": total}


async def _search(stage: Stage, clusters: Clusters) -> list[Figure]:
    stage.say(f"Searching {_QUERIES} times")
    queries, _ = clusters.queries(_QUERIES)
    requests = [post(search_path(_COLLECTION), vector_query(query, limit=_LIMIT)) for query in queries]
    wire = stage.wire()
    async with bare_queries(stage.settings, _COLLECTION, queries[0], count=1) as (statement,):
        found = [found_items(await wire.send(request)) for request in requests]
        api, bare = await by_turns([caller(wire, requests), bare_call(statement, queries)], _QUERIES)
    wire.close()
    return [
        at_least(_NAME, "recall@10", mean_recall(clusters.vectors, queries, found, _LIMIT), _RECALL),
        seen(_NAME, "api_p50", api.p50, "ms", floor=bare.p50),
        seen(_NAME, "api_p99", api.p99, "ms", floor=bare.p99),
    ]


class _MemoryPeak:
    """Looks at all processes below this one; memory is the proportional set size, shared pages once."""

    def __init__(self) -> None:
        self.peak = 0

    def look(self) -> None:
        self.peak = max(self.peak, sum(map(_memory, psutil.Process().children(recursive=True))))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
